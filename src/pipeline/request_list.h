/* request_list.h - requests with texts that nobody has claimed, in order of priority, then of
 * arrival, and what threads claim of them. Its owner's lock is held in all of these. */
#ifndef SU_REQUEST_LIST_H
#define SU_REQUEST_LIST_H

#include "pipeline/request.h"

typedef struct SuRequestList {
    SuRequest *first, *last;
    size_t items, tokens; /* not claimed; tokens are estimates */
    uint64_t earliest;    /* deadline of those in the list, or before; UINT64_MAX: none */
} SuRequestList;

/* Texts that a thread claimed. */
typedef struct SuShare {
    SuRequest *request;
    size_t begin, end;
    uint64_t queue_ns;
} SuShare;

void su_request_list_add(SuRequestList *list, SuRequest *request);
void su_request_list_remove(SuRequestList *list, SuRequest *request);

/* Takes those out that are too late, of which nothing is claimed; a chain by next, or NULL. */
SuRequest *su_request_list_take_late(SuRequestList *list);

/* Whether the next text is longer than a thread's context, as far as its bytes tell: all threads
 * stop for it. */
bool su_request_list_long_next(const SuRequestList *list);
/* Whether the first request has a session, and a next text that is not long. */
bool su_request_list_claimable(const SuRequestList *list);

/* Claims texts of about so many tokens, of one request, at least one: of the first with that kind
 * (NULL: any). False: there are none, or the list is not claimable. */
bool su_request_list_claim(SuRequestList *list, const SuBatchKind *kind, size_t tokens,
                           SuShare *share);
/* Claims one text of the first request. */
void su_request_list_claim_first(SuRequestList *list, SuShare *share);

#endif
