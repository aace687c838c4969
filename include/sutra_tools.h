/* sutra_tools.h - what is built on the engine's public API: quality measures, exact search,
 * reading files of texts, the evaluations of `sutra eval` and the measurements of `sutra bench`.
 *
 * Part of libsutra_tools.a, which the program links; versioning, errors and threads are those of
 * sutra.h. Inputs are borrowed until return.
 *
 * How to use it: sutra_model_open and sutra_engine_create of sutra.h, then sutra_eval_sts or
 * sutra_eval_retrieval. sutra_spearman, sutra_ndcg and sutra_top_k stand alone.
 */
#ifndef SUTRA_TOOLS_H
#define SUTRA_TOOLS_H

#include "sutra.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- measures ---- */

/* Spearman's rank correlation of x [n] and y [n], -1 … 1: Pearson's correlation of their ranks,
 * equal values sharing the average of their ranks, as scipy.stats.spearmanr. Errors: ARGUMENT (n <
 * 2), NUMERIC (NaN; all values of x or of y are equal), MEMORY. */
SUTRA_API SutraStatus sutra_spearman(const double *x, const double *y, size_t n, double *rho,
                                     SutraError *err);

/* Normalised discounted cumulative gain at rank k, 0 … 1, as trec_eval's ndcg_cut: the gain is the
 * relevance itself (negative counts as 0), the discount log2(rank + 1).
 *   ranked [num_ranked]   relevance of the documents found, best first; 0 where not judged
 *   judged [num_judged]   all relevances of the query, in any order, for the ideal ranking
 * 0 when nothing is relevant. Errors: MEMORY. */
SUTRA_API SutraStatus sutra_ndcg(const double *ranked, size_t num_ranked, const double *judged,
                                 size_t num_judged, size_t k, double *ndcg, SutraError *err);

/* ---- search ---- */

/* The k most similar of documents [num_documents, dim] for each of queries [num_queries, dim], best
 * first, by sutra_similarity over all of them; of equals the lower index is first.
 *   indices, scores [num_queries, k]; beyond num_documents: SIZE_MAX and -infinity
 * Errors: ARGUMENT, MEMORY. */
SUTRA_API SutraStatus sutra_top_k(SutraDtype dtype, uint32_t dim, const void *queries,
                                  size_t num_queries, const void *documents, size_t num_documents,
                                  size_t k, size_t *indices, float *scores, SutraError *err);

/* ---- texts in files ---- */

/* Bytes that sutra_text_start looks at. */
#define SUTRA_TEXT_START 64

/* What a file of texts begins with: *skip is 3 for a byte order mark of UTF-8, which is no part of
 * the first text, else 0. `data`: its first SUTRA_TEXT_START bytes, or all before its first "\n".
 * Errors: FORMAT when it is compressed (gzip, zstd, bzip2, xz), a Git LFS pointer, or in UTF-16 or
 * UTF-32, told by their byte order mark or by NULs in every other place; the message begins with
 * `where` and says what to do. */
SUTRA_API SutraStatus sutra_text_start(const void *data, size_t size, const char *where,
                                       size_t *skip, SutraError *err);

typedef enum SutraJsonKind {
    SUTRA_JSON_ABSENT = 0,
    SUTRA_JSON_NULL,
    SUTRA_JSON_STRING,
    SUTRA_JSON_OTHER
} SutraJsonKind;

/* A field of a line of JSON. */
typedef struct SutraJsonField {
    const char *name; /* the one value that the caller gives */
    SutraJsonKind kind;
    const char *raw; /* in the line: what stands between a string's quotes; a number, but NaN and
                        Infinity; else NULL */
    size_t raw_size;
} SutraJsonField;

/* Finds fields [num_fields] in a line that is a JSON object, as Python's json module reads it: NaN,
 * Infinity, -Infinity and numbers of any size are values, and of a key that occurs twice the last
 * value counts. All of the line is checked, but for its UTF-8: bytes from 0x80 on stand for
 * themselves. Errors: FORMAT naming `where` and the column (in characters). */
SUTRA_API SutraStatus sutra_json_line(const char *line, size_t size, const char *where,
                                      SutraJsonField *fields, size_t num_fields, SutraError *err);

/* The text of a string. text [field->raw_size] may be field->raw itself. Errors: FORMAT (not a
 * string; half of a surrogate pair). */
SUTRA_API SutraStatus sutra_json_text(const SutraJsonField *field, const char *where, char *text,
                                      size_t *size, SutraError *err);

