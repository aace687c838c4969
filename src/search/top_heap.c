#include "search/top_heap.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Is (score a, index a) ranked after (score b, index b)? */
static bool is_worse(float a, size_t index_a, float b, size_t index_b)
{
    return a < b || (a == b && index_a > index_b);
}

static void swap(size_t *indices, float *scores, size_t a, size_t b)
{
    size_t index = indices[a];
    float score = scores[a];
    indices[a] = indices[b], scores[a] = scores[b];
    indices[b] = index, scores[b] = score;
}

static void sift_down(size_t *indices, float *scores, size_t size)
{
    for (size_t at = 0;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < size; child++)
            if (is_worse(scores[child], indices[child], scores[worst], indices[worst]))
                worst = child;
        if (worst == at) return;
        swap(indices, scores, at, worst);
        at = worst;
    }
}

void su_top_clear(size_t *indices, float *scores, size_t k)
{
    for (size_t i = 0; i < k; i++) indices[i] = SIZE_MAX, scores[i] = -INFINITY;
}

void su_top_offer(size_t *indices, float *scores, size_t k, size_t index, float score)
{
    if (!is_worse(scores[0], indices[0], score, index)) return;
    indices[0] = index, scores[0] = score;
    sift_down(indices, scores, k);
}

void su_top_sort(size_t *indices, float *scores, size_t k)
{
    for (size_t size = k; size > 1; size--) {
        swap(indices, scores, 0, size - 1);
        sift_down(indices, scores, size - 1);
    }
}
