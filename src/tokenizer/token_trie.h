/* token_trie.h - the tokens that a text begins with, all of them, shortest first: a double array
 * over bytes.
 *
 *   unit   link: base << 9 | the byte that leads here (256: nothing does) | id
 *   byte b leads from a unit to the unit at base ^ b, if that says so
 *
 * Unit 0 is the root. No two units with children have the same base, and none has base 0, which
 * leads nowhere. */
#ifndef SU_TOKEN_TRIE_H
#define SU_TOKEN_TRIE_H

#include "base/memory.h"
#include "tokenizer/vocabulary.h"

typedef struct SuTrieUnit {
    uint32_t link;
    int32_t id; /* -1: no token ends here */
} SuTrieUnit;

typedef struct SuTokenTrie {
    SuTrieUnit *units; /* [num_units] */
    uint32_t num_units;
    uint32_t longest; /* bytes of the longest token */
} SuTokenTrie;

/* Of all tokens that are not empty; of equal ones the last. Errors: LIMIT (8M units), MEMORY. */
SutraStatus su_token_trie_create(SuTokenTrie *trie, const SuVocabulary *vocabulary,
                                 SutraError *err);
void su_token_trie_free(SuTokenTrie *trie);

/* The unit that `byte` leads to from *unit, or false. Never reads outside, whatever units hold. */
static inline bool su_token_trie_step(const SuTokenTrie *trie, unsigned char byte,
                                      const SuTrieUnit **unit)
{
    uint32_t place = (*unit)->link >> 9 ^ byte;
    if (place >= trie->num_units || (trie->units[place].link & 0x1ffu) != byte) return false;
    *unit = &trie->units[place];
    return true;
}

/* The unit of text [size], or NULL. */
const SuTrieUnit *su_token_trie_find(const SuTokenTrie *trie, const char *text, size_t size);

/* Carves the trie's place in an image, and writes it when the arena has memory. */
void su_token_trie_write(const SuTokenTrie *trie, SuArena *arena);
/* A trie in the memory of the arena. False: damaged. */
bool su_token_trie_attach(SuTokenTrie *trie, SuArena *arena);

#endif
