/* sutra_backend.h - the plugin ABI: what a device backend is given and what it must do.
 *
 * A backend sees tensor roles, never weight names; enumerations, never a model family; resolved
 * options, never JSON. The CPU backend (src/backend/cpu_backend.c) fills the same table as a plugin
 * does.
 *
 * Order of calls:
 *
 *   sutra_backend_entry                    once
 *   device_count, device_info, supports
 *   load                                   a model on a device
 *     context_create
 *       run                                any number of times; blocks
 *     context_free
 *   unload
 *
 * One thread at a time per context; overlap comes from two or more contexts. Outputs live in the
 * context until its next run; the caller copies them out, so a hung context can be abandoned
 * without touching user memory. A device that is the only one of an engine and the host's processor
 * is called by the threads of the engine, any other by threads of its own, which are given a
 * limited time: of a call that has not come back by then the engine wants nothing more. That holds
 * of device_count and device_info too, also when a device is opened; supports, load and
 * context_create have four times as long as a run. unload and context_free are called under locks,
 * at times while another call hangs: they must not wait for the device.
 *
 * A function that fails returns why and writes one line to err->message; err is never NULL and
 * comes zeroed. Without a line the caller names the backend and the function.
 */
#ifndef SUTRA_BACKEND_H
#define SUTRA_BACKEND_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SUTRA_BACKEND_ABI 3u

/* Element types of stored weights. */
typedef enum SutraTensorType {
    SUTRA_TENSOR_F32 = 0,
    SUTRA_TENSOR_F16,
    SUTRA_TENSOR_BF16,
    SUTRA_TENSOR_I8, /* embedding tables of which the scales come along; a row is scale x element */
    SUTRA_TENSOR_I32 /* of SUTRA_ROLE_TOKEN_ROW alone */
} SutraTensorType;

/* What a tensor is for. Linear weights are [out_features, in_features], row-major, as torch stores
 * them. */
typedef enum SutraRole {
    SUTRA_ROLE_TOKEN_EMBEDDING = 0, /* [vocab_size, hidden_size] */
    SUTRA_ROLE_POSITION_EMBEDDING,  /* [max_positions, hidden_size] */
    SUTRA_ROLE_TYPE_EMBEDDING,      /* [num_types, hidden_size]; absent: none is added */
    SUTRA_ROLE_EMBEDDING_NORM_WEIGHT,
    SUTRA_ROLE_EMBEDDING_NORM_BIAS,
    SUTRA_ROLE_QUERY_WEIGHT, /* [num_heads * head_size, hidden_size], of `layer` like all below */
    SUTRA_ROLE_QUERY_BIAS,
    SUTRA_ROLE_KEY_WEIGHT,
    SUTRA_ROLE_KEY_BIAS,
    SUTRA_ROLE_VALUE_WEIGHT,
    SUTRA_ROLE_VALUE_BIAS,
    SUTRA_ROLE_ATTENTION_OUT_WEIGHT,
    SUTRA_ROLE_ATTENTION_OUT_BIAS,
    SUTRA_ROLE_ATTENTION_NORM_WEIGHT,
    SUTRA_ROLE_ATTENTION_NORM_BIAS,
    SUTRA_ROLE_FFN_UP_WEIGHT, /* [ffn_size, hidden_size] */
    SUTRA_ROLE_FFN_UP_BIAS,
    SUTRA_ROLE_FFN_DOWN_WEIGHT, /* [hidden_size, ffn_size] */
    SUTRA_ROLE_FFN_DOWN_BIAS,
    SUTRA_ROLE_FFN_NORM_WEIGHT,
    SUTRA_ROLE_FFN_NORM_BIAS,
    /* All but the embedding tables, as the CPU backend packs them, 64-byte aligned; shape: version,
     * SutraCompute, ISA. Other backends have no use for it. */
    SUTRA_ROLE_PACKED_CPU,
    /* With an embedding of I8, F32, finite, not negative. */
    SUTRA_ROLE_TOKEN_EMBEDDING_SCALE,    /* [vocab_size] */
    SUTRA_ROLE_POSITION_EMBEDDING_SCALE, /* [max_positions] */
    SUTRA_ROLE_RELATIVE_BIAS, /* [relative_buckets, num_heads]: added to scores of all layers */
    SUTRA_ROLE_DENSE_WEIGHT,  /* [out, in] of the dense or score head `layer`; the bias [out] may be
                                 absent */
    SUTRA_ROLE_DENSE_BIAS,
    SUTRA_ROLE_FFN_GATE_WEIGHT, /* [ffn_size, hidden_size], of a gated feed-forward */
    SUTRA_ROLE_FFN_GATE_BIAS,
    SUTRA_ROLE_FINAL_NORM_WEIGHT, /* after the last layer, of pre-norm encoders */
    SUTRA_ROLE_FINAL_NORM_BIAS,
    SUTRA_ROLE_HEAD_NORM_WEIGHT, /* [features] of the norm head `layer`; the bias may be absent */
    SUTRA_ROLE_HEAD_NORM_BIAS,
    /* Of static models, each with or without the other. */
    SUTRA_ROLE_TOKEN_WEIGHT, /* [vocab_size], F32, finite: the token's row is multiplied by it */
    SUTRA_ROLE_TOKEN_ROW,    /* [vocab_size], I32, below token_rows: the token's row in the table */
    SUTRA_ROLE_COUNT
} SutraRole;

