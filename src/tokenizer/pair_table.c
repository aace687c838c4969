#include "tokenizer/pair_table.h"

#include <string.h>

#define MAX_SLOTS (UINT64_C(1) << 28)

_Static_assert(sizeof(SuPairSlot) == 16, "entries of the table have no padding");

SutraStatus su_pair_table_create(SuPairTable *table, size_t num_pairs, SutraError *err)
{
    size_t slots = 16;
    table->shift = 60;
    while (slots / 2 < num_pairs) {
        slots *= 2;
        table->shift--;
    }
    table->slots = su_alloc(slots, sizeof *table->slots);
    table->filter = su_calloc(slots / 16, sizeof *table->filter);
    if (!table->slots || !table->filter)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu merges", num_pairs);
    for (size_t i = 0; i < slots; i++) table->slots[i] = (SuPairSlot){.id = -1};
    return SUTRA_OK;
}

void su_pair_table_free(SuPairTable *table)
{
    su_free(table->slots);
    su_free(table->filter);
    *table = (SuPairTable){0};
}

void su_pair_table_insert(SuPairTable *table, int32_t left, int32_t right, uint32_t rank,
                          int32_t id)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t hash = su_pair_hash(pair), bit = hash >> (table->shift - 2);
    size_t mask = UINT64_MAX >> table->shift, at = hash >> table->shift;
    while (table->slots[at].id >= 0 && table->slots[at].pair != pair) at = (at + 1) & mask;
    table->slots[at] = (SuPairSlot){pair, rank, id};
    table->filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* ---- in an image ---- */

void su_pair_table_write(const SuPairTable *table, SuArena *arena)
{
    const uint64_t slots = UINT64_C(1) << (64 - table->shift);
    uint64_t *count = su_arena_carve(arena, sizeof *count);
    SuPairSlot *to = su_arena_carve(arena, slots * sizeof *to);
    uint64_t *filter = su_arena_carve(arena, slots / 16 * sizeof *filter);
    if (!filter) return;
    *count = slots;
    memcpy(to, table->slots, slots * sizeof *to);
    memcpy(filter, table->filter, slots / 16 * sizeof *filter);
}

bool su_pair_table_attach(SuPairTable *table, SuArena *arena)
{
    const uint64_t *count = su_arena_carve(arena, sizeof *count);
    if (!count || *count < 16 || *count > MAX_SLOTS || (*count & (*count - 1))) return false;
    table->slots = su_arena_carve(arena, *count * sizeof *table->slots);
    table->shift = 64 - (uint32_t)__builtin_ctzll(*count);
    table->filter = su_arena_carve(arena, *count / 16 * sizeof *table->filter);
    if (!table->slots || !table->filter) return false;
    for (size_t i = 0; i < *count; i++) /* a search ends at a free slot */
        if (table->slots[i].id < 0) return true;
    return false;
}
