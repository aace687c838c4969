/* XXH3 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#include "folder_index.h"

#include "atomic_file.h"
#include "console.h"
#include "map_npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC "\x89SUTRAI\n"
enum { VERSION = 1, BYTE_ORDER_WORD = 0x01020304, VECTORS_ALIGNMENT = 64 };

typedef struct Header {
    char magic[8];
    uint32_t version, byte_order, dtype, dim;
    uint64_t file_size, num_files, num_chunks, names_size, recipe_size, seed;
    uint64_t reserved[5];
    unsigned char digest[16];
} Header;
_Static_assert(sizeof(Header) == 128, "as the drawing has it");
_Static_assert(sizeof(CliIndexFile) == 88 && sizeof(CliIndexChunk) == 48, "without padding");

/* Where the parts lie. */
typedef struct Places {
    uint64_t files, chunks, vectors, names, recipe, end;
} Places;

/* False: no file is as large. */
static bool add_part(uint64_t *at, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    return !__builtin_mul_overflow(count, size, &bytes) && !__builtin_add_overflow(*at, bytes, at);
}

static bool find_places(const Header *header, Places *places)
{
    uint64_t at = sizeof *header;
    size_t row = sutra_row_bytes((SutraDtype)header->dtype, header->dim);
    places->files = at;
    if (!add_part(&at, header->num_files, sizeof(CliIndexFile))) return false;
    places->chunks = at;
    if (!add_part(&at, header->num_chunks, sizeof(CliIndexChunk))) return false;
    if (!add_part(&at, (VECTORS_ALIGNMENT - at % VECTORS_ALIGNMENT) % VECTORS_ALIGNMENT, 1))
        return false;
    places->vectors = at;
    if (!add_part(&at, header->num_chunks, row)) return false;
    places->names = at;
    if (!add_part(&at, header->names_size, 1)) return false;
    places->recipe = at;
    if (!add_part(&at, header->recipe_size, 1)) return false;
    places->end = at;
    return true;
}

/* ---- hashes ---- */

CliTextHash cli_text_hash(uint64_t seed, const void *text, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(text, size, seed);
    return (CliTextHash){hash.low64, hash.high64};
}

/* Of the header without its digest, then of the rest. */
static void begin_digest(XXH3_state_t *state, const Header *header)
{
    (void)XXH3_128bits_reset(state);
    (void)XXH3_128bits_update(state, header, offsetof(Header, digest));
}

