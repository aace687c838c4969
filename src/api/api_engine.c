/* sutra.h: engines, embedding, submission. Checks arguments and hands on to the pipeline. */
#include "api/json_print.h"
#include "backend/cpu_backend.h"
#include "backend/plugin.h"
#include "base/cpu_features.h"
#include "base/file_map.h"
#include "base/log.h"
#include "base/process.h"
#include "base/status.h"
#include "pipeline/job_queue.h"
#include "pipeline/late_chunks.h"
#include "pipeline/scheduler.h"

#include <string.h>

enum {
    SCRATCH_TEXT = 64 * 1024, /* bytes; longer texts grow a tokenizer's scratch once */
    MOST_THREADS = 256        /* of an engine with devices */
};

static SutraStatus create_workers(SutraEngine *engine, SutraError *err)
{
    engine->workers = su_calloc(engine->num_threads, sizeof *engine->workers);
    if (!engine->workers)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %u threads", engine->num_threads);
    for (uint32_t i = 0; i < engine->num_threads; i++) {
        SU_TRY(su_tokenizer_scratch_create(&engine->workers[i].scratch, err));
        SU_TRY(su_tokenizer_scratch_reserve(engine->workers[i].scratch, SCRATCH_TEXT, err));
    }
    return su_tokenizer_scratch_create(&engine->counter.scratch, err);
}

/* The processor alone, by the engine's own threads. */
static bool is_processor(const char *devices)
{
    return !devices || strcmp(devices, "cpu") == 0 || strcmp(devices, "cpu:0") == 0;
}

static SutraStatus check_engine_options(const SutraEngineOptions *o, SutraError *err)
{
    if (o->policy > SUTRA_POLICY_RANDOM)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "policy %u is not known", o->policy);
    SuIsa isa;
    return su_isa_select(&isa, err);
}

/* The folder of plugins is looked at all the same: a wrong name is told when it is given. */
static SutraStatus leave_plugins(const SutraEngineOptions *o, SutraError *err)
{
    size_t count = 0;
    if (!o->plugins) return SUTRA_OK;
    SU_TRY(su_plugins_count(o->plugins, &count, err));
    su_log(o->log, o->log_user, SU_LOG_INFO,
           "%s: its plugins (%zu) are not opened, the processor is the only device", o->plugins,
           count);
    return SUTRA_OK;
}

/* Threads tokenise, and each waits for a device while that has its batch. */
static SutraStatus open_devices(SutraEngine *engine, const SutraEngineOptions *o, SutraError *err)
{
    if (is_processor(o->devices)) return leave_plugins(o, err);
    const SuDevicePoolOptions options = {.devices = o->devices,
                                         .plugins = o->plugins,
                                         .policy = o->policy,
                                         .allow_mixed = o->allow_mixed != 0,
                                         .cores = engine->num_threads,
                                         .timeout_ns = (uint64_t)o->device_timeout_ms * 1000000u,
                                         .log = o->log,
                                         .log_user = o->log_user};
    SU_TRY(su_device_pool_create(&options, &engine->devices, err));
    engine->num_lanes = su_device_pool_lanes(engine->devices);
    uint32_t tokenisers =
        engine->num_threads < engine->num_lanes ? engine->num_threads : engine->num_lanes;
    engine->num_threads = engine->num_lanes + tokenisers;
    if (engine->num_threads > MOST_THREADS) engine->num_threads = MOST_THREADS;
    engine->fixed_batches = o->max_batch_tokens != 0;
    if (!engine->fixed_batches) engine->batch_tokens = su_device_pool_tokens(engine->devices);
    return SUTRA_OK;
}

