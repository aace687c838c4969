/* sutra.h: jobs that were submitted. */
#include "pipeline/job_queue.h"

SutraStatus sutra_job_wait(SutraJob *job, uint64_t timeout_ns, SutraResult **result,
                           SutraError *err)
{
    return su_job_wait(job, timeout_ns, result, err);
}

void sutra_job_cancel(SutraJob *job) { su_job_cancel(job); }

void sutra_job_free(SutraJob *job) { su_job_free(job); }
