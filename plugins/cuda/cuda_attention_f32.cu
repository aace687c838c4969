/* Attention in fp32, without tensor cores: a block a tile of 16 queries of one text and head, a
 * warp 4 of them; tiles of 32 keys, a lane a key for the scores and some elements for the sums. */
#include "cuda_numbers.cuh"

enum { QUERIES = 16, KEYS = 32, WARPS = 4, EACH = QUERIES / WARPS, PARTS = SU_CUDA_MAX_HEAD / 32 };

static __device__ float max_of_warp(float x)
{
#pragma unroll
    for (int lane = 16; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
    return x;
}

static __device__ void copy_rows(float *to, const float *from, size_t stride, int first, int rows,
                                 int length, uint32_t head_size, uint32_t pitch)
{
    for (uint32_t i = threadIdx.x; i < rows * head_size; i += 32 * WARPS) {
        uint32_t row = i / head_size, element = i % head_size;
        bool valid = first + (int)row < length;
        to[row * pitch + element] = valid ? from[(size_t)(first + row) * stride + element] : 0.0f;
    }
}

static __global__ __launch_bounds__(32 * WARPS) void attention_kernel(
    const __grid_constant__ SuCudaAttention attention)
{
    extern __shared__ float shared[];
    after_previous();
    uint2 tile = attention.tiles[blockIdx.x];
    uint32_t head = blockIdx.y, size = attention.head_size, pitch = size + 1;
    uint32_t begin = attention.cu_seqlens[tile.x], width = attention.num_heads * size;
    int length = (int)(attention.cu_seqlens[tile.x + 1] - begin), first = (int)tile.y;
    size_t stride = 3 * (size_t)width;
    const float *q = (const float *)attention.qkv + begin * stride + head * size;
    const float *k = q + width, *v = k + width;
    float *q_tile = shared, *k_tile = q_tile + QUERIES * pitch, *v_tile = k_tile + KEYS * pitch;
    int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    int last = min(first + QUERIES, length) - 1;
    int begin_key = first > attention.before ? (first - attention.before) / KEYS * KEYS : 0;
    int end_key = length - 1 - last > attention.after ? last + attention.after + 1 : length;
    float scale = SU_LOG2_E / sqrtf((float)size);
    const float *bias =
        attention.bias ? attention.bias + (size_t)head * attention.bias_row + attention.bias_row / 2
                       : NULL;
    float maximum[EACH], sum[EACH], o[EACH][PARTS] = {};
    for (int i = 0; i < EACH; i++) maximum[i] = -INFINITY, sum[i] = 0;
    copy_rows(q_tile, q, stride, first, QUERIES, length, size, pitch);
    for (int key = begin_key; key < end_key; key += KEYS) {
        __syncthreads();
        copy_rows(k_tile, k, stride, key, KEYS, length, size, pitch);
        copy_rows(v_tile, v, stride, key, KEYS, length, size, pitch);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int row = warp * EACH + i, query = first + row, at = key + lane;
            bool seen = at < length && query < length && query - at <= attention.before &&
                        at - query <= attention.after;
            float s = 0;
            for (uint32_t e = 0; e < size; e++)
                s = fmaf(q_tile[row * pitch + e], k_tile[lane * pitch + e], s);
            s *= scale;
            if (bias && seen) s += bias[query - at];
            if (!seen) s = -INFINITY;
            float most = fmaxf(maximum[i], max_of_warp(s)), base = most == -INFINITY ? 0.0f : most;
            float shrink = exp2_of<true>(maximum[i] - base), p = exp2_of<true>(s - base);
            maximum[i] = most;
            sum[i] = fmaf(sum[i], shrink, sum_of_warp(p));
#pragma unroll
            for (int d = 0; d < PARTS; d++) {
                if (d * 32 >= (int)size) break;
                float chain = o[i][d] * shrink;
                int element = d * 32 + lane < (int)size ? d * 32 + lane : 0;
                for (int j = 0; j < KEYS; j++)
                    chain =
                        fmaf(__shfl_sync(0xffffffffu, p, j), v_tile[j * pitch + element], chain);
                o[i][d] = chain;
            }
        }
    }
    float *out = (float *)attention.out + (size_t)begin * width + head * size;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int query = first + warp * EACH + i;
        float inverse = 1.0f / sum[i];
#pragma unroll
        for (int d = 0; d < PARTS; d++)
            if (query < length && d * 32 + lane < (int)size)
                out[(size_t)query * width + d * 32 + lane] = o[i][d] * inverse;
    }
}

cudaError_t su_cuda_attention_f32(const SuCudaAttention *attention, cudaStream_t stream)
{
    size_t bytes = (QUERIES + 2 * KEYS) * ((size_t)attention->head_size + 1) * sizeof(float);
    dim3 grid(attention->num_tiles, attention->num_heads);
    return launch_kernel<attention_kernel>(grid, 32 * WARPS, bytes, stream, *attention);
}

uint32_t su_cuda_attention_rows(SuCudaType type) { return type == SU_CUDA_F32 ? QUERIES : 64; }

cudaError_t su_cuda_attention(const SuCudaAttention *attention, cudaStream_t stream)
{
    if (attention->type == SU_CUDA_F32) return su_cuda_attention_f32(attention, stream);
    if (!su_cuda_attention_takes_short(attention)) return su_cuda_attention_mma(attention, stream);
    SuCudaAttention part = *attention;
    cudaError_t status = cudaSuccess;
    part.num_tiles = part.num_long;
    if (part.num_tiles > 0) status = su_cuda_attention_mma(&part, stream);
    if (status == cudaSuccess && attention->num_long < attention->num_tiles)
        status = su_cuda_attention_short(attention, stream);
    return status;
}
