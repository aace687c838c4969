/* Linears of half and bfloat16 on Hopper, of many rows: a block a multiprocessor, which takes tile
 * after tile of 128 rows x BN features. One thread copies operands (TMA), one copies what is added
 * to a tile and stores it, two groups of four warps multiply (wgmma): of 128 and 192 features each
 * a tile of its own in turn, so that one multiplies while the other adds bias, activates and
 * writes; of 256 features both the same tile, 64 rows each. An element is the same chain of
 * products as in cuda_gemm_wgmma.cu.
 *
 * Two blocks are a cluster and take tiles of the same features, one below the other: each copies
 * half of the weight's part to both.
 *
 *   slots [stages]  a step of k of both operands: full (copies have arrived) ─► empty (read by both
 *                   blocks' groups) ─► …
 *   result          a tile on its way out, panels of 64 columns, swizzled, and its bias: ready
 *                   (residual and bias are there) ─► done (the result is) ─► stored, ready, … */
#include "cuda_gemm_tile.cuh"
#include "cuda_tensor_map.h"
#include "cuda_tma.cuh"
#include "cuda_wgmma.cuh"

enum { BM = 128, GROUPS = 2, WARPS = 4 /* of a group */, PANEL = 64, CLUSTER = 2 };
enum { THREADS = 128 * (GROUPS + 1) };

/* Sizes in elements, but for the last ones. */
template <int BN> struct Tile {
    static constexpr bool together = BN == 256; /* both groups have the same tile */
    static constexpr int stages = BN == 128 ? 6 : BN == 192 ? 4 : 3;
    static constexpr int high = together ? BM / GROUPS : BM; /* rows of a group */
    static constexpr uint32_t warps = together ? WARPS * GROUPS : WARPS;
    static constexpr uint32_t rows = BM * GEMM_K, slot = rows + BN * GEMM_K;
    static constexpr uint32_t panel = BM * PANEL, result = BM * BN;
    static constexpr size_t bias = 2 * (stages * slot + result);
    static constexpr size_t barriers = bias + BN * sizeof(float);
    static constexpr size_t bytes =
        barriers + (2 * stages + 2 * GROUPS + 1) * sizeof(uint64_t) + 1024;
};

struct Maps {
    CUtensorMap a, weight, residual, c;
};

/* full, empty [stages]; ready [GROUPS], of the tiles that a group waits for; done; turn [GROUPS]:
 * that the other group has multiplied. Only then may a group wait for slots, whose phases it would
 * take for earlier ones else. */
struct Ring {
    uint64_t *full, *empty, *ready, *turn, *done;
};

/* The tiles of this block: every `clusters`th pair. */
struct Tiles {
    uint32_t rank, cluster, clusters, across, count;
    __device__ inline uint32_t row(uint32_t tile) const
    {
        return (tile / across * CLUSTER + rank) * BM;
    }
};

static __host__ __device__ inline uint32_t tiles_across(const SuCudaGemm &gemm, uint32_t width)
{
    return (gemm.out + width - 1) / width;
}

static __host__ __device__ inline uint32_t pairs_down(const SuCudaGemm &gemm)
{
    return (gemm.rows + CLUSTER * BM - 1) / (CLUSTER * BM);
}

template <typename T, int BN>
static __device__ void fill(const SuCudaGemm &gemm, const Maps &maps, T *slots, Ring ring,
                            Tiles tiles)
{
    using Shape = Tile<BN>;
    constexpr uint32_t part = BN / CLUSTER;
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K, n = 0;
    auto begin = [&](uint32_t slot, uint32_t step, uint32_t feature) {
        T *to = slots + slot * Shape::slot + Shape::rows + tiles.rank * part * GEMM_K;
        barrier_expect(&ring.full[slot], 2 * Shape::slot);
        copy_box_to((1 << CLUSTER) - 1, to, &maps.weight, step * GEMM_K,
                    feature + tiles.rank * part, &ring.full[slot]);
    };
    uint32_t early = steps < Shape::stages ? steps : Shape::stages;
    for (uint32_t step = 0; step < early; step++)
        begin(step, step, tiles.cluster % tiles.across * BN);
    after_previous();
    for (uint32_t tile = tiles.cluster; tile < tiles.count; tile += tiles.clusters) {
        for (uint32_t step = 0; step < steps; step++, n++) {
            uint32_t slot = n % Shape::stages;
            if (n >= early) {
                barrier_wait(&ring.empty[slot], (n / Shape::stages + 1) % 2);
                begin(slot, step, tile % tiles.across * BN);
            }
            copy_box(slots + slot * Shape::slot, &maps.a, step * GEMM_K, tiles.row(tile),
                     &ring.full[slot]);
        }
    }
}

