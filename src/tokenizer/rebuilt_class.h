/* rebuilt_class.h - tokenizer classes that transformers builds anew: of a model's files only the
 * vocabulary counts (and the merges, where there are some), all else is the class's own or comes
 * from the merged settings. */
#ifndef SU_REBUILT_CLASS_H
#define SU_REBUILT_CLASS_H

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_settings.h"

/* Model, normaliser and pre-tokeniser; gives the settings the names that the class has for special
 * tokens. Errors: FORMAT, UNSUPPORTED (the file is of another model), MEMORY. */
SutraStatus su_rebuilt_class_read(SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                  SutraError *err);
/* The post-processor, once the added tokens have ids, where it is the class's own. Errors: FORMAT,
 * MEMORY. */
SutraStatus su_rebuilt_class_set_template(const SuTokenizerSettings *settings,
                                          SuTokenizer *tokenizer, SutraError *err);

#endif
