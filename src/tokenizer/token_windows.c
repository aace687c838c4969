#include "tokenizer/token_windows.h"

#include "tokenizer/tokenizer_parts.h"
#include "unicode/utf8.h"

#include <string.h>

enum { DEFAULT_SHARE = 8 }; /* neighbours share this part of the room */

static size_t special_before_text(const SuTemplate *list)
{
    size_t count = 0;
    while (count < list->count && list->parts[count].kind == SU_PART_SPECIAL) count++;
    return count;
}

/* The prompt's tokens are those that end before the text begins. */
static size_t prefix_tokens(const SuEncoding *encoding, size_t first, size_t last,
                            size_t code_points)
{
    size_t at = first;
    while (at < last && encoding->end[at] <= code_points) at++;
    return at - first;
}

SutraStatus su_token_windows_cut(const SuTokenizer *tokenizer, const SuEncoding *encoding,
                                 const char *prefix, size_t prefix_size, uint32_t max_tokens,
                                 uint32_t overlap, SuTokenWindows *windows, SutraError *err)
{
    const SuTemplate *list = &tokenizer->post_processor.single;
    size_t head = special_before_text(list), tail = list->num_special - head;
    if (prefix_size)
        head += prefix_tokens(encoding, head, encoding->num_tokens - tail,
                              su_utf8_count(prefix, prefix_size));
    if (max_tokens <= head + tail)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "max_tokens %u leaves no room for text beside %zu tokens, special ones and the "
                 "prompt's",
                 max_tokens, head + tail);
    size_t room = max_tokens - head - tail, shared = overlap;
    if (overlap == 0) shared = room / DEFAULT_SHARE;
    if (overlap == SUTRA_WINDOW_NO_OVERLAP) shared = 0;
    if (shared >= room)
        SU_RAISE(err, SUTRA_E_ARGUMENT,
                 "window_overlap %u is not less than the %zu tokens of text in a window of %u",
                 overlap, room, max_tokens);
    size_t text = encoding->num_tokens - head - tail, step = room - shared;
    *windows = (SuTokenWindows){.ids = encoding->token_ids,
                                .types = encoding->type_ids,
                                .head = head,
                                .text = text,
                                .tail = tail,
                                .room = room,
                                .step = step,
                                .count = text <= room ? 1 : (text - room + step - 1) / step + 1};
    return SUTRA_OK;
}

void su_token_windows_span(const SuTokenWindows *windows, size_t i, size_t *begin, size_t *end)
{
    *begin = i * windows->step;
    *end = windows->text - *begin < windows->room ? windows->text : *begin + windows->room;
}

static size_t copy(const SuTokenWindows *windows, size_t i, const int32_t *from, int32_t *to)
{
    size_t begin, end, head = windows->head, tail = windows->tail;
    su_token_windows_span(windows, i, &begin, &end);
    size_t text = end - begin;
    memcpy(to, from, head * sizeof *to);
    memcpy(to + head, from + head + begin, text * sizeof *to);
    memcpy(to + head + text, from + head + windows->text, tail * sizeof *to);
    return head + text + tail;
}

size_t su_token_windows_copy(const SuTokenWindows *windows, size_t i, int32_t *ids, int32_t *types)
{
    copy(windows, i, windows->types, types);
    return copy(windows, i, windows->ids, ids);
}
