/* Attention, fp32, AVX2: 6 queries at a time, everything through the 6 x 16 tile of tile_avx2.h.
 *
 *   scores   q [6, head] x keys [head, 16], up to four times: a 6 x 64 buffer (1.5 KB, L1)
 *   softmax  one query at a time, in place
 *   out      p [6, 64] x v [64, 16 of the head], accumulators loaded and stored once a tile */
#include "kernels/x86/kernels_x86.h"
#include "kernels/x86/tile_avx2.h"

#include <math.h>

enum { ROWS = SU_TILE_ROWS, MAX_HEAD_SIZE = 256 };

typedef struct State {
    float maximum[ROWS];
    float scale[ROWS];   /* of the tile at hand: what the earlier sums are multiplied with */
    __m256 sum[ROWS][2]; /* 16 lanes */
    float p[ROWS][SU_KEY_TILE];
    float out[ROWS][MAX_HEAD_SIZE];
} State;

/* 8 keys of 8 head elements, transposed: to[e * SU_KEY_TILE + j] = from[j * stride + e] */
static void transpose_8x8(const float *from, size_t stride, float *to)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(from + (size_t)i * stride);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
        }
    }
    /* r[4 g + e]: element e of each 128-bit half, keys 4 g … 4 g + 3 */
    for (int e = 0; e < 4; e++) {
        _mm256_storeu_ps(to + (size_t)e * SU_KEY_TILE,
                         _mm256_permute2f128_ps(r[e], r[4 + e], 0x20));
        _mm256_storeu_ps(to + (size_t)(4 + e) * SU_KEY_TILE,
                         _mm256_permute2f128_ps(r[e], r[4 + e], 0x31));
    }
}

static void pack_keys(const float *k, size_t k_stride, size_t num_keys, size_t head_size,
                      float *k_packed)
{
    size_t padded = (num_keys + SU_KEY_TILE - 1) / SU_KEY_TILE * SU_KEY_TILE;
    for (size_t j = 0; j < padded; j += 8) {
        float *to = k_packed + j / SU_KEY_TILE * SU_KEY_TILE * head_size + j % SU_KEY_TILE;
        size_t valid = j >= num_keys ? 0 : num_keys - j < 8 ? num_keys - j : 8;
        if (valid == 8) {
            for (size_t e = 0; e < head_size; e += 8)
                transpose_8x8(k + j * k_stride + e, k_stride, to + e * SU_KEY_TILE);
            continue;
        }
        for (size_t e = 0; e < head_size; e++)
            for (size_t i = 0; i < 8; i++)
                to[e * SU_KEY_TILE + i] = i < valid ? k[(j + i) * k_stride + e] : 0.0f;
    }
}

/* p = scores of `rows` queries with `groups` times 16 keys */
SU_INLINE void compute_scores(const SuAttentionF32Args *args, const float *q, const float *k_tile,
                              size_t groups, const int rows, State *state)
{
    for (size_t g = 0; g < groups; g++) {
        __m256 sum[ROWS][2];
        SU_UNROLL
        for (int i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
        multiply_tile_avx2(sum, q, args->q_stride * sizeof(float), k_tile + 16 * g, SU_KEY_TILE,
                           args->head_size, rows, 2);
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            _mm256_storeu_ps(&state->p[i][16 * g], sum[i][0]);
            _mm256_storeu_ps(&state->p[i][16 * g + 8], sum[i][1]);
        }
    }
}

SU_INLINE float largest_of(__m256 x)
{
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 b = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* Scores of one query become p; the maximum, scale and sum follow. vectors: groups of 8 keys that
 * hold a key, even. A maximum that misses a NaN score changes nothing: its p is NaN, and so is the
 * sum. */
SU_INLINE void softmax_row(State *state, int i, size_t count, const int vectors)
{
    float *row = state->p[i];
    __m256 x[8], largest = _mm256_set1_ps(-INFINITY);
    SU_UNROLL
    for (int v = 0; v < vectors; v++) {
        x[v] = _mm256_loadu_ps(row + 8 * v);
        if (v >= vectors - 2) {
            size_t first = 8 * (size_t)v, left = count > first ? count - first : 0;
            __m256i mask = tail_mask_avx2(left < 8 ? left : 8);
            x[v] = _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), x[v], _mm256_castsi256_ps(mask));
        }
        largest = _mm256_max_ps(largest, x[v]);
    }
    float earlier = state->maximum[i], maximum = largest_of(largest);
    if (earlier > maximum) maximum = earlier;
    state->maximum[i] = maximum;
    __m256 factor = exp2_avx2(_mm256_set1_ps(earlier - maximum)), m = _mm256_set1_ps(maximum);
    state->scale[i] = _mm256_cvtss_f32(factor);

    __m256 sum[2];
    SU_UNROLL
    for (int v = 0; v < vectors; v++) {
        __m256 p = exp2_avx2(_mm256_sub_ps(x[v], m));
        if (v >= vectors - 2) {
            size_t first = 8 * (size_t)v, left = count > first ? count - first : 0;
            p = _mm256_and_ps(p, _mm256_castsi256_ps(tail_mask_avx2(left < 8 ? left : 8)));
        }
        _mm256_storeu_ps(row + 8 * v, p);
        sum[v % 2] = v < 2 ? p : _mm256_add_ps(sum[v % 2], p);
    }
    state->sum[i][0] = _mm256_fmadd_ps(state->sum[i][0], factor, sum[0]);
    state->sum[i][1] = _mm256_fmadd_ps(state->sum[i][1], factor, sum[1]);
}

