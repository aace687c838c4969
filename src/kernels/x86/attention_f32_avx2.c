/* Attention, fp32, AVX2: blocks of 24 queries. Scores are 4 keys x 3 vectors of queries (8 x 1 for
 * up to 8 queries), outputs 6 queries x 2 vectors of the head: 12 accumulators each, so that these,
 * the operands and a broadcast fit 16 registers. */
#include "kernels/x86/vec_avx2.h"

#define QUERY_VECTORS 3
#define KEYS_OF_ALL 4
#define KEYS_OF_ONE 8
#define OUT_ROWS 6
#include "kernels/attention_f32_tiles.h"

const SuAttentionF32 su_attention_f32_avx2 = {
    .name = "attention_f32_24x64_avx2", .scratch_bytes = sizeof(Block), .run = run};
