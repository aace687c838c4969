/* Attention of half and bfloat16 heads: a block a tile of 64 queries of one text and head, a warp
 * 16 of them; tiles of 64 keys with a running maximum and sum (Dao et al. 2022, "FlashAttention"),
 * the next tile being copied meanwhile. Scores and sums are fp32; nothing depends on other texts.
 *
 * HEAD: the head's size rounded up, elements beyond it being zero. */
#include "cuda_mma.cuh"

enum { QUERIES = 64, KEYS = 64, THREADS = 128 };

template <int HEAD> struct Shape {
    static constexpr int chunks = HEAD / 8;
    static constexpr int stages = HEAD > 128 ? 1 : 2;
    static constexpr bool keeps_queries = HEAD <= 128; /* as fragments, in registers */
    static constexpr int tile = KEYS * HEAD;
    static constexpr size_t bytes = 2 * (QUERIES * HEAD + stages * 2 * tile);
};

/* Rows first … first + 63 of a text's q, k or v of a head. */
template <typename T, int HEAD>
static __device__ void copy_rows(T *tile, const T *from, size_t stride, int first, int length,
                                 uint32_t head_size)
{
    constexpr int chunks = Shape<HEAD>::chunks;
#pragma unroll
    for (uint32_t i = threadIdx.x; i < 64 * chunks; i += THREADS) {
        uint32_t row = i / chunks, chunk = i % chunks;
        bool valid = first + (int)row < length && chunk * 8 < head_size;
        const T *at = valid ? from + (size_t)(first + row) * stride + chunk * 8 : from;
        copy_async(shared_address(tile + swizzle<chunks>(row, chunk)), at, valid);
    }
}

template <typename T, int HEAD>
static __device__ void load_queries(uint32_t *to, const T *q, uint32_t row0, int k)
{
    uint32_t lane = threadIdx.x % 32;
    load_matrices(
        to, shared_address(q + swizzle<Shape<HEAD>::chunks>(row0 + lane % 16, 2 * k + lane / 16)));
}

/* What a lane keeps of its two queries, rows g and g + 8 of its warp. */
struct Running {
    float maximum[2], sum[2];
};

/* Scores to weights 2^(scale (score - maximum)), and what was added up before to the new maximum.
 */
template <int HEAD>
static __device__ void weigh(float (*s)[4], float scale, Running *running, float (*o)[4])
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float maximum = row_maximum<KEYS>(s, half, running->maximum[half]);
        float base = maximum == -INFINITY ? 0.0f : maximum * scale; /* no key yet: 0 */
        float shrink = exp2_of<false>(fmaf(running->maximum[half], scale, -base));
        float sum = row_weights<KEYS>(s, half, scale, base);
        running->maximum[half] = maximum;
        running->sum[half] = fmaf(running->sum[half], shrink, sum);
#pragma unroll
        for (int d = 0; d < HEAD / 8; d++) {
            o[d][2 * half] *= shrink;
            o[d][2 * half + 1] *= shrink;
        }
    }
}

/* -infinity for keys behind the text's end. */
static __device__ void mask_end(float (*s)[4], int key, int length)
{
    int t = (int)threadIdx.x % 4;
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (key + j * 8 + 2 * t + e % 2 >= length) s[j][e] = -INFINITY;
}

/* Scale, bias, and -infinity for keys that a query does not see. */
static __device__ void mask_all(const SuCudaAttention &attention, float (*s)[4], int query, int key,
                                int length, float scale, const float *bias)
{
    int t = (int)threadIdx.x % 4;
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int q = query + e / 2 * 8, k = key + j * 8 + 2 * t + e % 2;
            bool seen =
                k < length && q < length && q - k <= attention.before && k - q <= attention.after;
            float x = s[j][e] * scale;
            if (bias && seen) x += bias[q - k];
            s[j][e] = seen ? x : -INFINITY;
        }
}

