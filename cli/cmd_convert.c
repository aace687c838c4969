/* cmd_convert.c - sutra convert: a model as a .sutra file, packed for this machine.
 *
 * The file is written beside its place and renamed. Signals wait until that is done, so that an
 * interrupted run leaves either the old file or the new one, and nothing else. */
#include "atomic_file.h"
#include "bundle_output.h"
#include "commands.h"
#include "console.h"
#include "model_session.h"

#include <limits.h>

typedef struct ConvertArgs {
    CliModelArgs model;
    const char *output;
    bool json;
} ConvertArgs;

static const CliOption own_options[] = {
    {"output", 'o', CLI_OPTION_TEXT, "FILE", offsetof(ConvertArgs, output),
     "the file to write, whole or not at all; its name ends in .sutra", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(ConvertArgs, json),
     "print what was done as one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(ConvertArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static SutraStatus save(const CliModelArgs *args, const char *output, SutraError *err)
{
    char path[PATH_MAX];
    CliSession session;
    CliModelArgs model = *args;
    model.no_cache = true;
    SutraStatus status = cli_find_model(args->model, args->revision, path, sizeof path, err);
    if (status == SUTRA_OK) status = cli_bundle_check(path, output, err);
    if (status == SUTRA_OK) status = cli_session_open(&session, &model, false, err);
    if (status != SUTRA_OK) return status;
    cli_hold_signals(true);
    status = sutra_model_save(session.model, output, err);
    cli_hold_signals(false);
    cli_session_close(&session);
    return status;
}

static int run_convert(const void *given, const CliArguments *rest)
{
    const ConvertArgs *args = given;
    CliModelArgs model = args->model;
    SutraError err = {0};
    if (rest->count > 1 || (rest->count && model.model))
        return cli_usage("convert", "takes one model: %s", rest->items[rest->count - 1]);
    if (!args->output) return cli_usage("convert", "say where to: -o FILE.sutra");
    if (!cli_is_bundle_name(args->output))
        return cli_usage("convert", "%s: the name does not end in .sutra", args->output);
    if (rest->count) model.model = rest->items[0];
    SutraStatus status = save(&model, args->output, &err);
    if (status == SUTRA_OK) status = cli_print_bundle(args->output, args->json, NULL, &err);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_convert_command = {
    .name = "convert",
    .arguments = "[OPTION ...] [MODEL] -o FILE.sutra",
    .summary = "write a model as one file that opens at once",
    .details =
        "Writes MODEL as a .sutra file: weights packed for this processor and its instruction "
        "set,\n"
        "compiled tokenizer, configuration. The file is used where it lies, without copying. "
        "Prints\n"
        "its size and the digest of its content.\n"
        "\n"
        "  sutra convert all-MiniLM-L6-v2 -o minilm.sutra\n"
        "  sutra embed -m minilm.sutra \"a text\"",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(ConvertArgs),
    .run = run_convert,
};
