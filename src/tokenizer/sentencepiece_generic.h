/* sentencepiece_generic.h - the tokenizer that transformers' generic class makes of a SentencePiece
 * model: what the file says of itself, its normaliser, its spaces and its kind of model among it.
 */
#ifndef SU_SENTENCEPIECE_GENERIC_H
#define SU_SENTENCEPIECE_GENERIC_H

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_settings.h"

/* Model, normaliser and pre-tokeniser; gives the settings the file's names of special tokens and
 * its control pieces. Errors: FORMAT, UNSUPPORTED, MEMORY. */
SutraStatus su_sentencepiece_generic_read(SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                          SutraError *err);

#endif
