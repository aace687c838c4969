#include "tokenizer/normalizer.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "unicode/case.h"
#include "unicode/category.h"
#include "unicode/normalize.h"
#include "unicode/utf8.h"

#include <string.h>

SutraStatus su_normalizer_from_json(const json_t *json, const char *where, SuNormalizer *normalizer,
                                    SutraError *err)
{
    *normalizer = (SuNormalizer){.kind = SU_NORMALIZER_NONE};
    if (!json || json_is_null(json)) return SUTRA_OK;
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "normalizer", where, &type, err));
    if (strcmp(type, "BertNormalizer") != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: normalizer \"%.64s\" is not supported (known: BertNormalizer)", where, type);
    normalizer->kind = SU_NORMALIZER_BERT;
    SU_TRY(su_tokenizer_require_bool(json, "normalizer", "clean_text", where,
                                     &normalizer->clean_text, err));
    SU_TRY(su_tokenizer_require_bool(json, "normalizer", "handle_chinese_chars", where,
                                     &normalizer->handle_chinese_chars, err));
    SU_TRY(su_tokenizer_require_bool(json, "normalizer", "lowercase", where, &normalizer->lowercase,
                                     err));
    normalizer->strip_accents = normalizer->lowercase; /* null */
    return su_json_get_bool(json, "strip_accents", where, &normalizer->strip_accents, err);
}

/* ---- buffers ---- */

static SutraStatus grow(void **array, size_t count, size_t size, SutraError *err)
{
    void *grown = su_realloc(*array, count, size);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", count);
    *array = grown;
    return SUTRA_OK;
}

SutraStatus su_normalized_reserve(SuNormalized *normalized, size_t text_size, bool with_source,
                                  SutraError *err)
{
    size_t size;
    if (su_mul_overflows(text_size, SU_NORMALIZED_GROWTH, &size) ||
        su_add_overflows(size, SU_NORMALIZED_PADDING, &size))
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu bytes of text", text_size);
    if (size > normalized->capacity) {
        SU_TRY(grow((void **)&normalized->bytes, size, 1, err));
        normalized->capacity = size;
    }
    if (with_source && size > normalized->source_capacity) {
        SU_TRY(grow((void **)&normalized->source, size, sizeof(uint32_t), err));
        normalized->source_capacity = size;
    }
    if (text_size > normalized->mark_capacity) { /* the shortest mark has two bytes and two parts */
        SU_TRY(grow((void **)&normalized->marks, text_size, sizeof(uint32_t), err));
        SU_TRY(grow((void **)&normalized->mark_sources, text_size, sizeof(uint32_t), err));
        normalized->mark_capacity = text_size;
    }
    return SUTRA_OK;
}

void su_normalized_free(SuNormalized *normalized)
{
    su_free(normalized->bytes);
    su_free(normalized->source);
    su_free(normalized->marks);
    su_free(normalized->mark_sources);
    *normalized = (SuNormalized){0};
}

/* ---- running ----
 *
 * clean -> ideographs -> decompose ->  starters  -> strip, lower case -> bytes
 *                                  \-> marks wait -/  (sorted by class when the next starter comes)
 *
 * A waiting mark is `code point | class << 21 | follows << 29`; `follows` is set on all parts of a
 * decomposition but the first, which take the source of what stands before them. */

#define MARK_CLASS_SHIFT 21
#define MARK_CODE_POINT 0x1fffffu
#define MARK_FOLLOWS (1u << 29)

typedef struct Run {
    const SuNormalizer *options;
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
        uint32_t *sources = run->out->source + (run->end - run->out->bytes);
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
    const SuNormalizer *options = run->options;
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

static void copy(const char *text, size_t size, uint32_t first, SuNormalized *out)
{
    memcpy(out->bytes, text, size);
    out->size = size;
    if (!out->with_source) return;
    uint32_t source = first;
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && !su_utf8_is_continuation(text[i])) source++;
        out->source[i] = source;
    }
}

SutraStatus su_normalizer_run(const SuNormalizer *normalizer, const char *text, size_t size,
                              uint32_t first, bool with_source, SuNormalized *normalized,
                              SutraError *err)
{
    SU_TRY(su_normalized_reserve(normalized, size, with_source, err));
    normalized->with_source = with_source;
    if (normalizer->kind == SU_NORMALIZER_NONE) {
        copy(text, size, first, normalized);
    } else {
        Run run = {.options = normalizer, .out = normalized, .end = normalized->bytes};
        size_t step;
        for (size_t at = 0; at < size; at += step) {
            uint32_t code_point = su_utf8_decode(text + at, &step);
            take(&run, code_point, first++);
        }
        if (run.num_marks) emit_marks(&run);
        normalized->size = (size_t)(run.end - normalized->bytes);
    }
    memset(normalized->bytes + normalized->size, 0, SU_NORMALIZED_PADDING);
    return SUTRA_OK;
}
