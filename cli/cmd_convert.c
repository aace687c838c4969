/* cmd_convert.c - sutra convert: a model as a .sutra file, packed for this machine, or as an ONNX
 * file, for other runtimes: the output's name chooses.
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
    uint32_t compute; /* place in CONVERT_COMPUTE_WORDS */
    bool external, json;
} ConvertArgs;

#define CONVERT_COMPUTE_WORDS "fp32|int8"
enum { COMPUTE_NOT_GIVEN, COMPUTE_FP32, COMPUTE_INT8 };

static const CliOption own_options[] = {
    {"output", 'o', CLI_OPTION_TEXT, "FILE", offsetof(ConvertArgs, output),
     "the file to write, whole or not at all; its name ends in .sutra or in .onnx", 0, 0},
    {"compute", 0, CLI_OPTION_CHOICE, CONVERT_COMPUTE_WORDS, offsetof(ConvertArgs, compute),
     "of .onnx files: weights in float32 (default), or as int8 with scales", 0, 0},
    {"external-data", 0, CLI_OPTION_FLAG, NULL, offsetof(ConvertArgs, external),
     "of .onnx files: weights in a second file, FILE_data, as when they take more than 2 GB", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(ConvertArgs, json),
     "print what was done as one line of JSON", 0, 0},
};
static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(ConvertArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static SutraStatus write(const SutraModel *model, const ConvertArgs *args, SutraError *err)
{
    SutraOnnxOptions options = {.struct_size = sizeof options};
    if (cli_is_bundle_name(args->output)) return sutra_model_save(model, args->output, err);
    options.compute = args->compute == COMPUTE_INT8 ? SUTRA_COMPUTE_INT8 : SUTRA_COMPUTE_FP32;
    options.max_file_bytes = args->external;
    return sutra_onnx_write(model, args->output, &options, err);
}

/* What users of ONNX files would not expect of the graph. */
static void say_limits(const SutraModelInfo *info)
{
    if (info->num_prompts && !info->include_prompt)
        cli_message("%s leaves prompts out of pooling, which the ONNX file does not", info->name);
}

static SutraStatus save(const ConvertArgs *args, SutraError *err)
{
    char path[PATH_MAX];
    CliSession session;
    CliModelArgs model = args->model;
    model.no_cache = true;
    SutraStatus status = cli_find_model(model.model, model.revision, path, sizeof path, err);
    if (status == SUTRA_OK) status = cli_bundle_check(path, args->output, err);
    if (status == SUTRA_OK) status = cli_session_open(&session, &model, false, err);
    if (status != SUTRA_OK) return status;
    cli_hold_signals(true);
    status = write(session.model, args, err);
    cli_hold_signals(false);
    if (status == SUTRA_OK && cli_is_onnx_name(args->output)) say_limits(&session.info);
    cli_session_close(&session);
    return status;
}

static int run_convert(const void *given, const CliArguments *rest)
{
    ConvertArgs args = *(const ConvertArgs *)given;
    SutraError err = {0};
    if (rest->count > 1 || (rest->count && args.model.model))
        return cli_usage("convert", "takes one model: %s", rest->items[rest->count - 1]);
    if (!args.output) return cli_usage("convert", "say where to: -o FILE.sutra or -o FILE.onnx");
    bool onnx = cli_is_onnx_name(args.output);
    if (!onnx && !cli_is_bundle_name(args.output))
        return cli_usage("convert", "%s: the name does not end in .sutra or .onnx", args.output);
    if (!onnx && args.compute == COMPUTE_INT8)
        return cli_usage("convert", "--compute int8 goes with an .onnx file; a .sutra file in int8 "
                                    "is written by sutra quantize");
    if (!onnx && args.external)
        return cli_usage("convert", "--external-data goes with an .onnx file");
    if (rest->count) args.model.model = rest->items[0];
    SutraStatus status = save(&args, &err);
    if (status == SUTRA_OK)
        status = onnx ? cli_print_onnx(args.output, args.json, &err)
                      : cli_print_bundle(args.output, args.json, NULL, &err);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_convert_command = {
    .name = "convert",
    .arguments = "[OPTION ...] [MODEL] -o FILE.sutra|FILE.onnx",
    .summary = "write a model as one file that opens at once",
    .details =
        "Writes MODEL as a .sutra file: weights packed for this processor and its instruction "
        "set,\n"
        "compiled tokenizer, configuration. The file is used where it lies, without copying. "
        "Prints\n"
        "its size and the digest of its content.\n"
        "\n"
        "With a name that ends in .onnx it writes an ONNX graph (opset 17) for other runtimes:\n"
        "from input_ids and attention_mask (and token_type_ids) to last_hidden_state and\n"
        "sentence_embedding, pooling, dense heads and normalisation included; rerankers give\n"
        "logits. Texts become tokens by the tokenizer of the model's folder. More than 2 GB of\n"
        "weights lie in FILE.onnx_data beside it.\n"
        "\n"
        "  sutra convert all-MiniLM-L6-v2 -o minilm.sutra\n"
        "  sutra embed -m minilm.sutra \"a text\"\n"
        "  sutra convert all-MiniLM-L6-v2 -o model.onnx",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(ConvertArgs),
    .run = run_convert,
};
