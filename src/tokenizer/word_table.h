/* word_table.h - from a piece of a word to its id: the two tables of WordPiece, one for pieces that
 * begin a word and one for those that continue it.
 *
 *   up to 11 bytes   slots      | bytes 0-7 | bytes 8-10, size | id |    16 bytes, open-addressed
 *   longer           long_slots | place in the vocabulary's text | id |  open-addressed
 *   lengths          by the first two bytes: which sizes exist, so that the search for the longest
 *                    piece tries few that do not
 *
 * Tokens are inserted by id: vocabularies are sorted by frequency, so frequent pieces get the first
 * slot of their probe sequence. */
#ifndef SU_WORD_TABLE_H
#define SU_WORD_TABLE_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <string.h>

#define SU_WORD_SHORT 11u /* bytes of a key that is held in its slot */
#define SU_WORD_LOAD 16u  /* bytes that must be readable from the start of a key */
#define SU_WORD_BUCKETS 1024u

typedef struct SuWordKey {
    uint64_t low;  /* bytes 0-7, the first in the lowest bits */
    uint32_t high; /* bytes 8-10, and the size in the highest */
} SuWordKey;

typedef struct SuWordSlot {
    uint64_t low;
    uint32_t high; /* 0: free */
    int32_t id;
} SuWordSlot;

typedef struct SuLongWord {
    uint32_t offset; /* in the table's text */
    uint32_t size;   /* 0: free */
    int32_t id;
} SuLongWord;

typedef struct SuWordTable {
    SuWordSlot *slots; /* [1 << (64 - shift)] */
    uint32_t shift;
    SuLongWord *long_slots; /* [long_mask + 1] */
    uint32_t long_mask;
    const char *text; /* [text_size] that long keys lie in; borrowed */
    size_t text_size;
    uint32_t longest;                  /* bytes of the longest key */
    uint64_t lengths[SU_WORD_BUCKETS]; /* bit n - 2: keys of n bytes; bit 63: 65 or more */
    int32_t single[256];               /* ids of the keys of one byte, -1: none */
} SuWordTable;

/* Makes room for the given number of keys, whose texts all lie in text [text_size], which is
 * borrowed. Errors: MEMORY. */
SutraStatus su_word_table_create(SuWordTable *table, size_t num_short, size_t num_long,
                                 const char *text, size_t text_size, SutraError *err);
void su_word_table_free(SuWordTable *table);

/* text [size] is not yet in the table; size > 0; SU_WORD_LOAD bytes are readable. */
void su_word_table_insert(SuWordTable *table, const char *text, size_t size, int32_t id);

/* The longest key that text [size] begins with: its id and bytes, or -1. size > 0; SU_WORD_LOAD
 * bytes from any position of text are readable. */
int32_t su_word_table_longest(const SuWordTable *table, const char *text, size_t size,
                              size_t *length);

/* The id of the key text [size], or -1. size > 0; SU_WORD_LOAD bytes are readable. */
int32_t su_word_table_lookup(const SuWordTable *table, const char *text, size_t size);

/* ---- in an image ----
 *
 * A header, which says how large the rest is, and after it the table's arrays, all in one arena. */
typedef struct SuWordTableHeader {
    uint64_t num_slots, num_long_slots;
    uint32_t longest, reserved;
} SuWordTableHeader;

/* Carves a table's place; with memory in the arena it is also written. */
void su_word_table_write(const SuWordTable *table, SuArena *arena);
/* Carves what su_word_table_write wrote, which is borrowed; its long keys lie in text [text_size].
 * False: it is damaged, or ends before the table does. */
bool su_word_table_attach(SuWordTable *table, SuArena *arena, const char *text, size_t text_size);

/* ---- lookups of short keys ---- */

static inline uint64_t su_load_le64(const char *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/* The key of the first `size` ≤ SU_WORD_SHORT bytes of what two words of 8 bytes hold. */
static inline SuWordKey su_word_key(uint64_t low, uint64_t high, size_t size)
{
    uint64_t low_mask = size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
    uint64_t high_mask = size > 8 ? (UINT64_C(1) << (8 * size - 64)) - 1 : 0;
    return (SuWordKey){low & low_mask, (uint32_t)(high & high_mask) | (uint32_t)size << 24};
}

/* The first slot of the key's probe sequence. */
static inline uint32_t su_word_slot(const SuWordTable *table, SuWordKey key)
{
    uint64_t mixed =
        key.low * UINT64_C(0x9e3779b97f4a7c15) + key.high * UINT64_C(0xc2b2ae3d27d4eb4f);
    return (uint32_t)((mixed ^ mixed >> 29) * UINT64_C(0x9fb21c651e98df25) >> table->shift);
}

/* The id, or -1. */
static inline int32_t su_word_table_find(const SuWordTable *table, SuWordKey key)
{
    uint32_t mask = (uint32_t)(UINT64_MAX >> table->shift);
    uint32_t at = su_word_slot(table, key);
    for (;; at = (at + 1) & mask) {
        const SuWordSlot *slot = &table->slots[at];
        if (slot->low == key.low && slot->high == key.high) return slot->id;
        if (slot->high == 0) return -1;
    }
}

#endif
