#include "tokenizer/tokenizer_image.h"

#include "base/byte_codec.h"
#include "base/memory.h"
#include "tokenizer/token_model_table.h"
#include "tokenizer/tokenizer_parts.h"
#include "unicode/utf8.h"

#include <string.h>

#define IMAGE_MAGIC 0x4b545553u /* "SUTK" */
#define IMAGE_VERSION 9u
#define MAX_TOKENS (UINT64_C(1) << 28)

typedef struct ImageHeader {
    uint32_t magic, version;
    uint64_t size; /* of the whole image */
    uint64_t num_tokens, text_size, small_size;
    uint32_t vocab_size, has_ids;
    char model[SU_MODEL_NAME]; /* name of its kind, then zeros */
} ImageHeader;

_Static_assert(sizeof(ImageHeader) == 64, "the header has no padding");

/* The model lies behind these, as it arranges itself. */
typedef struct Places {
    ImageHeader *header;
    uint32_t *starts;
    int32_t *ids;
    char *text;
    unsigned char *small;
} Places;

/* The one description of the layout: measures, and carves when the arena has memory. The counts are
 * bounded, so that no product overflows. */
static void carve(SuArena *arena, const ImageHeader *header, Places *places)
{
    places->header = su_arena_carve(arena, sizeof *places->header);
    places->starts = su_arena_carve(arena, (header->num_tokens + 1) * sizeof *places->starts);
    places->ids =
        header->has_ids ? su_arena_carve(arena, header->num_tokens * sizeof *places->ids) : NULL;
    places->text = su_arena_carve(arena, header->text_size);
    places->small = su_arena_carve(arena, header->small_size);
}

/* ---- writing ---- */

static uint32_t pack(const bool *flags, size_t count)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) bits |= (uint32_t)flags[i] << i;
    return bits;
}

static void write_template(const SuTemplate *list, SuByteWriter *to)
{
    su_write_u32(to, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        su_write_u32(to, list->parts[i].kind);
        su_write_u32(to, (uint32_t)list->parts[i].id);
        su_write_u32(to, (uint32_t)list->parts[i].type_id);
    }
}

static void write_steps(const SuTokenizer *tokenizer, SuByteWriter *to)
{
    const SuNormalizer *normalizer = &tokenizer->normalizer;
    su_write_u32(to, (uint32_t)normalizer->count);
    for (size_t i = 0; i < normalizer->count; i++) {
        const SuNormalizerStep *step = &normalizer->steps[i];
        const bool flags[] = {
            step->clean_text, step->handle_chinese_chars, step->strip_accents,     step->lowercase,
            step->strip_left, step->strip_right,          step->expression != NULL};
        su_write_u32(to, step->kind);
        su_write_u32(to, pack(flags, sizeof flags / sizeof *flags));
        su_write_sized(to, step->pattern, step->pattern_size);
        su_write_sized(to, step->content, step->content_size);
        su_write_u32(to, step->repeats);
        su_write_sized(to, step->blob, step->blob_size);
    }
    const SuPreTokenizer *pre_tokenizer = &tokenizer->pre_tokenizer;
    su_write_u32(to, (uint32_t)pre_tokenizer->count);
    su_write_u32(to, pre_tokenizer->keep_bytes);
    for (size_t i = 0; i < pre_tokenizer->count; i++) {
        const SuPreTokenizerStep *step = &pre_tokenizer->steps[i];
        const bool flags[] = {step->whole, step->add_prefix_space, step->invert,
                              step->expression != NULL};
        su_write_u32(to, step->kind);
        su_write_u32(to, step->behavior);
        su_write_u32(to, step->prepend);
        su_write_u32(to, pack(flags, sizeof flags / sizeof *flags));
        su_write_u32(to, step->length);
        su_write_sized(to, step->pattern, step->pattern_size);
    }
}

static void write_small(const SuTokenizer *tokenizer, SuByteWriter *to)
{
    const SuAddedTokens *added = &tokenizer->added;
    const bool trims[] = {tokenizer->post_processor.trim_offsets,
                          tokenizer->post_processor.trim_keeps_prefix};
    write_steps(tokenizer, to);
    su_write_u32(to, pack(trims, 2));
    write_template(&tokenizer->post_processor.single, to);
    write_template(&tokenizer->post_processor.pair, to);
    su_decoder_write(&tokenizer->decoder, to);
    su_write_u32(to, added->split_special);
    su_write_u32(to, (uint32_t)added->count);
    for (size_t i = 0; i < added->count; i++) {
        const SuAddedToken *token = &added->tokens[i];
        const bool flags[] = {token->single_word, token->lstrip,  token->rstrip,
                              token->normalized,  token->special, token->named};
        su_write_sized(to, token->content, token->size);
        su_write_sized(to, token->pattern, token->pattern_size);
        su_write_u32(to, (uint32_t)token->id);
        su_write_u32(to, pack(flags, sizeof flags / sizeof *flags));
    }
}

