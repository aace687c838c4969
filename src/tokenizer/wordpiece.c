#include "tokenizer/wordpiece.h"

#include "base/memory.h"
#include "tokenizer/component_json.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

#define PIECES_AT_ONCE 64u

typedef struct Piece {
    int32_t id;
    size_t begin, end; /* bytes of the word */
} Piece;

/* A word of BertPreTokenizer is one punctuation character, or has none and no white space. */
static bool may_begin(const SuToken *token)
{
    size_t step = 0;
    for (size_t at = 0; at < token->size; at += step) {
        uint8_t properties = su_unicode_properties(su_utf8_decode(token->text + at, &step));
        if (properties & SU_CP_SPACE) return false;
        if ((properties & SU_CP_PUNCTUATION) && step < token->size) return false;
    }
    return true;
}

/* The token without the prefix, if it can be a piece of the table. */
static bool take_key(const SuWordPieceOptions *options, bool initial, SuToken *token)
{
    size_t prefix = initial ? 0 : strlen(options->prefix);
    if (token->size <= prefix || memcmp(token->text, options->prefix, prefix) != 0) return false;
    token->text += prefix;
    token->size -= prefix;
    return !initial || !options->bert_words || may_begin(token);
}

static SutraStatus fill_table(SuWordTable *table, bool initial, const SuVocabulary *vocabulary,
                              const SuWordPieceOptions *options, SutraError *err)
{
    size_t counts[2] = {0};
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (take_key(options, initial, &token)) counts[token.size > SU_WORD_SHORT]++;
    }
    SU_TRY(su_word_table_create(table, counts[0], counts[1], vocabulary->text,
                                vocabulary->text_size, err));
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (take_key(options, initial, &token))
            su_word_table_insert(table, token.text, token.size, token.id);
    }
    return SUTRA_OK;
}

static void clear(void *data)
{
    SuWordPiece *model = data;
    su_word_table_free(&model->initial);
    su_word_table_free(&model->continuing);
}

SutraStatus su_wordpiece_fill(SuWordPiece *model, const SuVocabulary *vocabulary,
                              const SuWordPieceOptions *options, const char *where, SutraError *err)
{
    SuToken unk;
    if (!su_vocabulary_find(vocabulary, options->unk_token, strlen(options->unk_token), &unk))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the unknown token \"%.64s\" is not in the vocabulary",
                 where, options->unk_token);
    model->unk_id = unk.id;
    model->max_chars = options->max_chars;
    SU_TRY(fill_table(&model->initial, true, vocabulary, options, err));
    return fill_table(&model->continuing, false, vocabulary, options, err);
}

static SutraStatus fill(void *model, const SuTokenModelSource *source, SutraError *err)
{
    const char *unk = NULL, *prefix = NULL, *where = source->where;
    double max_chars = -1;
    SU_TRY(su_json_get_string(source->json, "unk_token", where, &unk, err));
    SU_TRY(su_json_get_string(source->json, "continuing_subword_prefix", where, &prefix, err));
    SU_TRY(su_json_get_double(source->json, "max_input_chars_per_word", where, &max_chars, err));
    if (!unk || !prefix || max_chars < 0)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: model.unk_token, continuing_subword_prefix or max_input_chars_per_word is "
                 "missing",
                 where);
    const SuWordPieceOptions options = {
        .unk_token = unk,
        .prefix = prefix,
        .max_chars = max_chars < (double)UINT32_MAX ? (size_t)max_chars : SIZE_MAX,
        .bert_words = su_pre_tokenizer_is_bert(source->pre_tokenizer)};
    return su_wordpiece_fill(model, source->vocabulary, &options, where, err);
}

/* Fills pieces from byte `at` on. *at is where it stopped: size, or earlier when there is no room
 * for more. False when no token fits. */
static bool take_apart(const SuWordPiece *model, const char *word, size_t size, size_t *at,
                       Piece pieces[PIECES_AT_ONCE], size_t *count)
{
    *count = 0;
    while (*at < size && *count < PIECES_AT_ONCE) {
        const SuWordTable *table = *at == 0 ? &model->initial : &model->continuing;
        size_t length;
        int32_t id = su_word_table_longest(table, word + *at, size - *at, &length);
        if (id < 0) return false;
        pieces[(*count)++] = (Piece){id, *at, *at + length};
        *at += length;
    }
    return true;
}

static inline SutraStatus push(Piece piece, SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    return su_token_row_push_bytes(row, piece.id, piece.begin, piece.end, place, err);
}

/* A word of more pieces than fit at once is taken apart twice: is it known at all, then to push. */
static bool rest_is_known(const SuWordPiece *model, const char *word, size_t size, size_t at)
{
    Piece pieces[PIECES_AT_ONCE];
    size_t count;
    while (at < size)
        if (!take_apart(model, word, size, &at, pieces, &count)) return false;
    return true;
}

SutraStatus su_wordpiece_encode(const SuWordPiece *model, const char *word, size_t size,
                                SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    Piece pieces[PIECES_AT_ONCE];
    size_t count, at = 0;
    bool too_long = size > model->max_chars && su_utf8_count(word, size) > model->max_chars;
    if (too_long || !take_apart(model, word, size, &at, pieces, &count) ||
        !rest_is_known(model, word, size, at))
        return push((Piece){model->unk_id, 0, size}, place, row, err);
    for (;;) {
        for (size_t i = 0; i < count; i++) SU_TRY(push(pieces[i], place, row, err));
        if (at == size) return SUTRA_OK;
        take_apart(model, word, size, &at, pieces, &count);
    }
}

static SutraStatus encode(const void *model, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    (void)scratch;
    return su_wordpiece_encode(model, word, size, place, row, err);
}

static size_t scratch_size(size_t size)
{
    (void)size;
    return 0;
}

/* ---- in an image ---- */

typedef struct Header {
    uint64_t max_chars;
    int32_t unk_id, reserved;
} Header;

static void write_image(const void *data, SuArena *arena)
{
    const SuWordPiece *model = data;
    Header *header = su_arena_carve(arena, sizeof *header);
    if (header) *header = (Header){.max_chars = model->max_chars, .unk_id = model->unk_id};
    su_word_table_write(&model->initial, arena);
    su_word_table_write(&model->continuing, arena);
}

static bool attach(void *data, SuArena *arena, const SuVocabulary *vocabulary, uint32_t vocab_size)
{
    SuWordPiece *model = data;
    const Header *header = su_arena_carve(arena, sizeof *header);
    if (!header || header->unk_id < 0 || (uint32_t)header->unk_id >= vocab_size) return false;
    model->max_chars = header->max_chars;
    model->unk_id = header->unk_id;
    return su_word_table_attach(&model->initial, arena, vocabulary->text, vocabulary->text_size) &&
           su_word_table_attach(&model->continuing, arena, vocabulary->text, vocabulary->text_size);
}

const SuTokenModelKind su_wordpiece_kind = {.name = "WordPiece",
                                            .read_tokens = su_token_model_read_object,
                                            .size = sizeof(SuWordPiece),
                                            .fill = fill,
                                            .clear = clear,
                                            .encode = encode,
                                            .scratch_size = scratch_size,
                                            .write = write_image,
                                            .attach = attach};
