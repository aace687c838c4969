/* normalize_precompiled.c - text through a map of characters, cluster by cluster.
 *
 * Where bytes come from is the reference's. It walks over what it reads with a place of its own:
 * a code point that stays, or that replaces one, has the source at the place, which goes on by one;
 * what a replacement has more is inserted, with the source before the place; what it has less is
 * taken away together with the last code point that went out, also when that was inserted, which
 * then replaces the first one taken away. Nothing went out at the start of a text: what is taken
 * away there leaves the place behind. */
#include "tokenizer/normalize_steps.h"

#include "base/memory.h"
#include "unicode/grapheme.h"
#include "unicode/utf8.h"

#include <string.h>

#define LONG_CLUSTER 6u /* bytes */

typedef struct Run {
    const SuCharsmap *map;
    SuTextView in;
    SuNormalized *out;
    size_t at;         /* in `in` */
    size_t place;      /* of the source, at most `at` */
    uint32_t number;   /* code points before the place */
    uint32_t previous; /* source of what is before the place */
    bool inserted;     /* the last code point that went out was */
} Run;

/* Room for `size` bytes and for the rest of what is read. */
static SutraStatus reserve(Run *run, size_t size, SutraError *err)
{
    SuText *text = &run->out->text;
    size_t rest = run->in.size - run->at, wanted;
    if (su_add_overflows(text->size, size, &wanted) || su_add_overflows(wanted, rest, &wanted) ||
        wanted > SIZE_MAX / 2)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", size);
    size_t room = text->capacity;
    if (run->out->with_source && text->source_capacity < room) room = text->source_capacity;
    if (wanted + SU_TEXT_PADDING <= room) return SUTRA_OK;
    return su_text_reserve(text, wanted + wanted / 2, run->out->with_source, err);
}

static uint32_t source_of(const Run *run)
{
    return run->in.source ? run->in.source[run->place] : run->in.first + run->number;
}

static void advance(Run *run, size_t code_points)
{
    for (; code_points > 0 && run->place < run->in.size; code_points--) {
        size_t length;
        run->previous = source_of(run);
        su_utf8_decode(run->in.bytes + run->place, &length);
        run->place += length;
        run->number++;
    }
}

static void append(Run *run, const char *bytes, size_t size, uint32_t source)
{
    SuText *text = &run->out->text;
    memcpy(text->bytes + text->size, bytes, size);
    for (size_t i = 0; i < size && run->out->with_source; i++)
        text->source[text->size + i] = source;
    text->size += size;
}

/* One that stays, or replaces another. */
static void append_next(Run *run, const char *bytes, size_t size)
{
    append(run, bytes, size, source_of(run));
    advance(run, 1);
    run->inserted = false;
}

/* Code points that stay. */
static void keep(Run *run, size_t end)
{
    SuText *text = &run->out->text;
    if (!run->out->with_source) {
        memcpy(text->bytes + text->size, run->in.bytes + run->at, end - run->at);
        text->size += end - run->at;
        run->at = end;
        return;
    }
    for (size_t length; run->at < end; run->at += length) {
        su_utf8_decode(run->in.bytes + run->at, &length);
        append_next(run, run->in.bytes + run->at, length);
    }
}

/* ASCII characters that stay. */
static void keep_plain(Run *run, size_t end)
{
    SuText *text = &run->out->text;
    size_t size = end - run->at;
    if (!run->out->with_source || run->in.source || run->place != run->at) {
        keep(run, end);
        return;
    }
    memcpy(text->bytes + text->size, run->in.bytes + run->at, size);
    uint32_t *source = text->source + text->size, first = run->in.first + run->number;
    for (size_t i = 0; i < size; i++) source[i] = first + (uint32_t)i;
    text->size += size;
    run->at = run->place = end;
    run->number += (uint32_t)size;
    run->previous = first + (uint32_t)size - 1;
    run->inserted = false;
}

static void take_away(Run *run, size_t code_points)
{
    const SuText *text = &run->out->text;
    if (text->size == 0) return;
    if (run->inserted) {
        size_t begin;
        su_utf8_decode_before(text->bytes, text->size, &begin);
        for (size_t i = begin; i < text->size; i++) text->source[i] = source_of(run);
        run->inserted = false;
    }
    advance(run, code_points);
}

static void append_replacement(Run *run, size_t before, const char *text, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        su_utf8_decode(text + at, &length);
        if (before > 0) {
            append_next(run, text + at, length);
            before--;
        } else {
            append(run, text + at, length, run->previous);
            run->inserted = true;
        }
    }
    if (before > 0) take_away(run, before);
}

/* The code points up to `end` become text [size]. */
static SutraStatus replace(Run *run, size_t end, const char *text, size_t size, SutraError *err)
{
    SU_TRY(reserve(run, size, err));
    if (run->out->with_source)
        append_replacement(run, su_utf8_count(run->in.bytes + run->at, end - run->at), text, size);
    else if (size > 0)
        append(run, text, size, 0);
    run->at = end;
    return SUTRA_OK;
}

static SutraStatus take_cluster(Run *run, size_t end, SutraError *err)
{
    const SuTextView in = run->in;
    const char *to;
    size_t to_size, length;
    bool found;
    if (end - run->at < LONG_CLUSTER) {
        SU_TRY(su_charsmap_find(run->map, in.bytes + run->at, end - run->at, &found, &to, &to_size,
                                err));
        if (found) return replace(run, end, to, to_size, err);
    }
    while (run->at < end) {
        su_utf8_decode(in.bytes + run->at, &length);
        SU_TRY(su_charsmap_find(run->map, in.bytes + run->at, length, &found, &to, &to_size, err));
        if (found)
            SU_TRY(replace(run, run->at + length, to, to_size, err));
        else
            keep(run, run->at + length);
    }
    return SUTRA_OK;
}

static bool is_plain(const SuCharsmap *map, unsigned char c)
{
    return c < 0x80 && map->plain[c / 64] >> c % 64 & 1;
}

bool su_charsmap_leaves(const SuCharsmap *map, const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && is_plain(map, (unsigned char)text[at])) at++;
    return at == size;
}

/* Where the plain characters from `at` on end that are clusters: no other character follows. */
static size_t plain_end(const Run *run)
{
    const char *bytes = run->in.bytes;
    size_t at = run->at;
    while (at < run->in.size && is_plain(run->map, (unsigned char)bytes[at])) at++;
    bool cut = at < run->in.size && (unsigned char)bytes[at] >= 0x80 && at > run->at;
    return cut ? at - 1 : at;
}

SutraStatus su_charsmap_normalize(const SuCharsmap *map, SuTextView in, SuNormalized *out,
                                  SutraError *err)
{
    Run run = {.map = map, .in = in, .out = out};
    out->text.size = 0;
    SU_TRY(reserve(&run, 0, err));
    while (run.at < in.size) {
        size_t end = plain_end(&run);
        if (end > run.at)
            keep_plain(&run, end);
        else
            SU_TRY(take_cluster(&run, su_grapheme_end(in.bytes, in.size, run.at), err));
    }
    return SUTRA_OK;
}

SutraStatus su_normalize_precompiled(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                     SutraError *err)
{
    return su_charsmap_normalize(&step->map, in, out, err);
}