/* The object's keys as they are written, between commas, as many as there is room for. */
SUTRA_API void sutra_json_line_names(const char *line, size_t size, char *names, size_t capacity);

/* The other way: what stands between a string's quotes. Escaped are '"', "\" and control
 * characters; a byte that is not part of valid UTF-8 becomes U+FFFD. Writes whole characters, of at
 * most 6 bytes each, as long as they fit into capacity, without a NUL; returns their bytes, and in
 * *used those of the text that they stand for. */
SUTRA_API size_t sutra_json_escape(const char *text, size_t size, char *escaped, size_t capacity,
                                   size_t *used);

/* Blanks, tabs and "\r" at most: such a line among lines of JSON is no record. */
SUTRA_API int sutra_json_line_is_blank(const char *line, size_t size);

/* ---- evaluations ---- */

typedef struct SutraEvalOptions {
    uint32_t struct_size;
    const SutraEmbedOptions *embed; /* NULL: the model's defaults. Output must be POOLED */
    const char *query_prompt; /* prompt names; sts: for both texts. NULL: the model's default */
    const char *document_prompt;
    void (*progress)(void *user, uint64_t texts_done, uint64_t texts_total);
    void *user;
} SutraEvalOptions;

typedef struct SutraEvalResult {
    uint32_t struct_size;
    uint32_t dim;
    double score;               /* Spearman's rho, or mean nDCG@10 */
    uint64_t items;             /* pairs, or queries */
    uint64_t documents;         /* retrieval: of the corpus; sts: 0 */
    uint64_t tokens, truncated; /* tokens encoded; texts that were cut */
    uint64_t windowed;          /* texts that became windows */
} SutraEvalResult;

/* Of every file: a byte order mark of UTF-8 at its start is skipped, and blank lines count for
 * nothing. Compressed files and other encodings are refused by name.
 *
 * Semantic textual similarity: lines "score<TAB>sentence1<TAB>sentence2", "\n" only; a first line
 * whose score is not a number is a header. The score is Spearman's rho of the gold scores and the
 * similarities. Errors: IO, FORMAT (names file and line), those of sutra_embed. */
SUTRA_API SutraStatus sutra_eval_sts(SutraEngine *engine, const SutraModel *model, const char *path,
                                     const SutraEvalOptions *options, SutraEvalResult *result,
                                     SutraError *err);

/* Retrieval over a folder in BEIR form: corpus.jsonl (_id, title, text), queries.jsonl (_id, text),
 * qrels.tsv or qrels/test.tsv (query-id, corpus-id, score; one header line). A document is its
 * title, one space, its text. Every query that is judged is run against the whole corpus; a
 * document whose id is the query's own is left out, as in BEIR. Of equal scores the greater id is
 * first, as in trec_eval. The score is the mean nDCG@10. Errors: as above. */
SUTRA_API SutraStatus sutra_eval_retrieval(SutraEngine *engine, const SutraModel *model,
                                           const char *directory, const SutraEvalOptions *options,
                                           SutraEvalResult *result, SutraError *err);

/* ---- precision ---- */

typedef struct SutraComputeChoice {
    uint32_t struct_size;
    SutraCompute compute;
    double quality;     /* percent: 100 x mean cosine of its vectors and those of fp32 */
    uint32_t num_texts; /* that quality was measured on */
    char reason[256];   /* one line: what was tried, and what it gave */
} SutraComputeChoice;

/* The first of int8 and bf16 that this processor has instructions for and whose quality is at least
 * min_quality (percent), measured on a few texts that come with the library; else fp32. Opens the
 * model once a precision; options->compute is not looked at. Errors: ARGUMENT (min_quality is not
 * in 0 … 100); those of sutra_model_open and sutra_embed. */
SUTRA_API SutraStatus sutra_compute_choose(const char *path, const SutraModelOptions *options,
                                           double min_quality, SutraComputeChoice *choice,
                                           SutraError *err);

/* ---- quantisation ---- */

typedef struct SutraBenchReport SutraBenchReport; /* tables, see below */

typedef enum SutraEmbeddingFormat {
    SUTRA_EMBEDDINGS_DEFAULT = 0, /* int8 with SUTRA_COMPUTE_INT8, else as stored */
    SUTRA_EMBEDDINGS_STORED,
    SUTRA_EMBEDDINGS_INT8 /* token and position embeddings in s8, each row with a scale */
} SutraEmbeddingFormat;

