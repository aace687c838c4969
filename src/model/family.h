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

/* What of a stored tensor a weight is. */
typedef enum SuTensorPart {
    SU_WHOLE = 0,
    SU_IF_THERE,       /* absent, or a size of 0: the step that reads it is left out */
    SU_NOT_IN_LAYER_0, /* layer 0 has none */
    SU_FIRST_OF_TWO,   /* rows of a tensor of two weights, or three */
    SU_SECOND_OF_TWO,
    SU_FIRST_OF_THREE,
    SU_SECOND_OF_THREE,
    SU_THIRD_OF_THREE
} SuTensorPart;

/* One weight, of shape [rows] or [rows, cols]. A '#' in the name stands for the layer's number, and
 * makes it one weight a layer. Biases that the spec says there are not (without_bias) are not read.
 */
typedef struct SuFamilyTensor {
    const char *name;
    SutraRole role;
    SuExtent rows, cols;
    SuTensorPart part;
} SuFamilyTensor;

/* Lines of a table: a weight with its bias. Which biases there are, the spec says. */
#define SU_PART_OF(name, role, rows, cols, part)                           \
    {name ".weight", SUTRA_ROLE_##role##_WEIGHT, rows, cols, part},        \
    {                                                                      \
        name ".bias", SUTRA_ROLE_##role##_BIAS, rows, SU_EXTENT_NONE, part \
    }
#define SU_LINEAR(name, role, rows, cols) SU_PART_OF(name, role, rows, cols, SU_WHOLE)
#define SU_QUERY(name) SU_LINEAR(name, QUERY, SU_EXTENT_QUERY, SU_EXTENT_HIDDEN)
#define SU_KEY(name) SU_LINEAR(name, KEY, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN)
#define SU_VALUE(name) SU_LINEAR(name, VALUE, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN)
#define SU_ATTENTION_OUT(name) SU_LINEAR(name, ATTENTION_OUT, SU_EXTENT_HIDDEN, SU_EXTENT_QUERY)
#define SU_GATE(name) SU_LINEAR(name, FFN_GATE, SU_EXTENT_FFN, SU_EXTENT_HIDDEN)
#define SU_UP(name) SU_LINEAR(name, FFN_UP, SU_EXTENT_FFN, SU_EXTENT_HIDDEN)
#define SU_DOWN(name) SU_LINEAR(name, FFN_DOWN, SU_EXTENT_HIDDEN, SU_EXTENT_FFN)
/* query, key and value under each other; two of the feed-forward. */
#define SU_QUERY_KEY_VALUE(name)                                                         \
    SU_PART_OF(name, QUERY, SU_EXTENT_QUERY, SU_EXTENT_HIDDEN, SU_FIRST_OF_THREE),       \
        SU_PART_OF(name, KEY, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN, SU_SECOND_OF_THREE), \
        SU_PART_OF(name, VALUE, SU_EXTENT_KEYVALUE, SU_EXTENT_HIDDEN, SU_THIRD_OF_THREE)
#define SU_GATE_UP(name)                                                          \
    SU_PART_OF(name, FFN_GATE, SU_EXTENT_FFN, SU_EXTENT_HIDDEN, SU_FIRST_OF_TWO), \
        SU_PART_OF(name, FFN_UP, SU_EXTENT_FFN, SU_EXTENT_HIDDEN, SU_SECOND_OF_TWO)
#define SU_UP_GATE(name)                                                        \
    SU_PART_OF(name, FFN_UP, SU_EXTENT_FFN, SU_EXTENT_HIDDEN, SU_FIRST_OF_TWO), \
        SU_PART_OF(name, FFN_GATE, SU_EXTENT_FFN, SU_EXTENT_HIDDEN, SU_SECOND_OF_TWO)
/* role: EMBEDDING, ATTENTION, FFN, FINAL */
#define SU_NORM(name, role) SU_LINEAR(name, role##_NORM, SU_EXTENT_HIDDEN, SU_EXTENT_NONE)
#define SU_TOKENS(name)                                                                         \
    {                                                                                           \
        name ".weight", SUTRA_ROLE_TOKEN_EMBEDDING, SU_EXTENT_VOCAB, SU_EXTENT_HIDDEN, SU_WHOLE \
    }
#define SU_POSITIONS(name)                                                                    \
    {                                                                                         \
        name ".weight", SUTRA_ROLE_POSITION_EMBEDDING, SU_EXTENT_POSITIONS, SU_EXTENT_HIDDEN, \
            SU_WHOLE                                                                          \
    }
#define SU_TYPES(name)                                                                            \
    {                                                                                             \
        name ".weight", SUTRA_ROLE_TYPE_EMBEDDING, SU_EXTENT_TYPES, SU_EXTENT_HIDDEN, SU_IF_THERE \
    }

/* The names that checkpoints of a family have; the last tensor finds the layout and its prefix. */
typedef struct SuFamilyLayout {
    const SuFamilyTensor *tensors;
    size_t num_tensors;
} SuFamilyLayout;

#define SU_LAYOUT_OF(table)                 \
    {                                       \
        table, sizeof table / sizeof *table \
    }

/* An integer of config.json: where it goes in SutraSpec, its bounds, and the reference's default.
 */
typedef struct SuFamilyField {
    const char *key;
    size_t offset; /* of a uint32_t in SutraSpec */
    uint32_t min, max, fallback;
    const char *other_key; /* what the reference takes for it too, or NULL */
} SuFamilyField;

typedef enum SuHeadPart {
    SU_HEAD_LINEAR = 0, /* NAME.weight [out, in], NAME.bias [out] */
    SU_HEAD_BARE,       /* the same, whose bias may be absent */
    SU_HEAD_NORM        /* NAME.weight [features]; NAME.bias may be absent */
} SuHeadPart;

/* A part of the family's classification head. The pooled row goes through all of them; the last
 * one, a linear, gives one number a label. */
typedef struct SuFamilyHead {
    const char *name;
    bool inside;                /* the prefix of the encoder's weights comes before it */
    SutraActivation activation; /* of the last: NONE, config files say which it is */
    SuHeadPart part;
} SuFamilyHead;

/* What config.json says of a classification head. */
typedef struct SuHeadChoice {
    SutraPooling pooling;
    SutraActivation activation; /* of linears but the last; NONE: their own */
} SuHeadChoice;

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
    SuFamilyLayout layouts[2]; /* the second may be empty */
    /* Classes of auto_map that are this family, whatever model_type says; NULL-terminated or NULL
     */
    const char *const *custom_code;
    const SuFamilyHead *heads;
    size_t num_heads; /* 0: the family has no classifiers */
    /* NULL: the first token's row, and the heads' own activations. */
    SutraStatus (*choose_head)(const json_t *config, const char *where, SuHeadChoice *choice,
                               SutraError *err);
    /* The rest of config.json: enumerations of the spec, and options that are not supported. */
    SutraStatus (*configure)(const json_t *config, const char *where, SutraSpec *spec,
                             SutraError *err);
} SuFamily;

