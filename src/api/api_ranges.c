/* sutra.h: ranges of output vectors. */
#include "base/status.h"

#include <math.h>
#include <string.h>

SutraStatus sutra_ranges(const float *rows, size_t n, uint32_t dim, float *ranges, SutraError *err)
{
    if (!rows || !ranges) SU_RAISE(err, SUTRA_E_ARGUMENT, "rows or ranges is NULL");
    if (n == 0 || dim == 0)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "ranges of %zu rows of %u elements: there is no value", n,
                 dim);
    float *least = ranges, *most = ranges + dim;
    memcpy(least, rows, dim * sizeof *least);
    memcpy(most, rows, dim * sizeof *most);
    for (size_t r = 0; r < n; r++) {
        const float *row = rows + r * dim;
        for (uint32_t i = 0; i < dim; i++) {
            if (!isfinite(row[i]))
                SU_RAISE(err, SUTRA_E_NUMERIC, "element %u of row %zu is NaN or infinite", i, r);
            if (row[i] < least[i]) least[i] = row[i];
            if (row[i] > most[i]) most[i] = row[i];
        }
    }
    return SUTRA_OK;
}
