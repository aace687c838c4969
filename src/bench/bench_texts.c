#include "bench_texts.h"

#include "base/memory.h"

#include <string.h>

enum { LONGEST_PART = 24, WORD_BYTES = 2 * LONGEST_PART + 1, TRIES = 1000, JOINED_OF = 4 };

typedef struct Maker {
    const SuTokenizer *tokenizer;
    SuTokenizerScratch *scratch;
    uint32_t vocab_size, state;
    SuBenchTexts *texts;
} Maker;

static uint32_t next_random(Maker *maker)
{
    uint32_t x = maker->state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return maker->state = x;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Appends the letters of a random vocabulary entry to word; false if it is not all letters, but for
 * a mark of a word's inner part or beginning. */
static bool append_entry(Maker *maker, char *word, size_t *size)
{
    size_t length = 0, skip = 0;
    int32_t id = (int32_t)(next_random(maker) % maker->vocab_size);
    const char *text = su_tokenizer_token(maker->tokenizer, id, &length);
    if (!text) return false;
    while (skip < length && !is_letter(text[skip]) && text[skip] != '[' && text[skip] != '<')
        skip++;
    if (skip == length || length - skip > LONGEST_PART) return false;
    for (size_t i = skip; i < length; i++)
        if (!is_letter(text[i])) return false;
    memcpy(word + *size, text + skip, length - skip);
    *size += length - skip;
    return true;
}

static SutraStatus count_tokens(Maker *maker, const char *text, size_t size, size_t *count,
                                SutraError *err)
{
    SuEncoding encoding;
    SuEncodeRequest request = {.text = text, .text_size = size, .no_special_tokens = true};
    SU_TRY(su_tokenizer_encode(maker->tokenizer, maker->scratch, &request, &encoding, err));
    *count = encoding.num_tokens;
    return SUTRA_OK;
}

/* A word of 1 … most tokens; *size 0 when none was found. */
static SutraStatus make_word(Maker *maker, size_t most, char word[WORD_BYTES], size_t *size,
                             size_t *tokens, SutraError *err)
{
    for (int attempt = 0; attempt < TRIES; attempt++) {
        bool joined = most > 1 && next_random(maker) % JOINED_OF == 0;
        *size = 0;
        if (!append_entry(maker, word, size)) continue;
        if (joined && !append_entry(maker, word, size)) continue;
        SU_TRY(count_tokens(maker, word, *size, tokens, err));
        if (*tokens && *tokens <= most) return SUTRA_OK;
    }
    *size = 0;
    return SUTRA_OK;
}

static SutraStatus append(SuBenchTexts *texts, const char *word, size_t size, SutraError *err)
{
    if (texts->capacity - texts->used < size + 1) {
        size_t capacity = 2 * texts->capacity + 65536;
        char *memory = su_realloc(texts->memory, capacity, 1);
        if (!memory) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for generated texts");
        texts->memory = memory;
        texts->capacity = capacity;
    }
    memcpy(texts->memory + texts->used, word, size);
    texts->memory[texts->used + size] = ' ';
    texts->used += size + 1;
    return SUTRA_OK;
}

static SutraStatus make_text(Maker *maker, size_t tokens, SutraError *err)
{
    char word[WORD_BYTES];
    size_t size, count;
    while (tokens) {
        SU_TRY(make_word(maker, tokens, word, &size, &count, err));
        if (!size) break;
        SU_TRY(append(maker->texts, word, size, err));
        tokens -= count;
    }
    return SUTRA_OK;
}

static SutraStatus make_all(Maker *maker, const uint32_t *lengths, SutraError *err)
{
    SuBenchTexts *texts = maker->texts;
    uint32_t special = su_tokenizer_num_special(maker->tokenizer, false);
    for (size_t i = 0; i < texts->n; i++) {
        size_t begin = texts->used;
        SU_TRY(make_text(maker, lengths[i] > special ? lengths[i] - special : 0, err));
        texts->inputs[i].text_size = texts->used - begin;
    }
    if (texts->n && !texts->used)
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "no texts can be generated: the vocabulary has no entries of ASCII letters");
    size_t at = 0;
    for (size_t i = 0; i < texts->n; i++) { /* now that the memory moves no more */
        texts->inputs[i].text = texts->memory + at;
        at += texts->inputs[i].text_size;
    }
    return SUTRA_OK;
}

SutraStatus su_bench_texts_create(const SuTokenizer *tokenizer, const uint32_t *lengths, size_t n,
                                  uint32_t seed, SuBenchTexts *texts, SutraError *err)
{
    *texts = (SuBenchTexts){.n = n};
    Maker maker = {.tokenizer = tokenizer,
                   .vocab_size = su_tokenizer_vocab_size(tokenizer),
                   .state = seed * 2654435761u | 1u,
                   .texts = texts};
    texts->inputs = su_calloc(n, sizeof *texts->inputs);
    SutraStatus status = texts->inputs
                             ? su_tokenizer_scratch_create(&maker.scratch, err)
                             : su_error_set(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    if (status == SUTRA_OK) status = make_all(&maker, lengths, err);
    su_tokenizer_scratch_free(maker.scratch);
    if (status != SUTRA_OK) su_bench_texts_free(texts);
    return status;
}

SutraStatus su_bench_texts_of_length(const SuTokenizer *tokenizer, uint32_t length, size_t n,
                                     uint32_t seed, SuBenchTexts *texts, SutraError *err)
{
    *texts = (SuBenchTexts){0};
    uint32_t *lengths = su_alloc(n, sizeof *lengths);
    if (!lengths) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) lengths[i] = length;
    SutraStatus status = su_bench_texts_create(tokenizer, lengths, n, seed, texts, err);
    su_free(lengths);
    return status;
}

void su_bench_texts_free(SuBenchTexts *texts)
{
    su_free(texts->inputs);
    su_free(texts->memory);
    *texts = (SuBenchTexts){0};
}
