/* Profiles on machines of all kinds, and on this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hub/profiles.h"

#include <stdio.h>
#include <string.h>

static int opens_bert(const char *family) { return strcmp(family, "bert") == 0; }
static int opens_nothing(const char *family) { return strcmp(family, "none") == 0; }
static int opens_all(const char *family) { return family != NULL; }

#define NATIVE(compute) (1u << SUTRA_COMPUTE_##compute)
static const uint32_t all_computes = NATIVE(FP32) | NATIVE(BF16) | NATIVE(INT8);
static const uint64_t plenty = (uint64_t)64 << 30;

static SuHardware machine(uint32_t cores, SuIsa isa, uint32_t computes)
{
    return (SuHardware){
        .cores = cores, .isa = isa, .memory = plenty, .computes = computes, .opens = opens_bert};
}

static SutraConfig choose(const char *profile, const SuHardware *hardware)
{
    SutraConfig config = {.struct_size = sizeof config};
    SutraError err = {0};
    if (su_config_from_name(profile, hardware, &config, &err) != SUTRA_OK)
        fail_msg("%s", err.message);
    assert_non_null(config.model);
    assert_true(config.reason[0] && !strchr(config.reason, '\n'));
    assert_true(strlen(config.reason) < sizeof config.reason - 1);
    return config;
}

static void profiles_have_their_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *model;
        uint32_t dim;
        SutraDtype dtype;
        SutraCompute compute;
    } rows[] = {
        {"ultra-efficient", "all-MiniLM-L6-v2", 256, SUTRA_UBINARY, SUTRA_COMPUTE_INT8},
        {"efficient", "all-MiniLM-L6-v2", 384, SUTRA_F32, SUTRA_COMPUTE_INT8},
        {"High-Quality", "bge-base-en-v1.5", 768, SUTRA_F32, SUTRA_COMPUTE_BF16},
    };
    SuHardware hardware = machine(8, SU_ISA_AMX, all_computes);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraConfig config = choose(rows[i].name, &hardware);
        assert_string_equal(config.model->name, rows[i].model);
        assert_int_equal(config.dim, rows[i].dim);
        assert_int_equal(config.dtype, rows[i].dtype);
        assert_int_equal(config.compute, rows[i].compute);
        assert_int_equal(config.is_cut, rows[i].dim < config.model->dimensions);
    }
}

static void precisions_are_those_of_the_processor(void **state)
{
    (void)state;
    SuHardware hardware = machine(8, SU_ISA_AVX512, NATIVE(FP32) | NATIVE(BF16));
    assert_int_equal(choose("efficient", &hardware).compute, SUTRA_COMPUTE_BF16);
    hardware.computes = NATIVE(FP32) | NATIVE(INT8);
    assert_int_equal(choose("efficient", &hardware).compute, SUTRA_COMPUTE_INT8);
    assert_int_equal(choose("high-quality", &hardware).compute, SUTRA_COMPUTE_FP32);
    assert_non_null(strstr(choose("high-quality", &hardware).reason, "fp32"));
}

static void auto_goes_by_the_machine(void **state)
{
    (void)state;
    static const struct {
        uint32_t cores;
        SuIsa isa;
        uint64_t memory;
        const char *profile, *reason;
    } rows[] = {
        {2, SU_ISA_AMX, 0, "efficient", "2 cores at amx"},
        {3, SU_ISA_AMX, 0, "high-quality", "about 60 texts"},
        {9, SU_ISA_AVX512VNNI, 0, "efficient", "about 45 texts"},
        {10, SU_ISA_AVX512, 0, "high-quality", "10 cores at avx512"},
        {17, SU_ISA_AVX2, 0, "high-quality", "17 cores at avx2"},
        {64, SU_ISA_SCALAR, 0, "efficient", "no speed was measured at scalar"},
        {64, SU_ISA_AMX, (uint64_t)1 << 30, "efficient", "1.1 GB of memory are free"},
        {64, SU_ISA_AMX, (uint64_t)2 << 30, "high-quality", "64 cores"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuHardware hardware = machine(rows[i].cores, rows[i].isa, all_computes);
        hardware.memory = rows[i].memory;
        SutraConfig config = choose("auto", &hardware);
        assert_string_equal(config.profile, rows[i].profile);
        if (!strstr(config.reason, rows[i].reason))
            fail_msg("\"%s\" is not in: %s", rows[i].reason, config.reason);
    }
}

/* auto goes by the cores that threads can take; other profiles are what they are. */
static void auto_goes_by_the_threads(void **state)
{
    (void)state;
    static const struct {
        uint32_t threads;
        const char *profile, *reason;
    } rows[] = {{0, "high-quality", "8 cores at amx"},
                {2, "efficient", "2 cores at amx"},
                {3, "high-quality", "3 cores at amx"},
                {64, "high-quality", "8 cores at amx"}};
    const SuHardware hardware = machine(8, SU_ISA_AMX, all_computes);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SutraConfig config = {.struct_size = sizeof config, .num_threads = rows[i].threads};
        assert_int_equal(su_config_from_name("auto", &hardware, &config, NULL), SUTRA_OK);
        assert_string_equal(config.profile, rows[i].profile);
        assert_non_null(strstr(config.reason, rows[i].reason));
        assert_int_equal(config.num_threads, rows[i].threads);
    }
}

