/* decode.c - token ids to text: the decoder's steps at work. */
#include "base/memory.h"
#include "base/utf8_sequence.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/decoder.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/utf8.h"

#include <string.h>

#define UNKNOWN_CHARACTER "\xef\xbf\xbd" /* U+FFFD */

/* Tokens, one after the other. */
typedef struct Pieces {
    char *bytes;  /* [size] */
    size_t *ends; /* [count] */
    size_t size, capacity, count, most;
    bool failed; /* out of memory; nothing more is added */
} Pieces;

static void put(Pieces *to, const char *bytes, size_t size)
{
    size_t needed;
    if (to->failed || !bytes || size == 0) return;
    to->failed = su_add_overflows(to->size, size, &needed);
    if (!to->failed && needed > to->capacity) {
        size_t capacity = needed > SIZE_MAX / 2 ? needed : needed * 2;
        char *grown = su_realloc(to->bytes, capacity, 1);
        to->failed = !grown;
        if (grown) {
            to->bytes = grown;
            to->capacity = capacity;
        }
    }
    if (to->failed || !to->bytes) return;
    memcpy(to->bytes + to->size, bytes, size);
    to->size = needed;
}

/* What was put since the last one is a token. */
static void end_piece(Pieces *to)
{
    if (!to->failed && to->count == to->most) {
        size_t most = to->most ? to->most * 2 : 64;
        size_t *grown = su_realloc(to->ends, most, sizeof *grown);
        to->failed = !grown;
        if (grown) {
            to->ends = grown;
            to->most = most;
        }
    }
    if (!to->failed) to->ends[to->count++] = to->size;
}

static SuTextView piece_at(const Pieces *from, size_t i)
{
    size_t begin = i ? from->ends[i - 1] : 0;
    return (SuTextView){.bytes = from->bytes + begin, .size = from->ends[i] - begin};
}

static void free_pieces(Pieces *pieces)
{
    su_free(pieces->bytes);
    su_free(pieces->ends);
}

static bool begins_with(const char *text, size_t size, const char *start, size_t start_size)
{
    return size >= start_size && memcmp(text, start, start_size) == 0;
}

/* The text with `by` wherever `pattern` is; an empty one is nowhere. */
static void put_replaced(Pieces *to, SuTextView text, const char *pattern, size_t pattern_size,
                         const char *by, size_t by_size)
{
    size_t done = 0, i = 0;
    while (pattern_size && i < text.size) {
        if (!begins_with(text.bytes + i, text.size - i, pattern, pattern_size)) {
            i++;
            continue;
        }
        put(to, text.bytes + done, i - done);
        put(to, by, by_size);
        done = i += pattern_size;
    }
    put(to, text.bytes + done, text.size - done);
}

/* ---- bytes that may be no UTF-8 ---- */

static void put_lossy(Pieces *to, const char *bytes, size_t size)
{
    size_t done = 0, i = 0;
    while (i < size) {
        const unsigned char *b = (const unsigned char *)bytes + i;
        size_t step = su_utf8_sequence_size(b, size - i);
        if (step == 0) {
            put(to, bytes + done, i - done);
            put(to, UNKNOWN_CHARACTER, 3);
            done = i += su_utf8_broken_size(b, size - i);
        }
        i += step;
    }
    put(to, bytes + done, size - done);
}

/* ---- steps ---- */

