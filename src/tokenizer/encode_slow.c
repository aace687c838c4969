/* The slow path: text is normalised first, then cut into words. Any tokenizer, any text. */
#include "tokenizer/tokenizer_parts.h"

/* Words of text that is normalised and holds no added token. */
static SutraStatus encode_words(const SuTokenizer *tokenizer, const SuNormalized *normalized,
                                size_t begin, size_t end, SuTokenRow *row, SutraError *err)
{
    size_t at = 0, word;
    const char *text = normalized->bytes + begin;
    while (su_pre_tokenizer_next(tokenizer->pre_tokenizer, text, end - begin, &at, &word)) {
        SuWordPlace place = {0};
        if (row->with_offsets) place.source = normalized->source + begin + word;
        SU_TRY(su_wordpiece_encode(&tokenizer->model, text + word, at - word, place, row, err));
    }
    return SUTRA_OK;
}

SutraStatus su_tokenizer_encode_slow(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                     const char *text, size_t size, uint32_t first, SuTokenRow *row,
                                     SutraError *err)
{
    SuNormalized *normalized = &scratch->normalized;
    SU_TRY(su_normalizer_run(&tokenizer->normalizer, text, size, first, row->with_offsets,
                             normalized, err));
    SuAddedCursor cursor =
        su_added_cursor(&tokenizer->added.normalized, normalized->bytes, normalized->size);
    SuAddedPiece piece;
    while (su_added_cursor_next(&cursor, &piece)) {
        if (piece.begin == piece.end) continue;
        if (!piece.token) {
            SU_TRY(encode_words(tokenizer, normalized, piece.begin, piece.end, row, err));
            continue;
        }
        uint32_t begin = 0, end = 0;
        if (row->with_offsets) {
            begin = normalized->source[piece.begin];
            end = normalized->source[piece.end - 1] + 1;
        }
        SU_TRY(su_token_row_push(row, piece.token->id, begin, end, err));
    }
    return SUTRA_OK;
}
