/* cuda_mma.cuh - the tensor cores' m16n8k16, what feeds them, and copies that do not wait.
 *
 * Fragments of a warp, lane = 4 g + t:
 *   a  16 x 16  rows g and g + 8, elements 2 t, 2 t + 1 and 8 more
 *   b  16 x 8   element pairs 2 t and 2 t + 8 of row (of the transposed matrix) g
 *   c  16 x 8   rows g and g + 8, columns 2 t, 2 t + 1
 *
 * Tiles in shared memory are rows of chunks of 8 elements; a row's chunks are exchanged (swizzle)
 * so that the eight rows that ldmatrix reads at a time lie in different banks. */
#ifndef SU_CUDA_MMA_CUH
#define SU_CUDA_MMA_CUH

#include "cuda_numbers.cuh"

static __device__ inline uint32_t shared_address(const void *at)
{
    return (uint32_t)__cvta_generic_to_shared(at);
}

/* Of a row of CHUNKS chunks, at least 4: where its chunk lies, in elements. */
template <int CHUNKS> static __device__ inline uint32_t swizzle(uint32_t row, uint32_t chunk)
{
    uint32_t turn = CHUNKS >= 8 ? row & 7 : row >> 1 & 3;
    return (row * CHUNKS + (chunk ^ turn)) * 8;
}

/* 16 bytes, or zeros. */
static __device__ inline void copy_async(uint32_t to, const void *from, bool valid)
{
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}

static __device__ inline void copies_commit() { asm volatile("cp.async.commit_group;"); }

template <int LEFT> static __device__ inline void copies_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

static __device__ inline void load_matrices(uint32_t *to, uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}

static __device__ inline void load_matrices_transposed(uint32_t *to, uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}

static __device__ inline void multiply(half, float *c, const uint32_t *a, const uint32_t *b)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

static __device__ inline void multiply(__nv_bfloat16, float *c, const uint32_t *a,
                                       const uint32_t *b)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* The largest of a row's scores in c, whose columns lie in four lanes, and of `so_far`. half: row g
 * or g + 8. */
template <int COLUMNS>
static __device__ inline float row_maximum(const float (*c)[4], int half, float so_far)
{
#pragma unroll
    for (int j = 0; j < COLUMNS / 8; j++)
        so_far = fmaxf(so_far, fmaxf(c[j][2 * half], c[j][2 * half + 1]));
    so_far = fmaxf(so_far, __shfl_xor_sync(0xffffffffu, so_far, 1));
    return fmaxf(so_far, __shfl_xor_sync(0xffffffffu, so_far, 2));
}

/* Scores to weights 2^(scale score - base); the sum of this lane's. */
template <int COLUMNS>
static __device__ inline float row_weights(float (*c)[4], int half, float scale, float base)
{
    float sum = 0;
#pragma unroll
    for (int j = 0; j < COLUMNS / 8; j++)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
            c[j][e] = exp2_of<false>(fmaf(c[j][e], scale, -base));
            sum += c[j][e];
        }
    return sum;
}

#endif
