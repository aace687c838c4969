/* unigram_encode.c - a word to tokens.
 *
 *   encoded before        a cache in the scratch has its tokens
 *   known to stay whole   one walk through the trie
 *   any other             nodes: for each byte the best way to a token that ends there
 *
 *   begin            at          reach
 *   | path is known  | characters | ends of tokens that begin before `at`
 *
 * Where no token reaches over `at`, all ways lead through it: the path up to there is pushed and
 * the nodes begin anew. So their number, not only the time, seldom depends on a word's length. */
#include "tokenizer/unigram.h"

#include "tokenizer/word_cache.h"

#include <string.h>

#define NO_START UINT32_MAX
#define ENOUGH_NODES 512u /* to begin anew */

typedef struct Node {
    double score;
    uint32_t start; /* of the token, from the first node; NO_START: no token ends here */
    int32_t id;
} Node;

typedef struct Word {
    const SuUnigram *model;
    const char *text; /* [size] */
    size_t size;
    SuWordPlace place;
    SuTokenRow *row;
    Node *nodes;                 /* [size + 1] of bytes begin … */
    size_t begin;                /* byte of the first node */
    size_t reach;                /* node of the farthest end */
    size_t unknown, unknown_end; /* bytes of unknown characters that wait for more */
    SuCachedWord *cached;        /* what is pushed goes there too; NULL: it cannot be held */
} Word;

size_t su_unigram_scratch_size(size_t size)
{
    return size >= SIZE_MAX / sizeof(Node) ? SIZE_MAX : (size + 1) * sizeof(Node);
}

/* ---- the row ---- */

static SutraStatus push(Word *word, int32_t id, size_t begin, size_t end, SutraError *err)
{
    SuCachedWord *cached = word->cached;
    if (cached && cached->count < SU_CACHED_TOKENS) {
        cached->ids[cached->count] = id;
        cached->ends[cached->count++] = (uint8_t)end;
    } else {
        word->cached = NULL;
    }
    return su_token_row_push_bytes(word->row, id, begin, end, word->place, err);
}

static int32_t id_of(const SuTrieUnit *unit)
{
    return unit->id < 0 ? -1 : unit->id & ~SU_UNIGRAM_WHOLE;
}

/* Unknown characters that together are a token become that one. */
static SutraStatus push_unknown(Word *word, SutraError *err)
{
    const SuUnigram *model = word->model;
    size_t begin = word->unknown, end = word->unknown_end;
    word->unknown = word->unknown_end = 0;
    if (begin == end) return SUTRA_OK;
    const SuTrieUnit *unit = su_token_trie_find(&model->trie, word->text + begin, end - begin);
    if (unit && unit->id >= 0 && (uint32_t)id_of(unit) < model->num_scores)
        return push(word, id_of(unit), begin, end, err);
    bool as_bytes = model->byte_fallback;
    for (size_t i = begin; i < end && as_bytes; i++)
        as_bytes = model->byte_ids[(unsigned char)word->text[i]] >= 0;
    if (!as_bytes) return push(word, model->unk_id, begin, end, err);
    word->cached = NULL; /* several tokens of the same bytes */
    for (size_t i = begin; i < end; i++)
        SU_TRY(push(word, model->byte_ids[(unsigned char)word->text[i]], begin, end, err));
    return SUTRA_OK;
}

static SutraStatus push_token(Word *word, int32_t id, size_t begin, size_t end, SutraError *err)
{
    if (id == word->model->unk_id) {
        if (word->unknown == word->unknown_end) word->unknown = begin;
        word->unknown_end = end;
        return SUTRA_OK;
    }
    if (word->unknown != word->unknown_end) SU_TRY(push_unknown(word, err));
    return push(word, id, begin, end, err);
}

/* ---- the search ---- */

/* A token that begins at node `from` and ends `size` bytes later. */
static inline void offer(Word *word, size_t from, size_t size, double score, int32_t id)
{
    size_t end = from + size;
    while (word->reach < end) word->nodes[++word->reach].start = NO_START;
    Node *node = &word->nodes[end];
    double sum = score + word->nodes[from].score;
    if (node->start == NO_START || sum > node->score)
        *node = (Node){.score = sum, .start = (uint32_t)from, .id = id};
}

