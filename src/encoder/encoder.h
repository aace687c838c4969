/* encoder.h - the transformer encoder over packed batches, its linears in fp32, fp16, bf16 or int8.
 *
 * SuEncoder holds the weights, packed for the kernels of one ISA; immutable. SuEncoderContext is
 * the memory of one run at a time. Every function of a run is called by all threads of a parallel
 * region (one when the caller is alone) and is made of loops that they share (base/parallel_for.h).
 * How work is split changes no result: see the recipes in kernels/kernels.h.
 *
 * One layer (post-norm, BERT):
 *
 *   x ─► qkv ─► attention ─► out projection + x ─► norm ─► x ─► up, GELU ─► down + x ─► norm ─► x
 *
 * and pre-norm (ModernBERT), y being norm(x), and another norm after the last layer:
 *
 *   x ─► y ─► qkv ─► attention ─► out projection + x ─► x ─► y ─► up, GELU ─► down + x ─► x
 *
 * RoPE turns q and k of a head just before that head's attention. ALiBi, like MPNet's bias, is a
 * number for each head and distance. In a gated feed-forward the features of gate and up take turns
 * in one linear, whose GEMM multiplies them.
 *
 * Between linears everything is fp32: x, attention, norms, the sum of x and what a block adds. Rows
 * go into a linear in its format: as they are, or converted where they are made (SuRows), a row at
 * a time.
 *
 * Where pooling reads one token of a text (cls, last), the last layer computes k and v of all
 * tokens and all else for those rows alone, which lie in context->read from then on.
 */
#ifndef SU_ENCODER_H
#define SU_ENCODER_H

#include "base/memory.h"
#include "encoder/linear.h"

/* Of the layout of SuEncoder.packed. */
#define SU_ENCODER_PACKED_VERSION 4u

typedef struct SuLayer {
    SuLinear qkv; /* [hidden, q | k | v]; q scaled by log2(e) / sqrt(head_size) */
    SuLinear attention_out, up, down;
    SuNormF32 attention_norm, ffn_norm; /* n 0: none */
    size_t before, after;               /* tokens seen to either side; SIZE_MAX: all */
    uint32_t turns;                     /* its table of RoPE, of SuEncoder.rope_base */
} SuLayer;

/* Bases of RoPE that a model may have. */
enum { SU_MAX_ROPES = 4 };

/* The linears of a layer, in this order. */
enum { SU_LINEAR_QKV, SU_LINEAR_ATTENTION_OUT, SU_LINEAR_UP, SU_LINEAR_DOWN, SU_LAYER_LINEARS };

/* How a linear is to be packed. */
typedef struct SuLinearRecipe {
    SuFormat format;
    const float *factor; /* [in], positive: rows are multiplied by it, weights divided; NULL: 1 */
    SuRowScale fixed;    /* scale 0: each row its own */
} SuLinearRecipe;

/* A head with weights of its own: a dense one, that of scores, or a norm. */
typedef struct SuDense {
    SuLinear linear; /* fp32; packed NULL: a norm */
    SutraActivation activation;
    SuNormF32 norm;
} SuDense;

/* A table of rows in its stored type; rows are widened as they are read. */
typedef struct SuEmbeddingTable {
    const unsigned char *data; /* NULL: absent */
    SutraTensorType dtype;
    const float *scales; /* [rows] of int8, else NULL */
    size_t rows, row_bytes;
} SuEmbeddingTable;

typedef struct SuEncoder {
    SuKernels kernels;
    SutraSpec spec; /* pointers of the caller's spec are not kept */
    SuEmbeddingTable token, position, type;
    const float *token_weight; /* [vocab_size] of a static model, or NULL; like the next */
    const uint32_t *token_row; /* [vocab_size] */
    SuNormF32 embedding_norm, final_norm; /* final_norm.n 0: none */
    float rope_base[SU_MAX_ROPES];        /* [num_ropes] those of the layers, each once */
    float rope_frequencies[SU_MAX_ROPES][SU_MAX_HEAD / 2]; /* [num_ropes][head_size / 2] */
    uint32_t num_ropes;
    const float *relative_bias; /* [num_heads, su_relative_bias_row], or NULL */
    SuLayer *layers;            /* [num_layers] */
    SuDense *dense;             /* [num_dense], run in order on pooled rows */
    uint32_t num_dense;
    uint32_t pooled_size, widest_head; /* elements of a vector after the heads; most on the way */
    unsigned char *dense_memory;
    const unsigned char *packed; /* [packed_size] in memory, or the caller's */
    size_t packed_size;
    unsigned char *memory; /* all packed weights, one block; NULL when attached */
    size_t memory_size;
} SuEncoder;