SU_INLINE void softmax_rows(State *state, size_t count, const int rows, const int vectors)
{
    for (int i = 0; i < rows; i++) softmax_row(state, i, count, vectors);
}

static void softmax_tile(State *state, size_t count, int rows)
{
    switch ((count + 15) / 16) {
    case 1:
        softmax_rows(state, count, rows, 2);
        break;
    case 2:
        softmax_rows(state, count, rows, 4);
        break;
    case 3:
        softmax_rows(state, count, rows, 6);
        break;
    default:
        softmax_rows(state, count, rows, 8);
        break;
    }
}

/* out = out * scale + p x v, for head elements first … first + 8 * vectors */
SU_INLINE void add_values(const SuAttentionF32Args *args, const float *v, size_t count,
                          const int rows, const int vectors, size_t first, State *state)
{
    __m256 out[ROWS][2];
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        __m256 scale = _mm256_set1_ps(state->scale[i]);
        SU_UNROLL
        for (int h = 0; h < vectors; h++)
            out[i][h] =
                _mm256_mul_ps(_mm256_loadu_ps(&state->out[i][first + 8 * (size_t)h]), scale);
    }
    multiply_tile_avx2(out, state->p[0], sizeof state->p[0], v + first, args->v_stride, count, rows,
                       vectors);
    SU_UNROLL
    for (int i = 0; i < rows; i++) SU_UNROLL
    for (int h = 0; h < vectors; h++)
        _mm256_storeu_ps(&state->out[i][first + 8 * (size_t)h], out[i][h]);
}

SU_INLINE void attend(const SuAttentionF32Args *args, size_t query, const int rows)
{
    State state;
    for (int i = 0; i < rows; i++) {
        state.maximum[i] = -INFINITY;
        state.sum[i][0] = state.sum[i][1] = _mm256_setzero_ps();
        for (size_t e = 0; e < args->head_size; e += 8)
            _mm256_storeu_ps(&state.out[i][e], _mm256_setzero_ps());
    }
    const float *q = args->q + query * args->q_stride;
    for (size_t first = 0; first < args->num_keys; first += SU_KEY_TILE) {
        size_t left = args->num_keys - first, count = left < SU_KEY_TILE ? left : SU_KEY_TILE;
        const float *v = args->v + first * args->v_stride;
        compute_scores(args, q, args->k_packed + first * args->head_size, (count + 15) / 16, rows,
                       &state);
        softmax_tile(&state, count, rows);
        size_t e = 0;
        for (; e + 16 <= args->head_size; e += 16) add_values(args, v, count, rows, 2, e, &state);
        if (e < args->head_size) add_values(args, v, count, rows, 1, e, &state);
    }
    for (int i = 0; i < rows; i++) {
        __m256 inverse = _mm256_set1_ps(1.0f / fold16_avx2(state.sum[i][0], state.sum[i][1]));
        float *out = args->out + (query + (size_t)i) * args->out_stride;
        for (size_t e = 0; e < args->head_size; e += 8)
            _mm256_storeu_ps(out + e, _mm256_mul_ps(_mm256_loadu_ps(&state.out[i][e]), inverse));
    }
}

#define ATTEND(rows)                                                        \
    static void attend_##rows(const SuAttentionF32Args *args, size_t query) \
    {                                                                       \
        attend(args, query, rows);                                          \
    }
ATTEND(1)
ATTEND(2)
ATTEND(3)
ATTEND(4)
ATTEND(5)
ATTEND(6)

static void (*const attend_rows[ROWS + 1])(const SuAttentionF32Args *, size_t) = {
    NULL, attend_1, attend_2, attend_3, attend_4, attend_5, attend_6};

static void run(const SuAttentionF32Args *args)
{
    for (size_t query = 0; query < args->num_queries; query += ROWS) {
        size_t left = args->num_queries - query;
        attend_rows[left < ROWS ? left : ROWS](args, query);
    }
}

const SuAttentionF32 su_attention_f32_avx2 = {
    .name = "attention_f32_6x16_avx2", .pack_keys = pack_keys, .run = run};
