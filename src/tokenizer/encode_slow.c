/* The slow path: text is normalised first, then cut into words. Any tokenizer, any text. */
#include "tokenizer/tokenizer_parts.h"

/* Where words go: to the model, whose tokens go to the row. */
typedef struct Sink {
    const SuTokenModel *model;
    SuModelScratch *scratch;
    SuTokenRow *row;
} Sink;

static SutraStatus take_word(void *context, SuTextView word, SutraError *err)
{
    const Sink *sink = context;
    return sink->model->kind->encode(sink->model->data, sink->scratch, word.bytes, word.size,
                                     (SuWordPlace){.source = word.source}, sink->row, err);
}

/* Words of text that is normalised and holds no added token. at_start: of a SuTextView. */
static SutraStatus encode_words(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                size_t begin, size_t end, bool at_start, SuTokenRow *row,
                                SutraError *err)
{
    const SuText *text = &scratch->normalized.text;
    Sink sink = {&tokenizer->model, &scratch->model, row};
    const SuWordSink words = {take_word, &sink};
    const SuTextView view = {.bytes = text->bytes + begin,
                             .source =
                                 scratch->normalized.with_source ? text->source + begin : NULL,
                             .size = end - begin,
                             .at_start = at_start};
    return su_pre_tokenizer_run(&tokenizer->pre_tokenizer, &scratch->pre_tokenizer, view, &words,
                                err);
}

SutraStatus su_tokenizer_encode_slow(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                     const char *text, size_t size, uint32_t first, SuTokenRow *row,
                                     SutraError *err)
{
    const SuText *normalized = &scratch->normalized.text;
    const SuPreTokenizer *pre_tokenizer = &tokenizer->pre_tokenizer;
    bool moves = tokenizer->normalizer.count > 0 || pre_tokenizer->moves; /* where words lie */
    bool with_source = row->with_offsets || (moves && pre_tokenizer->needs_source);
    SU_TRY(su_normalizer_run(&tokenizer->normalizer, text, size, first, with_source,
                             &scratch->normalized, err));
    SuAddedCursor cursor =
        su_added_cursor(&tokenizer->added.normalized, normalized->bytes, normalized->size);
    SuAddedPiece piece;
    while (su_added_cursor_next(&cursor, &piece)) {
        if (piece.begin == piece.end) continue;
        if (!piece.token) {
            bool at_start = first == 0 && piece.begin == 0 && !moves;
            SU_TRY(encode_words(tokenizer, scratch, piece.begin, piece.end, at_start, row, err));
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
