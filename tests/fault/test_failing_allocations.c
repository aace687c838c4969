/* Every allocation behind every call of sutra.h is made to fail in turn, alone and with all that follow it.
 *
 * A call either succeeds or returns SUTRA_E_MEMORY with a message; it leaks nothing (AddressSanitizer watches), and the
 * same handles work afterwards: the last attempt, in which nothing fails, gives the vectors of an undisturbed run. */
#include "base/memory.h"
#include "support/tiny_model.h"
#include "sutra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DIM = 32, TEXTS = 3, MOST_ALLOCATIONS = 100000 };

static const char *const texts[TEXTS] = {"a b c", "d", "e f g h i j k l m n o p a b c d e f g"};

typedef struct Fixture {
    char *path;
    SutraInput inputs[TEXTS];
    float expected[TEXTS * DIM];
    SutraModel *model;
    SutraModel *long_model; /* of short_texts_after_long_ones_failed */
    SutraEngine *engine;
} Fixture;

static SutraStatus open_both(const char *path, SutraModel **model, SutraEngine **engine,
                             SutraError *err)
{
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 2};
    SutraStatus status = sutra_model_open(path, NULL, model, err);
    if (status != SUTRA_OK) return status;
    return sutra_engine_create(&options, engine, err);
}

static int set_up(void **state)
{
    static Fixture fixture;
    const TinyModel options = {.hidden_size = DIM,
                               .num_heads = 2,
                               .num_layers = 2,
                               .ffn_size = 64,
                               .max_positions = 64,
                               .seed = 5};
    SutraError err;
    fixture = (Fixture){.path = tiny_model_write(&options)};
    for (int i = 0; i < TEXTS; i++)
        fixture.inputs[i] = (SutraInput){.text = texts[i], .text_size = strlen(texts[i])};
    SutraStatus status = open_both(fixture.path, &fixture.model, &fixture.engine, &err);
    if (status == SUTRA_OK)
        status = sutra_embed_into(fixture.engine, fixture.model, fixture.inputs, TEXTS, NULL,
                                  fixture.expected, sizeof fixture.expected, NULL, &err);
    if (status != SUTRA_OK) print_error("%s\n", err.message);
    *state = &fixture;
    return status == SUTRA_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    Fixture *fixture = *state;
    su_memory_fail_after(-1, false);
    sutra_engine_free(fixture->engine);
    sutra_model_free(fixture->model);
    tiny_model_remove(fixture->path);
    return 0;
}

static void check_failure(SutraStatus status, const SutraError *err)
{
    if (status != SUTRA_E_MEMORY) fail_msg("%s: %s", sutra_status_name(status), err->message);
    assert_int_equal(err->status, SUTRA_E_MEMORY);
    assert_true(err->message[0] != '\0');
}

/* Calls attempt with its n-th allocation failing, for every n that it reaches. */
static void fail_each(Fixture *fixture, SutraStatus (*attempt)(Fixture *fixture, SutraError *err))
{
    for (int persistent = 0; persistent < 2; persistent++) {
        int64_t n = 0, failures = 0;
        SutraStatus status;
        uint64_t reached;
        do {
            SutraError err = {0};
            uint64_t before = su_memory_allocations();
            su_memory_fail_after(n, persistent != 0);
            status = attempt(fixture, &err);
            su_memory_fail_after(-1, false);
            reached = su_memory_allocations() - before;
            if (status != SUTRA_OK) {
                check_failure(status, &err);
                failures++;
            }
            assert_true(n < MOST_ALLOCATIONS);
        } while (reached > (uint64_t)n++);
        assert_int_equal(status, SUTRA_OK); /* the last attempt had none to fail */
        assert_true(failures > 0);
    }
}

static SutraStatus open_model(Fixture *fixture, SutraError *err)
{
    SutraModel *model = (SutraModel *)fixture;
    SutraStatus status = sutra_model_open(fixture->path, NULL, &model, err);
    if (status != SUTRA_OK) assert_null(model);
    sutra_model_free(model);
    return status;
}

static void opening_a_model(void **state) { fail_each(*state, open_model); }

static SutraStatus create_engine(Fixture *fixture, SutraError *err)
{
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 3};
    SutraEngine *engine = (SutraEngine *)fixture;
    SutraStatus status = sutra_engine_create(&options, &engine, err);
    if (status != SUTRA_OK) assert_null(engine);
    sutra_engine_free(engine);
    return status;
}

static void creating_an_engine(void **state) { fail_each(*state, create_engine); }