/* Memory of one run; all pointers lie in one block.
 *
 *   x [tokens, hidden] | qkv [3 heads, tokens, head] (output rows at the end) |
 *   attention [tokens, widest of heads and hidden], which is y too | read [seqs, hidden] |
 *   ffn [ffn_rows, ffn_size] | turns [num_ropes][tokens, head] |
 *   the same converted: rows [tokens] (of x, of attention), read_rows [seqs], ffn_rows |
 *   pooled [2][seqs, widest head], if there are dense heads |
 *   range_steps [widest head] | for each rank: one row
 *
 * A static model needs none of it but pooled, range_steps, the ranks' rows, and qkv: its output,
 * [seqs, widest head]. No token has a row of its own, so a text may have any number of them. */
typedef struct SuEncoderContext {
    const SuEncoder *encoder;
    uint32_t max_tokens, max_seqs, max_team;
    float *x, *qkv, *attention, *read, *ffn;
    uint32_t ffn_block; /* rows of ffn */
    SuRows rows, read_rows, ffn_rows;
    float *turns[SU_MAX_ROPES]; /* of positions 0 … turned - 1: see SuKernels.rotate_f32 */
    uint32_t turned;            /* grows with the longest text that was run */
    float *pooled[2];
    float *range_steps;            /* [dim] of the batch's ranges */
    float **rank_row;              /* [max_team] */
    const SuRowObserver *observer; /* NULL but in calibration, whose batches have no team */
    SuParallelRegion region;
    unsigned char *memory;
    size_t memory_size;
} SuEncoderContext;

/* Whether the encoder can run it, its heads included. Errors: UNSUPPORTED (names what it cannot
 * do). */
SutraStatus su_encoder_check_spec(const SutraSpec *spec, SutraError *err);

/* recipes [num_layers, SU_LAYER_LINEARS] are read here, NULL: all fp32. tensors are borrowed until
 * su_encoder_free. Errors: FORMAT (a role is missing or has another shape; int8, fp16: a weight
 * that has no such form), UNSUPPORTED, MEMORY. */
SutraStatus su_encoder_create(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                              SuIsa isa, const SuLinearRecipe *recipes, SuEncoder **encoder,
                              SutraError *err);
/* The same over `packed` [size], which su_encoder_create made (SuEncoder.packed) with a GEMM of the
 * same layout for each linear: nothing is copied. tensors need hold the embedding tables only;
 * packed is borrowed until su_encoder_free and aligned to SU_CACHE_LINE. Errors: FORMAT,
 * UNSUPPORTED (a linear is in another layout; names both), MEMORY. */
SutraStatus su_encoder_attach(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                              SuIsa isa, const void *packed, size_t size, SuEncoder **encoder,
                              SutraError *err);
void su_encoder_free(SuEncoder *encoder);

SutraStatus su_encoder_context_create(const SuEncoder *encoder, uint32_t max_tokens,
                                      uint32_t max_seqs, uint32_t max_team,
                                      SuEncoderContext **context, SutraError *err);
void su_encoder_context_free(SuEncoderContext *context);

/* Runs one batch that fits the context; the output lies in context->qkv: rows of su
 * row_bytes(dtype, dim). */
void su_encoder_run(SuEncoderContext *context, const SutraBatch *batch);

/* ---- parts of a run, called by all threads of its region ---- */
void su_encoder_embed(SuEncoderContext *context, const SutraBatch *batch, SuRegionThread *thread);
/* For all tokens, context->x being read and written; or, read_only: for the rows alone that pooling
 * reads, which are written to context->read. Both leave the rows converted for the linear that
 * reads them next. */
void su_encoder_self_attention(SuEncoderContext *context, const SuLayer *layer,
                               const SutraBatch *batch, bool read_only, SuRegionThread *thread);
/* x [rows, hidden], in place; next: the linear that reads the result, NULL: none */
void su_encoder_feed_forward(SuEncoderContext *context, const SuLayer *layer, float *x, size_t rows,
                             const SuLinear *next, SuRegionThread *thread);
void su_encoder_heads(SuEncoderContext *context, const SutraBatch *batch, SuRegionThread *thread);

/* The rows that attention's linear reads, floats: x, or norm(x). */
float *su_encoder_attention_input(const SuEncoderContext *context, const SuLayer *layer);

