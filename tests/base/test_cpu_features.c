#include "base/cpu_features.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int clean_environment(void **state)
{
    (void)state;
    return unsetenv("SUTRA_ISA");
}

static void without_the_variable_the_highest_level_is_used(void **state)
{
    (void)state;
    SuIsa isa = SU_ISA_COUNT;
    assert_int_equal(su_isa_select(&isa, NULL), SUTRA_OK);
    assert_int_equal(isa, su_isa_detect());
    setenv("SUTRA_ISA", "", 1);
    assert_int_equal(su_isa_select(&isa, NULL), SUTRA_OK);
    assert_int_equal(isa, su_isa_detect());
}

static void the_variable_lowers_the_level_and_never_raises_it(void **state)
{
    (void)state;
    for (int level = 0; level < SU_ISA_COUNT; level++) {
        SuIsa isa = SU_ISA_COUNT;
        SutraError err;
        setenv("SUTRA_ISA", su_isa_name((SuIsa)level), 1);
        SutraStatus status = su_isa_select(&isa, &err);
        if (level <= (int)su_isa_detect()) {
            assert_int_equal(status, SUTRA_OK);
            assert_int_equal(isa, level);
        } else {
            assert_int_equal(status, SUTRA_E_UNSUPPORTED);
            assert_non_null(strstr(err.message, su_isa_name((SuIsa)level)));
        }
    }
}

static void an_unknown_name_is_an_error_that_lists_the_names(void **state)
{
    (void)state;
    static const char *const wrong[] = {"avx", "AVX2", "avx512f", "scalar "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        SuIsa isa;
        SutraError err;
        setenv("SUTRA_ISA", wrong[i], 1);
        assert_int_equal(su_isa_select(&isa, &err), SUTRA_E_ARGUMENT);
        assert_non_null(strstr(err.message, wrong[i]));
        assert_non_null(strstr(err.message, "scalar, avx2"));
    }
}

/* What /proc/cpuinfo says is an independent witness. */
static void detection_agrees_with_the_kernel(void **state)
{
    (void)state;
#if defined(__x86_64__)
    static const char *const needed[SU_ISA_COUNT][5] = {
        [SU_ISA_AVX2] = {" avx2 ", " fma ", " f16c "},
        [SU_ISA_AVX512] = {" avx512f ", " avx512bw ", " avx512dq ", " avx512vl "},
    };
    static char line[16384];
    FILE *file = fopen("/proc/cpuinfo", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && strncmp(line, "flags", 5) != 0) continue;
    fclose(file);
    line[strcspn(line, "\n")] = ' ';
    int expected = SU_ISA_SCALAR;
    for (int level = SU_ISA_AVX2; level < SU_ISA_COUNT && expected == level - 1; level++) {
        expected = level;
        for (int i = 0; i < 5 && needed[level][i]; i++)
            if (!strstr(line, needed[level][i])) expected = level - 1;
    }
    assert_int_equal(su_isa_detect(), expected);
#else
    assert_int_equal(su_isa_detect(), SU_ISA_SCALAR);
#endif
}

static void the_core_count_is_what_the_process_may_use(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(su_cpu_count(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all)) continue;
        CPU_SET(cpu, &one);
        break;
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(su_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void memory_sizes_agree_with_the_kernel(void **state)
{
    (void)state;
    unsigned long long kilobytes = 0;
    uint64_t total, available;
    FILE *file = fopen("/proc/meminfo", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "MemTotal: %llu kB", &kilobytes), 1);
    fclose(file);
    su_physical_memory(&total, &available);
    assert_int_equal(total, kilobytes * 1024);
    assert_true(available > 0 && available < total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_the_variable_the_highest_level_is_used, clean_environment),
        cmocka_unit_test_setup(the_variable_lowers_the_level_and_never_raises_it,
                               clean_environment),
        cmocka_unit_test_setup(an_unknown_name_is_an_error_that_lists_the_names, clean_environment),
        cmocka_unit_test_setup(detection_agrees_with_the_kernel, clean_environment),
        cmocka_unit_test_setup(the_core_count_is_what_the_process_may_use, clean_environment),
        cmocka_unit_test_setup(memory_sizes_agree_with_the_kernel, clean_environment),
    };
    return cmocka_run_group_tests(tests, clean_environment, clean_environment);
}
