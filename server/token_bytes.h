/* token_bytes.h - what token ids of OpenAI's models stand for, read from a file of tiktoken's: a
 * line a token, its bytes in base64, a space, and its id ("aGVsbG8= 15339"). Immutable: any
 * thread. */
#ifndef SU_TOKEN_BYTES_H
#define SU_TOKEN_BYTES_H

#include "base/status.h"
#include "http_head.h"

typedef struct SuTokenBytes SuTokenBytes;

/* Errors: IO, FORMAT (names the line), LIMIT (more than 16 Mi tokens), MEMORY. */
SutraStatus su_token_bytes_open(const char *path, SuTokenBytes **tokens, SutraError *err);
void su_token_bytes_free(SuTokenBytes *tokens);

/* Data NULL: no token has the id. */
SuText su_token_bytes_of(const SuTokenBytes *tokens, uint64_t id);

/* Makes UTF-8 of bytes that lie in the last third of text [3 * size]: what is none becomes U+FFFD.
 * Returns how many bytes the text has, from its start. */
size_t su_token_bytes_mend(char *text, size_t size);

#endif
