/* protobuf.h - the wire format of Protocol Buffers, writing side: fields one after the other, each
 * a tag (field number and wire type) and its value.
 *
 *   varint    7 bits a byte, the lowest first, bit 7 set on all but the last
 *   fixed32   4 bytes, little-endian
 *   sized     a varint, and as many bytes: strings, bytes, messages
 *
 * Source: protobuf.dev, "Encoding". Out of memory is remembered in SuByteWriter.failed. */
#ifndef SU_PROTOBUF_H
#define SU_PROTOBUF_H

#include "base/byte_codec.h"

void su_protobuf_varint(SuByteWriter *writer, uint32_t field, uint64_t value);
void su_protobuf_f32(SuByteWriter *writer, uint32_t field, float value);
void su_protobuf_string(SuByteWriter *writer, uint32_t field, const char *text);
void su_protobuf_bytes(SuByteWriter *writer, uint32_t field, const void *bytes, size_t size);

/* Appends a message and frees it. */
void su_protobuf_message(SuByteWriter *writer, uint32_t field, SuByteWriter *message);

/* What stands before the `size` bytes of a sized field that are written by other means. */
void su_protobuf_sized(SuByteWriter *writer, uint32_t field, uint64_t size);

/* Bytes of such a field as a whole. */
uint64_t su_protobuf_sized_bytes(uint32_t field, uint64_t size);

#endif
