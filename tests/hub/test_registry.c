/* The registry's table, names that are nearly right, the rules for names, and the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hub/cache.h"
#include "hub/model_files.h"
#include "hub/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void table_is_sound(void **state)
{
    (void)state;
    assert_true(sutra_registry_count() >= 11);
    assert_null(sutra_registry_at(sutra_registry_count()));
    for (size_t i = 0; i < sutra_registry_count(); i++) {
        const SutraRegistryModel *model = sutra_registry_at(i);
        assert_true(su_repo_is_valid(model->repo));
        assert_ptr_equal(sutra_registry_find(model->name), model);
        assert_ptr_equal(sutra_registry_find(model->repo), model);
        assert_string_equal(strchr(model->repo, '/') + 1, model->name);
        assert_non_null(model->family);
        assert_non_null(model->licence);
        assert_non_null(model->languages);
        if (model->is_reranker)
            assert_int_equal(model->dimensions, 1);
        else
            assert_true(model->dimensions >= 128 && model->dimensions <= 4096);
        assert_true(model->max_tokens >= 128);
        assert_true(model->pooling == SUTRA_POOL_MEAN || model->pooling == SUTRA_POOL_CLS);
        assert_int_equal(model->weights_sha256 != NULL, model->weights_size != 0);
        if (model->weights_sha256) assert_true(su_is_hex(model->weights_sha256, 64));
        assert_int_equal(model->prompts != NULL, model->num_prompts != 0);
        assert_true(model->needs_prompt <= (model->num_prompts > 1));
        assert_int_equal(model->matryoshka != NULL, model->num_matryoshka != 0);
        for (uint32_t j = 0; j < model->num_matryoshka; j++)
            assert_true(model->matryoshka[j] <=
                        (j ? model->matryoshka[j - 1] - 1 : model->dimensions));
    }
}

static void finds_whatever_the_case(void **state)
{
    (void)state;
    const SutraRegistryModel *model = sutra_registry_find("ALL-minilm-l6-V2");
    assert_non_null(model);
    assert_string_equal(model->repo, "sentence-transformers/all-MiniLM-L6-v2");
    assert_int_equal(model->dimensions, 384);
    assert_int_equal(model->weights_size, 90868376);
    assert_ptr_equal(sutra_registry_find("Sentence-Transformers/All-MiniLM-L6-v2"), model);
    assert_null(sutra_registry_find("all-MiniLM-L6-v"));
    assert_null(sutra_registry_find("other/all-MiniLM-L6-v2"));
    assert_null(sutra_registry_find(""));
    assert_null(sutra_registry_find(NULL));
}

static void suggests(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *first; /* first NULL: nothing resembles it */
    } cases[] = {
        {"all-MiniLM-L6-v3", "all-MiniLM-L6-v2"},
        {"allminilm-l6", "all-MiniLM-L6-v2"},
        {"all-MiniML-L12-v2", "all-MiniLM-L12-v2"},
        {"minilm", "all-MiniLM-L6-v2"},
        {"bge-small-en-v1.6", "bge-small-en-v1.5"},
        {"bge-smal-en", "bge-small-en-v1.5"},
        {"bge-lareg-en-v1.5", "bge-large-en-v1.5"},
        {"e5-bas-v2", "e5-base-v2"},
        {"5e-ba", "e5-base-v2"},
        {"intfloat/e5_small_v2", "e5-small-v2"},
        {"nomic", "nomic-embed-text-v1.5"},
        {"arctic-embed-m", "snowflake-arctic-embed-m"},
        {"gpt-4", NULL},
        {"llama", NULL},
        {"xy", NULL},
        {"", NULL},
        {"a-name-that-is-far-longer-than-sixty-four-characters-all-MiniLM-L6-v2", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *names[8] = {NULL};
        size_t count = sutra_registry_suggest(cases[i].wanted, names, 8);
        if (!cases[i].first && count) fail_msg("%s: suggests %s", cases[i].wanted, names[0]);
        if (cases[i].first && (!count || strcmp(names[0], cases[i].first) != 0))
            fail_msg("%s: suggests %s", cases[i].wanted, count ? names[0] : "nothing");
        assert_true(count <= 3);
        for (size_t j = 0; j < count; j++)
            for (size_t k = 0; k < j; k++) assert_string_not_equal(names[j], names[k]);
    }
    const char *one = NULL;
    assert_int_equal(sutra_registry_suggest("bge", &one, 1), 1);
    assert_int_equal(sutra_registry_suggest("bge", NULL, 0), 0);
}

