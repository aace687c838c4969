#include "base/byte_codec.h"

#include "base/memory.h"

#include <string.h>

static unsigned char *reserve(SuByteWriter *writer, size_t size)
{
    if (writer->failed) return NULL;
    if (size > writer->capacity - writer->size) {
        size_t capacity = writer->capacity + size + 4096;
        unsigned char *grown = su_realloc(writer->data, capacity, 1);
        writer->failed = !grown;
        if (!grown) return NULL;
        writer->data = grown;
        writer->capacity = capacity;
    }
    writer->size += size;
    return writer->data + writer->size - size;
}

static void write_number(SuByteWriter *writer, uint64_t value, size_t size)
{
    unsigned char *to = reserve(writer, size);
    for (size_t i = 0; to && i < size; i++) to[i] = (unsigned char)(value >> 8 * i);
}

void su_write_u32(SuByteWriter *writer, uint32_t value) { write_number(writer, value, 4); }

void su_write_u64(SuByteWriter *writer, uint64_t value) { write_number(writer, value, 8); }

void su_write_f32(SuByteWriter *writer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    su_write_u32(writer, bits);
}

void su_write_string(SuByteWriter *writer, const char *text)
{
    su_write_sized(writer, text, text ? strlen(text) : 0);
}

void su_write_sized(SuByteWriter *writer, const void *bytes, size_t size)
{
    su_write_u32(writer, (uint32_t)size);
    su_write_bytes(writer, bytes, size);
}

void su_write_bytes(SuByteWriter *writer, const void *bytes, size_t size)
{
    unsigned char *to = reserve(writer, size);
    if (to && size) memcpy(to, bytes, size);
}

void su_byte_writer_free(SuByteWriter *writer)
{
    su_free(writer->data);
    *writer = (SuByteWriter){0};
}

static const unsigned char *take(SuByteReader *reader, size_t size)
{
    if (reader->failed || size > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return NULL;
    }
    reader->at += size;
    return reader->at - size;
}

static uint64_t read_number(SuByteReader *reader, size_t size)
{
    const unsigned char *from = take(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; from && i < size; i++) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

uint32_t su_read_u32(SuByteReader *reader) { return (uint32_t)read_number(reader, 4); }

uint64_t su_read_u64(SuByteReader *reader) { return read_number(reader, 8); }

float su_read_f32(SuByteReader *reader)
{
    uint32_t bits = su_read_u32(reader);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

const void *su_read_sized(SuByteReader *reader, size_t *size)
{
    *size = su_read_u32(reader);
    return take(reader, *size);
}

char *su_read_string(SuByteReader *reader)
{
    size_t size;
    const unsigned char *from = su_read_sized(reader, &size);
    if (from && memchr(from, 0, size)) reader->failed = true;
    char *text = reader->failed ? NULL : su_strndup((const char *)from, size);
    if (!text) reader->failed = true;
    return text;
}
