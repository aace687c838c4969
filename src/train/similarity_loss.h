/* similarity_loss.h - how far the cosines of a student's vectors are from the teacher's, over all
 * pairs of a batch, and the gradient of that.
 *
 *   s[i][j] = x_i x_j            x [n, teacher_dim] of length 1
 *   g[i][j] = y_i y_j / (|y_i| |y_j|)
 *   loss = neighbour_weight mean_i KL(softmax(s[i] / t), softmax(g[i] / t))
 *          + mse_weight mean (g - s)^2 + cosine_weight mean_i (1 - cos(g[i], s[i]))
 *
 * all without the diagonal, t being the temperature. Sums are in double, in one order. */
#ifndef SU_SIMILARITY_LOSS_H
#define SU_SIMILARITY_LOSS_H

#include "train/matmul.h"

typedef struct SuLossWeights {
    double neighbour, temperature, mse, cosine;
} SuLossWeights;

typedef struct SuSimilarityLoss {
    const SuMatmul *matmul;
    SuLossWeights weights;
    size_t n;                      /* rows at hand */
    size_t most, teacher_dim, dim; /* most: rows of a batch */
    float *memory;
    float *teacher, *student; /* [most, most] s and g */
    float *pull;              /* [most, most] the gradient by g, then with its transpose added */
    float *unit, *turned;     /* [most, dim] y / |y|, and [dim, most] */
    float *scale;             /* [most] 1 / |y| */
    double *row_loss;         /* [most] */
} SuSimilarityLoss;

/* matmul must have room for most x teacher_dim and dim x most. Errors: MEMORY. */
SutraStatus su_similarity_loss_open(SuSimilarityLoss *loss, const SuMatmul *matmul, size_t most,
                                    size_t teacher_dim, size_t dim, SutraError *err);
void su_similarity_loss_close(SuSimilarityLoss *loss);

/* y [n, dim], 2 ≤ n ≤ most. dy [n, dim]: the gradient by y; NULL: not wanted. */
double su_similarity_loss(SuSimilarityLoss *loss, const float *x, const float *y, size_t n,
                          float *dy);

#endif
