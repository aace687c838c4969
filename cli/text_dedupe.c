/* XXH3 comes from Debian's xxhash.h, compiled in: no shared object to load at run time. */
#include "text_dedupe.h"

#include "console.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { FIRST_SLOTS = 1024, LEAST_BYTES = 1 << 20 };

typedef struct CliDedupeSlot {
    XXH128_hash_t hash;
    uint64_t number; /* + 1; 0: empty */
} Slot;

void cli_dedupe_open(CliDedupe *dedupe, uint64_t bytes)
{
    *dedupe = (CliDedupe){.num_slots = FIRST_SLOTS};
    if (bytes < LEAST_BYTES) bytes = LEAST_BYTES;
    /* While it grows, the table of before is there too. */
    size_t slots = FIRST_SLOTS;
    while (slots * 2 * (sizeof(Slot) + sizeof(uint64_t)) * 3 / 2 <= bytes) slots *= 2;
    dedupe->most = slots / 4 * 3;
    dedupe->slots = cli_alloc(dedupe->num_slots, sizeof(Slot));
    dedupe->places = cli_alloc(dedupe->num_slots, sizeof(uint64_t));
    if (getrandom(dedupe->secret, sizeof dedupe->secret, 0) != sizeof dedupe->secret)
        for (size_t i = 0; i < sizeof dedupe->secret; i++)
            dedupe->secret[i] = (unsigned char)(i * 151 + ((uintptr_t)dedupe >> 12));
    pthread_mutex_init(&dedupe->lock, NULL);
}

void cli_dedupe_close(CliDedupe *dedupe)
{
    if (!dedupe->slots) return;
    free(dedupe->slots);
    free(dedupe->places);
    pthread_mutex_destroy(&dedupe->lock);
    *dedupe = (CliDedupe){0};
}

/* The slot of the hash, or the empty one where it would be. */
static Slot *slot_of(const CliDedupe *dedupe, XXH128_hash_t hash)
{
    size_t i = (size_t)hash.low64 & (dedupe->num_slots - 1);
    while (dedupe->slots[i].number && !XXH128_isEqual(dedupe->slots[i].hash, hash))
        i = (i + 1) & (dedupe->num_slots - 1);
    return &dedupe->slots[i];
}

static void grow(CliDedupe *dedupe)
{
    Slot *before = dedupe->slots;
    size_t count = dedupe->num_slots;
    dedupe->num_slots = count * 2;
    dedupe->slots = cli_alloc(dedupe->num_slots, sizeof(Slot));
    for (size_t i = 0; i < count; i++)
        if (before[i].number) *slot_of(dedupe, before[i].hash) = before[i];
    free(before);
    pthread_mutex_lock(&dedupe->lock);
    dedupe->places = cli_realloc(dedupe->places, dedupe->num_slots, sizeof(uint64_t));
    pthread_mutex_unlock(&dedupe->lock);
}

uint64_t cli_dedupe_find(CliDedupe *dedupe, const char *text, size_t size, bool *known)
{
    XXH128_hash_t hash = XXH3_128bits_withSecret(text, size, dedupe->secret, sizeof dedupe->secret);
    Slot *slot = slot_of(dedupe, hash);
    *known = slot->number != 0;
    if (*known) return slot->number - 1;
    if (dedupe->count == dedupe->most) {
        dedupe->full = true;
        return CLI_TEXT_UNKNOWN;
    }
    uint64_t number = dedupe->count++;
    *slot = (Slot){hash, number + 1};
    cli_dedupe_set(dedupe, number, CLI_PLACE_NONE);
    if (dedupe->count == dedupe->num_slots / 4 * 3 && dedupe->count < dedupe->most) grow(dedupe);
    return number;
}

void cli_dedupe_set(CliDedupe *dedupe, uint64_t number, uint64_t place)
{
    pthread_mutex_lock(&dedupe->lock);
    dedupe->places[number] = place;
    pthread_mutex_unlock(&dedupe->lock);
}

uint64_t cli_dedupe_place(CliDedupe *dedupe, uint64_t number)
{
    pthread_mutex_lock(&dedupe->lock);
    uint64_t place = dedupe->places[number];
    pthread_mutex_unlock(&dedupe->lock);
    return place;
}
