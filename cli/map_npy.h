/* map_npy.h - a matrix in a .npy file, mapped: nothing is read before it is used. */
#ifndef CLI_MAP_NPY_H
#define CLI_MAP_NPY_H

#include "sutra_search.h"

#include <stdbool.h>

typedef struct CliMatrix {
    const void *data; /* [rows, columns] of `type` */
    uint64_t rows, columns;
    char type[8]; /* "<f4", "<f2", "|i1", "|u1" */
    void *map;
    size_t map_size;
} CliMatrix;

/* The bytes of any file, as map and map_size. missing_ok: none, if it is not there. Errors: IO. */
SutraStatus cli_map_file(const char *path, bool missing_ok, CliMatrix *matrix, SutraError *err);
/* Errors: IO; FORMAT (not such a file, or cut off), UNSUPPORTED (another type or order). */
SutraStatus cli_map_npy(const char *path, CliMatrix *matrix, SutraError *err);
void cli_unmap_npy(CliMatrix *matrix);

/* What the rows are to a model whose vectors have model_dim elements: bits where they have as many
 * bytes as such bits take. dtype: 1 + SutraDtype that the user says, 0: it is to be found out.
 * Errors: ARGUMENT, naming the file. */
SutraStatus cli_matrix_rows(const CliMatrix *matrix, const char *path, uint32_t model_dim,
                            uint32_t dtype, SutraRows *rows, SutraError *err);

#endif
