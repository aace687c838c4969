/* Kernels over rows: embeddings, norms, RoPE, pooling, output, stored weights. */
#include "cuda_numbers.cuh"

/* ---- norms: a warp a row, which it holds in registers, eight elements a lane and step ---- */

enum { ROW_WARPS = 4 };

template <int STEPS>
static __device__ void norm_row(float (*x)[8], uint32_t n, const float *gamma, const float *beta,
                                float eps)
{
    uint32_t lane = threadIdx.x % 32;
    float sum = 0;
#pragma unroll
    for (int s = 0; s < STEPS; s++)
        if ((s * 32 + lane) * 8 < n)
#pragma unroll
            for (int i = 0; i < 8; i++) sum += x[s][i];
    float mean = sum_of_warp(sum) / (float)n, squares = 0;
#pragma unroll
    for (int s = 0; s < STEPS; s++)
        if ((s * 32 + lane) * 8 < n)
#pragma unroll
            for (int i = 0; i < 8; i++) squares = fmaf(x[s][i] - mean, x[s][i] - mean, squares);
    float rstd = 1.0f / sqrtf(sum_of_warp(squares) / (float)n + eps);
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        uint32_t at = (s * 32 + lane) * 8;
        if (at >= n) continue;
        float weight[8], shift[8] = {0};
        load8(gamma + at, weight);
        if (beta) load8(beta + at, shift);
#pragma unroll
        for (int i = 0; i < 8; i++) x[s][i] = fmaf((x[s][i] - mean) * rstd, weight[i], shift[i]);
    }
}

template <typename T, int STEPS> static __global__ void norm_kernel(SuCudaNorm norm)
{
    uint32_t row = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32, n = norm.n;
    after_previous();
    if (row >= norm.rows) return;
    const T *from = (const T *)norm.x + (size_t)row * n;
    T *to = (T *)norm.y + (size_t)row * n;
    float x[STEPS][8];
#pragma unroll
    for (int s = 0; s < STEPS; s++)
        if ((s * 32 + lane) * 8 < n) load8(from + (s * 32 + lane) * 8, x[s]);
    norm_row<STEPS>(x, n, norm.gamma, norm.beta, norm.eps);
#pragma unroll
    for (int s = 0; s < STEPS; s++)
        if ((s * 32 + lane) * 8 < n) store8(to + (s * 32 + lane) * 8, x[s]);
}

template <typename T>
static __device__ void add_table(const void *table, uint32_t row, uint32_t n, uint32_t at, float *x)
{
    if (!table) return;
    float element[8];
    load8((const T *)table + (size_t)row * n + at, element);
#pragma unroll
    for (int i = 0; i < 8; i++) x[i] += element[i];
}

template <typename T, int STEPS> static __global__ void embed_kernel(SuCudaEmbed embed)
{
    uint32_t token = blockIdx.x * ROW_WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
    uint32_t n = embed.n;
    after_previous();
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < embed.words / 4;
         i += gridDim.x * blockDim.x)
        ((uint4 *)embed.words_to)[i] = ((const uint4 *)embed.words_from)[i];
    if (token >= embed.tokens) return;
    uint32_t id = embed.token_ids[token], position = embed.positions[token];
    uint32_t type = embed.type_ids[token];
    float x[STEPS][8];
#pragma unroll
    for (int s = 0; s < STEPS; s++) {
        uint32_t at = (s * 32 + lane) * 8;
        if (at >= n) continue;
        load8((const T *)embed.token + (size_t)id * n + at, x[s]);
        add_table<T>(embed.type_table, type, n, at, x[s]);
        add_table<T>(embed.position, position, n, at, x[s]);
    }
    norm_row<STEPS>(x, n, embed.gamma, embed.beta, embed.eps);
    T *to = (T *)embed.x + (size_t)token * n;
#pragma unroll
    for (int s = 0; s < STEPS; s++)
        if ((s * 32 + lane) * 8 < n) store8(to + (s * 32 + lane) * 8, x[s]);
}