static inline size_t character_size(char first)
{
    unsigned char c = (unsigned char)first;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static SutraStatus offer_unknown(Word *word, size_t from, size_t size, SutraError *err)
{
    const SuUnigram *model = word->model;
    bool taken = from + size <= word->reach && word->nodes[from + size].start != NO_START &&
                 !(model->unk_score + word->nodes[from].score > word->nodes[from + size].score);
    if (taken) return SUTRA_OK;
    if (model->unk_id < 0)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "the text holds what the tokenizer does not know, and it has no unknown token");
    offer(word, from, size, model->unk_score, model->unk_id);
    return SUTRA_OK;
}

static SutraStatus offer_tokens(Word *word, size_t from, SutraError *err)
{
    const SuUnigram *model = word->model;
    const char *text = word->text + word->begin + from;
    const size_t rest = word->size - word->begin - from;
    size_t character = character_size(text[0]);
    bool single = false;
    const SuTrieUnit *unit = model->trie.units;
    if (character > rest) character = rest; /* of the bytes of a damaged token */
    for (size_t i = 0; i < rest && su_token_trie_step(&model->trie, (unsigned char)text[i], &unit);
         i++) {
        if (unit->id < 0 || (uint32_t)id_of(unit) >= model->num_scores) continue;
        offer(word, from, i + 1, model->scores[id_of(unit)], id_of(unit));
        single |= i + 1 == character;
    }
    return single ? SUTRA_OK : offer_unknown(word, from, character, err);
}

/* Pushes the path to node `to`, which becomes the first one. */
static SutraStatus push_path(Word *word, size_t to, SutraError *err)
{
    Node *nodes = word->nodes;
    size_t end = to, start = nodes[to].start;
    for (;;) { /* from "starts at" to "ends at" */
        size_t before = nodes[start].start;
        nodes[start].start = (uint32_t)end;
        if (start == 0) break;
        end = start;
        start = before;
    }
    for (size_t at = 0; at < to; at = end) {
        end = nodes[at].start;
        SU_TRY(push_token(word, nodes[end].id, word->begin + at, word->begin + end, err));
    }
    nodes[0] = nodes[to];
    word->begin += to;
    word->reach = 0;
    return SUTRA_OK;
}

static SutraStatus search(Word *word, SutraError *err)
{
    size_t at = 0;
    word->nodes[0] = (Node){.score = 0};
    while (word->begin + at < word->size) {
        if (at >= ENOUGH_NODES && at == word->reach) {
            SU_TRY(push_path(word, at, err));
            at = 0;
        }
        SU_TRY(offer_tokens(word, at, err));
        size_t rest = word->size - word->begin - at;
        size_t step = character_size(word->text[word->begin + at]);
        at += step < rest ? step : rest;
    }
    SU_TRY(push_path(word, at, err));
    return push_unknown(word, err);
}

/* ---- the word ---- */

static SutraStatus encode_new(Word *word, SuModelScratch *scratch, SutraError *err)
{
    const SuUnigram *model = word->model;
    const SuTrieUnit *unit = su_token_trie_find(&model->trie, word->text, word->size);
    if (unit && unit->id >= SU_UNIGRAM_WHOLE && (uint32_t)id_of(unit) < model->num_scores)
        return push(word, id_of(unit), 0, word->size, err);
    if (word->size >= UINT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "a word of %zu bytes", word->size);
    SU_TRY(su_model_scratch_reserve(scratch, su_unigram_scratch_size(word->size), err));
    word->nodes = (Node *)(void *)scratch->memory;
    return search(word, err);
}

SutraStatus su_unigram_encode(const void *data, SuModelScratch *scratch, const char *text,
                              size_t size, SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    const SuUnigram *model = data;
    Word word = {.model = model, .text = text, .size = size, .place = place, .row = row};
    if (size > SU_CACHED_BYTES) return encode_new(&word, scratch, err);
    if (scratch->cache_owner != model->serial)
        SU_TRY(su_word_cache_prepare(scratch, model->serial, err));
    uint64_t low, high;
    SuCachedWord *cached = su_word_cache_place(scratch, text, size, &low, &high);
    if (cached->low == low && cached->high == high)
        return su_word_cache_push(cached, 0, place, row, err);
    *cached = (SuCachedWord){0};
    word.cached = cached;
    SU_TRY(encode_new(&word, scratch, err));
    if (word.cached) {
        cached->low = low;
        cached->high = high;
    }
    return SUTRA_OK;
}
