#include "pipeline/window_request.h"

#include "backend/cpu_backend.h"
#include "base/status.h"
#include "batch/row_bytes.h"
#include "pipeline/aggregate.h"
#include "pipeline/row_cache.h"

/* What windows of a text may take in any case, and how often what they would without overlap. */
enum { ALWAYS_BYTES = 256 << 20, MOST_TIMES = 8 };

typedef struct WindowRequest {
    SuRequest request; /* first */
    SuEmbedPlan plan;  /* of it: the whole's, for floats */
    size_t item;       /* of the whole */
    uint32_t tokens_seen, tokens_used;
    SuTextTokens *tokens; /* [n] */
    SutraItem *items;     /* [n] */
    float *rows;          /* [n, plan.dim] */
    float *weights;       /* [n] */
    float *vector;        /* [plan.dim] */
    float *steps;         /* [the whole's dim] for conversion */
    int32_t *ids, *types; /* [tokens_used] */
} WindowRequest;

/* Where the model's own Normalize runs before the cut, so it does here: windows are whole. */
static SuEmbedPlan plan_of_windows(const SuRequest *whole)
{
    SuEmbedPlan plan = *whole->plan;
    plan.dtype = SUTRA_F32;
    plan.ranges = NULL;
    if (plan.normalize == SUTRA_BATCH_NORMALIZE_WHOLE) {
        plan.dim = su_model_features(whole->model, plan.output);
        plan.normalize = SUTRA_BATCH_NORMALIZE;
    }
    plan.row_bytes = su_row_bytes(SUTRA_F32, plan.dim);
    return plan;
}

/* One vector out of the windows', in its place. False: it is not finite. */
static bool make_row(const WindowRequest *windows)
{
    const SuRequest *whole = windows->request.whole;
    const SuEmbedPlan *plan = whole->plan;
    const SutraBatch form = {.struct_size = sizeof form,
                             .dtype = plan->dtype,
                             .dim = plan->dim,
                             .normalize = plan->normalize,
                             .ranges = plan->ranges};
    su_aggregate(plan->aggregate, windows->rows, windows->weights, windows->request.n,
                 windows->plan.dim, windows->vector);
    return su_cpu_backend_convert(&form, windows->vector, windows->plan.dim, windows->steps,
                                  whole->target.data + windows->item * plan->row_bytes);
}

/* Windows of one batch lie side by side, and have its time: that counts once. */
static void describe(const WindowRequest *windows)
{
    const SuRequest *whole = windows->request.whole;
    uint64_t last = 0;
    if (!whole->target.items) return;
    SutraItem *item = &whole->target.items[windows->item];
    for (size_t i = 0; i < windows->request.n; i++) {
        uint64_t compute_ns = windows->items[i].compute_ns;
        if (compute_ns != last) item->compute_ns += compute_ns;
        last = compute_ns;
    }
}

static void on_finished(SuRequest *request)
{
    WindowRequest *windows = (WindowRequest *)request;
    SuRequest *whole = request->whole;
    size_t item = windows->item;
    describe(windows);
    if (request->status != SUTRA_OK)
        su_request_fail_item(whole, item, request->status, request->failure.message);
    else if (!make_row(windows))
        su_request_fail_item(whole, item, SUTRA_E_NUMERIC, "the vector holds NaN or infinity");
    else
        su_row_cache_put(whole, item, whole->target.data + item * whole->plan->row_bytes,
                         (SuCacheFacts){.tokens_seen = windows->tokens_seen,
                                        .tokens_used = windows->tokens_used,
                                        .windows = (uint32_t)request->n});
    su_request_destroy(request);
    su_free_aligned(windows);
    su_request_items_done(whole, 1);
}

/* header | tokens | items | rows | weights | vector | steps | ids | types; with arena->base NULL
 * only measures. */
static WindowRequest *carve(SuArena *arena, const SuRequest *whole, const SuEmbedPlan *plan,
                            size_t n, size_t tokens)
{
    WindowRequest *windows = su_arena_carve(arena, sizeof *windows);
    WindowRequest parts = {.tokens = su_arena_carve(arena, n * sizeof *parts.tokens),
                           .items = su_arena_carve(arena, n * sizeof *parts.items),
                           .rows = su_arena_carve(arena, n * plan->row_bytes),
                           .weights = su_arena_carve(arena, n * sizeof *parts.weights),
                           .vector = su_arena_carve(arena, plan->row_bytes),
                           .steps = su_arena_carve(arena, whole->plan->dim * sizeof *parts.steps),
                           .ids = su_arena_carve(arena, tokens * sizeof *parts.ids),
                           .types = su_arena_carve(arena, tokens * sizeof *parts.types)};
    if (windows) *windows = parts;
    return windows;
}