static SutraStatus describe(Fixture *fixture, SutraError *err)
{
    SutraModels *models = (SutraModels *)fixture;
    SutraModel *model = NULL;
    char json[1024];
    SutraStatus status = sutra_models_create(NULL, &models, err);
    if (status == SUTRA_OK) status = sutra_models_add(models, "name", fixture->path, NULL, err);
    if (status == SUTRA_OK) status = sutra_models_replace(models, "name", NULL, &model, err);
    sutra_model_free(model);
    if (status == SUTRA_OK)
        status = sutra_models_describe(models, json, sizeof json, NULL, err);
    else if (!models)
        return status;
    sutra_models_free(models);
    if (status == SUTRA_OK)
        status = sutra_engine_stats(fixture->engine, json, sizeof json, NULL, err);
    return status;
}

static void facts_as_json(void **state) { fail_each(*state, describe); }

static SutraStatus tokenize(Fixture *fixture, SutraError *err)
{
    SutraTokens *tokens = (SutraTokens *)fixture;
    SutraStatus status = sutra_tokenize(fixture->model, fixture->inputs, TEXTS, 0, &tokens, err);
    if (status != SUTRA_OK) assert_null(tokens);
    sutra_tokens_free(tokens);
    return status;
}

static void tokenizing(void **state) { fail_each(*state, tokenize); }

/* A new engine and model each time: the first request packs weights and makes contexts. */
static SutraStatus embed_first(Fixture *fixture, SutraError *err)
{
    SutraModel *model = NULL;
    SutraEngine *engine = NULL;
    float vectors[TEXTS * DIM];
    SutraStatus status = open_both(fixture->path, &model, &engine, err);
    if (status == SUTRA_OK)
        status = sutra_embed_into(engine, model, fixture->inputs, TEXTS, NULL, vectors,
                                  sizeof vectors, NULL, err);
    if (status == SUTRA_OK) assert_memory_equal(vectors, fixture->expected, sizeof vectors);
    sutra_model_free(model);
    sutra_engine_free(engine);
    return status;
}

static void the_first_request(void **state) { fail_each(*state, embed_first); }

static SutraStatus warm_up(Fixture *fixture, SutraError *err)
{
    SutraModel *model = NULL;
    SutraEngine *engine = NULL;
    SutraStatus status = open_both(fixture->path, &model, &engine, err);
    if (status == SUTRA_OK) status = sutra_model_warmup(engine, model, NULL, err);
    sutra_engine_free(engine);
    sutra_model_free(model);
    return status;
}

static void warming_up(void **state) { fail_each(*state, warm_up); }

static SutraStatus embed_result(Fixture *fixture, SutraError *err)
{
    SutraResult *result = (SutraResult *)fixture;
    SutraResultView view = {.struct_size = sizeof view};
    SutraStatus status =
        sutra_embed(fixture->engine, fixture->model, fixture->inputs, TEXTS, NULL, &result, err);
    if (status != SUTRA_OK) {
        assert_null(result);
        return status;
    }
    assert_int_equal(sutra_result_view(result, &view, err), SUTRA_OK);
    assert_memory_equal(view.data, fixture->expected, sizeof fixture->expected);
    sutra_result_free(result);
    return status;
}

static void a_result(void **state) { fail_each(*state, embed_result); }

static SutraStatus embed_tokens(Fixture *fixture, SutraError *err)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options, .output = SUTRA_OUT_TOKENS};
    SutraResult *result = NULL;
    SutraStatus status = sutra_embed(fixture->engine, fixture->model, fixture->inputs, TEXTS,
                                     &options, &result, err);
    sutra_result_free(result);
    return status;
}

static void token_vectors(void **state) { fail_each(*state, embed_tokens); }

/* The result is made on the engine's thread; sutra_submit, the job and the result can each fail. */
static SutraStatus submit(Fixture *fixture, SutraError *err)
{
    const SutraEngineOptions options = {.struct_size = sizeof options, .num_threads = 1};
    SutraEngine *engine = NULL;
    SutraJob *job = NULL;
    SutraResult *result = NULL;
    SutraStatus status = sutra_engine_create(&options, &engine, err);
    if (status == SUTRA_OK)
        status = sutra_submit(engine, fixture->model, fixture->inputs, TEXTS, NULL, NULL, NULL,
                              &job, err);
    if (status == SUTRA_OK) status = sutra_job_wait(job, UINT64_MAX, &result, err);
    sutra_result_free(result);
    sutra_job_free(job);
    sutra_engine_free(engine);
    return status;
}

static void a_job(void **state) { fail_each(*state, submit); }

/* A request for long texts fails, then one for short texts fills a batch: the engine's batches and
 * the contexts of its session may have different sizes by then. */
