/* window_request.h - a text of too many tokens as a request of its windows.
 *
 *   item i of a request ──► windows 0 … n - 1, items of a request of their own ──► float rows
 *                                                                                  │ aggregate
 *   row i  ◄── normalised, converted ◄─────────────────────────────────────────────┘
 *
 * Any threads take the windows, with texts of other requests. Who ends the last one makes row i,
 * and item i is done with that. */
#ifndef SU_WINDOW_REQUEST_H
#define SU_WINDOW_REQUEST_H

#include "pipeline/request.h"

/* Of item i, which is described but for its windows, and whose tokens su_text_tokens just gave. The
 * request is to be listed, and frees itself. Errors: ARGUMENT (a window has no room), MEMORY. */
SutraStatus su_window_request_create(SuWorker *worker, SuRequest *whole, size_t item,
                                     const SuTextTokens *tokens, SuRequest **request,
                                     SutraError *err);

#endif
