/* byte_alphabet.h - the code points that byte-level tokenizers write bytes as: printable characters
 * of Latin-1 stand for themselves, the other 68 bytes for U+0100 and up, in their order (GPT-2). */
#ifndef SU_BYTE_ALPHABET_H
#define SU_BYTE_ALPHABET_H

#include <stdint.h>

#define SU_BYTE_SPACE_SYMBOL 0x120u /* of ' ' */

static inline uint32_t su_byte_symbol(unsigned char byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0) return 0x121u + (byte - 0x7fu);
    return byte == 0xad ? 0x143u : byte;
}

/* The byte that a code point stands for, or -1. */
static inline int su_byte_of_symbol(uint32_t code_point)
{
    if (code_point >= 0x144) return -1;
    if (code_point == 0x143) return 0xad;
    if (code_point >= 0x121) return (int)(code_point - 0x121 + 0x7f);
    if (code_point >= 0x100) return (int)(code_point - 0x100);
    return su_byte_symbol((unsigned char)code_point) == code_point ? (int)code_point : -1;
}

#endif