static ImageHeader make_header(const SuTokenizer *tokenizer, size_t small_size)
{
    ImageHeader header = {.magic = IMAGE_MAGIC,
                          .version = IMAGE_VERSION,
                          .num_tokens = tokenizer->vocabulary.count,
                          .text_size = tokenizer->vocabulary.text_size,
                          .small_size = small_size,
                          .vocab_size = tokenizer->vocab_size,
                          .has_ids = tokenizer->vocabulary.ids != NULL};
    strncpy(header.model, tokenizer->model.kind->name, sizeof header.model - 1);
    return header;
}

static void fill(const SuTokenizer *tokenizer, const ImageHeader *header, const SuByteWriter *small,
                 const Places *places)
{
    const SuVocabulary *vocabulary = &tokenizer->vocabulary;
    *places->header = *header;
    memcpy(places->starts, vocabulary->starts, (vocabulary->count + 1) * sizeof *places->starts);
    if (vocabulary->ids && places->ids)
        memcpy(places->ids, vocabulary->ids, vocabulary->count * sizeof *places->ids);
    memcpy(places->text, vocabulary->text, vocabulary->text_size);
    memcpy(places->small, small->data, small->size);
}

SutraStatus su_tokenizer_image_create(const SuTokenizer *tokenizer, unsigned char **image,
                                      size_t *size, SutraError *err)
{
    Places places;
    SuByteWriter small = {0};
    const SuTokenModel *model = &tokenizer->model;
    *image = NULL;
    write_small(tokenizer, &small);
    ImageHeader header = make_header(tokenizer, small.size);
    SuArena arena = {0};
    carve(&arena, &header, &places);
    model->kind->write(model->data, &arena);
    header.size = *size = arena.used;
    if (!small.failed) *image = su_alloc_aligned(*size);
    if (*image) {
        memset(*image, 0, *size);
        arena = (SuArena){.base = *image, .size = *size};
        carve(&arena, &header, &places);
        fill(tokenizer, &header, &small, &places);
        model->kind->write(model->data, &arena);
    }
    su_byte_writer_free(&small);
    if (!*image) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for the tokenizer's image");
    return SUTRA_OK;
}

/* ---- opening ---- */

static SutraStatus damaged(const char *where, const char *what, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: the compiled tokenizer is damaged (%s)", where, what);
}

static SutraStatus check_header(const ImageHeader *header, size_t size, const char *where,
                                SutraError *err)
{
    if (header->magic != IMAGE_MAGIC) return damaged(where, "magic", err);
    if (header->version != IMAGE_VERSION)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: compiled tokenizer of version %u, this library reads %u: convert the model "
                 "again",
                 where, header->version, IMAGE_VERSION);
    if (header->size != size || header->num_tokens == 0 || header->num_tokens > MAX_TOKENS ||
        header->text_size > UINT32_MAX || header->small_size > size)
        return damaged(where, "sizes", err);
    if (header->vocab_size > INT32_MAX || header->model[SU_MODEL_NAME - 1])
        return damaged(where, "numbers", err);
    return SUTRA_OK;
}

/* A text that a step needs; it is borrowed. */
static bool read_text(SuByteReader *reader, char **text, size_t *size)
{
    size_t bad, count;
    *text = (char *)su_read_sized(reader, size);
    return !reader->failed && su_utf8_validate(*text, *size, &bad, &count);
}

/* The map that Precompiled needs, and no other step has; it is borrowed. */
static bool read_blob(SuByteReader *reader, const char *where, SuNormalizerStep *step)
{
    bool needed = step->kind == SU_NORMALIZER_PRECOMPILED;
    char *blob = (char *)su_read_sized(reader, &step->blob_size);
    step->blob = needed ? blob : NULL;
    if (reader->failed || needed != (step->blob_size > 0)) return false;
    return !needed || su_charsmap_open(blob, step->blob_size, where, &step->map, NULL) == SUTRA_OK;
}

static SutraStatus read_expression(SuNormalizerStep *step, const char *where, SutraError *err)
{
    if (step->kind != SU_NORMALIZER_REPLACE || step->repeats)
        return damaged(where, "normalizer", err);
    SU_TRY(su_pattern_create(step->pattern, step->pattern_size, "normalizer", where,
                             &step->expression, err));
    if (!su_pattern_matches_empty(step->expression)) return SUTRA_OK;
    su_pattern_free(step->expression);
    return damaged(where, "normalizer", err);
}

