/* job_queue.h - asynchronous requests; see sutra_submit. */
#ifndef SU_JOB_QUEUE_H
#define SU_JOB_QUEUE_H

#include "pipeline/engine.h"

/* *options is complete (su_options_read). out may be NULL when done is given. */
SutraStatus su_job_submit(SuJobQueue *queue, const SutraModel *model, const SutraInput *inputs,
                          size_t n, const SutraEmbedOptions *options, SutraDone done, void *user,
                          SutraJob **out, SutraError *err);

#endif
