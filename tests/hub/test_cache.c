/* Looking models up in cache folders as this and other tools leave them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sutra_hub.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define REPO "models--org--model"
#define SNAPSHOT REPO "/snapshots/" COMMIT

static char cache[64];

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)kind, (void)where;
    return remove(path);
}

static int make_cache(void **state)
{
    (void)state;
    strcpy(cache, "/tmp/sutra-test-XXXXXX");
    return mkdtemp(cache) ? 0 : -1;
}

static int remove_cache(void **state)
{
    (void)state;
    return nftw(cache, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes text to cache/path, making its folders; NULL removes the file. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", cache, path);
    if (!text) {
        assert_int_equal(unlink(full), 0);
        return;
    }
    for (char *slash = full + strlen(cache) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0777);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_model(void)
{
    put(SNAPSHOT "/config.json", "{}");
    put(SNAPSHOT "/tokenizer.json", "{}");
    put(SNAPSHOT "/model.safetensors", "12345678");
    put(REPO "/refs/main", COMMIT "\n");
}

static SutraError reason;

static SutraStatus find(const char *revision)
{
    char path[512], expected[256];
    reason = (SutraError){0};
    SutraStatus status = sutra_cache_find(cache, "org/model", revision, path, sizeof path, &reason);
    snprintf(expected, sizeof expected, "%s/" SNAPSHOT, cache);
    if (status == SUTRA_OK) assert_string_equal(path, expected);
    return status;
}

static void expect_incomplete(SutraStatus status, const char *word)
{
    assert_int_equal(find(NULL), status);
    if (!strstr(reason.message, word)) fail_msg("no \"%s\" in: %s", word, reason.message);
    assert_non_null(strstr(reason.message, "sutra pull org/model"));
}

static void finds_models_of_other_tools(void **state)
{
    (void)state;
    expect_incomplete(SUTRA_E_IO, "not in the cache");
    put_model();
    assert_int_equal(find(NULL), SUTRA_OK);
    assert_int_equal(find("main"), SUTRA_OK);
    assert_int_equal(find(COMMIT), SUTRA_OK);
    assert_int_equal(find("v2"), SUTRA_E_IO);
    assert_non_null(strstr(reason.message, "which has --revision main; get it with"));
    assert_non_null(strstr(reason.message, "sutra pull org/model --revision v2"));
    put(REPO "/refs/pr/2", COMMIT);
    assert_int_equal(find("pr/2"), SUTRA_OK);
    put(REPO "/refs/main", NULL);
    assert_int_equal(find(NULL), SUTRA_E_IO);
    assert_non_null(strstr(reason.message, "--revision pr/2; get it with: sutra pull org/model"));
    put(REPO "/refs/pr/2", NULL);
    assert_int_equal(find(NULL), SUTRA_E_IO);
    assert_non_null(strstr(reason.message, "--revision " COMMIT ";"));
    assert_int_equal(find(COMMIT), SUTRA_OK);
    put(REPO "/refs/main", COMMIT "\n");
    assert_int_equal(find("../main"), SUTRA_E_ARGUMENT);
    char tiny[16];
    assert_int_equal(sutra_cache_find(cache, "org/model", NULL, tiny, sizeof tiny, &reason),
                     SUTRA_E_LIMIT);
    assert_int_equal(sutra_cache_find(NULL, "org/model", NULL, tiny, sizeof tiny, &reason),
                     SUTRA_E_ARGUMENT);
}

static void every_part_is_needed(void **state)
{
    (void)state;
    static const char *const parts[] = {SNAPSHOT "/config.json", SNAPSHOT "/tokenizer.json",
                                        SNAPSHOT "/model.safetensors"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        put_model();
        put(parts[i], NULL);
        expect_incomplete(SUTRA_E_IO, "incomplete");
        put(parts[i], "");
        expect_incomplete(SUTRA_E_IO, "incomplete");
    }
    put_model();
    char link[512];
    snprintf(link, sizeof link, "%s/%s", cache, parts[2]);
    put(parts[2], NULL);
    assert_int_equal(symlink("../../blobs/missing", link), 0);
    expect_incomplete(SUTRA_E_IO, "no model.safetensors");
    unlink(link);
    put_model();
    put(parts[2], NULL);
    put(SNAPSHOT "/pytorch_model.bin", "pickle");
    expect_incomplete(SUTRA_E_UNSUPPORTED, "no model.safetensors; pytorch_model.bin is not read");
    put_model();
    put(SNAPSHOT "/tokenizer.json", NULL);
    put(SNAPSHOT "/vocab.txt", "[PAD]\n");
    assert_int_equal(find(NULL), SUTRA_OK);
}

static void modules_are_needed(void **state)
{
    (void)state;
    put_model();
    put(SNAPSHOT "/modules.json",
        "[{\"path\":\"\"},{\"path\":\"1_Pooling\"},{\"path\":\"2_Normalize\"}]");
    expect_incomplete(SUTRA_E_IO, "1_Pooling/config.json");
    put(SNAPSHOT "/1_Pooling/config.json", "{}");
    assert_int_equal(find(NULL), SUTRA_OK);
    put(SNAPSHOT "/modules.json", "[");
    expect_incomplete(SUTRA_E_FORMAT, "modules.json");
}

static void shards_are_needed(void **state)
{
    (void)state;
    put_model();
    put(SNAPSHOT "/model.safetensors", NULL);
    put(SNAPSHOT "/model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"model-1-of-2.safetensors\",\"b\":\"model-2-of-2.safetensors\","
        "\"c\":\"model-1-of-2.safetensors\"}}");
    put(SNAPSHOT "/model-1-of-2.safetensors", "x");
    expect_incomplete(SUTRA_E_IO, "model-2-of-2");
    put(SNAPSHOT "/model-2-of-2.safetensors", "x");
    assert_int_equal(find(NULL), SUTRA_OK);
    static const char *const damaged[] = {"{\"weight_map\":{\"a\":\"../model.safetensors\"}}",
                                          "{\"weight_map\":{\"a\":1}}",
                                          "{\"weight_map\":{}}",
                                          "{}",
                                          "[]",
                                          "{"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        put(SNAPSHOT "/model.safetensors.index.json", damaged[i]);
        expect_incomplete(SUTRA_E_FORMAT, "index.json");
    }
}

static void manifest_decides(void **state)
{
    (void)state;
    put_model();
    put(SNAPSHOT "/sutra.json",
        "{\"files\":{\"config.json\":{\"size\":2},\"x/y.json\":{\"size\":3}}}");
    expect_incomplete(SUTRA_E_IO, "x/y.json: missing");
    put(SNAPSHOT "/x/y.json", "12");
    expect_incomplete(SUTRA_E_IO, "2 bytes instead of 3");
    put(SNAPSHOT "/x/y.json", "1234");
    expect_incomplete(SUTRA_E_IO, "4 bytes instead of 3");
    put(SNAPSHOT "/x/y.json", "123");
    assert_int_equal(find(NULL), SUTRA_OK);
    static const char *const damaged[] = {
        "",
        "{}",
        "{\"files\":{}}",
        "{\"files\":[]}",
        "{\"files\":{\"../../refs/main\":{\"size\":41}}}",
        "{\"files\":{\"config.json\":{\"size\":\"2\"}}}",
        "{\"files\":{\"config.json\":2}}",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        put(SNAPSHOT "/sutra.json", damaged[i]);
        expect_incomplete(SUTRA_E_FORMAT, "sutra.json");
    }
}

static void references_are_contained(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "\n",
                                      "..",
                                      "../..",
                                      "a/b",
                                      ".",
                                      "/",
                                      "a\\b",
                                      ("0123456789012345678901234567890123456789"
                                       "0123456789012345678901234567890123456789")};
    put_model();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(REPO "/refs/main", bad[i]);
        if (find(NULL) != SUTRA_E_IO) fail_msg("reference \"%s\" is followed", bad[i]);
        assert_non_null(strstr(reason.message, "not in the cache"));
    }
}

static void lists_complete_models(void **state)
{
    (void)state;
    SutraCacheList *list;
    SutraError err = {0};
    put_model();
    put("models--sentence-transformers--all-MiniLM-L6-v2/refs/main", COMMIT);
    put("models--sentence-transformers--all-MiniLM-L6-v2/snapshots/" COMMIT "/config.json", "{}");
    put("models--a--half/refs/main", COMMIT);
    put("datasets--org--model/refs/main", COMMIT);
    put("models--bert-base-uncased/refs/main", COMMIT);
    put("file", "");
    assert_int_equal(sutra_cache_list(cache, &list, &err), SUTRA_OK);
    assert_int_equal(sutra_cache_list_count(list), 1);
    SutraCacheModel model = {.struct_size = sizeof model};
    assert_int_equal(sutra_cache_list_at(list, 0, &model, &err), SUTRA_OK);
    assert_string_equal(model.repo, "org/model");
    assert_string_equal(model.revision, COMMIT);
    assert_int_equal(model.size, 12);
    assert_int_equal(model.has_manifest, 0);
    assert_null(model.info);
    assert_int_equal(sutra_cache_list_at(list, 1, &model, &err), SUTRA_E_ARGUMENT);
    model.struct_size = sizeof model + 1;
    assert_int_equal(sutra_cache_list_at(list, 0, &model, &err), SUTRA_E_ARGUMENT);
    sutra_cache_list_free(list);

    put("models--sentence-transformers--all-MiniLM-L6-v2/snapshots/" COMMIT "/sutra.json",
        "{\"files\":{\"config.json\":{\"size\":2}}}");
    assert_int_equal(sutra_cache_list(cache, &list, &err), SUTRA_OK);
    assert_int_equal(sutra_cache_list_count(list), 2);
    model.struct_size = sizeof model;
    assert_int_equal(sutra_cache_list_at(list, 1, &model, &err), SUTRA_OK);
    assert_string_equal(model.repo, "sentence-transformers/all-MiniLM-L6-v2");
    assert_int_equal(model.has_manifest, 1);
    assert_int_equal(model.size, 2);
    assert_ptr_equal(model.info, sutra_registry_find("all-MiniLM-L6-v2"));
    sutra_cache_list_free(list);

    assert_int_equal(sutra_cache_list("/nonexistent/folder", &list, &err), SUTRA_OK);
    assert_int_equal(sutra_cache_list_count(list), 0);
    sutra_cache_list_free(list);
    char file[128];
    snprintf(file, sizeof file, "%s/file", cache);
    assert_int_equal(sutra_cache_list(file, &list, &err), SUTRA_E_IO);
    sutra_cache_list_free(NULL);
}

#define WITH_CACHE(test) cmocka_unit_test_setup_teardown(test, make_cache, remove_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CACHE(finds_models_of_other_tools),
        WITH_CACHE(every_part_is_needed),
        WITH_CACHE(modules_are_needed),
        WITH_CACHE(shards_are_needed),
        WITH_CACHE(manifest_decides),
        WITH_CACHE(references_are_contained),
        WITH_CACHE(lists_complete_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
