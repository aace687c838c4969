/* text_dedupe.h - which texts of a run were there before, and where their vectors lie.
 *
 * A text is known by 128 bits of XXH3 with a secret made for the table, so that nobody can write
 * texts that are taken for one another. Memory is bounded: a table that is full learns no more
 * texts, and still knows those it has.
 *
 *   slots    | hash, number of the text | hash, number | empty | …   2^n, at most 3/4 full
 *   places   [count] where the vector of text `number` lies; CLI_PLACE_NONE: nowhere (yet)
 *
 * Two threads: one looks texts up in the order of the input, one sets their places. */
#ifndef CLI_TEXT_DEDUPE_H
#define CLI_TEXT_DEDUPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_PLACE_NONE UINT64_MAX
#define CLI_TEXT_UNKNOWN UINT64_MAX

typedef struct CliDedupe {
    struct CliDedupeSlot *slots;
    uint64_t *places;
    size_t num_slots, count, most;
    bool full; /* texts were not learnt */
    unsigned char secret[192];
    pthread_mutex_t lock;
} CliDedupe;

/* Of at most so many bytes, 1 MiB or more; less is made as little as that. */
void cli_dedupe_open(CliDedupe *dedupe, uint64_t bytes);
void cli_dedupe_close(CliDedupe *dedupe);

/* The text's number. *known: it was there before; else it is learnt now, unless the table is full:
 * then its number is CLI_TEXT_UNKNOWN. */
uint64_t cli_dedupe_find(CliDedupe *dedupe, const char *text, size_t size, bool *known);
/* Of a number that is not CLI_TEXT_UNKNOWN. */
void cli_dedupe_set(CliDedupe *dedupe, uint64_t number, uint64_t place);
uint64_t cli_dedupe_place(CliDedupe *dedupe, uint64_t number);

#endif
