/* Products of stored rows with queries: levels against plain C, plain C against the gemm and against
 * sums of another order. */
#include "checkkernels.h"

#include <string.h>

enum { NUM_CASES = 150 };

static size_t some_length(Ck *ck, size_t i)
{
    static const size_t lengths[] = {384, 768, 1024};
    if (i < 70) return i + 1;
    return i < 73 ? lengths[i - 70] : ck_between(ck, 1, 600);
}

/* The same products by gemm_f32 of plain C. */
static void check_gemm(Ck *ck, const float *rows, size_t stride, size_t num_rows,
                       const float *queries, size_t num_queries, size_t n, const float *expected)
{
    static float packed[64 * 1024], bias[64], c[64 * 16];
    const SuGemm *gemm = &ck->ref.gemm_f32;
    size_t panels = (num_queries + gemm->nr - 1) / gemm->nr;
    memset(packed, 0, sizeof packed);
    for (size_t q = 0; q < num_queries; q++)
        su_gemm_pack(gemm->layout, queries + q * n, q, n, packed, NULL, NULL);
    gemm->run(&(SuGemmArgs){.a = rows,
                            .lda = stride,
                            .b = packed,
                            .bias = bias,
                            .c = c,
                            .ldc = num_queries,
                            .m = num_rows,
                            .n = num_queries,
                            .k = n,
                            .panel_end = panels});
    ck_same(ck, "dots_f32 and gemm_f32", c, expected, num_rows * num_queries);
}

void check_dots_f32(Ck *ck)
{
    for (size_t i = 0; i < NUM_CASES; i++) {
        size_t n = some_length(ck, i), stride = n + ck_between(ck, 0, 3);
        size_t num_rows = ck_between(ck, 1, 40), num_queries = ck_between(ck, 1, 11);
        size_t count = num_rows * num_queries;
        CkValues values = (CkValues)(ck_between(ck, 0, 1) * ck_between(ck, 0, CK_NUM_VALUES - 1));
        float *rows = ck_input(ck, 0, ((num_rows - 1) * stride + n) * sizeof *rows, 0);
        float *queries = ck_input(ck, 1, num_queries * n * sizeof *queries, 0);
        float *expected = ck_output(ck, 2, count * sizeof *expected, 0);
        for (size_t r = 0; r < num_rows; r++) ck_fill(ck, values, rows + r * stride, n);
        ck_fill(ck, values, queries, num_queries * n);
        ck_case(ck, "dots_f32, n %zu, %zu rows, %zu queries, %s", n, num_rows, num_queries,
                ck_values_name[values]);
        ck->ref.dots_f32(rows, stride, num_rows, queries, num_queries, n, expected);
        if (n * 16 <= sizeof(float[16 * 1024]) && num_rows <= 64)
            check_gemm(ck, rows, stride, num_rows, queries, num_queries, n, expected);
        for (int level = 1; level < ck->num_tested; level++) {
            float *got = ck_output(ck, 3, count * sizeof *got, 0);
            ck->tested[level].dots_f32(rows, stride, num_rows, queries, num_queries, n, got);
            ck_same(ck, "dots_f32", got, expected, count);
        }
        ck_check_canaries(ck);
    }
}

static void fill_bytes(Ck *ck, uint8_t *bytes, size_t n)
{
    uint32_t kind = ck_random(ck) % 4;
    for (size_t i = 0; i < n; i++)
        bytes[i] = kind == 0 ? 0x80 : kind == 1 ? 0x7f : (uint8_t)(ck_random(ck) >> 24);
}

static void same_integers(Ck *ck, const char *what, const int32_t *got, const int32_t *expected,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (got[i] == expected[i]) continue;
        ck_fail(ck, "%s: [%zu] is %d, not %d", what, i, got[i], expected[i]);
        return;
    }
}

/* Last element first, by what the operation means. */
static int32_t exact_dot(const uint8_t *x, const uint8_t *y, size_t n)
{
    int32_t sum = 0;
    for (size_t i = n; i-- > 0;) {
        int a = x[i] < 128 ? x[i] : x[i] - 256, b = y[i] < 128 ? y[i] : y[i] - 256;
        sum += a * b;
    }
    return sum;
}

static int32_t exact_bits(const uint8_t *x, const uint8_t *y, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 8 * n; i-- > 0;) sum += (x[i / 8] >> i % 8 & 1) != (y[i / 8] >> i % 8 & 1);
    return sum;
}

static void check_bytes(Ck *ck, bool bits)
{
    const char *what = bits ? "differing_bits" : "dots_s8";
    for (size_t i = 0; i < NUM_CASES; i++) {
        size_t n = i == NUM_CASES - 1 && !bits ? 65536 : some_length(ck, i);
        size_t num_rows = ck_between(ck, 1, n > 1024 ? 2 : 20), num_queries = ck_between(ck, 1, 3);
        size_t count = num_rows * num_queries;
        uint8_t *rows = ck_input(ck, 0, num_rows * n, 0);
        uint8_t *queries = ck_input(ck, 1, num_queries * n, 0);
        int32_t *expected = ck_output(ck, 2, count * sizeof *expected, 0);
        fill_bytes(ck, rows, num_rows * n);
        fill_bytes(ck, queries, num_queries * n);
        ck_case(ck, "%s, n %zu, %zu rows, %zu queries", what, n, num_rows, num_queries);
        for (size_t r = 0; r < count; r++) {
            const uint8_t *x = rows + r / num_queries * n, *y = queries + r % num_queries * n;
            expected[r] = bits ? exact_bits(x, y, n) : exact_dot(x, y, n);
        }
        for (int level = 0; level < ck->num_tested; level++) {
            const SuKernels *kernels = &ck->tested[level];
            int32_t *got = ck_output(ck, 3, count * sizeof *got, 0);
            if (bits)
                kernels->differing_bits(rows, num_rows, queries, num_queries, n, got);
            else
                kernels->dots_s8((const int8_t *)rows, num_rows, (const int8_t *)queries,
                                 num_queries, n, got);
            same_integers(ck, what, got, expected, count);
        }
        ck_check_canaries(ck);
    }
}

void check_dots_s8(Ck *ck) { check_bytes(ck, false); }

void check_differing_bits(Ck *ck) { check_bytes(ck, true); }
