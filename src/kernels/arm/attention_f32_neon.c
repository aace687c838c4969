/* Attention, fp32, NEON: blocks of 12 queries. Scores are 6 keys x 3 vectors of queries (16 x 1 for
 * up to 4 queries), outputs 8 queries x 2 vectors of the head: 18 and 16 accumulators of the 32
 * registers. With 8 keys gcc 12 keeps part of the loop's operands on the stack. */
#include "kernels/arm/vec_neon.h"

#define QUERY_VECTORS 3
#define KEYS_OF_ALL 6
#define KEYS_OF_ONE 16
#define OUT_ROWS 8
#include "kernels/attention_f32_tiles.h"

const SuAttentionF32 su_attention_f32_neon = {
    .name = "attention_f32_12x64_neon", .scratch_bytes = sizeof(Block), .run = run};
