/* sutra_embed_into allocates nothing after warm-up: malloc and its kin are replaced by counting
 * ones. */
#include "support/tiny_model.h"
#include "sutra.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static _Atomic long allocations;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}
void *aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **memory, size_t alignment, size_t size)
{
    allocations++;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

enum { MAX_TEXTS = 80, MAX_BYTES = 4000 };

static char texts[MAX_TEXTS][MAX_BYTES];
static SutraInput inputs[MAX_TEXTS];
static SutraItem items[MAX_TEXTS];
static float out[MAX_TEXTS * 64];

static size_t random_batch(uint32_t *random, uint32_t most_words)
{
    static const char *const words[] = {
        "fox", "a", "the,", "caf\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "zzz", "!", "stra\303\237e"};
    size_t n = 1 + tiny_random(random) % (tiny_random(random) % 4 ? 6 : MAX_TEXTS);
    for (size_t i = 0; i < n; i++) {
        size_t used = 0, count = tiny_random(random) % most_words;
        for (size_t w = 0; w < count; w++)
            used += (size_t)snprintf(texts[i] + used, MAX_BYTES - used, "%s ",
                                     words[tiny_random(random) % (sizeof words / sizeof *words)]);
        inputs[i] = (SutraInput){.text = texts[i], .text_size = used};
    }
    return n;
}

static void test_embed_into(void **state)
{
    (void)state;
    char *path = tiny_model_write(&(TinyModel){64, 2, 2, 128, 256, NULL, 9});
    SutraModel *model;
    SutraEngine *engine;
    SutraError err;
    SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 3};
    assert_int_equal(sutra_model_open(path, NULL, &model, &err), SUTRA_OK);
    assert_int_equal(sutra_engine_create(&options, &engine, &err), SUTRA_OK);
    long before = allocations;
    assert_int_equal(sutra_model_warmup(engine, model, NULL, &err), SUTRA_OK);
    assert_true(allocations > before); /* the counter counts */

    float ranges[2 * 64];
    for (int i = 0; i < 64; i++) ranges[i] = -1.0f, ranges[64 + i] = 1.0f;
    const SutraEmbedOptions codes = {
        .struct_size = sizeof codes, .dtype = SUTRA_I8, .ranges = ranges};
    const SutraEmbedOptions windowed = {.struct_size = sizeof windowed,
                                        .truncation = SUTRA_TRUNCATE_WINDOW};
    uint32_t random = 77;
    long during = 0;
    uint64_t tokens = 0;
    for (int batch = 0; batch < 1000; batch++) {
        bool windows = batch % 4 == 2; /* of texts that fit */
        size_t n = random_batch(&random, windows ? 30 : 200);
        const SutraEmbedOptions *given = windows ? &windowed : batch % 2 ? &codes : NULL;
        before = allocations;
        SutraStatus status =
            sutra_embed_into(engine, model, inputs, n, given, out, sizeof out, items, &err);
        during += allocations - before;
        assert_int_equal(status, SUTRA_OK);
        for (size_t i = 0; i < n; i++) {
            tokens += items[i].tokens_used;
            assert_int_equal(items[i].windows, 0);
        }
    }
    print_message("1000 batches, %llu tokens, %ld allocations\n", (unsigned long long)tokens,
                  during);
    assert_int_equal(during, 0);
    sutra_engine_free(engine);
    sutra_model_free(model);
    tiny_model_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_embed_into)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
