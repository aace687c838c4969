#include "tokenizer/normalizer.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "tokenizer/normalize_steps.h"
#include "unicode/utf8.h"

#include <string.h>

/* ---- the list ---- */

static void free_texts(SuNormalizerStep *step)
{
    su_free(step->pattern);
    su_free(step->content);
    su_free(step->blob);
    su_pattern_free(step->expression);
}

static SuReplaceShape shape_of(const SuNormalizerStep *step)
{
    static const char ends[] = "\\A +| +\\z";
    const char *text = step->pattern;
    size_t size = step->pattern_size;
    if (!step->expression) return SU_REPLACE_OTHER;
    if (size == strlen(ends) && memcmp(text, ends, size) == 0 && step->content_size == 0)
        return SU_REPLACE_ENDS;
    if (size < 3 || memcmp(text, "\\A", 2) != 0) return SU_REPLACE_OTHER;
    for (size_t i = 2; i < size; i++)
        if (!text[i] || strchr("\\.^$|?*+()[]{}", text[i])) return SU_REPLACE_OTHER;
    return SU_REPLACE_START;
}

SutraStatus su_normalizer_add(SuNormalizer *normalizer, const SuNormalizerStep *step,
                              SutraError *err)
{
    size_t count = normalizer->count + 1;
    SuNormalizerStep *grown = su_realloc(normalizer->steps, count, sizeof *grown);
    if (grown) normalizer->steps = grown;
    SuNormalizerStep copy = *step;
    copy.shape = shape_of(step);
    copy.pattern = step->pattern ? su_strndup(step->pattern, step->pattern_size) : NULL;
    copy.content = step->content ? su_strndup(step->content, step->content_size) : NULL;
    copy.blob = step->blob ? su_strndup(step->blob, step->blob_size) : NULL;
    SutraStatus status = SUTRA_OK;
    if (!grown || (step->pattern && !copy.pattern) || (step->content && !copy.content) ||
        (step->blob && !copy.blob))
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu normalisers", count);
    else if (step->blob)
        status = su_charsmap_open(copy.blob, copy.blob_size, "the tokenizer", &copy.map, err);
    if (status != SUTRA_OK) {
        free_texts(&copy);
        return status;
    }
    grown[normalizer->count++] = copy;
    return SUTRA_OK;
}

void su_normalizer_free(SuNormalizer *normalizer)
{
    for (size_t i = 0; i < normalizer->count; i++) free_texts(&normalizer->steps[i]);
    su_free(normalizer->steps);
    *normalizer = (SuNormalizer){0};
}

void su_normalizer_last_first(SuNormalizer *normalizer)
{
    SuNormalizerStep last = normalizer->steps[normalizer->count - 1];
    memmove(normalizer->steps + 1, normalizer->steps,
            (normalizer->count - 1) * sizeof *normalizer->steps);
    normalizer->steps[0] = last;
}

SuNormalizerStep *su_normalizer_bert(const SuNormalizer *normalizer)
{
    bool alone = normalizer->count == 1 && normalizer->steps[0].kind == SU_NORMALIZER_BERT;
    return alone ? normalizer->steps : NULL;
}

/* ---- reading ---- */

static SutraStatus read_bert(const json_t *json, const char *where, SuNormalizerStep *step,
                             SutraError *err)
{
    const char *section = "normalizer";
    SU_TRY(su_tokenizer_require_bool(json, section, "clean_text", where, &step->clean_text, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "handle_chinese_chars", where,
                                     &step->handle_chinese_chars, err));
    SU_TRY(su_tokenizer_require_bool(json, section, "lowercase", where, &step->lowercase, err));
    step->strip_accents = step->lowercase; /* null */
    return su_json_get_bool(json, "strip_accents", where, &step->strip_accents, err);
}

static SutraStatus read_nothing(const json_t *json, const char *where, SuNormalizerStep *step,
                                SutraError *err)
{
    (void)json, (void)where, (void)step, (void)err;
    return SUTRA_OK;
}

