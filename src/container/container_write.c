#include "base/memory.h"
#include "container/container_format.h"

#include <string.h>

SutraStatus su_container_writer_open(const char *path, size_t num_sections,
                                     SuContainerWriter *writer, SutraError *err)
{
    *writer = (SuContainerWriter){.file = {.fd = -1}};
    if (num_sections == 0 || num_sections > SU_CONTAINER_MAX_SECTIONS)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: %zu sections are not possible", path, num_sections);
    writer->sections = su_calloc(num_sections, sizeof *writer->sections);
    if (!writer->sections) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    writer->capacity = num_sections;
    return su_file_writer_open(path, &writer->file, err);
}

/* Zeros up to `offset`. */
static SutraStatus pad(SuContainerWriter *writer, uint64_t offset, SutraError *err)
{
    static const unsigned char zeros[SU_CONTAINER_PAGE];
    while (writer->file.size < offset) {
        uint64_t missing = offset - writer->file.size;
        size_t size = missing < sizeof zeros ? (size_t)missing : sizeof zeros;
        SU_TRY(su_file_writer_append(&writer->file, zeros, size, err));
    }
    return SUTRA_OK;
}

SutraStatus su_container_writer_add(SuContainerWriter *writer, const char *name, const void *data,
                                    size_t size, SutraError *err)
{
    SuSection section = {.size = size};
    size_t name_size = strlen(name);
    if (writer->num_sections == writer->capacity)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: section %s is one too many", writer->file.path, name);
    if (name_size < sizeof section.name) memcpy(section.name, name, name_size);
    if (!su_container_name_valid(section.name))
        SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: section name \"%.60s\" is not valid",
                 writer->file.path, name);
    for (size_t i = 0; i < writer->num_sections; i++)
        if (strcmp(writer->sections[i].name, name) == 0)
            SU_RAISE(err, SUTRA_E_ARGUMENT, "%s: section %s is there already", writer->file.path,
                     name);
    uint64_t end = writer->num_sections ? writer->file.size
                                        : SU_HEADER_SIZE + writer->capacity * SU_ENTRY_SIZE;
    section.offset = su_container_place(end, size);
    section.digest = su_digest(data, size);
    SU_TRY(pad(writer, section.offset, err));
    SU_TRY(su_file_writer_append(&writer->file, data, size, err));
    writer->sections[writer->num_sections++] = section;
    return SUTRA_OK;
}

static SutraStatus write_head(SuContainerWriter *writer, SutraError *err)
{
    size_t size = SU_HEADER_SIZE + writer->capacity * SU_ENTRY_SIZE;
    unsigned char *head = su_calloc(size, 1);
    if (!head) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", writer->file.path);
    memcpy(head, SU_CONTAINER_MAGIC, 8);
    su_put_le(head + SU_HEADER_VERSION, SU_CONTAINER_VERSION, 4);
    su_put_le(head + SU_HEADER_SECTIONS, writer->capacity, 4);
    su_put_le(head + SU_HEADER_FILE_SIZE, writer->file.size, 8);
    for (size_t i = 0; i < writer->capacity; i++) {
        unsigned char *entry = head + SU_HEADER_SIZE + i * SU_ENTRY_SIZE;
        const SuSection *section = &writer->sections[i];
        memcpy(entry, section->name, sizeof section->name);
        su_put_le(entry + SU_ENTRY_OFFSET, section->offset, 8);
        su_put_le(entry + SU_ENTRY_LENGTH, section->size, 8);
        memcpy(entry + SU_ENTRY_DIGEST, &section->digest, sizeof section->digest);
    }
    SuDigest digest = su_container_head_digest(head, writer->capacity);
    memcpy(head + SU_HEADER_DIGEST, &digest, sizeof digest);
    SutraStatus status = su_file_writer_replace(&writer->file, 0, head, size, err);
    su_free(head);
    return status;
}

SutraStatus su_container_writer_commit(SuContainerWriter *writer, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    if (writer->num_sections != writer->capacity)
        status = su_error_set(err, SUTRA_E_ARGUMENT, "%s: %zu of %zu sections are missing",
                              writer->file.path, writer->capacity - writer->num_sections,
                              writer->capacity);
    if (status == SUTRA_OK) status = write_head(writer, err);
    if (status == SUTRA_OK) status = su_file_writer_commit(&writer->file, err);
    su_container_writer_discard(writer);
    return status;
}

void su_container_writer_discard(SuContainerWriter *writer)
{
    su_file_writer_discard(&writer->file);
    su_free(writer->sections);
    *writer = (SuContainerWriter){.file = {.fd = -1}};
}
