#include "pipeline/request_list.h"

#include "base/clock.h"
#include "pipeline/batch_run.h"

enum { LOOK_AHEAD = 256 /* requests that are looked at for one of a batch's kind */ };

/* An item of a request whose session is ready: longer than a thread's context, as far as its bytes
 * tell. */
static bool is_long(const SuRequest *r, size_t item)
{
    return r->session->long_context && su_request_estimate(r, item) > r->session->max_tokens;
}

bool su_request_list_long_next(const SuRequestList *list)
{
    const SuRequest *r = list->first;
    return r && r->session && is_long(r, r->next_item);
}

bool su_request_list_claimable(const SuRequestList *list)
{
    return list->first && list->first->session && !su_request_list_long_next(list);
}

static uint64_t deadline(const SuRequest *request)
{
    uint64_t end = request->submitted_ns + request->timeout_ns;
    return request->timeout_ns == 0 || end < request->submitted_ns ? UINT64_MAX : end;
}

void su_request_list_add(SuRequestList *list, SuRequest *request)
{
    SuRequest *before = list->last;
    /* Windows come first of their priority: texts that are begun are done before others are. */
    while (before && (before->priority < request->priority ||
                      (request->whole && before->priority == request->priority)))
        before = before->previous;
    SuRequest *after = before ? before->next : list->first;
    request->previous = before;
    request->next = after;
    *(before ? &before->next : &list->first) = request;
    *(after ? &after->previous : &list->last) = request;
    request->listed = true;
    if (request->whole) request->whole->windows++;
    list->items += request->n;
    list->tokens += request->estimate;
    if (deadline(request) < list->earliest) list->earliest = deadline(request);
}

void su_request_list_remove(SuRequestList *list, SuRequest *request)
{
    *(request->previous ? &request->previous->next : &list->first) = request->next;
    *(request->next ? &request->next->previous : &list->last) = request->previous;
    request->listed = false;
    if (request->whole) request->whole->windows--;
    list->items -= request->n - request->next_item;
    list->tokens -= request->estimate;
    if (!list->first) list->earliest = UINT64_MAX;
}

SuRequest *su_request_list_take_late(SuRequestList *list)
{
    SuRequest *late = NULL;
    if (list->earliest == UINT64_MAX || su_clock_ns() <= list->earliest) return NULL;
    uint64_t now = su_clock_ns(), earliest = UINT64_MAX;
    for (SuRequest *r = list->first, *next; r; r = next) {
        next = r->next;
        if (r->next_item || deadline(r) == UINT64_MAX) continue;
        if (deadline(r) >= now || r->preparing) {
            if (deadline(r) < earliest) earliest = deadline(r);
            continue;
        }
        su_request_list_remove(list, r);
        r->next = late;
        late = r;
    }
    list->earliest = earliest;
    return late;
}

/* The first request with texts of that kind; NULL kind: of any. Nothing when the first request of
 * all has no session, or a long text comes next: all threads stop for it. */
static SuRequest *find_request(const SuRequestList *list, const SuBatchKind *kind)
{
    if (!su_request_list_claimable(list)) return NULL;
    if (!kind) return list->first;
    SuRequest *r = list->first;
    for (int i = 0; r && i < LOOK_AHEAD; i++, r = r->next) {
        if (!r->session || is_long(r, r->next_item)) continue;
        SuBatchKind own = su_batch_kind(r);
        if (su_batch_kind_equal(&own, kind)) return r;
    }
    return NULL;
}

/* Items up to `end`, which are of about so many tokens. */
static void take(SuRequestList *list, SuRequest *r, size_t end, size_t tokens, SuShare *share)
{
    size_t begin = r->next_item;
    uint64_t now = su_clock_ns();
    *share = (SuShare){r, begin, end, now > r->submitted_ns ? now - r->submitted_ns : 0};
    if (end == r->n) su_request_list_remove(list, r); /* while it counts what is claimed */
    r->next_item = end;
    r->estimate -= tokens;
    if (r->listed) {
        list->items -= end - begin;
        list->tokens -= tokens;
    }
}

bool su_request_list_claim(SuRequestList *list, const SuBatchKind *kind, size_t tokens,
                           SuShare *share)
{
    SuRequest *r = find_request(list, kind);
    if (!r) return false;
    size_t end = r->next_item, taken = 0;
    do taken += su_request_estimate(r, end++);
    while (end < r->n && taken < tokens && !is_long(r, end));
    take(list, r, end, taken, share);
    return true;
}

void su_request_list_claim_first(SuRequestList *list, SuShare *share)
{
    SuRequest *r = list->first;
    take(list, r, r->next_item + 1, su_request_estimate(r, r->next_item), share);
}
