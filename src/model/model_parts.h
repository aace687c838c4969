/* model_parts.h - the steps of opening a model folder, each in a file of its own.
 *
 * Every step fills its fields of SutraModel; what it has filled when it fails is freed by
 * su_model_destroy. */
#ifndef SU_MODEL_PARTS_H
#define SU_MODEL_PARTS_H

#include "base/json_file.h"
#include "model/family.h"
#include "model/model.h"
#include "tokenizer/tokenizer_settings.h"

/* A JSON object in a file that may be absent (root NULL). */
typedef struct SuConfigFile {
    char *path;
    json_t *root;
} SuConfigFile;

/* Errors: IO, FORMAT (damaged, or not an object), MEMORY. */
SutraStatus su_config_file_open(const char *folder, const char *name, SuConfigFile *file,
                                SutraError *err);
void su_config_file_close(SuConfigFile *file);

/* Refuse what the encoder's folder must not hold, and what a folder's modules.json must not name.
 * Errors: UNSUPPORTED; IO, FORMAT (modules.json cannot be read), MEMORY. */
SutraStatus su_model_check_adapter(const char *folder, SutraError *err);
SutraStatus su_model_check_modules(const char *folder, SutraError *err);
/* Of check_modules: names the Router, `module` of modules.json, and its routes. */
SutraStatus su_model_refuse_router(const char *folder, const json_t *module, const char *where,
                                   SutraError *err);

/* The activation that a class of torch.nn is. `key` and `where` are for the message. Errors:
 * UNSUPPORTED (another class). */
SutraStatus su_model_activation(const char *path, const char *key, const char *where,
                                SutraActivation *activation, SutraError *err);

enum { SU_MAX_DENSE = 4 };

/* A Dense module, or a LayerNorm: its folder, and what its config.json says. */
typedef struct SuDenseModule {
    char *folder;
    bool norm;        /* a LayerNorm: in == out, a bias, no activation */
    uint32_t in, out; /* features */
    bool bias;
    SutraActivation activation;
} SuDenseModule;

/* What modules.json says: Transformer, Pooling, Dense and LayerNorm any number of times, perhaps
 * Normalize, in this order; of a CrossEncoder, Transformer alone. Without the file, the chain is
 * the reference's default: the folder itself, mean pooling, not normalised; or a CrossEncoder, if
 * config.json says that the model is a classifier. */
typedef struct SuModuleChain {
    char *transformer;          /* folder of the encoder and its tokenizer */
    bool from_file;             /* false: sentence-transformers' own configs do not count */
    bool is_static;             /* StaticEmbedding instead of Transformer and Pooling */
    bool is_package;            /* and model2vec's own folder, without the file */
    bool classifier;            /* a CrossEncoder; without the file set with config.json */
    SutraActivation activation; /* of one: what makes a score of its logit */
    bool activation_given;      /* by config_sentence_transformers.json */
    SuHeadChoice head;          /* of one: the rest of its head */
    char *pooling_path;         /* of the pooling module's config.json, or NULL */
    uint32_t pooling_features;  /* as the pooling config says; 0: it does not */
    SuDenseModule dense[SU_MAX_DENSE];
    uint32_t num_dense;
} SuModuleChain;

/* *out, to be su_free'd: folder/path, where path, of modules.json, may be empty (the folder
 * itself), begin with "./" or end with '/'. Errors: FORMAT (beyond the folder), MEMORY. */
SutraStatus su_model_module_folder(const char *folder, const char *path, const char *where,
                                   char **out, SutraError *err);

/* Sets model->pooling, normalize, pool_prompt. Errors: FORMAT, UNSUPPORTED (module or pooling
 * mode), IO, MEMORY. */
SutraStatus su_model_read_modules(SutraModel *model, const char *folder, SuModuleChain *chain,
                                  SutraError *err);
void su_module_chain_free(SuModuleChain *chain);

/* chain->dense[num_dense] from the config.json of `folder`, a Dense module's or a LayerNorm's
 * (norm), which is taken over on success. Errors: FORMAT, UNSUPPORTED (activation), LIMIT, IO,
 * MEMORY. */
SutraStatus su_model_read_dense(char *folder, bool norm, SuModuleChain *chain, SutraError *err);
/* Adds the weights of the chain's Dense and LayerNorm modules to model->tensors and model->maps,
 * whose files stay open; heads are in place. Errors: FORMAT, UNSUPPORTED, IO, MEMORY. */
SutraStatus su_model_bind_dense(SutraModel *model, const SuModuleChain *chain, SutraError *err);

/* What a CrossEncoder's folder says of itself in config_sentence_transformers.json, if it has a
 * modules.json: chain->classifier, and chain->activation if activation_given. Errors: FORMAT,
 * UNSUPPORTED, IO, MEMORY. */
SutraStatus su_classifier_declared(const char *folder, SuModuleChain *chain, SutraError *err);
/* Whether the folder is a CrossEncoder's, by its config.json, or by chain->classifier; of one,
 * chain->activation and chain->head. Errors: UNSUPPORTED (several labels, which it names; an
 * activation), FORMAT. */
SutraStatus su_classifier_read(const SuFamily *family, const json_t *config, const char *where,
                               SuModuleChain *chain, SutraError *err);
/* The pooling and linear heads of a CrossEncoder in spec->heads, which are model->heads. Errors:
 * UNSUPPORTED (the family has none). */
SutraStatus su_classifier_heads(SutraModel *model, const SuFamily *family,
                                const SuModuleChain *chain, SutraError *err);

/* Whether the folder, without modules.json, is one of model2vec's: chain->is_static, is_package.
 * Errors: FORMAT, IO, MEMORY. */
SutraStatus su_static_find(SuModuleChain *chain, SutraError *err);
/* Spec, family and tensors of a static model; embeddings are borrowed from the table's files.
 * Errors: FORMAT (a tensor is missing, or has another shape; a weight is no number; a row is not
 * there), UNSUPPORTED (type), MEMORY. */
SutraStatus su_static_bind(SutraModel *model, const SuModuleChain *chain,
                           const SuTensorTable *table, const char *where, SutraError *err);
/* tokenizer.json and the limits; of model2vec's own folder config.json too. Needs spec. Errors:
 * FORMAT, UNSUPPORTED, IO, MEMORY. */
SutraStatus su_static_read_tokenizer(SutraModel *model, const SuModuleChain *chain,
                                     SutraError *err);

/* config_sentence_transformers.json: prompts, default_prompt_name. */
SutraStatus su_model_read_prompts(SutraModel *model, const char *folder, SutraError *err);

/* tokenizer.json, vocab.txt or a SentencePiece model, tokenizer_config.json,
 * sentence_bert_config.json: tokenizer, max_tokens, truncate_left. Needs spec. */
SutraStatus su_model_read_tokenizer(SutraModel *model, const SuModuleChain *chain, SutraError *err);

/* name, revision, digest: from the path and from sutra.json, which also records the weight files'
 * sizes. */
SutraStatus su_model_read_identity(SutraModel *model, const char *folder,
                                   const SuModuleChain *chain, SutraError *err);

/* The name of a known tokenizer class without "Fast", static, or NULL; class may be NULL. */
const char *su_tokenizer_class_find(const char *name, SuTokenizerClass *class);
/* The class that the folder names, or else `fallback`, the family's; *known is its name, static.
 * Errors: UNSUPPORTED (another class, or custom code), FORMAT. */
SutraStatus su_tokenizer_class(const SuConfigFile *tokenizer_config, const SuConfigFile *config,
                               const char *fallback, SuTokenizerClass *class, const char **known,
                               SutraError *err);

#endif
