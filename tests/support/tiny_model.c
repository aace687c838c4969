#include "support/tiny_model.h"

#undef NDEBUG /* its asserts do the work */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t tiny_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static FILE *open_file(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert(file);
    return file;
}

static void write_vocab(const char *folder)
{
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    FILE *file = open_file(folder, "vocab.txt");
    for (int i = 0; i < 5; i++) fprintf(file, "%s\n", special[i]);
    for (char c = '!'; c <= '@'; c++) fprintf(file, "%c\n", c);
    for (char c = 'a'; c <= 'z'; c++) fprintf(file, "%c\n##%c\n", c, c);
    for (char c = 'a'; c < 'a' + 22; c++) fprintf(file, "%c%c\n##%c%c\n", c, c + 2, c, c + 1);
    fclose(file);
}

typedef struct Writer {
    const TinyModel *options;
    char header[65536];
    size_t header_size, data_size;
    float *data;
    size_t capacity;
    uint32_t random;
} Writer;

/* Appends a tensor of random values center ± spread. rows 0: a vector. */
static void add(Writer *writer, const char *name, uint32_t rows, uint32_t columns, float center,
                float spread)
{
    size_t count = (rows ? rows : 1) * (size_t)columns, first = writer->data_size;
    assert(first + count <= writer->capacity);
    for (size_t i = 0; i < count; i++)
        writer->data[first + i] =
            center + spread * ((float)(tiny_random(&writer->random) >> 8) / 8388608.0f - 1.0f);
    writer->data_size += count;
    char shape[48];
    if (rows)
        snprintf(shape, sizeof shape, "[%u,%u]", rows, columns);
    else
        snprintf(shape, sizeof shape, "[%u]", columns);
    writer->header_size += (size_t)snprintf(
        writer->header + writer->header_size, sizeof writer->header - writer->header_size,
        "%s\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", first ? "," : "",
        name, shape, 4 * first, 4 * writer->data_size);
    assert(writer->header_size < sizeof writer->header - 1);
}

static void add_layer(Writer *writer, uint32_t layer)
{
    static const char *const attention[] = {"attention.self.query", "attention.self.key",
                                            "attention.self.value", "attention.output.dense"};
    const TinyModel *o = writer->options;
    char name[128];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "encoder.layer.%u.%s.weight", layer, attention[i]);
        add(writer, name, o->hidden_size, o->hidden_size, 0, i < 2 ? 0.4f : 0.15f);
        snprintf(name, sizeof name, "encoder.layer.%u.%s.bias", layer, attention[i]);
        add(writer, name, 0, o->hidden_size, 0, 0.1f);
    }
    snprintf(name, sizeof name, "encoder.layer.%u.intermediate.dense.weight", layer);
    add(writer, name, o->ffn_size, o->hidden_size, 0, 0.2f);
    snprintf(name, sizeof name, "encoder.layer.%u.intermediate.dense.bias", layer);
    add(writer, name, 0, o->ffn_size, 0, 0.1f);
    snprintf(name, sizeof name, "encoder.layer.%u.output.dense.weight", layer);
    add(writer, name, o->hidden_size, o->ffn_size, 0, 0.2f);
    snprintf(name, sizeof name, "encoder.layer.%u.output.dense.bias", layer);
    add(writer, name, 0, o->hidden_size, 0, 0.1f);
    static const char *const norms[] = {"attention.output", "output"};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "encoder.layer.%u.%s.LayerNorm.weight", layer, norms[i]);
        add(writer, name, 0, o->hidden_size, 1, 0.2f);
        snprintf(name, sizeof name, "encoder.layer.%u.%s.LayerNorm.bias", layer, norms[i]);
        add(writer, name, 0, o->hidden_size, 0, 0.1f);
    }
}

static void write_weights(const char *folder, const TinyModel *o)
{
    Writer *writer = calloc(1, sizeof *writer);
    assert(writer);
    size_t hidden = o->hidden_size;
    writer->options = o;
    writer->random = o->seed * 2654435761u + 1;
    writer->capacity = (TINY_VOCAB_SIZE + o->max_positions + 8) * hidden +
                       o->num_layers * (4 * hidden * hidden + 2 * hidden * o->ffn_size +
                                        16 * hidden + o->ffn_size);
    writer->data = malloc(writer->capacity * sizeof *writer->data);
    assert(writer->data);
    add(writer, "embeddings.word_embeddings.weight", TINY_VOCAB_SIZE, o->hidden_size, 0, 1);
    add(writer, "embeddings.position_embeddings.weight", o->max_positions, o->hidden_size, 0, 0.5f);
    add(writer, "embeddings.token_type_embeddings.weight", 2, o->hidden_size, 0, 0.3f);
    add(writer, "embeddings.LayerNorm.weight", 0, o->hidden_size, 1, 0.2f);
    add(writer, "embeddings.LayerNorm.bias", 0, o->hidden_size, 0, 0.1f);
    for (uint32_t i = 0; i < o->num_layers; i++) add_layer(writer, i);

    FILE *file = open_file(folder, "model.safetensors");
    uint64_t size = writer->header_size + 2;
    fwrite(&size, 8, 1, file);
    fprintf(file, "{%.*s}", (int)writer->header_size, writer->header);
    fwrite(writer->data, sizeof *writer->data, writer->data_size, file);
    assert(fclose(file) == 0);
    free(writer->data);
    free(writer);
}

char *tiny_model_write(const TinyModel *o)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(512);
    assert(path);
    snprintf(path, 512, "%s/sutra-tiny-XXXXXX", base ? base : "/tmp");
    assert(mkdtemp(path));
    FILE *file = open_file(path, "config.json");
    fprintf(file,
            "{\"model_type\":\"bert\",\"architectures\":[\"BertModel\"],\"hidden_size\":%u,\"num_"
            "attention_heads\":%u,"
            "\"num_hidden_layers\":%u,\"intermediate_size\":%u,\"max_position_embeddings\":%u,"
            "\"vocab_size\":%u,"
            "\"type_vocab_size\":2,\"hidden_act\":\"%s\",\"layer_norm_eps\":1e-12,\"pad_token_id\":"
            "0}\n",
            o->hidden_size, o->num_heads, o->num_layers, o->ffn_size, o->max_positions,
            TINY_VOCAB_SIZE, o->activation ? o->activation : "gelu");
    fclose(file);
    write_vocab(path);
    write_weights(path, o);
    return path;
}

void tiny_model_remove(char *path)
{
    static const char *const names[] = {"config.json", "vocab.txt", "model.safetensors"};
    char file[600];
    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
    free(path);
}
