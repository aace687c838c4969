#include "tokenizer/tokenizer_image.h"

#include "base/byte_codec.h"
#include "base/memory.h"
#include "tokenizer/tokenizer_parts.h"

#include <string.h>

#define IMAGE_MAGIC 0x4b545553u /* "SUTK" */
#define IMAGE_VERSION 3u
#define MAX_SLOTS (UINT64_C(1) << 28)

/* Of one word table. */
typedef struct TableSizes {
    uint64_t num_slots, num_long_slots;
    uint32_t longest, reserved;
} TableSizes;

typedef struct ImageHeader {
    uint32_t magic, version;
    uint64_t size; /* of the whole image */
    uint64_t num_tokens, text_size, small_size, max_chars;
    TableSizes initial, continuing;
    uint32_t vocab_size;
    int32_t unk_id;
    uint32_t normalizer, clean_text, handle_chinese_chars, strip_accents, lowercase, pre_tokenizer;
    uint32_t split_special, has_ids;
} ImageHeader;

_Static_assert(sizeof(ImageHeader) == 136, "the header has no padding");
_Static_assert(sizeof(SuLongWord) == 12 && sizeof(SuWordSlot) == 16,
               "entries of the tables have no padding");

/* Where the parts of one table are; the data of an image is never written through these. */
typedef struct TablePlaces {
    uint64_t *lengths;
    int32_t *single;
    SuWordSlot *slots;
    SuLongWord *long_slots;
} TablePlaces;

typedef struct Places {
    ImageHeader *header;
    uint32_t *starts;
    int32_t *ids;
    char *text;
    TablePlaces initial, continuing;
    unsigned char *small;
} Places;

/* The one description of the layout: measures, and carves when the arena has memory. The counts are
 * bounded, so that no product overflows. */
static void carve_table(SuArena *arena, const TableSizes *sizes, TablePlaces *places)
{
    places->lengths = su_arena_carve(arena, SU_WORD_BUCKETS * sizeof *places->lengths);
    places->single = su_arena_carve(arena, 256 * sizeof *places->single);
    places->slots = su_arena_carve(arena, sizes->num_slots * sizeof *places->slots);
    places->long_slots = su_arena_carve(arena, sizes->num_long_slots * sizeof *places->long_slots);
}

static void carve(SuArena *arena, const ImageHeader *header, Places *places)
{
    places->header = su_arena_carve(arena, sizeof *places->header);
    places->starts = su_arena_carve(arena, (header->num_tokens + 1) * sizeof *places->starts);
    places->ids =
        header->has_ids ? su_arena_carve(arena, header->num_tokens * sizeof *places->ids) : NULL;
    places->text = su_arena_carve(arena, header->text_size);
    carve_table(arena, &header->initial, &places->initial);
    carve_table(arena, &header->continuing, &places->continuing);
    places->small = su_arena_carve(arena, header->small_size);
}

/* ---- writing ---- */

static void write_template(const SuTemplate *list, SuByteWriter *to)
{
    su_write_u32(to, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++) {
        su_write_u32(to, list->parts[i].kind);
        su_write_u32(to, (uint32_t)list->parts[i].id);
        su_write_u32(to, (uint32_t)list->parts[i].type_id);
    }
}

static void write_small(const SuTokenizer *tokenizer, SuByteWriter *to)
{
    const SuAddedTokens *added = &tokenizer->added;
    write_template(&tokenizer->post_processor.single, to);
    write_template(&tokenizer->post_processor.pair, to);
    su_write_u32(to, (uint32_t)added->count);
    for (size_t i = 0; i < added->count; i++) {
        const SuAddedToken *token = &added->tokens[i];
        const bool flags[] = {token->single_word, token->lstrip,  token->rstrip,
                              token->normalized,  token->special, token->named};
        uint32_t bits = 0;
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) bits |= (uint32_t)flags[f] << f;
        su_write_sized(to, token->content, token->size);
        su_write_sized(to, token->pattern, token->pattern_size);
        su_write_u32(to, (uint32_t)token->id);
        su_write_u32(to, bits);
    }
}

static TableSizes table_sizes(const SuWordTable *table)
{
    return (TableSizes){.num_slots = UINT64_C(1) << (64 - table->shift),
                        .num_long_slots = (uint64_t)table->long_mask + 1,
                        .longest = table->longest};
}