/* Residual and bias of each tile to where its result will be, and the result to memory. A tile is
 * ready when both have arrived and the store before it has read. */
template <typename T, int BN>
static __device__ void move_results(const SuCudaGemm &gemm, const Maps &maps, T *result,
                                    float *bias, Ring ring, Tiles tiles)
{
    using Shape = Tile<BN>;
    uint32_t n = 0, halves = gemm.gated ? 2 : 1, panels = BN / PANEL / halves;
    after_previous();
    for (uint32_t tile = tiles.cluster; tile < tiles.count; tile += tiles.clusters, n++) {
        uint32_t row = tiles.row(tile), feature = tile % tiles.across * BN;
        uint32_t features = gemm.out - feature < BN ? gemm.out - feature : BN;
        uint32_t bias_bytes = gemm.bias ? features * sizeof(float) : 0;
        uint64_t *ready = &ring.ready[Shape::together ? 0 : n % GROUPS];
        barrier_expect(ready, bias_bytes + (gemm.residual ? 2 * Shape::result : 0));
        if (gemm.bias) copy_bytes(bias, gemm.bias + feature, bias_bytes, ready);
        stores_wait();
        for (uint32_t panel = 0; gemm.residual && panel < panels; panel++)
            copy_box(result + panel * Shape::panel, &maps.residual, feature + panel * PANEL, row,
                     ready);
        barrier_arrive(ready);
        barrier_wait(ring.done, n % 2);
        for (uint32_t panel = 0; panel < panels; panel++)
            store_box(result + panel * Shape::panel, &maps.c, feature / halves + panel * PANEL,
                      row);
        stores_commit();
    }
    stores_wait();
}

/* That this warp has read a slot, to both blocks that copy to it. */
static __device__ inline void release(uint64_t *empty)
{
    uint32_t lane = threadIdx.x % 32;
    if (lane < CLUSTER) barrier_arrive_at(empty, lane);
}

/* The sums of a tile, in blocks of 64 rows. n: its first step in the ring's count. */
template <typename T, int BN>
static __device__ void multiply_tile(float (*c)[BN / 8][4], const T *slots, Ring ring,
                                     uint32_t group, uint32_t steps, uint32_t n)
{
    using Shape = Tile<BN>;
    for (uint32_t step = 0; step < steps; step++, n++) {
        uint32_t slot = n % Shape::stages;
        const T *tile = slots + slot * Shape::slot;
        barrier_wait(&ring.full[slot], n / Shape::stages % 2);
        uint64_t a = tile_descriptor(tile + (Shape::together ? group * 64 * GEMM_K : 0));
        uint64_t b = tile_descriptor(tile + Shape::rows);
        products_begin();
#pragma unroll
        for (int k = 0; k < GEMM_K / 16; k++)
#pragma unroll
            for (int i = 0; i < Shape::high / 64; i++)
                multiply_group<T, BN>(c[i], a + i * (64 * GEMM_K / 8) + 2 * k, b + 2 * k);
        products_commit();
        products_wait<1>();
        if (step > 0) release(&ring.empty[(n - 1) % Shape::stages]);
    }
    if (!Shape::together && threadIdx.x % 32 == 0) barrier_arrive(&ring.turn[1 - group]);
    products_wait<0>();
    release(&ring.empty[(n - 1) % Shape::stages]);
}

