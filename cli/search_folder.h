/* search_folder.h - sutra search of a folder: the chunks of its text files that are most similar to
 * texts, by an index that is kept and brought up to date first (folder_update.h). */
#ifndef CLI_SEARCH_FOLDER_H
#define CLI_SEARCH_FOLDER_H

#include "model_session.h"
#include "sutra_search.h"
#include "text_reader.h"

typedef struct CliFolderArgs {
    CliTextList globs;
    bool hidden, no_index, reindex, by_file, stats;
    uint32_t max_file_bytes, chunk, chunk_tokens, chunk_overlap, checkpoint;
    const char *index;
} CliFolderArgs;

extern const CliOption cli_folder_options[12];

typedef struct CliFolderSearch {
    const CliModelArgs *model;
    const CliFolderArgs *args;
    const char *folder;
    CliReader *queries;      /* NULL: the index is brought up to date, and nothing else */
    const char *prompt_name; /* of queries */
    uint32_t top;
    SutraMetric metric;
    bool json;
} CliFolderSearch;

/* The option, without dashes, that only a folder has and that was given; NULL: none. */
const char *cli_folder_option_given(const CliFolderArgs *args);
/* What contradicts itself among the options; NULL: nothing. */
const char *cli_folder_contradiction(const CliFolderArgs *args);

/* Prints what it finds. Errors: IO, ARGUMENT (no text in the folder, a query without text), those
 * of the engine. */
SutraStatus cli_search_folder(const CliFolderSearch *search, SutraError *err);

#endif
