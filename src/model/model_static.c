/* Static models: a table of token vectors, and a text is the mean of its tokens' (no layers).
 *
 *   modules.json names StaticEmbedding     no modules.json, config.json is model2vec's
 *     tokenizer.json, model.safetensors      tokenizer.json, model.safetensors, config.json
 *     embedding.weight [vocab, dim],         embeddings [rows, dim], weights [vocab],
 *     or the tensors on the right            mapping [vocab] (both optional)
 *
 *   no special tokens                      no special tokens
 *   truncation: tokenizer.json's,          truncation: max_length tokens (512 unless given), of
 *     mostly none                            max_length times the tokens' median of characters
 *   all tokens count                       the unknown token is dropped
 *
 * embeddings are used where they lie; what has another type than the backend takes (float64; the
 * numbers of weights and mapping, int8's scales) is converted into model->converted. */
#include "base/memory.h"
#include "model/model_parts.h"
#include "tokenizer/tokenizer_files.h"
#include "weights/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LENGTH = 512 };

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

/* ---- which folders ---- */

static bool is_package_config(const json_t *config)
{
    const char *type = json_string_value(json_object_get(config, "model_type"));
    const json_t *architectures = json_object_get(config, "architectures");
    const char *architecture = json_string_value(json_array_get(architectures, 0));
    if (type) return strcmp(type, "model2vec") == 0;
    return (architecture && strcmp(architecture, "StaticModel") == 0) ||
           json_object_get(config, "embedding_dtype");
}

SutraStatus su_static_find(SuModuleChain *chain, SutraError *err)
{
    SuConfigFile config;
    if (chain->from_file) return SUTRA_OK;
    SU_TRY(su_config_file_open(chain->transformer, "config.json", &config, err));
    chain->is_package = is_package_config(config.root);
    chain->is_static |= chain->is_package;
    su_config_file_close(&config);
    return SUTRA_OK;
}

/* ---- weights ---- */

/* The tensors of a table of token vectors; weights and mapping may be NULL. */
typedef struct StaticTensors {
    const SuTensorView *embeddings, *weights, *mapping;
    const char *where;
} StaticTensors;

static SutraStatus find_tensors(const SuTensorTable *table, bool package, StaticTensors *found,
                                SutraError *err)
{
    if (!package) found->embeddings = su_tensor_table_find(table, "embedding.weight");
    if (found->embeddings) return SUTRA_OK;
    found->embeddings = su_tensor_table_find(table, "embeddings");
    found->weights = su_tensor_table_find(table, "weights");
    found->mapping = su_tensor_table_find(table, "mapping");
    if (!found->embeddings)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s is missing", found->where,
                 package ? "embeddings" : "embedding.weight (or model2vec's embeddings)");
    return SUTRA_OK;
}

static bool is_number(SuElement element, bool whole)
{
    if (whole) return element == SU_ELEMENT_I32 || element == SU_ELEMENT_I64;
    return element == SU_ELEMENT_F16 || element == SU_ELEMENT_F32 || element == SU_ELEMENT_F64;
}

static SutraStatus check_vector(const SuTensorView *view, bool whole, uint64_t size,
                                const char *where, SutraError *err)
{
    char shape[128];
    if (!is_number(view->element, whole))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: tensor %s is stored as %s, which is not supported; known: %s", where,
                 view->name, su_element_name(view->element), whole ? "I32, I64" : "F16, F32, F64");
    if (view->num_dims != 1 || view->shape[0] != size || size == 0)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s has shape %s, not [%llu], a number a token",
                 where, view->name,
                 su_shape_format(view->shape, view->num_dims, shape, sizeof shape),
                 (unsigned long long)size);
    return SUTRA_OK;
}

