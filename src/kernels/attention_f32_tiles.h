/* attention_f32_tiles.h - attention over blocks of queries and tiles of keys, for any vector type.
 *
 * Included by one file for each ISA, after its vec_….h, with QUERY_VECTORS (vectors of queries in a
 * block), KEYS_OF_ALL and KEYS_OF_ONE (keys whose scores are computed at a time for that many
 * vectors of queries, and for one) and OUT_ROWS (queries of an output tile, two vectors each)
 * defined. The lanes of a vector are queries, so that maximum, exp2 and sum of the softmax need no
 * step across lanes:
 *
 *   q     transposed once a block          [head][queries]
 *   p     scores, then weights, of a tile  [64 keys][queries]     8 KB: all of it lives in L1
 *   out   sums of a block                  [queries][head]
 *
 *   for each block of queries
 *     for each tile of keys that one of them sees
 *       scores    = bias + k (broadcast) x q (lanes are queries), some keys at a time; maximum
 *       weights   = exp2(scores - maximum), and their sums
 *       out       = out * scale + weights (broadcast) x v (lanes are elements of the head)
 *
 * A tile that some query does not see whole ("edge") has the pairs out of sight set to -inf: they
 * are no maximum and their weights are zero. */
#ifndef SU_ATTENTION_F32_TILES_H
#define SU_ATTENTION_F32_TILES_H

#include "kernels/vec_math.h"

#include <math.h>
#include <string.h>

enum { QUERIES = QUERY_VECTORS * VEC_LANES, MAX_HEAD_SIZE = SU_MAX_HEAD, MOST_KEYS = 16 };

typedef struct Block {
    const SuAttentionF32Args *args;
    size_t position, count; /* position of its first query among the keys; queries */
    Vec maximum[QUERY_VECTORS], sum[QUERY_VECTORS];
    float scale[QUERIES]; /* of the tile at hand: what the earlier sums are multiplied with */
    float q[MAX_HEAD_SIZE * QUERIES];
    float p[(SU_KEY_TILE + MOST_KEYS) * QUERIES]; /* a last group may reach past the tile */
    float out[QUERIES * MAX_HEAD_SIZE];
    float spare[MOST_KEYS * MAX_HEAD_SIZE]; /* a last, short group of keys */
} Block;

/* A tile: keys first … first + count - 1, of which begin … end - 1 (from the tile's first) are
 * seen. */
typedef struct KeyTile {
    size_t first, count, begin, end;
    bool edge;
} KeyTile;

static void load_queries(Block *block, const float *q, const int vectors)
{
    const SuAttentionF32Args *args = block->args;
    for (size_t e = 0; e < args->head_size; e += VEC_LANES) {
        size_t left = args->head_size - e, elements = left < VEC_LANES ? left : VEC_LANES;
        for (int v = 0; v < vectors; v++) {
            Vec r[VEC_LANES];
            SU_UNROLL
            for (size_t i = 0; i < VEC_LANES; i++) {
                size_t row = (size_t)v * VEC_LANES + i;
                r[i] = row >= block->count ? vec_zero()
                       : elements == VEC_LANES
                           ? vec_load(q + row * args->q_stride + e)
                           : vec_load_part(q + row * args->q_stride + e, elements);
            }
            vec_transpose(r);
            float *to = block->q + e * QUERIES + v * VEC_LANES;
            SU_UNROLL
            for (size_t i = 0; i < VEC_LANES; i++)
                if (i < elements) vec_store(to + i * QUERIES, r[i]);
        }
    }
}

/* Keys of a tile whose scores are computed at once: `valid` of them count. */
typedef struct Keys {
    const float *rows;
    size_t stride, valid;
    size_t position; /* of the first among all keys */
} Keys;

/* What the scores of key i begin with. */
SU_INLINE Vec first_score(const Block *block, const Keys *keys, const int i, const int v)
{
    const size_t query = (size_t)v * VEC_LANES;
    if (!block->args->bias || (size_t)i >= keys->valid) return vec_zero();
    const float *bias = block->args->bias + ((ptrdiff_t)(block->position + query) -
                                             (ptrdiff_t)(keys->position + (size_t)i));
    size_t left = block->count - query;
    return left >= VEC_LANES ? vec_load(bias) : vec_load_part(bias, left);
}

