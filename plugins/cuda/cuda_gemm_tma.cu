/* Linears of half and bfloat16 on Hopper, of many rows: a block a multiprocessor, which takes tile
 * after tile of 128 rows x 128 features. One thread copies (TMA); two groups of four warps multiply
 * (wgmma), each a tile of its own in turn, so that one multiplies while the other adds bias,
 * activates and writes. An element is the same chain of products as in cuda_gemm_wgmma.cu.
 *
 *   slots [STAGES]   a step of k of both operands: full (copies have arrived) ─► empty (read) ─► …
 *   results [GROUPS] a group's tile on its way out: panels of 64 columns, swizzled */
#include "cuda_gemm_tile.cuh"
#include "cuda_tensor_map.h"
#include "cuda_tma.cuh"
#include "cuda_wgmma.cuh"

enum { BM = 128, BN = 128, STAGES = 5, GROUPS = 2, THREADS = 128 * (GROUPS + 1), PANEL = 64 };

/* In elements, but for the last two. */
struct Shared {
    static constexpr uint32_t operand = BM * GEMM_K, slot = 2 * operand;
    static constexpr uint32_t panel = BM * PANEL, result = BM * BN;
    static constexpr size_t barriers = 2 * (STAGES * slot + GROUPS * result);
    static constexpr size_t bytes = barriers + (2 * STAGES + GROUPS) * sizeof(uint64_t) + 1024;
};
static_assert(BM == BN, "both operands of a step have one size");

struct Maps {
    CUtensorMap a, weight, c;
};

/* full, empty [STAGES]; turn [GROUPS]: that the other group has multiplied. Only then may a group
 * wait for slots, whose phases it would take for earlier ones else. */
struct Ring {
    uint64_t *full, *empty, *turn;
};

static __device__ inline uint32_t tiles_of(const SuCudaGemm &gemm)
{
    return (gemm.rows + BM - 1) / BM * ((gemm.out + BN - 1) / BN);
}

template <typename T>
static __device__ void fill(const SuCudaGemm &gemm, const Maps &maps, T *slots, Ring ring)
{
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K, n = 0;
    uint32_t across = (gemm.out + BN - 1) / BN;
    for (uint32_t tile = blockIdx.x; tile < tiles_of(gemm); tile += gridDim.x) {
        uint32_t row = tile / across * BM, feature = tile % across * BN;
        for (uint32_t step = 0; step < steps; step++, n++) {
            uint32_t slot = n % STAGES;
            T *to = slots + slot * Shared::slot;
            barrier_wait(&ring.empty[slot], (n / STAGES + 1) % 2);
            barrier_expect(&ring.full[slot], 2 * Shared::slot);
            copy_box(to, &maps.a, step * GEMM_K, row, &ring.full[slot]);
            copy_box(to + Shared::operand, &maps.weight, step * GEMM_K, feature, &ring.full[slot]);
        }
    }
}

/* The sums of a tile, in blocks of 64 rows. n: its first step in the ring's count. */
template <typename T>
static __device__ void multiply_tile(float (*c)[BN / 8][4], const T *slots, Ring ring,
                                     uint32_t group, uint32_t steps, uint32_t n)
{
    bool speaks = threadIdx.x % 32 == 0;
#pragma unroll
    for (int i = 0; i < BM / 64; i++)
#pragma unroll
        for (int j = 0; j < BN / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) c[i][j][e] = 0;
    for (uint32_t step = 0; step < steps; step++, n++) {
        uint32_t slot = n % STAGES;
        const T *tile = slots + slot * Shared::slot;
        barrier_wait(&ring.full[slot], n / STAGES % 2);
        uint64_t a = tile_descriptor(tile);
        uint64_t b = tile_descriptor(tile + Shared::operand);
        products_begin();
#pragma unroll
        for (int k = 0; k < GEMM_K / 16; k++)
#pragma unroll
            for (int i = 0; i < BM / 64; i++)
                multiply_group<T, BN>(c[i], a + i * (64 * GEMM_K / 8) + 2 * k, b + 2 * k);
        products_commit();
        products_wait<1>();
        if (step > 0 && speaks) barrier_arrive(&ring.empty[(n - 1) % STAGES]);
    }
    if (speaks) barrier_arrive(&ring.turn[1 - group]);
    products_wait<0>();
    if (speaks) barrier_arrive(&ring.empty[(n - 1) % STAGES]);
}

