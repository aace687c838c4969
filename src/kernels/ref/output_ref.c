/* Output rows in plain C: the definition of the result. */
#include "kernels/ref/kernels_ref.h"

#include <math.h>
#include <string.h>

bool su_output_f32_ref(const float *x, float scale, size_t n, float *y)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] * scale;
        finite = finite && isfinite(y[i]);
    }
    return finite;
}

/* Round to nearest, ties to even; overflow gives infinity. */
static uint16_t float_to_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    float magnitude = fabsf(x);
    if (magnitude >= 65520.0f) return sign | 0x7c00u;
    if (magnitude < 0x1p-14f) return sign | (uint16_t)rintf(magnitude * 0x1p24f);
    uint32_t rest = bits & 0x7fffffffu;
    uint32_t rounded = rest + 0xfffu + (rest >> 13 & 1u);
    return sign | (uint16_t)((rounded - (112u << 23)) >> 13);
}

bool su_output_f16_ref(const float *x, float scale, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) {
        float value = x[i] * scale;
        if (!isfinite(value)) return false;
        y[i] = float_to_half(value);
    }
    return true;
}

bool su_output_u8_ref(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        float value = x[i] * scale;
        if (!isfinite(value)) return false;
        float q = rintf(127.0f * value);
        int element = q > 127.0f ? 127 : q < -127.0f ? -127 : (int)q;
        y[i] = (uint8_t)((unsigned)(element + 128) ^ flip);
    }
    return true;
}

bool su_output_ranged_u8_ref(const float *x, float scale, const float *least, const float *step,
                             size_t n, uint8_t flip, uint8_t *y)
{
    for (size_t i = 0; i < n; i++) {
        float value = x[i] * scale;
        if (!isfinite(value)) return false;
        float q = floorf((value - least[i]) / step[i]);
        unsigned code = q > 255.0f ? 255 : q > 0.0f ? (unsigned)q : 0;
        y[i] = (uint8_t)(code ^ flip);
    }
    return true;
}

bool su_output_bits_ref(const float *x, float scale, size_t n, uint8_t flip, uint8_t *y)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned byte = 0;
        for (size_t e = i; e < i + 8 && e < n; e++) {
            float value = x[e] * scale;
            if (!isfinite(value)) return false;
            if (value > 0.0f) byte |= 0x80u >> (e - i);
        }
        y[i / 8] = (uint8_t)(byte ^ flip);
    }
    return true;
}
