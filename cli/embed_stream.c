#include "embed_stream.h"

#include "console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A block is large enough to keep every core busy and small enough to show progress. */
enum { BLOCK_TEXTS = 4096, BLOCK_BYTES = 4 << 20 };

void cli_locate_error(const CliBlock *block, SutraError *err)
{
    if (!err->has_item) return;
    char where[320], message[sizeof err->message];
    snprintf(message, sizeof message, "%s", err->message + err->reason);
    cli_block_where(block, err->item, where, sizeof where);
    cli_raise(err, err->status, "%s: %s", where, message);
}

static void add_up(CliTotals *totals, const SutraItem *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        totals->tokens_seen += items[i].tokens_seen;
        totals->tokens_used += items[i].tokens_used;
        totals->truncated += (items[i].flags & SUTRA_ITEM_TRUNCATED) != 0;
        if (items[i].tokens_seen > totals->longest) totals->longest = items[i].tokens_seen;
    }
    totals->texts += count;
}

static void prepare(const CliEmbedStream *stream, SutraInput *input)
{
    input->prompt_name = stream->prompt_name;
    if (!stream->query) return;
    input->pair = input->text;
    input->pair_size = input->text_size;
    input->text = stream->query;
    input->text_size = strlen(stream->query);
}

SutraStatus cli_embed_stream(CliEmbedStream *stream,
                             SutraStatus (*take)(void *user, const CliBlock *block,
                                                 const SutraResultView *view, SutraError *err),
                             void *user, SutraError *err)
{
    SutraStatus status = SUTRA_OK;
    CliBlock block;
    do {
        status = cli_reader_next(stream->reader, BLOCK_TEXTS, BLOCK_BYTES, &block, err);
        if (status != SUTRA_OK || block.count == 0) break;
        for (size_t i = 0; i < block.count; i++) prepare(stream, &block.inputs[i]);
        SutraResult *result = NULL;
        SutraResultView view = {.struct_size = sizeof view};
        status = sutra_embed(stream->session->engine, stream->session->model, block.inputs,
                             block.count, stream->options, &result, err);
        if (status != SUTRA_OK) cli_locate_error(&block, err);
        if (status == SUTRA_OK) status = sutra_result_view(result, &view, err);
        if (status == SUTRA_OK) {
            add_up(&stream->totals, view.items, view.num_items);
            status = take(user, &block, &view, err);
        }
        sutra_result_free(result);
        if (!stream->quiet)
            cli_progress(stream->totals.texts, block.bytes, stream->reader->source.total_bytes);
    } while (status == SUTRA_OK);
    cli_progress_clear();
    return status;
}

typedef struct Gathered {
    unsigned char *vectors;
    CliText *texts;
    size_t count;
    bool keep_texts;
} Gathered;

static SutraStatus gather(void *user, const CliBlock *block, const SutraResultView *view,
                          SutraError *err)
{
    Gathered *all = user;
    (void)err;
    size_t count = all->count + view->num_items;
    all->vectors = cli_realloc(all->vectors, count, view->row_bytes);
    memcpy(all->vectors + all->count * view->row_bytes, view->data,
           view->num_items * view->row_bytes);
    if (all->keep_texts) {
        all->texts = cli_realloc(all->texts, count, sizeof *all->texts);
        for (size_t i = 0; i < block->count; i++) {
            const SutraInput *input = &block->inputs[i];
            const char *text = input->pair ? input->pair : input->text;
            size_t size = input->pair ? input->pair_size : input->text_size;
            char *copy = cli_alloc(size + 1, 1);
            memcpy(copy, text, size);
            all->texts[all->count + i] = (CliText){copy, size, cli_block_line(block, i)};
        }
    }
    all->count = count;
    return SUTRA_OK;
}

SutraStatus cli_embed_all(CliEmbedStream *stream, unsigned char **vectors, CliText **texts,
                          SutraError *err)
{
    Gathered all = {.keep_texts = texts != NULL};
    SutraStatus status = cli_embed_stream(stream, gather, &all, err);
    if (status != SUTRA_OK) {
        cli_free_texts(all.texts, all.keep_texts ? all.count : 0);
        free(all.vectors);
        return status;
    }
    *vectors = all.vectors;
    if (texts) *texts = all.texts;
    return SUTRA_OK;
}

void cli_free_texts(CliText *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) free(texts[i].data);
    free(texts);
}

void cli_report_truncated(const CliTotals *totals, uint32_t max_tokens)
{
    if (totals->truncated == 0) return;
    cli_message("warning: %llu of %llu texts were truncated to %u tokens (the longest has %u)",
                (unsigned long long)totals->truncated, (unsigned long long)totals->texts,
                max_tokens, totals->longest);
}