/* Bias, activation or gate, and residual, which lies where the result goes; some blocks of eight
 * features at once and without a branch, so that an element need not wait for the one before it:
 * one warp has a scheduler to itself here. first_row: the group's in the tile. */
template <typename T, int BN, uint32_t ACTIVATION, bool GATED, bool ADDED>
static __device__ void finish(float (*c)[BN / 8][4], T *result, const float *bias,
                              uint32_t first_row)
{
    constexpr int AT_ONCE = 4, ROWS = Tile<BN>::high / 32; /* of a thread */
    uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, warp = threadIdx.x / 32 % WARPS;
    auto row_of = [&](int i) { return first_row + i / 2 * 64 + warp * 16 + i % 2 * 8 + g; };
    auto place = [&](uint32_t row, uint32_t column) {
        return result + column / PANEL * Tile<BN>::panel +
               swizzle<GEMM_CHUNKS>(row, column % PANEL / 8) + column % 8;
    };
#pragma unroll
    for (int first = 0; first < BN / 8; first += AT_ONCE) {
        float2 shift[AT_ONCE] = {};
        uint32_t other[AT_ONCE][ROWS] = {};
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            uint32_t column = 8 * (first + j) + 2 * t;
            shift[j] = *reinterpret_cast<const float2 *>(bias + column);
#pragma unroll
            for (int i = 0; i < ROWS; i++)
                if (ADDED)
                    other[j][i] = *reinterpret_cast<const uint32_t *>(place(row_of(i), column));
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++)
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                uint32_t column = 8 * (first + j) + 2 * t;
                const float *sums = &c[i / 2][first + j][i % 2 * 2];
                float low = activate<false>(ACTIVATION, sums[0] + shift[j].x);
                float high = sums[1] + shift[j].y;
                if (GATED) {
                    set(place(row_of(i), column / 2), low * high);
                    continue;
                }
                high = activate<false>(ACTIVATION, high);
                if (ADDED) {
                    const T *pair = reinterpret_cast<const T *>(&other[j][i]);
                    low += to_float(pair[0]), high += to_float(pair[1]);
                }
                *reinterpret_cast<uint32_t *>(place(row_of(i), column)) = pack(T(), low, high);
            }
    }
}

template <typename T, int BN, uint32_t ACTIVATION, bool GATED>
static __device__ void work(const SuCudaGemm &gemm, const T *slots, T *result, const float *bias,
                            Ring ring, Tiles tiles, uint32_t group)
{
    using Shape = Tile<BN>;
    constexpr uint32_t takers = Shape::together ? 1 : GROUPS;
    uint32_t steps = (gemm.in + GEMM_K - 1) / GEMM_K;
    uint32_t taker = Shape::together ? 0 : group;
    float c[Shape::high / 64][BN / 8][4];
    after_previous();
    for (uint32_t n = taker;; n += takers) {
        if (tiles.cluster + n * tiles.clusters >= tiles.count) break;
#pragma unroll
        for (int i = 0; i < Shape::high / 64; i++)
#pragma unroll
            for (int j = 0; j < BN / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) c[i][j][e] = 0;
        if (!Shape::together) barrier_wait(&ring.turn[group], (n / takers + 1 + group) % 2);
        multiply_tile<T, BN>(c, slots, ring, group, steps, n * steps);
        barrier_wait(&ring.ready[taker], n / takers % 2);
        uint32_t first_row = Shape::together ? group * 64 : 0;
        if (!GATED && gemm.residual)
            finish<T, BN, ACTIVATION, GATED, !GATED>(c, result, bias, first_row);
        else
            finish<T, BN, ACTIVATION, GATED, false>(c, result, bias, first_row);
        written_for_products();
        __syncwarp();
        if (threadIdx.x % 32 == 0) barrier_arrive(ring.done);
    }
}

