/* top_k.c - exact search: every query against every document, the best k kept in a heap.
 *
 * Similarities are computed for a tile of queries by a tile of documents at a time, so that memory
 * does not grow with the collection. */
#include "base/memory.h"
#include "base/status.h"
#include "search/top_heap.h"
#include "sutra_tools.h"

enum { TILE_QUERIES = 64, TILE_DOCUMENTS = 1024 };

static SutraStatus search_tile(SutraDtype dtype, uint32_t dim, const void *queries, size_t count,
                               const void *documents, size_t num_documents, size_t k, float *tile,
                               size_t *indices, float *scores, SutraError *err)
{
    size_t row_bytes = sutra_row_bytes(dtype, dim);
    for (size_t first = 0; first < num_documents; first += TILE_DOCUMENTS) {
        size_t width = num_documents - first;
        if (width > TILE_DOCUMENTS) width = TILE_DOCUMENTS;
        SU_TRY(sutra_similarity(dtype, dim, queries, count,
                                (const char *)documents + first * row_bytes, width, tile, err));
        for (size_t q = 0; q < count; q++)
            for (size_t d = 0; d < width; d++)
                su_top_offer(indices + q * k, scores + q * k, k, first + d, tile[q * width + d]);
    }
    for (size_t q = 0; q < count; q++) su_top_sort(indices + q * k, scores + q * k, k);
    return SUTRA_OK;
}

SutraStatus sutra_top_k(SutraDtype dtype, uint32_t dim, const void *queries, size_t num_queries,
                        const void *documents, size_t num_documents, size_t k, size_t *indices,
                        float *scores, SutraError *err)
{
    size_t row_bytes = sutra_row_bytes(dtype, dim);
    if (!row_bytes) SU_RAISE(err, SUTRA_E_ARGUMENT, "top_k: dim %u does not fit the type", dim);
    if ((!queries && num_queries) || (!documents && num_documents) || !k ||
        ((!indices || !scores) && num_queries))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "top_k: an argument is NULL or k is 0");
    su_top_clear(indices, scores, num_queries * k);
    float *tile = su_alloc((size_t)TILE_QUERIES * TILE_DOCUMENTS, sizeof *tile);
    if (!tile) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for similarities");
    SutraStatus status = SUTRA_OK;
    for (size_t first = 0; first < num_queries && status == SUTRA_OK; first += TILE_QUERIES) {
        size_t count = num_queries - first < TILE_QUERIES ? num_queries - first : TILE_QUERIES;
        status =
            search_tile(dtype, dim, (const char *)queries + first * row_bytes, count, documents,
                        num_documents, k, tile, indices + first * k, scores + first * k, err);
    }
    su_free(tile);
    return status;
}
