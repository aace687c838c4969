#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic bool armed;
static _Atomic bool fail_persistently;
static _Atomic int64_t countdown = -1;
static _Atomic uint64_t allocations;

void su_memory_fail_after(int64_t n, bool persistent)
{
    fail_persistently = persistent;
    countdown = n;
    armed = true;
}

uint64_t su_memory_allocations(void) { return allocations; }

static bool must_fail(void)
{
    if (!armed) return false;
    allocations++;
    if (countdown < 0) return false;
    int64_t left = countdown--;
    if (left > 0) return false;
    if (fail_persistently) countdown = 0;
    return true;
}

void *su_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (su_mul_overflows(count, size, &bytes) || must_fail()) return NULL;
    return malloc(bytes ? bytes : 1);
}

void *su_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (su_mul_overflows(count, size, &bytes) || must_fail()) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *su_realloc(void *memory, size_t count, size_t size)
{
    size_t bytes;
    if (su_mul_overflows(count, size, &bytes) || must_fail()) return NULL;
    return realloc(memory, bytes ? bytes : 1);
}

void su_free(void *memory) { free(memory); }

char *su_strdup(const char *text) { return su_strndup(text, strlen(text)); }

char *su_strndup(const char *text, size_t size)
{
    char *copy = su_alloc(size + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

void *su_alloc_aligned(size_t size)
{
    size_t padded;
    if (su_add_overflows(size, SU_CACHE_LINE - 1, &padded) || must_fail()) return NULL;
    padded = padded / SU_CACHE_LINE * SU_CACHE_LINE;
    return aligned_alloc(SU_CACHE_LINE, padded ? padded : SU_CACHE_LINE);
}

void su_free_aligned(void *memory) { free(memory); }

void *su_arena_carve(SuArena *arena, size_t bytes)
{
    size_t start = arena->used;
    size_t padded = su_round_up(bytes, SU_CACHE_LINE);
    if (padded < bytes || su_add_overflows(start, padded, &arena->used)) {
        arena->used = SIZE_MAX; /* a measuring pass then asks for more than there is */
        return NULL;
    }
    if (!arena->base || arena->used > arena->size) return NULL;
    return arena->base + start;
}