static void resolves(void **state)
{
    (void)state;
    char repo[SU_REPO_MAX];
    SutraError err = {0};
    assert_int_equal(sutra_registry_resolve("E5-SMALL-V2", repo, sizeof repo, &err), SUTRA_OK);
    assert_string_equal(repo, "intfloat/e5-small-v2");
    assert_int_equal(sutra_registry_resolve("some-Org/a.model_1", repo, sizeof repo, &err),
                     SUTRA_OK);
    assert_string_equal(repo, "some-Org/a.model_1");
    assert_int_equal(sutra_registry_resolve("bge-smal-en", repo, sizeof repo, &err),
                     SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "did you mean bge-small-en-v1.5"));
    assert_int_equal(sutra_registry_resolve("qqq", repo, sizeof repo, &err), SUTRA_E_ARGUMENT);
    assert_null(strstr(err.message, "did you mean"));
    assert_int_equal(sutra_registry_resolve("e5-small-v2", repo, 20, &err), SUTRA_E_LIMIT);
    assert_int_equal(sutra_registry_resolve("e5-small-v2", repo, 21, &err), SUTRA_OK);
    assert_int_equal(sutra_registry_resolve(NULL, repo, sizeof repo, &err), SUTRA_E_ARGUMENT);
}

static void rules_for_names(void **state)
{
    (void)state;
    static const char *const bad_repos[] = {
        "",     "a",    "/a",   "a/",   "a/b/c", "../b",  "a/..",   "a--b/c", "a/b--c", "a/b..c",
        "-a/b", "a/b-", ".a/b", "a/b.", "a b/c", "a/b\n", "a\\b/c", "a/b?c",  "a/%2e",  "a/b#c",
    };
    for (size_t i = 0; i < sizeof bad_repos / sizeof *bad_repos; i++)
        if (su_repo_is_valid(bad_repos[i])) fail_msg("\"%s\" passes as a repository", bad_repos[i]);
    assert_true(su_repo_is_valid("a/b"));
    assert_true(su_repo_is_valid("A-b_c.d/e-1.5"));
    assert_string_equal(su_repo_folder("org/a-model").name, "models--org--a-model");

    assert_true(su_revision_is_valid("main"));
    assert_true(su_revision_is_valid("refs/pr/1"));
    static const char *const bad_revisions[] = {"",    "..",   "a/../b", "/a",   "a//b",
                                                "a b", "a\nb", "a?b",    "a\\b", "a/."};
    for (size_t i = 0; i < sizeof bad_revisions / sizeof *bad_revisions; i++)
        if (su_revision_is_valid(bad_revisions[i]))
            fail_msg("\"%s\" passes as a revision", bad_revisions[i]);

    char digits[72];
    memset(digits, 'a', sizeof digits);
    digits[40] = '\0';
    assert_true(su_is_commit(digits));
    digits[39] = 'A';
    assert_false(su_is_commit(digits));
    digits[39] = '\0';
    assert_false(su_is_commit(digits));
    assert_false(su_is_hex("../../../../../../../../../../../../../../", 40));
}

