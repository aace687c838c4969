/* Attention of half and bfloat16 heads within texts of at most SU_CUDA_SHORT_TOKENS tokens, without
 * bias or window: a warp a text and head, which waits for no other. All keys are there at once, so
 * that there is one pass and no running maximum; queries go by sixteens. Scores and sums are fp32.
 *
 *   q | k | v [SU_CUDA_SHORT_TOKENS, HEAD] a warp, chunks swizzled; the result in the place of q */
#include "cuda_mma.cuh"

enum { WARPS = 4, MOST = SU_CUDA_SHORT_TOKENS };

template <int HEAD> struct Shape {
    static constexpr int chunks = HEAD / 8, tile = MOST * HEAD;
    static constexpr size_t bytes = 2 * WARPS * 3 * tile;
};

/* Rows of q, k and v to their tiles, zeros from the text's end to the next sixteenth row. */
template <typename T, int HEAD>
static __device__ void copy_rows(T *tiles, const T *from, uint32_t width, uint32_t length,
                                 uint32_t rows)
{
    using S = Shape<HEAD>;
    for (uint32_t i = threadIdx.x % 32; i < rows * S::chunks; i += 32) {
        uint32_t row = i / S::chunks, chunk = i % S::chunks;
        bool valid = row < length;
        const T *at = valid ? from + (size_t)row * 3 * width + chunk * 8 : from;
        uint32_t to = shared_address(tiles + swizzle<S::chunks>(row, chunk));
#pragma unroll
        for (int part = 0; part < 3; part++)
            copy_async(to + 2 * part * S::tile, at + part * width, valid);
    }
    copies_commit();
    copies_wait<0>();
    __syncwarp();
}

/* Scores to weights 2^(scale (score - maximum)); inverse [2] of their sums, of rows g and g + 8. */
static __device__ void weigh(float (*s)[4], uint32_t length, float scale, float *inverse)
{
    uint32_t t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
        for (int j = 0; j < MOST / 8; j++)
#pragma unroll
            for (int e = 2 * half; e < 2 * half + 2; e++)
                if (j * 8 + 2 * t + e % 2 >= length) s[j][e] = -INFINITY;
        float maximum = row_maximum<MOST>(s, half, -INFINITY);
        float base = maximum == -INFINITY ? 0.0f : maximum * scale;
        float sum = row_weights<MOST>(s, half, scale, base);
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        inverse[half] = 1.0f / sum;
    }
}

/* Queries first … first + 15, whose place the result takes. */
template <typename T, int HEAD>
static __device__ void attend(T *q, const T *k, const T *v, uint32_t first, uint32_t length,
                              uint32_t rows, float scale)
{
    using S = Shape<HEAD>;
    uint32_t lane = threadIdx.x % 32;
    float s[MOST / 8][4] = {}, o[HEAD / 8][4] = {}, inverse[2];
#pragma unroll
    for (int d = 0; d < HEAD / 16; d++) {
        uint32_t a[4], b[4];
        load_matrices(a,
                      shared_address(q + swizzle<S::chunks>(first + lane % 16, 2 * d + lane / 16)));
#pragma unroll
        for (int j = 0; j < MOST / 16; j++) {
            if (j * 16 >= rows) continue;
            load_matrices(b,
                          shared_address(k + swizzle<S::chunks>(j * 16 + lane % 8 + lane / 16 * 8,
                                                                2 * d + lane / 8 % 2)));
            multiply(T(), s[2 * j], a, b);
            multiply(T(), s[2 * j + 1], a, b + 2);
        }
    }
    weigh(s, length, scale, inverse);
#pragma unroll
    for (int j = 0; j < MOST / 16; j++) {
        if (j * 16 >= rows) continue;
        uint32_t a[4] = {pack(T(), s[2 * j][0], s[2 * j][1]), pack(T(), s[2 * j][2], s[2 * j][3]),
                         pack(T(), s[2 * j + 1][0], s[2 * j + 1][1]),
                         pack(T(), s[2 * j + 1][2], s[2 * j + 1][3])};
#pragma unroll
        for (int d = 0; d < HEAD / 16; d++) {
            uint32_t b[4];
            load_matrices_transposed(
                b, shared_address(v + swizzle<S::chunks>(j * 16 + lane % 16, 2 * d + lane / 16)));
            multiply(T(), o[2 * d], a, b);
            multiply(T(), o[2 * d + 1], a, b + 2);
        }
    }
    __syncwarp(); /* all have read the queries */
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
        for (int d = 0; d < HEAD / 8; d++)
            *reinterpret_cast<uint32_t *>(q + swizzle<S::chunks>(first + half * 8 + lane / 4, d) +
                                          2 * (lane % 4)) =
                pack(T(), o[d][2 * half] * inverse[half], o[d][2 * half + 1] * inverse[half]);
}

