/* The emulator of AMX against the manual's rules by hand, and where AMX is there, against the processor. */
#include "amx_emulator.h"

#include "base/cpu_features.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#if defined(__x86_64__)

/* AT&T syntax beside the bytes */
static const unsigned char load_config[] = {0xc4, 0xe2, 0x78, 0x49, 0x00}; /* ldtilecfg (%rax) */
static const unsigned char release[] = {0xc4, 0xe2, 0x78, 0x49, 0xc0};     /* tilerelease */
static const unsigned char zero5[] = {0xc4, 0xe2, 0x7b, 0x49, 0xe8};       /* tilezero %tmm5 */
static const unsigned char bf16_046[] = {0xc4, 0xe2, 0x4a, 0x5c, 0xc4};    /* %tmm6, %tmm4, %tmm0 */
static const unsigned char int8_046[] = {0xc4, 0xe2, 0x49, 0x5e, 0xc4};    /* the same */
static const unsigned char bf16_044[] = {0xc4, 0xe2, 0x5a, 0x5c, 0xc4};    /* %tmm4, %tmm4, %tmm0 */
static const unsigned char signed_046[] = {0xc4, 0xe2, 0x4b, 0x5e, 0xc4};  /* tdpbssd */

typedef struct Config {
    unsigned char palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    unsigned char rows[16];
} Config;

static const char *execute(AmxState *state, const unsigned char *code, const uint64_t general[16])
{
    static const uint64_t nothing[16];
    const char *fault;
    assert_int_not_equal(amx_execute(state, code, general ? general : nothing, &fault), 0);
    return fault;
}

static const char *configure(AmxState *state, const Config *config)
{
    uint64_t general[16] = {(uint64_t)(uintptr_t)config};
    return execute(state, load_config, general);
}

/* C tmm0 [m, n], A tmm4 [m, k words], B tmm6 [k words, n] */
static void shape(AmxState *state, unsigned m, unsigned n, unsigned k)
{
    Config config = {.palette = 1};
    config.rows[0] = config.rows[4] = (unsigned char)m;
    config.rows[6] = (unsigned char)k;
    config.row_bytes[0] = config.row_bytes[6] = (uint16_t)(4 * n);
    config.row_bytes[4] = (uint16_t)(4 * k);
    assert_null(configure(state, &config));
}

static void put_bf16(void *row, unsigned element, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t half = (uint16_t)(bits >> 16);
    memcpy((unsigned char *)row + (size_t)2 * element, &half, sizeof half);
}

static float word_at(const AmxState *state, unsigned tile, unsigned row, unsigned n)
{
    float value;
    memcpy(&value, state->tiles[tile][row] + (size_t)4 * n, sizeof value);
    return value;
}

/* One element of C, `start` and then the products of the k words of x and y. */
static float sum_of(const float *x, const float *y, unsigned k, float start)
{
    AmxState state;
    shape(&state, 1, 1, k);
    memcpy(state.tiles[0][0], &start, sizeof start);
    for (unsigned i = 0; i < 2 * k; i++) {
        put_bf16(state.tiles[4][0], i, x[i]);
        put_bf16(state.tiles[6][i / 2], i % 2, y[i]);
    }
    assert_null(execute(&state, bf16_046, NULL));
    return word_at(&state, 0, 0, 0);
}

static bool same(float got, float expected) { return memcmp(&got, &expected, sizeof got) == 0; }

static void bf16_is_two_chains_and_a_sum(void **unused)
{
    (void)unused;
    const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    assert_true(same(sum_of((float[]){1, 2, 3, 4}, (float[]){5, 6, 7, 8}, 2, 0.5f), 70.5f));
    /* 1 is lost in a chain beside 2^24, and kept in the other one */
    assert_true(same(sum_of((float[]){0x1p24f, 0, 1, 0, -0x1p24f, 0}, ones, 3, 0), 0));
    assert_true(same(sum_of((float[]){0x1p24f, 1, 0, 0, -0x1p24f, 0}, ones, 3, 0), 1));
    /* chains start at zero: C comes last */
    assert_true(same(sum_of((float[]){1, 0, 1, 0}, ones, 2, 0x1p24f), 0x1p24f + 2));
    /* even + odd is rounded before C is added */
    assert_true(same(sum_of((float[]){0x1p24f, 1}, ones, 1, -0x1p24f), 0));
    /* a product is exact within its fma */
    assert_true(same(sum_of((float[]){-1, 0, 1.0078125f, 0}, (float[]){1, 0, 1.0078125f, 0}, 2, 0),
                     1.0078125f * 1.0078125f - 1));
    assert_true(isnan(sum_of((float[]){INFINITY, -INFINITY}, ones, 1, 0)));
}

