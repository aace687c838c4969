/* tiny_model.h - writes a small random BERT in Hugging Face layout, for tests that need a model of
 * a chosen shape but no reference output. The same options give the same bytes. */
#ifndef SU_TINY_MODEL_H
#define SU_TINY_MODEL_H

#include <stdint.h>

typedef struct TinyModel {
    uint32_t hidden_size, num_heads, num_layers, ffn_size, max_positions;
    const char *activation; /* NULL: "gelu" */
    uint32_t seed;
} TinyModel;

enum { TINY_VOCAB_SIZE = 133 };

/* Creates a folder below $TMPDIR and fills it. Asserts on failure. The path is freed by
 * tiny_model_remove. */
char *tiny_model_write(const TinyModel *options);
void tiny_model_remove(char *path);

/* xorshift: the tests' random numbers */
uint32_t tiny_random(uint32_t *state);

#endif
