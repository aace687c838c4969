#include "train/token_vectors.h"

#include "base/memory.h"
#include "sutra_tokens.h"

#include <stdio.h>
#include <string.h>

enum { TOKENS_AT_ONCE = 2048 };

/* ---- tokens of texts ---- */

static SutraStatus keep_tokens(SuTextTokens *kept, const SutraTokensView *view, SutraError *err)
{
    size_t n = view->num_items, total = view->cu_seqlens[n], count = 0;
    kept->begin = su_alloc(n + 1, sizeof *kept->begin);
    kept->tokens = su_alloc(total + 1, sizeof *kept->tokens);
    if (!kept->begin || !kept->tokens)
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", total);
    for (size_t i = 0; i < n; i++) {
        kept->begin[i] = count;
        for (size_t t = view->cu_seqlens[i]; t < view->cu_seqlens[i + 1]; t++)
            if (!view->special[t]) kept->tokens[count++] = view->token_ids[t];
    }
    kept->begin[n] = count;
    return SUTRA_OK;
}

SutraStatus su_text_tokens_open(SuTextTokens *tokens, const SutraModel *model,
                                const SutraInput *inputs, size_t n, SutraError *err)
{
    SutraTokens *found;
    SutraModelInfo info = {.struct_size = sizeof info};
    SutraTokensView view = {.struct_size = sizeof view};
    *tokens = (SuTextTokens){NULL, NULL};
    SU_TRY(sutra_model_info(model, &info, err));
    uint32_t most = info.max_tokens == UINT32_MAX ? 0 : info.max_tokens;
    SU_TRY(sutra_tokenize(model, inputs, n, most, &found, err));
    SutraStatus status = sutra_tokens_view(found, &view, err);
    if (status == SUTRA_OK) status = keep_tokens(tokens, &view, err);
    sutra_tokens_free(found);
    return status;
}

void su_text_tokens_close(SuTextTokens *tokens)
{
    su_free(tokens->begin);
    su_free(tokens->tokens);
    *tokens = (SuTextTokens){NULL, NULL};
}

/* ---- vectors of tokens ---- */

enum { MOST_AROUND = 16 };

/* The tokens of a text of one token; the place of that one. */
typedef struct Template {
    int32_t ids[MOST_AROUND + 1];
    size_t count, place;
} Template;

/* From what is put around an "a", whatever tokens that has. */
static SutraStatus read_template(const SutraModel *model, Template *template, SutraError *err)
{
    SutraTokens *found;
    SutraTokensView view = {.struct_size = sizeof view};
    const SutraInput input = {.text = "a", .text_size = 1};
    SU_TRY(sutra_tokenize(model, &input, 1, 0, &found, err));
    SutraStatus status = sutra_tokens_view(found, &view, err);
    size_t n = status == SUTRA_OK ? view.cu_seqlens[1] : 0, first = 0;
    *template = (Template){.count = 0};
    while (first < n && view.special[first]) first++;
    for (size_t t = 0; t < n && template->count < MOST_AROUND; t++) {
        if (t == first) template->place = template->count++;
        if (view.special[t]) template->ids[template->count++] = view.token_ids[t];
    }
    if (first == n) template->place = template->count++;
    sutra_tokens_free(found);
    return status;
}

static SutraStatus embed_tokens(const SuTokenJob *job, SutraEngine *engine,
                                const Template *template, int32_t *ids, SutraInput *inputs,
                                float *rows, SutraError *err)
{
    const SutraEmbedOptions options = {.struct_size = sizeof options};
    char line[96];
    for (size_t done = 0, count; done < job->vocab; done += count) {
        count = job->vocab - done < TOKENS_AT_ONCE ? job->vocab - done : TOKENS_AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            int32_t *of_token = ids + i * template->count;
            memcpy(of_token, template->ids, template->count * sizeof *ids);
            of_token[template->place] = (int32_t)(done + i);
            inputs[i] = (SutraInput){.token_ids = of_token, .num_token_ids = template->count};
        }
        SU_TRY(sutra_embed_into(engine, job->model, inputs, count, &options, rows + done * job->dim,
                                count * job->dim * sizeof *rows, NULL, err));
        snprintf(line, sizeof line, "teacher  %zu of %zu tokens", done + count, job->vocab);
        if (job->progress) job->progress(job->user, line);
    }
    return SUTRA_OK;
}

SutraStatus su_token_vectors(const SuTokenJob *job, float *rows, SutraError *err)
{
    Template template;
    SutraEngine *engine = NULL;
    const SutraEngineOptions options = {.struct_size = sizeof options,
                                        .num_threads = job->num_threads};
    SU_TRY(read_template(job->model, &template, err));
    int32_t *ids = su_alloc(TOKENS_AT_ONCE * template.count, sizeof *ids);
    SutraInput *inputs = su_alloc(TOKENS_AT_ONCE, sizeof *inputs);
    SutraStatus status = ids && inputs
                             ? sutra_engine_create(&options, &engine, err)
                             : su_error_set(err, SUTRA_E_MEMORY, "out of memory for tokens");
    if (status == SUTRA_OK) status = embed_tokens(job, engine, &template, ids, inputs, rows, err);
    sutra_engine_free(engine);
    su_free(inputs);
    su_free(ids);
    return status;
}