typedef struct SutraTensor {
    uint32_t role;  /* SutraRole */
    uint32_t layer; /* 0 for tensors outside the layers */
    uint32_t dtype; /* SutraTensorType */
    uint32_t num_dims;
    uint64_t shape[4];
    const void *data; /* borrowed until unload; may be unaligned */
    uint64_t size;    /* bytes */
} SutraTensor;

/* SutraSpec.position */
enum {
    SUTRA_POSITION_LEARNED = 0,
    SUTRA_POSITION_RELATIVE,
    SUTRA_POSITION_ROPE,
    SUTRA_POSITION_ALIBI,
    SUTRA_POSITION_NONE
};

/* SutraSpec.norm, norm_kind
 *   POST   x = norm(x + block(x)), the block being attention or the feed-forward
 *   PRE    x = x + block(norm(x)), and a norm after the last layer */
enum { SUTRA_NORM_POST = 0, SUTRA_NORM_PRE };
enum { SUTRA_NORM_LAYER = 0, SUTRA_NORM_RMS };

typedef enum SutraActivation {
    SUTRA_ACT_NONE = 0,
    SUTRA_ACT_GELU_ERF,
    SUTRA_ACT_GELU_TANH,
    SUTRA_ACT_RELU,
    SUTRA_ACT_SILU,
    SUTRA_ACT_TANH,
    SUTRA_ACT_SIGMOID /* of heads */
} SutraActivation;

/* SutraSpec.without_bias: what has none, and no tensor for it. */
enum {
    SUTRA_BIAS_QKV = 1u << 0,
    SUTRA_BIAS_ATTENTION_OUT = 1u << 1,
    SUTRA_BIAS_FFN_UP = 1u << 2, /* and the gate */
    SUTRA_BIAS_FFN_DOWN = 1u << 3,
    SUTRA_BIAS_NORM = 1u << 4, /* all norms */
    SUTRA_BIAS_ALL = (1u << 5) - 1
};

/* SutraHead.kind. A dense head: y = activation(x weight^T + bias). A score head is a dense one that
 * ends the chain: a model that has it gives scores, of what comes out of it, and no vectors. A norm
 * head is a layer norm, like dense ones between pooling and normalisation. */
enum {
    SUTRA_HEAD_POOLING = 0,
    SUTRA_HEAD_NORMALIZE,
    SUTRA_HEAD_DENSE,
    SUTRA_HEAD_SCORE,
    SUTRA_HEAD_NORM
};