/* The kernel of the fewest steps that hold a row of n. */
#define LAUNCH_ROWS(KERNEL, T, ARGS, ROWS)                                                        \
    do {                                                                                          \
        dim3 grid(((ROWS) + ROW_WARPS - 1) / ROW_WARPS);                                          \
        constexpr uint32_t threads = 32 * ROW_WARPS;                                              \
        if ((ARGS).n <= 512) return launch_kernel<KERNEL<T, 2>>(grid, threads, 0, stream, ARGS);  \
        if ((ARGS).n <= 1024) return launch_kernel<KERNEL<T, 4>>(grid, threads, 0, stream, ARGS); \
        if ((ARGS).n <= 2048) return launch_kernel<KERNEL<T, 8>>(grid, threads, 0, stream, ARGS); \
        constexpr int most = SU_CUDA_MAX_HIDDEN / 256;                                            \
        return launch_kernel<KERNEL<T, most>>(grid, threads, 0, stream, ARGS);                    \
    } while (0)

#define OF_TYPE(TYPE, CALL)                  \
    do {                                     \
        if ((TYPE) == SU_CUDA_F16) {         \
            using T = half;                  \
            CALL;                            \
        } else if ((TYPE) == SU_CUDA_BF16) { \
            using T = __nv_bfloat16;         \
            CALL;                            \
        } else {                             \
            using T = float;                 \
            CALL;                            \
        }                                    \
    } while (0)

cudaError_t su_cuda_norm(const SuCudaNorm *norm, cudaStream_t stream)
{
    OF_TYPE(norm->type, LAUNCH_ROWS(norm_kernel, T, *norm, norm->rows));
}

cudaError_t su_cuda_embed(const SuCudaEmbed *embed, cudaStream_t stream)
{
    OF_TYPE(embed->type, LAUNCH_ROWS(embed_kernel, T, *embed, embed->tokens));
}

/* ---- RoPE: a thread a pair of elements ---- */

enum { ELEMENT_THREADS = 256 };

template <typename T>
static __global__ void rotate_kernel(T *qkv, const float *turns, const uint32_t *positions,
                                     uint32_t tokens, uint32_t num_heads, uint32_t head_size)
{
    uint32_t half = head_size / 2, pairs = 2 * num_heads * half; /* of a token: q, then k */
    uint64_t i = (uint64_t)blockIdx.x * ELEMENT_THREADS + threadIdx.x;
    uint32_t token = (uint32_t)(i / pairs), pair = (uint32_t)(i % pairs);
    after_previous();
    if (token >= tokens) return;
    uint32_t head = pair / half, element = pair % half;
    T *x = qkv + (size_t)token * 3 * num_heads * head_size + (size_t)head * head_size + element;
    const float *turn = turns + (size_t)positions[token] * head_size + element;
    float first = to_float(x[0]), second = to_float(x[half]);
    float cosine = turn[0], sine = turn[half];
    set(x, fmaf(first, cosine, -(second * sine)));
    set(x + half, fmaf(second, cosine, first * sine));
}

cudaError_t su_cuda_rotate(SuCudaType type, void *qkv, const float *turns,
                           const uint32_t *positions, uint32_t tokens, uint32_t num_heads,
                           uint32_t head_size, cudaStream_t stream)
{
    uint64_t pairs = (uint64_t)tokens * num_heads * head_size;
    uint32_t blocks = (uint32_t)((pairs + ELEMENT_THREADS - 1) / ELEMENT_THREADS);
    OF_TYPE(type,
            return launch_kernel<rotate_kernel<T>>(blocks, ELEMENT_THREADS, 0, stream, (T *)qkv,
                                                   turns, positions, tokens, num_heads, head_size));
}

/* ---- pooling: a block a text and some elements, a thread an element, tokens in order ---- */

enum { POOL_THREADS = 128 };

template <typename T>
static __device__ float pooled_element(const SuCudaPool &pool, uint32_t seq, uint32_t i)
{
    uint32_t n = pool.n, begin = pool.cu_seqlens[seq], tokens = pool.cu_seqlens[seq + 1] - begin;
    uint32_t first = pool.skipped[seq];
    const T *x = (const T *)pool.x + (size_t)begin * n + i;
    float result = 0, weights = 0;
    switch (pool.pooling) {
    case SUTRA_POOL_MEAN:
    case SUTRA_POOL_MEAN_SQRT:
        for (uint32_t t = first; t < tokens; t++) result += to_float(x[(size_t)t * n]);
        weights = (float)(tokens - first);
        return result / (pool.pooling == SUTRA_POOL_MEAN ? weights : sqrtf(weights));
    case SUTRA_POOL_WEIGHTED_MEAN:
        for (uint32_t t = first; t < tokens; t++)
            result = fmaf((float)(t + 1), to_float(x[(size_t)t * n]), result);
        weights = (float)(0.5 * ((double)tokens * (tokens + 1.0) - (double)first * (first + 1.0)));
        return result / weights;
    case SUTRA_POOL_MAX:
        result = to_float(x[(size_t)first * n]);
        for (uint32_t t = first + 1; t < tokens; t++) {
            float other = to_float(x[(size_t)t * n]);
            if (!(result >= other) && !isnan(result)) result = other;
        }
        return result;
    case SUTRA_POOL_LAST:
        return to_float(x[(size_t)(tokens - 1) * n]);
    default:
        return to_float(x[(size_t)first * n]);
    }
}

