/* folder_file.h - a file of a folder as text: read whole, and told from what is none. */
#ifndef CLI_FOLDER_FILE_H
#define CLI_FOLDER_FILE_H

#include "folder_index.h"

typedef struct CliFolderFile {
    char *data; /* [size], of TEXT; owned, used again by the next read */
    size_t size, room;
    size_t start; /* where its text begins: behind a byte order mark */
    CliFileKind kind;
    CliFileFacts facts; /* as they were before it was read */
    bool racy; /* it might yet be written with these same facts: the clock has not moved on */
} CliFolderFile;

/* Text is valid UTF-8 without NUL. A file that changes meanwhile is read again, a few times. False:
 * it can't be read, and errno says why; ENOENT: it is no longer a regular file there. */
bool cli_folder_file_read(int folder, const char *name, uint64_t max_bytes, CliFolderFile *file);
/* Bytes begin … end of the file, as they are now, into `text`, which has room. False: they are not
 * there. */
bool cli_folder_file_part(int folder, const char *name, uint64_t begin, uint64_t end, char *text);
/* Legal on a zeroed struct. */
void cli_folder_file_free(CliFolderFile *file);

#endif
