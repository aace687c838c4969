/* tokenizer_dump - answers encode requests on stdin, for differential.py.
 *
 * All integers are little-endian 32-bit words; a string is its size, then its bytes.
 *   'J' json                                       build from tokenizer.json
 *   'I' json                                       the same, as a compiled image that is opened
 *   'V' vocab config                               build from vocab.txt; an empty config is none
 *   'F' case                                       build from a folder's files (tokenizer_case.h)
 *   'E' flags max_tokens prefix text pair          encode
 *   'W' max_tokens overlap text                    windows
 *   'D' skip_special num_tokens ids                decode
 * Answers begin with a status. After 'J', 'I', 'V', 'F' and failures: the message, a string. After 'E':
 * num_tokens, tokens_seen, ids, type ids, and with FLAG_OFFSETS begins and ends. After 'W': their
 * number, and of each num_tokens, ids, type ids. After 'D': the text, a string. */
#include "base/memory.h"
#include "support/tokenizer_case.h"
#include "tokenizer/token_windows.h"
#include "tokenizer/tokenizer_image.h"
#include "tokenizer/tokenizer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG_LEFT = 1, FLAG_NO_SPECIAL = 2, FLAG_PAIR = 4, FLAG_OFFSETS = 8, FLAG_SLOW = 16 };

typedef struct Bytes {
    char *data;
    uint32_t size;
} Bytes;

static void stop(const char *reason)
{
    fprintf(stderr, "tokenizer_dump: %s\n", reason);
    exit(2);
}

static uint32_t read_word(void)
{
    uint32_t word;
    if (fread(&word, sizeof word, 1, stdin) != 1) stop("a request is cut short");
    return word;
}

static Bytes read_bytes(void)
{
    Bytes bytes = {NULL, read_word()};
    bytes.data = su_alloc((size_t)bytes.size + 1, 1);
    if (!bytes.data) stop("out of memory");
    if (fread(bytes.data, 1, bytes.size, stdin) != bytes.size) stop("a request is cut short");
    return bytes;
}

static void write_words(const void *words, size_t count) { fwrite(words, 4, count, stdout); }

static void answer_status(SutraStatus status, const SutraError *err)
{
    const char *message = status == SUTRA_OK ? "" : err->message;
    uint32_t head[] = {(uint32_t)status, (uint32_t)strlen(message)};
    write_words(head, 2);
    fwrite(message, 1, head[1], stdout);
}

/* Takes the tokenizer through its image, which has to outlive the one that comes of it. */
static SutraStatus through_image(SuTokenizer **tokenizer, SutraError *err)
{
    static unsigned char *image;
    SuTokenizer *built = *tokenizer;
    size_t size = 0;
    su_free_aligned(image);
    SutraStatus status = su_tokenizer_image_create(built, &image, &size, err);
    *tokenizer = NULL;
    if (status == SUTRA_OK) status = su_tokenizer_open_image(image, size, "image", tokenizer, err);
    su_tokenizer_free(built);
    return status;
}

static void build(int kind, SuTokenizer **tokenizer)
{
    SutraError err = {0};
    SutraStatus status;
    su_tokenizer_free(*tokenizer);
    Bytes first = read_bytes();
    if (kind == 'F') {
        status = su_test_tokenizer_case(first.data, first.size, tokenizer, &err);
    } else if (kind != 'V') {
        status = su_tokenizer_from_json(first.data, first.size, "tokenizer.json", tokenizer, &err);
        if (status == SUTRA_OK && kind == 'I') status = through_image(tokenizer, &err);
    } else {
        Bytes config = read_bytes();
        status = su_tokenizer_from_vocab(first.data, first.size, config.size ? config.data : NULL,
                                         config.size, "vocab.txt", tokenizer, &err);
        su_free(config.data);
    }
    su_free(first.data);
    answer_status(status, &err);
}

