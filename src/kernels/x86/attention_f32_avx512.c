/* Attention, fp32, AVX-512: 6 queries at a time.
 *
 *   scores   6 queries x 64 keys are 24 accumulators; a step of the head loads 4 vectors of keys
 *            and broadcasts 6 queries
 *   softmax  in registers, p written to a 6 x 64 buffer (1.5 KB, L1)
 *   out      6 queries x 32 elements of the head are 12 accumulators, loaded and stored once a tile
 */
#include "kernels/x86/kernels_x86.h"
#include "kernels/x86/math_avx512.h"

#include <math.h>

enum { ROWS = 6, VECTORS = SU_KEY_TILE / 16, MAX_HEAD_SIZE = 256 };

typedef struct State {
    float maximum[ROWS];
    __m512 sum[ROWS];
    float out[ROWS][MAX_HEAD_SIZE];
} State;

/* x 16 keys of 16 head elements, transposed: to[e * SU_KEY_TILE + j] = from[j * stride + e] */
static void transpose_16x16(const float *from, size_t stride, float *to)
{
    __m512 r[16], t[16];
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(from + (size_t)i * stride);
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    /* r[4 g + e]: element e of each 128-bit lane, keys 4 g … 4 g + 3 */
    for (int e = 0; e < 4; e++) {
        __m512 low = _mm512_shuffle_f32x4(r[e], r[4 + e], 0x88),
               high = _mm512_shuffle_f32x4(r[e], r[4 + e], 0xdd);
        __m512 low2 = _mm512_shuffle_f32x4(r[8 + e], r[12 + e], 0x88);
        __m512 high2 = _mm512_shuffle_f32x4(r[8 + e], r[12 + e], 0xdd);
        _mm512_storeu_ps(to + (size_t)e * SU_KEY_TILE, _mm512_shuffle_f32x4(low, low2, 0x88));
        _mm512_storeu_ps(to + (size_t)(4 + e) * SU_KEY_TILE,
                         _mm512_shuffle_f32x4(high, high2, 0x88));
        _mm512_storeu_ps(to + (size_t)(8 + e) * SU_KEY_TILE, _mm512_shuffle_f32x4(low, low2, 0xdd));
        _mm512_storeu_ps(to + (size_t)(12 + e) * SU_KEY_TILE,
                         _mm512_shuffle_f32x4(high, high2, 0xdd));
    }
}

static void pack_keys(const float *k, size_t k_stride, size_t num_keys, size_t head_size,
                      float *k_packed)
{
    size_t padded = (num_keys + SU_KEY_TILE - 1) / SU_KEY_TILE * SU_KEY_TILE;
    size_t blocks = num_keys / 16 * 16, wide = head_size / 16 * 16;
    for (size_t j = 0; j < padded; j += 16) {
        float *to = k_packed + j / SU_KEY_TILE * SU_KEY_TILE * head_size + j % SU_KEY_TILE;
        size_t first = 0;
        if (j < blocks)
            for (; first < wide; first += 16)
                transpose_16x16(k + j * k_stride + first, k_stride, to + first * SU_KEY_TILE);
        size_t valid = j >= num_keys ? 0 : num_keys - j < 16 ? num_keys - j : 16;
        for (size_t e = first; e < head_size; e++)
            for (size_t i = 0; i < 16; i++)
                to[e * SU_KEY_TILE + i] = i < valid ? k[(j + i) * k_stride + e] : 0.0f;
    }
}

/* Scores of `rows` queries with one tile of keys, the running maximum and sum, and p [rows, 64].
 * scale[i] is what the earlier sums of query i are multiplied with. vectors: 16-key groups that
 * hold a key. */
SU_INLINE void softmax_tile(const SuAttentionF32Args *args, const float *q, const float *k_tile,
                            size_t count, const int rows, const int vectors, State *state, float *p,
                            float *scale)
{
    __m512 s[ROWS][VECTORS];
    SU_UNROLL
    for (int i = 0; i < rows; i++) SU_UNROLL
    for (int v = 0; v < vectors; v++) s[i][v] = _mm512_setzero_ps();
    for (size_t e = 0; e < args->head_size; e++) {
        __m512 keys[VECTORS];
        SU_UNROLL
        for (int v = 0; v < vectors; v++)
            keys[v] = _mm512_loadu_ps(k_tile + e * SU_KEY_TILE + 16 * v);
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            __m512 x = _mm512_set1_ps(q[(size_t)i * args->q_stride + e]);
            SU_UNROLL
            for (int v = 0; v < vectors; v++) s[i][v] = _mm512_fmadd_ps(x, keys[v], s[i][v]);
        }
    }

    __mmask16 last = tail_mask(count - 16 * (size_t)(vectors - 1));
    SU_UNROLL
    for (int i = 0; i < rows; i++) {
        __m512 largest = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), last, s[i][vectors - 1]);
        SU_UNROLL
        for (int v = 0; v < vectors - 1; v++) largest = _mm512_max_ps(largest, s[i][v]);
        float maximum = _mm512_reduce_max_ps(largest);
        float earlier = state->maximum[i];
        if (earlier > maximum) maximum = earlier;
        state->maximum[i] = maximum;
        __m512 factor = exp2_avx512(_mm512_set1_ps(earlier - maximum));
        scale[i] = _mm512_cvtss_f32(factor);

        __m512 m = _mm512_set1_ps(maximum), sum = _mm512_setzero_ps();
        SU_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m512 x = exp2_avx512(_mm512_sub_ps(s[i][v], m));
            if (v == vectors - 1) x = _mm512_maskz_mov_ps(last, x);
            _mm512_storeu_ps(p + i * SU_KEY_TILE + 16 * v, x);
            sum = v == 0 ? x : _mm512_add_ps(sum, x);
        }
        state->sum[i] = _mm512_fmadd_ps(state->sum[i], factor, sum);
    }
}

