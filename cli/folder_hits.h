/* folder_hits.h - chunks that were found, as lines.
 *
 *   0.71	docs/a.txt:12: The text of the chunk on one line, as far as there is room…
 *   {"query":0,"path":"docs/a.txt","line":12,"begin":240,"end":611,"tokens":88,"score":0.71,
 *    "text":"…"}   on one line, of JSON
 *
 * In plain lines control characters and "\" of a path are escaped as in C, and white space and
 * control characters of a text become one blank. In JSON what is not UTF-8 becomes U+FFFD. */
#ifndef CLI_FOLDER_HITS_H
#define CLI_FOLDER_HITS_H

#include "atomic_file.h"
#include "folder_index.h"

typedef struct CliFolderHits {
    const CliFolderIndex *index;
    const char *folder; /* as given: what paths begin with */
    int fd;             /* of the folder */
    bool json;
    size_t width; /* characters that a line has room for */
    char *text;   /* of a chunk; freed by who frees the hits */
    size_t text_room;
    uint64_t missing; /* chunks that are no longer as they were embedded: without text */
} CliFolderHits;

void cli_print_folder_hit(CliFolderHits *hits, CliOutput *out, size_t query, size_t chunk,
                          float score);

/* Of the terminal that standard output is; what is enough for a line where it is none. */
size_t cli_line_width(void);

#endif