/* One step after the encoder, in order. */
typedef struct SutraHead {
    uint32_t kind;       /* SUTRA_HEAD_… */
    uint32_t in, out;    /* features */
    uint32_t activation; /* SutraActivation; a pooling head: SutraPooling */
} SutraHead;

/* What an encoder is, in numbers.
 *
 * Without layers (num_layers 0) it is a static model: a text's vector is the mean of its tokens'
 * rows of the token embedding, each times its weight if there are any, before the heads. There are
 * no positions (SUTRA_POSITION_NONE), types or norms, the pooling is the mean, the output pooled
 * vectors, and a text may have any number of tokens, none too: the mean of none is 0. */
typedef struct SutraSpec {
    uint32_t struct_size;
    uint32_t num_layers, hidden_size; /* 0 layers: static */
    uint32_t num_heads, num_kv_heads, head_size;
    uint32_t ffn_size, vocab_size, max_positions;
    uint32_t num_types;       /* rows of the type embedding; 0: none */
    uint32_t position;        /* SUTRA_POSITION_… */
    uint32_t norm, norm_kind; /* SUTRA_NORM_POST or PRE; SUTRA_NORM_LAYER or RMS */
    uint32_t activation;      /* SutraActivation, of the feed-forward */
    uint32_t gated;           /* 1: down (activation(gate x) * (up x)); 0: down activation(up x) */
    uint32_t causal;          /* 0 or 1 */
    uint32_t num_experts;     /* 0: none */
    uint32_t without_bias;    /* SUTRA_BIAS_… */
    uint32_t bare_start;      /* 1: pre-norm without a norm before the first layer's attention */
    /* Position of a text's first token. RoBERTa: pad id + 1; a token with the pad id has that for
     * its position, and those after it are counted as if it weren't there. */
    uint32_t position_offset;
    /* Of the relative bias; 0: there is none. Half of the buckets are for keys after the query; of
     * such a half, the first half for distances of their own, the others logarithmic up to
     * relative_distance (Raffel et al. 2020, "T5"). */
    uint32_t relative_buckets, relative_distance;
    /* [num_layers] how far a token sees to either side (causal: to the left), in tokens; 0: to the
     * end. NULL: 0 in all layers. */
    const uint32_t *window;
    /* [num_layers] or NULL. RoPE: element i of the first half of a head and element i of the second
     * are turned by position * (base^(-2 i / head_size) / rope_divisor), computed in fp32. */
    const float *rope_base;
    float rope_divisor; /* above 0; of RoPE */
    float norm_eps;
    const SutraHead *heads; /* [num_heads_out] the model's own chain; a batch says what to do */
    uint32_t num_heads_out;
    float head_norm_eps; /* of norm heads; 0: norm_eps */
    /* Of static models. Rows of the token embedding where SUTRA_ROLE_TOKEN_ROW says which of them a
     * token has; 0: vocab_size, each token its own. Tokens of the id dropped_token - 1 are left
     * out, of the count too; 0: none are. */
    uint32_t token_rows, dropped_token;
} SutraSpec;

/* Threads that a run may use besides its caller. run() calls body(arg, rank) on the calling thread
 * with rank 0, and at the same time on other threads, each with a rank of its own below size. It
 * may leave out threads that are not free before rank 0 returns: body must do all of the work with
 * whichever ranks come. It returns when every call has returned. */
typedef struct SutraTeam {
    uint32_t size;
    void (*run)(void *self, void (*body)(void *arg, uint32_t rank), void *arg);
    void *self;
} SutraTeam;

/* SutraBatch.normalize: the kept elements, or the whole vector before it is cut to them. */
enum { SUTRA_BATCH_NORMALIZE = 1, SUTRA_BATCH_NORMALIZE_WHOLE = 2 };

/* A packed batch: text i owns tokens cu_seqlens[i] … cu_seqlens[i+1]; every text has at least one
 * token, but of static models, which have the mean of none; a text of theirs that is longer than
 * the context's max_tokens comes alone. */
