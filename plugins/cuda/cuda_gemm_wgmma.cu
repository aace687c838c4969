/* Linears of half and bfloat16 on Hopper: as cuda_gemm_mma.cu, with wgmma; a group of four warps
 * has 64 rows and all BN features. */
#include "cuda_gemm_tile.cuh"
#include "cuda_wgmma.cuh"

enum { ALIGNMENT = 1024 };

/* Few rows: what a tile takes is the time of its copies and of its barriers, so that more copies
 * are under way and a stage has more steps. ALONE: a block has its multiprocessor, and so all of
 * the shared memory, to itself. */
template <int BM, int BN, bool ALONE> struct Tile {
    static constexpr int threads = 128 * (BM / 64);
    static constexpr int span = BM == 128 ? 1 : 2; /* steps of a stage */
    static constexpr int stages = ALONE ? 10 : BN >= 64 ? 3 : 4;
    static constexpr int step = (BM + BN) * GEMM_K; /* elements */
    static constexpr int stage = span * step;
    static constexpr size_t sums = sizeof(float) * BM * SumRows<BN>::pitch;
    static constexpr size_t bytes =
        (2 * stages * stage > sums ? 2 * stages * stage : sums) + ALIGNMENT;
};

template <typename T, int BM, int BN, bool ALONE, uint32_t ACTIVATION>
static __global__
__launch_bounds__(Tile<BM, BN, ALONE>::threads,
                  BM == 128 ? 2 : 1) void gemm_kernel(const __grid_constant__ SuCudaGemm gemm)
{
#if __CUDA_ARCH_FEAT_SM90_ALL
    using Shape = Tile<BM, BN, ALONE>;
    extern __shared__ __align__(128) unsigned char memory[];
    unsigned char *base = memory + (ALIGNMENT - shared_address(memory) % ALIGNMENT) % ALIGNMENT;
    T *stages = reinterpret_cast<T *>(base);
    float *sums = reinterpret_cast<float *>(base);
    uint32_t warp = threadIdx.x / 32, group = warp / 4;
    uint32_t first_row = blockIdx.y * BM, first_feature = blockIdx.x * BN;
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K;
    float c[BN / 8][4] = {};
    auto tile_of = [&](uint32_t step) {
        return stages + step / Shape::span % Shape::stages * Shape::stage +
               step % Shape::span * Shape::step;
    };
    auto fetch_rows = [&](uint32_t step) {
        copy_tile<T, BM, Shape::threads>(tile_of(step), (const T *)gemm.a, first_row, gemm.rows,
                                         gemm.in, step * GEMM_K);
    };
    auto fetch_weight = [&](uint32_t step) {
        copy_tile<T, BN, Shape::threads>(tile_of(step) + BM * GEMM_K, (const T *)gemm.weight,
                                         first_feature, gemm.out, gemm.in, step * GEMM_K);
    };
    constexpr uint32_t ahead = (Shape::stages - 1) * Shape::span; /* steps */
    for (uint32_t step = 0; step < ahead && step < steps; step++) fetch_weight(step);
    after_previous();
    for (uint32_t step = 0; step < ahead; step++) {
        if (step < steps) fetch_rows(step);
        if (step % Shape::span == Shape::span - 1) copies_commit();
    }
    for (uint32_t step = 0; step < steps; step += Shape::span) {
        copies_wait<Shape::stages - 2>();
        written_for_products();
        __syncthreads();
        products_begin();
#pragma unroll
        for (uint32_t i = step; i < step + Shape::span; i++) {
            if (i >= steps) break;
            uint64_t a = tile_descriptor(tile_of(i) + group * 64 * GEMM_K);
            uint64_t b = tile_descriptor(tile_of(i) + BM * GEMM_K);
#pragma unroll
            for (int k = 0; k < GEMM_K / 16; k++) multiply_group<T, BN>(c, a + 2 * k, b + 2 * k);
        }
        products_commit();
        /* Where the products of the stage before, which are done, were. */
        for (uint32_t i = step + ahead; i < step + ahead + Shape::span && i < steps; i++) {
            fetch_rows(i);
            fetch_weight(i);
        }
        copies_commit();
        products_wait<0>();
    }
    copies_wait<0>();
    __syncthreads();
    put_sums<BN, BN>(sums, c, warp * 16, 0);
    __syncthreads();
    finish_tile<T, BM, BN, Shape::threads, ACTIVATION>(gemm, sums);
#endif
}

template <typename T, int BM, int BN, bool ALONE, uint32_t ACTIVATION>
static cudaError_t launch_tiles(const SuCudaGemm &gemm, cudaStream_t stream)
{
    using Shape = Tile<BM, BN, ALONE>;
    dim3 grid((gemm.out + BN - 1) / BN, (gemm.rows + BM - 1) / BM);
    return launch_kernel<gemm_kernel<T, BM, BN, ALONE, ACTIVATION>>(grid, Shape::threads,
                                                                    Shape::bytes, stream, gemm);
}

static bool fills(const SuCudaGemm &gemm, uint32_t rows, uint32_t features)
{
    uint64_t tiles =
        (uint64_t)((gemm.rows + rows - 1) / rows) * ((gemm.out + features - 1) / features);
    return tiles >= gemm.multiprocessors;
}

template <typename T, uint32_t ACTIVATION>
static cudaError_t run(const SuCudaGemm &gemm, cudaStream_t stream)
{
    if (fills(gemm, 128, 128)) return launch_tiles<T, 128, 128, false, ACTIVATION>(gemm, stream);
    if (fills(gemm, 64, 64)) return launch_tiles<T, 64, 64, false, ACTIVATION>(gemm, stream);
    if (fills(gemm, 64, 32)) return launch_tiles<T, 64, 32, false, ACTIVATION>(gemm, stream);
    if (fills(gemm, 64, 16)) return launch_tiles<T, 64, 16, false, ACTIVATION>(gemm, stream);
    return launch_tiles<T, 64, 16, true, ACTIVATION>(gemm, stream);
}

cudaError_t su_cuda_gemm_wgmma(const SuCudaGemm *gemm, cudaStream_t stream)
{
    if (gemm->type == SU_CUDA_F16) GEMM_ACTIVATION(*gemm, (run<half, ACTIVATION>(*gemm, stream)));
    GEMM_ACTIVATION(*gemm, (run<__nv_bfloat16, ACTIVATION>(*gemm, stream)));
}