/* A pair of neighbouring elements. */
template <typename T>
static __device__ inline uint32_t residual_at(const SuCudaGemm &gemm, uint32_t row, uint32_t column)
{
    if (row >= gemm.rows || column >= gemm.out) return 0;
    return *reinterpret_cast<const uint32_t *>((const T *)gemm.residual + (size_t)row * gemm.out +
                                               column);
}

/* Bias, activation or gate, and residual, to the group's result in shared memory. */
template <typename T, uint32_t ACTIVATION>
static __device__ void finish(const SuCudaGemm &gemm, float (*c)[BN / 8][4], T *result,
                              uint32_t first_row, uint32_t first_feature)
{
    constexpr bool any = ACTIVATION == UINT32_MAX;
    uint32_t activation = any ? gemm.activation : ACTIVATION;
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, warp = threadIdx.x / 32 % 4;
#pragma unroll
    for (int j = 0; j < BN / 8; j++) {
        uint32_t column = 8 * j + 2 * t, feature = first_feature + column;
        float2 bias = make_float2(0, 0);
        if (gemm.bias && feature < gemm.out)
            bias = *reinterpret_cast<const float2 *>(gemm.bias + feature);
#pragma unroll
        for (int i = 0; i < BM / 32; i++) {
            uint32_t row = i / 2 * 64 + warp * 16 + i % 2 * 8 + g;
            float low = c[i / 2][j][i % 2 * 2] + bias.x, high = c[i / 2][j][i % 2 * 2 + 1] + bias.y;
            low = activate<false>(activation, low);
            if (any && gemm.gated) {
                uint32_t to = column / 2;
                set(result + to / PANEL * Shared::panel +
                        swizzle<GEMM_CHUNKS>(row, to % PANEL / 8) + to % 8,
                    low * high);
                continue;
            }
            high = activate<false>(activation, high);
            if (gemm.residual) {
                uint32_t word = residual_at<T>(gemm, first_row + row, feature);
                const T *pair = reinterpret_cast<const T *>(&word);
                low += to_float(pair[0]);
                high += to_float(pair[1]);
            }
            T *to = result + column / PANEL * Shared::panel +
                    swizzle<GEMM_CHUNKS>(row, column % PANEL / 8) + column % 8;
            *reinterpret_cast<uint32_t *>(to) = pack(T(), low, high);
        }
    }
}

/* Of the warps of one group. */
static __device__ inline void group_sync(uint32_t group)
{
    asm volatile("bar.sync %0, 128;" ::"r"(1 + group) : "memory");
}

template <typename T, uint32_t ACTIVATION>
static __device__ void work(const SuCudaGemm &gemm, const Maps &maps, const T *slots, T *result,
                            Ring ring, uint32_t group)
{
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K;
    uint32_t across = (gemm.out + BN - 1) / BN;
    bool writes = threadIdx.x % 128 == 0;
    float c[BM / 64][BN / 8][4];
    for (uint32_t i = group;; i += GROUPS) {
        uint32_t tile = blockIdx.x + i * gridDim.x;
        if (tile >= tiles_of(gemm)) break;
        uint32_t row = tile / across * BM, feature = tile % across * BN;
        barrier_wait(&ring.turn[group], (i / 2 + 1 + group) % 2);
        multiply_tile(c, slots, ring, group, steps, i * steps);
        if (writes) stores_wait();
        group_sync(group);
        finish<T, ACTIVATION>(gemm, c, result, row, feature);
        written_for_products();
        group_sync(group);
        if (!writes) continue;
        uint32_t column = gemm.gated ? feature / 2 : feature;
        uint32_t panels = BN / PANEL / (gemm.gated ? 2 : 1);
        for (uint32_t panel = 0; panel < panels; panel++)
            store_box(result + panel * Shared::panel, &maps.c, column + panel * PANEL, row);
        stores_commit();
    }
    if (writes) stores_wait();
}