template <typename T> static __global__ void pool_kernel(SuCudaPool pool)
{
    uint32_t seq = blockIdx.x, i = blockIdx.y * POOL_THREADS + threadIdx.x;
    after_previous();
    if (i < pool.n) pool.pooled[(size_t)seq * pool.n + i] = pooled_element<T>(pool, seq, i);
}

cudaError_t su_cuda_pool(const SuCudaPool *pool, cudaStream_t stream)
{
    dim3 grid(pool->seqs, (pool->n + POOL_THREADS - 1) / POOL_THREADS);
    OF_TYPE(pool->type, return launch_kernel<pool_kernel<T>>(grid, POOL_THREADS, 0, stream, *pool));
}

/* ---- output: a block a row, of which OUTPUT_THREADS work; others only wait ---- */

enum { OUTPUT_THREADS = 128 };

/* A thread's first element; of one that does not work, behind all. */
static __device__ inline uint32_t first_element()
{
    return threadIdx.x < OUTPUT_THREADS ? threadIdx.x : UINT32_MAX / 2;
}

/* Of the block, in one order. */
static __device__ float sum_of_block(float x, float *shared)
{
    x = sum_of_warp(x);
    if (threadIdx.x % 32 == 0 && threadIdx.x < OUTPUT_THREADS) shared[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0;
    for (int i = 0; i < OUTPUT_THREADS / 32; i++) sum += shared[i];
    return sum;
}

/* Text of a token. */
static __device__ uint32_t text_of(const uint32_t *cu_seqlens, uint32_t seqs, uint32_t token)
{
    uint32_t low = 0, high = seqs;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (cu_seqlens[middle] <= token)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static __device__ uint8_t code_of(const SuCudaOutput *output, uint32_t i, float x)
{
    unsigned code;
    if (output->ranges) {
        float q = floorf((x - output->ranges[i]) / output->ranges[output->dim + i]);
        code = q > 255.0f ? 255 : q > 0.0f ? (unsigned)q : 0;
    } else {
        float q = rintf(127.0f * x);
        code = (unsigned)((q > 127.0f ? 127 : q < -127.0f ? -127 : (int)q) + 128);
    }
    return (uint8_t)(output->dtype == SUTRA_I8 ? code ^ 0x80 : code);
}

template <typename T>
static __device__ void write_row(const SuCudaOutput *output, const T *x, float scale, void *row)
{
    uint32_t dim = output->dim;
    bool bits = output->dtype == SUTRA_BINARY || output->dtype == SUTRA_UBINARY;
    for (uint32_t i = first_element(); !bits && i < dim; i += OUTPUT_THREADS) {
        float value = to_float(x[i]) * scale;
        if (output->dtype == SUTRA_F32)
            ((float *)row)[i] = value;
        else if (output->dtype == SUTRA_F16)
            ((half *)row)[i] = __float2half_rn(value);
        else
            ((uint8_t *)row)[i] = code_of(output, i, value);
    }
    for (uint32_t i = first_element(); bits && i < (dim + 7) / 8; i += OUTPUT_THREADS) {
        unsigned byte = 0;
        for (uint32_t e = 8 * i; e < 8 * i + 8 && e < dim; e++)
            if (to_float(x[e]) * scale > 0) byte |= 0x80u >> (e - 8 * i);
        ((uint8_t *)row)[i] = (uint8_t)(output->dtype == SUTRA_BINARY ? byte ^ 0x80 : byte);
    }
}

template <typename T>
static __device__ void put_row(const SuCudaOutput &output, const T *x, size_t row_bytes)
{
    __shared__ float sums[OUTPUT_THREADS / 32];
    __shared__ int lost;
    uint32_t row = blockIdx.x, dim = output.dim;
    uint8_t *out = (uint8_t *)output.out + row * row_bytes;
    if (threadIdx.x == 0) lost = 0;
    float scale = 1.0f, length = 0;
    if (output.normalize) {
        uint32_t whole = output.normalize == SUTRA_BATCH_NORMALIZE_WHOLE ? output.n : dim;
        float squares = 0;
        for (uint32_t i = first_element(); i < whole; i += OUTPUT_THREADS)
            squares = fmaf(to_float(x[i]), to_float(x[i]), squares);
        length = sqrtf(sum_of_block(squares, sums));
        scale = 1.0f / (length > 1e-12f ? length : 1e-12f);
    }
    __syncthreads();
    bool finite = isfinite(length);
    for (uint32_t i = first_element(); i < dim; i += OUTPUT_THREADS)
        finite = finite && isfinite(to_float(x[i]) * scale);
    if (!finite) lost = 1;
    __syncthreads();
    if (!lost) {
        write_row(&output, x, scale, out);
    } else {
        for (size_t i = first_element(); i < row_bytes; i += OUTPUT_THREADS) out[i] = 0;
        if (threadIdx.x == 0) {
            uint32_t text = output.cu_seqlens ? text_of(output.cu_seqlens, output.seqs, row) : row;
            output.numeric_error[text] = 1;
        }
    }
    if (!output.done) return;
    __threadfence_system();
    __syncthreads();
    if (threadIdx.x == 0) *(volatile uint32_t *)output.done = 1;
}

template <typename T> static __global__ void output_kernel(SuCudaOutput output, size_t row_bytes)
{
    after_previous();
    put_row(output, (const T *)output.x + (size_t)blockIdx.x * output.n, row_bytes);
}

/* A thread an element in pooling. */
template <typename T>
static __global__ void pool_output_kernel(SuCudaPool pool, SuCudaOutput output, size_t row_bytes)
{
    extern __shared__ float pooled[]; /* [n] */
    after_previous();
    for (uint32_t i = threadIdx.x; i < pool.n; i += blockDim.x)
        pooled[i] = pooled_element<T>(pool, blockIdx.x, i);
    __syncthreads();
    put_row(output, (const float *)pooled, row_bytes);
}

cudaError_t su_cuda_output(const SuCudaOutput *output, cudaStream_t stream)
{
    size_t row_bytes = su_cuda_row_bytes((SutraDtype)output->dtype, output->dim);
    OF_TYPE(output->type, return launch_kernel<output_kernel<T>>(output->rows, OUTPUT_THREADS, 0,
                                                                 stream, *output, row_bytes));
}

cudaError_t su_cuda_pool_output(const SuCudaPool *pool, const SuCudaOutput *output,
                                cudaStream_t stream)
{
    size_t row_bytes = su_cuda_row_bytes((SutraDtype)output->dtype, output->dim);
    size_t shared = pool->n * sizeof(float);
    uint32_t threads = pool->n <= 512 ? 512 : 1024;
    OF_TYPE(pool->type, return launch_kernel<pool_output_kernel<T>>(
                            pool->seqs, threads, shared, stream, *pool, *output, row_bytes));
}

/* ---- stored weights ---- */

static __device__ float stored(const SuCudaConvert *convert, uint64_t i)
{
    if (convert->from_type == SUTRA_TENSOR_F32) return ((const float *)convert->from)[i];
    if (convert->from_type == SUTRA_TENSOR_F16) return to_float(((const half *)convert->from)[i]);
    return to_float(((const __nv_bfloat16 *)convert->from)[i]);
}

template <typename T> static __global__ void convert_kernel(SuCudaConvert convert)
{
    uint64_t i = (uint64_t)blockIdx.x * ELEMENT_THREADS + threadIdx.x;
    if (i >= convert.rows * convert.columns) return;
    uint64_t row = convert.first + i / convert.columns * convert.step;
    float x = stored(&convert, i);
    T *to = (T *)convert.to + row * convert.columns + i % convert.columns;
    set(to, x);
    if (isfinite(x) && !isfinite(to_float(*to))) *convert.overflowed = 1;
}

cudaError_t su_cuda_convert(const SuCudaConvert *convert, cudaStream_t stream)
{
    uint64_t count = convert->rows * convert->columns;
    uint32_t blocks = (uint32_t)((count + ELEMENT_THREADS - 1) / ELEMENT_THREADS);
    OF_TYPE(convert->type, (convert_kernel<T><<<blocks, ELEMENT_THREADS, 0, stream>>>(*convert)));
    return cudaGetLastError();
}
