/* A student that is a table of token vectors:
 *
 *   modules.json                        StaticEmbedding, Normalize
 *   model.safetensors                   embedding.weight [vocab, dim]
 *   tokenizer.json                      the teacher's, that neither cuts nor pads
 *   1_Normalize/config.json, config_sentence_transformers.json */
#include "base/file_map.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "train/student_files.h"
#include "train/student_folder.h"

#define TOKENIZER "tokenizer.json"

SutraStatus su_student_has_tokenizer(const char *teacher, SutraError *err)
{
    char *path = su_path_join(teacher, TOKENIZER);
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", teacher);
    bool there = su_file_exists(path);
    su_free(path);
    if (there) return SUTRA_OK;
    SU_RAISE(err, SUTRA_E_UNSUPPORTED, "%s: it has no " TOKENIZER ", which a static student needs",
             teacher);
}

static SutraStatus write_tokenizer(const char *teacher, const char *folder, SutraError *err)
{
    json_t *root = NULL;
    char *path = su_path_join(teacher, TOKENIZER);
    if (!path) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", teacher);
    SutraStatus status = su_json_load(path, &root, err);
    if (status == SUTRA_OK && (json_object_set_new(root, "truncation", json_null()) != 0 ||
                               json_object_set_new(root, "padding", json_null()) != 0))
        status = su_error_set(err, SUTRA_E_FORMAT, "%s: not an object", path);
    if (status == SUTRA_OK) status = su_student_json(folder, TOKENIZER, root, err);
    json_decref(root);
    su_free(path);
    return status;
}

/* Takes json. */
static SutraStatus write_new(const char *folder, const char *name, json_t *json, SutraError *err)
{
    SutraStatus status = su_student_json(folder, name, json, err);
    json_decref(json);
    return status;
}

static SutraStatus write_modules(const char *folder, SutraError *err)
{
    return write_new(
        folder, "modules.json",
        json_pack("[{s:i, s:s, s:s, s:s}, {s:i, s:s, s:s, s:s}]", "idx", 0, "name", "0", "path", "",
                  "type", "sentence_transformers.models.StaticEmbedding", "idx", 1, "name", "1",
                  "path", "1_Normalize", "type", "sentence_transformers.models.Normalize"),
        err);
}

static SutraStatus write_settings(const char *folder, SutraError *err)
{
    char *normalize = su_path_join(folder, "1_Normalize");
    if (!normalize) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", folder);
    SutraStatus status = su_directory_create(normalize, err);
    if (status == SUTRA_OK) status = write_new(normalize, "config.json", json_object(), err);
    su_free(normalize);
    if (status != SUTRA_OK) return status;
    return write_new(folder, "config_sentence_transformers.json",
                     json_pack("{s:s, s:{}, s:n, s:s}", "model_type", "SentenceTransformer",
                               "prompts", "default_prompt_name", "similarity_fn_name", "cosine"),
                     err);
}

SutraStatus su_student_write_table(const char *teacher, const char *folder, const float *weights,
                                   size_t vocab, size_t dim, SutraError *err)
{
    SU_TRY(su_directory_create(folder, err));
    SU_TRY(write_modules(folder, err));
    SU_TRY(write_settings(folder, err));
    SU_TRY(write_tokenizer(teacher, folder, err));
    return su_student_tensor(folder, "embedding.weight", weights, vocab, dim, err);
}
