/* similarity_loss.h - how far the cosines of a student's vectors are from the teacher's, over all
 * pairs of a batch, and the gradient of that.
 *
 *   s[i][j] = x_i x_j            x [n, teacher_dim] of length 1
 *   g[i][j] = y_i y_j / (|y_i| |y_j|)
 *   loss = mse_weight mean (g - s)^2 + cosine_weight mean_i (1 - cos(g[i], s[i]))
 *
 * both without the diagonal. Sums are in double, in one order. */
#ifndef SU_SIMILARITY_LOSS_H
#define SU_SIMILARITY_LOSS_H

#include "train/matmul.h"

typedef struct SuSimilarityLoss {
    const SuMatmul *matmul;
    double mse_weight, cosine_weight;
    size_t most, teacher_dim, dim; /* most: rows of a batch */
    float *memory;
    float *teacher, *student; /* [most, most] s and g; g becomes the gradient by g */
    float *pull;              /* [most, most] that gradient and its transpose added */
    float *unit, *turned;     /* [most, dim] y / |y|, and [dim, most] */
    float *scale;             /* [most] 1 / |y| */
} SuSimilarityLoss;

/* matmul must have room for most x teacher_dim and dim x most. Errors: MEMORY. */
SutraStatus su_similarity_loss_open(SuSimilarityLoss *loss, const SuMatmul *matmul, size_t most,
                                    size_t teacher_dim, size_t dim, SutraError *err);
void su_similarity_loss_close(SuSimilarityLoss *loss);

/* y [n, dim], 2 ≤ n ≤ most. dy [n, dim]: the gradient by y; NULL: not wanted. */
double su_similarity_loss(SuSimilarityLoss *loss, const float *x, const float *y, size_t n,
                          float *dy);

#endif