SutraStatus sutra_engine_create(const SutraEngineOptions *options, SutraEngine **out,
                                SutraError *err)
{
    SutraEngineOptions o;
    if (!out) SU_RAISE(err, SUTRA_E_ARGUMENT, "engine is NULL");
    *out = NULL;
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraEngineOptions", err));
    SU_TRY(check_engine_options(&o, err));
    SutraEngine *engine = su_calloc(1, sizeof *engine);
    if (!engine) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory");
    pthread_mutex_init(&engine->counter_lock, NULL);
    engine->process = su_process_id();
    engine->num_threads = o.num_threads ? o.num_threads : su_cpu_count();
    engine->batch_tokens = o.max_batch_tokens == 0           ? SU_CPU_RUN_TOKENS
                           : o.max_batch_tokens > (1u << 20) ? 1u << 20
                                                             : (uint32_t)o.max_batch_tokens;
    engine->num_lanes = engine->num_threads;
    engine->max_wait_ns = (uint64_t)o.max_wait_us * 1000;
    engine->backend = su_cpu_backend();
    engine->log = o.log;
    engine->log_user = o.log_user;
    SutraStatus status = open_devices(engine, &o, err);
    if (status == SUTRA_OK) status = su_thread_pool_create(engine->num_threads, &engine->pool, err);
    if (status == SUTRA_OK) status = create_workers(engine, err);
    if (status == SUTRA_OK && o.cache_bytes)
        status = su_vector_cache_create(o.cache_bytes, &engine->cache, err);
    if (status == SUTRA_OK) status = su_scheduler_create(engine, &engine->scheduler, err);
    if (status == SUTRA_OK)
        status = su_job_queue_create(engine, o.max_queued_tokens, &engine->queue, err);
    if (status != SUTRA_OK) {
        sutra_engine_free(engine);
        return status;
    }
    *out = engine;
    return SUTRA_OK;
}

void sutra_engine_free(SutraEngine *engine)
{
    if (!engine || engine->process != su_process_id()) return; /* a child has none of its threads */
    su_job_queue_free(engine->queue);
    su_scheduler_free(engine->scheduler);
    su_device_pool_stop(engine->devices);
    su_session_free_all(engine);
    su_device_pool_free(engine->devices);
    su_vector_cache_free(engine->cache);
    for (uint32_t i = 0; engine->workers && i < engine->num_threads; i++) {
        su_tokenizer_scratch_free(engine->workers[i].scratch);
        su_free_aligned(engine->workers[i].memory);
    }
    su_free(engine->workers);
    su_tokenizer_scratch_free(engine->counter.scratch);
    su_thread_pool_free(engine->pool);
    pthread_mutex_destroy(&engine->counter_lock);
    su_free(engine);
}

static SutraStatus check_call(const SutraEngine *engine, const SutraModel *model,
                              const SutraInput *inputs, size_t n, SutraError *err)
{
    if (!engine) SU_RAISE(err, SUTRA_E_ARGUMENT, "engine is NULL");
    if (engine->process != su_process_id())
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "the engine was made before fork(): a child needs one of its own");
    if (!model) SU_RAISE(err, SUTRA_E_ARGUMENT, "model is NULL");
    if (!inputs && n) SU_RAISE(err, SUTRA_E_ARGUMENT, "inputs is NULL");
    return su_inputs_check_reserved(inputs, n, err);
}

/* The model is held. */
static SutraStatus warm_up(SutraEngine *engine, const SutraModel *model,
                           const SutraEmbedOptions *options, SutraError *err)
{
    SuEmbedPlan plan;
    SuEmbedTarget nothing = {0};
    SU_TRY(su_embed_plan(model, options, &plan, err));
    SU_TRY(su_embed_call(engine, model, NULL, 0, &plan, &nothing, err));

    su_file_map_populate(model->tokenizer_image, model->tokenizer_image_size);
    /* A wide request touches every page of all threads; small ones after it bring the weights back
     * into the caches as they lie there between small requests. */
    enum { WIDE = 64, SMALL = 4 };
    static const char text[] = "the quick brown fox jumps over the lazy dog";
    SutraInput inputs[WIDE];
    for (size_t i = 0; i < WIDE; i++)
        inputs[i] = (SutraInput){.text = text,
                                 .text_size = sizeof text - 1,
                                 .pair = plan.output == SUTRA_OUT_SCORES ? text : NULL,
                                 .pair_size = plan.output == SUTRA_OUT_SCORES ? sizeof text - 1 : 0,
                                 .prompt_name = ""};
    SutraStatus status = SUTRA_OK;
    for (int i = 0; i < 1 + SMALL && status == SUTRA_OK; i++) {
        SutraResult *result = NULL;
        status =
            su_embed_to_result(engine, model, inputs, i == 0 ? WIDE : 1, options, &result, err);
        sutra_result_free(result);
    }
    return status;
}