/* Tokens that go through the encoder. */
static size_t count_tokens(const SuTokenWindows *shape)
{
    size_t begin, end;
    su_token_windows_span(shape, shape->count - 1, &begin, &end);
    return (shape->count - 1) * (shape->head + shape->room + shape->tail) + shape->head + end -
           begin + shape->tail;
}

static size_t measure(const SuRequest *whole, const SuEmbedPlan *plan, const SuTokenWindows *shape)
{
    SuArena arena = {0};
    carve(&arena, whole, plan, shape->count, count_tokens(shape));
    return arena.used;
}

/* An overlap near the room makes a window of almost every token. Errors: LIMIT. */
static SutraStatus check_size(const SuRequest *whole, const SuEmbedPlan *plan,
                              const SuTokenWindows *shape, size_t size, SutraError *err)
{
    if (size <= ALWAYS_BYTES) return SUTRA_OK;
    SuTokenWindows apart = *shape;
    apart.step = shape->room;
    apart.count = (shape->text + shape->room - 1) / shape->room;
    if (size / MOST_TIMES <= measure(whole, plan, &apart)) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_LIMIT,
             "a text of %zu tokens would become %zu windows, for which %zu MB are needed: "
             "neighbours share %zu of %zu tokens; choose a smaller window_overlap",
             shape->text, shape->count, size / 1000000, shape->room - shape->step, shape->room);
}

/* prompt_len: tokens of the text that pooling leaves out; of a window's own text, none. */
static void fill(WindowRequest *windows, const SuTokenWindows *shape, SutraAggregate aggregate,
                 size_t prompt_len)
{
    size_t at = 0, begin, end;
    for (size_t i = 0; i < shape->count; i++) {
        size_t used = su_token_windows_copy(shape, i, windows->ids + at, windows->types + at);
        su_token_windows_span(shape, i, &begin, &end);
        windows->weights[i] = su_aggregate_weight(aggregate, begin, end, shape->text);
        windows->items[i] = (SutraItem){0};
        windows->tokens[i] = (SuTextTokens){
            .ids = windows->ids + at,
            .types = windows->types + at,
            .used = used,
            .seen = used,
            .prompt_len = (uint32_t)(prompt_len < shape->head ? prompt_len : shape->head)};
        at += used;
    }
}

static uint32_t clamp(size_t count) { return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count; }

SutraStatus su_window_request_create(SuWorker *worker, SuRequest *whole, size_t item,
                                     const SuTextTokens *tokens, SuRequest **out, SutraError *err)
{
    SuTokenWindows shape;
    SuEmbedPlan plan = plan_of_windows(whole);
    size_t seen = tokens->seen, prompt_len = tokens->prompt_len;
    SU_TRY(su_text_windows(whole->model, worker, &whole->inputs[item], whole->plan, tokens, &shape,
                           err));
    size_t used = count_tokens(&shape), size = measure(whole, &plan, &shape);
    SU_TRY(check_size(whole, &plan, &shape, size, err));
    unsigned char *memory = su_alloc_aligned(size);
    if (!memory)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu windows of a text", shape.count);
    SuArena arena = {.base = memory, .size = size};
    WindowRequest *windows = carve(&arena, whole, &plan, shape.count, used);
    fill(windows, &shape, plan.aggregate, prompt_len);
    windows->plan = plan;
    windows->item = item;
    windows->tokens_seen = clamp(seen);
    windows->tokens_used = clamp(used);
    windows->request = (SuRequest){.engine = whole->engine,
                                   .model = whole->model,
                                   .n = shape.count,
                                   .plan = &windows->plan,
                                   .target = {(unsigned char *)windows->rows, NULL, windows->items},
                                   .submitted_ns = whole->submitted_ns,
                                   .priority = whole->priority,
                                   .on_finished = on_finished,
                                   .whole = whole,
                                   .tokens = windows->tokens};
    su_request_init(&windows->request);
    if (whole->target.items) {
        whole->target.items[item].tokens_used = windows->tokens_used;
        whole->target.items[item].windows = clamp(shape.count);
        whole->target.items[item].flags = 0;
    }
    *out = &windows->request;
    return SUTRA_OK;
}
