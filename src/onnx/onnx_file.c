#include "onnx_file.h"

#include "base/file_write.h"
#include "base/memory.h"
#include "base/utf8_sequence.h"
#include "onnx_fields.h"
#include "onnx_weights.h"
#include "protobuf.h"

#include <stdio.h>
#include <string.h>

enum {
    LEAST_EXTERNAL = 4096, /* bytes of an initialiser that may lie in the second file */
    EXTERNAL_ALIGNMENT = 4096
};

typedef struct FileWriter {
    const SuOnnxGraph *graph;
    const char *data_name; /* of the second file, without its folder; NULL: there is none */
    SuFileWriter model, data;
} FileWriter;

/* ---- text: strings of protobuf are UTF-8, names of files any bytes ---- */

static void write_valid(SuByteWriter *to, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t left = strlen(text), n; left; at += n, left -= n) {
        n = su_utf8_sequence_size(at, left);
        if (n) {
            su_write_bytes(to, at, n);
            continue;
        }
        n = su_utf8_broken_size(at, left);
        su_write_bytes(to, "\xef\xbf\xbd", 3);
    }
}

static bool is_valid(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text), n = 1;
    for (; left && n; at += n, left -= n) n = su_utf8_sequence_size(at, left);
    return n != 0;
}

void su_onnx_metadata(SuByteWriter *metadata, const char *key, const char *value)
{
    SuByteWriter entry = {0}, valid = {0};
    su_protobuf_string(&entry, ONNX_ENTRY_KEY, key);
    write_valid(&valid, value);
    su_protobuf_message(&entry, ONNX_ENTRY_VALUE, &valid);
    su_protobuf_message(metadata, ONNX_MODEL_METADATA, &entry);
}

/* ---- lengths ---- */

static void write_external(SuByteWriter *tensor, const char *key, const char *value)
{
    SuByteWriter entry = {0};
    su_protobuf_string(&entry, ONNX_ENTRY_KEY, key);
    su_protobuf_string(&entry, ONNX_ENTRY_VALUE, value);
    su_protobuf_message(tensor, ONNX_TENSOR_EXTERNAL_DATA, &entry);
}

static bool is_external(const FileWriter *file, const SuOnnxInitializer *initializer)
{
    return file->data_name && initializer->size >= LEAST_EXTERNAL;
}

/* A TensorProto up to its bytes, which the last field is, or as a whole where they are at `offset`
 * of the second file. */
static void write_header(const FileWriter *file, const SuOnnxInitializer *initializer,
                         uint64_t offset, SuByteWriter *tensor)
{
    char number[32];
    for (uint32_t i = 0; i < initializer->num_dims; i++)
        su_protobuf_varint(tensor, ONNX_TENSOR_DIMS, initializer->dims[i]);
    su_protobuf_varint(tensor, ONNX_TENSOR_TYPE, initializer->type);
    su_protobuf_string(tensor, ONNX_TENSOR_NAME, initializer->value.name);
    if (!is_external(file, initializer)) {
        su_protobuf_sized(tensor, ONNX_TENSOR_RAW_DATA, initializer->size);
        return;
    }
    write_external(tensor, "location", file->data_name);
    snprintf(number, sizeof number, "%llu", (unsigned long long)offset);
    write_external(tensor, "offset", number);
    snprintf(number, sizeof number, "%llu", (unsigned long long)initializer->size);
    write_external(tensor, "length", number);
    su_protobuf_varint(tensor, ONNX_TENSOR_DATA_LOCATION, 1);
}

static uint64_t aligned(uint64_t offset)
{
    return (offset + EXTERNAL_ALIGNMENT - 1) / EXTERNAL_ALIGNMENT * EXTERNAL_ALIGNMENT;
}

/* Called for each initialiser, with its header and its place in the second file. */
typedef SutraStatus (*VisitInitializer)(FileWriter *file, const SuOnnxInitializer *initializer,
                                        const SuByteWriter *header, uint64_t offset, void *user,
                                        SutraError *err);

