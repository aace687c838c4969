/* checkkernels.h - what the checks of the kernels share: kernels under test, values, guarded
 * memory, comparison.
 *
 * A buffer ends right before a page that cannot be touched, so that an over-read faults, and lies
 * between canaries, so that a write outside shows:
 *
 *   | 64 words | count words | 0 … 3 words | page without access |
 *     canary     the buffer    canary
 *
 * Two fp32 results are the same when their bits are, or when both are NaN: sign and payload of a
 * NaN are not part of the contract. */
#ifndef CHECKKERNELS_H
#define CHECKKERNELS_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CK_SLOTS = 16 };

typedef struct CkBuffer {
    unsigned char *memory; /* CK_SLOT_BYTES, then the page */
    unsigned char *begin;
    size_t size;
} CkBuffer;

typedef struct Ck {
    SuKernels ref;                  /* the plain C kernels */
    SuKernels tested[SU_ISA_COUNT]; /* [num_tested] every level this processor has, plain C first */
    int num_tested;
    bool emulated; /* the last of them, amx, by amx_emulator.h */
    uint64_t random;
    CkBuffer buffers[CK_SLOTS];
    unsigned failures;
    char where[256]; /* the case at hand, for messages */
} Ck;

/* emulate: amx in software even where the processor has it, if no one has asked for its state yet. */
void ck_open(Ck *ck, uint64_t seed, bool emulate);
void ck_close(Ck *ck);

/* Names the case at hand; a fault prints it too. */
void ck_case(Ck *ck, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ck_fail(Ck *ck, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint32_t ck_random(Ck *ck);
size_t ck_between(Ck *ck, size_t low, size_t high); /* both included */

/* Kinds of values; CK_SPECIAL mixes NaN and infinity into ordinary ones. */
typedef enum CkValues {
    CK_NORMAL = 0,
    CK_HUGE,
    CK_TINY,
    CK_DENORMAL,
    CK_ZERO, /* both zeros and a few others */
    CK_WIDE, /* any finite bits */
    CK_SPECIAL,
    CK_NUM_VALUES
} CkValues;
extern const char *const ck_values_name[CK_NUM_VALUES];
void ck_fill(Ck *ck, CkValues values, float *x, size_t n);

/* Buffer `slot`, `size` bytes; `shift` bytes (0 … 15) lie between its end and the page. Inputs are
 * filled with a NaN, outputs with a number, to be seen where they should not be. */
void *ck_input(Ck *ck, int slot, size_t size, size_t shift);
void *ck_output(Ck *ck, int slot, size_t size, size_t shift);
/* Fails when a canary around one of the buffers in use has changed. */
void ck_check_canaries(Ck *ck);

/* Element-wise the same; fails naming `what` and the first difference. */
bool ck_same(Ck *ck, const char *what, const float *got, const float *expected, size_t n);
/* |got - exact| ≤ bound, or neither is finite as a float. `at`: the argument or the element. Keeps
 * the largest share of the bound in *worst. */
void ck_within(Ck *ck, double at, float got, long double exact, long double bound, double *worst);
/* Prints how much of the bound was used. */
void ck_report(const char *what, double worst);

void check_gemm_f32(Ck *ck);
void check_gemm_f16(Ck *ck);
void check_gemm_bf16(Ck *ck);
void check_gemm_int8(Ck *ck);
void check_gated(Ck *ck);
void check_rotate(Ck *ck);
void check_attention_f32(Ck *ck);
void check_attention_bf16(Ck *ck);
void check_layer_norm_f32(Ck *ck);
void check_embed_norm_f32(Ck *ck);
void check_activate_f32(Ck *ck);
void check_pool_f32(Ck *ck);
void check_sum_rows(Ck *ck);
void check_sum_of_squares_f32(Ck *ck);
void check_scale_f32(Ck *ck);
void check_dot_f32(Ck *ck);
void check_dots_f32(Ck *ck);
void check_dots_s8(Ck *ck);
void check_differing_bits(Ck *ck);
void check_widen_f16(Ck *ck);
void check_widen_bf16(Ck *ck);
void check_widen_s8(Ck *ck);
void check_narrow_bf16(Ck *ck);
void check_quantize_u8(Ck *ck);
void check_output_f32(Ck *ck);
void check_output_f16(Ck *ck);
void check_output_u8(Ck *ck);
void check_output_ranged_u8(Ck *ck);
void check_output_bits(Ck *ck);

#endif
