/* tokenizer_files.h - a tokenizer as transformers builds it from the files of a model's folder. */
#ifndef SU_TOKENIZER_FILES_H
#define SU_TOKENIZER_FILES_H

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_settings.h"

/* Errors: FORMAT, UNSUPPORTED, MEMORY. */
SutraStatus su_tokenizer_from_files(const SuTokenizerFiles *files, SuTokenizer **tokenizer,
                                    SutraError *err);

/* tokenizer.json alone, as the reference `tokenizers` reads it: see su_tokenizer_from_json. */
SutraStatus su_tokenizer_from_root(const json_t *root, const char *where, SuTokenizer **tokenizer,
                                   SutraError *err);

#endif
