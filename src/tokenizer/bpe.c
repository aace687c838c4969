#include "tokenizer/bpe.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/component_json.h"
#include "tokenizer/word_cache.h"
#include "unicode/utf8.h"

#include <string.h>

static void clear(void *data)
{
    SuBpe *model = data;
    su_pair_table_free(&model->merges);
    su_word_table_free(&model->whole);
    su_word_table_free(&model->symbols);
    su_free(model->text);
    su_free(model->joins);
    su_token_seams_free(&model->seams);
}

/* ---- options ---- */

static SutraStatus read_affix(const json_t *json, const char *key, const char *where,
                              char affix[SU_BPE_AFFIX], uint32_t *size, SutraError *err)
{
    const char *text = NULL;
    SU_TRY(su_json_get_string(json, key, where, &text, err));
    size_t length = text ? strlen(text) : 0;
    if (length > SU_BPE_AFFIX)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: model.%s has more than %u bytes", where, key,
                 SU_BPE_AFFIX);
    if (length) memcpy(affix, text, length);
    *size = (uint32_t)length;
    return SUTRA_OK;
}

static SutraStatus read_options(const SuTokenModelSource *source, SuBpe *model, SutraError *err)
{
    const json_t *json = source->json;
    const char *where = source->where, *unk = NULL;
    double dropout = 0;
    SU_TRY(su_json_get_double(json, "dropout", where, &dropout, err));
    if (dropout != 0)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: model.dropout is %g: tokens at random are not supported", where, dropout);
    SU_TRY(su_json_get_bool(json, "fuse_unk", where, &model->fuse_unk, err));
    SU_TRY(su_json_get_bool(json, "byte_fallback", where, &model->byte_fallback, err));
    SU_TRY(read_affix(json, "continuing_subword_prefix", where, model->prefix, &model->prefix_size,
                      err));
    SU_TRY(read_affix(json, "end_of_word_suffix", where, model->suffix, &model->suffix_size, err));
    if (model->byte_fallback && model->prefix_size + model->suffix_size)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: model.byte_fallback is not supported with continuing_subword_prefix or "
                 "end_of_word_suffix",
                 where);
    SU_TRY(su_json_get_string(json, "unk_token", where, &unk, err));
    SuToken token;
    model->has_unk = unk != NULL;
    model->unk_id = -1;
    if (unk && su_vocabulary_find(source->vocabulary, unk, strlen(unk), &token))
        model->unk_id = token.id;
    return SUTRA_OK;
}

bool su_bpe_takes_bytes(const json_t *json, const SuVocabulary *vocabulary)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    if (!type || strcmp(type, "BPE") != 0 ||
        !su_json_is_inactive(json_object_get(json, "byte_fallback")) ||
        !su_json_is_inactive(json_object_get(json, "continuing_subword_prefix")) ||
        !su_json_is_inactive(json_object_get(json, "end_of_word_suffix")))
        return false;
    if (json_is_string(json_object_get(json, "unk_token"))) return true;
    for (uint32_t byte = 0; byte < 256; byte++) {
        char text[4];
        SuToken token;
        size_t size = su_utf8_encode(su_byte_symbol((unsigned char)byte), text);
        if (!su_vocabulary_find(vocabulary, text, size, &token)) return false;
    }
    return true;
}

/* ---- symbols ---- */

/* Undoes the alphabet of ByteLevel. out [size] gets the bytes; 0: it is not of the alphabet. */
static size_t undo_bytes(const char *text, size_t size, char *out)
{
    size_t count = 0, step;
    for (size_t at = 0; at < size; at += step) {
        int byte = su_byte_of_symbol(su_utf8_decode(text + at, &step));
        if (byte < 0) return 0;
        out[count++] = (char)byte;
    }
    return count;
}

static void find_byte_symbols(SuBpe *model, const SuVocabulary *vocabulary)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        static const char digits[] = "0123456789ABCDEF";
        char text[8] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        size_t size = 6;
        if (model->bytes) size = su_utf8_encode(su_byte_symbol((unsigned char)byte), text);
        SuToken token;
        bool found = (model->bytes || model->byte_fallback) &&
                     su_vocabulary_find(vocabulary, text, size, &token);
        model->byte_ids[byte] = found ? token.id : -1;
    }
}

