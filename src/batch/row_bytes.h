/* row_bytes.h - the size of a vector as it is handed out. */
#ifndef SU_ROW_BYTES_H
#define SU_ROW_BYTES_H

#include "sutra.h"

/* See sutra_row_bytes. */
size_t su_row_bytes(SutraDtype dtype, uint32_t dim);

#endif
