#include "tokenizer/wordpiece.h"

#include "unicode/utf8.h"

#define PIECES_AT_ONCE 64u

typedef struct Piece {
    int32_t id;
    size_t begin, end; /* bytes of the word */
} Piece;

static bool continues(const SuVocabulary *vocabulary, const SuToken *token, const char *prefix,
                      size_t prefix_size)
{
    return token->size > prefix_size &&
           memcmp(vocabulary->text + token->offset, prefix, prefix_size) == 0;
}

static void count_keys(const SuVocabulary *vocabulary, const char *prefix, size_t prefix_size,
                       size_t counts[2][2])
{
    for (size_t i = 0; i < vocabulary->count; i++) {
        const SuToken *token = &vocabulary->tokens[i];
        counts[0][token->size > SU_WORD_SHORT]++;
        if (continues(vocabulary, token, prefix, prefix_size))
            counts[1][token->size - prefix_size > SU_WORD_SHORT]++;
    }
}

SutraStatus su_wordpiece_create(SuWordPiece *model, const SuVocabulary *vocabulary,
                                const char *unk_token, const char *prefix, size_t max_chars,
                                const char *where, SutraError *err)
{
    size_t counts[2][2] = {{0}}, prefix_size = strlen(prefix);
    *model = (SuWordPiece){.max_chars = max_chars};
    const SuToken *unk = su_vocabulary_find(vocabulary, unk_token, strlen(unk_token));
    if (!unk)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: the unknown token \"%.64s\" is not in the vocabulary",
                 where, unk_token);
    model->unk_id = unk->id;
    count_keys(vocabulary, prefix, prefix_size, counts);
    SU_TRY(su_word_table_create(&model->initial, counts[0][0], counts[0][1], vocabulary->text,
                                vocabulary->text_size, err));
    SU_TRY(su_word_table_create(&model->continuing, counts[1][0], counts[1][1], vocabulary->text,
                                vocabulary->text_size, err));
    for (size_t i = 0; i < vocabulary->count; i++) {
        const SuToken *token = &vocabulary->tokens[i];
        const char *text = vocabulary->text + token->offset;
        if (token->size > 0) su_word_table_insert(&model->initial, text, token->size, token->id);
        if (continues(vocabulary, token, prefix, prefix_size))
            su_word_table_insert(&model->continuing, text + prefix_size, token->size - prefix_size,
                                 token->id);
    }
    return SUTRA_OK;
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
