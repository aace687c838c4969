/* model_files.h - which files of a repository a Sutra model is made of, and whether a folder has
 * them all.
 *
 * The encoder's files lie beside modules.json, or in a folder of their own that modules.json names:
 * 0_Transformer. The names alone tell: of a repository that has both, both are taken.
 *
 * Never asked for: pickled weights, code, other runtimes' exports. */
#ifndef SU_MODEL_FILES_H
#define SU_MODEL_FILES_H

#include "base/status.h"

#include <stdbool.h>

#define SU_WEIGHTS_NAME "model.safetensors"
#define SU_WEIGHTS_INDEX_NAME "model.safetensors.index.json"
#define SU_MANIFEST_NAME "sutra.json"

typedef enum SuFileRole {
    SU_FILE_OTHER = 0,      /* not part of a Sutra model */
    SU_FILE_CONFIG,         /* always needed when it is there */
    SU_FILE_TOKENIZER,      /* tokenizer.json */
    SU_FILE_SLOW_TOKENIZER, /* needed where there is no tokenizer.json */
    SU_FILE_MODULE_WEIGHTS, /* of a module after the encoder: 2_Dense/model.safetensors */
    SU_FILE_WEIGHTS,        /* model.safetensors */
    SU_FILE_SHARD           /* index and shards: needed where there is no model.safetensors */
} SuFileRole;

SuFileRole su_model_file_role(const char *name);

/* True for the encoder's config.json. */
bool su_model_file_is_config(const char *name);

/* The roles seen in a listing decide which of its files are needed. */
typedef struct SuFileRoles {
    bool tokenizer, weights;
    bool pickled; /* there are weights that are not read */
} SuFileRoles;

void su_file_roles_note(SuFileRoles *roles, const char *name);
bool su_model_file_is_needed(const SuFileRoles *roles, const char *name);

/* Weights of any kind: fetched and linked last. */
bool su_model_file_is_weights(const char *name);

/* What su_model_folder_check found. */
typedef struct SuModelFolder {
    bool has_manifest;
    uint64_t size; /* bytes of the files checked */
} SuModelFolder;

/* IO naming the first file that is missing or has the wrong size; FORMAT when a file that lists
 * others is damaged. With a manifest its files and sizes count; without one see
 * su_model_folder_check_parts. */
SutraStatus su_model_folder_check(const char *folder, SuModelFolder *found, SutraError *err);

/* config.json, a tokenizer, model.safetensors or every shard of the index in the folder of the
 * first module of modules.json, and the configuration of every pooling and dense module after
 * it. */
SutraStatus su_model_folder_check_parts(const char *folder, SuModelFolder *found, SutraError *err);

#endif
