/* encode_fast.c - the fast path of BERT tokenizers: one pass over ASCII text.
 *
 * A word of A-Z a-z 0-9 with at most 15 bytes, followed by white space, punctuation or the end, is
 * loaded as two 64-bit words; its size, its lower case and its hash key come from a few operations
 * on those. Anything else (a byte that is not ASCII, a control character, a long word) makes a
 * chunk that the slow path encodes: from where the word began up to the next ASCII white space or
 * punctuation. Cutting there is safe: both end words, and no combining mark is reordered over a
 * starter, so what follows does not change what comes before. */
#include "tokenizer/tokenizer_parts.h"
#include "tokenizer/wordpiece.h"

#include "unicode/category.h"
#include "unicode/utf8.h"

#define BYTES(value) (UINT64_C(0x0101010101010101) * (value))
#define HIGH_BITS BYTES(0x80)
#define SHORT_WORD 15u /* bytes of the longest word that the fast path takes */

static SuByteClass classify(const SuTokenizer *tokenizer, uint32_t byte)
{
    if (byte >= 0x80) return SU_BYTE_OTHER;
    uint8_t properties = su_unicode_properties(byte);
    const SuNormalizerStep *bert = su_normalizer_bert(&tokenizer->normalizer);
    if (bert && bert->clean_text && (properties & SU_CP_CONTROL)) return SU_BYTE_OTHER;
    if (properties & SU_CP_SPACE) return SU_BYTE_SPACE;
    if (properties & SU_CP_PUNCTUATION) return SU_BYTE_PUNCTUATION;
    bool digit = byte >= '0' && byte <= '9';
    bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    return digit || letter ? SU_BYTE_WORD : SU_BYTE_OTHER;
}

void su_tokenizer_prepare_fast(SuTokenizer *tokenizer)
{
    const SuNormalizer *normalizer = &tokenizer->normalizer;
    tokenizer->fast = tokenizer->model.kind == &su_wordpiece_kind &&
                      (normalizer->count == 0 || su_normalizer_bert(normalizer)) &&
                      su_pre_tokenizer_is_bert(&tokenizer->pre_tokenizer) &&
                      tokenizer->added.normalized.count == 0;
    if (!tokenizer->fast) return;
    for (uint32_t byte = 0; byte < 256; byte++)
        tokenizer->byte_class[byte] = (uint8_t)classify(tokenizer, byte);
    const SuWordPiece *model = tokenizer->model.data;
    for (uint32_t byte = 0; byte < 128; byte++) {
        int32_t id = model->max_chars == 0 ? -1 : model->initial.single[byte];
        tokenizer->punctuation_ids[byte] = id < 0 ? model->unk_id : id;
    }
}

/* The high bit of each byte that is not A-Z a-z 0-9. */
static inline uint64_t not_word(uint64_t bytes)
{
    uint64_t low = bytes & ~HIGH_BITS; /* so that no sum below carries into the next byte */
    uint64_t lower = low | BYTES(0x20);
    uint64_t letter = (lower + BYTES(0x80 - 'a')) & ~(lower + BYTES(0x80 - 'z' - 1));
    uint64_t digit = (low + BYTES(0x80 - '0')) & ~(low + BYTES(0x80 - '9' - 1));
    return ~((letter | digit) & ~bytes) & HIGH_BITS;
}

static size_t chunk_end(const SuTokenizer *tokenizer, const char *text, size_t at, size_t size)
{
    for (; at < size; at++) {
        uint8_t class = tokenizer->byte_class[(unsigned char)text[at]];
        if (class == SU_BYTE_SPACE || class == SU_BYTE_PUNCTUATION) break;
    }
    return at;
}

/* A word of n ≤ SHORT_WORD bytes, already in lower case where that is asked for. */
static inline SutraStatus encode_word(const SuWordPiece *model, uint64_t low, uint64_t high,
                                      size_t n, uint32_t first, SuTokenRow *row, SutraError *err)
{
    if (n <= SU_WORD_SHORT && n <= model->max_chars) {
        int32_t id = su_word_table_find(&model->initial, su_word_key(low, high, n));
        if (id >= 0) return su_token_row_push(row, id, first, first + (uint32_t)n, err);
    }
    char word[2 * SU_WORD_LOAD] = {0};
    for (size_t i = 0; i < 8; i++) {
        word[i] = (char)(low >> 8 * i);
        word[i + 8] = (char)(high >> 8 * i);
    }
    return su_wordpiece_encode(model, word, n, (SuWordPlace){NULL, first}, row, err);
}

SutraStatus su_tokenizer_encode_fast(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch,
                                     const char *text, size_t size, uint32_t first, SuTokenRow *row,
                                     SutraError *err)
{
    const SuWordPiece *model = tokenizer->model.data;
    const SuNormalizerStep *bert = su_normalizer_bert(&tokenizer->normalizer);
    const uint64_t fold = bert && bert->lowercase ? BYTES(0x20) : 0; /* digits have that bit */
    size_t at = 0;
    uint32_t code_point = first; /* of byte `at` */
    while (at < size) {
        uint8_t class = tokenizer->byte_class[(unsigned char)text[at]];
        if (class == SU_BYTE_SPACE) {
            at++;
            code_point++;
            continue;
        }
        if (class == SU_BYTE_PUNCTUATION) {
            int32_t id = tokenizer->punctuation_ids[(unsigned char)text[at]];
            SU_TRY(su_token_row_push(row, id, code_point, code_point + 1, err));
            at++;
            code_point++;
            continue;
        }
        size_t n = 0;
        uint64_t low = 0, high = 0;
        if (class == SU_BYTE_WORD) {
            if (size - at >= SU_WORD_LOAD) {
                low = su_load_le64(text + at);
                high = su_load_le64(text + at + 8);
            } else {
                char rest[SU_WORD_LOAD] = {0};
                memcpy(rest, text + at, size - at);
                low = su_load_le64(rest);
                high = su_load_le64(rest + 8);
            }
            uint64_t low_end = not_word(low), high_end = not_word(high);
            n = low_end    ? (size_t)__builtin_ctzll(low_end) / 8
                : high_end ? (size_t)__builtin_ctzll(high_end) / 8 + 8
                           : SU_WORD_LOAD;
        }
        bool whole =
            at + n == size || tokenizer->byte_class[(unsigned char)text[at + n]] != SU_BYTE_OTHER;
        if (n == 0 || n > SHORT_WORD || !whole) {
            size_t end = chunk_end(tokenizer, text, at, size);
            SU_TRY(su_tokenizer_encode_slow(tokenizer, scratch, text + at, end - at, code_point,
                                            row, err));
            code_point += (uint32_t)su_utf8_count(text + at, end - at);
            at = end;
            continue;
        }
        SU_TRY(encode_word(model, low | fold, high | fold, n, code_point, row, err));
        at += n;
        code_point += (uint32_t)n;
    }
    return SUTRA_OK;
}
