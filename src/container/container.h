/* container.h - the .sutra file: named sections with digests. Knows nothing of what is in them.
 *
 *   0    header     | magic 8 | version 4 | sections 4 | file size 8 | reserved 8 |
 *                   | digest 16 | 0 16 |
 *   64   table      one entry of 64 bytes a section:
 *                   | name 32 | offset 8 | size 8 | digest 16 |
 *   …    sections   in the order of the table, each at a multiple of 64 bytes, those of 64 KiB and
 *                   more at a multiple of 4096; zeros between them; the last one ends the file
 *
 * All numbers are little-endian. Digests are XXH3-128 in canonical (big-endian) form: an entry's is
 * that of its section, the header's is that of the header with zeros in the digest's place followed
 * by the table. Names are 1 to 31 bytes of a-z 0-9 . _ -, padded with zeros, each once.
 *
 * Opening reads the header and the table and checks them; su_container_verify reads everything. The
 * digests find damage; they are no protection against a forger, so readers of sections check what
 * they read. */
#ifndef SU_CONTAINER_H
#define SU_CONTAINER_H

#include "base/file_map.h"
#include "base/file_write.h"

#define SU_CONTAINER_ALIGNMENT 64u
#define SU_CONTAINER_PAGE 4096u
#define SU_CONTAINER_NAME 32u
#define SU_CONTAINER_MAX_SECTIONS 256u

typedef struct SuDigest {
    unsigned char bytes[16];
} SuDigest;

typedef struct SuSection {
    char name[SU_CONTAINER_NAME];
    const unsigned char *data; /* in the mapped file, aligned */
    uint64_t offset, size;
    SuDigest digest;
} SuSection;

typedef struct SuContainer {
    SuFileMap map;
    char *path;
    SuSection *sections; /* [num_sections] in the order of the file */
    size_t num_sections;
} SuContainer;

SuDigest su_digest(const void *data, size_t size);

/* True if the bytes begin like a .sutra file. */
bool su_container_has_magic(const void *data, size_t size);

/* Errors: IO, FORMAT (damaged or cut off), UNSUPPORTED (another version), MEMORY. */
SutraStatus su_container_open(const char *path, SuContainer *container, SutraError *err);
/* The same of bytes in memory, which are borrowed; `where` begins messages. */
SutraStatus su_container_read(const void *data, size_t size, const char *where,
                              SuContainer *container, SutraError *err);
void su_container_close(SuContainer *container);

/* The header's digest, which covers those of all sections. */
SuDigest su_container_identity(const SuContainer *container);

/* NULL if there is none. */
const SuSection *su_container_find(const SuContainer *container, const char *name);

/* Reads every byte. Errors: FORMAT (names the section that is damaged). */
SutraStatus su_container_verify(const SuContainer *container, SutraError *err);

/* ---- writing ---- */

typedef struct SuContainerWriter {
    SuFileWriter file;
    SuSection *sections; /* [capacity]; data unused */
    size_t num_sections, capacity;
} SuContainerWriter;

/* A container of exactly num_sections. Errors: IO, MEMORY. After any failure of the functions
 * below: su_container_writer_discard. */
SutraStatus su_container_writer_open(const char *path, size_t num_sections,
                                     SuContainerWriter *writer, SutraError *err);
/* Errors: ARGUMENT (name not valid or used before, too many sections), IO. */
SutraStatus su_container_writer_add(SuContainerWriter *writer, const char *name, const void *data,
                                    size_t size, SutraError *err);
/* The writer is closed either way. Errors: ARGUMENT (sections are missing), IO. */
SutraStatus su_container_writer_commit(SuContainerWriter *writer, SutraError *err);
void su_container_writer_discard(SuContainerWriter *writer);

#endif
