/* token_windows.h - a text of too many tokens as overlapping windows.
 *
 *   tokens    | head          | text                            | tail     |
 *               special,        0 … room - 1                      special
 *               the prompt's             step … step + room - 1
 *                                                 2 step … text - 1
 *
 * Each window is the head, `room` tokens of the text, and the tail; the last one ends with the text
 * and may be shorter. So are those of the reference `tokenizers` (truncation, stride = room - step)
 * where no prompt is in the head. */
#ifndef SU_TOKEN_WINDOWS_H
#define SU_TOKEN_WINDOWS_H

#include "tokenizer/tokenizer.h"

typedef struct SuTokenWindows {
    const int32_t *ids, *types; /* [head + text + tail], borrowed as the encoding is */
    size_t head, text, tail;
    size_t room, step; /* 1 ≤ step ≤ room */
    size_t count;
} SuTokenWindows;

/* encoding: of a whole text without a pair, special tokens included, with offsets if it has a
 * prefix; a token that is partly the prefix's belongs to the text. overlap: as
 * SutraEmbedOptions.window_overlap. Errors: ARGUMENT (max_tokens leaves no room; the overlap is not
 * less than the room). */
SutraStatus su_token_windows_cut(const SuTokenizer *tokenizer, const SuEncoding *encoding,
                                 const char *prefix, size_t prefix_size, uint32_t max_tokens,
                                 uint32_t overlap, SuTokenWindows *windows, SutraError *err);

/* Of the text's own tokens, those of window i: *begin … *end - 1. */
void su_token_windows_span(const SuTokenWindows *windows, size_t i, size_t *begin, size_t *end);

/* Writes window i, at most head + room + tail tokens; returns how many. */
size_t su_token_windows_copy(const SuTokenWindows *windows, size_t i, int32_t *ids, int32_t *types);

#endif
