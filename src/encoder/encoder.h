/* encoder.h - the transformer encoder over packed batches, in fp32.
 *
 * SuEncoder holds the weights, packed for the kernels of one ISA; immutable. SuEncoderContext is
 * the memory of one run at a time. Every function of a run is called by all ranks of a crew
 * (one rank when the caller is alone), which go through the same stages: each claims ranges of a
 * stage until none is left, and none starts the next stage before all ranges are done. A rank that
 * the system keeps from running holds up nobody unless it holds a range. How work is split changes
 * no result: see the recipes in kernels/kernels.h.
 *
 * One layer (post-norm, BERT):
 *
 *   x ─► qkv ─► attention ─► out projection + x ─► norm ─► x ─► up, GELU ─► down + x ─► norm ─► x
 *
 * Where pooling reads one token of a text (cls, last), the last layer computes k and v of all tokens
 * and all else for those rows alone, which lie in context->read from then on.
 */
#ifndef SU_ENCODER_H
#define SU_ENCODER_H

#include "base/memory.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"

/* Of the layout of SuEncoder.packed. */
#define SU_ENCODER_PACKED_VERSION 1u

typedef struct SuLinearF32 {
    float *packed; /* see SuGemmF32Args.b */
    float *bias;   /* [round_up(out, nr)] */
    size_t in, out;
} SuLinearF32;

typedef struct SuLayerF32 {
    SuLinearF32 qkv; /* [hidden, q | k | v]; q scaled by log2(e) / sqrt(head_size) */
    SuLinearF32 attention_out, up, down;
    SuNormF32 attention_norm, ffn_norm;
    size_t before, after; /* tokens seen to either side; SIZE_MAX: all */
} SuLayerF32;

/* A table of rows in its stored type; rows are widened as they are read. */
typedef struct SuEmbeddingTable {
    const unsigned char *data; /* NULL: absent */
    SutraTensorType dtype;
    size_t rows, row_bytes;
} SuEmbeddingTable;

typedef struct SuEncoder {
    SuKernels kernels;
    SutraSpec spec; /* pointers of the caller's spec are not kept */
    SuEmbeddingTable token, position, type;
    SuNormF32 embedding_norm;
    SuLayerF32 *layers;          /* [num_layers] */
    const unsigned char *packed; /* [packed_size] in memory, or the caller's */
    size_t packed_size;
    unsigned char *memory; /* all packed weights, one block; NULL when attached */
    size_t memory_size;
} SuEncoder;

/* Memory of one run; all pointers lie in one block.
 *
 *   x [tokens, hidden] | qkv [3 heads, tokens, head] (output rows at the end) |
 *   attention [tokens, hidden] | read [seqs, hidden] | ffn [ffn_rows, ffn_size] | for each rank: one
 *   row */
typedef struct SuEncoderContext {
    const SuEncoder *encoder;
    uint32_t max_tokens, max_seqs, max_team;
    float *x, *qkv, *attention, *read, *ffn;
    uint32_t ffn_rows;
    float **rank_row; /* [max_team] */
    SuBoard board;
    unsigned char *memory;
    size_t memory_size;
} SuEncoderContext;

typedef struct SuCrew {
    uint32_t rank, size;
    SuBoard *board;
    uint32_t stage; /* stages that this rank has gone through */
} SuCrew;

/* tensors are borrowed until su_encoder_free. Errors: FORMAT (a role is missing or has another
 * shape), UNSUPPORTED, MEMORY. */
SutraStatus su_encoder_create(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                              SuIsa isa, SuEncoder **encoder, SutraError *err);
/* The same over `packed` [size], which su_encoder_create made (SuEncoder.packed) with a GEMM of the
 * same nr: nothing is copied. tensors need hold the embedding tables only; packed is borrowed until
 * su_encoder_free and aligned to SU_CACHE_LINE. Errors: FORMAT, UNSUPPORTED, MEMORY. */
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

/* ---- stages, called by all ranks of a crew ---- */
void su_encoder_embed(SuEncoderContext *context, const SutraBatch *batch, SuCrew *crew);
/* For all tokens, context->x being read and written; or, read_only: for the rows alone that pooling
 * reads, which are written to context->read. */
void su_encoder_self_attention(SuEncoderContext *context, const SuLayerF32 *layer,
                               const SutraBatch *batch, bool read_only, SuCrew *crew);
/* x [rows, hidden], in place */
void su_encoder_feed_forward(SuEncoderContext *context, const SuLayerF32 *layer, float *x,
                             size_t rows, SuCrew *crew);
void su_encoder_heads(SuEncoderContext *context, const SutraBatch *batch, SuCrew *crew);

/* Whether the head reads one row of each text, and the token that row belongs to. */
bool su_encoder_reads_one_row(const SuEncoder *encoder, const SutraBatch *batch);
size_t su_encoder_read_token(const SutraBatch *batch, size_t seq);

/* c = act(a x linear) + residual over `rows` rows, this rank's share. Rows of a and residual are
 * dense; so are those of c, or of its groups of columns (see SuGemmF32Args). */
typedef struct SuLinearIo {
    const float *a, *residual; /* residual NULL: none */
    float *c;
    size_t rows;
    size_t c_group, c_group_stride; /* 0: none */
    size_t first, columns;          /* of the linear's, whole panels; columns 0: all */
    SutraActivation activation;
} SuLinearIo;

void su_encoder_linear(const SuEncoder *encoder, const SuLinearF32 *linear, SuCrew *crew,
                       const SuLinearIo *io);
/* Norm of `rows` rows of x in place, this rank's share. */
void su_encoder_norm(const SuEncoder *encoder, const SuNormF32 *norm, SuCrew *crew, float *x,
                     size_t rows);

/* A stage of the crew: `count` things shared out in ranges of about equal size, claimed one after the
 * other; it ends for every rank when all ranges are done. Use:
 *
 *   SuShare share = su_crew_share(crew, count);
 *   while (su_crew_next(crew, &share)) work on share.begin … share.end - 1 */
typedef struct SuShare {
    size_t begin, end;
    size_t count, ranges;
    SuStage stage;
} SuShare;
SuShare su_crew_share(SuCrew *crew, size_t count);
bool su_crew_next(SuCrew *crew, SuShare *share);

/* One float row [n] to its output form: keep dim elements, normalise, convert. False if it holds
 * NaN or infinity. */
bool su_output_row(const SuKernels *kernels, float *row, uint32_t dim, bool normalize,
                   SutraDtype dtype, void *out);

#endif
