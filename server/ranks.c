#include "ranks.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

float su_rank_score(const SuEmbedAnswer *answer, size_t i)
{
    float score = ((const float *)answer->view->data)[i];
    bool is_sigmoid = strcmp(answer->model->info.score_activation, "sigmoid") == 0;
    return answer->request->options.raw_scores || is_sigmoid ? score : 1 / (1 + expf(-score));
}

static int compare(const void *left, const void *right)
{
    const SuRank *a = left, *b = right;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

SuRank *su_ranks_create(const SuEmbedAnswer *answer)
{
    size_t n = answer->view->num_items;
    SuRank *ranks = su_alloc(n, sizeof *ranks);
    if (!ranks) return NULL;
    for (size_t i = 0; i < n; i++) ranks[i] = (SuRank){su_rank_score(answer, i), i};
    qsort(ranks, n, sizeof *ranks, compare);
    return ranks;
}
