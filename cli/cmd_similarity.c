/* cmd_similarity.c - sutra similarity: a table of cosines between texts. */
#include "base/number_text.h"
#include "commands.h"
#include "console.h"
#include "embed_stream.h"
#include "json_text.h"
#include "prompt_warning.h"
#include "ranges_option.h"
#include "utf8_check.h"

#include <stdlib.h>
#include <string.h>

typedef struct SimilarityArgs {
    CliModelArgs model;
    CliEmbedArgs embed;
    const char *input, *with, *field;
    bool json;
} SimilarityArgs;

static const CliOption own_options[] = {
    {"input", 'i', CLI_OPTION_TEXT, "FILE", offsetof(SimilarityArgs, input),
     "read one text a line from FILE; -: standard input", 0, 0},
    {"with", 0, CLI_OPTION_TEXT, "FILE", offsetof(SimilarityArgs, with),
     "compare each text with the texts of FILE instead of with each other", 0, 0},
    {"field", 0, CLI_OPTION_TEXT, "NAME", offsetof(SimilarityArgs, field),
     "the files are JSON lines; take the string in field NAME", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(SimilarityArgs, json),
     "print {\"rows\":[…],\"columns\":[…],\"similarity\":[[…],…]}", 0, 0},
};

static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(SimilarityArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(SimilarityArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
    {cli_embed_options, CLI_COUNT(cli_embed_options), offsetof(SimilarityArgs, embed)},
    {cli_engine_options, CLI_COUNT(cli_engine_options), offsetof(SimilarityArgs, model)},
};

/* One side of the table. */
typedef struct Side {
    CliText *texts; /* [count] */
    unsigned char *vectors;
    size_t count;
} Side;

static void free_side(Side *side)
{
    cli_free_texts(side->texts, side->count);
    free(side->vectors);
}

/* Embeds what the reader holds, and closes it. */
static SutraStatus embed_side(const CliSession *session, const SutraEmbedOptions *options,
                              const char *prompt, CliReader *reader, Side *side, SutraError *err)
{
    CliEmbedStream stream = {
        .session = session, .options = options, .prompt_name = prompt, .reader = reader};
    SutraStatus status = cli_embed_all(&stream, &side->vectors, &side->texts, err);
    cli_reader_close(reader);
    if (status != SUTRA_OK) return status;
    side->count = (size_t)stream.totals.texts;
    cli_report_long(&stream.totals,
                    options->max_tokens ? options->max_tokens : session->info.max_tokens);
    return SUTRA_OK;
}

/* True: a warning was written. */
static bool warn_of_prompts(const CliSession *session, const char *prompt, const Side *side)
{
    SutraInput *inputs = cli_alloc(side->count, sizeof *inputs);
    for (size_t i = 0; i < side->count; i++)
        inputs[i] = (SutraInput){.text = side->texts[i].data, .text_size = side->texts[i].size};
    bool warned = cli_warn_of_prompts(&session->info, prompt, "texts", inputs, side->count);
    free(inputs);
    return warned;
}

static void print_texts(CliOutput *out, const char *name, const Side *side)
{
    cli_output_print(out, "\"%s\":[", name);
    for (size_t i = 0; i < side->count; i++) {
        if (i) cli_output_write(out, ",", 1);
        cli_json_string(out, side->texts[i].data, side->texts[i].size);
    }
    cli_output_print(out, "],");
}

/* The first `width` characters of the text, padded; control characters as spaces. */
static void print_label(CliOutput *out, const CliText *text, size_t width)
{
    size_t at = 0, shown = 0;
    while (at < text->size && shown < width) {
        size_t size = cli_utf8_length((unsigned char)text->data[at]);
        bool last = shown + 1 == width && at + size < text->size;
        bool control = (unsigned char)text->data[at] < 0x20 || text->data[at] == 0x7f;
        if (last)
            cli_output_print(out, "…");
        else if (control)
            cli_output_print(out, " ");
        else
            cli_output_write(out, text->data + at, size);
        at += size;
        shown++;
    }
    cli_output_print(out, "%*s", (int)(width - shown), "");
}

enum { LABEL_WIDTH = 40 };

static void print_heading(CliOutput *out, const Side *columns, bool list_columns)
{
    for (size_t j = 0; list_columns && j < columns->count; j++) {
        cli_output_print(out, "column %zu: ", j + 1);
        print_label(out, &columns->texts[j], 2 * LABEL_WIDTH);
        cli_output_print(out, "\n");
    }
    cli_output_print(out, "%*s", LABEL_WIDTH + 5, "");
    for (size_t j = 0; j < columns->count; j++) cli_output_print(out, " %7zu", j + 1);
    cli_output_print(out, "\n");
}

static void print_row(CliOutput *out, bool json, size_t i, const Side *rows, const float *cosines,
                      size_t count)
{
    if (json) {
        cli_output_print(out, "%s[", i ? "," : "");
        for (size_t j = 0; j < count; j++) {
            char text[SU_NUMBER_TEXT + 1];
            text[su_float_text(cosines[j], text)] = '\0';
            cli_output_print(out, "%s%s", j ? "," : "", text);
        }
        cli_output_print(out, "]");
        return;
    }
    cli_output_print(out, "%3zu  ", i + 1);
    print_label(out, &rows->texts[i], LABEL_WIDTH);
    for (size_t j = 0; j < count; j++) cli_output_print(out, " %7.4f", (double)cosines[j]);
    cli_output_print(out, "\n");
}

static SutraStatus print_table(const SimilarityArgs *args, const SutraEmbedOptions *options,
                               uint32_t dim, const Side *rows, const Side *columns, CliOutput *out,
                               SutraError *err)
{
    enum { TILE = 64 };
    size_t row_bytes = sutra_row_bytes(options->dtype, dim);
    float *cosines = cli_alloc(columns->count, TILE * sizeof *cosines);
    SutraStatus status = SUTRA_OK;
    if (args->json) {
        cli_output_print(out, "{");
        print_texts(out, "rows", rows);
        print_texts(out, "columns", columns);
        cli_output_print(out, "\"similarity\":[");
    } else if (rows->count)
        print_heading(out, columns, rows != columns);
    for (size_t first = 0; first < rows->count && status == SUTRA_OK; first += TILE) {
        size_t count = rows->count - first < TILE ? rows->count - first : TILE;
        status = sutra_similarity(options->dtype, dim, rows->vectors + first * row_bytes, count,
                                  columns->vectors, columns->count, cosines, err);
        for (size_t i = 0; i < count && status == SUTRA_OK; i++)
            print_row(out, args->json, first + i, rows, cosines + i * columns->count,
                      columns->count);
        if (status == SUTRA_OK) status = cli_output_flush(out, err);
    }
    free(cosines);
    if (args->json) cli_output_print(out, "]}\n");
    return status;
}

static SutraStatus compare(const SimilarityArgs *args, CliReader *input, CliReader *with,
                           SutraError *err)
{
    CliSession session = {0};
    SutraEmbedOptions options;
    Side rows = {0}, others = {0};
    CliOutput out = {0};
    float *ranges = NULL;
    CliModelArgs model = args->model;
    model.num_texts = args->with ? 0 : input->num_arguments;
    SutraStatus status = cli_session_open(&session, &model, true, err);
    if (status == SUTRA_OK) status = cli_embed_plan(&session, &args->embed, &options, err);
    if (status == SUTRA_OK)
        status = cli_settle_ranges(&session, &args->embed, &options,
                                   (const char *const[]){args->input, args->with}, 2, &ranges, err);
    if (status == SUTRA_OK)
        status = embed_side(&session, &options, args->embed.prompt_name, input, &rows, err);
    if (status == SUTRA_OK && args->with)
        status = embed_side(&session, &options, args->embed.prompt_name, with, &others, err);
    if (status == SUTRA_OK && !warn_of_prompts(&session, args->embed.prompt_name, &rows))
        warn_of_prompts(&session, args->embed.prompt_name, &others);
    if (status == SUTRA_OK) status = cli_output_open(&out, NULL, false, err);
    if (status == SUTRA_OK) {
        uint32_t dim = options.dim ? options.dim : session.info.dim;
        status = print_table(args, &options, dim, &rows, args->with ? &others : &rows, &out, err);
    }
    if (status == SUTRA_OK) status = cli_output_commit(&out, err);
    cli_output_abort(&out);
    free_side(&rows);
    free_side(&others);
    free(ranges);
    cli_session_close(&session);
    return status;
}

static int run_similarity(const void *given, const CliArguments *rest)
{
    const SimilarityArgs *args = given;
    SutraError err = {0};
    CliReader input = {.source = {.fd = -1}}, with = {.source = {.fd = -1}};
    SutraStatus status = SUTRA_OK;
    if (args->input && rest->count)
        return cli_usage("similarity", "texts are given both by -i %s and as arguments",
                         args->input);
    if (!args->input && !rest->count)
        return cli_usage("similarity", "no texts; give TEXT ... or -i FILE");
    if (args->field && !args->input && !args->with)
        return cli_usage("similarity", "--field needs -i FILE or --with FILE");
    if (args->input)
        status = cli_reader_open(&input, args->input, args->field, &err);
    else
        cli_reader_open_arguments(&input, rest->items, rest->count);
    if (status == SUTRA_OK && args->with)
        status = cli_reader_open(&with, args->with, args->field, &err);
    if (status == SUTRA_OK) status = compare(args, &input, &with, &err);
    cli_reader_close(&input);
    cli_reader_close(&with);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_similarity_command = {
    .name = "similarity",
    .arguments = "[OPTION ...] [TEXT ...]",
    .summary = "compare texts with each other",
    .details =
        "Prints a table of cosine similarities between the given texts, or between the lines of\n"
        "two files.\n"
        "\n"
        "  sutra similarity \"A cat sleeps.\" \"A kitten naps.\" \"Rates rose.\"\n"
        "  sutra similarity -i questions.txt --with answers.txt --json",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(SimilarityArgs),
    .run = run_similarity,
};