static void dimensions_find_their_models(void **state)
{
    (void)state;
    static const struct {
        uint32_t dim;
        int (*opens)(const char *family);
        const char *model, *reason;
    } rows[] = {
        {384, opens_bert, "all-MiniLM-L6-v2", "384 dimensions"},
        {768, opens_bert, "bge-base-en-v1.5", "768 dimensions"},
        {1024, opens_bert, "bge-large-en-v1.5", "1024 dimensions"},
        {256, opens_bert, "all-MiniLM-L6-v2", "not trained for"},
        {385, opens_bert, "jina-embeddings-v2-small-en", "not trained for"},
        {1, opens_bert, "all-MiniLM-L6-v2", "not trained for"},
        {256, opens_all, "nomic-embed-text-v1.5", "a length that it was trained for"},
        {384, opens_all, "all-MiniLM-L6-v2", "384 dimensions"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SuHardware hardware = machine(2, SU_ISA_AVX2, NATIVE(FP32));
        SutraConfig config = {.struct_size = sizeof config};
        hardware.opens = rows[i].opens;
        assert_int_equal(su_config_for_dimension(rows[i].dim, "auto", &hardware, &config, NULL),
                         SUTRA_OK);
        assert_string_equal(config.model->name, rows[i].model);
        assert_int_equal(config.dim, rows[i].dim);
        assert_non_null(strstr(config.reason, rows[i].reason));
    }
}

static void what_cannot_be_had_is_named(void **state)
{
    (void)state;
    SuHardware hardware = machine(2, SU_ISA_AVX2, NATIVE(FP32));
    SutraConfig config = {.struct_size = sizeof config};
    SutraError err = {0};
    assert_int_equal(su_config_from_name("fast", &hardware, &config, &err), SUTRA_E_ARGUMENT);
    assert_non_null(strstr(err.message, "fast: no such profile; there are ultra-efficient"));
    assert_int_equal(su_config_from_name(NULL, &hardware, &config, &err), SUTRA_E_ARGUMENT);
    static const uint32_t impossible[] = {0, 1025, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            su_config_for_dimension(impossible[i], "efficient", &hardware, &config, &err),
            SUTRA_E_ARGUMENT);
        assert_non_null(strstr(err.message, "they have 384, 512, 768, 1024"));
    }
    hardware.opens = opens_nothing;
    assert_int_equal(su_config_from_name("efficient", &hardware, &config, &err),
                     SUTRA_E_UNSUPPORTED);
    config.struct_size = 8;
    assert_int_equal(su_config_from_name("efficient", &hardware, &config, &err), SUTRA_E_ABI);
}

static void this_machine_has_every_profile(void **state)
{
    (void)state;
    static const char *const names[] = {"ultra-efficient", "efficient", "high-quality", "auto"};
    SutraError err = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        SutraConfig config = {.struct_size = sizeof config};
        if (sutra_config_from_name(names[i], &config, &err) != SUTRA_OK)
            fail_msg("%s", err.message);
        assert_true(sutra_compute_is_native(config.compute));
        assert_true(sutra_family_is_known(config.model->family));
        assert_true(sutra_row_bytes(config.dtype, config.dim) > 0);
        assert_true(config.dim <= config.model->dimensions);
    }
    SutraConfig config = {.struct_size = sizeof config};
    assert_int_equal(sutra_config_for_dimension(384, "auto", &config, &err), SUTRA_OK);
    assert_int_equal(sutra_family_is_known("bert"), 1);
    assert_int_equal(sutra_family_is_known("llama"), 0);
    assert_int_equal(sutra_family_is_known(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_have_their_sizes),
        cmocka_unit_test(precisions_are_those_of_the_processor),
        cmocka_unit_test(auto_goes_by_the_machine),
        cmocka_unit_test(auto_goes_by_the_threads),
        cmocka_unit_test(dimensions_find_their_models),
        cmocka_unit_test(what_cannot_be_had_is_named),
        cmocka_unit_test(this_machine_has_every_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
