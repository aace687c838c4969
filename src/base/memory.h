/* memory.h - the one place the engine takes memory from, checked size arithmetic, and arenas.
 *
 * Every allocation of libsutra goes through su_alloc, su_calloc or su_realloc, so that tests can
 * make each of them fail in turn (su_memory_fail_after). */
#ifndef SU_MEMORY_H
#define SU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SU_CACHE_LINE 64u

/* Freed by su_free. NULL on failure or when count * size overflows; a zero size gives a valid
 * pointer. */
void *su_alloc(size_t count, size_t size);
void *su_calloc(size_t count, size_t size);
void *su_realloc(void *memory, size_t count, size_t size);
void su_free(void *memory);
char *su_strdup(const char *text);
char *su_strndup(const char *text, size_t size);

/* Cache-line aligned; freed by su_free_aligned. */
void *su_alloc_aligned(size_t size);
void su_free_aligned(void *memory);

/* Tests: the n-th allocation from now on fails (0: the next one), and all after it if `persistent`.
 * n < 0: none. */
void su_memory_fail_after(int64_t n, bool persistent);
uint64_t su_memory_allocations(
    void); /* since the process started; counted while a failure hook was ever armed */

static inline bool su_mul_overflows(size_t a, size_t b, size_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}
static inline bool su_add_overflows(size_t a, size_t b, size_t *sum)
{
    return __builtin_add_overflow(a, b, sum);
}
static inline size_t su_round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* An arena: one block, carved from the front.
 *
 *   base             used                      size
 *   | tensor | tensor | free                    |
 *
 * Carve with base == NULL to measure: su_arena_carve then only adds up `used`. */
typedef struct SuArena {
    unsigned char *base;
    size_t size, used;
} SuArena;

/* `bytes` of cache-line aligned memory. NULL when measuring or when the arena is too small. */
void *su_arena_carve(SuArena *arena, size_t bytes);

#endif
