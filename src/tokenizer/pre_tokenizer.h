/* pre_tokenizer.h - the pre_tokenizer section of tokenizer.json: normalised text to words.
 *
 * A list of steps, each of which cuts every piece that the step before left:
 *   BertPreTokenizer   white space ends words and is dropped; each punctuation character is one */
#ifndef SU_PRE_TOKENIZER_H
#define SU_PRE_TOKENIZER_H

#include "base/json_file.h"
#include "tokenizer/text_buffer.h"

#define SU_MAX_STEPS 32u /* of a list of normalisers or of pre-tokenisers */

typedef enum SuPreTokenizerKind { SU_PRE_TOKENIZER_BERT = 0 } SuPreTokenizerKind;

typedef struct SuPreTokenizerStep {
    SuPreTokenizerKind kind;
} SuPreTokenizerStep;

/* Without steps the whole text is one word. */
typedef struct SuPreTokenizer {
    SuPreTokenizerStep *steps; /* [count] */
    size_t count;
} SuPreTokenizer;

/* json may be NULL (no steps). To be freed whatever is returned. Errors: FORMAT, UNSUPPORTED,
 * LIMIT, MEMORY. */
SutraStatus su_pre_tokenizer_from_json(const json_t *json, const char *where,
                                       SuPreTokenizer *pre_tokenizer, SutraError *err);
/* Adds a copy of the step, whose texts become the list's also when it fails. Errors: LIMIT,
 * MEMORY. */
SutraStatus su_pre_tokenizer_add(SuPreTokenizer *pre_tokenizer, const SuPreTokenizerStep *step,
                                 SutraError *err);
void su_pre_tokenizer_free(SuPreTokenizer *pre_tokenizer);
/* BertPreTokenizer alone. */
bool su_pre_tokenizer_is_bert(const SuPreTokenizer *pre_tokenizer);

/* Takes a word: word.size > 0; SU_TEXT_PADDING bytes after the word's last may be read. */
typedef struct SuWordSink {
    SutraStatus (*take)(void *context, SuTextView word, SutraError *err);
    void *context;
} SuWordSink;

/* Hands the words of the text to the sink. Errors: the sink's. */
SutraStatus su_pre_tokenizer_run(const SuPreTokenizer *pre_tokenizer, SuTextView text,
                                 const SuWordSink *sink, SutraError *err);

#endif
