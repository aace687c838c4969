/* Linears in fp32, without tensor cores: tiles of BM x BN, a thread has TM x TN elements, each a
 * chain of fused multiply-adds over k in order. */
#include "cuda_numbers.cuh"

enum { BK = 16 };

/* Rows first … of a [rows, k] matrix to columns of a tile [BK][ROWS]. */
template <int ROWS, int THREADS>
static __device__ void copy_tile(float (*tile)[ROWS + 4], const float *from, uint32_t first,
                                 uint32_t rows, uint32_t k, uint32_t k0)
{
    for (uint32_t i = threadIdx.x; i < ROWS * BK; i += THREADS) {
        uint32_t row = i / BK, element = i % BK;
        bool valid = first + row < rows && k0 + element < k;
        tile[element][row] = valid ? from[(size_t)(first + row) * k + k0 + element] : 0.0f;
    }
}

static __device__ void store(const SuCudaGemm &gemm, uint32_t row, uint32_t feature, float x)
{
    uint32_t width = gemm.gated ? gemm.out / 2 : gemm.out;
    size_t at = (size_t)row * width + feature;
    if (gemm.residual) x += ((const float *)gemm.residual)[at];
    ((float *)gemm.c)[at] = x;
}

template <int BM, int BN, int TM, int TN>
static __global__
    __launch_bounds__((BM / TM) *
                      (BN / TN)) void gemm_kernel(const __grid_constant__ SuCudaGemm gemm)
{
    constexpr int threads = (BM / TM) * (BN / TN);
    __shared__ float a[BK][BM + 4], b[BK][BN + 4];
    uint32_t first_row = blockIdx.y * BM, first_feature = blockIdx.x * BN;
    uint32_t m0 = threadIdx.x / (BN / TN) * TM, n0 = threadIdx.x % (BN / TN) * TN;
    float c[TM][TN] = {};
    after_previous();
    for (uint32_t k0 = 0; k0 < gemm.in; k0 += BK) {
        copy_tile<BM, threads>(a, (const float *)gemm.a, first_row, gemm.rows, gemm.in, k0);
        copy_tile<BN, threads>(b, (const float *)gemm.weight, first_feature, gemm.out, gemm.in, k0);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BK; k++)
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++) c[i][j] = fmaf(a[k][m0 + i], b[k][n0 + j], c[i][j]);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; i++) {
        uint32_t row = first_row + m0 + i;
#pragma unroll
        for (int j = 0; j < TN; j += 2) {
            uint32_t feature = first_feature + n0 + j;
            bool first = row < gemm.rows && feature < gemm.out;
            bool second = row < gemm.rows && feature + 1 < gemm.out;
            float low = c[i][j] + (gemm.bias && first ? gemm.bias[feature] : 0.0f);
            float high = c[i][j + 1] + (gemm.bias && second ? gemm.bias[feature + 1] : 0.0f);
            low = activate<true>(gemm.activation, low);
            if (gemm.gated) {
                if (second) store(gemm, row, feature / 2, low * high);
                continue;
            }
            if (first) store(gemm, row, feature, low);
            if (second) store(gemm, row, feature + 1, activate<true>(gemm.activation, high));
        }
    }
}

template <int BM, int BN, int TM, int TN>
static cudaError_t launch_tiles(const SuCudaGemm &gemm, cudaStream_t stream)
{
    dim3 grid((gemm.out + BN - 1) / BN, (gemm.rows + BM - 1) / BM);
    return launch_kernel<gemm_kernel<BM, BN, TM, TN>>(grid, (BM / TM) * (BN / TN), 0, stream, gemm);
}

cudaError_t su_cuda_gemm_f32(const SuCudaGemm *gemm, cudaStream_t stream)
{
    uint64_t tiles = (uint64_t)((gemm->rows + 127) / 128) * ((gemm->out + 127) / 128);
    if (tiles >= gemm->multiprocessors) return launch_tiles<128, 128, 8, 8>(*gemm, stream);
    return launch_tiles<32, 32, 2, 4>(*gemm, stream);
}

cudaError_t su_cuda_gemm(const SuCudaGemm *gemm, cudaStream_t stream)
{
    if (gemm->type == SU_CUDA_F32) return su_cuda_gemm_f32(gemm, stream);
    if (su_cuda_gemm_takes_tma(gemm)) return su_cuda_gemm_tma(gemm, stream);
    return gemm->wgmma ? su_cuda_gemm_wgmma(gemm, stream) : su_cuda_gemm_mma(gemm, stream);
}
