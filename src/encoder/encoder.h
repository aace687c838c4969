/* encoder.h - the transformer encoder over packed batches, its linears in fp32, bf16 or int8.
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
 * Between linears everything is fp32: x, attention, norms, the sum of x and what a block adds. Rows go
 * into a linear in its format: as they are, or converted where they are made (SuRows), a row at a time.
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
#define SU_ENCODER_PACKED_VERSION 2u

/* Of the weights of a linear and of the rows it reads: the three kinds of SuGemmArgs. */
typedef enum SuFormat {
    SU_FORMAT_F32 = 0,
    SU_FORMAT_BF16,
    SU_FORMAT_INT8,
    SU_FORMAT_COUNT
} SuFormat;

typedef struct SuLinear {
    SuFormat format;
    void *packed; /* see SuGemmArgs.b */
    float *bias;  /* [round_up(out, nr)], like the next two */
    float *scale; /* int8, else NULL, like the next two */
    int32_t *sum;
    float *factor;    /* [in]: what a row is multiplied by before it is quantised; NULL: nothing */
    SuRowScale fixed; /* scale and zero of all rows; scale 0: each row its own */
    size_t in, out;
    uint32_t row_size; /* bytes of an element of the rows that it reads: SuGemm.a_size */
} SuLinear;

typedef struct SuLayer {
    SuLinear qkv; /* [hidden, q | k | v]; q scaled by log2(e) / sqrt(head_size) */
    SuLinear attention_out, up, down;
    SuNormF32 attention_norm, ffn_norm;
    size_t before, after; /* tokens seen to either side; SIZE_MAX: all */
} SuLayer;

/* The linears of a layer, in this order. */
enum { SU_LINEAR_QKV, SU_LINEAR_ATTENTION_OUT, SU_LINEAR_UP, SU_LINEAR_DOWN, SU_LAYER_LINEARS };

/* How a linear is to be packed. */
typedef struct SuLinearRecipe {
    SuFormat format;
    const float *factor; /* [in], positive: rows are multiplied by it, weights divided; NULL: 1 */
    SuRowScale fixed;    /* scale 0: each row its own */
} SuLinearRecipe;

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
    SuNormF32 embedding_norm;
    SuLayer *layers;             /* [num_layers] */
    const unsigned char *packed; /* [packed_size] in memory, or the caller's */
    size_t packed_size;
    unsigned char *memory; /* all packed weights, one block; NULL when attached */
    size_t memory_size;
} SuEncoder;

/* Rows as a linear reads them, dense in floats, else su_linear_row_bytes apart. */
typedef struct SuRows {
    void *data;
    SuRowScale *scales; /* int8 */
} SuRows;

/* Sees the rows that each linear of an fp32 encoder reads, before they are multiplied. */
typedef struct SuRowObserver {
    void (*see)(void *user, const SuLinear *linear, const float *x, size_t rows);
    void *user;
} SuRowObserver;

/* Memory of one run; all pointers lie in one block.
 *
 *   x [tokens, hidden] | qkv [3 heads, tokens, head] (output rows at the end) |
 *   attention [tokens, hidden] | read [seqs, hidden] | ffn [ffn_rows, ffn_size] | the same converted:
 *   rows [tokens] (of x, of attention), read_rows [seqs], ffn_rows | for each rank: one row */
typedef struct SuEncoderContext {
    const SuEncoder *encoder;
    uint32_t max_tokens, max_seqs, max_team;
    float *x, *qkv, *attention, *read, *ffn;
    uint32_t ffn_block; /* rows of ffn */
    SuRows rows, read_rows, ffn_rows;
    float **rank_row;              /* [max_team] */
    const SuRowObserver *observer; /* NULL but in calibration, whose batches have no team */
    SuBoard board;
    unsigned char *memory;
    size_t memory_size;
} SuEncoderContext;

typedef struct SuCrew {
    uint32_t rank, size;
    SuBoard *board;
    uint32_t stage; /* stages that this rank has gone through */
    const SuRowObserver *observer;
} SuCrew;

/* Whether the encoder can run it. Errors: UNSUPPORTED (names what it cannot do). heads are not read. */
SutraStatus su_encoder_check_spec(const SutraSpec *spec, SutraError *err);

