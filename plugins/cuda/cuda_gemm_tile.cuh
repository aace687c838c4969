/* cuda_gemm_tile.cuh - what the linears on tensor cores have in common: tiles of rows and features
 * in shared memory, in steps of 64 elements of k, and what follows the sums.
 *
 * A step's tiles are rows of 128 bytes whose chunks of 16 are exchanged by the row's last three
 * bits, which is the 128-byte swizzle that wgmma reads too. */
#ifndef SU_CUDA_GEMM_TILE_CUH
#define SU_CUDA_GEMM_TILE_CUH

#include "cuda_mma.cuh"

enum { GEMM_K = 64, GEMM_CHUNKS = GEMM_K / 8 };

/* Rows first … of a [rows, k] matrix, elements k0 …, to a tile of ROWS; zeros behind its ends. */
template <typename T, int ROWS, int THREADS>
static __device__ inline void copy_tile(T *tile, const T *from, uint32_t first, uint32_t rows,
                                        uint32_t k, uint32_t k0)
{
    static_assert(ROWS * GEMM_CHUNKS % THREADS == 0 && THREADS % GEMM_CHUNKS == 0, "whole rows");
    uint32_t chunk = threadIdx.x % GEMM_CHUNKS, row0 = threadIdx.x / GEMM_CHUNKS;
    bool inside = k0 + chunk * 8 < k;
    const T *at = from + (size_t)(first + row0) * k + k0 + chunk * 8;
#pragma unroll
    for (uint32_t i = 0; i < ROWS * GEMM_CHUNKS / THREADS; i++) {
        uint32_t row = row0 + i * (THREADS / GEMM_CHUNKS);
        bool valid = inside && first + row < rows;
        copy_async(shared_address(tile + swizzle<GEMM_CHUNKS>(row, chunk)), valid ? at : from,
                   valid);
        at += (size_t)(THREADS / GEMM_CHUNKS) * k;
    }
}

/* Rows of sums in shared memory are PITCH floats apart, so that eight lanes' pairs meet different
 * banks. */
template <int BN> struct SumRows {
    static constexpr int pitch = BN + 8;
};

/* A warp's sums of 16 rows from m0 and WN features from n0, in the layout of mma's c. */
template <int BN, int WN>
static __device__ inline void put_sums(float *rows, const float (*c)[4], uint32_t m0, uint32_t n0)
{
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    float *at = rows + (m0 + g) * SumRows<BN>::pitch + n0 + 2 * t;
#pragma unroll
    for (int j = 0; j < WN / 8; j++) {
        *reinterpret_cast<float2 *>(at + 8 * j) = make_float2(c[j][0], c[j][1]);
        *reinterpret_cast<float2 *>(at + 8 * SumRows<BN>::pitch + 8 * j) =
            make_float2(c[j][2], c[j][3]);
    }
}

/* Eight neighbouring sums of a row, features of which the first is `feature`. */
template <typename T, uint32_t ACTIVATION>
static __device__ inline void finish8(const SuCudaGemm &gemm, const float *sums, uint32_t row,
                                      uint32_t feature)
{
    uint32_t activation = ACTIVATION == UINT32_MAX ? gemm.activation : ACTIVATION;
    float x[8], shift[8] = {0};
    load8(sums, x);
    if (gemm.bias) load8(gemm.bias + feature, shift);
#pragma unroll
    for (int i = 0; i < 8; i++) x[i] = activate<false>(activation, x[i] + shift[i]);
    size_t at = (size_t)row * gemm.out + feature;
    if (gemm.residual) {
        float other[8];
        load8((const T *)gemm.residual + at, other);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] += other[i];
    }
    store8((T *)gemm.c + at, x);
}

/* The same of 16, gates and features in turn, to eight. */
template <typename T>
static __device__ inline void finish_gated(const SuCudaGemm &gemm, const float *sums, uint32_t row,
                                           uint32_t feature)
{
    float x[16], shift[16] = {0};
    load8(sums, x);
    load8(sums + 8, x + 8);
    if (gemm.bias) {
        load8(gemm.bias + feature, shift);
        load8(gemm.bias + feature + 8, shift + 8);
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
        x[i] = activate<false>(gemm.activation, x[2 * i] + shift[2 * i]) *
               (x[2 * i + 1] + shift[2 * i + 1]);
    store8((T *)gemm.c + ((size_t)row * gemm.out + feature) / 2, x);
}

/* What is left to do with a tile's sums, a chunk of the result a thread and turn. ACTIVATION
 * UINT32_MAX: whichever the linear has. */
template <typename T, int BM, int BN, int THREADS, uint32_t ACTIVATION>
static __device__ inline void finish_tile(const SuCudaGemm &gemm, const float *rows)
{
    constexpr uint32_t step = 8, per_row = BN / step;
    uint32_t first_row = blockIdx.y * BM, first_feature = blockIdx.x * BN;
    for (uint32_t i = threadIdx.x; i < BM * per_row; i += THREADS) {
        uint32_t row = i / per_row, column = i % per_row * step, feature = first_feature + column;
        const float *sums = rows + row * SumRows<BN>::pitch + column;
        if (first_row + row >= gemm.rows || feature >= gemm.out) continue;
        if (ACTIVATION != UINT32_MAX || !gemm.gated)
            finish8<T, ACTIVATION>(gemm, sums, first_row + row, feature);
        else if (column % 16 == 0)
            finish_gated<T>(gemm, sums, first_row + row, feature);
    }
}

/* Calls LAUNCH<…, activation> for the activations that have kernels of their own. */
#define GEMM_ACTIVATION(GEMM, CALL)                                     \
    do {                                                                \
        if (!(GEMM).gated && (GEMM).activation == SUTRA_ACT_NONE) {     \
            constexpr uint32_t ACTIVATION = SUTRA_ACT_NONE;             \
            return CALL;                                                \
        }                                                               \
        if (!(GEMM).gated && (GEMM).activation == SUTRA_ACT_GELU_ERF) { \
            constexpr uint32_t ACTIVATION = SUTRA_ACT_GELU_ERF;         \
            return CALL;                                                \
        }                                                               \
        constexpr uint32_t ACTIVATION = UINT32_MAX;                     \
        return CALL;                                                    \
    } while (0)

#endif
