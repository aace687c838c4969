/* backend_call.h - what a backend's function gave, made fit for the engine. */
#ifndef SU_BACKEND_CALL_H
#define SU_BACKEND_CALL_H

#include "sutra_backend.h"

/* Makes *reason, of a backend's function that returned status, fit to be shown: a plugin may have
 * written nothing, or no end. Returns the status, DEVICE in place of one that is not known. */
SutraStatus su_backend_reason(const SutraBackend *backend, const char *function, SutraStatus status,
                              SutraError *reason);

/* Runs a batch: one item a text, in rows of row_bytes, or a reason. */
SutraStatus su_backend_run(const SutraBackend *backend, void *context, const SutraBatch *batch,
                           size_t row_bytes, SutraResultView *view, SutraError *reason);

#endif
