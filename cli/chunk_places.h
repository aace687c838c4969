/* chunk_places.h - where the vector of a chunk's text lies, by the text's hash. */
#ifndef CLI_CHUNK_PLACES_H
#define CLI_CHUNK_PLACES_H

#include "folder_index.h"

typedef struct CliChunkPlaces {
    struct CliPlaceSlot *slots; /* [num_slots], 2^n, at most 3/4 full */
    size_t num_slots, count;
} CliChunkPlaces;

/* Of a zeroed struct too. The place that the text has, or else `place`, which it then has. */
uint64_t cli_places_find(CliChunkPlaces *places, CliTextHash hash, uint64_t place);
void cli_places_free(CliChunkPlaces *places);

#endif
