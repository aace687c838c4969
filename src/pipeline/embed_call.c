/* Calls that block: a request on the caller's stack. */
#include "base/clock.h"
#include "base/status.h"
#include "pipeline/scheduler.h"

SutraStatus su_embed_call(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SuEmbedPlan *plan, const SuEmbedTarget *target,
                          SutraError *err)
{
    SutraModel *held = su_model_retain((SutraModel *)model);
    SuRequest request = {.engine = engine,
                         .model = model,
                         .inputs = inputs,
                         .n = n,
                         .plan = plan,
                         .target = *target,
                         .submitted_ns = su_clock_ns()};
    su_request_init(&request);
    su_scheduler_run(engine->scheduler, &request);
    SutraStatus status = su_request_status(&request, err);
    su_request_destroy(&request);
    su_model_free(held);
    return status;
}

SutraStatus su_embed_to_result(SutraEngine *engine, const SutraModel *model,
                               const SutraInput *inputs, size_t n, const SutraEmbedOptions *options,
                               SutraResult **out, SutraError *err)
{
    SuEmbedPlan plan;
    SutraResult *result;
    *out = NULL;
    SU_TRY(su_embed_plan(model, options, &plan, err));
    SU_TRY(su_result_create(engine, model, inputs, n, &plan, &result, err));
    SuEmbedTarget target = su_result_target(result);
    SutraStatus status = su_embed_call(engine, model, inputs, n, &plan, &target, err);
    *out = su_result_of(result, status);
    return status;
}