/* A NULL-terminated list. */
#define SU_NAMES(...) \
    (const char *const[]) { __VA_ARGS__, NULL }

extern const SuFamily su_family_bert, su_family_roberta, su_family_xlm_roberta, su_family_camembert,
    su_family_distilbert, su_family_mpnet, su_family_modernbert, su_family_nomic, su_family_gte,
    su_family_jina;

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

/* window and rope_base of *spec, each [num_layers] and zeroed; what owns the spec su_free's them.
 * */
SutraStatus su_family_add_windows(const char *where, SutraSpec *spec, uint32_t **window,
                                  SutraError *err);
SutraStatus su_family_add_ropes(const char *where, SutraSpec *spec, float **rope_base,
                                SutraError *err);
/* One base for all layers, from rope_parameters, rope_scaling and rope_theta. Errors: UNSUPPORTED
 * (names a kind of scaling that is not known). */
SutraStatus su_family_read_rope(const json_t *config, const char *where, double base,
                                SutraSpec *spec, SutraError *err);
/* The base of an object of RoPE's parameters, if there is one. */
SutraStatus su_family_read_rope_base(const json_t *parameters, const char *where, double *base,
                                     SutraError *err);
/* The bits of `bias` are set in without_bias where config.json's key (`with` if it does not
 * say) is false. */
SutraStatus su_family_read_bias(const json_t *config, const char *where, const char *key, bool with,
                                uint32_t bias, SutraSpec *spec, SutraError *err);
/* The activation that config.json's key names; `fallback` if it does not. UNSUPPORTED lists those
 * that are known. */
SutraStatus su_family_read_activation(const json_t *config, const char *where, const char *key,
                                      const char *fallback, SutraActivation *activation,
                                      SutraError *err);
/* Refuses config.json's key where it is not `value`. */
SutraStatus su_family_require_bool(const json_t *config, const char *where, const char *key,
                                   bool value, SutraError *err);
SutraStatus su_family_require_text(const json_t *config, const char *where, const char *key,
                                   const char *value, SutraError *err);

/* Fills *spec, all but heads; also on error its window and rope_base may be set. Sizes are bounded:
 * no later product of two overflows 64 bits. */
SutraStatus su_family_configure(const SuFamily *family, const json_t *config, const char *where,
                                SutraSpec *spec, SutraError *err);

/* Finds every weight of the family in the table and checks its type and shape against the spec.
 * *tensors [*num_tensors] is su_free'd by the caller; its data is borrowed from the table's files.
 * Sets spec->num_types to 0 when there is no type embedding. `where` names the weights in messages.
 * Errors: FORMAT (missing tensor, wrong shape), UNSUPPORTED (dtype; a tensor in one of the layers
 * that the table doesn't name), MEMORY. */
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