static SutraStatus embed_short_after_long(Fixture *fixture, SutraError *err)
{
    enum { SHORT = 16, LONG = 512, MANY = 60 };
    const SutraEngineOptions small = {
        .struct_size = sizeof small, .num_threads = 2, .max_batch_tokens = SHORT};
    const SutraEmbedOptions cut = {.struct_size = sizeof cut, .max_tokens = SHORT};
    const SutraEmbedOptions whole = {.struct_size = sizeof whole, .max_tokens = LONG};
    static float vectors[MANY * DIM];
    SutraInput inputs[MANY];
    SutraEngine *engine = NULL;
    for (int i = 0; i < MANY; i++) inputs[i] = fixture->inputs[0];
    SutraStatus status = sutra_engine_create(&small, &engine, err);
    if (status == SUTRA_OK)
        status = sutra_embed_into(engine, fixture->long_model, inputs, 1, &whole, vectors,
                                  sizeof vectors, NULL, err);
    su_memory_fail_after(-1, false);
    if (engine) {
        SutraError later = {0};
        assert_int_equal(sutra_embed_into(engine, fixture->long_model, inputs, MANY, &cut, vectors,
                                          sizeof vectors, NULL, &later),
                         SUTRA_OK);
        for (int i = 1; i < MANY; i++)
            assert_memory_equal(vectors + (ptrdiff_t)i * DIM, vectors, DIM * sizeof *vectors);
    }
    sutra_engine_free(engine);
    return status;
}

/* A text whose windows cannot be made fails alone. */
static SutraStatus embed_windows(Fixture *fixture, SutraError *err)
{
    const SutraEmbedOptions options = {
        .struct_size = sizeof options, .max_tokens = 4, .truncation = SUTRA_TRUNCATE_WINDOW};
    const SutraInput inputs[] = {{.text = "a", .text_size = 1},
                                 {.text = "a b c d", .text_size = 7}};
    float vectors[2 * DIM] = {0}, zero[DIM] = {0};
    SutraItem items[2];
    SutraStatus status = sutra_embed_into(fixture->engine, fixture->model, inputs, 2, &options,
                                          vectors, sizeof vectors, items, err);
    assert_int_equal(items[0].status, SUTRA_OK);
    assert_int_equal(items[1].status, status);
    if (status != SUTRA_OK) assert_memory_equal(vectors + DIM, zero, sizeof zero);
    return status;
}

static SutraStatus chunk_and_pool(Fixture *fixture, SutraError *err)
{
    static const char text[] = "a b c. d e f.";
    const SutraChunkOptions options = {
        .struct_size = sizeof options, .by = SUTRA_CHUNK_SENTENCES, .max_tokens = 6};
    const SutraInput input = {.text = text, .text_size = sizeof text - 1};
    SutraChunk *chunks = (SutraChunk *)fixture;
    float vectors[2 * DIM];
    size_t n = 1;
    SutraStatus status =
        sutra_chunk(fixture->model, text, sizeof text - 1, &options, &chunks, &n, err);
    if (status != SUTRA_OK) {
        assert_null(chunks);
        return status;
    }
    assert_int_equal(n, 2);
    status = sutra_embed_late(fixture->engine, fixture->model, &input, chunks, n, NULL, vectors,
                              sizeof vectors, NULL, err);
    sutra_chunks_free(chunks);
    return status;
}

static void chunks_and_late_vectors(void **state) { fail_each(*state, chunk_and_pool); }

static void windows_of_a_text(void **state) { fail_each(*state, embed_windows); }

static void short_texts_after_long_ones_failed(void **state)
{
    Fixture *fixture = *state;
    const TinyModel options = {.hidden_size = DIM,
                               .num_heads = 2,
                               .num_layers = 1,
                               .ffn_size = 64,
                               .max_positions = 512,
                               .seed = 6};
    char *path = tiny_model_write(&options);
    assert_int_equal(sutra_model_open(path, NULL, &fixture->long_model, NULL), SUTRA_OK);
    fail_each(fixture, embed_short_after_long);
    sutra_model_free(fixture->long_model);
    tiny_model_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_a_model),
        cmocka_unit_test(creating_an_engine),
        cmocka_unit_test(facts_as_json),
        cmocka_unit_test(tokenizing),
        cmocka_unit_test(warming_up),
        cmocka_unit_test(the_first_request),
        cmocka_unit_test(a_result),
        cmocka_unit_test(token_vectors),
        cmocka_unit_test(a_job),
        cmocka_unit_test(windows_of_a_text),
        cmocka_unit_test(chunks_and_late_vectors),
        cmocka_unit_test(short_texts_after_long_ones_failed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
