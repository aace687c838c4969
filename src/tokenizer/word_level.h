/* word_level.h - the WordLevel model: a word is a token, or the unknown token. */
#ifndef SU_WORD_LEVEL_H
#define SU_WORD_LEVEL_H

#include "tokenizer/token_model.h"

extern const SuTokenModelKind su_word_level_kind;

#endif