static SutraStatus for_each_initializer(FileWriter *file, VisitInitializer visit, void *user,
                                        SutraError *err)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < file->graph->num_initializers; i++) {
        const SuOnnxInitializer *initializer = &file->graph->initializers[i];
        SuByteWriter header = {0};
        write_header(file, initializer, offset, &header);
        SutraStatus status =
            header.failed ? su_error_set(err, SUTRA_E_MEMORY, "out of memory for the initialisers")
                          : visit(file, initializer, &header, offset, user, err);
        su_byte_writer_free(&header);
        if (status != SUTRA_OK) return status;
        if (is_external(file, initializer)) offset = aligned(offset + initializer->size);
    }
    return SUTRA_OK;
}

/* Bytes of an initialiser in the model's file. */
static uint64_t message_size(const FileWriter *file, const SuOnnxInitializer *initializer,
                             const SuByteWriter *header)
{
    return header->size + (is_external(file, initializer) ? 0 : initializer->size);
}

static SutraStatus add_size(FileWriter *file, const SuOnnxInitializer *initializer,
                            const SuByteWriter *header, uint64_t offset, void *user,
                            SutraError *err)
{
    uint64_t *size = user;
    (void)offset;
    (void)err;
    *size +=
        su_protobuf_sized_bytes(ONNX_GRAPH_INITIALIZER, message_size(file, initializer, header));
    return SUTRA_OK;
}

static SutraStatus graph_size(FileWriter *file, const SuByteWriter *graph_name, uint64_t *size,
                              SutraError *err)
{
    const SuOnnxGraph *graph = file->graph;
    *size = graph->nodes.size + graph_name->size + graph->inputs.size + graph->outputs.size;
    return for_each_initializer(file, add_size, size, err);
}

/* ---- bytes ---- */

static SutraStatus take_bytes(void *user, const void *bytes, size_t size, SutraError *err)
{
    return su_file_writer_append(user, bytes, size, err);
}

static SutraStatus pad(SuFileWriter *writer, uint64_t offset, SutraError *err)
{
    static const unsigned char zeros[EXTERNAL_ALIGNMENT];
    return su_file_writer_append(writer, zeros, (size_t)(offset - writer->size), err);
}

static SutraStatus write_initializer(FileWriter *file, const SuOnnxInitializer *initializer,
                                     const SuByteWriter *header, uint64_t offset, void *user,
                                     SutraError *err)
{
    SuByteWriter start = {0};
    (void)user;
    su_protobuf_sized(&start, ONNX_GRAPH_INITIALIZER, message_size(file, initializer, header));
    su_write_bytes(&start, header->data, header->size);
    SutraStatus status =
        start.failed ? su_error_set(err, SUTRA_E_MEMORY, "out of memory for the initialisers")
                     : su_file_writer_append(&file->model, start.data, start.size, err);
    su_byte_writer_free(&start);
    if (status != SUTRA_OK) return status;
    bool external = is_external(file, initializer);
    if (external) SU_TRY(pad(&file->data, offset, err));
    return su_onnx_stream(file->graph, initializer, take_bytes,
                          external ? &file->data : &file->model, err);
}

/* Everything of ModelProto that stands before the graph's bytes. */
static void write_start(const SuByteWriter *metadata, uint64_t size, SuByteWriter *start)
{
    SuByteWriter opset = {0};
    su_protobuf_varint(start, ONNX_MODEL_IR_VERSION, ONNX_IR_VERSION);
    su_protobuf_string(start, ONNX_MODEL_PRODUCER, "sutra");
    su_protobuf_string(start, ONNX_MODEL_PRODUCER_VERSION, sutra_version());
    su_protobuf_varint(&opset, ONNX_OPSET_VERSION, ONNX_OPSET);
    su_protobuf_message(start, ONNX_MODEL_OPSET, &opset);
    su_write_bytes(start, metadata->data, metadata->size);
    su_protobuf_sized(start, ONNX_MODEL_GRAPH, size);
}

