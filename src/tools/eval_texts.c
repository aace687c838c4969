#include "tools/eval_texts.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK_TEXTS = 2048 };

SutraStatus su_eval_texts_append(SuEvalTexts *texts, const char *text, size_t size, size_t line,
                                 SutraError *err)
{
    if (texts->count == texts->capacity) {
        size_t capacity = texts->capacity ? texts->capacity * 2 : 1024;
        SutraInput *inputs = su_realloc(texts->inputs, capacity, sizeof *inputs);
        if (inputs) texts->inputs = inputs;
        size_t *lines = su_realloc(texts->lines, capacity, sizeof *lines);
        if (lines) texts->lines = lines;
        if (!inputs || !lines)
            SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory for %zu texts", texts->path, capacity);
        texts->capacity = capacity;
    }
    texts->inputs[texts->count] = (SutraInput){.text = text, .text_size = size};
    texts->lines[texts->count++] = line;
    return SUTRA_OK;
}

void su_eval_texts_free(SuEvalTexts *texts)
{
    su_free(texts->inputs);
    su_free(texts->lines);
    *texts = (SuEvalTexts){0};
}

bool su_row_is_blank(const char *line, size_t size)
{
    while (size > 0 && (*line == ' ' || *line == '\r')) line++, size--;
    return size == 0;
}

SutraStatus su_eval_run_begin(SuEvalRun *run, SutraEngine *engine, const SutraModel *model,
                              const SutraEvalOptions *options, SutraError *err)
{
    *run =
        (SuEvalRun){.engine = engine, .model = model, .embed = {.struct_size = sizeof run->embed}};
    if (!engine || !model) SU_RAISE(err, SUTRA_E_ARGUMENT, "eval: engine or model is NULL");
    if (options) {
        if (options->struct_size < sizeof options->struct_size ||
            options->struct_size > sizeof *options)
            SU_RAISE(err, SUTRA_E_ABI, "SutraEvalOptions: struct_size %u", options->struct_size);
        memcpy(&run->options, options, options->struct_size);
    }
    if (run->options.embed) {
        uint32_t size = run->options.embed->struct_size;
        if (size < sizeof size || size > sizeof run->embed)
            SU_RAISE(err, SUTRA_E_ABI, "SutraEmbedOptions: struct_size %u", size);
        memcpy(&run->embed, run->options.embed, size);
    }
    SutraModelInfo info = {.struct_size = sizeof info};
    SU_TRY(sutra_model_info(model, &info, err));
    run->dim = run->embed.dim ? run->embed.dim : info.dim;
    run->row_bytes = sutra_row_bytes(run->embed.dtype, run->dim);
    if (run->embed.output != SUTRA_OUT_POOLED || !run->row_bytes)
        SU_RAISE(err, SUTRA_E_ARGUMENT, "eval: dim %u, element type or output is not valid",
                 run->dim);
    return SUTRA_OK;
}

/* "path:line: reason" of the first text that failed, if one did. */
static SutraStatus locate(const SuEvalTexts *texts, size_t first, const SutraError *reason,
                          SutraError *err)
{
    if (reason->has_item)
        SU_RAISE(err, reason->status, "%s:%zu: %s", texts->path, texts->lines[first + reason->item],
                 reason->message + reason->reason);
    SU_RAISE(err, reason->status, "%s: %s", texts->path, reason->message);
}

static SutraStatus embed_block(SuEvalRun *run, const SuEvalTexts *texts, size_t first, size_t count,
                               unsigned char *out, SutraItem *items, SutraError *err)
{
    SutraError reason = {0};
    SutraStatus status = sutra_embed_into(run->engine, run->model, texts->inputs + first, count,
                                          &run->embed, out, count * run->row_bytes, items, &reason);
    if (status != SUTRA_OK) return locate(texts, first, &reason, err);
    for (size_t i = 0; i < count; i++) {
        run->tokens += items[i].tokens_used;
        run->truncated += (items[i].flags & SUTRA_ITEM_TRUNCATED) != 0;
        run->windowed += items[i].windows > 0;
    }
    run->done += count;
    if (run->options.progress) run->options.progress(run->options.user, run->done, run->total);
    return SUTRA_OK;
}

SutraStatus su_eval_embed(SuEvalRun *run, SuEvalTexts *texts, const char *prompt_name,
                          unsigned char **vectors, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    unsigned char *out = su_alloc(texts->count, run->row_bytes);
    SutraItem *items = su_alloc(BLOCK_TEXTS, sizeof *items);
    if (!out || !items)
        status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory for %zu vectors", texts->path,
                              texts->count);
    for (size_t i = 0; i < texts->count; i++) texts->inputs[i].prompt_name = prompt_name;
    for (size_t first = 0; first < texts->count && status == SUTRA_OK; first += BLOCK_TEXTS) {
        size_t count = texts->count - first;
        if (count > BLOCK_TEXTS) count = BLOCK_TEXTS;
        status = embed_block(run, texts, first, count, out + first * run->row_bytes, items, err);
    }
    su_free(items);
    if (status == SUTRA_OK)
        *vectors = out;
    else
        su_free(out);
    return status;
}

SutraStatus su_eval_run_end(const SuEvalRun *run, double score, uint64_t items, uint64_t documents,
                            SutraEvalResult *result, SutraError *err)
{
    uint32_t size = result ? result->struct_size : 0;
    if (size < sizeof size || size > sizeof *result)
        SU_RAISE(err, SUTRA_E_ABI, "SutraEvalResult: struct_size %u", size);
    SutraEvalResult full = {.struct_size = size,
                            .dim = run->dim,
                            .score = score,
                            .items = items,
                            .documents = documents,
                            .tokens = run->tokens,
                            .truncated = run->truncated,
                            .windowed = run->windowed};
    memcpy(result, &full, size);
    return SUTRA_OK;
}
