/* cuda_wgmma.cuh - Hopper's warpgroup products: four warps multiply 64 rows by N features, 16
 * elements of k at a time, both tiles being read from shared memory while the warps go on.
 *
 * c of a warp, rows 16 w … of its group's 64, is laid out as mma's: [N / 8][4]. */
#ifndef SU_CUDA_WGMMA_CUH
#define SU_CUDA_WGMMA_CUH

#include "cuda_mma.cuh"

/* A tile of rows of 128 bytes in the 128-byte swizzle, aligned to 1024: address / 16, groups of
 * eight rows 1024 bytes apart. k steps of 16 elements are 2 further. */
static __device__ inline uint64_t tile_descriptor(const void *tile)
{
    return (uint64_t)(shared_address(tile) >> 4) | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 |
           (uint64_t)1 << 62;
}

static __device__ inline void products_begin()
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

static __device__ inline void products_commit()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

template <int LEFT> static __device__ inline void products_wait()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}

/* What this thread wrote, copies that have arrived among it, is there for wgmma to read. */
static __device__ inline void written_for_products()
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* The operands of c, and how a product names them: registers %0 … of N / 8 blocks. */
#define WGMMA_SUMS_1(I) "+f"(c[I][0]), "+f"(c[I][1]), "+f"(c[I][2]), "+f"(c[I][3])
#define WGMMA_SUMS_2(I) WGMMA_SUMS_1(I), WGMMA_SUMS_1(I + 1)
#define WGMMA_SUMS_4(I) WGMMA_SUMS_2(I), WGMMA_SUMS_2(I + 2)
#define WGMMA_SUMS_8(I) WGMMA_SUMS_4(I), WGMMA_SUMS_4(I + 4)
#define WGMMA_SUMS_16(I) WGMMA_SUMS_8(I), WGMMA_SUMS_8(I + 8)
#define WGMMA_NAMES_16 "%0, %1, %2, %3, %4, %5, %6, %7"
#define WGMMA_NAMES_32 \
    WGMMA_NAMES_16     \
    ", %8, %9, %10, %11, %12, %13, %14, %15"
#define WGMMA_NAMES_64 \
    WGMMA_NAMES_32     \
    ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WGMMA_NAMES_128                                                                \
    WGMMA_NAMES_64                                                                     \
    ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
    ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA_NAMES_192                                                                \
    WGMMA_NAMES_128                                                                    \
    ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79" \
    ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define WGMMA_NAMES_256                                                                            \
    WGMMA_NAMES_192                                                                                \
    ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
    ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, " \
    "%127"

template <int N> struct Width {
};

/* A, B: the descriptors' names, which come after those of c. */
#define WGMMA_PRODUCT(T, TYPE, N, A, B, ...)                                                       \
    static __device__ inline void multiply_wide(T, Width<N>, float(*c)[4], uint64_t a, uint64_t b) \
    {                                                                                              \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE               \
                     " {" WGMMA_NAMES_##N "}, " A ", " B ", 1, 1, 1, 0, 0;"                        \
                     : __VA_ARGS__                                                                 \
                     : "l"(a), "l"(b));                                                            \
    }
#define WGMMA_PRODUCTS(N, A, B, ...)                 \
    WGMMA_PRODUCT(half, "f16", N, A, B, __VA_ARGS__) \
    WGMMA_PRODUCT(__nv_bfloat16, "bf16", N, A, B, __VA_ARGS__)

WGMMA_PRODUCTS(16, "%8", "%9", WGMMA_SUMS_2(0))
WGMMA_PRODUCTS(32, "%16", "%17", WGMMA_SUMS_4(0))
WGMMA_PRODUCTS(64, "%32", "%33", WGMMA_SUMS_8(0))
WGMMA_PRODUCTS(128, "%64", "%65", WGMMA_SUMS_16(0))
WGMMA_PRODUCTS(192, "%96", "%97", WGMMA_SUMS_16(0), WGMMA_SUMS_8(16))
WGMMA_PRODUCTS(256, "%128", "%129", WGMMA_SUMS_16(0), WGMMA_SUMS_16(16))

/* N: one of the widths above. */
template <typename T, int N>
static __device__ inline void multiply_group(float (*c)[4], uint64_t a, uint64_t b)
{
    multiply_wide(T(), Width<N>(), c, a, b);
}

#endif
