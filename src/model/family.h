/* family.h - a family of encoders as a table: config.json's fields and weight names -> SutraSpec
 * and tensor roles.
 *
 * Adding a family takes one page: src/model/family_NAME.c with a `const SuFamily`, and its address
 * in the list of family.c. Everything shared (bounds, activations, legacy names, shape checks) is
 * in family.c and family_bind.c. */
#ifndef SU_FAMILY_H
#define SU_FAMILY_H

#include "base/json_file.h"
#include "sutra_backend.h"
#include "weights/tensor_table.h"

/* Sizes that shapes are made of; each is a field of the spec or a product of two. */
typedef enum SuExtent {
    SU_EXTENT_NONE = 0, /* no second dimension: a vector */
    SU_EXTENT_HIDDEN,
    SU_EXTENT_QUERY,    /* num_heads * head_size */
    SU_EXTENT_KEYVALUE, /* num_kv_heads * head_size */
    SU_EXTENT_FFN,
    SU_EXTENT_VOCAB,
    SU_EXTENT_POSITIONS,
    SU_EXTENT_TYPES,
    SU_EXTENT_BUCKETS, /* of the relative bias */
    SU_EXTENT_HEADS
} SuExtent;

/* One weight, of shape [rows] or [rows, cols]. A '#' in the name stands for the layer's number, and
 * makes it one weight a layer. */
typedef struct SuFamilyTensor {
    const char *name;
    SutraRole role;
    SuExtent rows, cols;
    bool optional; /* absent, or a size of 0: the step that reads it is left out */
} SuFamilyTensor;

/* An integer of config.json: where it goes in SutraSpec, its bounds, and the reference's default.
 */
typedef struct SuFamilyField {
    const char *key;
    size_t offset; /* of a uint32_t in SutraSpec */
    uint32_t min, max, fallback;
    const char *other_key; /* what the reference takes for it too, or NULL */
} SuFamilyField;

/* A linear of the family's classification head: NAME.weight [out, in], NAME.bias [out]. The first
 * token's row goes through all of them; the last one's out is one number a label. */
typedef struct SuFamilyHead {
    const char *name;
    bool inside;                /* the prefix of the encoder's weights comes before it */
    SutraActivation activation; /* of the last: NONE, config files say which it is */
} SuFamilyHead;

typedef struct SuFamily {
    const char *name;                 /* "bert" */
    const char *tokenizer_class;      /* of folders that name none */
    const char *const *model_types;   /* NULL-terminated: config.json's model_type */
    const char *const *architectures; /* NULL-terminated: what names in architectures begin with */
    const char *const *prefixes;      /* NULL-terminated: before every weight name; "" among them */
    const SuFamilyField *fields;
    size_t num_fields;
    const char *activation_key, *activation_default;
    const char *norm_eps_key; /* NULL: norm_eps_default, whatever config.json says */
    double norm_eps_default;
    const SuFamilyTensor *tensors; /* the first is never optional: it finds the prefix */
    size_t num_tensors;
    const SuFamilyHead *heads;
    size_t num_heads; /* 0: the family has no classifiers */
    /* The rest of config.json: enumerations of the spec, and options that are not supported. */
    SutraStatus (*configure)(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err);
} SuFamily;

/* A NULL-terminated list. */
#define SU_NAMES(...) \
    (const char *const[]) { __VA_ARGS__, NULL }

extern const SuFamily su_family_bert, su_family_roberta, su_family_xlm_roberta, su_family_camembert,
    su_family_distilbert, su_family_mpnet;

/* The family that config.json (`where`) asks for. UNSUPPORTED names what it asks for and lists what
 * is known. */
SutraStatus su_family_find(const json_t *config, const char *where, const SuFamily **family,
                           SutraError *err);

/* Whether models of this model_type open: there is a family, and the tokenizer class it has. */
bool su_family_is_known(const char *model_type);
/* The tokenizer class of folders that name none; `family` is a family's name. */
const char *su_family_tokenizer_class(const char *family);

/* A stored tensor as one of ours, its shape being [rows, columns], or [rows] where columns is 0.
 * `path` is its file, `asks` what says so ("config.json"). Errors: FORMAT (another shape),
 * UNSUPPORTED (type). */
SutraStatus su_tensor_from_view(const SuTensorView *view, const char *path, const char *asks,
                                uint64_t rows, uint64_t columns, SutraTensor *tensor,
                                SutraError *err);

/* Whether config.json's architectures names a classifier ("BertForSequenceClassification"). */
bool su_family_is_classifier(const json_t *config);

/* Positions that begin after config.json's pad_token_id, 1 if it does not say. */
SutraStatus su_family_read_padding(const json_t *config, const char *where, SutraSpec *spec,
                                   SutraError *err);

/* Fills *spec, all but heads. Sizes are bounded: no later product of two overflows 64 bits. */
SutraStatus su_family_configure(const SuFamily *family, const json_t *config, const char *where,
                                SutraSpec *spec, SutraError *err);

/* Finds every weight of the family in the table and checks its type and shape against the spec.
 * *tensors [*num_tensors] is su_free'd by the caller; its data is borrowed from the table's files.
 * Sets spec->num_types to 0 when there is no type embedding. `where` names the weights in messages.
 * Errors: FORMAT (missing tensor, wrong shape), UNSUPPORTED (dtype), MEMORY. */
SutraStatus su_family_bind(const SuFamily *family, const SuTensorTable *table, const char *where,
                           SutraSpec *spec, SutraTensor **tensors, size_t *num_tensors,
                           SutraError *err);

/* The same for the weights of the classification head, which are added to *tensors [*num_tensors]:
 * the linears of spec->heads, from the second head on. */
SutraStatus su_family_bind_heads(const SuFamily *family, const SuTensorTable *table,
                                 const char *where, const SutraSpec *spec, SutraTensor **tensors,
                                 size_t *num_tensors, SutraError *err);

/* The name that `family` gives to a weight, for messages: without its prefix. Of a role that the
 * family does not have: "a tensor". */
void su_family_tensor_name(const char *family, uint32_t role, uint32_t layer, char *name,
                           size_t capacity);

#endif
