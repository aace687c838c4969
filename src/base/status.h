/* status.h - raising and forwarding errors.
 *
 * A fallible function returns a SutraStatus and takes `SutraError *err` last; err may be NULL. Who
 * detects an error raises it with one line that names the file, tensor or field; callers forward it
 * untouched. */
#ifndef SU_STATUS_H
#define SU_STATUS_H

#include "sutra.h"

#include <stdbool.h>

/* Fills *err (when not NULL) and returns `status`. Control characters in the message are replaced
 * by '?'. */
SutraStatus su_error_set(SutraError *err, SutraStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tells static analysers what the function returns. */
#ifdef __clang_analyzer__
#define su_error_set(err, status, ...) ((su_error_set)((err), (status), __VA_ARGS__), (status))
#endif

/* The same for one input of a call, with the reason as it is. named: the message starts with "item
 * N: ".
 */
SutraStatus su_error_set_item(SutraError *err, SutraStatus status, size_t item, bool named,
                              const char *reason);

void su_error_clear(SutraError *err);

/* return su_error_set(err, …) */
#define SU_RAISE(err, status, ...) return su_error_set((err), (status), __VA_ARGS__)

/* Forwards a failure to the caller. For functions that own nothing at that point; others test and
 * goto cleanup. */
#define SU_TRY(expression)                                   \
    do {                                                     \
        SutraStatus su_try_status = (expression);            \
        if (su_try_status != SUTRA_OK) return su_try_status; \
    } while (0)

#endif