/* One character, with or without prefix and suffix. */
static bool is_symbol(const SuBpe *model, const SuToken *token)
{
    for (int affixes = 0; affixes < 4; affixes++) {
        size_t prefix = affixes & 1 ? model->prefix_size : 0;
        size_t suffix = affixes & 2 ? model->suffix_size : 0, step;
        if (token->size <= prefix + suffix) continue;
        su_utf8_decode(token->text + prefix, &step);
        if (memcmp(token->text, model->prefix, prefix) == 0 &&
            prefix + step + suffix == token->size &&
            memcmp(token->text + prefix + step, model->suffix, suffix) == 0)
            return true;
    }
    return false;
}

static SutraStatus find_symbols(SuBpe *model, const SuVocabulary *vocabulary, SutraError *err)
{
    size_t counts[2] = {0};
    for (size_t i = 0; i < vocabulary->count && !model->bytes; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (is_symbol(model, &token)) counts[token.size > SU_WORD_SHORT]++;
    }
    SU_TRY(su_word_table_create(&model->symbols, counts[0], counts[1], vocabulary->text,
                                vocabulary->text_size, err));
    for (size_t i = 0; i < vocabulary->count && !model->bytes; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (is_symbol(model, &token))
            su_word_table_insert(&model->symbols, token.text, token.size, token.id);
    }
    find_byte_symbols(model, vocabulary);
    return SUTRA_OK;
}

/* ---- merges: ["a b", …] or [["a", "b"], …] ---- */

typedef struct Merge {
    const char *parts[2];
    size_t sizes[2];
} Merge;

static bool split_merge(const json_t *json, Merge *merge)
{
    if (json_is_string(json)) {
        const char *text = json_string_value(json), *space = strchr(text, ' ');
        if (!space || strchr(space + 1, ' ') || strlen(text) != json_string_length(json))
            return false;
        *merge = (Merge){{text, space + 1}, {(size_t)(space - text), strlen(space + 1)}};
        return true;
    }
    const json_t *left = json_array_get(json, 0), *right = json_array_get(json, 1);
    if (json_array_size(json) != 2 || !json_is_string(left) || !json_is_string(right)) return false;
    *merge = (Merge){{json_string_value(left), json_string_value(right)},
                     {json_string_length(left), json_string_length(right)}};
    return true;
}

static SutraStatus find_part(const SuVocabulary *vocabulary, const char *text, size_t size,
                             size_t number, const char *where, int32_t *id, SutraError *err)
{
    SuToken token;
    if (!su_vocabulary_find(vocabulary, text, size, &token))
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: model.merges: token \"%.*s\" of merge %zu is not in the vocabulary", where,
                 (int)(size < 64 ? size : 64), text, number);
    *id = token.id;
    return SUTRA_OK;
}

static SutraStatus add_merge(SuBpe *model, const SuVocabulary *vocabulary, const Merge *merge,
                             size_t number, const char *where, SutraError *err)
{
    int32_t ids[3] = {0};
    const size_t prefix = model->prefix_size;
    for (int i = 0; i < 2; i++)
        SU_TRY(
            find_part(vocabulary, merge->parts[i], merge->sizes[i], number, where, &ids[i], err));
    if (merge->sizes[1] < prefix)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: model.merges: the second token of merge %zu has no prefix", where, number);
    size_t size = merge->sizes[0] + merge->sizes[1] - prefix;
    char *joined = su_alloc(size + 1, 1);
    if (!joined) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    memcpy(joined, merge->parts[0], merge->sizes[0]);
    memcpy(joined + merge->sizes[0], merge->parts[1] + prefix, merge->sizes[1] - prefix);
    SutraStatus status = find_part(vocabulary, joined, size, number, where, &ids[2], err);
    su_free(joined);
    if (status == SUTRA_OK)
        su_pair_table_insert(&model->merges, ids[0], ids[1], (uint32_t)number, ids[2]);
    return status;
}