typedef struct SutraBatch {
    uint32_t struct_size;
    uint32_t num_seqs, num_tokens, max_seqlen;
    const int32_t *token_ids;   /* [num_tokens], each below vocab_size */
    const int32_t *type_ids;    /* [num_tokens] or NULL: all zero */
    const uint32_t *cu_seqlens; /* [num_seqs + 1] */
    const uint32_t *prompt_len; /* [num_seqs] tokens left out of pooling, or NULL */
    SutraOutput output;
    SutraDtype dtype;
    uint32_t dim;           /* elements kept; never 0 */
    uint32_t normalize;     /* 0 or one of SUTRA_BATCH_NORMALIZE… */
    SutraPooling pooling;   /* never SUTRA_POOL_MODEL; of pooled vectors and of scores */
    const SutraTeam *team;  /* or NULL: the calling thread alone */
    uint8_t *numeric_error; /* [num_seqs], zeroed; set to 1 where a vector holds NaN or infinity */
    /* [2, dim] of I8 and U8, finite, not decreasing (SutraEmbedOptions.ranges); NULL: the fixed
     * range. A backend without them answers UNSUPPORTED. */
    const float *ranges;
    uint32_t raw_scores; /* 1: of scores, the last head's activation is left out */
    uint32_t reserved32;
} SutraBatch;

typedef struct SutraHost {
    uint32_t struct_size, abi;
    void *user;
    void *(*alloc)(void *user, size_t size, size_t alignment);
    void (*free)(void *user, void *memory);
    void (*log)(void *user, int level, const char *line);
} SutraHost;

typedef struct SutraDeviceInfo {
    uint32_t struct_size;
    char name[64];
    uint64_t memory_total, memory_free; /* bytes */
    uint32_t computes;                  /* bit mask: 1u << SutraCompute */
    uint32_t numa_node;
    uint32_t max_in_flight;    /* runs at a time that keep it busy; 0: 2 */
    uint32_t preferred_tokens; /* of a run; 0: 256; at most 65,536 are used */
    /* 1: it is the host's processor. A run takes one core, that of its thread, which may be
     * bound to some of them, and max_in_flight is their number. */
    uint32_t one_run_a_core;
} SutraDeviceInfo;

typedef struct SutraBackend {
    uint32_t struct_size, abi;
    const char *name;
    SutraStatus (*device_count)(uint32_t *count, SutraError *err);

    /* Also the health probe, with or without batches under way. */
    SutraStatus (*device_info)(uint32_t device, SutraDeviceInfo *info, SutraError *err);

    /* Asked before load, and before the first run of an output. Errors: UNSUPPORTED (names what of
     * the spec, precision or output it cannot do), DEVICE. */
    SutraStatus (*supports)(uint32_t device, const SutraSpec *spec, SutraCompute compute,
                            SutraOutput output, SutraError *err);

    SutraStatus (*load)(uint32_t device, const SutraSpec *spec, const SutraTensor *tensors,
                        size_t n, SutraCompute compute, void **model, SutraError *err);
    void (*unload)(void *model);

    /* max_team: the largest team of a run's batch; 1 for none. */
    SutraStatus (*context_create)(void *model, uint32_t max_tokens, uint32_t max_seqs,
                                  uint32_t max_team, void **context, SutraError *err);

    /* view: num_items = num_seqs, row_bytes = sutra_row_bytes(dtype, dim), data; the rest is not
     * read. data [num_seqs] rows, or [num_tokens] for SUTRA_OUT_TOKENS. */
    SutraStatus (*run)(void *context, const SutraBatch *batch, SutraResultView *view,
                       SutraError *err);
    void (*context_free)(void *context);
} SutraBackend;

/* The one symbol a plugin exports. NULL when host->abi is not one it knows. */
SUTRA_API const SutraBackend *sutra_backend_entry(const SutraHost *host);

#ifdef __cplusplus
}
#endif
#endif