/* out = out * scale + p x v, for head elements first … first + 16 * vectors */
SU_INLINE void add_values(const SuAttentionF32Args *args, const float *v, size_t count,
                          const int rows, const int vectors, size_t first, __mmask16 mask,
                          State *state, const float *p, const float *scale)
{
    __m512 out[ROWS][2];
    SU_UNROLL
    for (int i = 0; i < rows; i++) SU_UNROLL
    for (int h = 0; h < vectors; h++)
        out[i][h] = _mm512_mul_ps(_mm512_loadu_ps(&state->out[i][first + 16 * (size_t)h]),
                                  _mm512_set1_ps(scale[i]));
    for (size_t j = 0; j < count; j++) {
        const float *value = v + j * args->v_stride + first;
        __m512 x[2];
        SU_UNROLL
        for (int h = 0; h < vectors; h++)
            x[h] =
                vectors == 2 ? _mm512_loadu_ps(value + 16 * h) : _mm512_maskz_loadu_ps(mask, value);
        SU_UNROLL
        for (int i = 0; i < rows; i++) {
            __m512 weight = _mm512_set1_ps(p[(size_t)i * SU_KEY_TILE + j]);
            SU_UNROLL
            for (int h = 0; h < vectors; h++) out[i][h] = _mm512_fmadd_ps(weight, x[h], out[i][h]);
        }
    }
    SU_UNROLL
    for (int i = 0; i < rows; i++) SU_UNROLL
    for (int h = 0; h < vectors; h++)
        _mm512_storeu_ps(&state->out[i][first + 16 * (size_t)h], out[i][h]);
}

SU_INLINE void add_all_values(const SuAttentionF32Args *args, const float *v, size_t count,
                              const int rows, State *state, const float *p, const float *scale)
{
    size_t first = 0;
    for (; first + 32 <= args->head_size; first += 32)
        add_values(args, v, count, rows, 2, first, 0, state, p, scale);
    for (; first < args->head_size; first += 16) {
        size_t left = args->head_size - first;
        add_values(args, v, count, rows, 1, first, tail_mask(left < 16 ? left : 16), state, p,
                   scale);
    }
}

SU_INLINE void attend(const SuAttentionF32Args *args, size_t query, const int rows)
{
    State state;
    for (int i = 0; i < rows; i++) {
        state.maximum[i] = -INFINITY;
        state.sum[i] = _mm512_setzero_ps();
        for (size_t e = 0; e < args->head_size; e += 16)
            _mm512_storeu_ps(&state.out[i][e], _mm512_setzero_ps());
    }
    const float *q = args->q + query * args->q_stride;
    for (size_t first = 0; first < args->num_keys; first += SU_KEY_TILE) {
        size_t left = args->num_keys - first, count = left < SU_KEY_TILE ? left : SU_KEY_TILE;
        const float *k_tile = args->k_packed + first * args->head_size;
        float p[ROWS * SU_KEY_TILE], scale[ROWS];
        switch ((count + 15) / 16) {
        case 1:
            softmax_tile(args, q, k_tile, count, rows, 1, &state, p, scale);
            break;
        case 2:
            softmax_tile(args, q, k_tile, count, rows, 2, &state, p, scale);
            break;
        case 3:
            softmax_tile(args, q, k_tile, count, rows, 3, &state, p, scale);
            break;
        default:
            softmax_tile(args, q, k_tile, count, rows, 4, &state, p, scale);
            break;
        }
        add_all_values(args, args->v + first * args->v_stride, count, rows, &state, p, scale);
    }
    for (int i = 0; i < rows; i++) {
        __m512 inverse = _mm512_set1_ps(1.0f / fold16_avx512(state.sum[i]));
        float *out = args->out + (query + (size_t)i) * args->out_stride;
        for (size_t e = 0; e < args->head_size; e += 16) {
            size_t left = args->head_size - e;
            _mm512_mask_storeu_ps(out + e, tail_mask(left < 16 ? left : 16),
                                  _mm512_mul_ps(_mm512_loadu_ps(&state.out[i][e]), inverse));
        }
    }
}

static void attend_6(const SuAttentionF32Args *args, size_t query) { attend(args, query, 6); }
static void attend_2(const SuAttentionF32Args *args, size_t query) { attend(args, query, 2); }
static void attend_1(const SuAttentionF32Args *args, size_t query) { attend(args, query, 1); }

static void run(const SuAttentionF32Args *args)
{
    size_t query = 0;
    for (; query + 6 <= args->num_queries; query += 6) attend_6(args, query);
    for (; query + 2 <= args->num_queries; query += 2) attend_2(args, query);
    if (query < args->num_queries) attend_1(args, query);
}

const SuAttentionF32 su_attention_f32_avx512 = {
    .name = "attention_f32_6x64_avx512", .pack_keys = pack_keys, .run = run};