static SutraStatus read_normalizer(SuByteReader *reader, SuNormalizer *normalizer,
                                   const char *where, SutraError *err)
{
    uint32_t count = su_read_u32(reader);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = su_read_u32(reader), bits = su_read_u32(reader);
        SuNormalizerStep step = {.kind = (SuNormalizerKind)kind,
                                 .clean_text = bits & 1,
                                 .handle_chinese_chars = bits >> 1 & 1,
                                 .strip_accents = bits >> 2 & 1,
                                 .lowercase = bits >> 3 & 1,
                                 .strip_left = bits >> 4 & 1,
                                 .strip_right = bits >> 5 & 1};
        if (count > SU_MAX_NORMALIZERS || kind >= SU_NUM_NORMALIZERS ||
            !read_text(reader, &step.pattern, &step.pattern_size) ||
            !read_text(reader, &step.content, &step.content_size) ||
            (kind == SU_NORMALIZER_REPLACE && step.pattern_size == 0))
            return damaged(where, "normalizer", err);
        step.repeats = su_read_u32(reader);
        if (!read_blob(reader, where, &step)) return damaged(where, "normalizer", err);
        if (bits >> 6 & 1) SU_TRY(read_expression(&step, where, err));
        SU_TRY(su_normalizer_add(normalizer, &step, err));
    }
    return SUTRA_OK;
}

/* *regex: the pattern is to be made an expression. */
static bool read_pre_step(SuByteReader *reader, SuPreTokenizerStep *step, bool *regex)
{
    uint32_t kind = su_read_u32(reader), behavior = su_read_u32(reader);
    uint32_t prepend = su_read_u32(reader), bits = su_read_u32(reader);
    uint32_t length = su_read_u32(reader);
    *step = (SuPreTokenizerStep){.kind = (SuPreTokenizerKind)kind,
                                 .behavior = (SuSplitBehavior)behavior,
                                 .prepend = (SuPrependScheme)prepend,
                                 .whole = bits & 1,
                                 .add_prefix_space = bits >> 1 & 1,
                                 .invert = bits >> 2 & 1,
                                 .length = length};
    *regex = bits >> 3 & 1;
    bool has_pattern = kind == SU_PRE_TOKENIZER_METASPACE || kind == SU_PRE_TOKENIZER_SPLIT;
    return kind < SU_NUM_PRE_TOKENIZERS && behavior < SU_NUM_SPLITS && prepend < SU_NUM_PREPENDS &&
           read_text(reader, &step->pattern, &step->pattern_size) &&
           (step->pattern_size > 0) == has_pattern && (!*regex || kind == SU_PRE_TOKENIZER_SPLIT) &&
           (length > 0) == (kind == SU_PRE_TOKENIZER_FIXED_LENGTH);
}

static SutraStatus read_pre_tokenizer(SuByteReader *reader, SuPreTokenizer *pre_tokenizer,
                                      const char *where, SutraError *err)
{
    uint32_t count = su_read_u32(reader);
    pre_tokenizer->keep_bytes = su_read_u32(reader) != 0;
    for (uint32_t i = 0; i < count; i++) {
        SuPreTokenizerStep step;
        bool regex = false;
        if (count > SU_MAX_STEPS || !read_pre_step(reader, &step, &regex))
            return damaged(where, "pre-tokenizer", err);
        if (regex)
            SU_TRY(su_pattern_create(step.pattern, step.pattern_size, "pre_tokenizer", where,
                                     &step.expression, err));
        SU_TRY(su_pre_tokenizer_add(pre_tokenizer, &step, err));
    }
    return SUTRA_OK;
}

/* A template holds sequence A once, and B once when it is for pairs. */
static SutraStatus read_template(SuByteReader *reader, uint32_t vocab_size, bool pair,
                                 SuTemplate *list, const char *where, SutraError *err)
{
    size_t count = su_read_u32(reader), sequences[2] = {0};
    if (reader->failed || count > (size_t)(reader->end - reader->at) / 12)
        return damaged(where, "post-processor", err);
    list->parts = su_calloc(count, sizeof *list->parts);
    if (!list->parts) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    for (size_t i = 0; i < count; i++) {
        SuPart *part = &list->parts[i];
        uint32_t kind = su_read_u32(reader), id = su_read_u32(reader);
        part->type_id = (int32_t)su_read_u32(reader);
        if (kind > SU_PART_SPECIAL || id >= vocab_size || part->type_id < 0)
            return damaged(where, "post-processor", err);
        part->kind = (SuPartKind)kind;
        part->id = (int32_t)id;
        if (kind == SU_PART_SPECIAL)
            list->num_special++;
        else
            sequences[kind]++;
    }
    list->count = count;
    if (sequences[SU_PART_A] != 1 || sequences[SU_PART_B] != (pair ? 1 : 0))
        return damaged(where, "post-processor", err);
    return SUTRA_OK;
}

