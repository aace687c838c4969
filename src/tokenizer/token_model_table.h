/* token_model_table.h - the token models there are. */
#ifndef SU_TOKEN_MODEL_TABLE_H
#define SU_TOKEN_MODEL_TABLE_H

#include "tokenizer/token_model.h"

/* The kind that the section asks for. Errors: FORMAT, UNSUPPORTED (lists what is known). */
SutraStatus su_token_model_kind(const json_t *json, const char *where,
                                const SuTokenModelKind **kind, SutraError *err);
/* NULL: there is none of that name. */
const SuTokenModelKind *su_token_model_named(const char *name);

#endif
