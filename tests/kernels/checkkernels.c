/* checkkernels - every kernel of every level this processor has, against plain C bit for bit; plain
 * C against a computation in higher precision with a stated bound.
 *
 *   checkkernels [--seed N] [--emulate] [--half 1|2] [NAME]      all checks, half of them, or one
 *
 * The level amx runs in software where the processor or the system lacks it, or with --emulate; the code
 * around its tiles needs AVX-512.
 *
 * sutra bench kernels times them.
 */
#include "checkkernels.h"

#include "amx_emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Entry {
    const char *name;
    void (*check)(Ck *ck);
} Entry;

static const Entry entries[] = {
    {"gemm_f32", check_gemm_f32},
    {"gemm_f16", check_gemm_f16},
    {"gemm_bf16", check_gemm_bf16},
    {"gemm_int8", check_gemm_int8},
    {"gated", check_gated},
    {"rotate", check_rotate},
    {"attention_f32", check_attention_f32},
    {"attention_bf16", check_attention_bf16},
    {"layer_norm_f32", check_layer_norm_f32},
    {"embed_norm_f32", check_embed_norm_f32},
    {"activate_f32", check_activate_f32},
    {"pool_f32", check_pool_f32},
    {"sum_rows", check_sum_rows},
    {"sum_of_squares_f32", check_sum_of_squares_f32},
    {"scale_f32", check_scale_f32},
    {"dot_f32", check_dot_f32},
    {"dots_f32", check_dots_f32},
    {"dots_s8", check_dots_s8},
    {"differing_bits", check_differing_bits},
    {"widen_f16", check_widen_f16},
    {"widen_bf16", check_widen_bf16},
    {"widen_s8", check_widen_s8},
    {"narrow_bf16", check_narrow_bf16},
    {"quantize_u8", check_quantize_u8},
    {"output_f32", check_output_f32},
    {"output_f16", check_output_f16},
    {"output_u8", check_output_u8},
    {"output_ranged_u8", check_output_ranged_u8},
    {"output_bits", check_output_bits},
};
enum { NUM_ENTRIES = sizeof entries / sizeof entries[0] };

static int usage(void)
{
    fprintf(stderr, "usage: checkkernels [--seed N] [--emulate] [--half 1|2] [NAME]\nnames:");
    for (int i = 0; i < NUM_ENTRIES; i++) fprintf(stderr, " %s", entries[i].name);
    fputc('\n', stderr);
    return 2;
}

static void print_levels(const Ck *ck, uint64_t seed)
{
    printf("levels:");
    for (int t = 0; t < ck->num_tested; t++) printf(" %s", su_isa_name(ck->tested[t].isa));
#if defined(__x86_64__)
    if (ck->emulated)
        printf(" (emulated)");
    else if (ck->tested[ck->num_tested - 1].isa < SU_ISA_AMX)
        printf(" (not amx: its code needs AVX-512)");
#endif
    printf(", seed %llu\n", (unsigned long long)seed);
}

/* half: 0 for both */
static int run_checks(uint64_t seed, bool emulate, int half, const char *name)
{
    static Ck ck;
    unsigned failures = 0;
    bool first = true;
    for (int i = 0; i < NUM_ENTRIES; i++) {
        if (name && strcmp(name, entries[i].name) != 0) continue;
        if (half && i % 2 != half - 1) continue;
        ck_open(&ck, seed, emulate);
        if (first) print_levels(&ck, seed);
        first = false;
        entries[i].check(&ck);
        printf("%-20s %s", entries[i].name, ck.failures ? "FAILED" : "ok");
        if (ck.failures) printf(" (%u)", ck.failures);
        putchar(10);
        failures += ck.failures;
        ck_close(&ck);
    }
#if defined(__x86_64__)
    if (ck.emulated) printf("%lu instructions of amx in software\n", amx_emulator_count());
#endif
    return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    const char *name = NULL;
    bool emulate = false;
    int half = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--emulate") == 0) {
            emulate = true;
        } else if (strcmp(argv[i], "--half") == 0 && i + 1 < argc) {
            half = atoi(argv[++i]);
            if (half < 1 || half > 2) return usage();
        } else if (argv[i][0] != '-' && !name) {
            name = argv[i];
        } else {
            return usage();
        }
    }
    bool known = !name;
    for (int i = 0; i < NUM_ENTRIES; i++) known = known || strcmp(name, entries[i].name) == 0;
    if (!known) return usage();
    return run_checks(seed, emulate, half, name);
}
