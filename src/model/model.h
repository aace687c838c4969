/* model.h - what SutraModel is: everything read from a model's folder, immutable once opened.
 *
 *   file of the folder                       what is read from it
 *   config.json                              spec (enumerations and sizes), family
 *   model.safetensors,                       tensors: roles into the mapped files
 *     or model.safetensors.index.json and shards
 *   tokenizer.json or vocab.txt,             tokenizer, max_tokens, truncate_left
 *     tokenizer_config.json, sentence_bert_config.json
 *   modules.json, N_Pooling/config.json      pooling, normalize, pool_prompt
 *   config_sentence_transformers.json        prompts, default_prompt
 *   sutra.json                               name, revision, digest
 *
 * A bundle made from such a folder (bundle.h) fills the same struct.
 *
 * Families (src/model/family_*.c) are tables from weight names to roles; nothing below src/model
 * knows a weight name. */
#ifndef SU_MODEL_H
#define SU_MODEL_H

#include "base/file_map.h"
#include "sutra_backend.h"
#include "tokenizer/tokenizer.h"

#include <pthread.h>
#include <stdatomic.h>

/* A model loaded into one device; the weights are packed once and shared by every engine that uses
 * them. */
typedef struct SuResident {
    const SutraBackend *backend;
    uint32_t device;
    SutraCompute compute;
    bool loading; /* by a thread that holds the model */
    void *handle; /* of backend->load */
    struct SuResident *next;
} SuResident;

/* What an engine made from a model, without a reference of its own: it goes before the model does.
 * The engine has it in a list too, so one lock guards the links of all models. */
typedef struct SuModelLink {
    struct SuModelLink *next;
    void (*drop)(struct SuModelLink *link); /* frees it; the links are locked */
} SuModelLink;

typedef struct SuPrompt {
    char *name, *text;
} SuPrompt;

struct SutraModel {
    _Atomic uint32_t references;

    SutraSpec spec; /* its window, rope_base and heads are the next three */
    uint32_t *window;
    float *rope_base;
    SutraHead heads[8];
    SutraTensor *tensors; /* [num_tensors] */
    size_t num_tensors;
    SuTokenizer *tokenizer;
    const void *tokenizer_image; /* [tokenizer_image_size] where it lies in a bundle, or NULL */
    size_t tokenizer_image_size;
    const char *tokenizer_class; /* static: "BertTokenizer" */

    SutraCompute compute;
    SutraPooling pooling; /* never SUTRA_POOL_MODEL */
    bool normalize;
    uint32_t truncate_dim; /* vectors are cut to this many elements; 0: not */
    bool pool_prompt;      /* include_prompt of the pooling config: prompt tokens are pooled too */
    bool truncate_left;    /* tokenizer's truncation_side */
    uint32_t max_tokens;   /* special tokens included; ≤ positions that the model has */
    /* A text is cut to so many characters a token of its limit, before it is tokenised (model2vec);
     * 0: it is not. */
    uint32_t token_characters;
    uint32_t max_positions; /* longest text the position scheme can take; 0: no limit */
    uint64_t weight_bytes;  /* see SutraModelInfo */
    uint64_t num_parameters;

    SuPrompt *prompts;                         /* [num_prompts] */
    const char **prompt_names, **prompt_texts; /* the same, as SutraModelInfo wants them */
    uint32_t num_prompts;
    const char *default_prompt; /* a name in prompts, or NULL */

    char *path, *name, *family, *digest, *revision;
    char *bundle_digest; /* NULL: not opened from a bundle */
    char *cache_problem; /* or NULL; set while opening */
    const char *dtype;   /* of most of the stored weights: "float32", "float16", "bfloat16" */

    unsigned char *converted; /* tensors that are not used as they are stored, or NULL */
    SuFileMap *maps;          /* [num_maps] the weight files */
    size_t num_maps;

    pthread_mutex_t resident_lock; /* guards residents, the one part that changes after opening */
    pthread_cond_t resident_loaded;
    SuResident *residents;
    SuModelLink *links; /* guarded by su_model_links_lock */
};

/* max_tokens of a model that takes any number of them. */
#define SU_ANY_LENGTH UINT32_MAX

/* Whether it has no layers: see SutraSpec. */
static inline bool su_model_is_static(const SutraModel *model)
{
    return model->spec.num_layers == 0;
}

/* The longest text that the position scheme can take, in tokens; 0: no limit. */
static inline uint32_t su_spec_longest(const SutraSpec *spec)
{
    return spec->position == SUTRA_POSITION_NONE ? 0 : spec->max_positions - spec->position_offset;
}

/* See sutra_model_open. */
SutraStatus su_model_open(const char *path, const SutraModelOptions *options, SutraModel **model,
                          SutraError *err);
/* One more reference; returns model. */
SutraModel *su_model_retain(SutraModel *model);

/* Whether others than the caller, who has one reference, have some. */
bool su_model_is_shared(const SutraModel *model);

/* Gives one reference back; with the last one the model ends. */
void su_model_free(SutraModel *model);

/* The model's end, whatever its references: drops the links, then unloads the residents. */
void su_model_destroy(SutraModel *model);

void su_model_links_lock(void);
void su_model_links_unlock(void);
/* The links are locked. */
void su_model_link(SutraModel *model, SuModelLink *link);
void su_model_unlink(SutraModel *model, SuModelLink *link);

/* The prompt's text, or NULL with ARGUMENT raised (lists the known names). name NULL: default
 * prompt; "": none. *text is "" when there is none. Borrowed from the model. */
SutraStatus su_model_prompt(const SutraModel *model, const char *name, const char **text,
                            SutraError *err);

/* Whether it gives scores of pairs, and no vectors: its last head is one of scores. */
bool su_model_is_reranker(const SutraModel *model);
/* Elements of a whole row: after the heads where it is pooled, or scores; else the hidden size. */
uint32_t su_model_features(const SutraModel *model, SutraOutput output);
/* Elements of a pooled vector by default. */
uint32_t su_model_dim(const SutraModel *model);

/* Exactly one tensor of that role and layer, or NULL. */
const SutraTensor *su_model_tensor(const SutraModel *model, SutraRole role, uint32_t layer);

#endif
