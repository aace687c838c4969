#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int disarm(void **state)
{
    (void)state;
    su_memory_fail_after(-1, false);
    return 0;
}

static void overflowing_products_fail(void **state)
{
    (void)state;
    assert_null(su_alloc(SIZE_MAX / 2, 3));
    assert_null(su_calloc(SIZE_MAX / 2, 3));
    void *block = su_alloc(4, 4);
    assert_null(su_realloc(block, SIZE_MAX / 8, 9));
    su_free(block); /* still ours */
    assert_null(su_alloc_aligned(SIZE_MAX));
    assert_null(su_alloc_aligned(SIZE_MAX - SU_CACHE_LINE + 2));
}

static void zero_sizes_give_valid_pointers(void **state)
{
    (void)state;
    void *blocks[] = {su_alloc(0, 8), su_calloc(0, 8), su_calloc(8, 0), su_realloc(NULL, 0, 8)};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        assert_non_null(blocks[i]);
        su_free(blocks[i]);
    }
    void *aligned = su_alloc_aligned(0);
    assert_non_null(aligned);
    su_free_aligned(aligned);
    su_free(NULL);
    su_free_aligned(NULL);
}

static void calloc_zeroes_and_realloc_keeps(void **state)
{
    (void)state;
    unsigned char *block = su_calloc(100, 10);
    for (int i = 0; i < 1000; i++) assert_int_equal(block[i], 0);
    memset(block, 0x5a, 1000);
    block = su_realloc(block, 2000, 10);
    for (int i = 0; i < 1000; i++) assert_int_equal(block[i], 0x5a);
    su_free(block);
}

static void strings_are_copied(void **state)
{
    (void)state;
    char text[] = "one\0two";
    char *whole = su_strdup(text), *part = su_strndup(text, 7), *none = su_strndup("", 0);
    text[0] = 'X';
    assert_string_equal(whole, "one");
    assert_memory_equal(part, "one\0two", 8);
    assert_string_equal(none, "");
    su_free(whole);
    su_free(part);
    su_free(none);
}

static void aligned_blocks_are_aligned(void **state)
{
    (void)state;
    for (size_t size = 1; size < 5000; size = size * 3 + 1) {
        unsigned char *block = su_alloc_aligned(size);
        assert_int_equal((uintptr_t)block % SU_CACHE_LINE, 0);
        memset(block, 1, size);
        su_free_aligned(block);
    }
}

static void the_chosen_allocation_fails(void **state)
{
    (void)state;
    su_memory_fail_after(2, false);
    void *first = su_alloc(1, 1), *second = su_calloc(1, 1), *third = su_strdup("x"),
         *fourth = su_alloc_aligned(1);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(third);
    assert_non_null(fourth);
    su_free(first);
    su_free(second);
    su_free_aligned(fourth);
}

static void a_persistent_failure_lasts(void **state)
{
    (void)state;
    su_memory_fail_after(0, true);
    assert_null(su_alloc(1, 1));
    assert_null(su_calloc(1, 1));
    assert_null(su_realloc(NULL, 1, 1));
    assert_null(su_alloc_aligned(1));
    assert_null(su_strndup("x", 1));
    su_memory_fail_after(-1, false);
    void *block = su_alloc(1, 1);
    assert_non_null(block);
    su_free(block);
}

static void allocations_are_counted_once_armed(void **state)
{
    (void)state;
    su_memory_fail_after(-1, false);
    uint64_t before = su_memory_allocations();
    void *a = su_alloc(1, 1), *b = su_realloc(NULL, 1, 1), *c = su_alloc_aligned(1);
    assert_int_equal(su_memory_allocations(), before + 3);
    su_free(a);
    su_free(b);
    su_free_aligned(c);
    assert_int_equal(su_memory_allocations(), before + 3);
}

static void checked_arithmetic(void **state)
{
    (void)state;
    size_t result;
    assert_false(su_mul_overflows(SIZE_MAX, 1, &result));
    assert_true(result == SIZE_MAX);
    assert_true(su_mul_overflows(SIZE_MAX / 2 + 1, 2, &result));
    assert_false(su_add_overflows(SIZE_MAX - 1, 1, &result));
    assert_true(su_add_overflows(SIZE_MAX, 1, &result));
    assert_int_equal(su_round_up(0, 64), 0);
    assert_int_equal(su_round_up(1, 64), 64);
    assert_int_equal(su_round_up(64, 64), 64);
    assert_int_equal(su_round_up(65, 64), 128);
}

/* Measures, then carves the same sizes: every block aligned, none overlapping, all inside. */
static void arena_measures_then_carves(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 64, 65, 0, 4096, 7};
    const size_t n = sizeof sizes / sizeof *sizes;
    SuArena measure = {0};
    for (size_t i = 0; i < n; i++) assert_null(su_arena_carve(&measure, sizes[i]));
    assert_int_equal(measure.used, 64 + 64 + 128 + 0 + 4096 + 64);

    SuArena arena = {.base = su_alloc_aligned(measure.used), .size = measure.used};
    unsigned char *end = arena.base;
    for (size_t i = 0; i < n; i++) {
        unsigned char *block = su_arena_carve(&arena, sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % SU_CACHE_LINE, 0);
        assert_true(block >= end);
        end = block + sizes[i];
        memset(block, (int)i, sizes[i]);
    }
    assert_true(end <= arena.base + arena.size);
    assert_null(su_arena_carve(&arena, 1)); /* full */
    su_free_aligned(arena.base);
}

static void arena_sizes_do_not_wrap(void **state)
{
    (void)state;
    unsigned char block[64];
    SuArena arena = {.base = block, .size = sizeof block};
    assert_null(su_arena_carve(&arena, SIZE_MAX));
    assert_null(su_arena_carve(&arena, 1)); /* once over, it stays over */
    SuArena measure = {0};
    su_arena_carve(&measure, SIZE_MAX - 200);
    su_arena_carve(&measure, 4096);
    assert_true(measure.used == SIZE_MAX);
    assert_null(su_alloc_aligned(measure.used));
    su_arena_carve(&measure, 1); /* no way back to a small sum */
    assert_true(measure.used == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(overflowing_products_fail, disarm),
        cmocka_unit_test_teardown(zero_sizes_give_valid_pointers, disarm),
        cmocka_unit_test_teardown(calloc_zeroes_and_realloc_keeps, disarm),
        cmocka_unit_test_teardown(strings_are_copied, disarm),
        cmocka_unit_test_teardown(aligned_blocks_are_aligned, disarm),
        cmocka_unit_test_teardown(the_chosen_allocation_fails, disarm),
        cmocka_unit_test_teardown(a_persistent_failure_lasts, disarm),
        cmocka_unit_test_teardown(allocations_are_counted_once_armed, disarm),
        cmocka_unit_test_teardown(checked_arithmetic, disarm),
        cmocka_unit_test_teardown(arena_measures_then_carves, disarm),
        cmocka_unit_test_teardown(arena_sizes_do_not_wrap, disarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
