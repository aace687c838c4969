/* bpe_encode.c - a word to tokens.
 *
 *   encoded before              a cache in the scratch has its tokens
 *   known as a whole            one lookup
 *   up to SHORT_WORD symbols    merges are searched along the word
 *   longer                      a heap of merges by rank and place, symbols in a linked list
 *
 * All give the same tokens, of a word or of its parts (bpe.h). As in the reference a symbol that is
 * dropped (unknown, and there is no token for that) shifts the places of what follows it to the
 * left. */
#include "tokenizer/bpe.h"
#include "tokenizer/word_cache.h"
#include "unicode/utf8.h"

#include <string.h>

#define SHORT_WORD 64u
#define NO_MERGE UINT32_MAX
#define NO_SYMBOL UINT32_MAX

typedef struct Symbol {
    int32_t id;
    uint32_t end; /* bytes up to and with this one */
} Symbol;

/* A merge that waits: of the symbol at `place` and the next one. */
typedef struct Waiting {
    uint32_t rank, place;
    int32_t id;
} Waiting;

typedef struct Neighbours {
    uint32_t before, after;
} Neighbours;

#define BYTES_PER_SYMBOL (sizeof(Symbol) + sizeof(Neighbours) + 3 * sizeof(Waiting))

size_t su_bpe_scratch_size(size_t size)
{
    return size > SIZE_MAX / BYTES_PER_SYMBOL ? SIZE_MAX : size * BYTES_PER_SYMBOL;
}

/* ---- symbols ---- */

typedef struct Symbols {
    Symbol *list; /* at most one a byte */
    size_t count;
    uint32_t end;     /* of the last one */
    uint32_t pending; /* bytes of unknown characters that are not in the list yet */
} Symbols;

static void add(Symbols *symbols, int32_t id, uint32_t size)
{
    symbols->end += size;
    symbols->list[symbols->count++] = (Symbol){id, symbols->end};
}

static void flush_unknown(const SuBpe *model, Symbols *symbols)
{
    if (symbols->pending) add(symbols, model->unk_id, symbols->pending);
    symbols->pending = 0;
}

static SutraStatus add_unknown(const SuBpe *model, Symbols *symbols, const char *text, size_t size,
                               SutraError *err)
{
    if (model->byte_fallback) {
        bool all = true;
        for (size_t i = 0; i < size; i++) all &= model->byte_ids[(unsigned char)text[i]] >= 0;
        for (size_t i = 0; i < size && all; i++)
            add(symbols, model->byte_ids[(unsigned char)text[i]], 1);
        if (all) return SUTRA_OK;
    }
    if (!model->has_unk) return SUTRA_OK;
    if (model->unk_id < 0)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "the text holds what the tokenizer does not know, and its unknown token is not in "
                 "its vocabulary");
    if (!model->fuse_unk) flush_unknown(model, symbols);
    symbols->pending += (uint32_t)size;
    return SUTRA_OK;
}

/* The symbol of a character, or -1. */
static int32_t find_symbol(const SuBpe *model, const char *text, size_t size, bool first, bool last)
{
    size_t prefix = first ? 0 : model->prefix_size, suffix = last ? model->suffix_size : 0;
    if (prefix + suffix == 0 && size == 1) return model->symbols.single[(unsigned char)*text];
    if (prefix + suffix == 0) return su_word_table_lookup(&model->symbols, text, size);
    char key[2 * SU_BPE_AFFIX + 4 + SU_WORD_LOAD] = {0};
    memcpy(key, model->prefix, prefix);
    memcpy(key + prefix, text, size);
    memcpy(key + prefix + size, model->suffix, suffix);
    return su_word_table_lookup(&model->symbols, key, prefix + size + suffix);
}

static SutraStatus split_bytes(const SuBpe *model, const char *word, size_t size, Symbols *symbols,
                               SutraError *err)
{
    for (size_t at = 0; at < size; at++) {
        int32_t id = model->byte_ids[(unsigned char)word[at]];
        if (id < 0) {
            SU_TRY(add_unknown(model, symbols, word + at, 1, err));
            continue;
        }
        flush_unknown(model, symbols);
        add(symbols, id, 1);
    }
    flush_unknown(model, symbols);
    return SUTRA_OK;
}

