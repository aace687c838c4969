/* container_format.h - what reader and writer of containers share: offsets of the header and of a
 * table entry (see container.h), and little-endian numbers. */
#ifndef SU_CONTAINER_FORMAT_H
#define SU_CONTAINER_FORMAT_H

#include "container/container.h"

#define SU_CONTAINER_MAGIC "\x89SUTRA\r\n"
#define SU_CONTAINER_VERSION 1u

enum {
    SU_HEADER_VERSION = 8,
    SU_HEADER_SECTIONS = 12,
    SU_HEADER_FILE_SIZE = 16,
    SU_HEADER_DIGEST = 32,
    SU_HEADER_SIZE = 64,
    SU_ENTRY_OFFSET = 32,
    SU_ENTRY_LENGTH = 40,
    SU_ENTRY_DIGEST = 48,
    SU_ENTRY_SIZE = 64
};

static inline void su_put_le(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) to[i] = (unsigned char)(value >> 8 * i);
}

static inline uint64_t su_get_le(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

/* Digest of header and table; head [SU_HEADER_SIZE + num_sections * SU_ENTRY_SIZE]. */
SuDigest su_container_head_digest(const unsigned char *head, size_t num_sections);

bool su_container_name_valid(const char name[SU_CONTAINER_NAME]);

/* Where a section of `size` bytes begins when `end` bytes precede it. */
uint64_t su_container_place(uint64_t end, uint64_t size);

#endif
