#include "protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_SIZED = 2, WIRE_FIXED32 = 5 };

static void write_varint(SuByteWriter *writer, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    su_write_bytes(writer, bytes, n);
}

static uint64_t varint_bytes(uint64_t value)
{
    uint64_t n = 1;
    for (; value >= 0x80; value >>= 7) n++;
    return n;
}

static void write_tag(SuByteWriter *writer, uint32_t field, uint32_t wire)
{
    write_varint(writer, (uint64_t)field << 3 | wire);
}

void su_protobuf_varint(SuByteWriter *writer, uint32_t field, uint64_t value)
{
    write_tag(writer, field, WIRE_VARINT);
    write_varint(writer, value);
}

void su_protobuf_f32(SuByteWriter *writer, uint32_t field, float value)
{
    write_tag(writer, field, WIRE_FIXED32);
    su_write_f32(writer, value);
}

void su_protobuf_sized(SuByteWriter *writer, uint32_t field, uint64_t size)
{
    write_tag(writer, field, WIRE_SIZED);
    write_varint(writer, size);
}

void su_protobuf_bytes(SuByteWriter *writer, uint32_t field, const void *bytes, size_t size)
{
    su_protobuf_sized(writer, field, size);
    su_write_bytes(writer, bytes, size);
}

void su_protobuf_string(SuByteWriter *writer, uint32_t field, const char *text)
{
    su_protobuf_bytes(writer, field, text, strlen(text));
}

void su_protobuf_message(SuByteWriter *writer, uint32_t field, SuByteWriter *message)
{
    su_protobuf_bytes(writer, field, message->data, message->size);
    writer->failed |= message->failed;
    su_byte_writer_free(message);
}

uint64_t su_protobuf_sized_bytes(uint32_t field, uint64_t size)
{
    return varint_bytes((uint64_t)field << 3) + varint_bytes(size) + size;
}
