/* batch_run.h - a thread's batch: texts of any requests of one kind, through the encoder together.
 * Vectors do not depend on their batch, so that only what one run of a backend has in common must
 * be equal: the model and what is made of its hidden states. */
#ifndef SU_BATCH_RUN_H
#define SU_BATCH_RUN_H

#include "pipeline/request.h"

/* Of a request whose session is ready. */
SuBatchKind su_batch_kind(const SuRequest *request);
bool su_batch_kind_equal(const SuBatchKind *a, const SuBatchKind *b);

/* Empties the worker's batch for texts of a kind, on context `rank`, on that of a team, or on the
 * long one. */
void su_batch_start(SuWorker *worker, const SuBatchKind *kind, uint32_t rank);
void su_batch_start_team(SuWorker *worker, const SuBatchKind *kind);
void su_batch_start_long(SuWorker *worker, const SuBatchKind *kind);

/* Tokenises items begin … end - 1 into the worker's batch, which is of the request's kind, and runs
 * it whenever it is full. A text that is too long for its context goes through the long one alone;
 * one that becomes windows leaves them in worker->windows, to be listed. The request must not be
 * touched afterwards: it may be over, unless there are windows of it. */
void su_batch_add(SuWorker *worker, SuRequest *request, size_t begin, size_t end, uint64_t queue_ns,
                  const SutraTeam *team);

/* Takes the batch through the encoder and empties it: its items are done. */
void su_batch_run(SuWorker *worker, const SutraTeam *team);

#endif