static void end_digest(XXH3_state_t *state, unsigned char digest[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(digest, canonical.digest, 16);
}

static bool digest_is_right(const Header *header, const unsigned char *data, size_t size)
{
    unsigned char digest[16];
    XXH3_state_t *state = XXH3_createState();
    if (!state) return false;
    begin_digest(state, header);
    (void)XXH3_128bits_update(state, data + sizeof *header, size - sizeof *header);
    end_digest(state, digest);
    XXH3_freeState(state);
    return memcmp(digest, header->digest, sizeof digest) == 0;
}

/* ---- reading ---- */

static bool chunks_are_right(const CliFolderIndex *index, const CliIndexFile *file)
{
    for (uint64_t c = 0; c < file->num_chunks; c++) {
        const CliIndexChunk *chunk = &index->chunks[file->first_chunk + c];
        if (chunk->begin >= chunk->end || chunk->end > file->facts.size || !chunk->line)
            return false;
    }
    return true;
}

/* The digest finds damage; this keeps what a forger writes within bounds. */
static bool files_are_right(const CliFolderIndex *index)
{
    uint64_t chunks = 0, names = 0;
    for (size_t i = 0; i < index->num_files; i++) {
        const CliIndexFile *file = &index->files[i];
        const char *name = index->names + names;
        if (file->name != names || file->name_size == 0 ||
            file->name_size >= index->names_size - names)
            return false;
        if (memchr(name, '\0', file->name_size) || name[file->name_size] != '\0') return false;
        if (i && strcmp(index->names + file[-1].name, name) >= 0) return false;
        if (file->first_chunk != chunks || file->num_chunks > index->num_chunks - chunks)
            return false;
        if (file->kind < CLI_FILE_TEXT || file->kind > CLI_FILE_PARTIAL) return false;
        if (!chunks_are_right(index, file)) return false;
        chunks += file->num_chunks;
        names += file->name_size + 1;
    }
    return chunks == index->num_chunks && names == index->names_size;
}

SutraStatus cli_index_read(const void *data, size_t size, const char *where, CliFolderIndex *index,
                           SutraError *err)
{
    Header header;
    Places places;
    const unsigned char *bytes = data;
    *index = (CliFolderIndex){.map = NULL};
    if (size < sizeof header || memcmp(bytes, MAGIC, sizeof header.magic) != 0)
        return cli_raise(err, SUTRA_E_FORMAT, "%s: no index of sutra search", where);
    memcpy(&header, bytes, sizeof header);
    if (header.version != VERSION || header.byte_order != BYTE_ORDER_WORD)
        return cli_raise(err, SUTRA_E_UNSUPPORTED, "%s: an index of another version", where);
    bool good = header.dtype <= SUTRA_UBINARY && header.dim && header.dim <= 65536 &&
                header.recipe_size && header.file_size == size && find_places(&header, &places) &&
                places.end == size && digest_is_right(&header, bytes, size) &&
                bytes[size - 1] == '\0';
    if (good) {
        *index =
            (CliFolderIndex){.files = (const void *)(bytes + places.files),
                             .chunks = (const void *)(bytes + places.chunks),
                             .vectors = bytes + places.vectors,
                             .names = (const char *)bytes + places.names,
                             .recipe = (const char *)bytes + places.recipe,
                             .num_files = header.num_files,
                             .num_chunks = header.num_chunks,
                             .names_size = header.names_size,
                             .dim = header.dim,
                             .dtype = (SutraDtype)header.dtype,
                             .row_bytes = sutra_row_bytes((SutraDtype)header.dtype, header.dim),
                             .seed = header.seed};
        good = files_are_right(index);
    }
    if (good) return SUTRA_OK;
    *index = (CliFolderIndex){.map = NULL};
    return cli_raise(err, SUTRA_E_FORMAT, "%s: damaged", where);
}

SutraStatus cli_index_open(const char *path, CliFolderIndex *index, bool *found, SutraError *err)
{
    CliMatrix map;
    *index = (CliFolderIndex){.map = NULL};
    *found = access(path, F_OK) == 0;
    if (!*found) return SUTRA_OK;
    SutraStatus status = cli_map_file(path, true, &map, err);
    if (status != SUTRA_OK) return status;
    status = cli_index_read(map.map, map.map_size, path, index, err);
    if (status != SUTRA_OK) {
        cli_unmap_npy(&map);
        return status;
    }
    index->map = map.map;
    index->map_size = map.map_size;
    return SUTRA_OK;
}

void cli_index_close(CliFolderIndex *index)
{
    CliMatrix map = {.map = index->map, .map_size = index->map_size};
    cli_unmap_npy(&map);
    free(index->memory);
    *index = (CliFolderIndex){.map = NULL};
}

bool cli_index_may_take(const char *path)
{
    char start[sizeof MAGIC - 1];
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG;
    bool good = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
    ssize_t size = good ? read(fd, start, sizeof start) : -1;
    close(fd);
    return size == 0 || (size == (ssize_t)sizeof start && memcmp(start, MAGIC, sizeof start) == 0);
}

char *cli_index_recipe(const char *path)
{
    enum { MOST_RECIPE = 1 << 20 };
    Header header;
    char *recipe = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
        memcmp(header.magic, MAGIC, sizeof header.magic) == 0 && header.version == VERSION &&
        header.byte_order == BYTE_ORDER_WORD && header.recipe_size < MOST_RECIPE &&
        header.recipe_size <= header.file_size) {
        size_t size = header.recipe_size;
        recipe = cli_alloc(size + 1, 1);
        if (pread(fd, recipe, size, (off_t)(header.file_size - size)) != (ssize_t)size) {
            free(recipe);
            recipe = NULL;
        }
    }
    if (fd >= 0) close(fd);
    return recipe;
}

const CliIndexFile *cli_index_file_of(const CliFolderIndex *index, size_t chunk)
{
    size_t low = 0, high = index->num_files;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (index->files[middle].first_chunk <= chunk)
            low = middle;
        else
            high = middle;
    }
    return &index->files[low];
}

/* ---- writing ---- */

/* Where bytes go: to a file with their digest, or to memory. */
typedef struct Sink {
    CliOutput *output;
    XXH3_state_t *state;
    unsigned char *memory;
    uint64_t used;
} Sink;