static ImageHeader make_header(const SuTokenizer *tokenizer, size_t small_size)
{
    const SuNormalizer *normalizer = &tokenizer->normalizer;
    return (ImageHeader){.magic = IMAGE_MAGIC,
                         .version = IMAGE_VERSION,
                         .num_tokens = tokenizer->vocabulary.count,
                         .text_size = tokenizer->vocabulary.text_size,
                         .small_size = small_size,
                         .max_chars = tokenizer->model.max_chars,
                         .initial = table_sizes(&tokenizer->model.initial),
                         .continuing = table_sizes(&tokenizer->model.continuing),
                         .vocab_size = tokenizer->vocab_size,
                         .unk_id = tokenizer->model.unk_id,
                         .normalizer = normalizer->kind,
                         .clean_text = normalizer->clean_text,
                         .handle_chinese_chars = normalizer->handle_chinese_chars,
                         .strip_accents = normalizer->strip_accents,
                         .lowercase = normalizer->lowercase,
                         .pre_tokenizer = tokenizer->pre_tokenizer,
                         .split_special = tokenizer->added.split_special,
                         .has_ids = tokenizer->vocabulary.ids != NULL};
}

static void copy_table(const SuWordTable *table, const TableSizes *sizes, const TablePlaces *to)
{
    memcpy(to->lengths, table->lengths, sizeof table->lengths);
    memcpy(to->single, table->single, sizeof table->single);
    memcpy(to->slots, table->slots, sizes->num_slots * sizeof *to->slots);
    memcpy(to->long_slots, table->long_slots, sizes->num_long_slots * sizeof *to->long_slots);
}

static void fill(const SuTokenizer *tokenizer, const ImageHeader *header, const SuByteWriter *small,
                 const Places *places)
{
    const SuVocabulary *vocabulary = &tokenizer->vocabulary;
    *places->header = *header;
    memcpy(places->starts, vocabulary->starts, (vocabulary->count + 1) * sizeof *places->starts);
    if (vocabulary->ids)
        memcpy(places->ids, vocabulary->ids, vocabulary->count * sizeof *places->ids);
    memcpy(places->text, vocabulary->text, vocabulary->text_size);
    copy_table(&tokenizer->model.initial, &header->initial, &places->initial);
    copy_table(&tokenizer->model.continuing, &header->continuing, &places->continuing);
    memcpy(places->small, small->data, small->size);
}