static SutraStatus read_merges(SuBpe *model, const SuTokenModelSource *source, SutraError *err)
{
    const json_t *merges = json_object_get(source->json, "merges");
    const char *where = source->where;
    if (!json_is_array(merges))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: model.merges is not an array", where);
    size_t count = json_array_size(merges);
    if (count >= INT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "%s: too many merges", where);
    SU_TRY(su_pair_table_create(&model->merges, count, err));
    for (size_t i = 0; i < count; i++) {
        const json_t *json = json_array_get(merges, i);
        const char *text = json_string_value(json);
        Merge merge;
        if (text && strncmp(text, "#version", 8) == 0) continue; /* first line of a merges.txt */
        if (!split_merge(json, &merge) ||
            json_is_string(json) != json_is_string(json_array_get(merges, 0)))
            SU_RAISE(err, SUTRA_E_FORMAT,
                     "%s: model.merges: merge %zu is neither \"left right\" nor a pair of tokens, "
                     "as the first one is",
                     where, i);
        SU_TRY(add_merge(model, source->vocabulary, &merge, i, where, err));
    }
    return SUTRA_OK;
}

/* ---- whole words ---- */

/* A token as words hold it: its text, or the bytes that it stands for, which `at` is moved over.
 * size 0: no word can be it. */
static SuToken as_word(const SuBpe *model, SuToken token, char **at)
{
    if (!model->bytes) return token;
    size_t size = undo_bytes(token.text, token.size, *at);
    token.text = *at;
    token.size = size;
    *at += size;
    return token;
}

typedef struct Trial {
    SuModelScratch scratch;
    SuTokenRow row;
} Trial;

/* The word becomes the token: by its merges, or because they are ignored. */
static SutraStatus is_whole(const SuBpe *model, const SuToken *word, bool ignore_merges,
                            Trial *trial, bool *whole, SutraError *err)
{
    *whole = ignore_merges && word->size > 0;
    if (ignore_merges || word->size == 0) return SUTRA_OK;
    SuTokenRow *row = &trial->row;
    su_token_row_begin(row, SIZE_MAX, false, true);
    if (model->has_unk && model->unk_id < 0) return SUTRA_OK;
    SU_TRY(
        su_bpe_encode(model, &trial->scratch, word->text, word->size, (SuWordPlace){0}, row, err));
    *whole = row->size == 1 && row->ids[0] == word->id && row->end[0] == word->size;
    return SUTRA_OK;
}

/* The table is filled in a second pass, after its size is known; ids that are no words are -1. */
static SutraStatus fill_whole(SuBpe *model, const SuVocabulary *vocabulary, bool ignore_merges,
                              Trial *trial, bool *is_word, SutraError *err)
{
    size_t counts[2] = {0};
    char *at = model->text;
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken word = as_word(model, su_vocabulary_at(vocabulary, i), &at);
        SU_TRY(is_whole(model, &word, ignore_merges, trial, &is_word[i], err));
        if (is_word[i]) counts[word.size > SU_WORD_SHORT]++;
    }
    su_word_table_free(&model->whole);
    SU_TRY(su_word_table_create(&model->whole, counts[0], counts[1],
                                model->bytes ? model->text : vocabulary->text,
                                model->bytes ? model->text_size : vocabulary->text_size, err));
    at = model->text;
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken word = as_word(model, su_vocabulary_at(vocabulary, i), &at);
        if (is_word[i]) su_word_table_insert(&model->whole, word.text, word.size, word.id);
    }
    return SUTRA_OK;
}

static SutraStatus find_whole(SuBpe *model, const SuTokenModelSource *source, SutraError *err)
{
    const SuVocabulary *vocabulary = source->vocabulary;
    bool ignore_merges = false;
    Trial trial = {0};
    SU_TRY(su_json_get_bool(source->json, "ignore_merges", source->where, &ignore_merges, err));
    model->text_size = model->bytes ? vocabulary->text_size + SU_WORD_LOAD : 0;
    if (model->bytes) model->text = su_calloc(model->text_size, 1);
    bool *is_word = su_calloc(vocabulary->count, sizeof *is_word);
    SutraStatus status = su_word_table_create(&model->whole, 0, 0, NULL, 0, err); /* for trials */
    if (!is_word || (model->bytes && !model->text))
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", source->where);
    if (status == SUTRA_OK)
        status = fill_whole(model, vocabulary, ignore_merges, &trial, is_word, err);
    su_free(is_word);
    su_model_scratch_free(&trial.scratch);
    su_token_row_free(&trial.row);
    return status;
}

/* ---- parts of words ---- */

/* Whether every character is a symbol, or becomes some. */
static bool drops_nothing(const SuBpe *model)
{
    bool all = model->byte_fallback;
    for (size_t i = 0; i < 256; i++) all &= model->byte_ids[i] >= 0;
    return all || model->has_unk;
}