static void put(Sink *sink, const void *data, size_t size)
{
    if (!size) return; /* then there may be no data */
    (void)XXH3_128bits_update(sink->state, data, size);
    if (sink->output)
        cli_output_write(sink->output, data, size);
    else
        memcpy(sink->memory + sink->used, data, size);
    sink->used += size;
}

static Header make_header(const CliIndexContent *content, Places *places)
{
    Header header = {.version = VERSION,
                     .byte_order = BYTE_ORDER_WORD,
                     .dtype = content->dtype,
                     .dim = content->dim,
                     .num_files = content->count,
                     .recipe_size = strlen(content->recipe) + 1,
                     .seed = content->seed};
    memcpy(header.magic, MAGIC, sizeof header.magic);
    for (size_t i = 0; i < content->count; i++) {
        header.num_chunks += content->entries[i].file.num_chunks;
        header.names_size += strlen(content->entries[i].name) + 1;
    }
    *places = (Places){0};
    (void)find_places(&header, places);
    header.file_size = places->end;
    return header;
}

static void put_tables(Sink *sink, const CliIndexContent *content, const Places *places)
{
    static const char zeros[VECTORS_ALIGNMENT];
    uint64_t name = 0, first = 0;
    for (size_t i = 0; i < content->count; i++) {
        CliIndexFile file = content->entries[i].file;
        file.name = name;
        file.name_size = strlen(content->entries[i].name);
        file.first_chunk = first;
        name += file.name_size + 1;
        first += file.num_chunks;
        put(sink, &file, sizeof file);
    }
    for (size_t i = 0; i < content->count; i++) {
        const CliIndexEntry *entry = &content->entries[i];
        put(sink, entry->chunks, entry->file.num_chunks * sizeof *entry->chunks);
    }
    put(sink, zeros, places->vectors - sink->used);
}

static void put_vectors(Sink *sink, const CliIndexContent *content, const CliIndexEntry *entry)
{
    size_t row = sutra_row_bytes(content->dtype, content->dim), count = entry->file.num_chunks;
    if (!entry->places && count) put(sink, content->kept + entry->first_row * row, count * row);
    for (size_t c = 0; entry->places && c < count; c++) {
        uint64_t place = entry->places[c];
        bool fresh = (place & CLI_ROW_FRESH) != 0;
        put(sink, (fresh ? content->fresh : content->kept) + (place & ~CLI_ROW_FRESH) * row, row);
    }
}

/* All but the header, which has its digest then. */
static void put_content(Sink *sink, const CliIndexContent *content, const Places *places,
                        Header *header)
{
    begin_digest(sink->state, header);
    sink->used = sizeof *header;
    put_tables(sink, content, places);
    for (size_t i = 0; i < content->count; i++) put_vectors(sink, content, &content->entries[i]);
    for (size_t i = 0; i < content->count; i++)
        put(sink, content->entries[i].name, strlen(content->entries[i].name) + 1);
    put(sink, content->recipe, header->recipe_size);
    end_digest(sink->state, header->digest);
}

static XXH3_state_t *make_state(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state) exit(cli_fail("out of memory"));
    return state;
}

SutraStatus cli_index_write(const char *path, const CliIndexContent *content, SutraError *err)
{
    CliOutput output;
    Places places;
    SutraStatus status = cli_output_open_partial(&output, path, err);
    if (status != SUTRA_OK) return status;
    status = cli_output_keep(&output, 0, err);
    Sink sink = {.output = &output, .state = make_state()};
    Header header = make_header(content, &places);
    if (status == SUTRA_OK) {
        cli_output_write(&output, &header, sizeof header);
        put_content(&sink, content, &places, &header);
        cli_output_patch_front(&output, &header, sizeof header);
        status = cli_output_sync(&output, err);
    }
    if (status != SUTRA_OK && output.partial) unlink(output.partial);
    XXH3_freeState(sink.state);
    if (status == SUTRA_OK) return cli_output_commit(&output, err);
    cli_output_abort(&output);
    return status;
}

void cli_index_gather(const CliIndexContent *content, CliFolderIndex *index)
{
    Places places;
    SutraError err;
    Header header = make_header(content, &places);
    Sink sink = {.memory = cli_alloc(header.file_size, 1), .state = make_state()};
    put_content(&sink, content, &places, &header);
    memcpy(sink.memory, &header, sizeof header);
    XXH3_freeState(sink.state);
    if (cli_index_read(sink.memory, header.file_size, "index", index, &err) != SUTRA_OK)
        exit(cli_fail("%s", err.message));
    index->memory = sink.memory;
}