static void bf16_has_no_denormals(void **unused)
{
    (void)unused;
    const float two[2] = {0x1p100f, 0};
    assert_true(same(sum_of((float[]){0x1p-127f, 0}, two, 1, 0), 0));                   /* read */
    assert_true(same(sum_of((float[]){0x1p-63f, 0}, (float[]){0x1p-64f, 0}, 1, 0), 0)); /* made */
    assert_true(same(sum_of((float[]){0x1p-63f, 0}, (float[]){0x1p-63f, 0}, 1, 0), 0x1p-126f));
    assert_true(same(sum_of((float[]){0, 0}, two, 1, 0x1p-127f), 0)); /* of C */
    /* 2^-126 - 2^-150 would round up to 2^-126 among denormals; of 24 bits it is too small */
    assert_true(same(
        sum_of((float[]){0x1p-63f, 0, -0x1p-75f, 0}, (float[]){0x1p-63f, 0, 0x1p-75f, 0}, 2, 0),
        0));
}

static void int8_is_unsigned_by_signed(void **unused)
{
    (void)unused;
    AmxState state;
    int32_t sum = 1000000, wrapped = INT32_MAX, got;
    shape(&state, 2, 1, 1);
    memcpy(state.tiles[0][0], &sum, sizeof sum);
    memcpy(state.tiles[0][1], &wrapped, sizeof wrapped);
    memcpy(state.tiles[4][0], (unsigned char[]){255, 1, 2, 128}, 4);
    memcpy(state.tiles[4][1], (unsigned char[]){0, 1, 0, 0}, 4);
    memcpy(state.tiles[6][0], (signed char[]){-128, 1, -3, 127}, 4);
    assert_null(execute(&state, int8_046, NULL));
    memcpy(&got, state.tiles[0][0], sizeof got);
    assert_int_equal(got, 1000000 - 255 * 128 + 1 - 6 + 128 * 127);
    memcpy(&got, state.tiles[0][1], sizeof got);
    assert_int_equal(got, INT32_MIN);
}

/* Forms of an address; what of them is not a register is in the bytes. */
static void addresses_are_decoded(void **unused)
{
    (void)unused;
    static const struct {
        unsigned char code[10];
        unsigned length, tile;
        int base, index, scale, offset; /* -1: none */
        bool stores;
    } forms[] = {
        {{0xc4, 0xe2, 0x7b, 0x4b, 0x1c, 0x18}, 6, 3, 0, 3, 1, 0, false},
        {{0xc4, 0xa2, 0x7b, 0x4b, 0x44, 0x4c, 0x08}, 7, 0, 4, 9, 2, 8, false},
        {{0xc4, 0x82, 0x79, 0x4b, 0xbc, 0xe5, 0x00, 0x10, 0, 0}, 10, 7, 13, 12, 8, 0x1000, false},
        {{0xc4, 0xe2, 0x7b, 0x4b, 0x54, 0x3d, 0xc0}, 7, 2, 5, 7, 1, -64, false},
        {{0xc4, 0xc2, 0x7b, 0x4b, 0x24, 0x24}, 6, 4, 12, -1, 1, 0, false},
        {{0xc4, 0x82, 0x7a, 0x4b, 0x1c, 0x1a}, 6, 3, 10, 11, 1, 0, true},
        {{0xc4, 0xe2, 0x7a, 0x4b, 0xac, 0x56, 0, 1, 0, 0}, 10, 5, 6, 2, 2, 0x100, true},
    };
    static unsigned char memory[16 * 128];
    Config config = {.palette = 1};
    for (int t = 0; t < AMX_TILES; t++) config.row_bytes[t] = 64, config.rows[t] = 16;
    for (size_t i = 0; i < sizeof memory; i++) memory[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        AmxState state;
        uint64_t general[16] = {0};
        const char *fault;
        const size_t stride = forms[f].index < 0 ? 0 : 128;
        assert_null(configure(&state, &config));
        general[forms[f].base] = (uint64_t)(uintptr_t)memory - (uint64_t)(int64_t)forms[f].offset;
        if (stride) general[forms[f].index] = stride / (unsigned)forms[f].scale;
        memset(state.tiles[forms[f].tile], (int)f, sizeof state.tiles[0]);
        assert_int_equal(amx_execute(&state, forms[f].code, general, &fault), forms[f].length);
        assert_null(fault);
        for (size_t r = 0; r < AMX_ROWS; r++)
            assert_memory_equal(state.tiles[forms[f].tile][r], memory + r * stride, 64);
        if (forms[f].stores) assert_int_equal(memory[15 * 128 + 63], f);
    }
}

