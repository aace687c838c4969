/* byte_codec.h - numbers and strings of small file sections: little-endian, strings as their
 * size in 4 bytes and their bytes.
 *
 * Both sides remember the first failure, so that a run of calls is checked once at its end. */
#ifndef SU_BYTE_CODEC_H
#define SU_BYTE_CODEC_H

#include "base/status.h"

#include <stdbool.h>

typedef struct SuByteWriter {
    unsigned char *data; /* [size] */
    size_t size, capacity;
    bool failed; /* out of memory */
} SuByteWriter;

void su_write_u32(SuByteWriter *writer, uint32_t value);
void su_write_u64(SuByteWriter *writer, uint64_t value);
void su_write_f32(SuByteWriter *writer, float value);
void su_write_string(SuByteWriter *writer, const char *text); /* NULL as "" */
void su_write_sized(SuByteWriter *writer, const void *bytes, size_t size);
void su_write_bytes(SuByteWriter *writer, const void *bytes, size_t size); /* without a size */
void su_byte_writer_free(SuByteWriter *writer);

typedef struct SuByteReader {
    const unsigned char *at, *end;
    bool failed; /* read past the end, or a string with a NUL */
} SuByteReader;

uint32_t su_read_u32(SuByteReader *reader);
uint64_t su_read_u64(SuByteReader *reader);
float su_read_f32(SuByteReader *reader);
/* A copy to be su_free'd; NULL after a failure, out of memory included. */
char *su_read_string(SuByteReader *reader);
/* What su_write_sized wrote, borrowed; any bytes. NULL after a failure. */
const void *su_read_sized(SuByteReader *reader, size_t *size);

#endif
