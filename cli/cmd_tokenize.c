/* cmd_tokenize.c - sutra tokenize: token ids and offsets of texts. */
#include "atomic_file.h"
#include "commands.h"
#include "console.h"
#include "embed_stream.h"
#include "utf8_check.h"

#include <unistd.h>

typedef struct TokenizeArgs {
    CliModelArgs model;
    const char *input, *field;
    uint32_t max_tokens;
    bool json;
} TokenizeArgs;

static const CliOption own_options[] = {
    {"input", 'i', CLI_OPTION_TEXT, "FILE", offsetof(TokenizeArgs, input),
     "read one text a line from FILE; -: standard input", 0, 0},
    {"field", 0, CLI_OPTION_TEXT, "NAME", offsetof(TokenizeArgs, field),
     "the input is JSON lines; take the string in field NAME", 0, 0},
    {"max-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(TokenizeArgs, max_tokens),
     "truncate to N tokens, special tokens included (default: no limit)", 1, UINT32_MAX},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(TokenizeArgs, json),
     "print {\"ids\":[…],\"offsets\":[[begin,end],…]} a text", 0, 0},
};

static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(TokenizeArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(TokenizeArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static void print_json(CliOutput *out, const SutraTokensView *view, size_t item)
{
    size_t first = view->cu_seqlens[item], end = view->cu_seqlens[item + 1];
    cli_output_print(out, "{\"ids\":[");
    for (size_t i = first; i < end; i++)
        cli_output_print(out, "%s%d", i > first ? "," : "", view->token_ids[i]);
    cli_output_print(out, "],\"offsets\":[");
    for (size_t i = first; i < end; i++)
        cli_output_print(out, "%s[%u,%u]", i > first ? "," : "", view->begin[i], view->end[i]);
    cli_output_print(out, "]}\n");
}

/* Walks a text by code points; offsets of tokens mostly grow. */
typedef struct Cursor {
    const SutraInput *input;
    size_t byte, point;
} Cursor;

static size_t byte_of(Cursor *cursor, size_t point)
{
    if (point < cursor->point) cursor->byte = cursor->point = 0;
    while (cursor->point < point && cursor->byte < cursor->input->text_size) {
        cursor->byte += cli_utf8_length((unsigned char)cursor->input->text[cursor->byte]);
        cursor->point++;
    }
    return cursor->byte;
}

/* Text with control characters shown as spaces, so that a token stays on its line. */
static void print_slice(CliOutput *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char shown = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        cli_output_write(out, &shown, 1);
    }
}

static void print_readable(CliOutput *out, const SutraTokensView *view, const CliBlock *block,
                           size_t item)
{
    size_t first = view->cu_seqlens[item], end = view->cu_seqlens[item + 1];
    Cursor cursor = {.input = &block->inputs[item]};
    cli_output_print(out, "text %llu: %zu tokens", (unsigned long long)(block->first + item + 1),
                     end - first);
    if (view->tokens_seen[item] != end - first)
        cli_output_print(out, ", truncated from %u", view->tokens_seen[item]);
    cli_output_print(out, "\n");
    for (size_t i = first; i < end; i++) {
        if (view->begin[i] == 0 && view->end[i] == 0) {
            cli_output_print(out, "%8d  special\n", view->token_ids[i]);
            continue;
        }
        size_t begin = byte_of(&cursor, view->begin[i]), stop = byte_of(&cursor, view->end[i]);
        cli_output_print(out, "%8d  %u-%u  ", view->token_ids[i], view->begin[i], view->end[i]);
        print_slice(out, block->inputs[item].text + begin, stop - begin);
        cli_output_print(out, "\n");
    }
}

static SutraStatus tokenize_block(const CliSession *session, const TokenizeArgs *args,
                                  const CliBlock *block, CliOutput *out, SutraError *err)
{
    SutraTokens *tokens = NULL;
    SutraTokensView view = {.struct_size = sizeof view};
    SutraStatus status =
        sutra_tokenize(session->model, block->inputs, block->count, args->max_tokens, &tokens, err);
    if (status != SUTRA_OK) {
        cli_locate_error(block, err);
        return status;
    }
    status = sutra_tokens_view(tokens, &view, err);
    for (size_t i = 0; i < view.num_items && status == SUTRA_OK; i++) {
        if (args->json)
            print_json(out, &view, i);
        else
            print_readable(out, &view, block, i);
    }
    sutra_tokens_free(tokens);
    return status == SUTRA_OK ? cli_output_flush(out, err) : status;
}

static SutraStatus tokenize_all(const TokenizeArgs *args, CliReader *reader, SutraError *err)
{
    CliSession session = {0};
    CliOutput out = {0};
    SutraStatus status = cli_session_open(&session, &args->model, false, err);
    if (status == SUTRA_OK) status = cli_output_open(&out, NULL, false, err);
    while (status == SUTRA_OK) {
        CliBlock block;
        status = cli_reader_next(reader, 1024, 1 << 20, &block, err);
        if (status != SUTRA_OK || block.count == 0) break;
        status = tokenize_block(&session, args, &block, &out, err);
    }
    if (status == SUTRA_OK) status = cli_output_commit(&out, err);
    cli_output_abort(&out);
    cli_session_close(&session);
    return status;
}

static int run_tokenize(const void *given, const CliArguments *rest)
{
    const TokenizeArgs *args = given;
    const char *input = args->input;
    SutraError err = {0};
    CliReader reader = {.source = {.fd = -1}};
    SutraStatus status = SUTRA_OK;
    if (input && rest->count)
        return cli_usage("tokenize", "texts are given both by -i %s and as arguments", input);
    if (args->field && rest->count) return cli_usage("tokenize", "--field needs -i FILE");
    if (!input && !rest->count && isatty(STDIN_FILENO))
        return cli_usage("tokenize", "no texts; give TEXT or -i FILE");
    if (rest->count)
        cli_reader_open_arguments(&reader, rest->items, rest->count);
    else
        status = cli_reader_open(&reader, input ? input : "-", args->field, &err);
    if (status == SUTRA_OK) status = tokenize_all(args, &reader, &err);
    cli_reader_close(&reader);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_tokenize_command = {
    .name = "tokenize",
    .arguments = "[OPTION ...] [TEXT ...]",
    .summary = "show the token ids and offsets of texts",
    .details =
        "Shows how a model cuts texts into tokens. Offsets count Unicode code points of the\n"
        "text. No prompt is added, and nothing is truncated unless --max-tokens is given.\n"
        "Without TEXT and -i, reads standard input, one text a line.\n"
        "\n"
        "  sutra tokenize --json \"The cat sat on the mat.\"",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(TokenizeArgs),
    .run = run_tokenize,
};
