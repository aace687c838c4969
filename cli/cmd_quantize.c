/* cmd_quantize.c - sutra quantize: a model as a .sutra file in another precision.
 *
 * Signals wait while the file is written, as in sutra convert. */
#include "atomic_file.h"
#include "bundle_output.h"
#include "commands.h"
#include "console.h"
#include "model_session.h"
#include "sutra_tools.h"
#include "text_reader.h"

#include <limits.h>
#include <stdlib.h>

typedef struct QuantizeArgs {
    CliModelArgs model;
    const char *output;
    const char *calibrate, *smooth, *keep;
    uint32_t compute, embeddings, scales, threads;
    bool compare, json;
} QuantizeArgs;

static const CliOption own_options[] = {
    {"output", 'o', CLI_OPTION_TEXT, "FILE", offsetof(QuantizeArgs, output),
     "the file to write, whole or not at all; its name ends in .sutra", 0, 0},
    {"compute", 0, CLI_OPTION_CHOICE, "int8|bf16|fp16|int4w", offsetof(QuantizeArgs, compute),
     "what the linears become (default: int8)", 0, 0},
    {"embeddings", 0, CLI_OPTION_CHOICE, "int8|fp32", offsetof(QuantizeArgs, embeddings),
     "token and position embeddings: int8, or as they are stored (default: int8 with int8)", 0, 0},
    {"calibrate", 0, CLI_OPTION_TEXT, "FILE", offsetof(QuantizeArgs, calibrate),
     "texts, one a line, like those that the model is for; -: standard input", 0, 0},
    {"scales", 0, CLI_OPTION_CHOICE, "dynamic|min-max|percentile|mse|entropy",
     offsetof(QuantizeArgs, scales),
     "int8: how the rows that a linear reads are scaled: each by itself (the default), or all "
     "alike by a method over --calibrate",
     0, 0},
    {"smooth", 0, CLI_OPTION_TEXT, "ALPHA", offsetof(QuantizeArgs, smooth),
     "int8: move outliers from rows into weights (SmoothQuant), 0 to 1; needs --calibrate", 0, 0},
    {"keep", 0, CLI_OPTION_TEXT, "PERCENT", offsetof(QuantizeArgs, keep),
     "leave the most sensitive linears in bf16 until the mean cosine to fp32 is that many percent",
     0, 0},
    {"compare", 0, CLI_OPTION_FLAG, NULL, offsetof(QuantizeArgs, compare),
     "show the quality of every kind of scales, with smoothing and without; needs --calibrate", 0,
     0},
    {"threads", 0, CLI_OPTION_NUMBER, "N", offsetof(QuantizeArgs, threads),
     "threads (default: every core this process may run on)", 1, 1024},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(QuantizeArgs, json),
     "print the report as one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(QuantizeArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static void show_progress(void *user, const char *line)
{
    (void)user;
    cli_progress_line("%s", line);
}

static void hold_signals(void *user)
{
    (void)user;
    cli_hold_signals(true);
}

static SutraStatus read_number(const char *option, const char *text, double most, double *number,
                               SutraError *err)
{
    char *end;
    if (!text) return SUTRA_OK;
    *number = strtod(text, &end);
    if (*end || end == text || !(*number >= 0 && *number <= most))
        return cli_raise(err, SUTRA_E_ARGUMENT, "--%s %s is not a number from 0 to %g", option,
                         text, most);
    return SUTRA_OK;
}

static SutraStatus read_options(const QuantizeArgs *args, SutraQuantizeOptions *options,
                                SutraError *err)
{
    static const SutraCompute computes[] = {SUTRA_COMPUTE_INT8, SUTRA_COMPUTE_INT8,
                                            SUTRA_COMPUTE_BF16, SUTRA_COMPUTE_FP16,
                                            SUTRA_COMPUTE_INT4W};
    static const SutraEmbeddingFormat embeddings[] = {
        SUTRA_EMBEDDINGS_DEFAULT, SUTRA_EMBEDDINGS_INT8, SUTRA_EMBEDDINGS_STORED};
    *options = (SutraQuantizeOptions){.struct_size = sizeof *options,
                                      .compute = computes[args->compute],
                                      .embeddings = embeddings[args->embeddings],
                                      .scales = args->scales ? (SutraScales)(args->scales - 1)
                                                             : SUTRA_SCALES_DYNAMIC,
                                      .compare = args->compare,
                                      .num_threads = args->threads,
                                      .progress = show_progress,
                                      .writing = hold_signals};
    SutraStatus status = read_number("smooth", args->smooth, 1, &options->smooth, err);
    if (status == SUTRA_OK) status = read_number("keep", args->keep, 100, &options->keep, err);
    return status;
}

/* The texts of --calibrate; they stay valid until the reader is closed. */
static SutraStatus read_texts(const QuantizeArgs *args, CliReader *reader,
                              SutraQuantizeOptions *options, SutraError *err)
{
    CliBlock block = {0};
    if (!args->calibrate) return SUTRA_OK;
    SutraStatus status = cli_reader_all(reader, args->calibrate, &block, err);
    options->inputs = block.inputs;
    options->num_inputs = block.count;
    return status;
}

static SutraStatus quantize(const QuantizeArgs *args, const char *name, SutraError *err)
{
    char path[PATH_MAX];
    CliReader reader = {.source = {.fd = -1}};
    SutraBenchReport *report = NULL;
    SutraQuantizeOptions options;
    SutraStatus status = read_options(args, &options, err);
    if (status == SUTRA_OK)
        status = cli_find_model(name, args->model.revision, path, sizeof path, err);
    if (status == SUTRA_OK) status = cli_bundle_check(path, args->output, err);
    if (status == SUTRA_OK) status = read_texts(args, &reader, &options, err);
    if (status == SUTRA_OK) status = sutra_quantize(path, args->output, &options, &report, err);
    cli_hold_signals(false);
    cli_progress_clear();
    if (args->calibrate) cli_reader_close(&reader);
    if (status == SUTRA_OK) status = cli_print_bundle(args->output, args->json, report, err);
    sutra_bench_report_free(report);
    return status;
}

static int run_quantize(const void *given, const CliArguments *rest)
{
    const QuantizeArgs *args = given;
    SutraError err = {0};
    if (rest->count > 1 || (rest->count && args->model.model))
        return cli_usage("quantize", "takes one model: %s", rest->items[rest->count - 1]);
    if (!args->output) return cli_usage("quantize", "say where to: -o FILE.sutra");
    if (!cli_is_bundle_name(args->output))
        return cli_usage("quantize", "%s: the name does not end in .sutra", args->output);
    const char *name = rest->count ? rest->items[0] : args->model.model;
    return quantize(args, name, &err) == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_quantize_command = {
    .name = "quantize",
    .arguments = "[OPTION ...] [MODEL] -o FILE.sutra",
    .summary = "write a model as one smaller file of lower precision",
    .details =
        "Writes MODEL as a .sutra file whose linears are in int8, bf16 or fp16, and shows what\n"
        "that does to each: its error, its size. Such a file opens on any processor. --calibrate\n"
        "gives texts for static scales (--scales), smoothing (--smooth) and the measurement of\n"
        "quality: half of them for the one, half for the other.\n"
        "\n"
        "  sutra quantize all-MiniLM-L6-v2 -o minilm-int8.sutra\n"
        "  sutra embed -m minilm-int8.sutra \"a text\"",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(QuantizeArgs),
    .run = run_quantize,
};
