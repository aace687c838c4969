/* Attention in bf16 on tiles of AMX, whose sums are those of SU_SUMS_TILES.
 *
 * Rows of a tile are queries. A tile of 64 keys is prepared once for up to 128 queries:
 *
 *   keys     [head / 32][4][16 words of the head][16 keys]     a word: two elements of the head
 *   values   [2][head / 16][16 words of keys][16 elements]     a word: two keys
 *
 *   for each block of 128 queries
 *     for each tile of keys that one of them sees: prepare it, then for each 16 queries
 *       scores  = q x keys                    [16][64] of float, a tile ahead of the softmax, so
 *                                             that multiplier and vector ports work at once
 *       weights = 2^(scores - maximum)        [16][64] of bf16
 *       out     = out * scale + weights x values
 *
 * Keys past the text's last are zeros; their weights are set to zero like those of keys out of
 * sight. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/math_constants.h"
#include "kernels/x86/tile_config.h"

#include <math.h>
#include <string.h>

enum {
    QUERIES = 128,
    ROWS = 16,  /* of a tile */
    PAIRS = 32, /* elements of the head, or keys, that a multiplication goes over */
    MAX_HEAD_SIZE = SU_MAX_HEAD,
    TILE_FLOATS = ROWS * ROWS
};

typedef struct Block {
    const SuAttentionBf16Args *args;
    size_t position, count; /* position of its first query among the keys; queries */
    float maximum[QUERIES], sum[QUERIES];
    _Alignas(64) float scores[2][ROWS * SU_KEY_TILE];
    _Alignas(64) uint16_t weights[ROWS * SU_KEY_TILE];
    _Alignas(64) uint32_t keys[MAX_HEAD_SIZE / 2 * SU_KEY_TILE];
    _Alignas(64) uint32_t values[SU_KEY_TILE / 2 * MAX_HEAD_SIZE];
    _Alignas(64) uint16_t last_queries[ROWS * MAX_HEAD_SIZE]; /* fewer than 16, padded with zeros */
    _Alignas(64) float out[QUERIES * MAX_HEAD_SIZE];          /* [queries][head] */
} Block;

/* Keys first … first + count - 1, in `groups` of 16. */
typedef struct KeyTile {
    size_t first, count, groups;
    bool edge; /* not every query sees all of its groups */
} KeyTile;

/* Keys 16 g … 16 g + 15 of the tile, words w … w + 15 of the head. */
static void prepare_keys(Block *block, const KeyTile *tile, size_t g, size_t chunk)
{
    const SuAttentionBf16Args *args = block->args;
    Vec r[ROWS];
    SU_UNROLL
    for (size_t i = 0; i < ROWS; i++) {
        size_t key = 16 * g + i;
        const uint16_t *from = args->k + (tile->first + key) * args->k_stride + chunk * PAIRS;
        r[i] = key < tile->count ? _mm512_castsi512_ps(_mm512_loadu_si512(from)) : vec_zero();
    }
    vec_transpose(r);
    float *to = (float *)(void *)(block->keys + (chunk * 4 + g) * TILE_FLOATS);
    SU_UNROLL
    for (size_t i = 0; i < ROWS; i++) vec_store(to + i * ROWS, r[i]);
}

/* Keys 2 i and 2 i + 1 of the tile, elements of the head interleaved. */
static void prepare_values(Block *block, const KeyTile *tile, size_t i)
{
    const SuAttentionBf16Args *args = block->args;
    const uint16_t *v = args->v + (tile->first + 2 * i) * args->v_stride;
    const __m512i zero = _mm512_setzero_si512();
    const __m512i order = _mm512_set_epi64(
        0x002f000f002e000e, 0x002d000d002c000c, 0x002b000b002a000a, 0x0029000900280008,
        0x0027000700260006, 0x0025000500240004, 0x0023000300220002, 0x0021000100200000);
    const __m512i second_half = _mm512_set1_epi16(16);
    size_t groups = args->head_size / ROWS;
    uint32_t *to = block->values + (i / 16 * groups * 16 + i % 16) * ROWS;
    for (size_t e = 0; e < args->head_size; e += PAIRS) {
        __m512i first = 2 * i < tile->count ? _mm512_loadu_si512(v + e) : zero;
        __m512i second =
            2 * i + 1 < tile->count ? _mm512_loadu_si512(v + args->v_stride + e) : zero;
        _mm512_store_si512(to + e / ROWS * TILE_FLOATS,
                           _mm512_permutex2var_epi16(first, order, second));
        _mm512_store_si512(
            to + (e / ROWS + 1) * TILE_FLOATS,
            _mm512_permutex2var_epi16(first, _mm512_add_epi16(order, second_half), second));
    }
}

