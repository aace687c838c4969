#include "train/student_files.h"

#include "base/byte_codec.h"
#include "base/file_map.h"
#include "base/file_write.h"
#include "base/memory.h"

#include <stdio.h>

static SutraStatus write_file(const char *folder, const char *name, const SuByteWriter *bytes,
                              SutraError *err)
{
    SuFileWriter writer;
    char *path = su_path_join(folder, name);
    SutraStatus status = SUTRA_OK;
    if (!path || bytes->failed) {
        su_free(path);
        SU_RAISE(err, SUTRA_E_MEMORY, "%s/%s: out of memory", folder, name);
    }
    status = su_file_writer_open(path, &writer, err);
    if (status == SUTRA_OK) {
        status = su_file_writer_append(&writer, bytes->data, bytes->size, err);
        if (status == SUTRA_OK)
            status = su_file_writer_commit(&writer, err);
        else
            su_file_writer_discard(&writer);
    }
    su_free(path);
    return status;
}

static int take_json(const char *text, size_t size, void *user)
{
    su_write_bytes(user, text, size);
    return 0;
}

SutraStatus su_student_json(const char *folder, const char *name, const json_t *json,
                            SutraError *err)
{
    SuByteWriter bytes = {0};
    if (!json || json_dump_callback(json, take_json, &bytes, JSON_INDENT(2)) != 0)
        bytes.failed = true;
    su_write_bytes(&bytes, "\n", 1);
    SutraStatus status = write_file(folder, name, &bytes, err);
    su_byte_writer_free(&bytes);
    return status;
}

SutraStatus su_student_tensor(const char *folder, const char *tensor, const float *values,
                              size_t rows, size_t columns, SutraError *err)
{
    char header[256];
    SuByteWriter bytes = {0};
    int size = snprintf(header, sizeof header,
                        "{\"__metadata__\":{\"format\":\"pt\"},\"%s\":{\"dtype\":\"F32\",\"shape\":"
                        "[%zu,%zu],\"data_offsets\":[0,%zu]}}",
                        tensor, rows, columns, rows * columns * sizeof *values);
    while (size % 8) header[size++] = ' ';
    su_write_u64(&bytes, (uint64_t)size);
    su_write_bytes(&bytes, header, (size_t)size);
    for (size_t i = 0; i < rows * columns; i++) su_write_f32(&bytes, values[i]);
    SutraStatus status = write_file(folder, "model.safetensors", &bytes, err);
    su_byte_writer_free(&bytes);
    return status;
}
