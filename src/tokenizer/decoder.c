/* decoder.c - decoders read from tokenizer.json and from images. */
#include "tokenizer/decoder.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "unicode/utf8.h"

#include <string.h>

enum { MAX_STEPS = 32 };

/* ---- steps ---- */

static char *copy(const char *text, size_t size)
{
    char *made = su_alloc(size + 1, 1);
    if (!made) return NULL;
    if (size) memcpy(made, text, size);
    made[size] = '\0';
    return made;
}

static void free_step(SuDecoderStep *step)
{
    su_free(step->pattern);
    su_free(step->content);
    su_pattern_free(step->expression);
}

/* Copies the texts; an expression is made of the pattern. One that cannot be run makes of the step
 * one that decoding refuses. */
static SutraStatus add_step(SuDecoder *decoder, const SuDecoderStep *given, const char *where,
                            SutraError *err)
{
    SuDecoderStep step = *given;
    SuDecoderStep *grown = su_realloc(decoder->steps, decoder->count + 1, sizeof *grown);
    if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory for the decoder", where);
    decoder->steps = grown;
    step.pattern = copy(given->pattern, given->pattern_size);
    step.content = copy(given->content, given->content_size);
    SutraStatus status = step.pattern && step.content ? SUTRA_OK : SUTRA_E_MEMORY;
    if (status == SUTRA_OK && step.is_regex) {
        status = su_pattern_create(step.pattern, step.pattern_size, "decoder", where,
                                   &step.expression, NULL);
        if (status == SUTRA_E_UNSUPPORTED || status == SUTRA_E_LIMIT) {
            step.kind = SU_DECODER_OTHER;
            step.is_regex = false;
            status = SUTRA_OK;
        }
    }
    if (status == SUTRA_OK) {
        decoder->steps[decoder->count++] = step;
        return SUTRA_OK;
    }
    free_step(&step);
    if (status == SUTRA_E_MEMORY) SU_RAISE(err, status, "%s: out of memory for the decoder", where);
    SU_RAISE(err, status, "%s: decoder.pattern is not a regular expression", where);
}

void su_decoder_free(SuDecoder *decoder)
{
    for (size_t i = 0; i < decoder->count; i++) free_step(&decoder->steps[i]);
    su_free(decoder->steps);
    *decoder = (SuDecoder){0};
}

/* ---- tokenizer.json ---- */

static SutraStatus read_wordpiece(const json_t *json, const char *where, SuDecoderStep *step,
                                  SutraError *err)
{
    SU_TRY(su_tokenizer_require_bool(json, "decoder", "cleanup", where, &step->flag, err));
    return su_tokenizer_require_text(json, "decoder", "prefix", where, &step->pattern,
                                     &step->pattern_size, err);
}

static SutraStatus require_character(const json_t *json, const char *key, const char *where,
                                     SuDecoderStep *step, SutraError *err)
{
    SU_TRY(su_tokenizer_require_text(json, "decoder", key, where, &step->pattern,
                                     &step->pattern_size, err));
    if (su_utf8_count(step->pattern, step->pattern_size) != 1)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: decoder.%s is not one character", where, key);
    return SUTRA_OK;
}

static SutraStatus read_metaspace(const json_t *json, const char *where, SuDecoderStep *step,
                                  SutraError *err)
{
    const char *scheme = "always";
    bool prefix_space = true;
    SU_TRY(require_character(json, "replacement", where, step, err));
    SU_TRY(su_json_get_string(json, "prepend_scheme", where, &scheme, err));
    SU_TRY(su_json_get_bool(json, "add_prefix_space", where, &prefix_space, err));
    step->flag = prefix_space && strcmp(scheme, "never") != 0;
    return SUTRA_OK;
}

static SutraStatus read_bpe(const json_t *json, const char *where, SuDecoderStep *step,
                            SutraError *err)
{
    return su_tokenizer_require_text(json, "decoder", "suffix", where, &step->pattern,
                                     &step->pattern_size, err);
}

static SutraStatus read_strip(const json_t *json, const char *where, SuDecoderStep *step,
                              SutraError *err)
{
    SU_TRY(require_character(json, "content", where, step, err));
    SU_TRY(su_json_get_u32(json, "start", where, 0, UINT32_MAX, &step->start, err));
    return su_json_get_u32(json, "stop", where, 0, UINT32_MAX, &step->end, err);
}

static SutraStatus read_replace(const json_t *json, const char *where, SuDecoderStep *step,
                                SutraError *err)
{
    SU_TRY(su_tokenizer_require_pattern(json, "decoder", where, &step->pattern, &step->pattern_size,
                                        &step->is_regex, err));
    return su_tokenizer_require_text(json, "decoder", "content", where, &step->content,
                                     &step->content_size, err);
}

