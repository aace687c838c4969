/* eval_sts.c - rank correlation of similarities with people's scores. */
#include "base/file_map.h"
#include "base/memory.h"
#include "tools/eval_texts.h"

#include <stdlib.h>
#include <string.h>

/* Pair i is texts 2i and 2i + 1, which lie in the mapped file. */
typedef struct Pairs {
    SuFileMap file;
    SuEvalTexts texts;
    double *scores; /* [texts.count / 2] */
    size_t capacity;
} Pairs;

static bool parse_score(const char *text, size_t size, double *score)
{
    char copy[64];
    if (size == 0 || size >= sizeof copy || strspn(text, "0123456789+-.eE") < size) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *end;
    *score = strtod(copy, &end);
    return !*end;
}

static SutraStatus append_pair(Pairs *pairs, double score, const char *one, size_t one_size,
                               const char *two, size_t two_size, size_t line, SutraError *err)
{
    size_t n = pairs->texts.count / 2;
    if (n == pairs->capacity) {
        size_t capacity = n ? n * 2 : 1024;
        double *scores = su_realloc(pairs->scores, capacity, sizeof *scores);
        if (!scores) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", pairs->texts.path);
        pairs->scores = scores;
        pairs->capacity = capacity;
    }
    pairs->scores[n] = score;
    SU_TRY(su_eval_texts_append(&pairs->texts, one, one_size, line, err));
    return su_eval_texts_append(&pairs->texts, two, two_size, line, err);
}

static SutraStatus parse_line(Pairs *pairs, const char *text, size_t size, size_t line,
                              SutraError *err)
{
    const char *path = pairs->texts.path, *end = text + size;
    const char *first = memchr(text, '\t', size);
    const char *second = first ? memchr(first + 1, '\t', (size_t)(end - first - 1)) : NULL;
    if (!second)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s:%zu: expected score, sentence1, sentence2 between tabs",
                 path, line);
    double score;
    if (!parse_score(text, (size_t)(first - text), &score)) {
        if (line == 1) return SUTRA_OK;
        SU_RAISE(err, SUTRA_E_FORMAT, "%s:%zu: the score is not a number", path, line);
    }
    const char *stop = memchr(second + 1, '\t', (size_t)(end - second - 1));
    if (stop) SU_RAISE(err, SUTRA_E_FORMAT, "%s:%zu: more than three columns", path, line);
    return append_pair(pairs, score, first + 1, (size_t)(second - first - 1), second + 1,
                       (size_t)(end - second - 1), line, err);
}

static SutraStatus read_pairs(Pairs *pairs, const char *path, SutraError *err)
{
    pairs->texts.path = path;
    SU_TRY(su_file_map_open(path, &pairs->file, err));
    const char *text = (const char *)pairs->file.data, *end = text + pairs->file.size;
    size_t skip;
    SU_TRY(sutra_text_start(text, pairs->file.size, path, &skip, err));
    text += skip;
    for (size_t line = 1; text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop) stop = end;
        size_t size = (size_t)(stop - text);
        if (!su_row_is_blank(text, size)) SU_TRY(parse_line(pairs, text, size, line, err));
        text = stop + 1;
    }
    if (pairs->texts.count < 4)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %zu pairs are too few for a correlation", path,
                 pairs->texts.count / 2);
    return SUTRA_OK;
}

/* similarities [n] of vectors 2i and 2i + 1 */
static SutraStatus compare_pairs(const SuEvalRun *run, const unsigned char *vectors, size_t n,
                                 double *similarities, SutraError *err)
{
    for (size_t i = 0; i < n; i++) {
        float cosine;
        const unsigned char *pair = vectors + 2 * i * run->row_bytes;
        SU_TRY(sutra_similarity(run->embed.dtype, run->dim, pair, 1, pair + run->row_bytes, 1,
                                &cosine, err));
        similarities[i] = (double)cosine;
    }
    return SUTRA_OK;
}

SutraStatus sutra_eval_sts(SutraEngine *engine, const SutraModel *model, const char *path,
                           const SutraEvalOptions *options, SutraEvalResult *result,
                           SutraError *err)
{
    SuEvalRun run;
    Pairs pairs = {0};
    unsigned char *vectors = NULL;
    double *similarities = NULL, rho = 0;
    if (!path) SU_RAISE(err, SUTRA_E_ARGUMENT, "eval: path is NULL");
    SU_TRY(su_eval_run_begin(&run, engine, model, options, err));
    SutraStatus status = read_pairs(&pairs, path, err);
    size_t n = pairs.texts.count / 2;
    if (status != SUTRA_OK) goto cleanup;
    run.total = pairs.texts.count;
    similarities = su_alloc(n, sizeof *similarities);
    if (!similarities) {
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", path);
        goto cleanup;
    }
    status = su_eval_embed(&run, &pairs.texts, run.options.query_prompt, &vectors, err);
    if (status == SUTRA_OK) status = compare_pairs(&run, vectors, n, similarities, err);
    if (status == SUTRA_OK) status = sutra_spearman(pairs.scores, similarities, n, &rho, err);
    if (status == SUTRA_OK) status = su_eval_run_end(&run, rho, n, 0, result, err);
cleanup:
    su_free(vectors);
    su_free(similarities);
    su_free(pairs.scores);
    su_eval_texts_free(&pairs.texts);
    su_file_map_close(&pairs.file);
    return status;
}