/* Scores of `keys` keys into p [keys][QUERIES]. */
SU_INLINE void score_keys(Block *block, const Keys *at, float *p, Vec *largest, const int vectors,
                          const int keys)
{
    Vec s[MOST_KEYS][QUERY_VECTORS];
    const size_t stride = at->stride;
    SU_UNROLL
    for (int i = 0; i < keys; i++) SU_UNROLL
    for (int v = 0; v < vectors; v++) s[i][v] = first_score(block, at, i, v);
    const float *q = block->q, *row[(MOST_KEYS + 2) / 3];
    SU_UNROLL
    for (int i = 0; i < keys; i += 3) row[i / 3] = at->rows + (size_t)i * stride;
    for (size_t e = 0; e < block->args->head_size; e++) {
        Vec x[QUERY_VECTORS];
        SU_UNROLL
        for (int v = 0; v < vectors; v++) x[v] = vec_load(q + v * VEC_LANES);
        SU_UNROLL
        for (int i = 0; i < keys; i++) {
            Vec y = vec_set1(row[i / 3][(size_t)(i % 3) * stride + e]);
            SU_UNROLL
            for (int v = 0; v < vectors; v++) s[i][v] = vec_fma(y, x[v], s[i][v]);
        }
        q += QUERIES;
    }
    SU_UNROLL
    for (int i = 0; i < keys; i++) {
        SU_UNROLL
        for (int v = 0; v < vectors; v++) {
            vec_store(p + i * QUERIES + v * VEC_LANES, s[i][v]);
            if ((size_t)i < at->valid) largest[v] = vec_max(largest[v], s[i][v]);
        }
    }
}

/* Fewer keys than a group: the missing rows are zero and are left out of the maximum. */
SU_INLINE void score_last_keys(Block *block, Keys at, float *p, Vec *largest, const int vectors,
                               const int keys)
{
    size_t head = block->args->head_size;
    for (size_t i = 0; i < at.valid; i++)
        memcpy(block->spare + i * head, at.rows + i * at.stride, head * sizeof(float));
    memset(block->spare + at.valid * head, 0, ((size_t)keys - at.valid) * head * sizeof(float));
    at.rows = block->spare;
    at.stride = head;
    score_keys(block, &at, p, largest, vectors, keys);
}

/* Lanes below the result see nothing of what follows `position`. */
SU_INLINE size_t lane_of(size_t position, size_t first)
{
    return position <= first ? 0 : position - first < VEC_LANES ? position - first : VEC_LANES;
}

/* Sets the scores of pairs out of sight to -inf and finds the maxima of the others. */
SU_INLINE void mask_scores(Block *block, const KeyTile *tile, Vec *largest, const int vectors)
{
    const Vec lowest = vec_set1(-INFINITY);
    size_t before = block->args->before, after = block->args->after;
    for (int v = 0; v < vectors; v++) largest[v] = lowest;
    for (size_t j = tile->begin; j < tile->end; j++) {
        size_t key = tile->first + j; /* seen from key - after … key + before */
        size_t low = key > after ? key - after : 0;
        size_t high = before < SIZE_MAX - key - 1 ? key + before + 1 : SIZE_MAX;
        for (int v = 0; v < vectors; v++) {
            float *p = block->p + j * QUERIES + v * VEC_LANES;
            size_t first = block->position + (size_t)v * VEC_LANES;
            Vec s = vec_select(vec_load(p), lowest, lane_of(low, first), lane_of(high, first));
            vec_store(p, s);
            largest[v] = vec_max(largest[v], s);
        }
    }
}

SU_INLINE void score_tile(Block *block, const KeyTile *tile, Vec *largest, const int vectors)
{
    const int keys = vectors == 1 ? KEYS_OF_ONE : KEYS_OF_ALL;
    size_t j = tile->begin, stride = block->args->k_stride;
    Keys at = {.rows = block->args->k + (tile->first + j) * stride,
               .stride = stride,
               .valid = (size_t)keys,
               .position = tile->first + j};
    for (; j + (size_t)keys <= tile->end; j += (size_t)keys) {
        score_keys(block, &at, block->p + j * QUERIES, largest, vectors, keys);
        at.rows += (size_t)keys * stride;
        at.position += (size_t)keys;
    }
    at.valid = tile->end - j;
    if (at.valid > (size_t)keys / 2)
        score_last_keys(block, at, block->p + j * QUERIES, largest, vectors, keys);
    else if (at.valid > 0)
        score_last_keys(block, at, block->p + j * QUERIES, largest, vectors, keys / 2);
}

/* Weights of the keys j … j + 3 and their part of the sums; sums[r] takes keys r, r + 4, … */
SU_INLINE void weigh_keys(float *p, size_t count, const Vec *maximum, Vec sums[4][QUERY_VECTORS],
                          const bool edge, const int vectors)
{
    SU_UNROLL
    for (size_t r = 0; r < 4; r++) {
        if (r >= count) break;
        SU_UNROLL
        for (int v = 0; v < vectors; v++) {
            float *at = p + r * QUERIES + v * VEC_LANES;
            Vec s = vec_load(at), x = vec_exp2(vec_sub(s, maximum[v]));
            if (edge) x = vec_where_equal(s, vec_set1(-INFINITY), vec_zero(), x);
            vec_store(at, x);
            sums[r][v] = vec_add(sums[r][v], x);
        }
    }
}

