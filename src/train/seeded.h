/* seeded.h - numbers drawn from a seed: the generator splitmix64 (Steele, Lea, Flood 2014). */
#ifndef SU_SEEDED_H
#define SU_SEEDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct SuSeeded {
    uint64_t state;
} SuSeeded;

static inline uint64_t su_seeded_next(SuSeeded *seeded)
{
    uint64_t z = (seeded->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A generator of its own for each use of a seed. */
static inline SuSeeded su_seeded(uint64_t seed, uint64_t use)
{
    SuSeeded seeded = {seed};
    seeded.state = su_seeded_next(&seeded) ^ (use * 0xd1342543de82ef95u);
    (void)su_seeded_next(&seeded);
    return seeded;
}

/* order [n] becomes a permutation of itself (Fisher and Yates). */
static inline void su_seeded_shuffle(SuSeeded *seeded, uint32_t *order, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t other = (size_t)(((su_seeded_next(seeded) >> 32) * (uint64_t)i) >> 32);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

#endif
