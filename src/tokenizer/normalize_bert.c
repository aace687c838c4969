/* BertNormalizer.
 *
 * clean -> ideographs -> decompose ->  starters  -> strip, lower case -> bytes
 *                                  \-> marks wait -/  (sorted by class when the next starter comes)
 *
 * A waiting mark is `code point | class << 21 | follows << 29`; `follows` is set on all parts of a
 * decomposition but the first, which take the source of what stands before them. */
#include "tokenizer/normalize_steps.h"
#include "unicode/case.h"
#include "unicode/category.h"
#include "unicode/normalize.h"
#include "unicode/utf8.h"

#define MARK_CLASS_SHIFT 21
#define MARK_CODE_POINT 0x1fffffu
#define MARK_FOLLOWS (1u << 29)

typedef struct Run {
    const SuNormalizerStep *options;
    SuNormalized *out;
    char *end;            /* where the next byte goes */
    uint32_t last_source; /* of the latest original code point that went out */
    size_t num_marks, num_mark_sources;
    uint64_t classes[4]; /* which classes wait */
} Run;

static void emit_bytes(Run *run, uint32_t code_point, uint32_t source)
{
    size_t size = su_utf8_encode(code_point, run->end);
    if (run->out->with_source) {
        uint32_t *sources = run->out->text.source + (run->end - run->out->text.bytes);
        for (size_t i = 0; i < size; i++) sources[i] = source;
    }
    run->end += size;
}

static inline void emit(Run *run, uint32_t code_point, uint8_t properties, uint32_t source)
{
    if (run->options->strip_accents && (properties & SU_CP_MARK)) return;
    if (run->options->lowercase && (properties & SU_CP_HAS_LOWER)) {
        uint32_t lower[SU_LOWER_MAX];
        size_t count = su_unicode_lowercase(code_point, lower);
        for (size_t i = 0; i < count; i++) emit_bytes(run, lower[i], source);
        return;
    }
    emit_bytes(run, code_point, source);
}

static void emit_marks_of_class(Run *run, uint32_t class, size_t *next_source)
{
    for (size_t i = 0; i < run->num_marks; i++) {
        uint32_t mark = run->out->marks[i];
        if ((mark >> MARK_CLASS_SHIFT & 0xff) != class) continue;
        if (!(mark & MARK_FOLLOWS)) run->last_source = run->out->mark_sources[(*next_source)++];
        uint32_t code_point = mark & MARK_CODE_POINT;
        emit(run, code_point, su_unicode_properties(code_point), run->last_source);
    }
}

/* The marks that wait, by class, in their order within a class. */
static void emit_marks(Run *run)
{
    size_t next_source = 0;
    for (uint32_t word = 0; word < 4; word++) {
        for (; run->classes[word]; run->classes[word] &= run->classes[word] - 1) {
            uint32_t class = word * 64 + (uint32_t)__builtin_ctzll(run->classes[word]);
            emit_marks_of_class(run, class, &next_source);
        }
    }
    run->num_marks = run->num_mark_sources = 0;
}

static void emit_starter(Run *run, uint32_t code_point, uint8_t properties, uint32_t source)
{
    if (run->num_marks) emit_marks(run);
    run->last_source = source;
    emit(run, code_point, properties, source);
}

static void decompose(Run *run, uint32_t code_point, uint32_t source)
{
    uint32_t parts[SU_DECOMPOSITION_MAX];
    size_t count = su_unicode_decompose(code_point, parts);
    for (size_t i = 0; i < count; i++) {
        uint32_t class = su_unicode_combining_class(parts[i]);
        if (class == 0) {
            emit_starter(run, parts[i], su_unicode_properties(parts[i]), source);
            continue;
        }
        run->out->marks[run->num_marks++] =
            parts[i] | class << MARK_CLASS_SHIFT | (i > 0 ? MARK_FOLLOWS : 0);
        if (i == 0) run->out->mark_sources[run->num_mark_sources++] = source;
        run->classes[class / 64] |= UINT64_C(1) << class % 64;
    }
}

static inline void take(Run *run, uint32_t code_point, uint32_t source)
{
    const SuNormalizerStep *options = run->options;
    uint8_t properties = su_unicode_properties(code_point);
    if (options->clean_text) {
        if (properties & SU_CP_CONTROL) return;
        if (properties & SU_CP_SPACE) {
            code_point = ' ';
            properties = SU_CP_SPACE;
        }
    }
    bool apart = options->handle_chinese_chars && (properties & SU_CP_IDEOGRAPH);
    if (apart) emit_starter(run, ' ', SU_CP_SPACE, source);
    if (options->strip_accents && (properties & SU_CP_DECOMPOSES))
        decompose(run, code_point, source);
    else
        emit_starter(run, code_point, properties, source);
    if (apart) emit_starter(run, ' ', SU_CP_SPACE, source);
}

SutraStatus su_normalize_bert(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                              SutraError *err)
{
    SU_TRY(su_normalized_reserve(out, in.size, out->with_source, err));
    Run run = {.options = step, .out = out, .end = out->text.bytes};
    size_t length;
    for (size_t at = 0; at < in.size; at += length) {
        uint32_t code_point = su_utf8_decode(in.bytes + at, &length);
        take(&run, code_point, in.source ? in.source[at] : in.first++);
    }
    if (run.num_marks) emit_marks(&run);
    out->text.size = (size_t)(run.end - out->text.bytes);
    return SUTRA_OK;
}
