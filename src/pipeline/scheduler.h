/* scheduler.h - who works on what: the list of requests of an engine, and its threads' turns.
 *
 *   phase
 *
 *   idle
 *   alone   one thread has the engine: it makes a session ready for the first request, or takes a
 *           small batch through the layers with all threads as its team; then idle
 *   wide    each thread claims texts, tokenises them and takes them through all layers; idle when
 *           nothing is left that could be claimed
 *
 * A thread that wants its request done leads while nobody else does (rank 0); the others are the
 * pool's. So a lone request wakes nobody that it does not need, and starts at once. When a leader's
 * own request is claimed to its end, the thread of the first request in the list takes over: the
 * waiter of a blocking call, or the host thread for jobs. Requests are in order of priority, then
 * of arrival; texts of later ones of the same kind fill up a batch. */
#ifndef SU_SCHEDULER_H
#define SU_SCHEDULER_H

#include "pipeline/request.h"

SutraStatus su_scheduler_create(SutraEngine *engine, SuScheduler **scheduler, SutraError *err);
/* No request is listed or running. */
void su_scheduler_free(SuScheduler *scheduler);

/* Runs a request to its end; blocks. It is initialised. */
void su_scheduler_run(SuScheduler *scheduler, SuRequest *request);

/* Lists a request with on_finished, for the host thread. Errors: LIMIT (it could not be started).
 * */
SutraStatus su_scheduler_submit(SuScheduler *scheduler, SuRequest *request, SutraError *err);

/* What waits now: requests not yet claimed to their end, and their texts and tokens that are not.
 * Tokens are estimates. */
typedef struct SuWaiting {
    uint64_t requests, texts, tokens;
} SuWaiting;
SuWaiting su_scheduler_waiting(SuScheduler *scheduler);

/* Ends what is not yet claimed of a submitted request with CANCELLED; nothing when it is over, but
 * the request must still be there. */
void su_scheduler_cancel(SuScheduler *scheduler, SuRequest *request);

#endif
