/* folder_update.h - brings the index of a folder up to date, embedding only texts that are new.
 *
 *   scan ──► facts as they were: not read ──────────────────────────────────┐
 *        └─► read ──► content as it was ────────────────────────────────────┤
 *                 └─► cut in parts (text_regions.h)
 *                         └─► chunk's text known: its row ──────────────────┤
 *                         └─► engine (row_feed.h) ──────────────────────────┴─► index
 *
 * The index is replaced as a whole, at the end and, while it takes long, every two seconds or
 * more, so that a run that is killed loses little: the next one knows the chunks again. New rows
 * lie in memory until the end. */
#ifndef CLI_FOLDER_UPDATE_H
#define CLI_FOLDER_UPDATE_H

#include "folder_index.h"
#include "model_session.h"
#include "sutra_chunks.h"

typedef struct CliFolderCounts {
    uint64_t files;                       /* with text */
    uint64_t new_files, changed, removed; /* of these */
    uint64_t binary, large, unreadable;   /* not among them */
    uint64_t read;                        /* whose content was looked at */
    uint64_t chunks, embedded, tokens;    /* all; those that were embedded now, and their tokens */
    double seconds;
} CliFolderCounts;

typedef struct CliFolderUpdate {
    const CliSession *session;
    const char *folder;
    CliScanOptions scan;
    uint64_t max_file_bytes;
    const char *recipe, *path; /* path of the index; NULL: it is not kept */
    bool remake;               /* whatever the index says */
    uint32_t checkpoint; /* embedded chunks after which the index is written; 0: by the clock */
    SutraChunkOptions chunk;
    SutraEmbedOptions embed;
    CliFolderCounts counts; /* the result */
} CliFolderUpdate;

/* *index: of the folder as it is, to be closed. An index that can't be read or written is a
 * warning. Errors: IO (the folder), those of the engine, naming the file. */
SutraStatus cli_folder_update(CliFolderUpdate *update, CliFolderIndex *index, SutraError *err);

#endif