SutraStatus su_tokenizer_image_create(const SuTokenizer *tokenizer, unsigned char **image,
                                      size_t *size, SutraError *err)
{
    Places places;
    SuByteWriter small = {0};
    *image = NULL;
    write_small(tokenizer, &small);
    ImageHeader header = make_header(tokenizer, small.size);
    SuArena arena = {0};
    carve(&arena, &header, &places);
    header.size = *size = arena.used;
    if (!small.failed) *image = su_alloc_aligned(*size);
    if (*image) {
        memset(*image, 0, *size);
        arena = (SuArena){.base = *image, .size = *size};
        carve(&arena, &header, &places);
        fill(tokenizer, &header, &small, &places);
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

static bool is_table(const TableSizes *sizes)
{
    return sizes->num_slots >= 16 && sizes->num_slots <= MAX_SLOTS &&
           (sizes->num_slots & (sizes->num_slots - 1)) == 0 && sizes->num_long_slots >= 16 &&
           sizes->num_long_slots <= MAX_SLOTS &&
           (sizes->num_long_slots & (sizes->num_long_slots - 1)) == 0;
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
    if (header->size != size || header->num_tokens == 0 || header->num_tokens > MAX_SLOTS ||
        header->text_size > UINT32_MAX || header->small_size > size ||
        !is_table(&header->initial) || !is_table(&header->continuing))
        return damaged(where, "sizes", err);
    if (header->vocab_size > INT32_MAX || header->unk_id < 0 ||
        (uint32_t)header->unk_id >= header->vocab_size || header->normalizer > SU_NORMALIZER_BERT ||
        header->pre_tokenizer > SU_PRE_TOKENIZER_BERT)
        return damaged(where, "numbers", err);
    return SUTRA_OK;
}

/* A search ends at a free slot: there must be one, and in tables that were built here one is
 * near. */
static bool has_free_slot(const SuWordTable *table)
{
    size_t slot = 0, num_slots = (size_t)1 << (64 - table->shift);
    while (slot < num_slots && table->slots[slot].high) slot++;
    size_t long_slot = 0, num_long_slots = (size_t)table->long_mask + 1;
    while (long_slot < num_long_slots && table->long_slots[long_slot].size) long_slot++;
    return slot < num_slots && long_slot < num_long_slots;
}

static bool attach_table(const TableSizes *sizes, const TablePlaces *places,
                         const SuVocabulary *vocabulary, SuWordTable *table)
{
    table->slots = places->slots;
    table->shift = 64 - (uint32_t)__builtin_ctzll(sizes->num_slots);
    table->long_slots = places->long_slots;
    table->long_mask = (uint32_t)(sizes->num_long_slots - 1);
    table->text = vocabulary->text;
    table->text_size = vocabulary->text_size;
    table->longest = sizes->longest;
    memcpy(table->lengths, places->lengths, sizeof table->lengths);
    memcpy(table->single, places->single, sizeof table->single);
    return has_free_slot(table);
}

/* A template holds sequence A once, and B once when it is for pairs. */
static bool read_template(SuByteReader *reader, uint32_t vocab_size, bool pair, SuTemplate *list)
{
    size_t count = su_read_u32(reader), sequences[2] = {0};
    if (reader->failed || count > (size_t)(reader->end - reader->at) / 12) return false;
    list->parts = su_calloc(count, sizeof *list->parts);
    if (!list->parts) return false;
    for (size_t i = 0; i < count; i++) {
        SuPart *part = &list->parts[i];
        uint32_t kind = su_read_u32(reader), id = su_read_u32(reader);
        part->type_id = (int32_t)su_read_u32(reader);
        if (kind > SU_PART_SPECIAL || id >= vocab_size || part->type_id < 0) return false;
        part->kind = (SuPartKind)kind;
        part->id = (int32_t)id;
        if (kind == SU_PART_SPECIAL)
            list->num_special++;
        else
            sequences[kind]++;
    }
    list->count = count;
    return sequences[SU_PART_A] == 1 && sequences[SU_PART_B] == (pair ? 1 : 0);
}

static SutraStatus read_added(SuByteReader *reader, uint32_t vocab_size, SuAddedTokens *added,
                              const char *where, SutraError *err)
{
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

static SutraStatus attach(SuTokenizer *tokenizer, const Places *places, const char *where,
                          SutraError *err)
{
    const ImageHeader *header = places->header;
    SuVocabulary *vocabulary = &tokenizer->vocabulary;
    tokenizer->mapped = true;
    tokenizer->normalizer =
        (SuNormalizer){.kind = (SuNormalizerKind)header->normalizer,
                       .clean_text = header->clean_text != 0,
                       .handle_chinese_chars = header->handle_chinese_chars != 0,
                       .strip_accents = header->strip_accents != 0,
                       .lowercase = header->lowercase != 0};
    tokenizer->pre_tokenizer = (SuPreTokenizer)header->pre_tokenizer;
    tokenizer->added.split_special = header->split_special != 0;
    tokenizer->vocab_size = header->vocab_size;
    tokenizer->model.unk_id = header->unk_id;
    tokenizer->model.max_chars = header->max_chars;
    vocabulary->starts = places->starts;
    vocabulary->ids = places->ids;
    vocabulary->count = header->num_tokens;
    vocabulary->text = places->text;
    vocabulary->text_size = header->text_size;
    if (!attach_table(&header->initial, &places->initial, vocabulary, &tokenizer->model.initial) ||
        !attach_table(&header->continuing, &places->continuing, vocabulary,
                      &tokenizer->model.continuing))
        return damaged(where, "word tables", err);
    SuByteReader reader = {.at = places->small, .end = places->small + header->small_size};
    if (!read_template(&reader, header->vocab_size, false, &tokenizer->post_processor.single) ||
        !read_template(&reader, header->vocab_size, true, &tokenizer->post_processor.pair))
        return damaged(where, "post-processor", err);
    SU_TRY(read_added(&reader, header->vocab_size, &tokenizer->added, where, err));
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
    if (arena.used != size) return damaged(where, "sizes", err);
    arena = (SuArena){.base = (unsigned char *)data, .size = size};
    carve(&arena, header, &places);
    SuTokenizer *tokenizer = su_calloc(1, sizeof *tokenizer);
    if (!tokenizer) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    SutraStatus status = attach(tokenizer, &places, where, err);
    if (status == SUTRA_OK)
        *out = tokenizer;
    else
        su_tokenizer_free(tokenizer);
    return status;
}