/* Scale and zero of the rows that a linear of int8 reads. */
typedef enum SutraScales {
    SUTRA_SCALES_DYNAMIC = 0, /* each row has its own */
    /* All rows have one, from the calibration texts: */
    SUTRA_SCALES_MIN_MAX,    /* the whole range */
    SUTRA_SCALES_PERCENTILE, /* all but 1 of 20,000 values at either end */
    SUTRA_SCALES_MSE,        /* least squared error */
    SUTRA_SCALES_ENTROPY     /* least Kullback-Leibler divergence */
} SutraScales;

typedef struct SutraQuantizeOptions {
    uint32_t struct_size;
    SutraCompute compute; /* of the linears: SUTRA_COMPUTE_INT8, BF16 or FP16 */
    SutraEmbeddingFormat embeddings;
    void (*progress)(void *user, const char *line);
    void *user;
    void (*writing)(void *user); /* called once, before the file is begun; NULL: no call */
    const SutraInput *inputs;    /* [num_inputs] calibration texts, at least two that have tokens */
    size_t num_inputs;
    SutraScales scales; /* int8; all but DYNAMIC need texts */
    /* int8: alpha of SmoothQuant (Xiao et al. 2022) where a linear reads a norm, 0 … 1; needs
     * texts. 0: none. */
    double smooth;
    double keep; /* least quality, percent, 0 … 100: linears stay in bf16 until it holds. 0: any */
    uint32_t compare;     /* 1: the report has the table "comparison"; int8; needs texts */
    uint32_t num_threads; /* 0: every core this process may run on */
} SutraQuantizeOptions;

/* Writes the model in folder `path` to `output`, a .sutra file, with its linears in another
 * precision; all or nothing. report may be NULL; else to be freed by sutra_bench_report_free:
 *
 *   table        columns
 *   linears      layer, name, format
 *                error   percent: root of the mean squared error of what it makes of calibration
 *                        rows over that of the exact; without texts, of its weights
 *                alone   percent: 100 - the quality where this linear alone is quantised; "-" where
 *                        keep did not need it
 *                bytes   weights, biases, scales
 *                ms      time it took
 *   totals       what, value, unit; quality with texts or keep
 *   comparison   scales, smoothing, quality
 *                least   percent: the smallest cosine of a text
 *
 * Quality is 100 x the mean cosine of vectors to those of fp32. Of calibration texts the 1st, 3rd,
 * … give the statistics and the others the quality; without any, keep measures it on a few texts
 * that come with the library. Texts without tokens are left out. No prompt is added.
 *
 * Errors: ARGUMENT (options that do not go together, keep cannot be reached, texts without tokens);
 * ABI; UNSUPPORTED (a precision that is not known; a .sutra file, which has no plain weights);
 * FORMAT (names a weight that is NaN or infinite); NUMERIC; those of sutra_model_open,
 * sutra_model_save and sutra_tokenize. */
SUTRA_API SutraStatus sutra_quantize(const char *path, const char *output,
                                     const SutraQuantizeOptions *options, SutraBenchReport **report,
                                     SutraError *err);

/* ---- ONNX ---- */

typedef struct SutraOnnxOptions {
    uint32_t struct_size;
    /* DEFAULT or FP32: all in float32, whatever the weights are stored in. INT8: the weights of the
     * layers' linears as s8 with a scale for each output (DequantizeLinear), the token embeddings
     * as s8 with a scale a row; activations, norms and heads stay float32. */
    SutraCompute compute;
    /* A larger file is written without its weights, which then lie in a second one of the same name
     * and "_data" behind it (ONNX's external data). At most, and where it is 0, what protobuf can
     * hold: 2^31 - 1. */
    uint64_t max_file_bytes;
} SutraOnnxOptions;

