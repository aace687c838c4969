/* Reading a bundle. What it holds is trusted no more than a folder's files: every number is checked
 * against the bounds that the rest of the engine relies on. */
#include "base/memory.h"
#include "container/container.h"
#include "model/bundle.h"
#include "model/bundle_parts.h"
#include "model/model_parts.h"
#include "tokenizer/tokenizer_image.h"

#include <stdio.h>
#include <string.h>

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

static SutraStatus damaged(const char *where, const char *section, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is damaged", where, section);
}

static SutraStatus find_section(const SuContainer *container, const char *name,
                                const SuSection **section, SutraError *err)
{
    *section = su_container_find(container, name);
    if (!*section)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: section %s is missing", container->path, name);
    return SUTRA_OK;
}

static SutraStatus open_section(const SuContainer *container, const char *name,
                                SuByteReader *reader, SutraError *err)
{
    const SuSection *section;
    SU_TRY(find_section(container, name, &section, err));
    *reader = (SuByteReader){.at = section->data, .end = section->data + section->size};
    return SUTRA_OK;
}

static SutraStatus read_spec(SutraModel *model, const SuContainer *container, SutraError *err)
{
    SuByteReader reader;
    SU_TRY(open_section(container, SU_SECTION_SPEC, &reader, err));
    return su_bundle_read_spec(model, reader, container->path, err);
}

