/* pre_tokenize.c - running a list of pre-tokenisers: depth first, so that a piece goes through all
 * steps before the next one is cut, and no list of pieces is kept.
 *
 *   piece -> changed by the step (a prefix, other characters) -> cut -> next step, or the sink
 */
#include "base/memory.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/text_split.h"
#include "unicode/utf8.h"

#include <string.h>

void su_pre_tokenizer_scratch_free(SuPreTokenizerScratch *scratch)
{
    for (size_t i = 0; i < SU_MAX_STEPS; i++) {
        su_text_free(&scratch->changed[i]);
        su_text_free(&scratch->mapped[i]);
    }
    su_pattern_scratch_free(&scratch->matches);
}

typedef struct Run {
    const SuPreTokenizer *pre_tokenizer;
    SuPreTokenizerScratch *scratch;
    const SuWordSink *sink;
} Run;

static SuTextView part_of(SuTextView text, size_t begin, size_t end)
{
    return (SuTextView){.bytes = text.bytes + begin,
                        .source = text.source ? text.source + begin : NULL,
                        .size = end - begin,
                        .at_start = text.at_start && begin == 0};
}

/* ---- texts that change ---- */

static SutraStatus reserve(SuText *text, size_t size, size_t growth, SuTextView piece,
                           SutraError *err)
{
    size_t room;
    if (su_mul_overflows(piece.size, growth, &room) || su_add_overflows(room, size, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", piece.size);
    text->size = 0;
    return su_text_reserve(text, room, piece.source != NULL, err);
}

/* `source` points to that of the bytes; NULL: none is kept. */
static void append(SuText *text, const char *bytes, size_t size, const uint32_t *source)
{
    memcpy(text->bytes + text->size, bytes, size);
    for (size_t i = 0; i < size && source; i++) text->source[text->size + i] = *source;
    text->size += size;
}

static void append_part(SuText *text, SuTextView part)
{
    if (part.size) memcpy(text->bytes + text->size, part.bytes, part.size);
    if (part.size && part.source)
        memcpy(text->source + text->size, part.source, part.size * sizeof *part.source);
    text->size += part.size;
}

static SuTextView view_of(SuText *text, bool with_source)
{
    su_text_finish(text);
    return (SuTextView){
        .bytes = text->bytes, .source = with_source ? text->source : NULL, .size = text->size};
}

static SutraStatus prefix_space(SuText *to, SuTextView *piece, SutraError *err)
{
    if (piece->bytes[0] == ' ') return SUTRA_OK;
    SU_TRY(reserve(to, 1, 1, *piece, err));
    append(to, " ", 1, piece->source);
    append_part(to, *piece);
    *piece = view_of(to, piece->source != NULL);
    return SUTRA_OK;
}

/* Whether a mark goes in front of the piece. */
static bool wants_mark(const SuPreTokenizerStep *step, SuTextView piece)
{
    size_t size = step->pattern_size;
    bool first = piece.source ? piece.source[0] == 0 : piece.at_start; /* needs_source */
    bool marked = piece.bytes[0] == ' ' ||
                  (piece.size >= size && memcmp(piece.bytes, step->pattern, size) == 0);
    if (marked) return false;
    return step->prepend == SU_PREPEND_ALWAYS || (step->prepend == SU_PREPEND_FIRST && first);
}

/* *one: nothing but its start can be the mark, so that the step does not cut it. */
static SutraStatus replace_spaces(const SuPreTokenizerStep *step, SuText *to, SuTextView *piece,
                                  bool *one, SutraError *err)
{
    const char *mark = step->pattern;
    const size_t mark_size = step->pattern_size;
    bool with_source = piece->source, in_front = wants_mark(step, *piece);
    bool spaces = memchr(piece->bytes, ' ', piece->size);
    *one = !step->whole && !spaces && !memchr(piece->bytes, mark[0], piece->size);
    if (!in_front && !spaces) return SUTRA_OK;
    SU_TRY(reserve(to, mark_size, spaces ? mark_size : 1, *piece, err));
    if (in_front) append(to, mark, mark_size, piece->source);
    if (spaces)
        su_text_append_replacing(to, *piece, ' ', mark, mark_size, with_source);
    else
        append_part(to, *piece);
    *piece = view_of(to, with_source);
    return SUTRA_OK;
}

/* Each byte as the character that stands for it, with the source of its own. */
static SutraStatus map_bytes(SuText *to, SuTextView *piece, SutraError *err)
{
    SU_TRY(reserve(to, 0, 2, *piece, err));
    for (size_t i = 0; i < piece->size; i++) {
        char symbol[4];
        size_t size = su_utf8_encode(su_byte_symbol((unsigned char)piece->bytes[i]), symbol);
        append(to, symbol, size, piece->source ? piece->source + i : NULL);
    }
    *piece = view_of(to, piece->source != NULL);
    return SUTRA_OK;
}

/* ---- steps ---- */

static SutraStatus run_steps(const Run *run, size_t index, SuTextView piece, SutraError *err);

static SutraStatus pass_on(const Run *run, size_t index, SuTextView piece, SutraError *err)
{
    const SuPreTokenizer *pre_tokenizer = run->pre_tokenizer;
    bool last = index + 1 == pre_tokenizer->count;
    if (pre_tokenizer->steps[index].kind == SU_PRE_TOKENIZER_BYTE_LEVEL &&
        !(last && pre_tokenizer->keep_bytes))
        SU_TRY(map_bytes(&run->scratch->mapped[index], &piece, err));
    return last ? run->sink->take(run->sink->context, piece, err)
                : run_steps(run, index + 1, piece, err);
}

/* Where pieces that an engine's matches make belong. */
typedef struct Cut {
    const Run *run;
    size_t index;
    SuTextView piece;
} Cut;

static SutraStatus take_piece(void *context, size_t begin, size_t end, SutraError *err)
{
    const Cut *cut = context;
    return pass_on(cut->run, cut->index, part_of(cut->piece, begin, end), err);
}

static SutraStatus run_steps(const Run *run, size_t index, SuTextView piece, SutraError *err)
{
    const SuPreTokenizerStep *step = &run->pre_tokenizer->steps[index];
    SuText *changed = &run->scratch->changed[index];
    bool one = false;
    if (step->add_prefix_space) SU_TRY(prefix_space(changed, &piece, err));
    if (step->kind == SU_PRE_TOKENIZER_METASPACE)
        SU_TRY(replace_spaces(step, changed, &piece, &one, err));
    if (step->whole || one) return pass_on(run, index, piece, err);
    if (step->expression && !step->scan) {
        Cut cut = {run, index, piece};
        const SuPieceSink sink = {take_piece, &cut};
        return su_text_split_matches(step, &run->scratch->matches, piece.bytes, piece.size, &sink,
                                     err);
    }
    size_t at = 0, begin;
    while (su_text_split_next(step, piece.bytes, piece.size, &at, &begin))
        SU_TRY(pass_on(run, index, part_of(piece, begin, at), err));
    return SUTRA_OK;
}

SutraStatus su_pre_tokenizer_run(const SuPreTokenizer *pre_tokenizer,
                                 SuPreTokenizerScratch *scratch, SuTextView text,
                                 const SuWordSink *sink, SutraError *err)
{
    const Run run = {pre_tokenizer, scratch, sink};
    if (text.size == 0) return SUTRA_OK;
    if (pre_tokenizer->count == 0) return sink->take(sink->context, text, err);
    return run_steps(&run, 0, text, err);
}
