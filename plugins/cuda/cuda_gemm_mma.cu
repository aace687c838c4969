/* Linears of half and bfloat16 with mma.sync, for devices before and after Hopper: tiles of BM rows
 * x BN features, steps of k that are copied STAGES - 1 ahead; each warp has a part of WM x WN. An
 * element is one chain of mma over k in order: its bits are the same in every tile shape. */
#include "cuda_gemm_tile.cuh"

enum { STAGES = 3 };

template <int BM, int BN, int WM, int WN> struct Tile {
    static constexpr int threads = 32 * (BM / WM) * (BN / WN);
    static constexpr int stage = (BM + BN) * GEMM_K; /* elements */
    static constexpr size_t sums = sizeof(float) * BM * SumRows<BN>::pitch;
    static constexpr size_t bytes = 2 * STAGES * stage > sums ? 2 * STAGES *stage : sums;
};

/* One step of k: c += a tile x b tile. */
template <typename T, int WM, int WN>
static __device__ void multiply_tiles(float (*c)[WN / 8][4], const T *a, const T *b, uint32_t m0,
                                      uint32_t n0)
{
    uint32_t lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < GEMM_K / 16; k++) {
        uint32_t left[WM / 16][4], right[WN / 16][4];
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
            load_matrices(left[i], shared_address(a + swizzle<GEMM_CHUNKS>(m0 + i * 16 + lane % 16,
                                                                           2 * k + lane / 16)));
#pragma unroll
        for (int j = 0; j < WN / 16; j++)
            load_matrices(right[j], shared_address(b + swizzle<GEMM_CHUNKS>(n0 + j * 16 + lane % 8 +
                                                                                lane / 16 * 8,
                                                                            2 * k + lane / 8 % 2)));
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++)
                multiply(T(), c[i][j], left[i], right[j / 2] + j % 2 * 2);
    }
}

template <typename T, int BM, int BN, int WM, int WN, uint32_t ACTIVATION>
static __global__ __launch_bounds__(Tile<BM, BN, WM, WN>::threads) void gemm_kernel(
    const __grid_constant__ SuCudaGemm gemm)
{
    using Shape = Tile<BM, BN, WM, WN>;
    extern __shared__ __align__(128) unsigned char memory[];
    T *stages = reinterpret_cast<T *>(memory);
    float *sums = reinterpret_cast<float *>(memory);
    uint32_t warp = threadIdx.x / 32, m0 = warp / (BN / WN) * WM, n0 = warp % (BN / WN) * WN;
    uint32_t first_row = blockIdx.y * BM, first_feature = blockIdx.x * BN;
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K;
    float c[WM / 16][WN / 8][4] = {};
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
    after_previous();
    for (uint32_t step = 0; step < STAGES - 1; step++) fetch(step);
    for (uint32_t step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        fetch(step + STAGES - 1);
        const T *a = stages + step % STAGES * Shape::stage;
        multiply_tiles<T, WM, WN>(c, a, a + BM * GEMM_K, m0, n0);
    }
    copies_wait<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < WM / 16; i++) put_sums<BN, WN>(sums, c[i], m0 + i * 16, n0);
    __syncthreads();
    finish_tile<T, BM, BN, Shape::threads, ACTIVATION>(gemm, sums);
}

template <typename T, int BM, int BN, int WM, int WN, uint32_t ACTIVATION>
static cudaError_t launch_tiles(const SuCudaGemm &gemm, cudaStream_t stream)
{
    using Shape = Tile<BM, BN, WM, WN>;
    dim3 grid((gemm.out + BN - 1) / BN, (gemm.rows + BM - 1) / BM);
    return launch_kernel<gemm_kernel<T, BM, BN, WM, WN, ACTIVATION>>(grid, Shape::threads,
                                                                     Shape::bytes, stream, gemm);
}

static bool fills(const SuCudaGemm &gemm, uint32_t tile)
{
    uint64_t tiles = (uint64_t)((gemm.rows + tile - 1) / tile) * ((gemm.out + tile - 1) / tile);
    return tiles >= gemm.multiprocessors;
}

template <typename T, uint32_t ACTIVATION>
static cudaError_t run(const SuCudaGemm &gemm, cudaStream_t stream)
{
    if (fills(gemm, 128)) return launch_tiles<T, 128, 128, 64, 64, ACTIVATION>(gemm, stream);
    if (fills(gemm, 64)) return launch_tiles<T, 64, 64, 32, 32, ACTIVATION>(gemm, stream);
    return launch_tiles<T, 32, 32, 16, 16, ACTIVATION>(gemm, stream);
}

cudaError_t su_cuda_gemm_mma(const SuCudaGemm *gemm, cudaStream_t stream)
{
    if (gemm->type == SU_CUDA_F16) GEMM_ACTIVATION(*gemm, (run<half, ACTIVATION>(*gemm, stream)));
    GEMM_ACTIVATION(*gemm, (run<__nv_bfloat16, ACTIVATION>(*gemm, stream)));
}