template <typename T, uint32_t ACTIVATION>
static __global__ __launch_bounds__(THREADS,
                                    1) void gemm_kernel(const __grid_constant__ SuCudaGemm gemm,
                                                        const __grid_constant__ Maps maps)
{
#if __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(128) unsigned char memory[];
    unsigned char *base = memory + (1024 - shared_address(memory) % 1024) % 1024;
    T *slots = reinterpret_cast<T *>(base), *results = slots + STAGES * Shared::slot;
    uint64_t *barriers = reinterpret_cast<uint64_t *>(base + Shared::barriers);
    Ring ring = {barriers, barriers + STAGES, barriers + 2 * STAGES};
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            barrier_init(&ring.full[i], 1);
            barrier_init(&ring.empty[i], 4 /* warps of a group */);
        }
        for (int i = 0; i < GROUPS; i++) barrier_init(&ring.turn[i], 4);
        written_for_products();
    }
    __syncthreads();
    after_previous();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 0) fill(gemm, maps, slots, ring);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        uint32_t group = threadIdx.x / 128 - 1;
        work<T, ACTIVATION>(gemm, maps, slots, results + group * Shared::result, ring, group);
    }
#endif
}

/* ---- the host's side ---- */

static bool map_panels(CUtensorMap *map, SuCudaType type, const void *data, uint64_t rows,
                       uint64_t columns, uint32_t high)
{
    SuCudaMatrix matrix = {type, data, rows, columns, columns, high, PANEL};
    return su_cuda_map(&matrix, map);
}

template <typename T, uint32_t ACTIVATION>
static cudaError_t launch_tiles(const SuCudaGemm &gemm, cudaStream_t stream)
{
    Maps maps;
    uint32_t width = gemm.gated ? gemm.out / 2 : gemm.out;
    if (!map_panels(&maps.a, gemm.type, gemm.a, gemm.rows, gemm.in, BM) ||
        !map_panels(&maps.weight, gemm.type, gemm.weight, gemm.out, gemm.in, BN) ||
        !map_panels(&maps.c, gemm.type, gemm.c, gemm.rows, width, BM))
        return cudaErrorInvalidValue;
    uint64_t tiles = (uint64_t)((gemm.rows + BM - 1) / BM) * ((gemm.out + BN - 1) / BN);
    uint32_t blocks = tiles < gemm.multiprocessors ? (uint32_t)tiles : gemm.multiprocessors;
    return launch_kernel<gemm_kernel<T, ACTIVATION>>(blocks, THREADS, Shared::bytes, stream, gemm,
                                                     maps);
}

/* Its start is worth it where there is a tile for each multiprocessor. A residual is read in pieces
 * while nothing multiplies, and GELU takes as long as 12 steps do: without TMA both are hidden by
 * the second block of a multiprocessor. */
bool su_cuda_gemm_takes_tma(const SuCudaGemm *gemm)
{
    uint64_t tiles = (uint64_t)((gemm->rows + BM - 1) / BM) * ((gemm->out + BN - 1) / BN);
    bool plain = gemm->activation == SUTRA_ACT_NONE && !gemm->gated;
    bool gelu = gemm->activation == SUTRA_ACT_GELU_ERF && !gemm->gated && gemm->in >= 12 * GEMM_K;
    return gemm->wgmma && tiles >= gemm->multiprocessors && !gemm->residual && (plain || gelu) &&
           su_cuda_can_map();
}

cudaError_t su_cuda_gemm_tma(const SuCudaGemm *gemm, cudaStream_t stream)
{
    if (gemm->type == SU_CUDA_F16)
        GEMM_ACTIVATION(*gemm, (launch_tiles<half, ACTIVATION>(*gemm, stream)));
    GEMM_ACTIVATION(*gemm, (launch_tiles<__nv_bfloat16, ACTIVATION>(*gemm, stream)));
}
