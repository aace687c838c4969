/* cmd_verify.c - sutra verify: is a model whole? */
#include "bundle_output.h"
#include "commands.h"
#include "console.h"
#include "model_session.h"

#include <limits.h>

typedef struct VerifyArgs {
    CliModelArgs model;
    bool json;
} VerifyArgs;

static const CliOption own_options[] = {
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(VerifyArgs, json),
     "print what was found as one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(VerifyArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static int run_verify(const void *given, const CliArguments *rest)
{
    const VerifyArgs *args = given;
    char path[PATH_MAX];
    SutraError err = {0};
    if (rest->count > 1 || (rest->count && args->model.model))
        return cli_usage("verify", "takes one model: %s", rest->items[rest->count - 1]);
    const char *name = rest->count ? rest->items[0] : args->model.model;
    SutraStatus status = cli_find_model(name, args->model.revision, path, sizeof path, &err);
    if (status == SUTRA_OK) status = sutra_model_verify(path, &err);
    if (status == SUTRA_OK) status = cli_print_bundle(path, args->json, NULL, &err);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_verify_command = {
    .name = "verify",
    .arguments = "[OPTION ...] [MODEL]",
    .summary = "check that a model is whole",
    .details = "Reads every byte of a .sutra file and checks it; of another model, what opening it "
               "checks.\n"
               "Names what is damaged and exits with 1, or prints the model's path, size and "
               "digest.\n"
               "\n"
               "  sutra verify minilm.sutra",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(VerifyArgs),
    .run = run_verify,
};