static SutraStatus check_shapes(const StaticTensors *found, SutraSpec *spec, SutraError *err)
{
    const SuTensorView *table = found->embeddings;
    SuElement element = table->element;
    char shape[128];
    if (element != SU_ELEMENT_I8 && element != SU_ELEMENT_BF16 && !is_number(element, false))
        SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                 "%s: tensor %s is stored as %s, which is not supported; known: F32, F16, BF16, "
                 "F64, I8",
                 found->where, table->name, su_element_name(element));
    if (table->num_dims != 2 || table->shape[0] == 0 || table->shape[0] > 1u << 24 ||
        table->shape[1] == 0 || table->shape[1] > 1u << 16)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: tensor %s has shape %s, no [rows, dimensions]",
                 found->where, table->name,
                 su_shape_format(table->shape, table->num_dims, shape, sizeof shape));
    spec->hidden_size = (uint32_t)table->shape[1];
    spec->vocab_size = (uint32_t)table->shape[0];
    if (found->mapping) {
        uint64_t tokens = found->mapping->num_dims == 1 ? found->mapping->shape[0] : 0;
        SU_TRY(
            check_vector(found->mapping, true, tokens <= 1u << 24 ? tokens : 0, found->where, err));
        spec->token_rows = spec->vocab_size;
        spec->vocab_size = (uint32_t)tokens;
    }
    if (!found->weights) return SUTRA_OK;
    return check_vector(found->weights, false, spec->vocab_size, found->where, err);
}

static double number_at(const SuTensorView *view, size_t i)
{
    double wide;
    float single;
    uint16_t half;
    if (view->element == SU_ELEMENT_F64) {
        memcpy(&wide, view->data + 8 * i, sizeof wide);
        return wide;
    }
    if (view->element == SU_ELEMENT_F32) {
        memcpy(&single, view->data + 4 * i, sizeof single);
        return (double)single;
    }
    memcpy(&half, view->data + 2 * i, sizeof half);
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                   : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                  : ldexp(fraction, -24);
    return half & 0x8000 ? -value : value;
}

/* To nearest; one that is too large for a float is infinite then, and no vector. */
static void convert_numbers(const SuTensorView *view, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++) to[i] = (float)number_at(view, i);
}

static SutraStatus convert_rows(const StaticTensors *found, const SutraSpec *spec, int32_t *to,
                                SutraError *err)
{
    const SuTensorView *view = found->mapping;
    for (size_t i = 0; i < spec->vocab_size; i++) {
        int64_t row;
        int32_t narrow;
        memcpy(&narrow, view->data + 4 * i, sizeof narrow);
        row = narrow;
        if (view->element == SU_ELEMENT_I64) memcpy(&row, view->data + 8 * i, sizeof row);
        if (row < 0 || row >= (int64_t)spec->token_rows)
            SU_RAISE(err, SUTRA_E_FORMAT,
                     "%s: mapping gives token %zu the row %lld, of %u that there are", found->where,
                     i, (long long)row, spec->token_rows);
        to[i] = (int32_t)row;
    }
    return SUTRA_OK;
}

static SutraStatus check_weights(const StaticTensors *found, const float *weights, size_t n,
                                 SutraError *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(weights[i]))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: weights gives token %zu the weight %g", found->where,
                     i, (double)weights[i]);
    return SUTRA_OK;
}

/* Places in model->converted; NULL: not needed, or not yet there. */
typedef struct Converted {
    float *table, *scales, *weights;
    int32_t *rows;
} Converted;

static Converted carve(SuArena *arena, const StaticTensors *found, const SutraSpec *spec)
{
    Converted at = {0};
    size_t rows = (size_t)found->embeddings->shape[0];
    if (found->embeddings->element == SU_ELEMENT_F64)
        at.table = su_arena_carve(arena, rows * spec->hidden_size * sizeof *at.table);
    if (found->embeddings->element == SU_ELEMENT_I8)
        at.scales = su_arena_carve(arena, rows * sizeof *at.scales);
    if (found->weights) at.weights = su_arena_carve(arena, spec->vocab_size * sizeof *at.weights);
    if (found->mapping) at.rows = su_arena_carve(arena, spec->vocab_size * sizeof *at.rows);
    return at;
}

static void add_tensor(SutraModel *model, SutraRole role, SutraTensorType type, size_t rows,
                       size_t columns, const void *data, size_t size)
{
    model->tensors[model->num_tensors++] = (SutraTensor){.role = role,
                                                         .dtype = type,
                                                         .num_dims = columns ? 2 : 1,
                                                         .shape = {rows, columns},
                                                         .data = data,
                                                         .size = size};
}

