/* read_npy.h - float32 matrices as numpy.save writes them. */
#ifndef CLI_READ_NPY_H
#define CLI_READ_NPY_H

#include "sutra.h"

/* Reads [rows, columns] of float32 in C order; freed by free. Errors: IO; FORMAT, saying what else
 * the file holds. */
SutraStatus cli_read_npy(const char *path, uint32_t rows, uint32_t columns, float **values,
                         SutraError *err);

#endif
