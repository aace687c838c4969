/* pair_table.h - the merges of BPE: from two tokens side by side to the rank of their merge and the
 * token that it makes.
 *
 *   slots    | left << 32 | right | rank | id |   16 bytes, open-addressed, at most half taken
 *   filter   4 bits a slot, those of the pairs' hashes set: most pairs that are asked for have no
 *            merge, and seldom need more than this, which is small */
#ifndef SU_PAIR_TABLE_H
#define SU_PAIR_TABLE_H

#include "base/memory.h"
#include "base/status.h"

typedef struct SuPairSlot {
    uint64_t pair;
    uint32_t rank;
    int32_t id; /* -1: free */
} SuPairSlot;

typedef struct SuPairTable {
    SuPairSlot *slots; /* [1 << (64 - shift)] */
    uint64_t *filter;  /* [1 << (60 - shift)] */
    uint32_t shift;
} SuPairTable;

/* Errors: MEMORY. */
SutraStatus su_pair_table_create(SuPairTable *table, size_t num_pairs, SutraError *err);
void su_pair_table_free(SuPairTable *table);

/* Of a pair that is inserted twice the last rank counts. */
void su_pair_table_insert(SuPairTable *table, int32_t left, int32_t right, uint32_t rank,
                          int32_t id);

/* As su_word_table_write and su_word_table_attach. */
void su_pair_table_write(const SuPairTable *table, SuArena *arena);
bool su_pair_table_attach(SuPairTable *table, SuArena *arena);

static inline uint64_t su_pair_hash(uint64_t pair)
{
    uint64_t mixed = pair * UINT64_C(0x9e3779b97f4a7c15);
    return (mixed ^ mixed >> 32) * UINT64_C(0x9fb21c651e98df25);
}

/* The slot of the pair, or one that is free. */
static inline const SuPairSlot *su_pair_table_find(const SuPairTable *table, int32_t left,
                                                   int32_t right)
{
    static const SuPairSlot none = {.id = -1};
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t hash = su_pair_hash(pair), bit = hash >> (table->shift - 2);
    if (!(table->filter[bit / 64] >> bit % 64 & 1)) return &none;
    size_t mask = UINT64_MAX >> table->shift, at = hash >> table->shift;
    while (table->slots[at].id >= 0 && table->slots[at].pair != pair) at = (at + 1) & mask;
    return &table->slots[at];
}

#endif