static void encode(SuTokenizer *tokenizer, SuTokenizerScratch *scratch)
{
    SutraError err = {0};
    SuEncoding encoding;
    uint32_t flags = read_word(), max_tokens = read_word();
    Bytes prefix = read_bytes(), text = read_bytes(), pair = read_bytes();
    if (!tokenizer) stop("encode before a tokenizer was built");
    SuEncodeRequest request = {.prefix = prefix.data,
                               .prefix_size = prefix.size,
                               .text = text.data,
                               .text_size = text.size,
                               .pair = flags & FLAG_PAIR ? pair.data : NULL,
                               .pair_size = pair.size,
                               .max_tokens = max_tokens,
                               .truncate_left = flags & FLAG_LEFT,
                               .want_offsets = flags & FLAG_OFFSETS,
                               .no_special_tokens = flags & FLAG_NO_SPECIAL};
    bool fast = tokenizer->fast;
    if (flags & FLAG_SLOW) tokenizer->fast = false;
    SutraStatus status = su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err);
    tokenizer->fast = fast;
    if (status != SUTRA_OK) {
        answer_status(status, &err);
    } else {
        uint32_t head[] = {SUTRA_OK, (uint32_t)encoding.num_tokens, (uint32_t)encoding.tokens_seen};
        write_words(head, 3);
        write_words(encoding.token_ids, encoding.num_tokens);
        write_words(encoding.type_ids, encoding.num_tokens);
        if (flags & FLAG_OFFSETS) {
            write_words(encoding.begin, encoding.num_tokens);
            write_words(encoding.end, encoding.num_tokens);
        }
    }
    su_free(prefix.data);
    su_free(text.data);
    su_free(pair.data);
}

static void cut_windows(const SuTokenizer *tokenizer, SuTokenizerScratch *scratch)
{
    SutraError err = {0};
    SuEncoding encoding;
    SuTokenWindows windows;
    uint32_t max_tokens = read_word(), overlap = read_word();
    Bytes text = read_bytes();
    if (!tokenizer) stop("windows before a tokenizer was built");
    SuEncodeRequest request = {.text = text.data, .text_size = text.size};
    SutraStatus status = su_tokenizer_encode(tokenizer, scratch, &request, &encoding, &err);
    if (status == SUTRA_OK)
        status = su_token_windows_cut(tokenizer, &encoding, NULL, 0, max_tokens, overlap, &windows,
                                      &err);
    su_free(text.data);
    if (status != SUTRA_OK) {
        answer_status(status, &err);
        return;
    }
    int32_t *ids = su_alloc(max_tokens, sizeof *ids), *types = su_alloc(max_tokens, sizeof *types);
    if (!ids || !types) stop("out of memory");
    uint32_t head[] = {SUTRA_OK, (uint32_t)windows.count};
    write_words(head, 2);
    for (size_t i = 0; i < windows.count; i++) {
        uint32_t size = (uint32_t)su_token_windows_copy(&windows, i, ids, types);
        write_words(&size, 1);
        write_words(ids, size);
        write_words(types, size);
    }
    su_free(ids);
    su_free(types);
}

static void decode(const SuTokenizer *tokenizer)
{
    SutraError err = {0};
    char *text;
    size_t size;
    uint32_t skip_special = read_word(), count = read_word();
    int32_t *ids = su_alloc(count, sizeof *ids);
    if (!ids || !tokenizer) stop("nothing to decode with");
    for (uint32_t i = 0; i < count; i++) ids[i] = (int32_t)read_word();
    SutraStatus status =
        su_tokenizer_decode(tokenizer, ids, count, skip_special == 1, &text, &size, &err);
    if (status == SUTRA_OK) {
        uint32_t head[] = {SUTRA_OK, (uint32_t)size};
        write_words(head, 2);
        fwrite(text, 1, size, stdout);
        su_free(text);
    } else {
        answer_status(status, &err);
    }
    su_free(ids);
}

int main(void)
{
    SuTokenizer *tokenizer = NULL;
    SuTokenizerScratch *scratch;
    if (su_tokenizer_scratch_create(&scratch, NULL) != SUTRA_OK) stop("out of memory");
    for (int kind; (kind = getchar()) != EOF;) {
        if (kind == 'J' || kind == 'I' || kind == 'V' || kind == 'F')
            build(kind, &tokenizer);
        else if (kind == 'E')
            encode(tokenizer, scratch);
        else if (kind == 'W')
            cut_windows(tokenizer, scratch);
        else if (kind == 'D')
            decode(tokenizer);
        else
            stop("unknown request");
    }
    su_tokenizer_free(tokenizer);
    su_tokenizer_scratch_free(scratch);
    return fflush(stdout) == 0 ? 0 : 1;
}
