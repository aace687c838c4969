/* ranks.h - scores of texts for a query, the best first. Pure. */
#ifndef SU_RANKS_H
#define SU_RANKS_H

#include "embed_serve.h"

typedef struct SuRank {
    float score;
    size_t index; /* of the text in the request */
} SuRank;

/* Of text i as the request wants it: raw, or from 0 to 1 whatever the model makes of it. */
float su_rank_score(const SuEmbedAnswer *answer, size_t i);

/* [num_inputs] the best first, of equal ones the first text; the caller's (su_free). NULL: out of
 * memory. */
SuRank *su_ranks_create(const SuEmbedAnswer *answer);

#endif
