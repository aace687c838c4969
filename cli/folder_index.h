/* folder_index.h - the index of a folder's texts: files, their chunks and the chunks' vectors, in
 * one file that is mapped. It is a cache for the machine that wrote it.
 *
 *   0    header    | magic 8 | version 4 | byte order 4 | dtype 4 | dim 4 | file size 8 |
 *                  | files 8 | chunks 8 | names' bytes 8 | recipe's bytes 8 | seed 8 | 0 40 |
 *                  | digest 16 |
 *   128  files     CliIndexFile [files], ascending by name
 *        chunks    CliIndexChunk [chunks], those of a file together, in the files' order
 *        vectors   [chunks, row bytes], from a multiple of 64 bytes on
 *        names     each with a NUL behind it
 *        recipe    what must be the same to use it: folder, model, options
 *
 * Numbers are as the processor has them; the byte order tells those of another one apart. The
 * digest is XXH3-128 of all but itself. Texts are known by XXH3-128 with the seed, which is made
 * when the index is: nobody can write texts that are taken for one another. */
#ifndef CLI_FOLDER_INDEX_H
#define CLI_FOLDER_INDEX_H

#include "folder_scan.h"
#include "sutra_search.h"

typedef struct CliTextHash {
    uint64_t low, high;
} CliTextHash;

typedef enum CliFileKind {
    CLI_FILE_TEXT = 1,
    CLI_FILE_BINARY,
    CLI_FILE_LARGE,  /* more bytes than are read */
    CLI_FILE_PARTIAL /* a run that ended early has some of its chunks; to be read again */
} CliFileKind;

typedef struct CliIndexFile {
    uint64_t name, name_size; /* place among the names; without the NUL */
    CliFileFacts facts;
    CliTextHash hash; /* of the content, of TEXT */
    uint64_t first_chunk, num_chunks;
    uint32_t kind; /* CliFileKind */
    uint32_t racy; /* 1: it might have been written once more with the facts as they are */
} CliIndexFile;

typedef struct CliIndexChunk {
    uint64_t begin, end; /* bytes of the file */
    uint64_t line;       /* of its first byte, from 1 */
    uint64_t tokens;     /* special tokens and the prompt's included */
    CliTextHash hash;    /* of its bytes */
} CliIndexChunk;

/* Borrowed from the map, or from memory that is freed with it. */
typedef struct CliFolderIndex {
    const CliIndexFile *files;
    const CliIndexChunk *chunks;
    const unsigned char *vectors;
    const char *names, *recipe; /* recipe: NUL-terminated */
    size_t num_files, num_chunks, names_size;
    uint32_t dim;
    SutraDtype dtype;
    size_t row_bytes;
    uint64_t seed;
    void *map; /* NULL: none */
    size_t map_size;
    void *memory;
} CliFolderIndex;

/* Reads an index of `size` bytes at `data`, which are borrowed and aligned for 8 bytes; everything
 * is checked. Errors: FORMAT (damaged, or no index); UNSUPPORTED (of another version). */
SutraStatus cli_index_read(const void *data, size_t size, const char *where, CliFolderIndex *index,
                           SutraError *err);
/* Maps it. *found: there is one. Errors: IO, those of cli_index_read. */
SutraStatus cli_index_open(const char *path, CliFolderIndex *index, bool *found, SutraError *err);
/* Legal on a zeroed struct. */
void cli_index_close(CliFolderIndex *index);
/* True if nothing of the user's is lost when an index takes this path: there is no file, an empty
 * one, or one that begins as an index does. Another program may rename it meanwhile. */
bool cli_index_may_take(const char *path);
/* Its recipe, freed by free, of which nothing is checked; NULL: none of this version. */
char *cli_index_recipe(const char *path);

CliTextHash cli_text_hash(uint64_t seed, const void *text, size_t size);

/* The file of a chunk. */
const CliIndexFile *cli_index_file_of(const CliFolderIndex *index, size_t chunk);

/* ---- writing ---- */

/* Where a chunk's vector lies: a row of `kept`, or with this bit one of `fresh`. */
#define CLI_ROW_FRESH (UINT64_C(1) << 63)

/* A file that is to be written. */
typedef struct CliIndexEntry {
    const char *name;
    CliIndexFile file; /* but for name, name_size and first_chunk */
    const CliIndexChunk *chunks;
    const uint64_t *places; /* [num_chunks]; NULL: rows first_row … of `kept` */
    uint64_t first_row;
} CliIndexEntry;

typedef struct CliIndexContent {
    const CliIndexEntry *entries; /* [count], ascending by name */
    size_t count;
    const unsigned char *kept, *fresh;
    const char *recipe;
    uint32_t dim;
    SutraDtype dtype;
    uint64_t seed;
} CliIndexContent;

/* Replaces the file at path as a whole. Errors: IO, BUSY (another program is writing it). */
SutraStatus cli_index_write(const char *path, const CliIndexContent *content, SutraError *err);
/* The same index in memory alone. */
void cli_index_gather(const CliIndexContent *content, CliFolderIndex *index);

#endif
