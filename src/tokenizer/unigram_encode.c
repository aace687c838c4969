/* unigram_encode.c - a word to tokens, part by part.
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

#include <math.h>
#include <string.h>

#define NO_START UINT32_MAX
#define ENOUGH_NODES 512u /* to begin anew */

/* Sums that are closer may change places by rounding: of up to SU_CACHED_BYTES tokens, behind a
 * sum of at most FAR, half the last bit of which is 7.5e-9. */
#define CLOSE 1e-6
#define FAR 1e8

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
    size_t part, part_end;       /* bytes */
    double score;                /* sum up to the part */
    bool close;                  /* rounding may have decided in the part */
    Node *nodes;                 /* [part_end - part + 1] of bytes begin … */
    size_t begin;                /* byte of the first node */
    size_t reach;                /* node of the farthest end */
    size_t unknown, unknown_end; /* bytes of unknown characters that wait for more */
    SuCachedWord *cached; /* what is pushed of the part goes there too; NULL: it cannot be held */
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
        cached->ends[cached->count++] = (uint8_t)(end - word->part);
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
        word->cached = NULL; /* what it becomes depends on what is around the part */
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
    word->close |= node->start != NO_START && fabs(sum - node->score) < CLOSE;
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
    const Node *end = &word->nodes[from + size];
    bool some = from + size <= word->reach && end->start != NO_START;
    double sum = model->unk_score + word->nodes[from].score;
    word->close |= some && fabs(sum - end->score) < CLOSE;
    if (some && !(sum > end->score)) return SUTRA_OK;
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
    const size_t rest = word->part_end - word->begin - from;
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
    word->nodes[0] = (Node){.score = word->score};
    word->begin = word->part;
    word->reach = 0;
    while (word->begin + at < word->part_end) {
        if (at >= ENOUGH_NODES && at == word->reach) {
            SU_TRY(push_path(word, at, err));
            at = 0;
        }
        SU_TRY(offer_tokens(word, at, err));
        size_t rest = word->part_end - word->begin - at;
        size_t step = character_size(word->text[word->begin + at]);
        at += step < rest ? step : rest;
    }
    SU_TRY(push_path(word, at, err));
    word->score = word->nodes[0].score;
    return SUTRA_OK;
}

/* ---- parts ---- */

static SutraStatus encode_new(Word *word, SuModelScratch *scratch, SutraError *err)
{
    const SuUnigram *model = word->model;
    size_t size = word->part_end - word->part;
    const SuTrieUnit *unit = su_token_trie_find(&model->trie, word->text + word->part, size);
    word->close = false;
    if (unit && unit->id >= SU_UNIGRAM_WHOLE && (uint32_t)id_of(unit) < model->num_scores &&
        fabs(word->score) <= FAR) {
        word->score += model->scores[id_of(unit)];
        return push_token(word, id_of(unit), word->part, word->part_end, err);
    }
    if (size >= UINT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "a word of %zu bytes", size);
    SU_TRY(su_model_scratch_reserve(scratch, su_unigram_scratch_size(size), err));
    word->nodes = (Node *)(void *)scratch->memory;
    return search(word, err);
}

static SutraStatus push_cached(Word *word, const SuCachedWord *cached, SutraError *err)
{
    if (word->unknown != word->unknown_end) SU_TRY(push_unknown(word, err));
    for (size_t i = 0; i < cached->count && word->part_end < word->size; i++)
        word->score += word->model->scores[cached->ids[i]];
    return su_word_cache_push(cached, word->part, word->place, word->row, err);
}

/* A place of the cache is good after any sum, or (close) only at the start of a word. */
static SutraStatus encode_part(Word *word, SuModelScratch *scratch, SutraError *err)
{
    uint64_t key[3];
    size_t size = word->part_end - word->part;
    word->cached = NULL;
    if (size > SU_CACHED_BYTES || fabs(word->score) > FAR) return encode_new(word, scratch, err);
    SuCachedWord *cached = su_word_cache_place(scratch, word->text + word->part, size, key);
    if (su_word_cache_holds(cached, key) && (!cached->close || word->part == 0))
        return push_cached(word, cached, err);
    *cached = (SuCachedWord){0};
    bool starts = word->part == 0;
    word->cached = word->unknown == word->unknown_end ? cached : NULL;
    SU_TRY(encode_new(word, scratch, err));
    if (!word->cached || (word->close && !starts)) return SUTRA_OK;
    cached->close = word->close;
    su_word_cache_name(cached, key);
    return SUTRA_OK;
}

/* Where the part ends that begins at `at`. */
static inline size_t part_end(const SuUnigram *model, const char *text, size_t size, size_t at)
{
    if (!model->seams.bits) return size;
    size_t last = character_size(text[at]), step;
    for (at += last; at < size; at += step, last = step) {
        step = character_size(text[at]);
        if ((last > 1 || step > 1) && step <= size - at &&
            su_seam_between(&model->seams, text, at, last, step))
            return at;
    }
    return size;
}

static SutraStatus encode_parts(Word *word, SuModelScratch *scratch, SutraError *err)
{
    const SuUnigram *model = word->model;
    if (scratch->cache_owner != model->serial)
        SU_TRY(su_word_cache_prepare(scratch, model->serial, err));
    for (; word->part < word->size; word->part = word->part_end) {
        word->part_end = part_end(model, word->text, word->size, word->part);
        SU_TRY(encode_part(word, scratch, err));
    }
    word->cached = NULL;
    return push_unknown(word, err);
}

SutraStatus su_unigram_encode(const void *data, SuModelScratch *scratch, const char *text,
                              size_t size, SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    Word word = {.model = data, .text = text, .size = size, .place = place, .row = row};
    return encode_parts(&word, scratch, err);
}

SutraStatus su_unigram_stays_whole(const SuUnigram *model, SuModelScratch *scratch,
                                   const SuToken *token, SuTokenRow *row, bool *whole,
                                   SutraError *err)
{
    su_token_row_begin(row, SIZE_MAX, false, true);
    Word word = {.model = model,
                 .text = token->text,
                 .size = token->size,
                 .row = row,
                 .part_end = token->size};
    SU_TRY(encode_new(&word, scratch, err));
    bool fuses = word.unknown != word.unknown_end; /* with unknown characters before it, too */
    SU_TRY(push_unknown(&word, err));
    *whole = !fuses && !word.close && row->size == 1 && row->ids[0] == token->id &&
             row->end[0] == token->size && token->id != model->unk_id;
    return SUTRA_OK;
}
