#include "backend/backend_call.h"

#include "base/status.h"

SutraStatus su_backend_reason(const SutraBackend *backend, const char *function, SutraStatus status,
                              SutraError *reason)
{
    if ((unsigned)status > SUTRA_E_ABI) status = SUTRA_E_DEVICE;
    reason->message[sizeof reason->message - 1] = '\0';
    if (!reason->message[0])
        su_error_set(reason, status, "%s of the %s backend failed without saying why", function,
                     backend->name);
    return status;
}

SutraStatus su_backend_run(const SutraBackend *backend, void *context, const SutraBatch *batch,
                           size_t row_bytes, SutraResultView *view, SutraError *reason)
{
    SutraStatus status = backend->run(context, batch, view, reason);
    if (status != SUTRA_OK) return su_backend_reason(backend, "run", status, reason);
    if (!view->data || view->num_items != batch->num_seqs || view->row_bytes != row_bytes)
        SU_RAISE(
            reason, SUTRA_E_DEVICE,
            "run of the %s backend gave %zu texts with rows of %zu bytes in place of %u of %zu",
            backend->name, view->data ? view->num_items : 0, view->row_bytes, batch->num_seqs,
            row_bytes);
    return SUTRA_OK;
}