/* recipes [num_layers, SU_LAYER_LINEARS] are read here, NULL: all fp32. tensors are borrowed until
 * su_encoder_free. Errors: FORMAT (a role is missing or has another shape; int8: a weight that is NaN
 * or infinite), UNSUPPORTED, MEMORY. */
SutraStatus su_encoder_create(const SutraSpec *spec, const SutraTensor *tensors, size_t n,
                              SuIsa isa, const SuLinearRecipe *recipes, SuEncoder **encoder,
                              SutraError *err);
/* The same over `packed` [size], which su_encoder_create made (SuEncoder.packed) with a GEMM of the
 * same nr, if one of the linears is fp32: nothing is copied. tensors need hold the embedding tables only; packed is borrowed until
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
 * reads, which are written to context->read. Both leave the rows converted for the linear that reads
 * them next. */
void su_encoder_self_attention(SuEncoderContext *context, const SuLayer *layer,
                               const SutraBatch *batch, bool read_only, SuCrew *crew);
/* x [rows, hidden], in place; next: the linear that reads the result, NULL: none */
void su_encoder_feed_forward(SuEncoderContext *context, const SuLayer *layer, float *x, size_t rows,
                             const SuLinear *next, SuCrew *crew);
void su_encoder_heads(SuEncoderContext *context, const SutraBatch *batch, SuCrew *crew);

/* Whether the head reads one row of each text, and the token that row belongs to. */
bool su_encoder_reads_one_row(const SuEncoder *encoder, const SutraBatch *batch);
size_t su_encoder_read_token(const SutraBatch *batch, size_t seq);

/* The GEMM that a format is for. */
const SuGemm *su_encoder_gemm(const SuEncoder *encoder, SuFormat format);

/* Whether a linear reads rows as they are. */
static inline bool su_linear_reads_floats(const SuLinear *linear)
{
    return linear->row_size == sizeof(float);
}

/* Bytes from one row that a linear reads to the next. */
size_t su_linear_row_bytes(const SuLinear *linear);

/* Rows `first` … of rows that `linear` reads. */
SuRows su_linear_rows_at(const SuLinear *linear, SuRows rows, size_t first);

/* Row `at` of `rows` from x [in], for linears that do not read floats. */
void su_encoder_convert_row(const SuEncoder *encoder, const SuLinear *linear, const float *x,
                            SuRows rows, size_t at);

/* c = act(a x linear) + residual over `rows` rows, this rank's share. Rows of residual are dense; so
 * are those of c, or of its groups of columns (see SuGemmArgs). */
typedef struct SuLinearIo {
    SuRows a;
    const float *residual; /* NULL: none */
    void *c;               /* of float, or of bf16: rows of such a linear */
    bool c_bf16;
    size_t rows;
    size_t c_group, c_group_stride; /* 0: none */
    size_t first, columns;          /* of the linear's, whole panels; columns 0: all */
    SutraActivation activation;
} SuLinearIo;

void su_encoder_linear(const SuEncoder *encoder, const SuLinear *linear, SuCrew *crew,
                       const SuLinearIo *io);
/* Norm of `rows` rows of x in place, this rank's share; and converted to `to` for the linear that
 * reads them next, if it reads no floats (next NULL: none does). */
void su_encoder_norm(const SuEncoder *encoder, const SuNormF32 *norm, SuCrew *crew, float *x,
                     size_t rows, const SuLinear *next, SuRows to);
/* x as `linear` reads it: itself, or converted to `to` by this rank and the others. */
SuRows su_encoder_convert(const SuEncoder *encoder, const SuLinear *linear, SuCrew *crew, float *x,
                          size_t rows, SuRows to);
/* x as `linear` reads it, which has been converted to `to` if it reads no floats. */
SuRows su_linear_rows(const SuLinear *linear, float *x, SuRows to);

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

/* One float row [hidden] to its output form: keep dim elements, normalise before or after that,
 * convert, all as the batch says. False if it holds NaN or infinity. */
bool su_output_row(const SuKernels *kernels, float *row, uint32_t hidden, const SutraBatch *batch,
                   void *out);

#endif
