#include "unicode/case.h"

#include "unicode/unicode_tables.h"

size_t su_unicode_lowercase(uint32_t code_point, uint32_t out[SU_LOWER_MAX])
{
    out[0] = code_point;
    if (code_point >= SU_UNICODE_MAPPED_LIMIT) return 1;
    if (code_point == 0x130) { /* I with a dot above: the one with two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    uint32_t place = (uint32_t)su_unicode_lower_index[code_point >> 7] << 7 | (code_point & 127);
    out[0] =
        (uint32_t)((int32_t)code_point + su_unicode_lower_deltas[su_unicode_lower_blocks[place]]);
    return 1;
}
