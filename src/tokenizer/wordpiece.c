#include "tokenizer/wordpiece.h"

#include "unicode/category.h"
#include "unicode/utf8.h"

#include <string.h>

#define PIECES_AT_ONCE 64u

typedef struct Piece {
    int32_t id;
    size_t begin, end; /* bytes of the word */
} Piece;

/* A word of BertPreTokenizer is one punctuation character, or has none and no white space. */
static bool may_begin(const SuToken *token, SuPreTokenizer pre_tokenizer)
{
    size_t step = 0;
    if (pre_tokenizer != SU_PRE_TOKENIZER_BERT) return true;
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
    return !initial || may_begin(token, options->pre_tokenizer);
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

SutraStatus su_wordpiece_create(SuWordPiece *model, const SuVocabulary *vocabulary,
                                const SuWordPieceOptions *options, const char *where,
                                SutraError *err)
{
    SuToken unk;
    *model = (SuWordPiece){.max_chars = options->max_chars};
    if (!su_vocabulary_find(vocabulary, options->unk_token, strlen(options->unk_token), &unk))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the unknown token \"%.64s\" is not in the vocabulary",
                 where, options->unk_token);
    model->unk_id = unk.id;
    SU_TRY(fill_table(&model->initial, true, vocabulary, options, err));
    return fill_table(&model->continuing, false, vocabulary, options, err);
}

void su_wordpiece_free(SuWordPiece *model)
{
    su_word_table_free(&model->initial);
    su_word_table_free(&model->continuing);
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

static SutraStatus push(Piece piece, SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    uint32_t begin = 0, end = 0;
    if (row->with_offsets && place.source) {
        begin = place.source[piece.begin];
        end = place.source[piece.end - 1] + 1;
    } else if (row->with_offsets) {
        begin = place.first + (uint32_t)piece.begin;
        end = place.first + (uint32_t)piece.end;
    }
    return su_token_row_push(row, piece.id, begin, end, err);
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