static SutraStatus read_strip(const json_t *json, const char *where, SuNormalizerStep *step,
                              SutraError *err)
{
    SU_TRY(
        su_tokenizer_require_bool(json, "normalizer", "strip_left", where, &step->strip_left, err));
    return su_tokenizer_require_bool(json, "normalizer", "strip_right", where, &step->strip_right,
                                     err);
}

/* One kind of regular expression needs no engine, a character that many times or more: "x+",
 * "x{2,}". */
static bool read_repeats(const json_t *regex, SuNormalizerStep *step)
{
    const char *text = json_string_value(regex);
    size_t size = json_string_length(regex), length = 0, at;
    if (size == 0 || strchr("\\.^$|?*+()[]{}", text[0])) return false;
    su_utf8_decode(text, &length);
    uint32_t repeats = 0;
    for (at = length + 1; at < size && text[length] == '{' && text[at] >= '0' && text[at] <= '9';
         at++)
        repeats = repeats < 100000 ? repeats * 10 + (uint32_t)(text[at] - '0') : repeats;
    bool plus = size == length + 1 && text[length] == '+';
    if (!plus && (repeats == 0 || size - at != 2 || memcmp(text + at, ",}", 2) != 0)) return false;
    step->pattern = (char *)text;
    step->pattern_size = length;
    step->repeats = plus ? 1 : repeats;
    return true;
}

static SutraStatus read_replace(const json_t *json, const char *where, SuNormalizerStep *step,
                                SutraError *err)
{
    bool regex;
    SU_TRY(su_tokenizer_require_pattern(json, "normalizer", where, &step->pattern,
                                        &step->pattern_size, &regex, err));
    SU_TRY(su_tokenizer_require_text(json, "normalizer", "content", where, &step->content,
                                     &step->content_size, err));
    if (!regex || read_repeats(json_object_get(json_object_get(json, "pattern"), "Regex"), step))
        return SUTRA_OK;
    SU_TRY(su_pattern_create(step->pattern, step->pattern_size, "normalizer", where,
                             &step->expression, err));
    if (su_pattern_matches_empty(step->expression))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: normalizer.pattern: a regular expression that matches an empty text is not "
                 "supported",
                 where);
    return SUTRA_OK;
}

