#include "train/matmul.h"

#include "base/cpu_features.h"
#include "base/memory.h"
#include "base/parallel_for.h"

#include <string.h>

SutraStatus su_matmul_open(SuMatmul *matmul, uint32_t num_threads, SutraError *err)
{
    SuIsa isa;
    *matmul = (SuMatmul){.pool = NULL};
    SU_TRY(su_isa_select(&isa, err));
    su_kernels_init(&matmul->kernels, isa);
    return su_thread_pool_create(num_threads ? num_threads : su_cpu_count(), &matmul->pool, err);
}

SutraStatus su_matmul_reserve(SuMatmul *matmul, size_t n, size_t k, SutraError *err)
{
    const SuGemm *gemm = &matmul->kernels.gemm_f32;
    size_t bytes = su_gemm_packed_size(gemm->layout, n, k), padded = su_round_up(n, gemm->nr);
    if (bytes > matmul->packed_size) {
        su_free_aligned(matmul->packed);
        matmul->packed = su_alloc_aligned(bytes);
        matmul->packed_size = matmul->packed ? bytes : 0;
    }
    if (padded > matmul->zeros_size) {
        su_free(matmul->zeros);
        matmul->zeros = su_calloc(padded, sizeof *matmul->zeros);
        matmul->zeros_size = matmul->zeros ? padded : 0;
    }
    if (!matmul->packed_size || !matmul->zeros_size)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a matrix of %zu x %zu", n, k);
    return SUTRA_OK;
}

void su_matmul_close(SuMatmul *matmul)
{
    su_thread_pool_free(matmul->pool);
    su_free_aligned(matmul->packed);
    su_free(matmul->zeros);
    *matmul = (SuMatmul){.pool = NULL};
}

typedef struct Product {
    const SuMatmul *matmul;
    const float *a, *b;
    float *c;
    size_t m, n, k, panels;
    SuParallelRegion region;
} Product;

static void pack_panel(const Product *product, size_t panel)
{
    const SuGemm *gemm = &product->matmul->kernels.gemm_f32;
    size_t begin = panel * gemm->nr, end = begin + gemm->nr;
    if (end > product->n) {
        size_t bytes = su_gemm_packed_size(gemm->layout, gemm->nr, product->k);
        memset((char *)product->matmul->packed + panel * bytes, 0, bytes);
        end = product->n;
    }
    for (size_t i = begin; i < end; i++)
        su_gemm_pack(gemm->layout, product->b + i * product->k, i, product->k,
                     product->matmul->packed, NULL, NULL);
}

static void multiply(const Product *product, size_t begin, size_t end)
{
    const SuMatmul *matmul = product->matmul;
    SuGemmArgs args = {.a = product->a + begin * product->k,
                       .lda = product->k,
                       .b = matmul->packed,
                       .bias = matmul->zeros,
                       .c = product->c + begin * product->n,
                       .ldc = product->n,
                       .m = end - begin,
                       .n = product->n,
                       .k = product->k,
                       .panel_end = product->panels,
                       .block_bytes = matmul->kernels.gemm_block_bytes};
    matmul->kernels.gemm_f32.run(&args);
}

static void run_product(void *arg, uint32_t rank)
{
    Product *product = arg;
    SuRegionThread thread = {.rank = rank,
                             .size = su_thread_pool_size(product->matmul->pool),
                             .region = &product->region};
    SuLoop loop = su_parallel_for(&thread, product->panels);
    while (su_loop_next(&thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++) pack_panel(product, i);
    loop = su_parallel_for(&thread, product->m);
    while (su_loop_next(&thread, &loop)) multiply(product, loop.begin, loop.end);
}

void su_matmul(const SuMatmul *matmul, const float *a, size_t m, size_t k, const float *b, size_t n,
               float *c)
{
    size_t nr = matmul->kernels.gemm_f32.nr;
    Product product = {matmul, a, b, c, m, n, k, (n + nr - 1) / nr, {0}};
    su_parallel_region_init(&product.region);
    su_thread_pool_run_available(matmul->pool, su_thread_pool_size(matmul->pool), run_product,
                                 &product);
}

typedef struct EachRow {
    const SuMatmul *matmul;
    size_t count;
    void (*row)(void *arg, size_t i);
    void *arg;
    SuParallelRegion region;
} EachRow;

static void run_rows(void *arg, uint32_t rank)
{
    EachRow *each = arg;
    SuRegionThread thread = {
        .rank = rank, .size = su_thread_pool_size(each->matmul->pool), .region = &each->region};
    SuLoop loop = su_parallel_for(&thread, each->count);
    while (su_loop_next(&thread, &loop))
        for (size_t i = loop.begin; i < loop.end; i++) each->row(each->arg, i);
}

void su_each_row(const SuMatmul *matmul, size_t count, void (*row)(void *arg, size_t i), void *arg)
{
    EachRow each = {matmul, count, row, arg, {0}};
    su_parallel_region_init(&each.region);
    su_thread_pool_run_available(matmul->pool, su_thread_pool_size(matmul->pool), run_rows, &each);
}

void su_transpose(const float *a, size_t rows, size_t columns, float *t)
{
    enum { BLOCK = 16 };
    for (size_t i = 0; i < rows; i += BLOCK)
        for (size_t j = 0; j < columns; j += BLOCK)
            for (size_t r = i; r < rows && r < i + BLOCK; r++)
                for (size_t c = j; c < columns && c < j + BLOCK; c++)
                    t[c * rows + r] = a[r * columns + c];
}