static void chooses_files(void **state)
{
    (void)state;
    static const char *const never[] = {
        "pytorch_model.bin",
        "model.onnx",
        "onnx/model.onnx",
        "tf_model.h5",
        "README.md",
        "modeling_x.py",
        "../config.json",
        "a/../1_Pooling/config.json",
        "/config.json",
        "x/1_Pooling/config.json",
        "2_Dense/pytorch_model.bin",
        "openvino/config.json",
        "sutra.json",
        "1_Pooling/model.safetensors",
        "model-1.bin",
        "model-x/y.safetensors",
        "adapter_model.safetensors",
        "1_Pooling/..",
        "config.json/",
        "..\\1_Pooling/config.json",
        "model-..\\x.safetensors",
        "..\\config.json",
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (su_model_file_role(never[i]) != SU_FILE_OTHER) fail_msg("%s is chosen", never[i]);

    SuFileRoles fast = {0};
    su_file_roles_note(&fast, "tokenizer.json");
    su_file_roles_note(&fast, "model.safetensors");
    assert_true(fast.tokenizer && fast.weights);
    static const char *const always[] = {
        "config.json",
        "modules.json",
        "tokenizer.json",
        "vocab.txt",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "tokenizer_config.json",
        "config_sentence_transformers.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "3_LayerNorm/config.json",
        "3_LayerNorm/model.safetensors",
    };
    SuFileRoles none = {0};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        assert_true(su_model_file_is_needed(&fast, always[i]) &&
                    su_model_file_is_needed(&none, always[i]));
    static const char *const otherwise[] = {
        "sentencepiece.bpe.model",
        "vocab.json",
        "merges.txt",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
    };
    for (size_t i = 0; i < sizeof otherwise / sizeof *otherwise; i++) {
        assert_false(su_model_file_is_needed(&fast, otherwise[i]));
        assert_true(su_model_file_is_needed(&none, otherwise[i]));
    }
    assert_true(su_model_file_is_weights("model.safetensors"));
    assert_true(su_model_file_is_weights("model-00001-of-00002.safetensors"));
    assert_true(su_model_file_is_weights("2_Dense/model.safetensors"));
    assert_false(su_model_file_is_weights("config.json"));
}

/* ---- environment ---- */

static const char *const (*environment)[2]; /* pairs, ended by a NULL name */

static char *get_variable(const char *name)
{
    for (size_t i = 0; environment[i][0]; i++)
        if (!strcmp(environment[i][0], name)) return (char *)environment[i][1];
    return NULL;
}

static void cache_directory(void **state)
{
    (void)state;
    static const struct {
        const char *const variables[6][2];
        const char *path;
    } cases[] = {
        {{{"HF_HUB_CACHE", "/a"}, {"HF_HOME", "/b"}, {"HOME", "/h"}}, "/a"},
        {{{"HF_HUB_CACHE", ""}, {"HF_HOME", "/b"}, {"HOME", "/h"}}, "/b/hub"},
        {{{"HUGGINGFACE_HUB_CACHE", "/old"}, {"HF_HOME", "/b"}}, "/old"},
        {{{"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}}, "/x/huggingface/hub"},
        {{{"HOME", "/h"}}, "/h/.cache/huggingface/hub"},
        {{{"PATH", "/bin"}}, NULL},
    };
    char path[64];
    SutraError err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        environment = cases[i].variables;
        SutraStatus status = sutra_cache_directory(get_variable, path, sizeof path, &err);
        assert_int_equal(status, cases[i].path ? SUTRA_OK : SUTRA_E_ARGUMENT);
        if (cases[i].path) assert_string_equal(path, cases[i].path);
    }
    assert_non_null(strstr(err.message, "HF_HUB_CACHE"));
    environment = cases[4].variables;
    assert_int_equal(sutra_cache_directory(get_variable, path, 25, &err), SUTRA_E_LIMIT);
    assert_int_equal(sutra_cache_directory(get_variable, path, 26, &err), SUTRA_OK);
    environment = cases[0].variables;
    assert_int_equal(sutra_cache_directory(get_variable, path, 2, &err), SUTRA_E_LIMIT);
}

static void hub_environment(void **state)
{
    (void)state;
    char folder[] = "/tmp/sutra-test-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/token", folder);
    FILE *token = fopen(file, "w");
    assert_non_null(token);
    fputs("  from-file\n", token);
    fclose(token);
    static SutraHubStore store;
    SutraError err = {0};

    const char *const set[][2] = {{"HF_HOME", folder},
                                  {"HF_TOKEN", "direct"},
                                  {"HF_ENDPOINT", "https://mirror.example"},
                                  {"HF_HUB_OFFLINE", "1"},
                                  {"https_proxy", "http://proxy:3128"},
                                  {"http_proxy", "http://plain:3128"},
                                  {"no_proxy", "localhost"},
                                  {"SSL_CERT_FILE", "/ca.pem"},
                                  {NULL, NULL}};
    SutraHubOptions options = {.struct_size = sizeof options};
    environment = set;
    assert_int_equal(sutra_hub_environment(get_variable, &store, &options, &err), SUTRA_OK);
    assert_string_equal(options.token, "direct");
    assert_string_equal(options.endpoint, "https://mirror.example");
    assert_string_equal(options.proxy, "http://proxy:3128");
    assert_string_equal(options.no_proxy, "localhost");
    assert_string_equal(options.ca_file, "/ca.pem");
    assert_int_equal(options.offline, 1);
    assert_int_equal(strncmp(options.cache_dir, folder, strlen(folder)), 0);

    const char *const plain[][2] = {{"HF_HOME", folder},
                                    {"HF_ENDPOINT", "http://127.0.0.1:80"},
                                    {"HF_HUB_OFFLINE", "0"},
                                    {"https_proxy", "http://proxy:3128"},
                                    {NULL, NULL}};
    options = (SutraHubOptions){.struct_size = sizeof options};
    environment = plain;
    assert_int_equal(sutra_hub_environment(get_variable, &store, &options, &err), SUTRA_OK);
    assert_string_equal(options.token, "from-file");
    assert_null(options.proxy);
    assert_int_equal(options.offline, 0);

    options.struct_size = 4;
    assert_int_equal(sutra_hub_environment(get_variable, &store, &options, &err), SUTRA_E_ARGUMENT);
    unlink(file);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sound),  cmocka_unit_test(finds_whatever_the_case),
        cmocka_unit_test(suggests),        cmocka_unit_test(resolves),
        cmocka_unit_test(rules_for_names), cmocka_unit_test(chooses_files),
        cmocka_unit_test(cache_directory), cmocka_unit_test(hub_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