static const char *known_dtype(const char *name)
{
    static const char *const names[] = {"float32", "float16", "bfloat16", "int8"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return names[i];
    return NULL;
}

static bool read_numbers(SutraModel *model, SuByteReader *reader)
{
    uint32_t compute = su_read_u32(reader), pooling = su_read_u32(reader);
    uint32_t normalize = su_read_u32(reader), pool_prompt = su_read_u32(reader);
    uint32_t truncate_left = su_read_u32(reader);
    model->max_tokens = su_read_u32(reader);
    model->max_positions = su_read_u32(reader);
    model->truncate_dim = su_read_u32(reader);
    model->num_parameters = su_read_u64(reader);
    model->compute = (SutraCompute)compute;
    model->pooling = (SutraPooling)pooling;
    model->normalize = normalize;
    model->pool_prompt = pool_prompt;
    model->truncate_left = truncate_left;
    const SutraSpec *spec = &model->spec;
    uint32_t positions = su_spec_longest(spec);
    return compute > SUTRA_COMPUTE_DEFAULT && compute <= SUTRA_COMPUTE_FP8 &&
           pooling > SUTRA_POOL_MODEL && pooling <= SUTRA_POOL_LAST && normalize <= 1 &&
           pool_prompt <= 1 && truncate_left <= 1 && model->max_positions == positions &&
           (positions == 0 || model->max_tokens <= positions);
}

static SutraStatus read_prompts(SutraModel *model, SuByteReader *reader, const char *where,
                                SutraError *err)
{
    size_t count = su_read_u32(reader);
    if (reader->failed || count > (size_t)(reader->end - reader->at) / 8)
        return damaged(where, SU_SECTION_FACTS, err); /* each takes the sizes of two strings */
    if (count) {
        model->prompts = su_calloc(count, sizeof *model->prompts);
        model->prompt_names = su_calloc(count, sizeof *model->prompt_names);
        model->prompt_texts = su_calloc(count, sizeof *model->prompt_texts);
        if (!model->prompts || !model->prompt_names || !model->prompt_texts)
            return out_of_memory(where, err);
    }
    for (size_t i = 0; i < count && !reader->failed; i++) {
        model->num_prompts++;
        model->prompt_names[i] = model->prompts[i].name = su_read_string(reader);
        model->prompt_texts[i] = model->prompts[i].text = su_read_string(reader);
    }
    uint32_t default_prompt = su_read_u32(reader);
    if (reader->failed || default_prompt > count) return damaged(where, SU_SECTION_FACTS, err);
    model->default_prompt = default_prompt ? model->prompts[default_prompt - 1].name : NULL;
    return SUTRA_OK;
}

static SutraStatus read_facts(SutraModel *model, const SuContainer *container, SutraError *err)
{
    SuByteReader reader;
    SU_TRY(open_section(container, SU_SECTION_FACTS, &reader, err));
    model->name = su_read_string(&reader);
    model->family = su_read_string(&reader);
    model->digest = su_read_string(&reader);
    model->revision = su_read_string(&reader);
    char *dtype = su_read_string(&reader);
    model->dtype = known_dtype(dtype);
    su_free(dtype);
    if (reader.failed || !model->dtype || !read_numbers(model, &reader))
        return damaged(container->path, SU_SECTION_FACTS, err);
    SU_TRY(read_prompts(model, &reader, container->path, err));
    char *class = su_read_string(&reader);
    model->tokenizer_class = class ? su_tokenizer_class_find(class, NULL) : NULL;
    su_free(class);
    if (!model->tokenizer_class) return damaged(container->path, SU_SECTION_FACTS, err);
    if (su_model_is_static(model)) model->token_characters = su_read_u32(&reader);
    if (reader.failed) return damaged(container->path, SU_SECTION_FACTS, err);
    if (reader.at != reader.end) return damaged(container->path, SU_SECTION_FACTS, err);
    return SUTRA_OK;
}

static SutraStatus read_tensor(const SuContainer *container, SuByteReader *reader, uint32_t index,
                               SutraTensor *tensor, SutraError *err)
{
    char name[SU_CONTAINER_NAME];
    const SuSection *section;
    snprintf(name, sizeof name, SU_SECTION_TENSOR, index);
    SU_TRY(find_section(container, name, &section, err));
    *tensor = (SutraTensor){.data = section->data, .size = section->size};
    tensor->role = su_read_u32(reader);
    tensor->layer = su_read_u32(reader);
    tensor->dtype = su_read_u32(reader);
    tensor->num_dims = su_read_u32(reader);
    for (size_t d = 0; d < 4; d++) tensor->shape[d] = su_read_u64(reader);
    if (reader->failed || tensor->role >= SUTRA_ROLE_COUNT || tensor->dtype > SUTRA_TENSOR_I32 ||
        tensor->num_dims > 4)
        return damaged(container->path, SU_SECTION_TENSORS, err);
    return SUTRA_OK;
}

static SutraStatus read_tensors(SutraModel *model, const SuContainer *container, SutraError *err)
{
    SuByteReader reader;
    SU_TRY(open_section(container, SU_SECTION_TENSORS, &reader, err));
    uint32_t count = su_read_u32(&reader);
    if (count == 0 || count > SU_BUNDLE_MAX_TENSORS)
        return damaged(container->path, SU_SECTION_TENSORS, err);
    model->tensors = su_calloc(count, sizeof *model->tensors);
    if (!model->tensors) return out_of_memory(container->path, err);
    for (uint32_t i = 0; i < count; i++)
        SU_TRY(read_tensor(container, &reader, i, &model->tensors[i], err));
    model->num_tensors = count;
    if (reader.at != reader.end || !su_model_tensor(model, SUTRA_ROLE_PACKED_CPU, 0))
        return damaged(container->path, SU_SECTION_TENSORS, err);
    return SUTRA_OK;
}

static SutraStatus read_tokenizer(SutraModel *model, const SuContainer *container, SutraError *err)
{
    const SuSection *section;
    SU_TRY(find_section(container, SU_SECTION_TOKENIZER, &section, err));
    SU_TRY(su_tokenizer_open_image(section->data, (size_t)section->size, container->path,
                                   &model->tokenizer, err));
    if (su_tokenizer_vocab_size(model->tokenizer) > model->spec.vocab_size)
        return damaged(container->path, SU_SECTION_TOKENIZER, err);
    model->tokenizer_image = section->data;
    model->tokenizer_image_size = (size_t)section->size;
    return SUTRA_OK;
}

static SutraStatus check_options(SutraModel *model, const SutraModelOptions *options,
                                 const char *path, SutraError *err)
{
    uint64_t size = 0;
    for (size_t i = 0; i < model->num_tensors; i++) size += model->tensors[i].size;
    model->weight_bytes = size;
    if (options && options->compute && options->compute != model->compute)
        SU_RAISE(
            err, SUTRA_E_UNSUPPORTED,
            "%s: its weights are in %s, not in %s: open it as it is, or convert the model again",
            path, sutra_compute_name(model->compute), sutra_compute_name(options->compute));
    if (options && options->memory_limit && size > options->memory_limit)
        SU_RAISE(err, SUTRA_E_LIMIT,
                 "%s: the weights take %llu bytes in memory, over the limit of %llu", path,
                 (unsigned long long)size, (unsigned long long)options->memory_limit);
    return SUTRA_OK;
}

static SutraStatus read_all(SutraModel *model, const SuContainer *container,
                            const SutraModelOptions *options, SutraError *err)
{
    SU_TRY(read_spec(model, container, err));
    SU_TRY(read_facts(model, container, err));
    SU_TRY(read_tensors(model, container, err));
    SU_TRY(check_options(model, options, container->path, err));
    return read_tokenizer(model, container, err);
}

static char *digest_text(SuDigest digest)
{
    char text[5 + 2 * sizeof digest.bytes + 1] = "xxh3:";
    for (size_t i = 0; i < sizeof digest.bytes; i++)
        snprintf(text + 5 + 2 * i, 3, "%02x", digest.bytes[i]);
    return su_strdup(text);
}

SutraStatus su_bundle_read(SutraModel *model, const char *path, const SutraModelOptions *options,
                           SutraError *err)
{
    SuContainer container;
    model->path = su_strdup(path);
    model->maps = su_calloc(1, sizeof *model->maps);
    if (!model->path || !model->maps) return out_of_memory(path, err);
    SU_TRY(su_container_open(path, &container, err));
    SutraStatus status = read_all(model, &container, options, err);
    model->bundle_digest = digest_text(su_container_identity(&container));
    if (status == SUTRA_OK && !model->bundle_digest) status = out_of_memory(path, err);
    model->maps[0] = container.map; /* tensors and tokenizer point into it */
    model->num_maps = 1;
    container.map = (SuFileMap){0};
    su_container_close(&container);
    return status;
}

bool su_bundle_is_path(const char *path)
{
    static const char ending[] = ".sutra";
    size_t size = strlen(path), tail = sizeof ending - 1;
    return size > tail && strcmp(path + size - tail, ending) == 0 && su_file_exists(path);
}