SU_INLINE void weigh_tile(Block *block, const KeyTile *tile, const Vec *largest, const bool edge,
                          const int vectors)
{
    Vec maximum[QUERY_VECTORS], sums[4][QUERY_VECTORS];
    const Vec lowest = vec_set1(-INFINITY);
    for (int v = 0; v < vectors; v++) {
        Vec earlier = block->maximum[v], largest_yet = vec_max(earlier, largest[v]);
        block->maximum[v] = largest_yet;
        /* a query that has seen no key yet: its weights are all zero, whatever is subtracted */
        if (edge) largest_yet = vec_where_equal(largest_yet, lowest, vec_zero(), largest_yet);
        maximum[v] = largest_yet;
        vec_store(block->scale + v * VEC_LANES, vec_exp2(vec_sub(earlier, largest_yet)));
        for (int r = 0; r < 4; r++) sums[r][v] = vec_zero();
    }
    float *p = block->p;
    size_t j = tile->begin;
    for (; j + 4 <= tile->end; j += 4) weigh_keys(p + j * QUERIES, 4, maximum, sums, edge, vectors);
    weigh_keys(p + j * QUERIES, tile->end - j, maximum, sums, edge, vectors);
    for (int v = 0; v < vectors; v++)
        block->sum[v] =
            vec_fma(block->sum[v], vec_load(block->scale + v * VEC_LANES),
                    vec_add(vec_add(sums[0][v], sums[1][v]), vec_add(sums[2][v], sums[3][v])));
}

/* out [rows, 1 or 2 vectors] = out * scale + p^T x v, from element `first` of the head on */
SU_INLINE void add_values(Block *block, const KeyTile *tile, size_t query, size_t first,
                          size_t columns, bool fresh, const int rows, const int vectors)
{
    Vec out[OUT_ROWS][2];
    float *sums = block->out + query * MAX_HEAD_SIZE + first;
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        Vec scale = vec_set1(fresh ? 0.0f : block->scale[query + (size_t)i]);
        SU_UNROLL
        for (int h = 0; h < vectors; h++)
            out[i][h] = fresh ? vec_zero()
                              : vec_mul(vec_load(sums + i * MAX_HEAD_SIZE + h * VEC_LANES), scale);
    }
    size_t stride = block->args->v_stride;
    const float *value = block->args->v + (tile->first + tile->begin) * stride + first;
    const float *p = block->p + tile->begin * QUERIES + query;
    for (size_t j = tile->begin; j < tile->end; j++, value += stride, p += QUERIES) {
        Vec x[2];
        x[0] = columns >= VEC_LANES ? vec_load(value) : vec_load_part(value, columns);
        if (vectors == 2) x[1] = vec_load(value + VEC_LANES);
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            Vec weight = vec_set1(p[i]);
            SU_UNROLL
            for (int h = 0; h < vectors; h++) out[i][h] = vec_fma(weight, x[h], out[i][h]);
        }
    }
    SU_UNROLL
    for (int i = 0; i < rows; i++) SU_UNROLL
    for (int h = 0; h < vectors; h++)
        vec_store(sums + i * MAX_HEAD_SIZE + h * VEC_LANES, out[i][h]);
}

SU_INLINE void add_values_of_rows(Block *block, const KeyTile *tile, size_t query, bool fresh,
                                  const int rows)
{
    size_t head = block->args->head_size, first = 0;
    for (; first + 2 * VEC_LANES <= head; first += 2 * VEC_LANES)
        add_values(block, tile, query, first, 2 * VEC_LANES, fresh, rows, 2);
    for (; first < head; first += VEC_LANES)
        add_values(block, tile, query, first, head - first, fresh, rows, 1);
}

static void add_values_1(Block *block, const KeyTile *tile, size_t query, bool fresh)
{
    add_values_of_rows(block, tile, query, fresh, 1);
}

static void add_values_2(Block *block, const KeyTile *tile, size_t query, bool fresh)
{
    add_values_of_rows(block, tile, query, fresh, 2);
}

static void add_values_4(Block *block, const KeyTile *tile, size_t query, bool fresh)
{
    add_values_of_rows(block, tile, query, fresh, 4);
}

static void add_values_most(Block *block, const KeyTile *tile, size_t query, bool fresh)
{
    add_values_of_rows(block, tile, query, fresh, OUT_ROWS);
}

