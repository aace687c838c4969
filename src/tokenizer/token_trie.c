#include "tokenizer/token_trie.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 256u /* units; a unit's children lie in one block, of its base */
#define MAX_UNITS (1u << 23)
#define OPEN_BLOCKS 32u  /* that are searched for room */
#define MAX_FAILURES 64u /* until a block is given up */
#define NO_BYTE 0x100u

_Static_assert(sizeof(SuTrieUnit) == 8, "units have no padding");

/* ---- building ---- */

/* Keys [from, to) lead to this unit by their first `depth` bytes. */
typedef struct Branch {
    uint32_t from, to, depth, unit;
} Branch;

typedef struct Builder {
    SuTokenTrie *trie;
    SuToken *keys; /* [num_keys] sorted by bytes */
    size_t num_keys;
    bool *base_taken;   /* [num_units] */
    uint32_t *free;     /* [num_units / BLOCK] units of each block; 0 too when it is given up */
    uint32_t *failures; /* [num_units / BLOCK] searches in vain in each block */
    uint32_t capacity;
    Branch *queue; /* [queue_capacity] first in, first out */
    size_t queue_begin, queue_end, queue_capacity;
} Builder;

static int by_bytes(const void *a, const void *b)
{
    const SuToken *x = a, *y = b;
    size_t common = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, common);
    if (!order) order = (x->size > y->size) - (x->size < y->size);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static SutraStatus sort_keys(Builder *builder, const SuVocabulary *vocabulary, SutraError *err)
{
    builder->keys = su_alloc(vocabulary->count, sizeof *builder->keys);
    if (!builder->keys)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", vocabulary->count);
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (token.size == 0) continue;
        builder->keys[builder->num_keys++] = token;
        if (token.size > builder->trie->longest) builder->trie->longest = (uint32_t)token.size;
    }
    qsort(builder->keys, builder->num_keys, sizeof *builder->keys, by_bytes);
    return SUTRA_OK;
}

static bool grow(void **array, size_t count, size_t size)
{
    void *grown = su_realloc(*array, count, size);
    if (grown) *array = grown;
    return grown != NULL;
}

static SutraStatus add_block(Builder *builder, SutraError *err)
{
    SuTokenTrie *trie = builder->trie;
    uint32_t size = trie->num_units + BLOCK;
    if (size > MAX_UNITS)
        SU_RAISE(err, SUTRA_E_LIMIT, "the tokens need more than %u units of a trie", MAX_UNITS);
    if (size > builder->capacity || !builder->free || !builder->failures) {
        uint32_t capacity = builder->capacity * 2 + 16 * BLOCK;
        if (!grow((void **)&trie->units, capacity, sizeof *trie->units) ||
            !grow((void **)&builder->base_taken, capacity, sizeof *builder->base_taken) ||
            !grow((void **)&builder->free, capacity / BLOCK, sizeof *builder->free) ||
            !grow((void **)&builder->failures, capacity / BLOCK, sizeof *builder->failures))
            SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a trie of %u units", capacity);
        builder->capacity = capacity;
    }
    for (uint32_t i = trie->num_units; i < size; i++) {
        trie->units[i] = (SuTrieUnit){.link = NO_BYTE, .id = -1};
        builder->base_taken[i] = false;
    }
    builder->free[trie->num_units / BLOCK] = BLOCK;
    builder->failures[trie->num_units / BLOCK] = 0;
    trie->num_units = size;
    return SUTRA_OK;
}

static bool is_free(const SuTokenTrie *trie, uint32_t unit)
{
    return unit != 0 && (trie->units[unit].link & NO_BYTE);
}

static bool fits(const Builder *builder, uint32_t base, const unsigned char *bytes, size_t count)
{
    if (base == 0 || builder->base_taken[base]) return false;
    for (size_t i = 0; i < count; i++)
        if (!is_free(builder->trie, base ^ bytes[i])) return false;
    return true;
}

static SutraStatus find_base(Builder *builder, const unsigned char *bytes, size_t count,
                             uint32_t *base, SutraError *err)
{
    uint32_t blocks = builder->trie->num_units / BLOCK;
    for (uint32_t b = blocks > OPEN_BLOCKS ? blocks - OPEN_BLOCKS : 0; b < blocks; b++) {
        if (builder->free[b] < count) continue;
        for (uint32_t i = 0; i < BLOCK; i++) {
            *base = (b * BLOCK + i) ^ bytes[0];
            if (fits(builder, *base, bytes, count)) return SUTRA_OK;
        }
        if (++builder->failures[b] == MAX_FAILURES) builder->free[b] = 0;
    }
    *base = builder->trie->num_units;
    return add_block(builder, err);
}

