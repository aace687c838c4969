#include "tokenizer/word_table.h"

#define LONG_HASH_BYTES 32u /* of a long key that its hash reads */

static uint32_t bucket(const char *text)
{
    uint32_t first = (unsigned char)text[0], second = (unsigned char)text[1];
    return ((first << 8 | second) * 0x9e3779b1u) >> 22;
}

static uint64_t length_bit(size_t size) { return UINT64_C(1) << (size < 65 ? size - 2 : 63); }

static uint32_t long_hash(const char *text, size_t size)
{
    uint64_t h = size;
    size_t read = size < LONG_HASH_BYTES ? size : LONG_HASH_BYTES;
    size_t at = 0;
    for (; at + 8 <= read; at += 8)
        h = (h ^ su_load_le64(text + at)) * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 31;
    for (; at < read; at++) h = (h ^ (unsigned char)text[at]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

SutraStatus su_word_table_create(SuWordTable *table, size_t num_short, size_t num_long,
                                 const char *text, size_t text_size, SutraError *err)
{
    *table = (SuWordTable){.shift = 60, .text = text, .text_size = text_size};
    for (size_t i = 0; i < 256; i++) table->single[i] = -1;
    size_t slots = 16, long_slots = 16;
    while (slots / 4 * 3 < num_short) { /* at most three of four are taken */
        slots *= 2;
        table->shift--;
    }
    while (long_slots / 2 < num_long) long_slots *= 2;
    table->long_mask = (uint32_t)(long_slots - 1);
    table->slots = su_calloc(slots, sizeof *table->slots);
    table->long_slots = su_calloc(long_slots, sizeof *table->long_slots);
    if (!table->slots || !table->long_slots)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", num_short + num_long);
    return SUTRA_OK;
}

void su_word_table_free(SuWordTable *table)
{
    su_free(table->slots);
    su_free(table->long_slots);
    table->slots = NULL;
    table->long_slots = NULL;
}

static void insert_short(SuWordTable *table, SuWordKey key, int32_t id)
{
    uint32_t mask = (uint32_t)(UINT64_MAX >> table->shift);
    uint32_t at = su_word_slot(table, key);
    while (table->slots[at].high) at = (at + 1) & mask;
    table->slots[at] = (SuWordSlot){key.low, key.high, id};
}

static void insert_long(SuWordTable *table, const char *text, size_t size, int32_t id)
{
    uint32_t at = long_hash(text, size) & table->long_mask;
    while (table->long_slots[at].size) at = (at + 1) & table->long_mask;
    table->long_slots[at] = (SuLongWord){(uint32_t)(text - table->text), (uint32_t)size, id};
}

void su_word_table_insert(SuWordTable *table, const char *text, size_t size, int32_t id)
{
    if (size > table->longest) table->longest = (uint32_t)size;
    if (size == 1)
        table->single[(unsigned char)text[0]] = id;
    else
        table->lengths[bucket(text)] |= length_bit(size);
    if (size <= SU_WORD_SHORT)
        insert_short(table, su_word_key(su_load_le64(text), su_load_le64(text + 8), size), id);
    else
        insert_long(table, text, size, id);
}

static int32_t find_long(const SuWordTable *table, const char *text, size_t size)
{
    uint32_t at = long_hash(text, size) & table->long_mask;
    for (; table->long_slots[at].size; at = (at + 1) & table->long_mask) {
        const SuLongWord *word = &table->long_slots[at];
        if (word->size == size && (uint64_t)word->offset + size <= table->text_size &&
            memcmp(table->text + word->offset, text, size) == 0)
            return word->id;
    }
    return -1;
}

int32_t su_word_table_lookup(const SuWordTable *table, const char *text, size_t size)
{
    if (size > SU_WORD_SHORT) return find_long(table, text, size);
    return su_word_table_find(table, su_word_key(su_load_le64(text), su_load_le64(text + 8), size));
}

int32_t su_word_table_longest(const SuWordTable *table, const char *text, size_t size,
                              size_t *length)
{
    int32_t id;
    uint64_t low = su_load_le64(text), high = su_load_le64(text + 8);
    if (size > table->longest) size = table->longest;
    uint64_t lengths = size >= 2 ? table->lengths[bucket(text)] : 0;
    if (size < 65) lengths &= (UINT64_C(2) << (size < 2 ? 0 : size - 2)) - 1;
    if (lengths >> 63) {
        for (size_t n = size; n >= 65; n--) {
            *length = n;
            if ((id = find_long(table, text, n)) >= 0) return id;
        }
        lengths &= UINT64_MAX >> 1;
    }
    while (lengths) {
        uint32_t bit = 63 - (uint32_t)__builtin_clzll(lengths);
        size_t n = bit + 2;
        lengths ^= UINT64_C(1) << bit;
        *length = n;
        id = n <= SU_WORD_SHORT ? su_word_table_find(table, su_word_key(low, high, n))
                                : find_long(table, text, n);
        if (id >= 0) return id;
    }
    *length = 1;
    return size > 0 ? table->single[(unsigned char)text[0]] : -1;
}
