/* bpe_encode.c - a word to tokens.
 *
 *   known as a whole            one lookup
 *   encoded before              a cache in the scratch has its tokens
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

#define SHORT_WORD 32u
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
    char key[2 * SU_BPE_AFFIX + 4 + SU_WORD_LOAD] = {0};
    size_t prefix = first ? 0 : model->prefix_size, suffix = last ? model->suffix_size : 0;
    if (prefix + suffix == 0) return su_word_table_lookup(&model->symbols, text, size);
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

static void rank_pair(const SuBpe *model, const Symbol *list, size_t at, uint32_t *ranks,
                      int32_t *made)
{
    const SuPairSlot *slot = su_pair_table_find(&model->merges, list[at].id, list[at + 1].id);
    ranks[at] = slot->id < 0 ? NO_MERGE : slot->rank;
    made[at] = slot->id;
}

static void merge_short(const SuBpe *model, Symbols *symbols)
{
    uint32_t ranks[SHORT_WORD];
    int32_t made[SHORT_WORD];
    Symbol *list = symbols->list;
    for (size_t i = 0; i + 1 < symbols->count; i++) rank_pair(model, list, i, ranks, made);
    while (symbols->count > 1) {
        size_t best = 0, pairs = symbols->count - 1;
        for (size_t i = 1; i < pairs; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ranks[best] == NO_MERGE) return;
        list[best] = (Symbol){made[best], list[best + 1].end};
        for (size_t i = best + 1; i < pairs; i++) {
            list[i] = list[i + 1];
            ranks[i] = i + 1 < pairs ? ranks[i + 1] : NO_MERGE;
            made[i] = i + 1 < pairs ? made[i + 1] : -1;
        }
        symbols->count--;
        if (best + 1 < symbols->count) rank_pair(model, list, best, ranks, made);
        if (best > 0) rank_pair(model, list, best - 1, ranks, made);
    }
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
    size_t base; /* byte of the word that it begins at */
} Part;

/* Holds the symbols in a place of the cache; low, high: the key. */
static void keep(const Symbols *symbols, SuCachedWord *cached, uint64_t low, uint64_t high)
{
    *cached = (SuCachedWord){0};
    if (symbols->count > SU_CACHED_TOKENS) return;
    for (size_t i = 0; i < symbols->count; i++) {
        cached->ids[i] = symbols->list[i].id;
        cached->ends[i] = (uint8_t)symbols->list[i].end;
    }
    cached->count = (uint8_t)symbols->count;
    cached->low = low;
    cached->high = high;
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
    if (size >= UINT32_MAX / 3) SU_RAISE(err, SUTRA_E_LIMIT, "a word of %zu bytes", size);
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

static SutraStatus merge_part(const SuBpe *model, SuModelScratch *scratch, const Part *part,
                              SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    Symbol short_list[SHORT_WORD];
    Symbols symbols = {.list = short_list};
    SuCachedWord *cached = NULL;
    uint64_t low = 0, high = 0;
    if (part->size <= SU_CACHED_BYTES && model->serial) {
        if (scratch->cache_owner != model->serial)
            SU_TRY(su_word_cache_prepare(scratch, model->serial, err));
        cached = su_word_cache_place(scratch, part->text, part->size, &low, &high);
        if (cached->low == low && cached->high == high)
            return su_word_cache_push(cached, part->base, place, row, err);
    }
    SU_TRY(make_symbols(model, scratch, part, &symbols, err));
    if (cached) keep(&symbols, cached, low, high);
    return push_all(&symbols, part->base, place, row, err);
}

/* Where the part ends that begins at `at`. */
static inline size_t part_end(const SuBpeJoins *joins, const char *word, size_t size, size_t at)
{
    size_t step;
    uint8_t before = su_bpe_class(joins, word + at, size - at, &step);
    for (at += step; at < size; at += step) {
        uint8_t class = su_bpe_class(joins, word + at, size - at, &step);
        if (!(joins->rows[before][class / 64] >> class % 64 & 1)) break;
        before = class;
    }
    return at;
}

SutraStatus su_bpe_encode(const void *data, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    const SuBpe *model = data;
    bool whole = !model->joins || !model->whole_parts;
    int32_t id = whole ? su_word_table_lookup(&model->whole, word, size) : -1;
    if (id >= 0) return su_token_row_push_bytes(row, id, 0, size, place, err);
    for (size_t at = 0, end; at < size; at = end) {
        end = model->joins ? part_end(model->joins, word, size, at) : size;
        const Part part = {word + at, end - at, at};
        id = whole ? -1 : su_word_table_lookup(&model->whole, part.text, part.size);
        SU_TRY(id >= 0 ? su_token_row_push_bytes(row, id, at, end, place, err)
                       : merge_part(model, scratch, &part, place, row, err));
    }
    return SUTRA_OK;
}