static void configurations_are_found(void **unused)
{
    (void)unused;
    /* a config right behind "ldtilecfg 0x3(%rip)" of 9 bytes and 3 more */
    unsigned char code[12 + 64] = {0xc4, 0xe2, 0x78, 0x49, 0x05, 3, 0, 0, 0};
    Config config = {.palette = 1, .row_bytes = {64, 0, 8}, .rows = {16, 0, 3}};
    AmxState state;
    const char *fault;
    uint64_t general[16] = {0};
    memcpy(code + 12, &config, sizeof config);
    assert_int_equal(amx_execute(&state, code, general, &fault), 9);
    assert_null(fault);
    assert_memory_equal(state.config, &config, sizeof config);
    assert_null(execute(&state, release, NULL));
    assert_int_equal(state.config[0], 0);
    memmove(code + 4 + 6, code + 12, 64); /* ldtilecfg 0x1234(%r12,%r13,4) */
    memcpy(code, (unsigned char[]){0xc4, 0x82, 0x78, 0x49, 0x84, 0xac, 0x34, 0x12, 0, 0}, 10);
    general[13] = 0x40;
    general[12] = (uint64_t)(uintptr_t)(code + 10) - 0x1234 - 0x100;
    assert_int_equal(amx_execute(&state, code, general, &fault), 10);
    assert_null(fault);
    assert_memory_equal(state.config, &config, sizeof config);
}

static void shorter_tiles_are_zero_beyond(void **unused)
{
    (void)unused;
    static const unsigned char load[] = {0xc4, 0xe2, 0x7b, 0x4b, 0x1c, 0x18}; /* tmm3, rax, rbx */
    unsigned char memory[3 * 10];
    uint64_t general[16] = {(uint64_t)(uintptr_t)memory, 0, 0, 10};
    Config config = {.palette = 1, .row_bytes = {[3] = 8}, .rows = {[3] = 3}};
    AmxState state, expected;
    assert_null(configure(&state, &config));
    expected = state;
    for (size_t i = 0; i < sizeof memory; i++) memory[i] = (unsigned char)(i + 1);
    for (size_t r = 0; r < 3; r++) memcpy(expected.tiles[3][r], memory + 10 * r, 8);
    memset(state.tiles[3], 0xff, sizeof state.tiles[3]);
    assert_null(execute(&state, load, general));
    assert_memory_equal(&state, &expected, sizeof state);
}

static void what_the_processor_refuses_is_a_fault(void **unused)
{
    (void)unused;
    static const Config bad[] = {
        {.palette = 2},
        {.palette = 1, .start_row = 1},
        {.palette = 1, .reserved = {1}},
        {.palette = 1, .row_bytes = {65}, .rows = {1}},
        {.palette = 1, .row_bytes = {64}, .rows = {17}},
        {.palette = 1, .row_bytes = {64}},
        {.palette = 1, .rows = {1}},
        {.palette = 1, .row_bytes = {[8] = 4}, .rows = {[8] = 1}},
    };
    /* m, n and k of C, A and B, one of them wrong */
    static const unsigned char wrong[][6] = {
        {1, 1, 2, 1, 1, 1}, {1, 1, 1, 2, 1, 1}, {1, 1, 1, 1, 2, 1}, {1, 1, 1, 1, 1, 2}};
    AmxState state = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(configure(&state, &bad[i]));
    assert_non_null(execute(&state, zero5, NULL));
    assert_non_null(execute(&state, bf16_046, NULL));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const unsigned char *w = wrong[i];
        Config config = {.palette = 1,
                         .rows = {[0] = w[0], [4] = w[2], [6] = w[4]},
                         .row_bytes = {[0] = w[1] * 4u, [4] = w[3] * 4u, [6] = w[5] * 4u}};
        assert_null(configure(&state, &config));
        assert_non_null(execute(&state, bf16_046, NULL));
        assert_non_null(execute(&state, int8_046, NULL));
    }
    shape(&state, 1, 1, 1);
    assert_null(execute(&state, bf16_046, NULL));
    assert_non_null(execute(&state, bf16_044, NULL));
    assert_non_null(execute(&state, signed_046, NULL));
    const char *fault;
    const uint64_t general[16] = {0};
    assert_int_equal(amx_execute(&state, (const unsigned char *)"\x0f\x0b", general, &fault), 0);
}

