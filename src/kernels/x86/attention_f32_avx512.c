/* Attention, fp32, AVX-512: blocks of 32 queries. Scores are 8 keys x 2 vectors of queries (16 x 1
 * for up to 16 queries), outputs 8 queries x 2 vectors of the head: 16 accumulators each, 10 loads
 * for 16 fma. */
#include "kernels/x86/vec_avx512.h"

#define QUERY_VECTORS 2
#define KEYS_OF_ALL 8
#define KEYS_OF_ONE 16
#define OUT_ROWS 8
#include "kernels/attention_f32_tiles.h"

const SuAttentionF32 su_attention_f32_avx512 = {
    .name = "attention_f32_32x64_avx512", .scratch_bytes = sizeof(Block), .run = run};
