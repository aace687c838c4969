/* request.h - what an engine is asked for: texts of one call or job, and how many are not done.
 *
 *   listed (scheduler.c) ──► items claimed by threads ──► items done, in any order ──► finished
 *                        └── cancelled or too late: what is not claimed fails
 *
 * Whoever makes a request keeps it, and what it points to, until it is finished. The thread that
 * ends its last item finishes it, and touches it no more. */
#ifndef SU_REQUEST_H
#define SU_REQUEST_H

#include "pipeline/text_tokens.h"

struct SuRequest {
    SutraEngine *engine;
    const SutraModel *model; /* held by the maker */
    const SutraInput *inputs;
    size_t n;
    const SuEmbedPlan *plan;
    SuEmbedTarget target;
    uint64_t submitted_ns, timeout_ns; /* given up if no text is claimed by then; 0: never */
    uint8_t priority;                  /* 255 first */
    /* Called by the thread that finished it, with no lock held, instead of waking a waiter. */
    void (*on_finished)(SuRequest *request);
    /* Of windows (window_request.h); of others NULL. */
    SuRequest *whole; /* the request that their text is of, which is over after they are */
    const SuTextTokens *tokens; /* [n] in place of inputs */

    /* The scheduler's, under its lock. */
    SuRequest *previous, *next;
    SuSession *session; /* NULL: not ready for this request */
    size_t next_item;   /* not yet claimed */
    size_t estimate;    /* tokens of the items from next_item on */
    size_t windows;     /* requests in the list of which this is the whole */
    bool listed, preparing;
    bool cancelled; /* to be seen when it was prepared, and by its windows to come */

    _Atomic size_t left; /* items that are not done */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool called, finished; /* called: the scheduler wants this waiter's thread to lead */
    SutraStatus status;    /* of the lowest failing item, or of all */
    size_t failed_item;    /* SIZE_MAX: none, or the request as a whole */
    SutraError failure;
};

/* The fields that the maker gives are set; the others are. */
void su_request_init(SuRequest *request);
void su_request_destroy(SuRequest *request);

/* The item has no row: status and one line that says why. It is not counted as done. */
void su_request_fail_item(SuRequest *request, size_t item, SutraStatus status, const char *message);

/* Counts items as done. After the last one the request may be gone. */
void su_request_items_done(SuRequest *request, size_t count);

/* Ends a request of which no item was claimed, with the status and message of err. */
void su_request_fail(SuRequest *request, SutraStatus status, const SutraError *err);

/* How a finished request ended; the message names the item where there are several. */
SutraStatus su_request_status(const SuRequest *request, SutraError *err);

/* Ends one that has no items. */
void su_request_finish(SuRequest *request);

/* Tokens of an item, estimated from its bytes: only to balance work. */
size_t su_request_estimate(const SuRequest *request, size_t item);

#endif