/* Writes a model that was opened from a folder as an ONNX file (onnx.proto; IR version 8, opset
 * 17, no operators of other domains), all or nothing; of two files each is, the second one first.
 * Weights are read where the model has them mapped. options NULL: the defaults.
 *
 *   input                shape                  type
 *   input_ids            [batch, sequence]      int64
 *   attention_mask       [batch, sequence]      int64; 1, and 0 for padding, which is on the right
 *   token_type_ids       [batch, sequence]      int64; models with several types only
 *   output
 *   last_hidden_state    [batch, sequence, hidden]   float32; after the last layer and its norm;
 *                                               not of static models
 *   sentence_embedding   [batch, dim]           float32; pooled, through the heads, normalised and
 *                                               cut as the model says
 *   logits               [batch, 1]             float32; rerankers, instead of both: before the
 *                                               activation of scores
 *
 * These are names that Optimum, and so sentence-transformers, reads. Any batch and sequence will
 * do, up to the positions that the model has. Prompts are the caller's; of a model that leaves them
 * out of pooling the graph pools them nevertheless, as all tokens that the mask has. A row of the
 * mask that is 0 throughout gives numbers without a meaning, and leaves other rows as they are.
 * metadata_props: model, revision, digest, family, weights, max_tokens, pooling, normalize, dim,
 * default_prompt, include_prompt, prompt.NAME; score_activation. Bytes of the model's name that are
 * not UTF-8 become U+FFFD.
 *
 * Errors: ARGUMENT (also a second file whose name is not UTF-8), ABI, UNSUPPORTED (a .sutra file,
 * which has no plain weights; a precision), FORMAT (int8: names a weight that is
 * NaN or infinite), LIMIT, IO, MEMORY. */
SUTRA_API SutraStatus sutra_onnx_write(const SutraModel *model, const char *output,
                                       const SutraOnnxOptions *options, SutraError *err);

/* ---- benchmarks ----
 *
 * Each gives a report of tables. All figures of a report, ceilings too, are measured in that run,
 * in turns. GFLOP/s of a thread are by its processor time where the report says so, else by wall
 * time; a share of the ceiling above 105 % is no result: its row says so in the column "note". One
 * benchmark at a time in a process (others wait). */

typedef struct SutraBenchCell {
    int is_text;
    double number; /* finite */
    char text[88];
} SutraBenchCell;

/* Borrowed from the report. */
typedef struct SutraBenchTable {
    const char *name;
    const char *const *columns; /* [num_columns] */
    size_t num_columns, num_rows;
    const SutraBenchCell *cells; /* [num_rows, num_columns] */
} SutraBenchTable;

typedef struct SutraBenchOptions {
    uint32_t struct_size;
    uint32_t num_threads;     /* 0: one for kernels, else every core this process may run on */
    const char *model;        /* path; kernels: NULL takes the shapes of all-MiniLM-L6-v2 */
    const char *cache_dir;    /* ablation: where a bundle may be kept; NULL: none is measured */
    const SutraInput *inputs; /* [num_inputs] instead of generated texts: breakdown, requests,
                                 ablation */
    size_t num_inputs;
    uint32_t quick; /* 1: few, short samples; the figures are rough */
    void (*progress)(void *user, const char *line);
    void *user;
    SutraCompute compute; /* throughput, breakdown: of a folder; a bundle has its own */
    uint32_t block_kib;   /* kernels: rows that meet all weights at once, KiB; 0: as the engine */
} SutraBenchOptions;

/* Texts a second and latency of single texts by length. Errors: those of sutra_model_open and
 * sutra_embed; ABI. */
SUTRA_API SutraStatus sutra_bench_throughput(const SutraBenchOptions *options,
                                             SutraBenchReport **report, SutraError *err);

/* Roofline of every kernel of the ISA in force: the ceiling is the lesser of the fma peak and of
 * intensity x bandwidth at the kernel's own working set. Errors: as above. */
SUTRA_API SutraStatus sutra_bench_kernels(const SutraBenchOptions *options,
                                          SutraBenchReport **report, SutraError *err);

/* Time of each operation of an engine at work. Errors: as above. */
SUTRA_API SutraStatus sutra_bench_breakdown(const SutraBenchOptions *options,
                                            SutraBenchReport **report, SutraError *err);

/* The same texts in one call, and as requests of one text each from 1 to 64 threads; and a lone
 * query through sutra_embed_into, sutra_embed and sutra_submit. Errors: as above. */
SUTRA_API SutraStatus sutra_bench_requests(const SutraBenchOptions *options,
                                           SutraBenchReport **report, SutraError *err);

/* What each step brings over a naive encoder. Errors: as above; NUMERIC when a variant's vectors
 * are not the engine's. */
SUTRA_API SutraStatus sutra_bench_ablation(const SutraBenchOptions *options,
                                           SutraBenchReport **report, SutraError *err);

SUTRA_API size_t sutra_bench_num_tables(const SutraBenchReport *report);
SUTRA_API SutraBenchTable sutra_bench_table(const SutraBenchReport *report, size_t i);
SUTRA_API void sutra_bench_report_free(SutraBenchReport *report);

#ifdef __cplusplus
}
#endif
#endif
