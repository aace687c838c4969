/* The normaliser that tokenizer.json gets from tokenizer_config.json and do_lower_case: what
 * transformers 5.23 and sentence-transformers 6.2 build from the same files. Only where
 * tokenizer_config.json says nothing of the normaliser does tokenizer.json stand, though the
 * reference would assume the defaults of a BERT tokenizer. */
#include "base/memory.h"
#include "model/model_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BERT(chinese, strip, lower)                                                           \
    "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": " chinese \
    ", \"strip_accents\": " strip ", \"lowercase\": " lower "}"
#define LOWER "{\"type\": \"Lowercase\"}"

typedef struct Row {
    const char *normalizer, *config; /* config NULL: no tokenizer_config.json */
    bool lowercase_first;
    const char *expected; /* NULL: the text stands */
} Row;

static const Row rows[] = {
    {BERT("true", "null", "true"), NULL, false, NULL},
    {BERT("true", "null", "true"), "{}", false, NULL},
    {BERT("true", "null", "false"), "{}", false, NULL},
    {BERT("true", "null", "true"), "{\"do_lower_case\": true}", false, NULL},
    {BERT("true", "null", "true"), "{\"do_lower_case\": false}", false,
     BERT("true", "null", "false")},
    {BERT("true", "null", "false"), "{\"do_lower_case\": true}", false,
     BERT("true", "null", "true")},
    {BERT("true", "null", "false"), "{\"strip_accents\": null}", false,
     BERT("true", "null", "true")},
    {BERT("true", "false", "true"), "{\"do_lower_case\": true}", false,
     BERT("true", "null", "true")},
    {BERT("true", "null", "true"), "{\"strip_accents\": false}", false,
     BERT("true", "false", "true")},
    {BERT("true", "null", "true"), "{\"tokenize_chinese_chars\": false}", false,
     BERT("false", "null", "true")},
    {BERT("true", "null", "true"),
     "{\"do_lower_case\": false, \"tokenizer_class\": \"BertTokenizerFast\"}", false,
     BERT("true", "null", "false")},
    {BERT("true", "null", "true"),
     "{\"do_lower_case\": false, \"tokenizer_class\": \"PreTrainedTokenizerFast\"}", false, NULL},
    {"null", "{\"do_lower_case\": true}", false, BERT("true", "null", "true")},
    {LOWER, "{\"do_lower_case\": false}", false, BERT("true", "null", "false")},
    {"null", NULL, true, LOWER},
    {LOWER, NULL, true, NULL},
    {"{\"type\": \"NFC\"}", NULL, true,
     "{\"type\": \"Sequence\", \"normalizers\": [" LOWER ", {\"type\": \"NFC\"}]}"},
    {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, " LOWER "]}", NULL, true,
     NULL},
    {BERT("true", "null", "true"), NULL, true, NULL},
    {BERT("true", "true", "true"), NULL, true, NULL},
    {BERT("true", "null", "false"), NULL, true, BERT("true", "false", "true")},
    {BERT("true", "true", "false"), NULL, true, BERT("true", "true", "true")},
    {BERT("true", "null", "true"), "{\"do_lower_case\": false}", true,
     BERT("true", "false", "true")},
};

/* Places of "normalizer" in the text that are to be found, and keys and strings that look alike. */
static const char *const frames[] = {
    "{\"normalizer\":%s}",
    "\n { \"version\" : \"1.0\" , \"normalizer\" : %s , \"model\": {\"vocab\": {\"a\": 0}}}",
    ("{\"a\\\"\": \"\\\\\", \"x\": [\"]\", {\"normalizer\": 3}, \"\\\"normalizer\\\":\"],"
     "\"normalizer\":%s,\"z\":-1.5e3}"),
    "{\"n\": 12, \"t\": true, \"normalizer2\": null, \"normalizer\":%s\n}",
};

static void check_row(const Row *row, const char *frame)
{
    char text[1000];
    char *changed = NULL;
    size_t size = 0;
    SutraError err = {0};
    SuConfigFile config = {0};
    if (row->config) config = (SuConfigFile){.path = (char *)"c.json"};
    if (row->config) config.root = json_loads(row->config, 0, NULL);
    snprintf(text, sizeof text, frame, row->normalizer);
    SutraStatus status = su_tokenizer_json_adjust(text, strlen(text), "t.json", &config,
                                                  row->lowercase_first, &changed, &size, &err);
    if (status != SUTRA_OK) fail_msg("%s: %s", text, err.message);
    if (!row->expected != !changed) fail_msg("%s with %s", text, row->config);
    if (changed) {
        json_t *is = json_loadb(changed, size, 0, NULL), *should;
        snprintf(text, sizeof text, frame, row->expected);
        should = json_loads(text, 0, NULL);
        assert_non_null(is);
        if (!json_equal(is, should)) fail_msg("%.*s instead of %s", (int)size, changed, text);
        json_decref(is);
        json_decref(should);
    }
    su_free(changed);
    json_decref(config.root);
}

static void the_normalizer_is_the_reference_s(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof frames / sizeof *frames; k++) check_row(&rows[i], frames[k]);
}

static void damaged_text_is_left_to_the_tokenizer(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[]",
                                        "{",
                                        "{\"normalizer\"",
                                        "{\"normalizer\":",
                                        "{\"normalizer\": \"",
                                        "{\"normalizer\": {\"a\": [}",
                                        "{\"normalizer\": ]",
                                        "{\"x\": 1]",
                                        "{\"x\\",
                                        "{3: 4, \"normalizer\": null}",
                                        "{\"x\": {\"normalizer\": null}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        /* exactly as long as it says: a sanitizer sees any byte beyond */
        size_t size = strlen(texts[i]), changed_size;
        char *text = su_strndup(texts[i], size), *exact = su_alloc(size, 1), *changed;
        SuConfigFile config = {0};
        SutraError err;
        memcpy(exact, text, size);
        su_free(text);
        assert_int_equal(su_tokenizer_json_adjust(exact, size, "t.json", &config, true, &changed,
                                                  &changed_size, &err),
                         SUTRA_OK);
        assert_null(changed);
        su_free(exact);
    }
}

static void a_damaged_normalizer_is_named(void **state)
{
    (void)state;
    static const char text[] = "{\"normalizer\": {3}}";
    char *changed;
    size_t size;
    SuConfigFile config = {0};
    SutraError err;
    assert_int_equal(su_tokenizer_json_adjust(text, sizeof text - 1, "t.json", &config, true,
                                              &changed, &size, &err),
                     SUTRA_E_FORMAT);
    assert_int_equal(strncmp(err.message, "t.json: normalizer: ", 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_normalizer_is_the_reference_s),
        cmocka_unit_test(damaged_text_is_left_to_the_tokenizer),
        cmocka_unit_test(a_damaged_normalizer_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