template <int BN> static __device__ Ring prepare(uint64_t *barriers, const Maps &maps)
{
    constexpr int stages = Tile<BN>::stages;
    Ring ring = {barriers, barriers + stages, barriers + 2 * stages, barriers + 2 * stages + GROUPS,
                 barriers + 2 * stages + 2 * GROUPS};
    if (threadIdx.x == 0) {
        prefetch_map(&maps.weight);
        prefetch_map(&maps.a);
        prefetch_map(&maps.c);
        for (int i = 0; i < stages; i++) {
            barrier_init(&ring.full[i], 1);
            barrier_init(&ring.empty[i], CLUSTER * Tile<BN>::warps);
        }
        for (int i = 0; i < GROUPS; i++) {
            barrier_init(&ring.ready[i], 2);
            barrier_init(&ring.turn[i], WARPS);
        }
        barrier_init(ring.done, Tile<BN>::warps);
        barriers_ready();
    }
    return ring;
}

template <typename T, int BN, uint32_t ACTIVATION, bool GATED>
static __global__ __cluster_dims__(CLUSTER, 1, 1)
    __launch_bounds__(THREADS, 1) void gemm_kernel(const __grid_constant__ SuCudaGemm gemm,
                                                   const __grid_constant__ Maps maps)
{
#if __CUDA_ARCH_FEAT_SM90_ALL
    using Shape = Tile<BN>;
    extern __shared__ __align__(128) unsigned char memory[];
    unsigned char *base = memory + (1024 - shared_address(memory) % 1024) % 1024;
    T *slots = reinterpret_cast<T *>(base), *result = slots + Shape::stages * Shape::slot;
    float *bias = reinterpret_cast<float *>(base + Shape::bias);
    Ring ring = prepare<BN>(reinterpret_cast<uint64_t *>(base + Shape::barriers), maps);
    Tiles tiles = {rank_in_cluster(), blockIdx.x / CLUSTER, gridDim.x / CLUSTER,
                   tiles_across(gemm, BN), pairs_down(gemm) * tiles_across(gemm, BN)};
    for (uint32_t i = threadIdx.x; !gemm.bias && i < BN; i += THREADS) bias[i] = 0;
    cluster_sync();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 0)
            fill<T, BN>(gemm, maps, slots, ring, tiles);
        else if (threadIdx.x == 32)
            move_results<T, BN>(gemm, maps, result, bias, ring, tiles);
        else
            after_previous();
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        work<T, BN, ACTIVATION, GATED>(gemm, slots, result, bias, ring, tiles,
                                       threadIdx.x / 128 - 1);
    }
    cluster_sync(); /* the other block copies and arrives here until its last tile */
#endif
}

/* ---- the host's side ---- */

static bool map_boxes(CUtensorMap *map, SuCudaType type, const void *data, uint64_t rows,
                      uint64_t columns, uint32_t high)
{
    SuCudaMatrix matrix = {type, data, rows, columns, columns, high, PANEL};
    return su_cuda_map(&matrix, map);
}

template <typename T, int BN, uint32_t ACTIVATION, bool GATED>
static cudaError_t launch_tiles(const SuCudaGemm &gemm, cudaStream_t stream)
{
    Maps maps;
    uint32_t width = gemm.gated ? gemm.out / 2 : gemm.out;
    if (!map_boxes(&maps.a, gemm.type, gemm.a, gemm.rows, gemm.in, BM) ||
        !map_boxes(&maps.weight, gemm.type, gemm.weight, gemm.out, gemm.in, BN / CLUSTER) ||
        !map_boxes(&maps.c, gemm.type, gemm.c, gemm.rows, width, BM))
        return cudaErrorInvalidValue;
    maps.residual = maps.c;
    if (gemm.residual && gemm.residual != gemm.c &&
        !map_boxes(&maps.residual, gemm.type, gemm.residual, gemm.rows, width, BM))
        return cudaErrorInvalidValue;
    uint32_t clusters = gemm.multiprocessors / CLUSTER, tiles;
    tiles = pairs_down(gemm) * tiles_across(gemm, BN);
    if (clusters == 0) clusters = 1;
    if (clusters > tiles) clusters = tiles;
    return launch_kernel<gemm_kernel<T, BN, ACTIVATION, GATED>>(
        CLUSTER * clusters, THREADS, Tile<BN>::bytes, stream, gemm, maps);
}

