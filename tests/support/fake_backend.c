#include "support/fake_backend.h"

#include "backend/cpu_backend.h"

#include <stdbool.h>
#include <stdio.h>

FakeBackend fake;

/* Whether this step is to fail; a plugin need not write a message, nor set err->status. */
static bool must_fail(FakeStep step, SutraError *err)
{
    if (fake.fails != step) return false;
    if (fake.message) snprintf(err->message, sizeof err->message, "%s", fake.message);
    return true;
}

static SutraStatus supports(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                            SutraOutput output, SutraError *err)
{
    fake.supports_calls++;
    if (must_fail(FAKE_SUPPORTS, err)) return fake.status;
    return su_cpu_backend()->supports(device, spec, compute, output, err);
}

static SutraStatus load(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                        size_t n, SutraCompute compute, void **model, SutraError *err)
{
    if (must_fail(FAKE_LOAD, err)) return fake.status;
    SutraStatus status = su_cpu_backend()->load(device, spec, tensors, n, compute, model, err);
    if (status == SUTRA_OK) fake.loads++;
    return status;
}

static void unload(void *model)
{
    fake.unloads++;
    su_cpu_backend()->unload(model);
}

static SutraStatus context_create(void *model, uint32_t max_tokens, uint32_t max_seqs,
                                  uint32_t max_team, void **context, SutraError *err)
{
    if (must_fail(FAKE_CONTEXT, err)) return fake.status;
    SutraStatus status =
        su_cpu_backend()->context_create(model, max_tokens, max_seqs, max_team, context, err);
    if (status == SUTRA_OK) fake.contexts++;
    return status;
}

static SutraStatus run(void *context, const SutraBatch *batch, SutraResultView *view,
                       SutraError *err)
{
    if (fake.on_run) fake.on_run();
    if (must_fail(FAKE_RUN, err)) return fake.status;
    SutraStatus status = su_cpu_backend()->run(context, batch, view, err);
    if (fake.fails == FAKE_RUN_ROWS) view->row_bytes *= 2;
    if (fake.fails == FAKE_RUN_ITEMS) view->num_items--;
    return status;
}

static void context_free(void *context)
{
    fake.context_frees++;
    su_cpu_backend()->context_free(context);
}

const SutraBackend *fake_backend(void)
{
    static SutraBackend backend;
    backend = *su_cpu_backend();
    backend.name = "fake";
    backend.supports = supports;
    backend.load = load;
    backend.unload = unload;
    backend.context_create = context_create;
    backend.run = run;
    backend.context_free = context_free;
    return &backend;
}