static SutraStatus split_characters(const SuBpe *model, const char *word, size_t size,
                                    Symbols *symbols, SutraError *err)
{
    size_t step;
    for (size_t at = 0; at < size; at += step) {
        su_utf8_decode(word + at, &step);
        int32_t id = find_symbol(model, word + at, step, at == 0, at + step == size);
        if (id < 0) {
            SU_TRY(add_unknown(model, symbols, word + at, step, err));
            continue;
        }
        flush_unknown(model, symbols);
        add(symbols, id, (uint32_t)step);
    }
    flush_unknown(model, symbols);
    return SUTRA_OK;
}

/* ---- short words ---- */

/* The pair that symbol `at` begins has no rank where nothing follows it. */
typedef struct ShortWord {
    uint32_t ranks[SHORT_WORD];
    int32_t made[SHORT_WORD];
    uint8_t before[SHORT_WORD], after[SHORT_WORD];
} ShortWord;

static inline void rank_pair(const SuBpe *model, const Symbols *symbols, ShortWord *word, size_t at)
{
    const Symbol *list = symbols->list;
    word->ranks[at] = NO_MERGE;
    if (word->after[at] >= symbols->count) return;
    const SuPairSlot *slot =
        su_pair_table_find(&model->merges, list[at].id, list[word->after[at]].id);
    if (slot->id < 0) return;
    word->ranks[at] = slot->rank;
    word->made[at] = slot->id;
}

/* A merged symbol stays where its left part was. */
static void merge_short(const SuBpe *model, Symbols *symbols)
{
    ShortWord word;
    Symbol *list = symbols->list;
    const size_t count = symbols->count;
    for (size_t i = 0; i < count; i++) {
        word.before[i] = (uint8_t)(i - 1);
        word.after[i] = (uint8_t)(i + 1);
        rank_pair(model, symbols, &word, i);
    }
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            if (word.ranks[i] < word.ranks[best]) best = i;
        if (count == 0 || word.ranks[best] == NO_MERGE) break;
        size_t right = word.after[best], after = word.after[right];
        list[best] = (Symbol){word.made[best], list[right].end};
        word.ranks[right] = NO_MERGE;
        word.after[best] = (uint8_t)after;
        if (after < count) word.before[after] = (uint8_t)best;
        rank_pair(model, symbols, &word, best);
        if (best > 0) rank_pair(model, symbols, &word, word.before[best]);
    }
    symbols->count = 0;
    for (size_t i = 0; i < count; i = word.after[i]) list[symbols->count++] = list[i];
}

/* ---- long words ---- */

typedef struct Heap {
    Waiting *list;
    size_t count;
} Heap;

