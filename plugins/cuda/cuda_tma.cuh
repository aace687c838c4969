/* cuda_tma.cuh - Hopper's tensor copies between device and shared memory, and the barriers that
 * count them. */
#ifndef SU_CUDA_TMA_CUH
#define SU_CUDA_TMA_CUH

#include "cuda_mma.cuh"

#include <cuda.h>

static __device__ inline void barrier_init(uint64_t *barrier, uint32_t arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
                 "r"(arrivals)
                 : "memory");
}

/* One arrival, and so many bytes that copies are to bring. */
static __device__ inline void barrier_expect(uint64_t *barrier, uint32_t bytes)
{
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
        "r"(bytes)
        : "memory");
}

static __device__ inline void barrier_arrive(uint64_t *barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                 : "memory");
}

/* Until the phase of this parity is over. */
static __device__ inline void barrier_wait(uint64_t *barrier, uint32_t parity)
{
    asm volatile("{\n"
                 ".reg .pred done;\n"
                 "again:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@done bra over;\n"
                 "bra again;\n"
                 "over:\n"
                 "}" ::"r"(shared_address(barrier)),
                 "r"(parity)
                 : "memory");
}

/* A box of a tensor, its first element at (column, row), to shared memory. */
static __device__ inline void copy_box(void *to, const CUtensorMap *map, uint32_t column,
                                       uint32_t row, uint64_t *barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
                 "l"(map), "r"(column), "r"(row), "r"(shared_address(barrier))
                 : "memory");
}

static __device__ inline void store_box(const void *from, const CUtensorMap *map, uint32_t column,
                                        uint32_t row)
{
    asm volatile(
        "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(map),
        "r"(column), "r"(row), "r"(shared_address(from))
        : "memory");
}

static __device__ inline void stores_commit()
{
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/* Until shared memory has been read by all stores of this thread. */
static __device__ inline void stores_wait()
{
    asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
}

#endif