static SutraStatus read_added(SuByteReader *reader, uint32_t vocab_size, SuAddedTokens *added,
                              const char *where, SutraError *err)
{
    added->split_special = su_read_u32(reader) != 0;
    uint32_t count = su_read_u32(reader);
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        SuAddedToken token = {0};
        token.content = (char *)su_read_sized(reader, &token.size);
        token.pattern = (char *)su_read_sized(reader, &token.pattern_size);
        uint32_t id = su_read_u32(reader), bits = su_read_u32(reader);
        if (reader->failed || id >= vocab_size || token.size == 0)
            return damaged(where, "added tokens", err);
        token.id = (int32_t)id;
        token.single_word = bits & 1;
        token.lstrip = bits >> 1 & 1;
        token.rstrip = bits >> 2 & 1;
        token.normalized = bits >> 3 & 1;
        token.special = bits >> 4 & 1;
        token.named = bits >> 5 & 1;
        SU_TRY(su_added_tokens_add(added, &token, err));
    }
    if (reader->failed || reader->at != reader->end) return damaged(where, "added tokens", err);
    return su_added_tokens_restore(added, where, err);
}

static SutraStatus read_small(SuTokenizer *tokenizer, SuByteReader *reader, const char *where,
                              SutraError *err)
{
    uint32_t vocab_size = tokenizer->vocab_size;
    SU_TRY(read_normalizer(reader, &tokenizer->normalizer, where, err));
    SU_TRY(read_pre_tokenizer(reader, &tokenizer->pre_tokenizer, where, err));
    uint32_t trims = su_read_u32(reader);
    SuPostProcessor *processor = &tokenizer->post_processor;
    processor->trim_offsets = trims & 1;
    processor->trim_keeps_prefix = trims >> 1 & 1;
    SU_TRY(read_template(reader, vocab_size, false, &processor->single, where, err));
    SU_TRY(read_template(reader, vocab_size, true, &processor->pair, where, err));
    SU_TRY(su_decoder_read(reader, where, &tokenizer->decoder, err));
    return read_added(reader, vocab_size, &tokenizer->added, where, err);
}

static SutraStatus attach(SuTokenizer *tokenizer, const Places *places, SuArena *arena,
                          const char *where, SutraError *err)
{
    const ImageHeader *header = places->header;
    SuVocabulary *vocabulary = &tokenizer->vocabulary;
    tokenizer->mapped = true;
    tokenizer->vocab_size = header->vocab_size;
    vocabulary->starts = places->starts;
    vocabulary->ids = places->ids;
    vocabulary->count = header->num_tokens;
    vocabulary->text = places->text;
    vocabulary->text_size = header->text_size;
    tokenizer->model.kind = su_token_model_named(header->model);
    if (!tokenizer->model.kind) return damaged(where, "model", err);
    SU_TRY(
        su_token_model_open(&tokenizer->model, arena, vocabulary, header->vocab_size, where, err));
    if (arena->used != arena->size) return damaged(where, "sizes", err);
    SuByteReader reader = {.at = places->small, .end = places->small + header->small_size};
    SU_TRY(read_small(tokenizer, &reader, where, err));
    su_tokenizer_prepare_fast(tokenizer);
    return SUTRA_OK;
}

SutraStatus su_tokenizer_open_image(const void *data, size_t size, const char *where,
                                    SuTokenizer **out, SutraError *err)
{
    Places places;
    SuArena arena = {0};
    *out = NULL;
    if (size < sizeof(ImageHeader) || (uintptr_t)data % SU_CACHE_LINE)
        return damaged(where, "sizes", err);
    const ImageHeader *header = data;
    SU_TRY(check_header(header, size, where, err));
    carve(&arena, header, &places);
    if (arena.used > size) return damaged(where, "sizes", err);
    arena = (SuArena){.base = (unsigned char *)data, .size = size};
    carve(&arena, header, &places);
    SuTokenizer *tokenizer = su_calloc(1, sizeof *tokenizer);
    if (!tokenizer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    SutraStatus status = attach(tokenizer, &places, &arena, where, err);
    if (status == SUTRA_OK)
        *out = tokenizer;
    else
        su_tokenizer_free(tokenizer);
    return status;
}
