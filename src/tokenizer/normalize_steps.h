/* normalize_steps.h - the steps of normalisers, one function a kind. Private to src/tokenizer.
 *
 * A step reads `in` and replaces out->text, which it makes room in; `in` lies elsewhere. Errors:
 * LIMIT (of a regular expression), MEMORY. */
#ifndef SU_NORMALIZE_STEPS_H
#define SU_NORMALIZE_STEPS_H

#include "tokenizer/normalizer.h"

/* Whether the step would only copy the text, as far as a glance tells. */
bool su_normalize_changes_nothing(const SuNormalizerStep *step, SuTextView in);

SutraStatus su_normalize_bert(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                              SutraError *err);
/* NFC, NFD, NFKC, NFKD */
SutraStatus su_normalize_unicode(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                 SutraError *err);
SutraStatus su_normalize_lowercase(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                   SutraError *err);
SutraStatus su_normalize_strip_accents(const SuNormalizerStep *step, SuTextView in,
                                       SuNormalized *out, SutraError *err);
SutraStatus su_normalize_strip(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                               SutraError *err);
SutraStatus su_normalize_replace(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                 SutraError *err);
SutraStatus su_normalize_prepend(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                 SutraError *err);
SutraStatus su_normalize_precompiled(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                     SutraError *err);
SutraStatus su_normalize_nmt(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                             SutraError *err);
SutraStatus su_normalize_byte_level(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                    SutraError *err);

#endif