static bool is_before(const Waiting *a, const Waiting *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

static void heap_push(Heap *heap, Waiting item)
{
    size_t at = heap->count++;
    while (at > 0 && is_before(&item, &heap->list[(at - 1) / 2])) {
        heap->list[at] = heap->list[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->list[at] = item;
}

static Waiting heap_pop(Heap *heap)
{
    Waiting top = heap->list[0], last = heap->list[--heap->count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && is_before(&heap->list[child + 1], &heap->list[child]))
            child++;
        if (!is_before(&heap->list[child], &last)) break;
        heap->list[at] = heap->list[child];
    }
    heap->list[at] = last;
    return top;
}

static void wait_for(const SuBpe *model, const Symbol *list, const Neighbours *near, uint32_t place,
                     Heap *heap)
{
    if (near[place].after == NO_SYMBOL) return;
    const SuPairSlot *slot =
        su_pair_table_find(&model->merges, list[place].id, list[near[place].after].id);
    if (slot->id >= 0) heap_push(heap, (Waiting){slot->rank, place, slot->id});
}

/* A merged symbol stays where its left part was; its right part gets the id -1. A waiting merge has
 * expired when its symbols are no longer side by side. */
static void merge_long(const SuBpe *model, Symbols *symbols, Neighbours *near, Waiting *waiting)
{
    Symbol *list = symbols->list;
    Heap heap = {.list = waiting};
    const uint32_t count = (uint32_t)symbols->count;
    for (uint32_t i = 0; i < count; i++)
        near[i] = (Neighbours){i ? i - 1 : NO_SYMBOL, i + 1 < count ? i + 1 : NO_SYMBOL};
    for (uint32_t i = 0; i + 1 < count; i++) wait_for(model, list, near, i, &heap);
    while (heap.count) {
        Waiting top = heap_pop(&heap);
        uint32_t right = list[top.place].id < 0 ? NO_SYMBOL : near[top.place].after;
        if (right == NO_SYMBOL) continue;
        const SuPairSlot *slot =
            su_pair_table_find(&model->merges, list[top.place].id, list[right].id);
        if (slot->id != top.id) continue;
        list[top.place] = (Symbol){top.id, list[right].end};
        list[right].id = -1;
        near[top.place].after = near[right].after;
        if (near[right].after != NO_SYMBOL) near[near[right].after].before = top.place;
        if (near[top.place].before != NO_SYMBOL)
            wait_for(model, list, near, near[top.place].before, &heap);
        wait_for(model, list, near, top.place, &heap);
    }
    symbols->count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (list[i].id >= 0) list[symbols->count++] = list[i];
}

/* ---- the word ---- */

/* A part of a word, or all of it. */
typedef struct Part {
    const char *text; /* [size] */
    size_t size;
    size_t base;       /* byte of the word that it begins at */
    bool may_be_whole; /* a word that is one token is looked for */
} Part;

/* Holds the symbols in a place of the cache. */
static void keep(const Symbols *symbols, SuCachedWord *cached, const uint64_t key[3])
{
    *cached = (SuCachedWord){0};
    if (symbols->count > SU_CACHED_TOKENS) return;
    for (size_t i = 0; i < symbols->count; i++) {
        cached->ids[i] = symbols->list[i].id;
        cached->ends[i] = (uint8_t)symbols->list[i].end;
    }
    cached->count = (uint8_t)symbols->count;
    su_word_cache_name(cached, key);
}

/* base: of the first symbol in the word. */
static SutraStatus push_all(const Symbols *symbols, size_t base, SuWordPlace place, SuTokenRow *row,
                            SutraError *err)
{
    size_t begin = 0;
    for (size_t i = 0; i < symbols->count; i++) {
        const Symbol *symbol = &symbols->list[i];
        SU_TRY(
            su_token_row_push_bytes(row, symbol->id, base + begin, base + symbol->end, place, err));
        begin = symbol->end;
    }
    return SUTRA_OK;
}

static SutraStatus make_symbols(const SuBpe *model, SuModelScratch *scratch, const Part *part,
                                Symbols *symbols, SutraError *err)
{
    size_t size = part->size;
    bool may_be_whole = part->may_be_whole && size > SU_WORD_SHORT;
    int32_t id = may_be_whole ? su_word_table_lookup(&model->whole, part->text, size) : -1;
    if (size >= UINT32_MAX / 3) SU_RAISE(err, SUTRA_E_LIMIT, "a word of %zu bytes", size);
    if (id >= 0) {
        add(symbols, id, (uint32_t)size);
        return SUTRA_OK;
    }
    if (size > SHORT_WORD) {
        SU_TRY(su_model_scratch_reserve(scratch, su_bpe_scratch_size(size), err));
        symbols->list = (Symbol *)(void *)scratch->memory;
    }
    SU_TRY((model->bytes ? split_bytes : split_characters)(model, part->text, size, symbols, err));
    if (symbols->count <= SHORT_WORD) {
        merge_short(model, symbols);
    } else {
        Neighbours *near = (Neighbours *)(void *)(symbols->list + size);
        merge_long(model, symbols, near, (Waiting *)(void *)(near + size));
    }
    return SUTRA_OK;
}

static SutraStatus encode_new(const SuBpe *model, SuModelScratch *scratch, const Part *part,
                              SuCachedWord *cached, const uint64_t key[3], SuWordPlace place,
                              SuTokenRow *row, SutraError *err)
{
    Symbol short_list[SHORT_WORD];
    Symbols symbols = {.list = short_list};
    SU_TRY(make_symbols(model, scratch, part, &symbols, err));
    if (cached) keep(&symbols, cached, key);
    return push_all(&symbols, part->base, place, row, err);
}

static inline SutraStatus encode_part(const SuBpe *model, SuModelScratch *scratch, const Part *part,
                                      SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    uint64_t key[3] = {0};
    if (part->may_be_whole && part->size <= SU_WORD_SHORT) {
        int32_t id = su_word_table_lookup(&model->whole, part->text, part->size);
        if (id >= 0)
            return su_token_row_push_bytes(row, id, part->base, part->base + part->size, place,
                                           err);
    }
    if (part->size > SU_CACHED_BYTES || !model->serial)
        return encode_new(model, scratch, part, NULL, key, place, row, err);
    if (scratch->cache_owner != model->serial)
        SU_TRY(su_word_cache_prepare(scratch, model->serial, err));
    SuCachedWord *cached = su_word_cache_place(scratch, part->text, part->size, key);
    if (su_word_cache_holds(cached, key))
        return su_word_cache_push(cached, part->base, place, row, err);
    return encode_new(model, scratch, part, cached, key, place, row, err);
}

/* Whether the characters before and behind byte `at` are in different parts; runs of characters
 * that are unknown may be one token. */
static bool is_seam(const SuBpe *model, const char *word, size_t at, size_t before, size_t behind)
{
    return su_seam_between(&model->seams, word, at, before, behind) &&
           (su_word_table_lookup(&model->symbols, word + at - before, before) >= 0 ||
            su_word_table_lookup(&model->symbols, word + at, behind) >= 0);
}

/* Where the part ends that begins at `at`. */
static inline size_t part_end(const SuBpe *model, const char *word, size_t size, size_t at)
{
    const SuBpeJoins *joins = model->joins;
    size_t step, last;
    uint8_t before = su_bpe_class(joins, word + at, size - at, &last);
    for (at += last; at < size; at += step, last = step) {
        uint8_t class = su_bpe_class(joins, word + at, size - at, &step);
        if (!(joins->rows[before][class / 64] >> class % 64 & 1)) break;
        bool other = class == SU_BPE_CLASS_OTHER || before == SU_BPE_CLASS_OTHER;
        if (other && is_seam(model, word, at, last, step)) break;
        before = class;
    }
    return at;
}

/* The same of bytes, between two characters that both are not ASCII. */
static size_t bytes_end(const SuBpe *model, const char *word, size_t size, size_t at)
{
    for (at++; at < size; at++)
        if ((unsigned char)word[at] >= 0xc0 && (unsigned char)word[at - 1] >= 0x80 &&
            su_seam_of_bytes(&model->seams, word, size, at))
            break;
    return at;
}

/* A word of bytes that is too long to be held in the cache. */
static SutraStatus encode_long(const SuBpe *model, SuModelScratch *scratch, const Part *word,
                               SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    for (size_t at = 0, end; at < word->size; at = end) {
        end = bytes_end(model, word->text, word->size, at);
        const Part part = {word->text + at, end - at, at, true};
        SU_TRY(encode_part(model, scratch, &part, place, row, err));
    }
    return SUTRA_OK;
}

SutraStatus su_bpe_encode(const void *data, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    const SuBpe *model = data;
    if (!model->joins) {
        const Part part = {.text = word, .size = size, .may_be_whole = true};
        bool cut = size > SU_CACHED_BYTES && model->seams.bits;
        return (cut ? encode_long : encode_part)(model, scratch, &part, place, row, err);
    }
    int32_t id = model->whole_parts ? -1 : su_word_table_lookup(&model->whole, word, size);
    if (id >= 0) return su_token_row_push_bytes(row, id, 0, size, place, err);
    for (size_t at = 0, end; at < size; at = end) {
        end = part_end(model, word, size, at);
        const Part part = {word + at, end - at, at, model->whole_parts};
        SU_TRY(encode_part(model, scratch, &part, place, row, err));
    }
    return SUTRA_OK;
}