static SutraStatus read_nothing(const json_t *json, const char *where, SuDecoderStep *step,
                                SutraError *err)
{
    (void)json;
    (void)where;
    (void)step;
    (void)err;
    return SUTRA_OK;
}

static const struct {
    const char *name;
    SutraStatus (*read)(const json_t *json, const char *where, SuDecoderStep *step,
                        SutraError *err);
} kinds[] = {
    [SU_DECODER_WORDPIECE] = {"WordPiece", read_wordpiece},
    [SU_DECODER_BYTE_LEVEL] = {"ByteLevel", read_nothing},
    [SU_DECODER_METASPACE] = {"Metaspace", read_metaspace},
    [SU_DECODER_BPE] = {"BPEDecoder", read_bpe},
    [SU_DECODER_BYTE_FALLBACK] = {"ByteFallback", read_nothing},
    [SU_DECODER_FUSE] = {"Fuse", read_nothing},
    [SU_DECODER_STRIP] = {"Strip", read_strip},
    [SU_DECODER_REPLACE] = {"Replace", read_replace},
};

static SutraStatus read_step(const json_t *json, const char *where, void *to, SutraError *err)
{
    SuDecoder *decoder = to;
    SuDecoderStep step = {.kind = SU_DECODER_WORDPIECE};
    const char *type;
    SU_TRY(su_tokenizer_component_type(json, "decoder", where, &type, err));
    while (step.kind < SU_DECODER_OTHER && strcmp(type, kinds[step.kind].name) != 0) step.kind++;
    if (step.kind == SU_DECODER_OTHER) {
        step.pattern = (char *)type;
        step.pattern_size = strlen(type);
    } else {
        SU_TRY(kinds[step.kind].read(json, where, &step, err));
    }
    if (decoder->count == MAX_STEPS)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: decoder has more than %d steps", where, MAX_STEPS);
    return add_step(decoder, &step, where, err);
}

SutraStatus su_decoder_from_json(const json_t *json, const char *where, SuDecoder *decoder,
                                 SutraError *err)
{
    const SuStepList list = {"decoder", "decoders", read_step, decoder};
    decoder->is_there = json && !json_is_null(json);
    return su_tokenizer_read_steps(json, &list, where, err);
}

SutraStatus su_decoder_by_name(const char *type, SuDecoder *decoder, SutraError *err)
{
    json_t *json = json_pack("{s:s, s:s, s:b, s:s}", "type", type, "prefix", "##", "cleanup", 1,
                             "replacement", "\xe2\x96\x81");
    if (!json) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the decoder");
    SutraStatus status = su_decoder_from_json(json, "decoder", decoder, err);
    json_decref(json);
    return status;
}

/* ---- images ---- */

void su_decoder_write(const SuDecoder *decoder, SuByteWriter *to)
{
    su_write_u32(to, decoder->is_there);
    su_write_u32(to, (uint32_t)decoder->count);
    for (size_t i = 0; i < decoder->count; i++) {
        const SuDecoderStep *step = &decoder->steps[i];
        su_write_u32(to, step->kind);
        su_write_u32(to, (uint32_t)step->flag | (uint32_t)step->is_regex << 1);
        su_write_u32(to, step->start);
        su_write_u32(to, step->end);
        su_write_sized(to, step->pattern, step->pattern_size);
        su_write_sized(to, step->content, step->content_size);
    }
}

static bool is_text(const char *text, size_t size)
{
    size_t bad, count;
    return text && su_utf8_validate(text, size, &bad, &count);
}

SutraStatus su_decoder_read(SuByteReader *from, const char *where, SuDecoder *decoder,
                            SutraError *err)
{
    decoder->is_there = su_read_u32(from) != 0;
    uint32_t count = su_read_u32(from);
    for (uint32_t i = 0; i < count; i++) {
        SuDecoderStep step = {.kind = (SuDecoderKind)su_read_u32(from)};
        uint32_t bits = su_read_u32(from);
        step.flag = bits & 1;
        step.is_regex = bits >> 1 & 1;
        step.start = su_read_u32(from);
        step.end = su_read_u32(from);
        step.pattern = (char *)su_read_sized(from, &step.pattern_size);
        step.content = (char *)su_read_sized(from, &step.content_size);
        bool needs = step.kind == SU_DECODER_METASPACE || step.kind == SU_DECODER_STRIP ||
                     step.kind == SU_DECODER_REPLACE;
        if (from->failed || count > MAX_STEPS || step.kind >= SU_NUM_DECODERS ||
            !is_text(step.pattern, step.pattern_size) ||
            !is_text(step.content, step.content_size) || (needs && step.pattern_size == 0) ||
            (step.is_regex && step.kind != SU_DECODER_REPLACE))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: the compiled tokenizer is damaged (decoder)", where);
        SU_TRY(add_step(decoder, &step, where, err));
    }
    return SUTRA_OK;
}