static void add_table(SutraModel *model, const SuTensorView *table, const float *converted)
{
    static const SutraTensorType types[SU_ELEMENT_COUNT] = {[SU_ELEMENT_F16] = SUTRA_TENSOR_F16,
                                                            [SU_ELEMENT_BF16] = SUTRA_TENSOR_BF16,
                                                            [SU_ELEMENT_I8] = SUTRA_TENSOR_I8};
    size_t rows = (size_t)table->shape[0], columns = (size_t)table->shape[1];
    add_tensor(model, SUTRA_ROLE_TOKEN_EMBEDDING, types[table->element], rows, columns,
               converted ? (const void *)converted : table->data,
               converted ? rows * columns * sizeof *converted : table->size);
}

/* int8 stands for itself: the scale of each row is 1. */
static SutraStatus bind(SutraModel *model, const StaticTensors *found, SutraError *err)
{
    const SutraSpec *spec = &model->spec;
    size_t rows = (size_t)found->embeddings->shape[0], vocab = spec->vocab_size;
    SuArena arena = {0};
    carve(&arena, found, spec);
    model->tensors = su_calloc(4, sizeof *model->tensors);
    model->converted = su_alloc_aligned(arena.used ? arena.used : 1);
    if (!model->tensors || !model->converted) return out_of_memory(found->where, err);
    arena = (SuArena){.base = model->converted, .size = arena.used};
    Converted at = carve(&arena, found, spec);
    if (at.table) convert_numbers(found->embeddings, rows * spec->hidden_size, at.table);
    add_table(model, found->embeddings, at.table);
    for (size_t i = 0; at.scales && i < rows; i++) at.scales[i] = 1.0f;
    if (at.scales)
        add_tensor(model, SUTRA_ROLE_TOKEN_EMBEDDING_SCALE, SUTRA_TENSOR_F32, rows, 0, at.scales,
                   rows * sizeof *at.scales);
    if (at.weights) {
        convert_numbers(found->weights, vocab, at.weights);
        SU_TRY(check_weights(found, at.weights, vocab, err));
        add_tensor(model, SUTRA_ROLE_TOKEN_WEIGHT, SUTRA_TENSOR_F32, vocab, 0, at.weights,
                   vocab * sizeof *at.weights);
    }
    if (!at.rows) return SUTRA_OK;
    SU_TRY(convert_rows(found, spec, at.rows, err));
    add_tensor(model, SUTRA_ROLE_TOKEN_ROW, SUTRA_TENSOR_I32, vocab, 0, at.rows,
               vocab * sizeof *at.rows);
    return SUTRA_OK;
}

SutraStatus su_static_bind(SutraModel *model, const SuModuleChain *chain,
                           const SuTensorTable *table, const char *where, SutraError *err)
{
    StaticTensors found = {.where = where};
    model->spec = (SutraSpec){.struct_size = sizeof model->spec, .position = SUTRA_POSITION_NONE};
    SU_TRY(find_tensors(table, chain->is_package, &found, err));
    SU_TRY(check_shapes(&found, &model->spec, err));
    SU_TRY(bind(model, &found, err));
    model->family = su_strdup(chain->is_package ? "model2vec" : "static-embedding");
    return model->family ? SUTRA_OK : out_of_memory(where, err);
}

/* ---- the tokenizer ---- */

