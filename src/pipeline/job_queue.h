/* job_queue.h - asynchronous requests; see sutra_submit. */
#ifndef SU_JOB_QUEUE_H
#define SU_JOB_QUEUE_H

#include "pipeline/engine.h"

/* *options is complete (su_options_read), *plan made of it. out may be NULL when done is given. */
SutraStatus su_job_submit(SuJobQueue *queue, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SutraEmbedOptions *options, const SuEmbedPlan *plan,
                          SutraDone done, void *user, SutraJob **out, SutraError *err);

/* See sutra_job_wait, _cancel and _free. */
SutraStatus su_job_wait(SutraJob *job, uint64_t timeout_ns, SutraResult **result, SutraError *err);
void su_job_cancel(SutraJob *job);
void su_job_free(SutraJob *job);

/* What outlives its engine holds the queue, and enters it while it needs the engine, whose end
 * waits until it leaves. Errors: CANCELLED (the engine is being freed). */
SuJobQueue *su_job_queue_retain(SuJobQueue *queue);
void su_job_queue_release(SuJobQueue *queue);
SutraStatus su_job_queue_enter(SuJobQueue *queue, SutraEngine **engine, SutraError *err);
void su_job_queue_leave(SuJobQueue *queue);

#endif
