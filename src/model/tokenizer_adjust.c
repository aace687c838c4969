/* Where tokenizer.json does not have the last word.
 *
 * The reference rebuilds the normaliser of a BERT tokenizer from tokenizer_config.json
 * (do_lower_case, strip_accents, tokenize_chinese_chars), and sentence_bert_config.json's
 * do_lower_case puts a Lowercase in front of it. Nearly always tokenizer.json says the same
 * already; where it does not, its "normalizer" value is replaced in the text. The value is found by
 * scanning: a full parse of the vocabulary is left to the tokenizer, which also reports damage. */
#include "base/memory.h"
#include "model/model_parts.h"

#include <string.h>

/* begin ≤ next ≤ end: what is left of the text. */
typedef struct Scanner {
    const char *next, *end;
} Scanner;

static void skip_space(Scanner *scanner)
{
    while (scanner->next < scanner->end && memchr(" \t\r\n", *scanner->next, 4)) scanner->next++;
}

/* Past a string that begins here; false if it does not end. */
static bool skip_string(Scanner *scanner)
{
    for (scanner->next++; scanner->next < scanner->end; scanner->next++) {
        if (*scanner->next == '"') {
            scanner->next++;
            return true;
        }
        if (*scanner->next == '\\') scanner->next++;
    }
    scanner->next = scanner->end;
    return false;
}

/* Past one value of any kind. */
static bool skip_value(Scanner *scanner)
{
    size_t depth = 0;
    while (scanner->next < scanner->end) {
        char c = *scanner->next;
        if (c == '"') {
            if (!skip_string(scanner)) return false;
            if (depth == 0) return true;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) return true;
        scanner->next++;
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') {
            if (depth == 0) return false;
            if (--depth == 0) return true;
        }
    }
    return false;
}

/* The value of the outermost object's `key`. False when there is none, or the text is damaged. */
static bool find_value(const char *json, size_t size, const char *key, Scanner *value)
{
    Scanner scanner = {json, json + size};
    size_t key_size = strlen(key);
    skip_space(&scanner);
    if (scanner.next == scanner.end || *scanner.next != '{') return false;
    do {
        scanner.next++;
        skip_space(&scanner);
        const char *name = scanner.next;
        if (name == scanner.end || *name != '"' || !skip_string(&scanner)) return false;
        bool found =
            (size_t)(scanner.next - name) == key_size + 2 && memcmp(name + 1, key, key_size) == 0;
        skip_space(&scanner);
        if (scanner.next == scanner.end || *scanner.next != ':') return false;
        scanner.next++;
        skip_space(&scanner);
        value->next = scanner.next;
        if (!skip_value(&scanner)) return false;
        value->end = scanner.next;
        if (found) return true;
        skip_space(&scanner);
    } while (scanner.next < scanner.end && *scanner.next == ',');
    return false;
}

/* True for the classes whose normaliser the reference rebuilds. */
static bool is_rebuilt_class(const json_t *config)
{
    const json_t *name = json_object_get(config, "tokenizer_class");
    return !json_is_string(name) || strcmp(json_string_value(name), "BertTokenizer") == 0 ||
           strcmp(json_string_value(name), "BertTokenizerFast") == 0;
}

/* tokenizer_config.json's normaliser as a new reference; *normalizer is left alone when the config
 * does not mention it. */
