/* beir_folder.h - a retrieval data set in BEIR form, read into memory.
 *
 * Documents are sorted by id, greatest first (the order of equal scores), queries by id, judgements
 * by query. Ids are compared as bytes. */
#ifndef SU_BEIR_FOLDER_H
#define SU_BEIR_FOLDER_H

#include "tools/eval_texts.h"

#include <stdbool.h>

/* A document or query. */
typedef struct SuBeirText {
    char *id, *text;
    size_t text_size, line;
    bool judged; /* queries: has judgements */
} SuBeirText;

typedef struct SuBeirTexts {
    char *path;
    SuBeirText *items; /* [count] */
    size_t count, capacity;
} SuBeirTexts;

typedef struct SuJudgement {
    size_t query, document; /* indices; document SIZE_MAX: not in the corpus */
    double relevance;
    size_t line;
} SuJudgement;

typedef struct SuBeirFolder {
    SuBeirTexts documents, queries;
    SuJudgement *judgements; /* [num_judgements], sorted by query, then document */
    size_t num_judgements, judgements_capacity;
} SuBeirFolder;

/* Errors: IO, FORMAT naming file and line, MEMORY. */
SutraStatus su_beir_folder_read(SuBeirFolder *folder, const char *directory, SutraError *err);
void su_beir_folder_free(SuBeirFolder *folder);

#endif
