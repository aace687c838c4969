#include "batch/row_bytes.h"

size_t su_row_bytes(SutraDtype dtype, uint32_t dim)
{
    switch (dtype) {
    case SUTRA_F32:
        return (size_t)dim * 4;
    case SUTRA_F16:
        return (size_t)dim * 2;
    case SUTRA_I8:
    case SUTRA_U8:
        return dim;
    case SUTRA_BINARY:
    case SUTRA_UBINARY:
        return dim / 8 + (dim % 8 != 0);
    }
    return 0;
}
