#include "chunk_places.h"

#include "console.h"

#include <stdlib.h>

typedef struct CliPlaceSlot {
    CliTextHash hash;
    uint64_t place;
    bool used;
} Slot;

/* The slot of the hash, or the empty one where it would be. */
static Slot *slot_of(const CliChunkPlaces *places, CliTextHash hash)
{
    size_t i = (size_t)hash.low & (places->num_slots - 1);
    for (;; i = (i + 1) & (places->num_slots - 1)) {
        Slot *slot = &places->slots[i];
        if (!slot->used || (slot->hash.low == hash.low && slot->hash.high == hash.high))
            return slot;
    }
}

static void grow(CliChunkPlaces *places)
{
    Slot *before = places->slots;
    size_t count = places->num_slots;
    places->num_slots = count ? 2 * count : 1024;
    places->slots = cli_alloc(places->num_slots, sizeof *places->slots);
    for (size_t i = 0; i < count; i++)
        if (before[i].used) *slot_of(places, before[i].hash) = before[i];
    free(before);
}

uint64_t cli_places_find(CliChunkPlaces *places, CliTextHash hash, uint64_t place)
{
    if (places->count >= places->num_slots / 4 * 3) grow(places);
    Slot *slot = slot_of(places, hash);
    if (!slot->used) {
        *slot = (Slot){hash, place, true};
        places->count++;
    }
    return slot->place;
}

void cli_places_free(CliChunkPlaces *places)
{
    free(places->slots);
    *places = (CliChunkPlaces){.slots = NULL};
}
