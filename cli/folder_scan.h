/* folder_scan.h - the regular files below a folder, by their names.
 *
 * Symbolic links are not followed, so that there are no loops and nothing from outside; what is
 * neither file nor folder is passed over. One folder is open at a time, whatever the depth. */
#ifndef CLI_FOLDER_SCAN_H
#define CLI_FOLDER_SCAN_H

#include "option_table.h"
#include "sutra.h"

#include <sys/stat.h>

/* What tells whether a file is as it was. */
typedef struct CliFileFacts {
    uint64_t size, inode;
    int64_t mtime_ns, ctime_ns;
} CliFileFacts;

typedef struct CliScanFile {
    char *name; /* below the folder: "docs/a.txt"; any bytes but NUL */
    CliFileFacts facts;
} CliScanFile;

typedef struct CliScanOptions {
    /* A pattern with "/" is for the whole name, else for its last part; "*" stands for "/" too. "!"
     * first: not these. Without one of the other kind: all but these. */
    const CliTextList *globs;
    bool hidden;      /* names that begin with "." too */
    const char *skip; /* a file that is written to meanwhile; NULL: none */
} CliScanOptions;

typedef struct CliFolderScan {
    const char *folder; /* as given */
    int fd;             /* of the folder */
    CliScanFile *files; /* [count], ascending by the bytes of their names */
    size_t count;
    uint64_t unreadable; /* files and folders, each named in a warning */
} CliFolderScan;

/* A folder below that can't be read is a warning. Errors: IO (the folder itself). */
SutraStatus cli_folder_scan(const char *folder, const CliScanOptions *options, CliFolderScan *scan,
                            SutraError *err);
/* Legal on a zeroed struct whose fd is -1. */
void cli_folder_scan_free(CliFolderScan *scan);

CliFileFacts cli_file_facts(const struct stat *facts);
bool cli_facts_equal(const CliFileFacts *a, const CliFileFacts *b);
bool cli_is_folder(const char *path);

#endif