/* Loads tiles, multiplies and stores C: on the processor, or by SIGILL. */
__attribute__((target("amx-tile,amx-bf16,amx-int8"))) static void
multiply_here(const Config *config, void *c, const void *a, const void *b, bool bf16)
{
    const long stride = 64;
    __asm__ volatile("ldtilecfg %0" : : "m"(*config));
    __asm__ volatile("tileloadd (%0,%3,1), %%tmm0\n"
                     "tileloadd (%1,%3,1), %%tmm4\n"
                     "tileloaddt1 (%2,%3,1), %%tmm6\n"
                     :
                     : "r"(c), "r"(a), "r"(b), "r"(stride)
                     : "memory");
    if (bf16)
        __asm__ volatile("tdpbf16ps %tmm6, %tmm4, %tmm0");
    else
        __asm__ volatile("tdpbusd %tmm6, %tmm4, %tmm0");
    __asm__ volatile("tilestored %%tmm0, (%0,%1,1)\n"
                     "tilerelease\n"
                     :
                     : "r"(c), "r"(stride)
                     : "memory");
}

static uint32_t random_bits(void)
{
    static uint64_t state = 1;
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)((z ^ z >> 27) >> 32);
}

/* Bits of bf16 and C: any, or near the smallest normal products. */
static void fill_words(unsigned char *x, bool near, uint32_t exponent)
{
    for (size_t i = 0; i < 16 * 64; i += 4) {
        uint32_t bits = random_bits();
        if (near) bits = (bits & 0x807f807fu) | exponent | (bits & 0x00070000u) << 7;
        memcpy(x + i, &bits, sizeof bits);
    }
}

static void compare_multiplication(bool bf16, unsigned m, unsigned n, unsigned k, bool near)
{
    unsigned char a[16 * 64], b[16 * 64], c[16 * 64];
    AmxState state;
    Config config;
    shape(&state, m, n, k);
    memcpy(&config, state.config, sizeof config);
    fill_words(a, near, 0x1f801f80u);
    fill_words(b, near, 0x1f801f80u);
    fill_words(c, near, 0);
    memcpy(state.tiles[0], c, sizeof c);
    memcpy(state.tiles[4], a, sizeof a);
    memcpy(state.tiles[6], b, sizeof b);
    assert_null(execute(&state, bf16 ? bf16_046 : int8_046, NULL));
    multiply_here(&config, c, a, b, bf16);
    for (unsigned r = 0; r < m; r++)
        for (unsigned i = 0; i < n; i++) {
            float got;
            memcpy(&got, c + (size_t)64 * r + (size_t)4 * i, sizeof got);
            float expected = word_at(&state, 0, r, i);
            assert_true(same(got, expected) || (bf16 && isnan(got) && isnan(expected)));
        }
}

static void compare_multiplications(void)
{
    for (int round = 0; round < 300; round++) {
        unsigned m = 1 + random_bits() % 16, n = 1 + random_bits() % 16, k = 1 + random_bits() % 16;
        compare_multiplication(round % 3 == 0, m, n, k, round % 2);
        compare_multiplication(true, m, n, k, round % 2);
    }
}

/* In this order: what AMX raises SIGILL before the process asks for its state. */
static void a_signal_executes_the_same(void **unused)
{
    (void)unused;
    amx_emulator_install();
    compare_multiplications();
    assert_true(amx_emulator_count() > 0);
}

static void the_processor_executes_the_same(void **unused)
{
    (void)unused;
    if (su_isa_detect() < SU_ISA_AMX) skip();
    unsigned long before = amx_emulator_count();
    compare_multiplications();
    assert_int_equal(amx_emulator_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_is_two_chains_and_a_sum),
        cmocka_unit_test(bf16_has_no_denormals),
        cmocka_unit_test(int8_is_unsigned_by_signed),
        cmocka_unit_test(addresses_are_decoded),
        cmocka_unit_test(configurations_are_found),
        cmocka_unit_test(shorter_tiles_are_zero_beyond),
        cmocka_unit_test(what_the_processor_refuses_is_a_fault),
        cmocka_unit_test(a_signal_executes_the_same),
        cmocka_unit_test(the_processor_executes_the_same),
    };
    if (!su_isa_available(SU_ISA_AVX2)) return 0; /* the emulator uses its fma */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
int main(void) { return 0; }
#endif