static SutraStatus read_prepend(const json_t *json, const char *where, SuNormalizerStep *step,
                                SutraError *err)
{
    SU_TRY(su_tokenizer_require_text(json, "normalizer", "prepend", where, &step->content,
                                     &step->content_size, err));
    if (step->content_size == 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: normalizer.prepend is empty", where);
    return SUTRA_OK;
}

static SutraStatus read_precompiled(const json_t *json, const char *where, SuNormalizerStep *step,
                                    SutraError *err)
{
    char *base64;
    size_t size;
    SU_TRY(su_tokenizer_require_text(json, "normalizer", "precompiled_charsmap", where, &base64,
                                     &size, err));
    SU_TRY(su_charsmap_decode(base64, size, where, &step->blob, &step->blob_size, err));
    return su_charsmap_open(step->blob, step->blob_size, where, &step->map, err);
}

typedef struct Row {
    const char *name;
    SutraStatus (*read)(const json_t *json, const char *where, SuNormalizerStep *step,
                        SutraError *err); /* texts are borrowed from json, a blob is not */
    SutraStatus (*run)(const SuNormalizerStep *step, SuTextView in, SuNormalized *out,
                       SutraError *err);
} Row;

static const Row rows[SU_NUM_NORMALIZERS] = {
    [SU_NORMALIZER_BERT] = {"BertNormalizer", read_bert, su_normalize_bert},
    [SU_NORMALIZER_NFC] = {"NFC", read_nothing, su_normalize_unicode},
    [SU_NORMALIZER_NFD] = {"NFD", read_nothing, su_normalize_unicode},
    [SU_NORMALIZER_NFKC] = {"NFKC", read_nothing, su_normalize_unicode},
    [SU_NORMALIZER_NFKD] = {"NFKD", read_nothing, su_normalize_unicode},
    [SU_NORMALIZER_LOWERCASE] = {"Lowercase", read_nothing, su_normalize_lowercase},
    [SU_NORMALIZER_STRIP_ACCENTS] = {"StripAccents", read_nothing, su_normalize_strip_accents},
    [SU_NORMALIZER_STRIP] = {"Strip", read_strip, su_normalize_strip},
    [SU_NORMALIZER_REPLACE] = {"Replace", read_replace, su_normalize_replace},
    [SU_NORMALIZER_PREPEND] = {"Prepend", read_prepend, su_normalize_prepend},
    [SU_NORMALIZER_PRECOMPILED] = {"Precompiled", read_precompiled, su_normalize_precompiled},
    [SU_NORMALIZER_NMT] = {"Nmt", read_nothing, su_normalize_nmt},
    [SU_NORMALIZER_BYTE_LEVEL] = {"ByteLevel", read_nothing, su_normalize_byte_level},
};

#define KNOWN_NORMALIZERS                                                                      \
    "BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend, " \
    "Precompiled, Nmt, ByteLevel, Sequence"

static SutraStatus read_step(const json_t *json, const char *where, void *to, SutraError *err)
{
    SuNormalizer *normalizer = to;
    SuNormalizerStep step = {.kind = SU_NORMALIZER_BERT};
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "normalizer", where, &type, err));
    while (step.kind < SU_NUM_NORMALIZERS && strcmp(type, rows[step.kind].name) != 0) step.kind++;
    if (step.kind == SU_NUM_NORMALIZERS)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: normalizer \"%.64s\" is not supported (known: " KNOWN_NORMALIZERS ")", where,
                 type);
    if (normalizer->count == SU_MAX_NORMALIZERS)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: normalizer has more than %u steps", where,
                 SU_MAX_NORMALIZERS);
    SutraStatus status = rows[step.kind].read(json, where, &step, err);
    if (status == SUTRA_OK)
        status = su_normalizer_add(normalizer, &step, err);
    else
        su_pattern_free(step.expression);
    su_free(step.blob);
    return status;
}

SutraStatus su_normalizer_from_json(const json_t *json, const char *where, SuNormalizer *normalizer,
                                    SutraError *err)
{
    const SuStepList list = {
        .section = "normalizer", .members = "normalizers", .read = read_step, .to = normalizer};
    *normalizer = (SuNormalizer){0};
    return su_tokenizer_read_steps(json, &list, where, err);
}

/* ---- running ---- */

static SutraStatus copy(SuTextView in, SuNormalized *out, SutraError *err)
{
    SU_TRY(su_text_reserve(&out->text, in.size, out->with_source, err));
    if (in.size) memcpy(out->text.bytes, in.bytes, in.size);
    out->text.size = in.size;
    if (out->with_source) su_text_number(out->text.source, in.bytes, in.size, in.first);
    return SUTRA_OK;
}

SutraStatus su_normalizer_run(const SuNormalizer *normalizer, const char *text, size_t size,
                              uint32_t first, bool with_source, SuNormalized *normalized,
                              SutraError *err)
{
    SuTextView in = {.bytes = text, .size = size, .first = first};
    bool made = false;
    normalized->with_source = with_source;
    for (size_t i = 0; i < normalizer->count; i++) {
        const SuNormalizerStep *step = &normalizer->steps[i];
        if (su_normalize_changes_nothing(step, in)) continue;
        if (made) { /* what was made is what is read */
            SuText read = normalized->text;
            normalized->text = normalized->before;
            normalized->before = read;
        }
        SU_TRY(rows[step->kind].run(step, in, normalized, err));
        made = true;
        in = (SuTextView){.bytes = normalized->text.bytes,
                          .source = with_source ? normalized->text.source : NULL,
                          .size = normalized->text.size,
                          .first = first};
    }
    if (!made) SU_TRY(copy(in, normalized, err));
    su_text_finish(&normalized->text);
    return SUTRA_OK;
}
