/* Results: one block of memory that holds the view, the items, the offsets and the rows. */
#include "base/status.h"
#include "pipeline/engine.h"

#include <string.h>

/* header | items [n] | offsets [n + 1] (token vectors only) | rows */
static SutraResult *allocate(const SuEmbedPlan *plan, size_t n, size_t rows, const size_t *offsets,
                             SutraError *err)
{
    size_t data_bytes;
    SuArena arena = {0};
    su_arena_carve(&arena, sizeof(SutraResult));
    su_arena_carve(&arena, n * sizeof(SutraItem));
    if (offsets) su_arena_carve(&arena, (n + 1) * sizeof *offsets);
    if (su_mul_overflows(rows, plan->row_bytes, &data_bytes)) data_bytes = SIZE_MAX / 2;
    su_arena_carve(&arena, data_bytes);
    unsigned char *memory = su_alloc_aligned(arena.used);
    if (!memory) {
        su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu vectors (%zu bytes)", rows,
                     data_bytes);
        return NULL;
    }
    arena = (SuArena){.base = memory, .size = arena.used};
    SutraResult *result = su_arena_carve(&arena, sizeof *result);
    SutraItem *items = su_arena_carve(&arena, n * sizeof *items);
    memset(items, 0, n * sizeof *items);
    size_t *own_offsets = NULL;
    if (offsets) {
        own_offsets = su_arena_carve(&arena, (n + 1) * sizeof *offsets);
        memcpy(own_offsets, offsets, (n + 1) * sizeof *offsets);
    }
    result->view = (SutraResultView){.struct_size = sizeof result->view,
                                     .output = plan->output,
                                     .dtype = plan->dtype,
                                     .dim = plan->dim,
                                     .num_items = n,
                                     .row_bytes = plan->row_bytes,
                                     .data = su_arena_carve(&arena, data_bytes),
                                     .offsets = own_offsets,
                                     .items = items};
    return result;
}

SutraStatus su_result_create(SutraEngine *engine, const SutraModel *model, const SutraInput *inputs,
                             size_t n, const SuEmbedPlan *plan, SutraResult **out, SutraError *err)
{
    size_t *offsets = NULL, rows = n;
    *out = NULL;
    if (plan->output == SUTRA_OUT_TOKENS) {
        offsets = su_calloc(n + 1, sizeof *offsets);
        if (!offsets) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
        SutraStatus status = su_embed_count_tokens(engine, model, inputs, n, plan, offsets, err);
        if (status != SUTRA_OK) {
            su_free(offsets);
            return status;
        }
        rows = offsets[n];
    }
    *out = allocate(plan, n, rows, offsets, err);
    su_free(offsets);
    return *out ? SUTRA_OK : SUTRA_E_MEMORY;
}

SuEmbedTarget su_result_target(SutraResult *result)
{
    return (SuEmbedTarget){(unsigned char *)result->view.data, result->view.offsets,
                           (SutraItem *)result->view.items};
}

SutraResult *su_result_of(SutraResult *result, SutraStatus status)
{
    bool some_item = status == SUTRA_OK;
    for (size_t i = 0; i < result->view.num_items && !some_item; i++)
        some_item = result->view.items[i].status != SUTRA_OK;
    if (some_item) return result;
    su_result_free(result);
    return NULL;
}

void su_result_free(SutraResult *result) { su_free_aligned(result); }