/* The unknown token and those of byte_fallback stand for other characters than their own. */
static bool stands_for_others(const SuBpe *model, int32_t id)
{
    bool found = id == model->unk_id;
    for (size_t i = 0; i < 256; i++) found |= id == model->byte_ids[i];
    return found;
}

/* Whether a merge joins such a token; slots know what they join. */
static bool joins_others(const SuBpe *model)
{
    int32_t first = model->unk_id, last = first; /* ids that need a look */
    for (size_t i = 0; i < 256; i++) {
        int32_t id = model->byte_ids[i];
        if (id >= 0 && (first < 0 || id < first)) first = id;
        if (id > last) last = id;
    }
    for (size_t i = 0; i < (size_t)1 << (64 - model->merges.shift); i++) {
        const SuPairSlot *slot = &model->merges.slots[i];
        const int32_t parts[] = {(int32_t)(slot->pair >> 32), (int32_t)(uint32_t)slot->pair};
        for (size_t j = 0; j < 2 && slot->id >= 0; j++)
            if (parts[j] >= first && parts[j] <= last && stands_for_others(model, parts[j]))
                return true;
    }
    return false;
}

static void read_joins(const SuVocabulary *vocabulary, SuBpeJoins *joins)
{
    size_t step;
    joins->rows[SU_BPE_CLASS_OTHER][0] = UINT64_C(1) << SU_BPE_CLASS_OTHER;
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        int before = -1;
        for (size_t at = 0; at < token.size; at += step) {
            uint8_t class = su_bpe_class(joins, token.text + at, token.size - at, &step);
            if (before >= 0) joins->rows[before][class / 64] |= UINT64_C(1) << class % 64;
            before = class;
        }
    }
}

/* Gives tokens in order, as words hold them. */
typedef struct Tokens {
    const SuBpe *model;
    const SuVocabulary *vocabulary;
    char *at; /* in the model's text */
} Tokens;

static SuToken next_token(void *context, size_t index)
{
    Tokens *tokens = context;
    if (index == 0) tokens->at = tokens->model->text;
    return as_word(tokens->model, su_vocabulary_at(tokens->vocabulary, index), &tokens->at);
}

/* Of a model of bytes whose tokens for them are all there. */
static SutraStatus find_seams(SuBpe *model, const SuVocabulary *vocabulary, SutraError *err)
{
    Tokens tokens = {model, vocabulary, NULL};
    for (size_t i = 0; i < 256 && model->bytes; i++)
        if (model->byte_ids[i] < 0) return SUTRA_OK;
    return su_token_seams_create(&model->seams, model->bytes, vocabulary->count, next_token,
                                 &tokens, err);
}

/* After the merges. */
static SutraStatus find_joins(SuBpe *model, const SuTokenModelSource *source, SutraError *err)
{
    SuToken token;
    bool space = su_vocabulary_find(source->vocabulary, SU_BPE_SPACE, 3, &token);
    if (model->bytes || model->prefix_size + model->suffix_size || !drops_nothing(model) ||
        !space || joins_others(model))
        return SUTRA_OK;
    model->joins = su_calloc(1, sizeof *model->joins);
    if (!model->joins) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", source->where);
    for (size_t i = 0; i < 128; i++) {
        char byte = (char)i;
        bool symbol =
            i > SU_BPE_CLASS_OTHER && su_vocabulary_find(source->vocabulary, &byte, 1, &token);
        model->joins->classes[i] = (uint8_t)(symbol ? i : SU_BPE_CLASS_OTHER);
    }
    read_joins(source->vocabulary, model->joins);
    return find_seams(model, source->vocabulary, err);
}

/* ---- the model ---- */

static SutraStatus fill(void *data, const SuTokenModelSource *source, SutraError *err)
{
    SuBpe *model = data;
    model->bytes = source->pre_tokenizer->keep_bytes;
    SU_TRY(read_options(source, model, err));
    SU_TRY(find_symbols(model, source->vocabulary, err));
    SU_TRY(read_merges(model, source, err));
    SU_TRY(find_whole(model, source, err));
    SU_TRY(find_joins(model, source, err));
    model->whole_parts = su_json_is_inactive(json_object_get(source->json, "ignore_merges"));
    if (model->bytes && model->whole_parts) SU_TRY(find_seams(model, source->vocabulary, err));
    model->serial = su_word_cache_owner();
    return SUTRA_OK;
}