static size_t count_characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static int compare_lengths(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

/* Of the vocabulary, in characters, rounded down. */
static SutraStatus median_length(const SuTokenizer *tokenizer, const char *where, uint32_t *median,
                                 SutraError *err)
{
    uint32_t vocab = su_tokenizer_vocab_size(tokenizer);
    uint32_t *lengths = su_alloc((size_t)vocab + 1, sizeof *lengths);
    size_t count = 0, size;
    if (!lengths) return out_of_memory(where, err);
    for (uint32_t id = 0; id < vocab; id++) {
        const char *token = su_tokenizer_token(tokenizer, (int32_t)id, &size);
        if (token) lengths[count++] = (uint32_t)count_characters(token, size);
    }
    qsort(lengths, count, sizeof *lengths, compare_lengths);
    *median = count ? (lengths[(count - 1) / 2] + lengths[count / 2]) / 2 : 0;
    su_free(lengths);
    return SUTRA_OK;
}

static uint32_t find_token(const SuTokenizer *tokenizer, const char *text)
{
    uint32_t vocab = su_tokenizer_vocab_size(tokenizer);
    for (uint32_t id = 0; id < vocab; id++) {
        size_t size;
        const char *token = su_tokenizer_token(tokenizer, (int32_t)id, &size);
        if (token && size == strlen(text) && memcmp(token, text, size) == 0) return id + 1;
    }
    return 0;
}

/* Its id + 1; 0: there is none. */
static uint32_t unknown_token(const SuTokenizer *tokenizer, const json_t *root)
{
    const json_t *token_model = json_object_get(root, "model");
    const json_t *id = json_object_get(token_model, "unk_id");
    const char *text = json_string_value(json_object_get(token_model, "unk_token"));
    if (json_is_integer(id) && json_integer_value(id) >= 0 &&
        json_integer_value(id) < su_tokenizer_vocab_size(tokenizer))
        return (uint32_t)json_integer_value(id) + 1;
    return text ? find_token(tokenizer, text) : 0;
}

/* model2vec's config.json. */
static SutraStatus read_package(SutraModel *model, const char *folder, const json_t *root,
                                SutraError *err)
{
    SuConfigFile file;
    uint32_t length = DEFAULT_LENGTH;
    SU_TRY(su_config_file_open(folder, "config.json", &file, err));
    const json_t *given = json_object_get(file.root, "max_length");
    bool limited = !given || !json_is_null(given);
    SutraStatus status =
        su_json_get_bool(file.root, "normalize", file.path, &model->normalize, err);
    if (status == SUTRA_OK)
        status = su_json_get_u32(file.root, "max_length", file.path, 1, 1u << 24, &length, err);
    su_config_file_close(&file);
    if (status != SUTRA_OK) return status;
    model->spec.dropped_token = unknown_token(model->tokenizer, root);
    model->max_tokens = limited ? length : SU_ANY_LENGTH;
    return median_length(model->tokenizer, folder, &model->token_characters, err);
}

/* StaticEmbedding leaves the file's truncation as it is, which is of tokens alone. */
static SutraStatus read_truncation(SutraModel *model, const json_t *root, const char *where,
                                   SutraError *err)
{
    const json_t *truncation = json_object_get(root, "truncation");
    const char *side = "Right";
    uint32_t length = SU_ANY_LENGTH;
    if (json_is_object(truncation)) {
        SU_TRY(su_json_get_u32(truncation, "max_length", where, 1, UINT32_MAX, &length, err));
        SU_TRY(su_json_get_string(truncation, "direction", where, &side, err));
    }
    model->max_tokens = length;
    model->truncate_left = strcmp(side, "Left") == 0;
    return SUTRA_OK;
}

static SutraStatus read_tokenizer(SutraModel *model, const SuModuleChain *chain, json_t *root,
                                  const char *where, SutraError *err)
{
    if (!json_is_object(root)) SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a JSON object", where);
    json_object_del(root, "post_processor"); /* its special tokens are not asked for */
    SU_TRY(su_tokenizer_from_root(root, where, &model->tokenizer, err));
    uint32_t tokens = su_tokenizer_vocab_size(model->tokenizer);
    if (tokens > model->spec.vocab_size)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "%s: token ids go up to %u, and there are vectors of %u tokens", where, tokens - 1,
                 model->spec.vocab_size);
    model->tokenizer_class = su_tokenizer_class_find("PreTrainedTokenizerFast", NULL);
    if (chain->is_package) return read_package(model, chain->transformer, root, err);
    return read_truncation(model, root, where, err);
}

SutraStatus su_static_read_tokenizer(SutraModel *model, const SuModuleChain *chain, SutraError *err)
{
    json_t *root = NULL;
    char *path = su_path_join(chain->transformer, "tokenizer.json");
    if (!path) return out_of_memory(chain->transformer, err);
    SutraStatus status = su_json_load(path, &root, err);
    if (status == SUTRA_OK) status = read_tokenizer(model, chain, root, path, err);
    json_decref(root);
    su_free(path);
    return status;
}