static void prepare_tile(Block *block, const KeyTile *tile)
{
    size_t chunks = block->args->head_size / PAIRS;
    for (size_t chunk = 0; chunk < chunks; chunk++)
        for (size_t g = 0; g < tile->groups; g++) prepare_keys(block, tile, g, chunk);
    size_t pairs = tile->count > PAIRS ? SU_KEY_TILE / 2 : PAIRS / 2;
    for (size_t i = 0; i < pairs; i++) prepare_values(block, tile, i);
}

/* scores [16][64] of queries `query` … of the block, of 1 or 4 groups of keys */
SU_INLINE void score_groups(const Block *block, size_t query, const uint16_t *q, float *scores,
                            const int groups)
{
    const SuAttentionBf16Args *args = block->args;
    size_t stride = args->q_stride * sizeof *q;
    q += query * args->q_stride;
    if (block->count - query < ROWS) {
        q = block->last_queries;
        stride = args->head_size * sizeof *q;
    }
    const uint32_t *keys = block->keys;
    _tile_zero(0);
    if (groups > 1) {
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t e = 0; e < args->head_size; e += PAIRS, keys += 4 * TILE_FLOATS) {
        _tile_loadd(4, q + e, stride);
        _tile_loadd(5, keys, 64);
        _tile_dpbf16ps(0, 4, 5);
        if (groups == 1) continue;
        _tile_loadd(6, keys + TILE_FLOATS, 64);
        _tile_dpbf16ps(1, 4, 6);
        _tile_loadd(7, keys + 2 * TILE_FLOATS, 64);
        _tile_dpbf16ps(2, 4, 7);
        _tile_loadd(5, keys + 3 * TILE_FLOATS, 64);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_stored(0, scores, SU_KEY_TILE * sizeof *scores);
    if (groups == 1) return;
    _tile_stored(1, scores + 16, SU_KEY_TILE * sizeof *scores);
    _tile_stored(2, scores + 32, SU_KEY_TILE * sizeof *scores);
    _tile_stored(3, scores + 48, SU_KEY_TILE * sizeof *scores);
}

static void score(const Block *block, const KeyTile *tile, size_t query, const uint16_t *q,
                  float *scores)
{
    if (tile->groups == 1)
        score_groups(block, query, q, scores, 1);
    else
        score_groups(block, query, q, scores, 4);
}

/* Scores that a query does not see become -inf. */
static void mask_scores(const Block *block, const KeyTile *tile, size_t query, float *scores)
{
    const SuAttentionBf16Args *args = block->args;
    for (size_t i = 0; i < ROWS; i++) {
        size_t position = block->position + query + i, begin = 0, end = tile->count;
        if (args->local && position > args->before && position - args->before > tile->first)
            begin = position - args->before - tile->first;
        if (args->local && args->after < SIZE_MAX - position - 1) {
            size_t past = position + args->after + 1;
            past = past > tile->first ? past - tile->first : 0;
            if (past < end) end = past;
        }
        for (size_t j = 0; j < begin && j < 16 * tile->groups; j++)
            scores[i * SU_KEY_TILE + j] = -INFINITY;
        for (size_t j = end; j < 16 * tile->groups; j++) scores[i * SU_KEY_TILE + j] = -INFINITY;
    }
}

/* Row r of x, folded to lane r: see kernels.h. */
#define FOLD_ROWS(name, combine)                                                        \
    SU_INLINE Vec name(Vec x[ROWS])                                                     \
    {                                                                                   \
        Vec y[8], z[4];                                                                 \
        SU_UNROLL                                                                       \
        for (int i = 0; i < 8; i++)                                                     \
            y[i] = combine(_mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]),                  \
                           _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]));                 \
        SU_UNROLL                                                                       \
        for (int i = 0; i < 4; i++) {                                                   \
            __m512d a = _mm512_castps_pd(y[2 * i]), b = _mm512_castps_pd(y[2 * i + 1]); \
            z[i] = combine(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),                  \
                           _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));                 \
        }                                                                               \
        SU_UNROLL                                                                       \
        for (int i = 0; i < 2; i++)                                                     \
            y[i] = combine(_mm512_shuffle_f32x4(z[2 * i], z[2 * i + 1], 0x88),          \
                           _mm512_shuffle_f32x4(z[2 * i], z[2 * i + 1], 0xdd));         \
        return combine(_mm512_shuffle_f32x4(y[0], y[1], 0x88),                          \
                       _mm512_shuffle_f32x4(y[0], y[1], 0xdd));                         \
    }
