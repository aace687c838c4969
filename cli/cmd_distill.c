/* cmd_distill.c - sutra distill: a student of a model, trained on texts.
 *
 * Signals wait while the student is written, as in sutra convert. */
#include "atomic_file.h"
#include "bundle_output.h"
#include "commands.h"
#include "console.h"
#include "map_npy.h"
#include "model_session.h"
#include "sutra_train.h"
#include "text_reader.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct DistillArgs {
    const char *teacher, *revision, *texts, *field, *vectors, *output;
    const char *learning_rate, *neighbour_weight, *temperature, *mse_weight, *cosine_weight;
    uint32_t method, dim, seed, epochs, batch, patience, checkpoint, threads;
    bool resume, json;
} DistillArgs;

static const CliOption own_options[] = {
    {"teacher", 0, CLI_OPTION_TEXT, "MODEL", offsetof(DistillArgs, teacher),
     "the model to learn from: a folder, or a name of sutra list (default: SUTRA_MODEL, else "
     "all-MiniLM-L6-v2)",
     0, 0},
    {"revision", 0, CLI_OPTION_TEXT, "NAME", offsetof(DistillArgs, revision),
     "branch, tag or commit of a teacher given by name (default: main)", 0, 0},
    {"texts", 0, CLI_OPTION_TEXT, "FILE", offsetof(DistillArgs, texts),
     "texts to learn on, one a line, like those that the student is for; -: standard input", 0, 0},
    {"field", 0, CLI_OPTION_TEXT, "NAME", offsetof(DistillArgs, field),
     "the texts are this field of JSON lines, or of .csv and .tsv", 0, 0},
    {"vectors", 0, CLI_OPTION_TEXT, "FILE", offsetof(DistillArgs, vectors),
     "the teacher's vectors of these texts, from sutra embed -o FILE.npy, instead of computing "
     "them",
     0, 0},
    {"output", 'o', CLI_OPTION_TEXT, "FILE", offsetof(DistillArgs, output),
     "the student's folder, or its file where the name ends in .sutra; whole or not at all", 0, 0},
    {"method", 0, CLI_OPTION_CHOICE, "projection|static", offsetof(DistillArgs, method),
     "projection (the default): the teacher with vectors of fewer dimensions; static: a table of "
     "token vectors, whose mean is a text's",
     0, 0},
    {"dim", 0, CLI_OPTION_NUMBER, "N", offsetof(DistillArgs, dim),
     "dimensions of the student's vectors (default: a third of the teacher's; static: 256)", 1,
     65536},
    {"seed", 0, CLI_OPTION_NUMBER, "N", offsetof(DistillArgs, seed),
     "another start, and other texts held out (default: 0)", 0, UINT32_MAX},
    {"epochs", 0, CLI_OPTION_NUMBER, "N", offsetof(DistillArgs, epochs),
     "passes over the texts at most (default: 15)", 1, 1000000},
    {"batch", 0, CLI_OPTION_NUMBER, "N", offsetof(DistillArgs, batch),
     "texts of a step (default: 512)", 3, 4096},
    {"patience", 0, CLI_OPTION_NUMBER, "N", offsetof(DistillArgs, patience),
     "stop after N epochs that bring nothing on the texts held out (default: 5)", 1, 1000000},
    {"learning-rate", 0, CLI_OPTION_TEXT, "X", offsetof(DistillArgs, learning_rate),
     "of Adam, at the start (default: 0.01; static: 0.004)", 0, 0},
    {"neighbour-weight", 0, CLI_OPTION_TEXT, "X", offsetof(DistillArgs, neighbour_weight),
     "weight in the loss of which texts are a text's neighbours (default: 1, with 100 for "
     "--mse-weight)",
     0, 0},
    {"temperature", 0, CLI_OPTION_TEXT, "X", offsetof(DistillArgs, temperature),
     "how near a neighbour is: less looks at the nearest alone (default: 0.05)", 0, 0},
    {"mse-weight", 0, CLI_OPTION_TEXT, "X", offsetof(DistillArgs, mse_weight),
     "weight of the squared errors of cosines in the loss", 0, 0},
    {"cosine-weight", 0, CLI_OPTION_TEXT, "X", offsetof(DistillArgs, cosine_weight),
     "weight of the angles between rows of cosines in the loss", 0, 0},
    {"resume", 0, CLI_OPTION_FLAG, NULL, offsetof(DistillArgs, resume),
     "keep what is done in FILE.partial, and go on from there", 0, 0},
    {"checkpoint", 0, CLI_OPTION_NUMBER, "S", offsetof(DistillArgs, checkpoint),
     "with --resume: seconds between two checkpoints (default: 10)", 1, 86400},
    {"threads", 0, CLI_OPTION_NUMBER, "N", offsetof(DistillArgs, threads),
     "threads (default: every core this process may run on); the student's bytes are the same", 1,
     1024},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(DistillArgs, json),
     "print the report as one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {{own_options, CLI_COUNT(own_options), 0}};

static void show_progress(void *user, const char *line)
{
    (void)user;
    cli_progress_line("%s", line);
}

static void show_message(void *user, const char *line)
{
    (void)user;
    cli_message("%s", line);
}

static void hold_signals(void *user)
{
    (void)user;
    cli_hold_signals(true);
}

/* A number above `least`, or that too where `inclusive`. */
static SutraStatus read_number(const char *option, const char *text, bool inclusive, double *number,
                               SutraError *err)
{
    char *end;
    if (!text) return SUTRA_OK;
    *number = strtod(text, &end);
    if (*end || end == text || !(inclusive ? *number >= 0 : *number > 0) || *number > 1e38)
        return cli_raise(err, SUTRA_E_ARGUMENT, "--%s %s is not a number %s", option, text,
                         inclusive ? "from 0 on" : "above 0");
    return SUTRA_OK;
}

static SutraStatus read_options(const DistillArgs *args, SutraDistillOptions *options,
                                SutraError *err)
{
    *options = (SutraDistillOptions){.struct_size = sizeof *options,
                                     .method = args->method ? (SutraDistillMethod)(args->method - 1)
                                                            : SUTRA_DISTILL_PROJECTION,
                                     .dim = args->dim,
                                     .num_threads = args->threads,
                                     .seed = args->seed,
                                     .epochs = args->epochs,
                                     .batch = args->batch,
                                     .patience = args->patience,
                                     .resume = args->resume,
                                     .checkpoint_s = args->checkpoint,
                                     .progress = show_progress,
                                     .log = show_message,
                                     .writing = hold_signals};
    SutraStatus status =
        read_number("learning-rate", args->learning_rate, false, &options->learning_rate, err);
    if (status == SUTRA_OK)
        status = read_number("temperature", args->temperature, false, &options->temperature, err);
    if (status == SUTRA_OK)
        status = read_number("neighbour-weight", args->neighbour_weight, true,
                             &options->neighbour_weight, err);
    if (status == SUTRA_OK)
        status = read_number("mse-weight", args->mse_weight, true, &options->mse_weight, err);
    if (status == SUTRA_OK)
        status =
            read_number("cosine-weight", args->cosine_weight, true, &options->cosine_weight, err);
    bool weighted = args->neighbour_weight || args->mse_weight || args->cosine_weight;
    if (status == SUTRA_OK && weighted && options->neighbour_weight == 0 &&
        options->mse_weight == 0 && options->cosine_weight == 0)
        status = cli_raise(err, SUTRA_E_ARGUMENT, "the loss has no weight above 0");
    return status;
}

static SutraStatus map_vectors(const char *path, CliMatrix *matrix, SutraDistillOptions *options,
                               SutraError *err)
{
    if (!path) return SUTRA_OK;
    SutraStatus status = cli_map_npy(path, matrix, err);
    if (status != SUTRA_OK) return status;
    if (strcmp(matrix->type, "<f4") != 0)
        return cli_raise(err, SUTRA_E_ARGUMENT, "%s: its elements are %s, not float32", path,
                         matrix->type);
    options->vectors = matrix->data;
    options->vector_rows = matrix->rows;
    options->vector_columns = matrix->columns > UINT32_MAX ? 0 : (uint32_t)matrix->columns;
    return SUTRA_OK;
}

static SutraStatus distill(const DistillArgs *args, SutraError *err)
{
    char path[PATH_MAX];
    CliReader reader = {.source = {.fd = -1}};
    CliMatrix vectors = {.rows = 0};
    CliBlock block = {0};
    SutraBenchReport *report = NULL;
    SutraDistillOptions options;
    SutraStatus status = read_options(args, &options, err);
    if (status == SUTRA_OK)
        status = cli_find_model(args->teacher, args->revision, path, sizeof path, err);
    if (status != SUTRA_OK) return status;
    status = map_vectors(args->vectors, &vectors, &options, err);
    const CliRecordOptions records = {.field = args->field,
                                      .layout = args->field ? CLI_LAYOUT_GUESS : CLI_LAYOUT_LINES};
    if (status == SUTRA_OK)
        status = cli_reader_all_records(&reader, args->texts, &records, &block, err);
    options.inputs = block.inputs;
    options.num_inputs = block.count;
    if (status == SUTRA_OK) status = sutra_distill(path, args->output, &options, &report, err);
    cli_hold_signals(false);
    cli_progress_clear();
    cli_reader_close(&reader);
    cli_unmap_npy(&vectors);
    if (status == SUTRA_OK) status = cli_print_bundle(args->output, args->json, report, err);
    sutra_bench_report_free(report);
    return status;
}

static int run_distill(const void *given, const CliArguments *rest)
{
    const DistillArgs *args = given;
    SutraError err = {0};
    if (rest->count)
        return cli_usage("distill", "takes no arguments but options: %s", rest->items[0]);
    if (!args->texts) return cli_usage("distill", "say what to learn on: --texts FILE");
    if (!args->output) return cli_usage("distill", "say where to: -o FOLDER");
    if (args->checkpoint && !args->resume)
        return cli_usage("distill", "--checkpoint goes with --resume");
    bool weighs =
        args->neighbour_weight || args->temperature || args->mse_weight || args->cosine_weight;
    if (weighs && args->method == SUTRA_DISTILL_STATIC + 1)
        return cli_usage("distill", "--neighbour-weight, --temperature, --mse-weight and "
                                    "--cosine-weight go with --method projection");
    return distill(args, &err) == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_distill_command = {
    .name = "distill",
    .arguments = "[OPTION ...] --texts FILE -o FOLDER",
    .summary = "train a smaller model to have the similarities of another",
    .details =
        "Writes a student of the teacher, as a folder that sentence-transformers opens too, or as\n"
        "a .sutra file, and shows how far the cosines of its vectors are from the teacher's, on\n"
        "texts that it did not learn on, beside projections that need no training.\n"
        "\n"
        "  sutra distill --teacher all-MiniLM-L6-v2 --texts corpus.txt --dim 128 -o minilm-128\n"
        "  sutra embed -m ./minilm-128 \"a text\"",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(DistillArgs),
    .run = run_distill,
};
