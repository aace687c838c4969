/* Linears of half and bfloat16 on Hopper: as cuda_gemm_mma.cu, with wgmma; a group of four warps
 * has 64 rows and all BN features. */
#include "cuda_gemm_tile.cuh"
#include "cuda_wgmma.cuh"

enum { STAGES = 3, ALIGNMENT = 1024 };

template <int BM, int BN> struct Tile {
    static constexpr int threads = 128 * (BM / 64);
    static constexpr int stage = (BM + BN) * GEMM_K; /* elements */
    static constexpr size_t sums = sizeof(float) * BM * SumRows<BN>::pitch;
    static constexpr size_t bytes =
        (2 * STAGES * stage > sums ? 2 * STAGES * stage : sums) + ALIGNMENT;
};

template <typename T, int BM, int BN, uint32_t ACTIVATION>
static __global__
__launch_bounds__(Tile<BM, BN>::threads,
                  BM == 128 ? 2 : 1) void gemm_kernel(const __grid_constant__ SuCudaGemm gemm)
{
#if __CUDA_ARCH_FEAT_SM90_ALL
    using Shape = Tile<BM, BN>;
    extern __shared__ __align__(128) unsigned char memory[];
    unsigned char *base = memory + (ALIGNMENT - shared_address(memory) % ALIGNMENT) % ALIGNMENT;
    T *stages = reinterpret_cast<T *>(base);
    float *sums = reinterpret_cast<float *>(base);
    uint32_t warp = threadIdx.x / 32, group = warp / 4;
    uint32_t first_row = blockIdx.y * BM, first_feature = blockIdx.x * BN;
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K;
    float c[BN / 8][4] = {};
    auto fetch = [&](uint32_t step) {
        T *a = stages + step % STAGES * Shape::stage;
        if (step < steps) {
            copy_tile<T, BM, Shape::threads>(a, (const T *)gemm.a, first_row, gemm.rows, gemm.in,
                                             step * GEMM_K);
            copy_tile<T, BN, Shape::threads>(a + BM * GEMM_K, (const T *)gemm.weight, first_feature,
                                             gemm.out, gemm.in, step * GEMM_K);
        }
        copies_commit();
    };
    for (uint32_t step = 0; step < STAGES - 1; step++) fetch(step);
    for (uint32_t step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
        written_for_products();
        __syncthreads();
        const T *tile = stages + step % STAGES * Shape::stage;
        uint64_t a = tile_descriptor(tile + group * 64 * GEMM_K);
        uint64_t b = tile_descriptor(tile + BM * GEMM_K);
        products_begin();
#pragma unroll
        for (int k = 0; k < GEMM_K / 16; k++) multiply_group<T, BN>(c, a + 2 * k, b + 2 * k);
        products_commit();
        fetch(step + STAGES - 1); /* where the products of the step before, which are done, were */
        products_wait<0>();
    }
    copies_wait<0>();
    __syncthreads();
    put_sums<BN, BN>(sums, c, warp * 16, 0);
    __syncthreads();
    finish_tile<T, BM, BN, Shape::threads, ACTIVATION>(gemm, sums);
#endif
}

template <typename T, int BM, int BN, uint32_t ACTIVATION>
static cudaError_t launch(const SuCudaGemm &gemm, cudaStream_t stream)
{
    using Shape = Tile<BM, BN>;
    auto kernel = gemm_kernel<T, BM, BN, ACTIVATION>;
    cudaError_t status = allow_shared(kernel, Shape::bytes);
    if (status != cudaSuccess) return status;
    dim3 grid((gemm.out + BN - 1) / BN, (gemm.rows + BM - 1) / BM);
    kernel<<<grid, Shape::threads, Shape::bytes, stream>>>(gemm);
    return cudaGetLastError();
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
    if (fills(gemm, 128, 128)) return launch<T, 128, 128, ACTIVATION>(gemm, stream);
    if (fills(gemm, 64, 64)) return launch<T, 64, 64, ACTIVATION>(gemm, stream);
    return launch<T, 64, 32, ACTIVATION>(gemm, stream);
}

cudaError_t su_cuda_gemm_wgmma(const SuCudaGemm *gemm, cudaStream_t stream)
{
    if (gemm->type == SU_CUDA_F16) GEMM_ACTIVATION(*gemm, (run<half, ACTIVATION>(*gemm, stream)));
    GEMM_ACTIVATION(*gemm, (run<__nv_bfloat16, ACTIVATION>(*gemm, stream)));
}