FOLD_ROWS(fold_sums, vec_add)
FOLD_ROWS(fold_maxima, vec_max)
#undef FOLD_ROWS

/* 2^x of count vectors in step. */
SU_INLINE void exp2_narrow(Vec *x, const int count)
{
    Vec y[4], f[4];
    SU_UNROLL
    for (int i = 0; i < count; i++) {
        f[i] = _mm512_reduce_ps(x[i], _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
        y[i] = vec_fma(vec_set1(SU_EXP2_NARROW_3), f[i], vec_set1(SU_EXP2_NARROW_2));
    }
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = vec_fma(y[i], f[i], vec_set1(SU_EXP2_NARROW_1));
    SU_UNROLL
    for (int i = 0; i < count; i++) y[i] = vec_fma(y[i], f[i], vec_set1(SU_EXP2_NARROW_0));
    SU_UNROLL
    for (int i = 0; i < count; i++) x[i] = _mm512_scalef_ps(y[i], x[i]);
}

/* Maxima of a tile's rows, in lanes; groups is a constant, 1 … 4, here and below. */
SU_INLINE Vec find_maxima(const float *scores, const int groups)
{
    Vec most[ROWS];
    SU_UNROLL
    for (int i = 0; i < ROWS; i++) {
        const float *s = scores + i * SU_KEY_TILE;
        most[i] = vec_load(s);
        SU_UNROLL
        for (int g = 1; g < groups; g++) most[i] = vec_max(most[i], vec_load(s + 16 * g));
    }
    return fold_maxima(most);
}

/* weights = 2^(scores - maximum), zero to the end of 32 keys; returns the sums of the rows, in
 * lanes */
SU_INLINE Vec weigh(Block *block, const float *scores, const float *maximum, const int groups)
{
    Vec sums[ROWS];
    SU_UNROLL
    for (int i = 0; i < ROWS; i++) {
        const float *s = scores + i * SU_KEY_TILE;
        Vec m = vec_set1(maximum[i]), x[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        SU_UNROLL
        for (int g = 0; g < groups; g++) x[g] = vec_sub(vec_load(s + 16 * g), m);
        exp2_narrow(x, groups);
        sums[i] = groups == 1   ? x[0]
                  : groups == 2 ? vec_add(x[0], x[1])
                                : vec_add(vec_add(x[0], x[1]), vec_add(x[2], x[3]));
        uint16_t *to = block->weights + i * SU_KEY_TILE;
        _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(x[1], x[0]));
        if (groups > 2) _mm512_store_si512(to + 32, (__m512i)_mm512_cvtne2ps_pbh(x[3], x[2]));
    }
    return fold_sums(sums);
}

static void scale_out(Block *block, size_t query, const float *scale)
{
    size_t head = block->args->head_size;
    for (size_t i = 0; i < ROWS; i++) {
        float *out = block->out + (query + i) * head;
        Vec factor = vec_set1(scale[i]);
        for (size_t e = 0; e < head; e += VEC_LANES)
            vec_store(out + e, vec_mul(vec_load(out + e), factor));
    }
}

/* out += weights x values of the first `pairs` 32 keys */
static void add_values(Block *block, size_t query, size_t pairs, bool fresh)
{
    size_t head = block->args->head_size, groups = head / ROWS, stride = head * sizeof(float);
    _tile_loadd(4, block->weights, SU_KEY_TILE * sizeof *block->weights);
    if (pairs > 1) _tile_loadd(5, block->weights + PAIRS, SU_KEY_TILE * sizeof *block->weights);
    for (size_t g = 0; g < groups; g++) {
        float *out = block->out + query * head + g * ROWS;
        const uint32_t *values = block->values + g * TILE_FLOATS;
        if (fresh)
            _tile_zero(0);
        else
            _tile_loadd(0, out, stride);
        _tile_loadd(6, values, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (pairs > 1) {
            _tile_loadd(7, values + groups * TILE_FLOATS, 64);
            _tile_dpbf16ps(0, 5, 7);
        }
        _tile_stored(0, out, stride);
    }
}

SU_INLINE void attend_groups(Block *block, const KeyTile *tile, size_t query, float *scores,
                             bool fresh, const int groups)
{
    float *maximum = block->maximum + query, *sum = block->sum + query, scale[ROWS], shift[ROWS];
    if (tile->edge) mask_scores(block, tile, query, scores);
    Vec before = vec_load(maximum), after = vec_max(before, find_maxima(scores, groups));
    vec_store(maximum, after);
    /* a query that has seen no key yet: its weights are all zero, whatever is subtracted */
    Vec subtracted = vec_where_equal(after, vec_set1(-INFINITY), vec_zero(), after);
    vec_store(shift, subtracted);
    Vec sums = weigh(block, scores, shift, groups), factor = vec_sub(before, subtracted);
    exp2_narrow(&factor, 1);
    /* where the maximum stays the factor is 1, which the polynomial only comes near */
    __mmask16 same = _mm512_cmp_ps_mask(before, after, _CMP_EQ_OQ);
    factor = _mm512_mask_mov_ps(factor, same, vec_set1(1.0f));
    vec_store(sum, vec_fma(vec_load(sum), factor, sums));
    if (!fresh && same != 0xffff) {
        vec_store(scale, factor);
        scale_out(block, query, scale);
    }
    add_values(block, query, groups > 2 ? 2 : 1, fresh);
}

static void attend_rows(Block *block, const KeyTile *tile, size_t query, float *scores, bool fresh)
{
    switch (tile->groups) {
    case 1:
        attend_groups(block, tile, query, scores, fresh, 1);
        break;
    case 2:
        attend_groups(block, tile, query, scores, fresh, 2);
        break;
    case 3:
        attend_groups(block, tile, query, scores, fresh, 3);
        break;
    default:
        attend_groups(block, tile, query, scores, fresh, 4);
        break;
    }
}

static void attend_tile(Block *block, const KeyTile *tile, const uint16_t *q, bool fresh)
{
    prepare_tile(block, tile);
    score(block, tile, 0, q, block->scores[0]);
    for (size_t query = 0, at = 0; query < block->count; query += ROWS, at = 1 - at) {
        if (query + ROWS < block->count) score(block, tile, query + ROWS, q, block->scores[1 - at]);
        attend_rows(block, tile, query, block->scores[at], fresh);
    }
}

/* Keys that some query of the block sees: begin … end - 1. */
static void visible_keys(const Block *block, size_t *begin, size_t *end)
{
    const SuAttentionBf16Args *args = block->args;
    *begin = 0;
    *end = args->num_keys;
    if (!args->local) return;
    size_t last = block->position + block->count - 1;
    if (block->position > args->before) *begin = block->position - args->before;
    if (args->num_keys > last && args->after < args->num_keys - last - 1)
        *end = last + args->after + 1;
}

static void write_block(const Block *block, float *out)
{
    size_t head = block->args->head_size;
    for (size_t i = 0; i < block->count; i++) {
        Vec inverse = vec_set1(1.0f / block->sum[i]);
        const float *sums = block->out + i * head;
        float *row = out + i * block->args->out_stride;
        for (size_t e = 0; e < head; e += VEC_LANES)
            vec_store(row + e, vec_mul(vec_load(sums + e), inverse));
    }
}

static void attend_block(Block *block, size_t query)
{
    const SuAttentionBf16Args *args = block->args;
    const uint16_t *q = args->q + query * args->q_stride;
    size_t left = block->count % ROWS, head = args->head_size;
    block->position = args->first_query + query;
    memset(block->last_queries, 0, left ? ROWS * head * sizeof *q : 0);
    for (size_t i = 0; i < left; i++)
        memcpy(block->last_queries + i * head, q + (block->count - left + i) * args->q_stride,
               head * sizeof *q);
    for (size_t i = 0; i < QUERIES; i += VEC_LANES) {
        vec_store(block->maximum + i, vec_set1(-INFINITY));
        vec_store(block->sum + i, vec_zero());
    }
    size_t begin, end;
    visible_keys(block, &begin, &end);
    begin = begin / SU_KEY_TILE * SU_KEY_TILE;
    for (size_t first = begin; first < end; first += SU_KEY_TILE) {
        size_t keys = args->num_keys - first;
        KeyTile tile = {.first = first, .count = keys < SU_KEY_TILE ? keys : SU_KEY_TILE};
        tile.groups = (tile.count + 15) / 16;
        tile.edge = args->local || tile.count % 16;
        attend_tile(block, &tile, q, first == begin);
    }
    write_block(block, args->out + query * args->out_stride);
}

static void run(const SuAttentionBf16Args *args)
{
    Block block;
    block.args = args;
    su_configure_tiles(ROWS);
    for (size_t query = 0; query < args->num_queries; query += block.count) {
        size_t left = args->num_queries - query;
        block.count = left < QUERIES ? left : QUERIES;
        attend_block(&block, query);
    }
    _tile_release();
}

const SuAttentionBf16 su_attention_bf16_amx = {
    .name = "attention_bf16_16x64_amx", .scratch_bytes = sizeof(Block), .run = run};
