/* decoder.h - the decoder section of tokenizer.json: tokens to text.
 *
 * A list of steps, each of which takes the tokens that the step before made; the last ones, one
 * after the other, are the text:
 *   WordPiece      a space before tokens without the prefix, but the first; cleanup joins
 *                  punctuation and contractions to the word before
 *   ByteLevel      all tokens as the bytes that their characters stand for (byte_alphabet.h)
 *   Metaspace      spaces for the replacement, none where it begins the text
 *   BPEDecoder     spaces for the suffix, none at the end
 *   ByteFallback   runs of "<0x41>" as the bytes they are
 *   Fuse           all tokens as one
 *   Strip          characters that begin or end tokens are dropped
 *   Replace        a string, or the matches of a regular expression, by a string
 * Without a decoder there are spaces between the tokens. Bytes that are no UTF-8 become U+FFFD as
 * in the reference. */
#ifndef SU_DECODER_H
#define SU_DECODER_H

#include "base/byte_codec.h"
#include "base/json_file.h"
#include "tokenizer/pattern.h"

typedef enum SuDecoderKind {
    SU_DECODER_WORDPIECE = 0,
    SU_DECODER_BYTE_LEVEL,
    SU_DECODER_METASPACE,
    SU_DECODER_BPE,
    SU_DECODER_BYTE_FALLBACK,
    SU_DECODER_FUSE,
    SU_DECODER_STRIP,
    SU_DECODER_REPLACE,
    SU_DECODER_OTHER, /* one that decoding refuses; `pattern` is its type */
    SU_NUM_DECODERS
} SuDecoderKind;

typedef struct SuDecoderStep {
    SuDecoderKind kind;
    bool flag;           /* of WORDPIECE: cleanup; of METASPACE: the first one is dropped */
    bool is_regex;       /* of REPLACE */
    uint32_t start, end; /* of STRIP: how many, at most */
    char *pattern; /* [pattern_size] prefix, replacement, suffix, character, what to replace */
    size_t pattern_size;
    char *content; /* [content_size] of REPLACE */
    size_t content_size;
    SuPattern *expression; /* of REPLACE with a regular expression */
} SuDecoderStep;

typedef struct SuDecoder {
    SuDecoderStep *steps; /* [count] */
    size_t count;
    bool is_there; /* the file has one */
} SuDecoder;

/* json may be NULL (none). To be freed whatever is returned. Errors: FORMAT, LIMIT, MEMORY. */
SutraStatus su_decoder_from_json(const json_t *json, const char *where, SuDecoder *decoder,
                                 SutraError *err);
/* The decoder that a file without one has by its type alone ("ByteLevel"); WordPiece's prefix is
 * "##". Errors: MEMORY. */
SutraStatus su_decoder_by_name(const char *type, SuDecoder *decoder, SutraError *err);
void su_decoder_free(SuDecoder *decoder);

void su_decoder_write(const SuDecoder *decoder, SuByteWriter *to);
/* Errors: FORMAT, MEMORY. */
SutraStatus su_decoder_read(SuByteReader *from, const char *where, SuDecoder *decoder,
                            SutraError *err);

#endif
