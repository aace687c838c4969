/* projection.h - the student y = w x: the teacher's vector x [in] by a matrix w [out, in] without
 * bias, so that it is the same whether the teacher's Normalize comes before it or after. */
#ifndef SU_PROJECTION_H
#define SU_PROJECTION_H

#include "train/similarity_loss.h"
#include "train/train_loop.h"

typedef struct SuProjection {
    const SuMatmul *matmul;
    SuSimilarityLoss loss;
    const float *vectors; /* [texts, in] of length 1 */
    size_t in, out, most;
    uint64_t seed;
    float *memory;
    float *x, *turned_x; /* [most, in] of the batch, and [in, most] */
    float *y, *dy;       /* [most, out] */
    float *turned_dy;    /* [out, most] */
} SuProjection;

/* most: texts of a batch, or held out. Errors: MEMORY. */
SutraStatus su_projection_open(SuProjection *projection, SuMatmul *matmul, const float *vectors,
                               size_t in, size_t out, size_t most, SutraError *err);
void su_projection_close(SuProjection *projection);
SuStudent su_projection_student(SuProjection *projection);

/* weights [out, in] of what a projection is compared with: the first elements of a vector; signs at
 * random (Achlioptas 2003), which keep distances by the lemma of Johnson and Lindenstrauss; the
 * eigenvectors of the greatest eigenvalues of X^T X, X being rows [count, in] of vectors by texts
 * (PCA without centring, which the cosine has none of). */
void su_projection_truncate(const SuProjection *projection, float *weights);
void su_projection_random(const SuProjection *projection, float *weights);
SutraStatus su_projection_pca(const SuProjection *projection, const uint32_t *texts, size_t count,
                              float *weights, SutraError *err);

/* y [count, out], count ≤ most: valid until the next call on the projection. */
const float *su_projection_apply(SuProjection *projection, const float *weights,
                                 const uint32_t *texts, size_t count);

#endif
