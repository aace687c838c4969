/* The input is an index of a folder, whose magic, version, size and digest are put right, as a
 * forger would. What is read must lie within it: files in order, their names ended, their chunks
 * those of the files, and a row for each. */
#include "support/fuzz.h"

#include "folder_index.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { HEADER = 128, VERSION = 8, FILE_SIZE = 24, DIGEST = 112 };

/* As folder_index.h draws it. */
static void forge(unsigned char *bytes, size_t size)
{
    const uint32_t words[] = {1, 0x01020304};
    const uint64_t file_size = size;
    XXH128_canonical_t canonical;
    memcpy(bytes, "\x89SUTRAI\n", 8);
    memcpy(bytes + VERSION, words, sizeof words);
    memcpy(bytes + FILE_SIZE, &file_size, sizeof file_size);
    XXH3_state_t *state = XXH3_createState();
    if (!state) abort();
    (void)XXH3_128bits_reset(state);
    (void)XXH3_128bits_update(state, bytes, DIGEST);
    (void)XXH3_128bits_update(state, bytes + HEADER, size - HEADER);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(bytes + DIGEST, canonical.digest, sizeof canonical.digest);
    XXH3_freeState(state);
}

static void check_file(const CliFolderIndex *index, const CliIndexFile *file)
{
    const char *name = index->names + file->name;
    if (strlen(name) != file->name_size) abort();
    for (uint64_t c = 0; c < file->num_chunks; c++) {
        const CliIndexChunk *chunk = &index->chunks[file->first_chunk + c];
        if (chunk->begin >= chunk->end || chunk->end > file->facts.size) abort();
        if (cli_index_file_of(index, file->first_chunk + c) != file) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SutraError err = {0};
    CliFolderIndex index;
    unsigned char *bytes = malloc(size + !size);
    if (!bytes) return 0;
    memcpy(bytes, data, size);
    if (size >= HEADER) forge(bytes, size);
    SutraStatus status = cli_index_read(bytes, size, "index", &index, &err);
    fuzz_check_error(status, &err);
    if (status == SUTRA_OK) {
        for (size_t i = 0; i < index.num_files; i++) check_file(&index, &index.files[i]);
        fuzz_read(index.vectors, index.num_chunks * index.row_bytes);
        fuzz_read((const unsigned char *)index.recipe, strlen(index.recipe) + 1);
    }
    free(bytes);
    return 0;
}
