/* file_write.h - files that appear whole or not at all, and what is needed to keep a folder of
 * them.
 *
 * A writer fills a file of another name beside the final one, and renames it when everything is on
 * the disk. Any number of writers of one path may run at once: the last to commit wins.
 *
 * A process that dies meanwhile leaves only that other file, whose name ends in SU_TEMPORARY. The
 * next writer of the path removes it, and tells it from that of a living writer by its lock
 * (flock), which the system takes from the dead; where a file system knows no locks it stays until
 * su_directory_sweep finds it old. */
#ifndef SU_FILE_WRITE_H
#define SU_FILE_WRITE_H

#include "base/status.h"

#define SU_TEMPORARY ".sutra-tmp"

typedef struct SuFileWriter {
    int fd;
    char *path, *temporary;
    uint64_t size; /* bytes appended */
} SuFileWriter;

/* Errors: IO with the path and the system's reason, MEMORY. Nothing is left behind on failure. */
SutraStatus su_file_writer_open(const char *path, SuFileWriter *writer, SutraError *err);
SutraStatus su_file_writer_append(SuFileWriter *writer, const void *data, size_t size,
                                  SutraError *err);
/* Replaces bytes that were appended before. */
SutraStatus su_file_writer_replace(SuFileWriter *writer, uint64_t offset, const void *data,
                                   size_t size, SutraError *err);
/* Flushes, renames. The writer is closed either way. */
SutraStatus su_file_writer_commit(SuFileWriter *writer, SutraError *err);
/* Closes the writer and removes what it wrote. Legal after a failed open. */
void su_file_writer_discard(SuFileWriter *writer);

/* What tells whether a file is still the one that was seen before. Programs can set mtime, as
 * copies and archives do; ctime, of the last change of status, moves with every write, and also
 * where only the name, the mode or the number of links changed. */
typedef struct SuFileFacts {
    uint64_t size, mtime_ns, ctime_ns, inode, device;
} SuFileFacts;

/* Links are followed. Errors: IO. */
SutraStatus su_file_facts(const char *path, SuFileFacts *facts, SutraError *err);

/* Calls visit for each entry but "." and "..", in the order of their names, until one call fails.
 * Errors: IO, MEMORY, those of visit. */
typedef SutraStatus (*SuVisitName)(void *user, const char *name, SutraError *err);
SutraStatus su_directory_list(const char *path, SuVisitName visit, void *user, SutraError *err);

/* Creates the folder and those above it. Errors: IO. */
SutraStatus su_directory_create(const char *path, SutraError *err);

/* Removes files that end in SU_TEMPORARY and were last written more than max_age_s ago. */
void su_directory_sweep(const char *path, uint64_t max_age_s);

#endif
