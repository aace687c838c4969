/* Output rows on every level of the processor, against the bytes of sentence-transformers; see
 * make_output_goldens.py. */
#include "encoder/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_BYTES = 1 << 17, MOST_DIM = 512 };

typedef struct Golden {
    uint32_t dim, rows;
    const float *x, *ranges, *calibrated;
    const unsigned char *codes; /* the next block of codes */
    _Alignas(8) unsigned char file[MOST_BYTES];
} Golden;

static void read_golden(Golden *golden, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", OUTPUT_GOLDENS, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(golden->file, 1, sizeof golden->file, file);
    fclose(file);
    memcpy(&golden->dim, golden->file, 4);
    memcpy(&golden->rows, golden->file + 4, 4);
    assert_in_range(golden->dim, 1, MOST_DIM);
    size_t values = (size_t)golden->dim * golden->rows;
    golden->x = (const float *)(const void *)(golden->file + 8);
    golden->ranges = golden->x + values;
    golden->calibrated = golden->ranges + 2 * (size_t)golden->dim;
    golden->codes = (const unsigned char *)(golden->calibrated + 2 * (size_t)golden->dim);
    size_t bits = (size_t)(golden->dim + 7) / 8 * golden->rows;
    assert_int_equal(size, (size_t)(golden->codes - golden->file) + 4 * values + 2 * bits);
}

/* The next block of codes is what every level makes of x. */
static void expect_codes(Golden *golden, SutraDtype dtype, const float *ranges)
{
    float steps[MOST_DIM];
    unsigned char row[MOST_DIM];
    SutraBatch batch = {
        .struct_size = sizeof batch, .dtype = dtype, .dim = golden->dim, .ranges = ranges};
    size_t row_bytes = sutra_row_bytes(dtype, golden->dim);
    su_output_steps(&batch, steps);
    for (int isa = 0; isa < SU_ISA_COUNT; isa++) {
        if (!su_isa_available((SuIsa)isa)) continue;
        SuKernels kernels;
        su_kernels_init(&kernels, (SuIsa)isa);
        for (uint32_t r = 0; r < golden->rows; r++) {
            const float *x = golden->x + (size_t)r * golden->dim;
            assert_true(su_output_row(&kernels, x, golden->dim, &batch, steps, row));
            assert_memory_equal(row, golden->codes + r * row_bytes, row_bytes);
        }
    }
    golden->codes += golden->rows * row_bytes;
}

static void codes_are_those_of_the_reference(void **state)
{
    static const char *const names[] = {"ordinary_12.bin", "ordinary_384.bin", "edges_12.bin",
                                        "edges_67.bin"};
    static Golden golden;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        print_message("%s\n", names[i]);
        read_golden(&golden, names[i]);
        expect_codes(&golden, SUTRA_I8, golden.ranges);
        expect_codes(&golden, SUTRA_U8, golden.ranges);
        expect_codes(&golden, SUTRA_I8, golden.calibrated);
        expect_codes(&golden, SUTRA_U8, golden.calibrated);
        expect_codes(&golden, SUTRA_BINARY, NULL);
        expect_codes(&golden, SUTRA_UBINARY, NULL);
    }
}

static void calibrated_ranges_are_those_of_the_reference(void **state)
{
    static const char *const names[] = {"ordinary_12.bin", "ordinary_384.bin", "edges_67.bin"};
    static Golden golden;
    float ranges[2 * MOST_DIM];
    SutraError err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        read_golden(&golden, names[i]);
        assert_int_equal(sutra_ranges(golden.x, golden.rows, golden.dim, ranges, &err), SUTRA_OK);
        for (uint32_t e = 0; e < 2 * golden.dim; e++)
            assert_true(ranges[e] == golden.calibrated[e]); /* zeros of either sign are equal */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_the_reference),
        cmocka_unit_test(calibrated_ranges_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
