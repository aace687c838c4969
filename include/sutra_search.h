/* sutra_search.h - exact search: the k rows of a collection that are most similar to a query, every
 * row being compared.
 *
 * Versioning, errors and threads are those of sutra.h. Rows lie as sutra_embed writes them, for
 * example in a file that is mapped; inputs are borrowed until return.
 *
 * How to use it: sutra_search_create once, sutra_search_run as often as wanted; with small rows
 * (binary, int8) first and larger ones (sutra_search_rescore) for what they find. */
#ifndef SUTRA_SEARCH_H
#define SUTRA_SEARCH_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SutraSearch SutraSearch; /* threads and memory of searches */

typedef struct SutraSearchOptions {
    uint32_t struct_size;
    uint32_t num_threads; /* 0: every core this process may run on */
} SutraSearchOptions;

/* What a score is; more is better. x is the query, y the row; the elements of I8 are its codes,
 * those of U8 less 128, those of BINARY and UBINARY -1 and 1.
 *
 *   COSINE    x y / (|x| |y|); 0 where one of them is all zeros, or so small or large that the
 *             square of its length is 0 or infinity in fp32
 *   DOT       x y
 *   HAMMING   of BINARY and UBINARY: less the number of bits that differ */
typedef enum SutraMetric {
    SUTRA_METRIC_COSINE = 0,
    SUTRA_METRIC_DOT,
    SUTRA_METRIC_HAMMING
} SutraMetric;

typedef struct SutraRows {
    const void *data; /* [count, sutra_row_bytes(dtype, dim)], aligned as the elements are */
    size_t count;
    SutraDtype dtype;
    uint32_t dim; /* at most 65,536 */
} SutraRows;

/* Errors: ARGUMENT, MEMORY, LIMIT (threads could not be started). */
SUTRA_API SutraStatus sutra_search_create(const SutraSearchOptions *options, SutraSearch **search,
                                          SutraError *err);
/* Nobody is in a call on it. */
SUTRA_API void sutra_search_free(SutraSearch *search);

/* The k best of `documents` for each query, best first, of equal ones the one that comes first.
 * Products of floats are one chain of fused multiply-adds, ascending: a score has the same bits
 * whatever the other queries and documents, the threads and the processor are. Any thread; one call
 * is at work at a time.
 *
 *   queries           of the documents' dim, and of their type, or F32 for documents of F32, F16,
 *                     I8, U8
 *   indices, scores   [queries->count, k]; beyond what there is: SIZE_MAX and -infinity. A row
 *                     whose score is NaN is not found
 *
 * Errors: ARGUMENT, MEMORY. */
SUTRA_API SutraStatus sutra_search_run(SutraSearch *search, SutraMetric metric,
                                       const SutraRows *queries, const SutraRows *documents,
                                       size_t k, size_t *indices, float *scores, SutraError *err);

/* The same among some documents of each query: candidates [queries->count, num_candidates] are
 * their numbers, each once at most; SIZE_MAX stands for none. Errors: ARGUMENT (a number that no
 * document has), MEMORY. */
SUTRA_API SutraStatus sutra_search_rescore(SutraSearch *search, SutraMetric metric,
                                           const SutraRows *queries, const SutraRows *documents,
                                           const size_t *candidates, size_t num_candidates,
                                           size_t k, size_t *indices, float *scores,
                                           SutraError *err);

#ifdef __cplusplus
}
#endif
#endif