template <typename T, uint32_t ACTIVATION, bool GATED>
static cudaError_t run(const SuCudaGemm &gemm, uint32_t width, cudaStream_t stream)
{
    if (width == 256) return launch_tiles<T, 256, ACTIVATION, GATED>(gemm, stream);
    if constexpr (!GATED) /* a gated tile is of whole panels */
        if (width == 192) return launch_tiles<T, 192, ACTIVATION, GATED>(gemm, stream);
    return launch_tiles<T, 128, ACTIVATION, GATED>(gemm, stream);
}

/* The forms that models of many rows have. */
template <typename T>
static cudaError_t run_form(const SuCudaGemm &gemm, uint32_t width, cudaStream_t stream)
{
    if (gemm.gated && gemm.activation == SUTRA_ACT_SILU)
        return run<T, SUTRA_ACT_SILU, true>(gemm, width, stream);
    if (gemm.gated && gemm.activation == SUTRA_ACT_GELU_ERF)
        return run<T, SUTRA_ACT_GELU_ERF, true>(gemm, width, stream);
    if (!gemm.gated && gemm.activation == SUTRA_ACT_GELU_ERF)
        return run<T, SUTRA_ACT_GELU_ERF, false>(gemm, width, stream);
    if (!gemm.gated && gemm.activation == SUTRA_ACT_NONE)
        return run<T, SUTRA_ACT_NONE, false>(gemm, width, stream);
    return cudaErrorNotSupported;
}

/* Features of a tile: those of which the busiest block has the least to do. A feature of 192 costs
 * the least: smaller tiles read more, and of 256 nothing is multiplied while a tile ends, which of
 * gated ones takes longer. The figures are those of an H200. */
static uint32_t width_of(const SuCudaGemm &gemm)
{
    static const struct {
        uint32_t width, cost, gated; /* 0: there is none */
    } kinds[] = {{192, 100, 0}, {128, 106, 106}, {256, 104, 110}};
    uint32_t best = 0, clusters = gemm.multiprocessors / CLUSTER;
    uint64_t least = UINT64_MAX;
    for (const auto &kind : kinds) {
        uint32_t cost = gemm.gated ? kind.gated : kind.cost;
        uint64_t tiles = (uint64_t)pairs_down(gemm) * tiles_across(gemm, kind.width);
        uint64_t waves = clusters > 1 ? (tiles + clusters - 1) / clusters : tiles;
        if (cost == 0 || waves * kind.width * cost >= least) continue;
        least = waves * kind.width * cost;
        best = kind.width;
    }
    return best;
}

/* From half as many tiles as multiprocessors on; fewer are cut finer without TMA. */
bool su_cuda_gemm_takes_tma(const SuCudaGemm *gemm)
{
    uint64_t tiles = (uint64_t)((gemm->rows + BM - 1) / BM) * tiles_across(*gemm, 128);
    bool form = gemm->activation == SUTRA_ACT_GELU_ERF ||
                gemm->activation == (gemm->gated ? SUTRA_ACT_SILU : SUTRA_ACT_NONE);
    return gemm->wgmma && form && 2 * tiles >= gemm->multiprocessors && su_cuda_can_map();
}

cudaError_t su_cuda_gemm_tma_tiles(const SuCudaGemm *gemm, uint32_t width, cudaStream_t stream)
{
    if (gemm->type == SU_CUDA_F16) return run_form<half>(*gemm, width, stream);
    return run_form<__nv_bfloat16>(*gemm, width, stream);
}

cudaError_t su_cuda_gemm_tma(const SuCudaGemm *gemm, cudaStream_t stream)
{
    return su_cuda_gemm_tma_tiles(gemm, width_of(*gemm), stream);
}
