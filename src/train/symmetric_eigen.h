/* symmetric_eigen.h - eigenvalues and eigenvectors of a symmetric matrix, in double: Householder's
 * reduction to three diagonals, then QL with implicit shifts (Golub and Van Loan, chapter 8). One
 * thread; the order of operations is fixed. */
#ifndef SU_SYMMETRIC_EIGEN_H
#define SU_SYMMETRIC_EIGEN_H

#include "base/status.h"

/* a [n, n] becomes the eigenvectors, one a row, of length 1; values [n]: the largest first.
 * Errors: MEMORY, NUMERIC (no convergence: a is not finite). */
SutraStatus su_symmetric_eigen(double *a, size_t n, double *values, SutraError *err);

#endif