static SutraStatus enqueue(Builder *builder, Branch branch, SutraError *err)
{
    if (builder->queue_end == builder->queue_capacity) {
        size_t waiting = builder->queue_end - builder->queue_begin;
        if (builder->queue_begin > 0)
            memmove(builder->queue, builder->queue + builder->queue_begin,
                    waiting * sizeof *builder->queue);
        builder->queue_begin = 0;
        builder->queue_end = waiting;
        size_t capacity = waiting * 2 + 1024;
        if (!grow((void **)&builder->queue, capacity, sizeof *builder->queue))
            SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for a trie");
        builder->queue_capacity = capacity;
    }
    builder->queue[builder->queue_end++] = branch;
    return SUTRA_OK;
}

/* Where the keys from `from` on end that have the same byte at `depth`. */
static uint32_t end_of_byte(const Builder *builder, uint32_t from, const Branch *branch)
{
    unsigned char byte = (unsigned char)builder->keys[from].text[branch->depth];
    uint32_t at = from + 1;
    while (at < branch->to && (unsigned char)builder->keys[at].text[branch->depth] == byte) at++;
    return at;
}

static SutraStatus add_children(Builder *builder, Branch branch, SutraError *err)
{
    SuTokenTrie *trie = builder->trie;
    unsigned char bytes[BLOCK];
    uint32_t count = 0, base;
    while (branch.depth > 0 && branch.from < branch.to &&
           builder->keys[branch.from].size == branch.depth) /* of equal keys the last */
        trie->units[branch.unit].id = builder->keys[branch.from++].id;
    for (uint32_t at = branch.from; at < branch.to; at = end_of_byte(builder, at, &branch))
        bytes[count++] = (unsigned char)builder->keys[at].text[branch.depth];
    if (count == 0) return SUTRA_OK;
    SU_TRY(find_base(builder, bytes, count, &base, err));
    builder->base_taken[base] = true;
    builder->free[base / BLOCK] -= count;
    trie->units[branch.unit].link |= base << 9;
    for (uint32_t i = 0, at = branch.from; i < count; i++) {
        uint32_t end = end_of_byte(builder, at, &branch), unit = base ^ bytes[i];
        trie->units[unit].link = bytes[i];
        SU_TRY(enqueue(builder, (Branch){at, end, branch.depth + 1, unit}, err));
        at = end;
    }
    return SUTRA_OK;
}

static SutraStatus build(Builder *builder, const SuVocabulary *vocabulary, SutraError *err)
{
    if (vocabulary->count >= UINT32_MAX)
        SU_RAISE(err, SUTRA_E_LIMIT, "%zu tokens are too many", vocabulary->count);
    SU_TRY(sort_keys(builder, vocabulary, err));
    SU_TRY(add_block(builder, err));
    builder->free[0]--;
    SU_TRY(enqueue(builder, (Branch){0, (uint32_t)builder->num_keys, 0, 0}, err));
    while (builder->queue_begin < builder->queue_end)
        SU_TRY(add_children(builder, builder->queue[builder->queue_begin++], err));
    return SUTRA_OK;
}

SutraStatus su_token_trie_create(SuTokenTrie *trie, const SuVocabulary *vocabulary, SutraError *err)
{
    *trie = (SuTokenTrie){0};
    Builder builder = {.trie = trie};
    SutraStatus status = build(&builder, vocabulary, err);
    su_free(builder.keys);
    su_free(builder.base_taken);
    su_free(builder.free);
    su_free(builder.failures);
    su_free(builder.queue);
    if (status != SUTRA_OK) su_token_trie_free(trie);
    return status;
}

void su_token_trie_free(SuTokenTrie *trie)
{
    su_free(trie->units);
    *trie = (SuTokenTrie){0};
}

/* ---- searching ---- */

const SuTrieUnit *su_token_trie_find(const SuTokenTrie *trie, const char *text, size_t size)
{
    const SuTrieUnit *unit = trie->units;
    for (size_t i = 0; i < size; i++)
        if (!su_token_trie_step(trie, (unsigned char)text[i], &unit)) return NULL;
    return unit;
}

/* ---- in an image ---- */

typedef struct Header {
    uint32_t num_units, longest;
} Header;

void su_token_trie_write(const SuTokenTrie *trie, SuArena *arena)
{
    Header *header = su_arena_carve(arena, sizeof *header);
    SuTrieUnit *units = su_arena_carve(arena, trie->num_units * sizeof *units);
    if (!units) return;
    *header = (Header){trie->num_units, trie->longest};
    memcpy(units, trie->units, trie->num_units * sizeof *units);
}

bool su_token_trie_attach(SuTokenTrie *trie, SuArena *arena)
{
    const Header *header = su_arena_carve(arena, sizeof *header);
    if (!header || header->num_units == 0 || header->num_units > MAX_UNITS) return false;
    trie->units = su_arena_carve(arena, header->num_units * sizeof *trie->units);
    trie->num_units = header->num_units;
    trie->longest = header->longest;
    return trie->units != NULL;
}