static SutraStatus append(SuFileWriter *writer, const SuByteWriter *bytes, SutraError *err)
{
    if (bytes->failed)
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory for the graph", writer->path);
    return su_file_writer_append(writer, bytes->data, bytes->size, err);
}

static SutraStatus write_model(FileWriter *file, const SuByteWriter *start,
                               const SuByteWriter *graph_name, SutraError *err)
{
    SU_TRY(append(&file->model, start, err));
    SU_TRY(append(&file->model, &file->graph->nodes, err));
    SU_TRY(append(&file->model, graph_name, err));
    SU_TRY(for_each_initializer(file, write_initializer, NULL, err));
    SU_TRY(append(&file->model, &file->graph->inputs, err));
    return append(&file->model, &file->graph->outputs, err);
}

/* Without the first file the second one is of no use; beside an older first one it would be taken
 * for that one's. */
static SutraStatus commit(FileWriter *file, const char *data_path, SutraError *err)
{
    if (file->data_name) SU_TRY(su_file_writer_commit(&file->data, err));
    SutraStatus status = su_file_writer_commit(&file->model, err);
    if (status != SUTRA_OK && file->data_name) remove(data_path);
    return status;
}

static SutraStatus write_files(FileWriter *file, const SuByteWriter *start,
                               const SuByteWriter *graph_name, const char *path,
                               const char *data_path, SutraError *err)
{
    SutraStatus status = su_file_writer_open(path, &file->model, err);
    if (status == SUTRA_OK && file->data_name)
        status = su_file_writer_open(data_path, &file->data, err);
    if (status == SUTRA_OK) status = write_model(file, start, graph_name, err);
    if (status == SUTRA_OK) status = commit(file, data_path, err);
    su_file_writer_discard(&file->data);
    su_file_writer_discard(&file->model);
    return status;
}

/* How long the graph is, and whether a second file is needed for that. */
static SutraStatus plan(FileWriter *file, const SuByteWriter *graph_name, const char *data_name,
                        const char *path, size_t around, uint64_t most, uint64_t *size,
                        SutraError *err)
{
    SU_TRY(graph_size(file, graph_name, size, err));
    if (*size + around <= most) return SUTRA_OK;
    file->data_name = data_name;
    if (!is_valid(data_name))
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "%s: an ONNX file cannot name its second one: the name is not UTF-8", path);
    SU_TRY(graph_size(file, graph_name, size, err));
    if (*size + around > SU_ONNX_LARGEST)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: the graph takes %llu bytes, over the limit of %u", path,
                 (unsigned long long)*size, SU_ONNX_LARGEST);
    return SUTRA_OK;
}

SutraStatus su_onnx_write_file(SuOnnxGraph *graph, const char *name, const SuByteWriter *metadata,
                               const char *path, uint64_t most, SutraError *err)
{
    enum { AROUND = 128 }; /* bytes of ModelProto besides metadata and graph, at most */
    FileWriter file = {.graph = graph, .model = {.fd = -1}, .data = {.fd = -1}};
    SuByteWriter graph_name = {0}, start = {0};
    uint64_t size;
    if (graph->status != SUTRA_OK) return graph->status;
    size_t capacity = strlen(path) + sizeof "_data";
    char *data_path = su_alloc(capacity, 1);
    if (!data_path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    snprintf(data_path, capacity, "%s_data", path);
    const char *slash = strrchr(data_path, '/');
    su_protobuf_string(&graph_name, ONNX_GRAPH_NAME, name);
    SutraStatus status = plan(&file, &graph_name, slash ? slash + 1 : data_path, path,
                              metadata->size + AROUND, most ? most : SU_ONNX_LARGEST, &size, err);
    if (status == SUTRA_OK) {
        write_start(metadata, size, &start);
        start.failed |= metadata->failed;
        status = write_files(&file, &start, &graph_name, path, data_path, err);
    }
    su_byte_writer_free(&start);
    su_byte_writer_free(&graph_name);
    su_free(data_path);
    return status;
}
