/* NFC, NFD, NFKC and NFKD (Unicode Standard Annex 15), with the sources of the reference.
 *
 *   decompose -> starters and marks by class -> NFD: out
 *                                            -> NFC: the last starter takes what composes with it
 *
 * A code point that goes out has a change: 1, it is new and has the source of what was read last;
 * 0, it stands for the next original one; -n, for that and the n after it. Parts of a decomposition
 * begin with 0 and go on with 1; a composition has the sum of both less 1. */
#include "base/memory.h"
#include "tokenizer/normalize_steps.h"
#include "unicode/category.h"
#include "unicode/normalize.h"
#include "unicode/utf8.h"

#include <string.h>

/* A mark that waits: code point | class << 21 | change << 29. */
#define CLASS_SHIFT 21
#define CODE_POINT 0x1fffffu
#define CHANGE_SHIFT 29

typedef struct Run {
    SuTextView in;
    size_t read;       /* bytes whose sources are given away */
    uint32_t number;   /* of the code point there */
    uint32_t source;   /* of what was read last */
    SuNormalized *out; /* its marks wait for their order, its mark_sources hold what is blocked */
    char *end;
    size_t num_marks, num_blocked;
    uint64_t classes[4]; /* which classes wait */
    bool compose, compatible, has_starter;
    uint32_t starter, last_class; /* last_class: of what is blocked; 0: nothing is */
    int32_t starter_change;
} Run;

static void read_source(Run *run)
{
    size_t step;
    if (run->read >= run->in.size) return;
    run->source = run->in.source ? run->in.source[run->read] : run->number;
    su_utf8_decode(run->in.bytes + run->read, &step);
    run->read += step;
    run->number++;
}

static void put(Run *run, uint32_t code_point, int32_t change)
{
    if (change <= 0) read_source(run);
    size_t size = su_utf8_encode(code_point, run->end);
    if (run->out->with_source) {
        uint32_t *sources = run->out->text.source + (run->end - run->out->text.bytes);
        for (size_t i = 0; i < size; i++) sources[i] = run->source;
    }
    run->end += size;
    for (; change < 0; change++) read_source(run);
}

/* The starter goes out, and after it what it did not take. */
static void put_starter(Run *run)
{
    if (run->has_starter) put(run, run->starter, run->starter_change);
    for (size_t i = 0; i < run->num_blocked; i++) {
        uint32_t mark = run->out->mark_sources[i];
        put(run, mark & CODE_POINT, (int32_t)(mark >> CHANGE_SHIFT));
    }
    run->num_blocked = 0;
    run->last_class = 0;
    run->has_starter = false;
}

static void compose(Run *run, uint32_t code_point, uint32_t class, int32_t change)
{
    if (!run->has_starter && class != 0) {
        put(run, code_point, change);
        return;
    }
    bool blocked = run->last_class != 0 && run->last_class >= class;
    uint32_t made = run->has_starter && !blocked ? su_unicode_compose(run->starter, code_point) : 0;
    if (made) {
        run->starter = made;
        run->starter_change += change - 1;
    } else if (class == 0) {
        put_starter(run);
        run->has_starter = true;
        run->starter = code_point;
        run->starter_change = change;
    } else {
        run->out->mark_sources[run->num_blocked++] = code_point | (uint32_t)change << CHANGE_SHIFT;
        run->last_class = class;
    }
}

static inline void emit(Run *run, uint32_t code_point, uint32_t class, int32_t change)
{
    if (run->compose)
        compose(run, code_point, class, change);
    else
        put(run, code_point, change);
}

/* The marks that wait, by class, in their order within a class. */
static void emit_marks(Run *run)
{
    for (uint32_t word = 0; word < 4; word++) {
        for (; run->classes[word]; run->classes[word] &= run->classes[word] - 1) {
            uint32_t class = word * 64 + (uint32_t)__builtin_ctzll(run->classes[word]);
            for (size_t i = 0; i < run->num_marks; i++) {
                uint32_t mark = run->out->marks[i];
                if ((mark >> CLASS_SHIFT & 0xff) == class)
                    emit(run, mark & CODE_POINT, class, (int32_t)(mark >> CHANGE_SHIFT));
            }
        }
    }
    run->num_marks = 0;
}

static void take(Run *run, uint32_t code_point)
{
    uint32_t parts[SU_COMPATIBLE_MAX] = {code_point};
    size_t count = 1;
    if (run->compatible)
        count = su_unicode_decompose_compatible(code_point, parts);
    else if (su_unicode_properties(code_point) & SU_CP_DECOMPOSES)
        count = su_unicode_decompose(code_point, parts);
    for (size_t i = 0; i < count; i++) {
        uint32_t class = su_unicode_combining_class(parts[i]), change = i > 0;
        if (class == 0) {
            if (run->num_marks) emit_marks(run);
            emit(run, parts[i], 0, (int32_t)change);
            continue;
        }
        run->out->marks[run->num_marks++] =
            parts[i] | class << CLASS_SHIFT | change << CHANGE_SHIFT;
        run->classes[class / 64] |= UINT64_C(1) << class % 64;
    }
}

/* ---- ASCII, of which no form changes anything ---- */

/* Where the ASCII characters end that begin at `at`. */
static size_t ascii_end(const char *text, size_t size, size_t at)
{
    uint64_t word;
    for (; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & UINT64_C(0x8080808080808080)) break;
    }
    while (at < size && (unsigned char)text[at] < 0x80) at++;
    return at;
}

/* Characters [at, end) go out as they are, after what waits. */
static void copy_ascii(Run *run, size_t at, size_t end)
{
    if (run->num_marks) emit_marks(run);
    put_starter(run);
    memcpy(run->end, run->in.bytes + at, end - at);
    if (run->out->with_source) {
        uint32_t *sources = run->out->text.source + (run->end - run->out->text.bytes);
        for (size_t i = 0; i < end - at; i++)
            sources[i] = run->in.source ? run->in.source[at + i] : run->number + (uint32_t)i;
        run->source = sources[end - at - 1];
    }
    run->end += end - at;
    run->read = end;
    run->number += (uint32_t)(end - at);
}

/* Up to the next character that is to be taken; the last of ASCII may compose with a mark. */
static size_t pass_ascii(Run *run, size_t at)
{
    size_t end = ascii_end(run->in.bytes, run->in.size, at);
    if (end < run->in.size && end > at) end--;
    if (end > at) copy_ascii(run, at, end);
    return end;
}

SutraStatus su_normalize_unicode(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                                 SutraError *err)
{
    bool compatible = step->kind == SU_NORMALIZER_NFKC || step->kind == SU_NORMALIZER_NFKD;
    size_t room = in.size, length;
    if (compatible && su_mul_overflows(in.size, SU_COMPATIBLE_GROWTH, &room))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", in.size);
    SU_TRY(su_normalized_reserve(out, in.size, out->with_source, err));
    SU_TRY(su_text_reserve(&out->text, room, out->with_source, err));
    Run run = {.in = in,
               .number = in.first,
               .source = in.source && in.size ? in.source[0] : in.first,
               .out = out,
               .end = out->text.bytes,
               .compatible = compatible,
               .compose = step->kind == SU_NORMALIZER_NFC || step->kind == SU_NORMALIZER_NFKC};
    for (size_t at = 0; at < in.size; at += length) {
        at = pass_ascii(&run, at);
        if (at == in.size) break;
        take(&run, su_utf8_decode(in.bytes + at, &length));
    }
    if (run.num_marks) emit_marks(&run);
    put_starter(&run);
    out->text.size = (size_t)(run.end - out->text.bytes);
    return SUTRA_OK;
}
