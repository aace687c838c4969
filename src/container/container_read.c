#include "base/memory.h"
#include "container/container_format.h"

#include <string.h>

bool su_container_has_magic(const void *data, size_t size)
{
    return size >= 8 && memcmp(data, SU_CONTAINER_MAGIC, 8) == 0;
}

bool su_container_name_valid(const char name[SU_CONTAINER_NAME])
{
    size_t size = 0;
    while (size < SU_CONTAINER_NAME && name[size]) {
        char c = name[size++];
        bool known =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!known) return false;
    }
    if (size == 0 || size == SU_CONTAINER_NAME) return false;
    for (; size < SU_CONTAINER_NAME; size++)
        if (name[size]) return false;
    return true;
}

uint64_t su_container_place(uint64_t end, uint64_t size)
{
    uint64_t unit = size >= 65536 ? SU_CONTAINER_PAGE : SU_CONTAINER_ALIGNMENT;
    return (end + unit - 1) / unit * unit;
}

/* The header, and the digest of header and table. */
static SutraStatus check_head(const SuFileMap *map, const char *where, size_t *num_sections,
                              SutraError *err)
{
    const unsigned char *head = map->data;
    if (!su_container_has_magic(head, map->size))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a .sutra file, or its start is damaged", where);
    if (map->size < SU_HEADER_SIZE)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: cut off inside the header", where);
    uint64_t version = su_get_le(head + SU_HEADER_VERSION, 4);
    uint64_t count = su_get_le(head + SU_HEADER_SECTIONS, 4);
    uint64_t size = su_get_le(head + SU_HEADER_FILE_SIZE, 8);
    if (version != SU_CONTAINER_VERSION)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: container version %llu, this library reads %u: convert the model again",
                 where, (unsigned long long)version, SU_CONTAINER_VERSION);
    if (size != map->size)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the file has %zu bytes, its header says %llu", where,
                 map->size, (unsigned long long)size);
    if (count == 0 || count > SU_CONTAINER_MAX_SECTIONS ||
        (map->size - SU_HEADER_SIZE) / SU_ENTRY_SIZE < count)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %llu sections do not fit", where,
                 (unsigned long long)count);
    SuDigest digest = su_container_head_digest(head, (size_t)count);
    if (memcmp(&digest, head + SU_HEADER_DIGEST, sizeof digest) != 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the header or the section table is damaged", where);
    *num_sections = (size_t)count;
    return SUTRA_OK;
}

/* Entry `index`; *end: bytes of the file that everything before it takes. */
static SutraStatus read_entry(SuContainer *container, const char *where, size_t index,
                              uint64_t *end, SutraError *err)
{
    const unsigned char *entry = container->map.data + SU_HEADER_SIZE + index * SU_ENTRY_SIZE;
    SuSection *section = &container->sections[index];
    memcpy(section->name, entry, sizeof section->name);
    section->offset = su_get_le(entry + SU_ENTRY_OFFSET, 8);
    section->size = su_get_le(entry + SU_ENTRY_LENGTH, 8);
    memcpy(&section->digest, entry + SU_ENTRY_DIGEST, sizeof section->digest);
    if (!su_container_name_valid(section->name))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %zu has a name that is not valid", where, index);
    for (size_t i = 0; i < index; i++)
        if (strcmp(container->sections[i].name, section->name) == 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is there twice", where, section->name);
    if (section->size > container->map.size ||
        section->offset != su_container_place(*end, section->size) ||
        section->offset > container->map.size ||
        section->size > container->map.size - section->offset)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s does not lie where it belongs", where,
                 section->name);
    section->data = container->map.data + section->offset;
    *end = section->offset + section->size;
    return SUTRA_OK;
}

static SutraStatus read_sections(SuContainer *container, const char *where, SutraError *err)
{
    size_t count = 0;
    SU_TRY(check_head(&container->map, where, &count, err));
    container->path = su_strdup(where);
    container->sections = su_calloc(count, sizeof *container->sections);
    if (!container->path || !container->sections)
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    uint64_t end = SU_HEADER_SIZE + count * SU_ENTRY_SIZE;
    for (size_t i = 0; i < count; i++) {
        SU_TRY(read_entry(container, where, i, &end, err));
        container->num_sections++;
    }
    if (end != container->map.size)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: bytes follow the last section", where);
    return SUTRA_OK;
}

static void free_table(SuContainer *container)
{
    su_free(container->path);
    su_free(container->sections);
    *container = (SuContainer){0};
}

SutraStatus su_container_read(const void *data, size_t size, const char *where,
                              SuContainer *container, SutraError *err)
{
    *container = (SuContainer){.map = {.data = data, .size = size}};
    SutraStatus status = read_sections(container, where, err);
    if (status != SUTRA_OK) free_table(container);
    return status;
}

SutraStatus su_container_open(const char *path, SuContainer *container, SutraError *err)
{
    SuFileMap map;
    *container = (SuContainer){0};
    SU_TRY(su_file_map_open(path, &map, err));
    SutraStatus status = su_container_read(map.data, map.size, path, container, err);
    if (status != SUTRA_OK) su_file_map_close(&map);
    return status;
}

void su_container_close(SuContainer *container)
{
    su_file_map_close(&container->map);
    free_table(container);
}

SuDigest su_container_identity(const SuContainer *container)
{
    SuDigest digest;
    memcpy(digest.bytes, container->map.data + SU_HEADER_DIGEST, sizeof digest.bytes);
    return digest;
}

const SuSection *su_container_find(const SuContainer *container, const char *name)
{
    for (size_t i = 0; i < container->num_sections; i++)
        if (strcmp(container->sections[i].name, name) == 0) return &container->sections[i];
    return NULL;
}

SutraStatus su_container_verify(const SuContainer *container, SutraError *err)
{
    uint64_t end = SU_HEADER_SIZE + container->num_sections * SU_ENTRY_SIZE;
    for (size_t i = 0; i < container->num_sections; i++) {
        const SuSection *section = &container->sections[i];
        for (; end < section->offset; end++)
            if (container->map.data[end])
                SU_RAISE(err, SUTRA_E_FORMAT, "%s: the gap before section %s is damaged",
                         container->path, section->name);
        SuDigest digest = su_digest(section->data, (size_t)section->size);
        if (memcmp(&digest, &section->digest, sizeof digest) != 0)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is damaged", container->path,
                     section->name);
        end = section->offset + section->size;
    }
    return SUTRA_OK;
}