/* ---- in an image ---- */

enum { JOINS = 1, WHOLE_PARTS = 2 };

typedef struct Header {
    uint64_t text_size;
    uint32_t bytes, has_unk, fuse_unk, byte_fallback, prefix_size, suffix_size;
    int32_t unk_id, byte_ids[256];
    uint32_t parts; /* JOINS: they follow the header; WHOLE_PARTS */
    char prefix[SU_BPE_AFFIX], suffix[SU_BPE_AFFIX];
} Header;

static void write_image(const void *data, SuArena *arena)
{
    const SuBpe *model = data;
    Header *header = su_arena_carve(arena, sizeof *header);
    SuBpeJoins *joins = model->joins ? su_arena_carve(arena, sizeof *joins) : NULL;
    char *text = su_arena_carve(arena, model->text_size);
    if (joins) *joins = *model->joins;
    if (header) {
        *header = (Header){.text_size = model->text_size,
                           .bytes = model->bytes,
                           .has_unk = model->has_unk,
                           .fuse_unk = model->fuse_unk,
                           .byte_fallback = model->byte_fallback,
                           .prefix_size = model->prefix_size,
                           .suffix_size = model->suffix_size,
                           .unk_id = model->unk_id,
                           .parts = (model->joins ? JOINS : 0u) |
                                    (model->whole_parts ? WHOLE_PARTS : 0u)};
        memcpy(header->byte_ids, model->byte_ids, sizeof header->byte_ids);
        memcpy(header->prefix, model->prefix, sizeof header->prefix);
        memcpy(header->suffix, model->suffix, sizeof header->suffix);
    }
    if (text && model->text_size) memcpy(text, model->text, model->text_size);
    su_pair_table_write(&model->merges, arena);
    su_word_table_write(&model->whole, arena);
    su_word_table_write(&model->symbols, arena);
    su_token_seams_write(&model->seams, arena);
}

static bool has_classes(const SuBpeJoins *joins)
{
    uint8_t most = 0;
    for (size_t i = 0; i < 128; i++) most |= joins->classes[i];
    return most < 128;
}

static bool attach(void *data, SuArena *arena, const SuVocabulary *vocabulary, uint32_t vocab_size)
{
    SuBpe *model = data;
    const Header *header = su_arena_carve(arena, sizeof *header);
    if (!header || header->prefix_size > SU_BPE_AFFIX || header->suffix_size > SU_BPE_AFFIX ||
        header->unk_id >= (int64_t)vocab_size)
        return false;
    model->text_size = header->text_size;
    if (header->parts & JOINS) {
        model->joins = su_arena_carve(arena, sizeof *model->joins);
        if (!model->joins || !has_classes(model->joins)) return false;
    }
    model->text = su_arena_carve(arena, model->text_size);
    model->bytes = header->bytes != 0;
    model->has_unk = header->has_unk != 0;
    model->fuse_unk = header->fuse_unk != 0;
    model->byte_fallback = header->byte_fallback != 0;
    model->prefix_size = header->prefix_size;
    model->suffix_size = header->suffix_size;
    model->unk_id = header->unk_id;
    model->serial = su_word_cache_owner();
    model->whole_parts = header->parts & WHOLE_PARTS;
    memcpy(model->byte_ids, header->byte_ids, sizeof model->byte_ids);
    memcpy(model->prefix, header->prefix, sizeof model->prefix);
    memcpy(model->suffix, header->suffix, sizeof model->suffix);
    const char *text = model->bytes ? model->text : vocabulary->text;
    size_t text_size = model->bytes ? model->text_size : vocabulary->text_size;
    return model->text && su_pair_table_attach(&model->merges, arena) &&
           su_word_table_attach(&model->whole, arena, text, text_size) &&
           su_word_table_attach(&model->symbols, arena, vocabulary->text, vocabulary->text_size) &&
           su_token_seams_attach(&model->seams, arena) &&
           (model->joins == NULL || model->seams.bits != NULL);
}

const SuTokenModelKind su_bpe_kind = {.name = "BPE",
                                      .read_tokens = su_token_model_read_object,
                                      .size = sizeof(SuBpe),
                                      .fill = fill,
                                      .clear = clear,
                                      .encode = su_bpe_encode,
                                      .scratch_size = su_bpe_scratch_size,
                                      .write = write_image,
                                      .attach = attach};
