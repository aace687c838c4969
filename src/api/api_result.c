/* sutra.h: results. */
#include "base/status.h"
#include "batch/row_bytes.h"
#include "pipeline/engine.h"

#include <string.h>

SutraStatus sutra_result_view(const SutraResult *result, SutraResultView *view, SutraError *err)
{
    if (!result || !view) SU_RAISE(err, SUTRA_E_ARGUMENT, "result or view is NULL");
    uint32_t size = view->struct_size;
    if (size < sizeof size) SU_RAISE(err, SUTRA_E_ABI, "SutraResultView: struct_size is not set");
    memcpy(view, &result->view, size < sizeof *view ? size : sizeof *view);
    view->struct_size = size;
    return SUTRA_OK;
}

void sutra_result_free(SutraResult *result) { su_result_free(result); }

size_t sutra_row_bytes(SutraDtype dtype, uint32_t dim) { return su_row_bytes(dtype, dim); }