/* Sequentially, as each may make what the next one finds; none grows. */
static void clean_up(Pieces *to, size_t begin)
{
    static const char *const pairs[][2] = {{" .", "."},     {" ?", "?"},           {" !", "!"},
                                           {" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
                                           {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    if (to->failed) return;
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        const char *from = pairs[k][0], *by = pairs[k][1];
        size_t from_size = strlen(from), by_size = strlen(by), end = begin, i = begin;
        while (i < to->size) {
            bool found = begins_with(to->bytes + i, to->size - i, from, from_size);
            if (found) memcpy(to->bytes + end, by, by_size);
            if (!found) to->bytes[end] = to->bytes[i];
            end += found ? by_size : 1;
            i += found ? from_size : 1;
        }
        to->size = end;
    }
}

static void run_wordpiece(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    for (size_t i = 0; i < from->count; i++) {
        SuTextView text = piece_at(from, i);
        size_t begin = to->size, skip = 0;
        if (i && begins_with(text.bytes, text.size, step->pattern, step->pattern_size))
            skip = step->pattern_size;
        else if (i)
            put(to, " ", 1);
        put(to, text.bytes + skip, text.size - skip);
        if (step->flag) clean_up(to, begin);
        end_piece(to);
    }
}

/* A token with a character that stands for no byte is itself. */
static void put_symbols(SuTextView text, Pieces *to)
{
    size_t begin = to->size, size;
    for (size_t i = 0; i < text.size; i += size) {
        int byte = su_byte_of_symbol(su_utf8_decode(text.bytes + i, &size));
        if (byte < 0) {
            if (!to->failed) to->size = begin;
            put(to, text.bytes, text.size);
            return;
        }
        put(to, &(char){(char)byte}, 1);
    }
}

static void run_byte_level(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    Pieces bytes = {0};
    (void)step;
    for (size_t i = 0; i < from->count; i++) put_symbols(piece_at(from, i), &bytes);
    put_lossy(to, bytes.bytes, bytes.size);
    to->failed |= bytes.failed;
    free_pieces(&bytes);
    end_piece(to);
}

static void run_metaspace(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    for (size_t i = 0; i < from->count; i++) {
        put_replaced(to, piece_at(from, i), step->pattern, step->pattern_size, " ",
                     i || !step->flag);
        end_piece(to);
    }
}

static void run_bpe(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    for (size_t i = 0; i < from->count; i++) {
        put_replaced(to, piece_at(from, i), step->pattern, step->pattern_size, " ",
                     i + 1 < from->count);
        end_piece(to);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of "<0x41>", else -1. */
static int byte_of_token(SuTextView text)
{
    if (text.size != 6 || memcmp(text.bytes, "<0x", 3) != 0 || text.bytes[5] != '>') return -1;
    int high = hex_value(text.bytes[3]), low = hex_value(text.bytes[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* A run of bytes that is no UTF-8 as a whole is as many U+FFFD. */
static void end_run(Pieces *run, Pieces *to)
{
    size_t bad, count;
    if (run->size == 0) return;
    if (su_utf8_validate(run->bytes, run->size, &bad, &count))
        put(to, run->bytes, run->size);
    else
        for (size_t i = 0; i < run->size; i++) put(to, UNKNOWN_CHARACTER, 3);
    run->size = 0;
    end_piece(to);
}

static void run_byte_fallback(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    Pieces run = {0};
    (void)step;
    for (size_t i = 0; i < from->count; i++) {
        SuTextView text = piece_at(from, i);
        int byte = byte_of_token(text);
        if (byte >= 0) {
            put(&run, &(char){(char)byte}, 1);
            continue;
        }
        end_run(&run, to);
        put(to, text.bytes, text.size);
        end_piece(to);
    }
    end_run(&run, to);
    to->failed |= run.failed;
    free_pieces(&run);
}

static void run_fuse(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    (void)step;
    put(to, from->bytes, from->size);
    end_piece(to);
}

static void run_strip(const SuDecoderStep *step, const Pieces *from, Pieces *to)
{
    size_t size = step->pattern_size;
    for (size_t i = 0; i < from->count; i++) {
        SuTextView text = piece_at(from, i);
        for (uint32_t k = 0;
             k < step->start && begins_with(text.bytes, text.size, step->pattern, size); k++) {
            text.bytes += size;
            text.size -= size;
        }
        for (uint32_t k = 0; k < step->end && text.size >= size &&
                             memcmp(text.bytes + text.size - size, step->pattern, size) == 0;
             k++)
            text.size -= size;
        put(to, text.bytes, text.size);
        end_piece(to);
    }
}

static SutraStatus replace_matches(const SuDecoderStep *step, SuTextView text,
                                   SuPatternScratch *scratch, Pieces *to, SutraError *err)
{
    SuPatternCursor cursor =
        su_pattern_cursor(step->expression, scratch, text.bytes ? text.bytes : "", text.size);
    size_t begin, end, done = 0;
    bool found = true;
    while (found) {
        SU_TRY(su_pattern_next(&cursor, &begin, &end, &found, err));
        if (!found) break;
        put(to, text.bytes + done, begin - done);
        put(to, step->content, step->content_size);
        done = end;
    }
    put(to, text.bytes + done, text.size - done);
    return SUTRA_OK;
}

static SutraStatus run_replace(const SuDecoderStep *step, const Pieces *from, Pieces *to,
                               SutraError *err)
{
    SuPatternScratch scratch = {0};
    SutraStatus status = SUTRA_OK;
    for (size_t i = 0; i < from->count && status == SUTRA_OK; i++) {
        SuTextView text = piece_at(from, i);
        if (step->expression)
            status = replace_matches(step, text, &scratch, to, err);
        else
            put_replaced(to, text, step->pattern, step->pattern_size, step->content,
                         step->content_size);
        end_piece(to);
    }
    su_pattern_scratch_free(&scratch);
    return status;
}

static SutraStatus run_step(const SuDecoderStep *step, const Pieces *from, Pieces *to,
                            SutraError *err)
{
    static void (*const runs[])(const SuDecoderStep *, const Pieces *,
                                Pieces *) = {[SU_DECODER_WORDPIECE] = run_wordpiece,
                                             [SU_DECODER_BYTE_LEVEL] = run_byte_level,
                                             [SU_DECODER_METASPACE] = run_metaspace,
                                             [SU_DECODER_BPE] = run_bpe,
                                             [SU_DECODER_BYTE_FALLBACK] = run_byte_fallback,
                                             [SU_DECODER_FUSE] = run_fuse,
                                             [SU_DECODER_STRIP] = run_strip};
    if (step->kind == SU_DECODER_OTHER)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "the tokenizer's decoder \"%.64s\" is not supported",
                 step->pattern);
    if (step->kind == SU_DECODER_REPLACE) return run_replace(step, from, to, err);
    runs[step->kind](step, from, to);
    return SUTRA_OK;
}

/* ---- the whole ---- */

static void collect(const SuTokenizer *tokenizer, const int32_t *ids, size_t n, bool skip_special,
                    Pieces *to)
{
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const char *text = su_tokenizer_token(tokenizer, ids[i], &size);
        const SuAddedToken *added = su_added_tokens_with_id(&tokenizer->added, ids[i]);
        if (!text || (skip_special && added && added->special)) continue;
        if (!tokenizer->decoder.is_there && to->count) put(to, " ", 1);
        put(to, text, size);
        end_piece(to);
    }
}

SutraStatus su_tokenizer_decode(const SuTokenizer *tokenizer, const int32_t *ids, size_t n,
                                bool skip_special, char **text, size_t *size, SutraError *err)
{
    Pieces pieces = {0};
    SutraStatus status = SUTRA_OK;
    collect(tokenizer, ids, n, skip_special, &pieces);
    for (size_t i = 0; i < tokenizer->decoder.count && status == SUTRA_OK; i++) {
        Pieces next = {.failed = pieces.failed};
        status = run_step(&tokenizer->decoder.steps[i], &pieces, &next, err);
        free_pieces(&pieces);
        pieces = next;
    }
    put(&pieces, "", 1);
    if (status == SUTRA_OK && pieces.failed)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for the text of %zu tokens", n);
    *text = status == SUTRA_OK ? pieces.bytes : NULL;
    *size = pieces.failed ? 0 : pieces.size - 1;
    if (status != SUTRA_OK) su_free(pieces.bytes);
    su_free(pieces.ends);
    return status;
}