SutraStatus sutra_model_warmup(SutraEngine *engine, const SutraModel *model,
                               const SutraEmbedOptions *options, SutraError *err)
{
    SU_TRY(check_call(engine, model, NULL, 0, err));
    SutraModel *held = sutra_model_retain((SutraModel *)model);
    SutraStatus status = warm_up(engine, model, options, err);
    sutra_model_free(held);
    return status;
}

SutraStatus sutra_embed(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                        size_t n, const SutraEmbedOptions *options, SutraResult **result,
                        SutraError *err)
{
    if (!result) SU_RAISE(err, SUTRA_E_ARGUMENT, "result is NULL");
    *result = NULL;
    SU_TRY(check_call(engine, model, inputs, n, err));
    return su_embed_to_result(engine, model, inputs, n, options, result, err);
}

static SutraStatus embed_into(SutraEngine *engine, const SutraModel *model,
                              const SutraInput *inputs, size_t n, const SutraEmbedOptions *options,
                              void *out, size_t capacity, SutraItem *items, SutraError *err)
{
    SuEmbedPlan plan;
    size_t needed;
    SU_TRY(check_call(engine, model, inputs, n, err));
    SU_TRY(su_embed_plan(model, options, &plan, err));
    if (plan.output != SUTRA_OUT_POOLED && plan.output != SUTRA_OUT_SCORES)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "sutra_embed_into gives pooled vectors and scores only; use sutra_embed");
    if (su_mul_overflows(n, plan.row_bytes, &needed) || needed > capacity || (!out && n))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "out has %zu bytes, %zu vectors need %zu each", capacity, n,
                 plan.row_bytes);
    SuEmbedTarget target = {.data = out, .items = items};
    return su_embed_call(engine, model, inputs, n, &plan, &target, err);
}

SutraStatus sutra_embed_into(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                             size_t n, const SutraEmbedOptions *options, void *out, size_t capacity,
                             SutraItem *items, SutraError *err)
{
    if (items) memset(items, 0, n * sizeof *items);
    SutraStatus status = embed_into(engine, model, inputs, n, options, out, capacity, items, err);
    if (status == SUTRA_OK || !items) return status;
    for (size_t i = 0; i < n; i++)
        if (items[i].status != SUTRA_OK) return status;
    for (size_t i = 0; i < n; i++) items[i].status = status; /* the call as a whole failed */
    return status;
}

SutraStatus sutra_embed_late(SutraEngine *engine, const SutraModel *model, const SutraInput *input,
                             const SutraChunk *chunks, size_t n, const SutraEmbedOptions *options,
                             void *out, size_t capacity, SutraItem *item, SutraError *err)
{
    if (item) *item = (SutraItem){0};
    if (!input || (!chunks && n)) SU_RAISE(err, SUTRA_E_ARGUMENT, "input or chunks is NULL");
    SU_TRY(check_call(engine, model, input, 1, err));
    SU_TRY(su_input_check(input, err));
    if (!input->text || input->pair || input->token_ids)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "late chunks are of a text, without pair or token_ids");
    return su_embed_late(engine, model, input, chunks, n, options, out, capacity, item, err);
}

SutraStatus sutra_submit(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                         size_t n, const SutraEmbedOptions *options, SutraDone done, void *user,
                         SutraJob **job, SutraError *err)
{
    SuEmbedPlan plan;
    SutraEmbedOptions o;
    if (job) *job = NULL;
    if (!job && !done)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "job and done are both NULL: nobody would see the result");
    SU_TRY(check_call(engine, model, inputs, n, err));
    SU_TRY(su_embed_plan(model, options, &plan, err));
    SU_TRY(su_options_read(&o, sizeof o, options, "SutraEmbedOptions", err));
    o.struct_size = sizeof o;
    return su_job_submit(engine->queue, model, inputs, n, &o, &plan, done, user, job, err);
}
