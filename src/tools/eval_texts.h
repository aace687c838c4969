/* eval_texts.h - texts of an evaluation, where they came from, and their vectors. */
#ifndef SU_EVAL_TEXTS_H
#define SU_EVAL_TEXTS_H

#include "base/status.h"
#include "sutra_tools.h"

#include <stdbool.h>

/* A growing list of texts; the bytes belong to whoever appended them. */
typedef struct SuEvalTexts {
    const char *path;   /* of the file they were read from, for messages */
    SutraInput *inputs; /* [count] */
    size_t *lines;      /* [count] from 1 */
    size_t count, capacity;
} SuEvalTexts;

SutraStatus su_eval_texts_append(SuEvalTexts *texts, const char *text, size_t size, size_t line,
                                 SutraError *err);
void su_eval_texts_free(SuEvalTexts *texts);

/* Blanks and "\r" at most: such a line between tab-separated ones counts for nothing. */
bool su_row_is_blank(const char *line, size_t size);

/* One evaluation: options with their defaults filled in, and what adds up over its texts. */
typedef struct SuEvalRun {
    SutraEngine *engine;
    const SutraModel *model;
    SutraEvalOptions options;
    SutraEmbedOptions embed;
    uint32_t dim;
    size_t row_bytes;
    uint64_t done, total, tokens, truncated, windowed;
} SuEvalRun;

SutraStatus su_eval_run_begin(SuEvalRun *run, SutraEngine *engine, const SutraModel *model,
                              const SutraEvalOptions *options, SutraError *err);

/* vectors [texts->count, run->row_bytes], freed by su_free. Errors name the text's file and line.
 */
SutraStatus su_eval_embed(SuEvalRun *run, SuEvalTexts *texts, const char *prompt_name,
                          unsigned char **vectors, SutraError *err);

/* Fills *result up to its struct_size. */
SutraStatus su_eval_run_end(const SuEvalRun *run, double score, uint64_t items, uint64_t documents,
                            SutraEvalResult *result, SutraError *err);

#endif