template <typename T, int HEAD>
static __global__
    __launch_bounds__(32 *
                      WARPS) void short_kernel(const __grid_constant__ SuCudaAttention attention)
{
    using S = Shape<HEAD>;
    extern __shared__ __align__(128) unsigned char memory[];
    uint32_t warp = threadIdx.x / 32, head = blockIdx.y * WARPS + warp;
    T *q = reinterpret_cast<T *>(memory) + warp * 3 * S::tile, *k = q + S::tile, *v = k + S::tile;
    after_previous();
    if (head >= attention.num_heads) return;
    uint32_t text = attention.tiles[attention.num_long + blockIdx.x].x;
    uint32_t begin = attention.cu_seqlens[text], length = attention.cu_seqlens[text + 1] - begin;
    uint32_t rows = (length + 15) / 16 * 16, width = attention.num_heads * HEAD;
    copy_rows<T, HEAD>(q, (const T *)attention.qkv + (size_t)begin * 3 * width + head * HEAD, width,
                       length, rows);
    float scale = SU_LOG2_E / sqrtf((float)HEAD);
    for (uint32_t first = 0; first < rows; first += 16)
        attend<T, HEAD>(q, k, v, first, length, rows, scale);
    __syncwarp();
    T *out = (T *)attention.out + (size_t)begin * width + head * HEAD;
    for (uint32_t i = threadIdx.x % 32; i < length * S::chunks; i += 32) {
        uint32_t row = i / S::chunks, chunk = i % S::chunks;
        *reinterpret_cast<uint4 *>(out + (size_t)row * width + chunk * 8) =
            *reinterpret_cast<const uint4 *>(q + swizzle<S::chunks>(row, chunk));
    }
}

template <typename T, int HEAD>
static cudaError_t launch_texts(const SuCudaAttention &attention, cudaStream_t stream)
{
    dim3 grid(attention.num_tiles - attention.num_long, (attention.num_heads + WARPS - 1) / WARPS);
    return launch_kernel<short_kernel<T, HEAD>>(grid, 32 * WARPS, Shape<HEAD>::bytes, stream,
                                                attention);
}

template <typename T> static cudaError_t run(const SuCudaAttention &attention, cudaStream_t stream)
{
    if (attention.head_size == 32) return launch_texts<T, 32>(attention, stream);
    if (attention.head_size == 64) return launch_texts<T, 64>(attention, stream);
    return launch_texts<T, 128>(attention, stream);
}

bool su_cuda_attention_takes_short(const SuCudaAttention *attention)
{
    bool plain =
        !attention->bias && attention->before == INT32_MAX && attention->after == INT32_MAX;
    uint32_t size = attention->head_size;
    return attention->type != SU_CUDA_F32 && plain && (size == 32 || size == 64 || size == 128);
}

cudaError_t su_cuda_attention_short(const SuCudaAttention *attention, cudaStream_t stream)
{
    return attention->type == SU_CUDA_F16 ? run<half>(*attention, stream)
                                          : run<__nv_bfloat16>(*attention, stream);
}
