#include "base/cpu_features.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void the_variable_chooses_a_level_that_the_processor_has(void **state)
{
    (void)state;
    for (int level = 0; level < SU_ISA_COUNT; level++) {
        SuIsa isa = SU_ISA_COUNT;
        SutraError err;
        setenv("SUTRA_ISA", su_isa_name((SuIsa)level), 1);
        SutraStatus status = su_isa_select(&isa, &err);
        if (su_isa_available((SuIsa)level)) {
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
    static const char list[] = ": scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx, "
                               "neon, dotprod or i8mm";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        SuIsa isa;
        SutraError err;
        setenv("SUTRA_ISA", wrong[i], 1);
        assert_int_equal(su_isa_select(&isa, &err), SUTRA_E_ARGUMENT);
        assert_non_null(strstr(err.message, wrong[i]));
        assert_non_null(strstr(err.message, list));
    }
}

#if defined(__aarch64__)
/* Whether a child survives an instruction of a level: a witness in an emulator too, whose /proc/cpuinfo
 * may be its host's. In numbers, since not every assembler knows them. */
static bool instruction_works(SuIsa level)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        if (level == SU_ISA_NEON)
            __asm__ volatile(".inst 0x4e20d400" ::: "v0"); /* fadd v0.4s, v0.4s, v0.4s */
        else if (level == SU_ISA_DOTPROD)
            __asm__ volatile(".inst 0x4e809400" ::: "v0"); /* sdot v0.4s, v0.16b, v0.16b */
        else
            __asm__ volatile(".inst 0x4e809c00" ::: "v0"); /* usdot v0.4s, v0.16b, v0.16b */
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif

#if defined(__x86_64__)
/* Whether a child survives the use of a tile: /proc/cpuinfo lists AMX where the system or a hypervisor
 * withholds its state too. In bytes, since not every compiler knows the instructions. */
static bool tiles_work(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    static const struct {
        unsigned char palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        unsigned char rows[16];
    } config = {.palette = 1, .row_bytes = {64}, .rows = {16}};
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA);
        __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00\n" /* ldtilecfg (%rax) */
                         ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0\n" /* tilezero %tmm0 */
                         ".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0\n" /* tilerelease */
                         :
                         : "a"(&config), "m"(config));
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif

/* An independent witness: what /proc/cpuinfo says, or the instructions themselves. */
static void detection_agrees_with_the_machine(void **state)
{
    (void)state;
#if defined(__x86_64__)
    static const char *const needed[SU_ISA_COUNT][5] = {
        [SU_ISA_AVX2] = {" avx2 ", " fma ", " f16c "},
        [SU_ISA_AVXVNNI] = {" avx_vnni "},
        [SU_ISA_AVX512] = {" avx512f ", " avx512bw ", " avx512dq ", " avx512vl "},
        [SU_ISA_AVX512VNNI] = {" avx512_vnni "},
        [SU_ISA_AVX512BF16] = {" avx512_bf16 "},
        [SU_ISA_AMX] = {" amx_tile ", " amx_bf16 ", " amx_int8 "},
    };
    static char line[16384], vendor[64];
    FILE *file = fopen("/proc/cpuinfo", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && strncmp(line, "flags", 5) != 0)
        if (strncmp(line, "vendor_id", 9) == 0) memcpy(vendor, line, sizeof vendor - 1);
    fclose(file);
    line[strcspn(line, "\n")] = ' ';
    /* a level and those below it, AVXVNNI being needed by none */
    bool has[SU_ISA_COUNT] = {true};
    for (int level = SU_ISA_AVX2; level <= SU_ISA_AMX; level++) {
        has[level] = has[level - 1 == SU_ISA_AVXVNNI ? SU_ISA_AVX2 : level - 1];
        for (int i = 0; i < 5 && needed[level][i]; i++)
            has[level] = has[level] && strstr(line, needed[level][i]);
        if (level == SU_ISA_AMX) has[level] = has[level] && tiles_work();
        assert_int_equal(su_isa_available((SuIsa)level), has[level]);
    }
    for (int level = SU_ISA_NEON; level < SU_ISA_COUNT; level++)
        assert_false(su_isa_available((SuIsa)level));
    assert_true(has[su_isa_detect()]);
    bool slow = strstr(vendor, "GenuineIntel") && has[SU_ISA_AVX512BF16];
    for (int level = (int)su_isa_detect() + 1; level < SU_ISA_COUNT; level++)
        assert_true(!has[level] || (level == SU_ISA_AVX512BF16 && slow));
    assert_false(slow && su_isa_detect() == SU_ISA_AVX512BF16);
#elif defined(__aarch64__)
    SuIsa highest = SU_ISA_SCALAR;
    for (int level = SU_ISA_AVX2; level <= SU_ISA_AMX; level++)
        assert_false(su_isa_available((SuIsa)level));
    for (int level = SU_ISA_NEON; level < SU_ISA_COUNT; level++) {
        assert_int_equal(su_isa_available((SuIsa)level), instruction_works((SuIsa)level));
        if (su_isa_available((SuIsa)level)) highest = (SuIsa)level;
    }
    assert_int_equal(su_isa_detect(), highest);
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

/* A kernel with a mask of `kernel_bytes`: it refuses smaller ones, as sched_getaffinity does. */
static size_t kernel_bytes;
static unsigned first_cpu, num_cpus;

static int affinity_of_large_kernel(size_t bytes, void *mask)
{
    if (bytes < kernel_bytes) {
        errno = EINVAL;
        return -1;
    }
    memset(mask, 0, bytes);
    for (unsigned cpu = first_cpu; cpu < first_cpu + num_cpus; cpu++)
        CPU_SET_S(cpu, bytes, (cpu_set_t *)mask);
    return 0;
}

static int affinity_that_fails(size_t bytes, void *mask)
{
    (void)bytes;
    (void)mask;
    errno = EPERM;
    return -1;
}

static void cores_are_counted_whatever_the_size_of_the_mask(void **state)
{
    (void)state;
    static const size_t sizes[] = {8, 128, 136, 1024, 8192};
    num_cpus = 48;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        kernel_bytes = sizes[i];
        first_cpu = (unsigned)(8 * sizes[i] > num_cpus ? 8 * sizes[i] - num_cpus : 0);
        assert_int_equal(su_cpu_count_from(affinity_of_large_kernel), num_cpus);
    }
    kernel_bytes = SIZE_MAX; /* never large enough: the machine's cores, at least 1 */
    assert_true(su_cpu_count_from(affinity_of_large_kernel) >= 1);
    assert_int_equal(su_cpu_count_from(affinity_that_fails),
                     su_cpu_count_from(affinity_of_large_kernel));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_the_variable_the_highest_level_is_used, clean_environment),
        cmocka_unit_test_setup(the_variable_chooses_a_level_that_the_processor_has,
                               clean_environment),
        cmocka_unit_test_setup(an_unknown_name_is_an_error_that_lists_the_names, clean_environment),
        cmocka_unit_test_setup(detection_agrees_with_the_machine, clean_environment),
        cmocka_unit_test_setup(the_core_count_is_what_the_process_may_use, clean_environment),
        cmocka_unit_test_setup(cores_are_counted_whatever_the_size_of_the_mask, clean_environment),
        cmocka_unit_test_setup(memory_sizes_agree_with_the_kernel, clean_environment),
    };
    return cmocka_run_group_tests(tests, clean_environment, clean_environment);
}
