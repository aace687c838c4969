/* What is written besides the teacher's files, K being the number of its modules but Normalize:
 *
 *   modules.json             with K_Dense before Normalize
 *   K_Dense/config.json      in_features, out_features, no bias, Identity
 *   K_Dense/model.safetensors   linear.weight [out, in]
 *
 *   TEACHER.md               the teacher's README.md
 *
 * A teacher without modules.json is a Transformer with mean pooling, and gets both modules. */
#include "train/student_folder.h"

#include "base/byte_codec.h"
#include "base/file_map.h"
#include "base/file_write.h"
#include "base/folder_tree.h"
#include "base/json_file.h"
#include "base/memory.h"
#include "train/student_files.h"

#include <stdio.h>
#include <string.h>

/* Not the record of where the teacher came from, nor its forms for other programs, whose vectors
 * are the teacher's. */
static bool belongs(const char *name, bool is_folder)
{
    static const char *const left_out[] = {"sutra.json",         "onnx",          "openvino",
                                           "pytorch_model.bin",  "tf_model.h5",   "model.onnx",
                                           "flax_model.msgpack", "rust_model.ot", "coreml"};
    (void)is_folder;
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strcmp(name, left_out[i]) == 0) return false;
    return base[0] != '.';
}

/* ---- digests ---- */

typedef struct Digests {
    SuByteWriter model, tokenizer; /* names and digests of files */
} Digests;

static bool is_of_tokenizer(const char *name)
{
    static const char *const starts[] = {"tokenizer",      "vocab",        "merges",
                                         "special_tokens", "added_tokens", "sentencepiece",
                                         "spiece"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0) return true;
    return false;
}

static SutraStatus digest_file(void *user, const char *path, const char *name, SutraError *err)
{
    Digests *digests = user;
    SuFileMap map;
    SuByteWriter *writer = is_of_tokenizer(name) ? &digests->tokenizer : &digests->model;
    SU_TRY(su_file_map_open(path, &map, err));
    SuDigest digest = su_digest(map.data, map.size);
    su_file_map_close(&map);
    su_write_string(writer, name);
    su_write_bytes(writer, &digest, sizeof digest);
    return SUTRA_OK;
}

SutraStatus su_teacher_digest(const char *teacher, SuDigest *model, SuDigest *tokenizer,
                              SutraError *err)
{
    Digests digests = {{0}, {0}};
    SutraStatus status = su_tree_visit(teacher, belongs, digest_file, &digests, err);
    if (status == SUTRA_OK && (digests.model.failed || digests.tokenizer.failed))
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", teacher);
    *model = su_digest(digests.model.data, digests.model.size);
    *tokenizer = su_digest(digests.tokenizer.data, digests.tokenizer.size);
    su_byte_writer_free(&digests.model);
    su_byte_writer_free(&digests.tokenizer);
    return status;
}

/* ---- modules.json ---- */

static json_t *new_module(const char *path, const char *type)
{
    char class[64];
    snprintf(class, sizeof class, "sentence_transformers.models.%s", type);
    return json_pack("{s:s, s:s}", "path", path, "type", class);
}

static bool is_normalize(const json_t *module)
{
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *dot = type ? strrchr(type, '.') : NULL;
    return dot && strcmp(dot + 1, "Normalize") == 0;
}

/* Of a teacher without modules.json. */
static SutraStatus new_modules(const char *folder, size_t in, json_t **modules, SutraError *err)
{
    char *path = su_path_join(folder, "1_Pooling");
    SutraStatus status = path ? su_directory_create(path, err)
                              : su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    json_t *pooling = json_pack("{s:I, s:b}", "word_embedding_dimension", (json_int_t)in,
                                "pooling_mode_mean_tokens", 1);
    if (status == SUTRA_OK) status = su_student_json(path, "config.json", pooling, err);
    json_decref(pooling);
    su_free(path);
    *modules =
        json_pack("[o, o]", new_module("", "Transformer"), new_module("1_Pooling", "Pooling"));
    return status;
}

static SutraStatus read_modules(const char *folder, size_t in, json_t **modules, SutraError *err)
{
    char *path = su_path_join(folder, "modules.json");
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    SutraStatus status = su_file_exists(path) ? su_json_load(path, modules, err)
                                              : new_modules(folder, in, modules, err);
    su_free(path);
    return status;
}

/* A folder that the teacher has not: its modules need not be named by their numbers. */
static SutraStatus name_module(const char *folder, size_t place, char *name, size_t capacity,
                               SutraError *err)
{
    for (bool taken = true; taken; place++) {
        snprintf(name, capacity, "%zu_Dense", place);
        char *path = su_path_join(folder, name);
        if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
        taken = su_path_exists(path);
        su_free(path);
    }
    return SUTRA_OK;
}

/* Numbers modules anew and writes them. `dense` gets the new module's folder. */
static SutraStatus add_module(const char *folder, size_t in, char *dense, size_t capacity,
                              SutraError *err)
{
    json_t *modules = NULL;
    SutraStatus status = read_modules(folder, in, &modules, err);
    size_t count = json_array_size(modules);
    size_t place = count && is_normalize(json_array_get(modules, count - 1)) ? count - 1 : count;
    if (status == SUTRA_OK) status = name_module(folder, place, dense, capacity, err);
    if (status == SUTRA_OK &&
        json_array_insert_new(modules, place, new_module(dense, "Dense")) != 0)
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    for (size_t i = 0; i <= count && status == SUTRA_OK; i++) {
        char number[24];
        json_t *module = json_array_get(modules, i);
        snprintf(number, sizeof number, "%zu", i);
        if (json_object_set_new(module, "idx", json_integer((json_int_t)i)) != 0 ||
            json_object_set_new(module, "name", json_string(number)) != 0)
            status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    }
    if (status == SUTRA_OK) status = su_student_json(folder, "modules.json", modules, err);
    json_decref(modules);
    return status;
}

/* ---- the Dense module ---- */

static SutraStatus write_config(const char *folder, size_t in, size_t out, SutraError *err)
{
    json_t *config = json_pack("{s:I, s:I, s:b, s:s}", "in_features", (json_int_t)in,
                               "out_features", (json_int_t)out, "bias", 0, "activation_function",
                               "torch.nn.modules.linear.Identity");
    SutraStatus status = su_student_json(folder, "config.json", config, err);
    json_decref(config);
    return status;
}

/* What the teacher's model card says is not true of the student; its licence is. */
static SutraStatus rename_card(const char *folder, SutraError *err)
{
    char *card = su_path_join(folder, "README.md"), *kept = su_path_join(folder, "TEACHER.md");
    SutraStatus status = SUTRA_OK;
    if (!card || !kept)
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    else if (su_path_exists(card)) {
        status = su_tree_remove(kept, err);
        if (status == SUTRA_OK) status = su_tree_rename(card, kept, err);
    }
    su_free(card);
    su_free(kept);
    return status;
}

SutraStatus su_student_write(const char *teacher, const char *folder, const float *weights,
                             size_t in, size_t out, SutraError *err)
{
    char name[32];
    SU_TRY(su_tree_copy(teacher, folder, belongs, err));
    SU_TRY(rename_card(folder, err));
    SU_TRY(add_module(folder, in, name, sizeof name, err));
    char *dense = su_path_join(folder, name);
    SutraStatus status = dense ? su_directory_create(dense, err)
                               : su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    if (status == SUTRA_OK) status = write_config(dense, in, out, err);
    if (status == SUTRA_OK)
        status = su_student_tensor(dense, "linear.weight", weights, out, in, err);
    su_free(dense);
    return status;
}