/* PLAIN: without bias or window. */
template <typename T, int HEAD, bool PLAIN>
static __global__
__launch_bounds__(THREADS) void attention_kernel(const __grid_constant__ SuCudaAttention attention)
{
    using S = Shape<HEAD>;
    extern __shared__ __align__(128) unsigned char memory[];
    T *q_tile = reinterpret_cast<T *>(memory), *kv = q_tile + QUERIES * HEAD;
    after_previous();
    uint2 tile = attention.tiles[blockIdx.x];
    uint32_t head = blockIdx.y, head_size = attention.head_size;
    uint32_t begin = attention.cu_seqlens[tile.x];
    int length = (int)(attention.cu_seqlens[tile.x + 1] - begin), first = (int)tile.y;
    uint32_t width = attention.num_heads * head_size;
    size_t stride = 3 * (size_t)width;
    const T *q = (const T *)attention.qkv + begin * stride + head * head_size;
    const T *k = q + width, *v = k + width;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4;
    int last = min(first + QUERIES, length) - 1; /* the last query */
    int begin_key = first > attention.before ? (first - attention.before) / KEYS * KEYS : 0;
    int end_key = length - 1 - last > attention.after ? last + attention.after + 1 : length;
    int tiles = (end_key - begin_key + KEYS - 1) / KEYS;
    float scale = SU_LOG2_E / sqrtf((float)head_size);
    const float *bias =
        attention.bias ? attention.bias + (size_t)head * attention.bias_row + attention.bias_row / 2
                       : NULL;
    auto fetch = [&](int i) {
        T *to = kv + i % S::stages * 2 * S::tile;
        if (i < tiles) {
            copy_rows<T, HEAD>(to, k, stride, begin_key + i * KEYS, length, head_size);
            copy_rows<T, HEAD>(to + S::tile, v, stride, begin_key + i * KEYS, length, head_size);
        }
        copies_commit();
    };
    copy_rows<T, HEAD>(q_tile, q, stride, first, length, head_size);
    if (S::stages > 1) fetch(0);
    uint32_t queries[S::keeps_queries ? HEAD / 16 : 1][4];
    float o[HEAD / 8][4] = {};
    Running running = {{-INFINITY, -INFINITY}, {0, 0}};
    for (int i = 0; i < tiles; i++) {
        if (S::stages > 1) {
            fetch(i + 1);
            copies_wait<1>();
        } else {
            fetch(i);
            copies_wait<0>();
        }
        __syncthreads();
        if (S::keeps_queries && i == 0)
#pragma unroll
            for (int d = 0; d < HEAD / 16; d++)
                load_queries<T, HEAD>(queries[S::keeps_queries ? d : 0], q_tile, warp * 16, d);
        const T *k_tile = kv + i % S::stages * 2 * S::tile, *v_tile = k_tile + S::tile;
        float s[KEYS / 8][4] = {};
#pragma unroll
        for (int d = 0; d < HEAD / 16; d++) {
            uint32_t *a = queries[S::keeps_queries ? d : 0];
            if (!S::keeps_queries) load_queries<T, HEAD>(a, q_tile, warp * 16, d);
#pragma unroll
            for (int j = 0; j < KEYS / 16; j++) {
                uint32_t b[4];
                load_matrices(
                    b, shared_address(k_tile + swizzle<S::chunks>(j * 16 + lane % 8 + lane / 16 * 8,
                                                                  2 * d + lane / 8 % 2)));
                multiply(T(), s[2 * j], a, b);
                multiply(T(), s[2 * j + 1], a, b + 2);
            }
        }
        int key = begin_key + i * KEYS;
        if (!PLAIN)
            mask_all(attention, s, first + (int)(warp * 16 + g), key, length, scale, bias);
        else if (key + KEYS > length)
            mask_end(s, key, length);
        weigh<HEAD>(s, PLAIN ? scale : 1.0f, &running, o);
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            uint32_t a[4] = {pack(T(), s[2 * j][0], s[2 * j][1]),
                             pack(T(), s[2 * j][2], s[2 * j][3]),
                             pack(T(), s[2 * j + 1][0], s[2 * j + 1][1]),
                             pack(T(), s[2 * j + 1][2], s[2 * j + 1][3])};
#pragma unroll
            for (int d = 0; d < HEAD / 16; d++) {
                uint32_t b[4];
                load_matrices_transposed(
                    b, shared_address(v_tile +
                                      swizzle<S::chunks>(j * 16 + lane % 16, 2 * d + lane / 16)));
                multiply(T(), o[2 * d], a, b);
                multiply(T(), o[2 * d + 1], a, b + 2);
            }
        }
        __syncthreads();
    }
    /* The result through the warp's own rows of the queries. */
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = running.sum[half];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        float inverse = 1.0f / sum;
        uint32_t row = warp * 16 + half * 8 + g;
#pragma unroll
        for (int d = 0; d < HEAD / 8; d++)
            *reinterpret_cast<uint32_t *>(q_tile + swizzle<S::chunks>(row, d) + 2 * (lane % 4)) =
                pack(T(), o[d][2 * half] * inverse, o[d][2 * half + 1] * inverse);
    }
    __syncwarp();
    uint32_t per_row = head_size / 8;
    T *out = (T *)attention.out + (size_t)begin * width + head * head_size;
    for (uint32_t i = lane; i < 16 * per_row; i += 32) {
        uint32_t row = warp * 16 + i / per_row, chunk = i % per_row;
        if (first + (int)row >= length) break;
        *reinterpret_cast<uint4 *>(out + (size_t)(first + row) * width + chunk * 8) =
            *reinterpret_cast<const uint4 *>(q_tile + swizzle<S::chunks>(row, chunk));
    }
}

template <typename T, int HEAD, bool PLAIN>
static cudaError_t launch_tiles(const SuCudaAttention &attention, cudaStream_t stream)
{
    dim3 grid(attention.num_tiles, attention.num_heads);
    return launch_kernel<attention_kernel<T, HEAD, PLAIN>>(grid, THREADS, Shape<HEAD>::bytes,
                                                           stream, attention);
}

template <typename T, bool PLAIN>
static cudaError_t run(const SuCudaAttention &attention, cudaStream_t stream)
{
    if (attention.head_size <= 32) return launch_tiles<T, 32, PLAIN>(attention, stream);
    if (attention.head_size <= 64) return launch_tiles<T, 64, PLAIN>(attention, stream);
    if (attention.head_size <= 128) return launch_tiles<T, 128, PLAIN>(attention, stream);
    return launch_tiles<T, 256, PLAIN>(attention, stream);
}

template <typename T> static cudaError_t run(const SuCudaAttention &attention, cudaStream_t stream)
{
    bool plain = !attention.bias && attention.before == INT32_MAX && attention.after == INT32_MAX;
    return plain ? run<T, true>(attention, stream) : run<T, false>(attention, stream);
}

cudaError_t su_cuda_attention_mma(const SuCudaAttention *attention, cudaStream_t stream)
{
    return attention->type == SU_CUDA_F16 ? run<half>(*attention, stream)
                                          : run<__nv_bfloat16>(*attention, stream);
}
