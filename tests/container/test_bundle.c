/* Bundles: the same vectors as the folder, damage found, forged content harmless, foreign packing
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "container/container.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORGERIES = 1500 };

typedef BundleFixture Fixture;

static int set_up(void **state)
{
    SutraModel *model;
    SutraError err;
    bundle_set_up(state);
    Fixture *f = *state;
    assert_int_equal(sutra_model_open(f->model, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(sutra_model_save(model, f->bundle, &err), SUTRA_OK);
    sutra_model_free(model);
    return 0;
}

static void test_same_vectors(void **state)
{
    Fixture *f = *state;
    SutraModel *folder, *bundle;
    SutraError err = {0};
    float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN] = {0};
    SutraModelInfo a = {.struct_size = sizeof a, .hidden_size = 0}, b = a;
    assert_int_equal(sutra_model_verify(f->bundle, &err), SUTRA_OK);
    assert_int_equal(sutra_model_open(f->bundle, NULL, &bundle, &err), SUTRA_OK);
    assert_int_equal(embed_texts(bundle, vectors, &err), SUTRA_OK);
    assert_memory_equal(vectors, f->expected, sizeof vectors);

    assert_int_equal(sutra_model_open(f->model, NULL, &folder, &err), SUTRA_OK);
    sutra_model_info(folder, &a, &err);
    sutra_model_info(bundle, &b, &err);
    assert_string_equal(a.name, b.name);
    assert_string_equal(a.family, b.family);
    assert_string_equal(a.pooling, b.pooling);
    assert_string_equal(a.dtype, b.dtype);
    assert_int_equal(a.max_tokens, b.max_tokens);
    assert_int_equal(a.num_parameters, b.num_parameters);
    assert_int_equal(a.vocab_size, b.vocab_size);
    sutra_model_free(folder);

    /* a bundle of a bundle */
    char *second = path_in(f->folder, "second.sutra");
    assert_int_equal(sutra_model_save(bundle, second, &err), SUTRA_OK);
    sutra_model_free(bundle);
    assert_true(bundle_gives_expected(f, second, NULL));
    free(second);
}

/* One bit of every third byte; test_container flips every bit of a smaller file. */
static void test_damage_is_found(void **state)
{
    Fixture *f = *state;
    size_t size;
    unsigned char *bytes = read_bytes(f->bundle, &size);
    for (size_t i = 0; i < size; i += 3) {
        SuContainer container;
        SutraError err;
        bytes[i] ^= (unsigned char)(1u << i % 8);
        SutraStatus status = su_container_read(bytes, size, "x", &container, &err);
        if (status == SUTRA_OK) {
            status = su_container_verify(&container, &err);
            container.map = (SuFileMap){0};
            su_container_close(&container);
        }
        if (status == SUTRA_OK) fail_msg("a flipped bit in byte %zu was not noticed", i);
        bytes[i] ^= (unsigned char)(1u << i % 8);
    }
    bytes[size / 2] ^= 1;
    write_bytes(f->bundle, bytes, size);
    SutraError err;
    assert_int_equal(sutra_model_verify(f->bundle, &err), SUTRA_E_FORMAT);
    assert_non_null(strstr(err.message, "section "));
    free(bytes);
}

/* Any content under digests that fit: opened or refused, and if opened, used without harm. */
static void test_forged_content(void **state)
{
    Fixture *f = *state;
    size_t size, opened = 0;
    uint32_t random = 12345;
    unsigned char *original = read_bytes(f->bundle, &size), *bytes = malloc(size);
    SuContainer container;
    SutraError err;
    assert_int_equal(su_container_open(f->bundle, &container, &err), SUTRA_OK);
    for (int i = 0; i < FORGERIES; i++) {
        const SuSection *section = &container.sections[tiny_random(&random) % 5];
        memcpy(bytes, original, size);
        for (uint32_t n = 1 + tiny_random(&random) % 3; n > 0; n--) {
            uint64_t reach = section->size;
            if (tiny_random(&random) % 2 && reach > 128) reach = 128; /* headers are at the front */
            if (reach == 0) break;
            uint32_t value = tiny_random(&random);
            bytes[section->offset + tiny_random(&random) % reach] =
                (unsigned char)(value % 4 == 0 ? 0xff : value >> 8);
        }
        reseal(bytes, size);
        write_bytes(f->bundle, bytes, size);
        SutraModel *model;
        float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN];
        if (sutra_model_open(f->bundle, NULL, &model, &err) != SUTRA_OK) continue;
        opened++;
        (void)embed_texts(model, vectors, &err);
        sutra_model_free(model);
    }
    assert_true(opened > 10 && opened < FORGERIES);
    su_container_close(&container);
    free(original);
    free(bytes);
}

/* Another precision, a limit on memory. */
static void test_options(void **state)
{
    Fixture *f = *state;
    SutraModel *model;
    SutraError err;
    SutraModelOptions options = {.struct_size = sizeof options, .compute = SUTRA_COMPUTE_BF16};
    assert_int_equal(sutra_model_open(f->bundle, &options, &model, &err), SUTRA_E_UNSUPPORTED);
    options = (SutraModelOptions){.struct_size = sizeof options, .memory_limit = 1000};
    assert_int_equal(sutra_model_open(f->bundle, &options, &model, &err), SUTRA_E_LIMIT);
}

/* A bundle made for one ISA, opened by a process with another: run as a child, since SUTRA_ISA is
 * read by each load. */
static void test_foreign_isa(void **state)
{
    Fixture *f = *state;
    char facts[2048];
    size_t size;
    SutraError err;
    sutra_system_describe(facts, sizeof facts, &size, &err);
    if (!strstr(facts, "\"avx512")) {
        print_message("not run: this processor has no AVX-512, so no bundle is foreign\n");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        SutraModel *model;
        float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN];
        setenv("SUTRA_ISA", "avx2", 1);
        bool refused = sutra_model_open(f->bundle, NULL, &model, &err) == SUTRA_OK &&
                       embed_texts(model, vectors, &err) == SUTRA_E_UNSUPPORTED &&
                       strstr(err.message, "avx512") && strstr(err.message, "avx2");
        _exit(refused ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
}

/* Packed by a library of another version: the first tensor's shape begins with it. */
static void test_other_version(void **state)
{
    Fixture *f = *state;
    SuContainer container;
    SutraModel *model;
    SutraError err;
    size_t size;
    float vectors[BUNDLE_TEXTS * BUNDLE_HIDDEN];
    unsigned char *bytes = read_bytes(f->bundle, &size);
    assert_int_equal(su_container_open(f->bundle, &container, &err), SUTRA_OK);
    size_t place = (size_t)su_container_find(&container, "model.tensors")->offset + 4 + 16;
    su_container_close(&container);
    assert_int_equal(bytes[place], 4);
    bytes[place] = 2;
    reseal(bytes, size);
    write_bytes(f->bundle, bytes, size);
    assert_int_equal(sutra_model_open(f->bundle, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(embed_texts(model, vectors, &err), SUTRA_E_UNSUPPORTED);
    assert_non_null(strstr(err.message,
                           "the weights are packed in version 2, this library reads 4: "
                           "convert the model again"));
    sutra_model_free(model);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_vectors, set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_damage_is_found, set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_forged_content, set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_options, set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_isa, set_up, bundle_tear_down),
        cmocka_unit_test_setup_teardown(test_other_version, set_up, bundle_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
