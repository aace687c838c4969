#include "base/memory.h"
#include "container/container.h"
#include "model/bundle.h"
#include "model/bundle_parts.h"
#include "tokenizer/tokenizer_image.h"

#include <stdio.h>

static void write_facts(const SutraModel *model, SuByteWriter *to)
{
    const char *const names[] = {model->name, model->family, model->digest, model->revision,
                                 model->dtype};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) su_write_string(to, names[i]);
    const uint32_t fields[] = {model->compute,       model->pooling,       model->normalize,
                               model->pool_prompt,   model->truncate_left, model->max_tokens,
                               model->max_positions, model->truncate_dim};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) su_write_u32(to, fields[i]);
    su_write_u64(to, model->num_parameters);
    su_write_u32(to, model->num_prompts);
    uint32_t default_prompt = 0; /* from 1; 0: none */
    for (uint32_t i = 0; i < model->num_prompts; i++) {
        su_write_string(to, model->prompts[i].name);
        su_write_string(to, model->prompts[i].text);
        if (model->default_prompt == model->prompts[i].name) default_prompt = i + 1;
    }
    su_write_u32(to, default_prompt);
    su_write_string(to, model->tokenizer_class);
    if (su_model_is_static(model)) su_write_u32(to, model->token_characters);
}

typedef struct Stored {
    const SutraTensor *tensors[SU_BUNDLE_MAX_TENSORS];
    uint32_t count;
} Stored;

/* Those of one role, of all heads or layer 0. */
static void store(const SutraModel *model, const SutraTensor *given, size_t num_given,
                  SutraRole role, Stored *stored)
{
    for (uint32_t layer = 0; layer < SU_BUNDLE_MAX_HEADS; layer++) {
        const SutraTensor *tensor = su_model_tensor(model, role, layer);
        for (size_t i = 0; i < num_given; i++)
            if (given[i].role == (uint32_t)role && given[i].layer == layer) tensor = &given[i];
        if (tensor) stored->tensors[stored->count++] = tensor;
    }
}

static Stored stored_tensors(const SutraModel *model, const SutraTensor *given, size_t num_given)
{
    static const SutraRole roles[SU_BUNDLE_ROLES] = {SUTRA_ROLE_PACKED_CPU,
                                                     SUTRA_ROLE_TOKEN_EMBEDDING,
                                                     SUTRA_ROLE_POSITION_EMBEDDING,
                                                     SUTRA_ROLE_TYPE_EMBEDDING,
                                                     SUTRA_ROLE_TOKEN_EMBEDDING_SCALE,
                                                     SUTRA_ROLE_POSITION_EMBEDDING_SCALE,
                                                     SUTRA_ROLE_DENSE_WEIGHT,
                                                     SUTRA_ROLE_DENSE_BIAS,
                                                     SUTRA_ROLE_HEAD_NORM_WEIGHT,
                                                     SUTRA_ROLE_HEAD_NORM_BIAS,
                                                     SUTRA_ROLE_TOKEN_WEIGHT,
                                                     SUTRA_ROLE_TOKEN_ROW};
    Stored stored = {.count = 0};
    for (size_t i = 0; i < SU_BUNDLE_ROLES; i++) store(model, given, num_given, roles[i], &stored);
    return stored;
}

static void write_tensors(const Stored *stored, SuByteWriter *to)
{
    su_write_u32(to, stored->count);
    for (uint32_t i = 0; i < stored->count; i++) {
        const SutraTensor *tensor = stored->tensors[i];
        su_write_u32(to, tensor->role);
        su_write_u32(to, tensor->layer);
        su_write_u32(to, tensor->dtype);
        su_write_u32(to, tensor->num_dims);
        for (size_t d = 0; d < 4; d++) su_write_u64(to, tensor->shape[d]);
    }
}

static SutraStatus add_bytes(SuContainerWriter *writer, const char *name, const SuByteWriter *bytes,
                             SutraError *err)
{
    if (bytes->failed) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", writer->file.path);
    return su_container_writer_add(writer, name, bytes->data, bytes->size, err);
}

static SutraStatus add_tokenizer(SuContainerWriter *writer, const SuTokenizer *tokenizer,
                                 SutraError *err)
{
    size_t size;
    unsigned char *image;
    SU_TRY(su_tokenizer_image_create(tokenizer, &image, &size, err));
    SutraStatus status = su_container_writer_add(writer, SU_SECTION_TOKENIZER, image, size, err);
    su_free_aligned(image);
    return status;
}

static SutraStatus add_tensors(SuContainerWriter *writer, const Stored *stored, SutraError *err)
{
    char name[SU_CONTAINER_NAME];
    for (uint32_t i = 0; i < stored->count; i++) {
        snprintf(name, sizeof name, SU_SECTION_TENSOR, i);
        SU_TRY(su_container_writer_add(writer, name, stored->tensors[i]->data,
                                       stored->tensors[i]->size, err));
    }
    return SUTRA_OK;
}

static SutraStatus add_sections(SuContainerWriter *writer, const SutraModel *model,
                                const Stored *stored, const SuByteWriter *source, SutraError *err)
{
    SuByteWriter spec = {0}, facts = {0}, tensors = {0};
    SutraStatus status = su_bundle_write_spec(&model->spec, writer->file.path, &spec, err);
    write_facts(model, &facts);
    write_tensors(stored, &tensors);
    if (status == SUTRA_OK) status = add_bytes(writer, SU_SECTION_SPEC, &spec, err);
    if (status == SUTRA_OK) status = add_bytes(writer, SU_SECTION_FACTS, &facts, err);
    if (status == SUTRA_OK) status = add_bytes(writer, SU_SECTION_SOURCE, source, err);
    if (status == SUTRA_OK) status = add_bytes(writer, SU_SECTION_TENSORS, &tensors, err);
    if (status == SUTRA_OK) status = add_tokenizer(writer, model->tokenizer, err);
    if (status == SUTRA_OK) status = add_tensors(writer, stored, err);
    su_byte_writer_free(&spec);
    su_byte_writer_free(&facts);
    su_byte_writer_free(&tensors);
    return status;
}

SutraStatus su_bundle_write(const SutraModel *model, const SutraTensor *given, size_t num_given,
                            const SuByteWriter *source, const char *path, SutraError *err)
{
    SuContainerWriter writer;
    Stored stored = stored_tensors(model, given, num_given);
    SutraStatus status = su_container_writer_open(path, 5 + stored.count, &writer, err);
    if (status == SUTRA_OK) status = add_sections(&writer, model, &stored, source, err);
    if (status == SUTRA_OK) return su_container_writer_commit(&writer, err);
    su_container_writer_discard(&writer);
    return status;
}
