/* read_npy.h - float32 matrices as numpy.save writes them. */
#ifndef CLI_READ_NPY_H
#define CLI_READ_NPY_H

#include "sutra.h"

/* Reads [rows, columns] of float32 in C order; freed by free. Errors: IO; FORMAT, saying what else
 * the file holds. */
SutraStatus cli_read_npy(const char *path, uint32_t rows, uint32_t columns, float **values,
                         SutraError *err);

/* The value of a key of a header's dict, without blanks, up to the comma outside brackets that ends
 * it; "" where it is not found. */
void cli_npy_value(const char *dict, const char *key, char *value, size_t capacity);

#endif