static SutraStatus read_wanted(const SuConfigFile *config, json_t **normalizer, SutraError *err)
{
    bool lowercase = true, chinese = true, strip = false;
    const json_t *root = config->root;
    if (!json_object_get(root, "do_lower_case") && !json_object_get(root, "strip_accents") &&
        !json_object_get(root, "tokenize_chinese_chars"))
        return SUTRA_OK;
    if (!is_rebuilt_class(root)) return SUTRA_OK;
    SU_TRY(su_json_get_bool(root, "do_lower_case", config->path, &lowercase, err));
    SU_TRY(su_json_get_bool(root, "tokenize_chinese_chars", config->path, &chinese, err));
    SU_TRY(su_json_get_bool(root, "strip_accents", config->path, &strip, err));
    const json_t *strip_value = json_object_get(root, "strip_accents");
    json_t *strip_accents =
        strip_value && !json_is_null(strip_value) ? json_boolean(strip) : json_null();
    json_decref(*normalizer);
    *normalizer = json_pack("{s:s, s:b, s:b, s:o, s:b}", "type", "BertNormalizer", "clean_text", 1,
                            "handle_chinese_chars", chinese, "strip_accents", strip_accents,
                            "lowercase", lowercase);
    if (!*normalizer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", config->path);
    return SUTRA_OK;
}

static bool is_type(const json_t *normalizer, const char *type)
{
    const json_t *name = json_object_get(normalizer, "type");
    return json_is_string(name) && strcmp(json_string_value(name), type) == 0;
}

/* A step that lowercases is in there already: the reference adds none, or it would change nothing.
 */
static bool lowercases(const json_t *normalizer)
{
    const json_t *steps = json_object_get(normalizer, "normalizers");
    if (is_type(normalizer, "Sequence"))
        for (size_t i = 0; i < json_array_size(steps); i++)
            if (is_type(json_array_get(steps, i), "Lowercase")) return true;
    return is_type(normalizer, "Lowercase");
}

/* Lowercase, then a BertNormalizer, is the BertNormalizer that lowercases and strips accents only
 * if the other was told to (by itself it would, because it lowercases): none of its steps tells
 * cases apart. Equal for every code point, alone and beside marks, in the reference library. */
static json_t *lowercase_bert(const json_t *normalizer)
{
    json_t *copy = json_copy((json_t *)normalizer);
    bool lowercase = json_is_true(json_object_get(normalizer, "lowercase"));
    bool strip_given = json_is_boolean(json_object_get(normalizer, "strip_accents"));
    if (!lowercase && !strip_given) json_object_set_new(copy, "strip_accents", json_false());
    json_object_set_new(copy, "lowercase", json_true());
    return copy;
}

static SutraStatus prepend_lowercase(json_t **normalizer, SutraError *err)
{
    json_t *wrapped;
    if (lowercases(*normalizer)) return SUTRA_OK;
    if (json_is_null(*normalizer))
        wrapped = json_pack("{s:s}", "type", "Lowercase");
    else if (is_type(*normalizer, "BertNormalizer"))
        wrapped = lowercase_bert(*normalizer);
    else
        wrapped = json_pack("{s:s, s:[{s:s}, O]}", "type", "Sequence", "normalizers", "type",
                            "Lowercase", *normalizer);
    if (!wrapped) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a normalizer");
    json_decref(*normalizer);
    *normalizer = wrapped;
    return SUTRA_OK;
}

/* *changed = json with `value` replaced by the normaliser. */
static SutraStatus splice(const char *json, size_t size, const Scanner *value,
                          const json_t *normalizer, char **changed, size_t *changed_size,
                          SutraError *err)
{
    size_t head = (size_t)(value->next - json), tail = (size_t)(json + size - value->end);
    size_t flags = JSON_ENCODE_ANY | JSON_COMPACT;
    size_t middle = json_dumpb(normalizer, NULL, 0, flags);
    *changed = middle ? su_alloc(head + middle + tail, 1) : NULL;
    if (!*changed || json_dumpb(normalizer, *changed + head, middle, flags) != middle)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for tokenizer.json");
    memcpy(*changed, json, head);
    memcpy(*changed + head + middle, value->end, tail);
    *changed_size = head + middle + tail;
    return SUTRA_OK;
}

SutraStatus su_tokenizer_json_adjust(const char *json, size_t size, const char *where,
                                     const SuConfigFile *config, bool lowercase_first,
                                     char **changed, size_t *changed_size, SutraError *err)
{
    Scanner value;
    json_error_t reason;
    *changed = NULL;
    if (!config->root && !lowercase_first) return SUTRA_OK;
    if (!find_value(json, size, "normalizer", &value)) return SUTRA_OK;
    size_t value_size = (size_t)(value.end - value.next);
    json_t *original =
        json_loadb(value.next, value_size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (!original) SU_RAISE(err, SUTRA_E_FORMAT, "%s: normalizer: %s", where, reason.text);
    json_t *wanted = json_incref(original);
    SutraStatus status = read_wanted(config, &wanted, err);
    if (status == SUTRA_OK && lowercase_first) status = prepend_lowercase(&wanted, err);
    if (status == SUTRA_OK && !json_equal(original, wanted))
        status = splice(json, size, &value, wanted, changed, changed_size, err);
    json_decref(original);
    json_decref(wanted);
    return status;
}
