/* quantize_texts.h - texts as tokens, and what an encoder makes of them. */
#ifndef SU_QUANTIZE_TEXTS_H
#define SU_QUANTIZE_TEXTS_H

#include "base/status.h"
#include "base/thread_pool.h"
#include "encoder/encoder.h"
#include "model/model.h"

/* Texts that have tokens besides the special ones. */
typedef struct SuQuantizeTexts {
    SutraTokens *tokens;
    SutraTokensView view;
    size_t *items; /* [count] their places in the view */
    size_t count;
    uint32_t longest; /* tokens */
} SuQuantizeTexts;

/* Truncated to what the model reads, without prompts. Errors: ARGUMENT (none has tokens); those of
 * sutra_tokenize. */
SutraStatus su_quantize_texts_open(const SutraModel *model, const SutraInput *inputs, size_t n,
                                   SuQuantizeTexts *texts, SutraError *err);
void su_quantize_texts_close(SuQuantizeTexts *texts);

/* Every step-th text from `first` on. */
typedef struct SuTextRange {
    const SuQuantizeTexts *texts;
    size_t first, step;
} SuTextRange;

size_t su_text_range_count(const SuTextRange *range);

/* Normalised vectors [count, features] of the range, pooled as the model says; observer: of
 * their rows on the way, or NULL. pool: its threads work where there is no observer. Errors:
 * MEMORY, NUMERIC. */
SutraStatus su_quantize_embed(const SutraModel *model, const SuEncoder *encoder,
                              const SuTextRange *range, SuThreadPool *pool,
                              const SuRowObserver *observer, float *vectors, SutraError *err);

#endif
