/* Word tables in images. */
#include "tokenizer/word_table.h"

#define MAX_SLOTS (UINT64_C(1) << 28)

_Static_assert(sizeof(SuLongWord) == 12 && sizeof(SuWordSlot) == 16,
               "entries of the tables have no padding");

/* Where the parts of a table are; the data of an image is never written through these. */
typedef struct Places {
    uint64_t *lengths;
    int32_t *single;
    SuWordSlot *slots;
    SuLongWord *long_slots;
} Places;

/* The counts are bounded, so that no product overflows. */
static void carve(SuArena *arena, const SuWordTableHeader *header, Places *places)
{
    places->lengths = su_arena_carve(arena, SU_WORD_BUCKETS * sizeof *places->lengths);
    places->single = su_arena_carve(arena, 256 * sizeof *places->single);
    places->slots = su_arena_carve(arena, header->num_slots * sizeof *places->slots);
    places->long_slots = su_arena_carve(arena, header->num_long_slots * sizeof *places->long_slots);
}

void su_word_table_write(const SuWordTable *table, SuArena *arena)
{
    Places places;
    const SuWordTableHeader header = {.num_slots = UINT64_C(1) << (64 - table->shift),
                                      .num_long_slots = (uint64_t)table->long_mask + 1,
                                      .longest = table->longest};
    SuWordTableHeader *to = su_arena_carve(arena, sizeof *to);
    carve(arena, &header, &places);
    if (!places.long_slots) return;
    *to = header;
    memcpy(places.lengths, table->lengths, sizeof table->lengths);
    memcpy(places.single, table->single, sizeof table->single);
    memcpy(places.slots, table->slots, header.num_slots * sizeof *places.slots);
    memcpy(places.long_slots, table->long_slots, header.num_long_slots * sizeof *places.long_slots);
}

static bool is_count(uint64_t slots)
{
    return slots >= 16 && slots <= MAX_SLOTS && (slots & (slots - 1)) == 0;
}

/* A search ends at a free slot: there must be one, and in tables that were built here one is
 * near. */
static bool has_free_slot(const SuWordTable *table)
{
    size_t slot = 0, num_slots = (size_t)1 << (64 - table->shift);
    while (slot < num_slots && table->slots[slot].high) slot++;
    size_t long_slot = 0, num_long_slots = (size_t)table->long_mask + 1;
    while (long_slot < num_long_slots && table->long_slots[long_slot].size) long_slot++;
    return slot < num_slots && long_slot < num_long_slots;
}

bool su_word_table_attach(SuWordTable *table, SuArena *arena, const char *text, size_t text_size)
{
    Places places;
    const SuWordTableHeader *header = su_arena_carve(arena, sizeof *header);
    if (!header || !is_count(header->num_slots) || !is_count(header->num_long_slots)) return false;
    carve(arena, header, &places);
    if (!places.lengths || !places.single || !places.slots || !places.long_slots) return false;
    table->slots = places.slots;
    table->shift = 64 - (uint32_t)__builtin_ctzll(header->num_slots);
    table->long_slots = places.long_slots;
    table->long_mask = (uint32_t)(header->num_long_slots - 1);
    table->text = text;
    table->text_size = text_size;
    table->longest = header->longest;
    memcpy(table->lengths, places.lengths, sizeof table->lengths);
    memcpy(table->single, places.single, sizeof table->single);
    return has_free_slot(table);
}