/* A few rows past the last query may be computed: their weights are scores of zero queries. */
static void add_tile_values(Block *block, const KeyTile *tile, bool fresh)
{
    size_t query = 0;
    for (; query + OUT_ROWS <= block->count; query += OUT_ROWS)
        add_values_most(block, tile, query, fresh);
    size_t left = block->count - query;
    if (left > 4) {
        add_values_most(block, tile, query, fresh);
    } else if (left > 2) {
        add_values_4(block, tile, query, fresh);
    } else if (left == 2) {
        add_values_2(block, tile, query, fresh);
    } else if (left == 1) {
        add_values_1(block, tile, query, fresh);
    }
}

SU_INLINE void attend_tile(Block *block, const KeyTile *tile, bool fresh, const int vectors)
{
    Vec largest[QUERY_VECTORS];
    for (int v = 0; v < vectors; v++) largest[v] = vec_set1(-INFINITY);
    score_tile(block, tile, largest, vectors);
    if (tile->edge) {
        mask_scores(block, tile, largest, vectors);
        weigh_tile(block, tile, largest, true, vectors);
    } else {
        weigh_tile(block, tile, largest, false, vectors);
    }
    add_tile_values(block, tile, fresh);
}

/* Keys that some query of the block sees: begin … end - 1. */
static void visible_keys(const Block *block, size_t *begin, size_t *end)
{
    const SuAttentionF32Args *args = block->args;
    *begin = 0;
    *end = args->num_keys;
    if (!args->local) return;
    size_t last = block->position + block->count - 1;
    if (block->position > args->before) *begin = block->position - args->before;
    if (args->num_keys > last && args->after < args->num_keys - last - 1)
        *end = last + args->after + 1;
}

static KeyTile next_tile(const Block *block, size_t first, size_t begin, size_t end)
{
    const SuAttentionF32Args *args = block->args;
    size_t left = args->num_keys - first;
    KeyTile tile = {.first = first, .count = left < SU_KEY_TILE ? left : SU_KEY_TILE};
    /* begins at a multiple of 4, so that every key adds to its own sum */
    tile.begin = begin > first ? (begin - first) / 4 * 4 : 0;
    tile.end = end - first < tile.count ? end - first : tile.count;
    if (!args->local) return tile;
    size_t last = block->position + block->count - 1;
    bool all_seen_from_last = last <= args->before || first + tile.begin >= last - args->before;
    size_t last_key = first + tile.end - 1;
    bool all_seen_from_first =
        last_key <= block->position || last_key - block->position <= args->after;
    tile.edge = !(all_seen_from_last && all_seen_from_first);
    return tile;
}

static void write_block(Block *block, float *out, const int vectors)
{
    size_t head = block->args->head_size;
    for (int v = 0; v < vectors; v++)
        vec_store(block->scale + v * VEC_LANES, vec_div(vec_set1(1.0f), block->sum[v]));
    for (size_t i = 0; i < block->count; i++) {
        Vec inverse = vec_set1(block->scale[i]);
        const float *sums = block->out + i * MAX_HEAD_SIZE;
        float *row = out + i * block->args->out_stride;
        for (size_t e = 0; e < head; e += VEC_LANES) {
            Vec x = vec_mul(vec_load(sums + e), inverse);
            if (head - e >= VEC_LANES)
                vec_store(row + e, x);
            else
                vec_store_part(row + e, x, head - e);
        }
    }
}

SU_INLINE void attend_block(Block *block, size_t query, const int vectors)
{
    const SuAttentionF32Args *args = block->args;
    block->position = args->first_query + query;
    load_queries(block, args->q + query * args->q_stride, vectors);
    for (int v = 0; v < vectors; v++) {
        block->maximum[v] = vec_set1(-INFINITY);
        block->sum[v] = vec_zero();
    }
    size_t begin, end, start;
    visible_keys(block, &begin, &end);
    start = begin / SU_KEY_TILE * SU_KEY_TILE;
    for (size_t first = start; first < end; first += SU_KEY_TILE) {
        KeyTile tile = next_tile(block, first, begin, end);
        attend_tile(block, &tile, first == start, vectors);
    }
    write_block(block, args->out + query * args->out_stride, vectors);
}

static void attend_most(Block *block, size_t query) { attend_block(block, query, QUERY_VECTORS); }
static void attend_one(Block *block, size_t query) { attend_block(block, query, 1); }
#if QUERY_VECTORS > 2
static void attend_two(Block *block, size_t query) { attend_block(block, query, 2); }
#endif

static void run(const SuAttentionF32Args *args)
{
    Block block;
    block.args = args;
    for (size_t query = 0; query < args->num_queries; query += block.count) {
        size_t left = args->num_queries - query;
        block.count = left < QUERIES ? left : QUERIES;
        if (block.count <= VEC_LANES) attend_one(&block, query);
#if QUERY_VECTORS > 2
        else if (block.count <= 2 * (size_t)VEC_LANES)
            attend_two(&block, query);
#endif
        else
            attend_most(&block, query);
    }
}

#endif