/* Whether it has no layers: texts are means of rows of the token embedding. */
static inline bool su_spec_is_static(const SutraSpec *spec) { return spec->num_layers == 0; }
/* Of a static model: the mean of a text's rows [hidden]; scratch [hidden]. */
void su_encoder_mean_text(const SuEncoder *encoder, const SutraBatch *batch, size_t seq, float *row,
                          float *scratch);

/* Whether the encoder turns q and k. */
static inline bool su_encoder_rotates(const SuEncoder *encoder) { return encoder->num_ropes > 0; }
/* frequencies [head_size / 2]. */
void su_rope_frequencies(const SutraSpec *spec, float base, float *frequencies);
/* Fills the tables up to `positions`, at most max_tokens. By one thread, before its region. */
void su_rope_extend(SuEncoderContext *context, uint32_t positions);
/* q (`queries` rows, the first at position `first`) and k (`keys` rows) of a head, in place; bf16:
 * elements are bf16. Strides in elements. */
typedef struct SuRopeArgs {
    void *q, *k;
    size_t stride, queries, first, keys;
    bool bf16;
} SuRopeArgs;
void su_rope_run(const SuEncoderContext *context, const SuLayer *layer, const SuRopeArgs *args);

/* Whether scores have a bias by distance. */
static inline bool su_spec_has_bias(const SutraSpec *spec)
{
    return spec->relative_buckets > 0 || spec->position == SUTRA_POSITION_ALIBI;
}
/* Numbers of a head: its biases of the distances query - key from 1 - n to n - 1, n being the
 * longest text. */
size_t su_relative_bias_row(const SutraSpec *spec);
/* That of keys at `distance` = query - key. */
uint32_t su_relative_bias_bucket(const SutraSpec *spec, ptrdiff_t distance);
/* bias [num_heads, su_relative_bias_row], in units of log2, from the weights' buckets
 * [relative_buckets, num_heads]. */
void su_relative_bias_spread(const SutraSpec *spec, const float *buckets, float *bias);
/* The same of ALiBi (Press et al. 2022), on both sides: -slope distance. */
void su_alibi_spread(const SutraSpec *spec, float *bias);
/* Heads up to the last power of two n have the slopes 2^(-8 / n), 2^(-16 / n), …; the others those
 * of 2 n heads, every second one. */
double su_alibi_slope(uint32_t head, uint32_t heads);

/* The dense heads, and encoder->pooled_size; to be freed whatever is returned. Errors: FORMAT,
 * UNSUPPORTED, MEMORY. */
SutraStatus su_encoder_load_dense(SuEncoder *encoder, const SutraSpec *spec,
                                  const SutraTensor *tensors, size_t n, SutraError *err);
/* Whether pooled rows go through a head before they are normalised: a dense one, that of scores, a
 * norm. */
static inline bool su_head_computes(const SutraHead *head)
{
    return head->kind >= SUTRA_HEAD_DENSE;
}
/* Whether a head is a linear: dense, or of scores. */
static inline bool su_head_is_linear(const SutraHead *head)
{
    return head->kind == SUTRA_HEAD_DENSE || head->kind == SUTRA_HEAD_SCORE;
}
/* context->pooled[0] [seqs, hidden] through the dense heads; the result [seqs, pooled_size]. */
const float *su_encoder_run_dense(SuEncoderContext *context, const SutraBatch *batch,
                                  SuRegionThread *thread);

/* Whether an output is of one row a text: pooled, and through the heads. */
static inline bool su_output_is_pooled(SutraOutput output)
{
    return output == SUTRA_OUT_POOLED || output == SUTRA_OUT_SCORES;
}
/* Whether the head reads one row of each text, and the token that row belongs to. */
bool su_encoder_reads_one_row(const SuEncoder *encoder, const SutraBatch *batch);
size_t su_encoder_read_token(const SutraBatch *batch, size_t seq);

/* steps [dim]: what a step of batch->ranges is, (largest - smallest) / 255, or 1 where that is 0;
 * nothing without ranges. */
void su_output_steps(const SutraBatch *batch, float *steps);

/* One float row [size] to its output form: keep dim elements, normalise before or after that,
 * convert, all as the batch says. steps: of su_output_steps. False if it holds NaN or infinity;
 * out is zero then. */
bool su_output_row(const SuKernels *kernels, const float *row, uint32_t size,
                   const SutraBatch *batch, const float *steps, void *out);

#endif
