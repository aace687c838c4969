/* cmd_bench.c - sutra bench [kernels | breakdown | requests | ablation]: what the engine reaches on
 * this machine, beside what the machine can do. */
#include "atomic_file.h"
#include "commands.h"
#include "console.h"
#include "model_session.h"
#include "report_table.h"
#include "suggest.h"
#include "sutra_tools.h"
#include "temporary_folder.h"
#include "text_reader.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct BenchArgs {
    CliModelArgs model;
    const char *input;
    uint32_t threads, compute, block_kib;
    bool quick, json;
} BenchArgs;

static const CliOption own_options[] = {
    {"input", 'i', CLI_OPTION_TEXT, "FILE", offsetof(BenchArgs, input),
     "breakdown, requests, ablation: texts to embed, one a line, instead of generated ones; -: "
     "standard input",
     0, 0},
    {"threads", 0, CLI_OPTION_NUMBER, "N", offsetof(BenchArgs, threads),
     "threads (default: every core this process may run on; kernels: one)", 1, 1024},
    {"compute", 0, CLI_OPTION_CHOICE, "fp32|bf16|fp16|int8", offsetof(BenchArgs, compute),
     "throughput, breakdown: arithmetic of the encoder (default: that of a .sutra file, else fp32)",
     0, 0},
    {"block-kib", 0, CLI_OPTION_NUMBER, "KIB", offsetof(BenchArgs, block_kib),
     "kernels: KiB of rows that meet all weights of a product at a time (default: by L2's size)", 1,
     1 << 20},
    {"quick", 0, CLI_OPTION_FLAG, NULL, offsetof(BenchArgs, quick),
     "few, short samples: the figures are rough", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(BenchArgs, json), "print one line of JSON", 0, 0},
};

static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(BenchArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
};

static void show_progress(void *user, const char *line)
{
    (void)user;
    cli_progress_line("%s", line);
}

static SutraStatus print_report(const char *task, const SutraBenchReport *report, bool json,
                                SutraError *err)
{
    CliOutput out;
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    if (json) cli_output_print(&out, "{\"benchmark\":\"%s\"", task);
    for (size_t i = 0; i < sutra_bench_num_tables(report); i++) {
        SutraBenchTable table = sutra_bench_table(report, i);
        if (json) cli_output_print(&out, ",");
        if (json)
            cli_json_table(&out, &table);
        else
            cli_print_table(&out, &table);
    }
    if (json) cli_output_print(&out, "}\n");
    return cli_output_commit(&out, err);
}

typedef struct Task {
    const char *name;
    bool takes_texts, makes_bundle;
    SutraStatus (*run)(const SutraBenchOptions *, SutraBenchReport **, SutraError *);
} Task;

static const Task tasks[] = {
    {"throughput", false, false, sutra_bench_throughput}, /* when no name is given */
    {"kernels", false, false, sutra_bench_kernels},
    {"breakdown", true, false, sutra_bench_breakdown},
    {"requests", true, false, sutra_bench_requests},
    {"ablation", true, true, sutra_bench_ablation},
};

/* The texts of -i; they stay valid until the reader is closed. */
static SutraStatus read_texts(const BenchArgs *args, CliReader *reader, SutraBenchOptions *options,
                              SutraError *err)
{
    CliBlock block = {0};
    if (!args->input) return SUTRA_OK;
    SutraStatus status = cli_reader_all(reader, args->input, &block, err);
    options->inputs = block.inputs;
    options->num_inputs = block.count;
    return status;
}

/* Kernels are measured without a model too: on the default shapes when none is named. */
static SutraStatus find_model(const Task *task, const BenchArgs *args, char *path,
                              SutraBenchOptions *options, SutraError *err)
{
    if (task->run == sutra_bench_kernels && !args->model.model) return SUTRA_OK;
    options->model = path;
    return cli_find_model(args->model.model, args->model.revision, path, PATH_MAX, err);
}

static SutraStatus measure(const Task *task, const BenchArgs *args, SutraError *err)
{
    static const SutraCompute computes[] = {SUTRA_COMPUTE_DEFAULT, SUTRA_COMPUTE_FP32,
                                            SUTRA_COMPUTE_BF16, SUTRA_COMPUTE_FP16,
                                            SUTRA_COMPUTE_INT8};
    char path[PATH_MAX];
    CliReader reader = {.source = {.fd = -1}};
    SutraBenchReport *report = NULL;
    SutraBenchOptions options = {.struct_size = sizeof options,
                                 .num_threads = args->threads,
                                 .quick = args->quick,
                                 .compute = computes[args->compute],
                                 .block_kib = args->block_kib,
                                 .progress = show_progress};
    SutraStatus status = find_model(task, args, path, &options, err);
    if (status == SUTRA_OK) status = read_texts(args, &reader, &options, err);
    if (status == SUTRA_OK && task->makes_bundle) status = cli_folder_make(&options.cache_dir, err);
    if (status == SUTRA_OK) status = task->run(&options, &report, err);
    cli_progress_clear();
    cli_folder_remove();
    if (status == SUTRA_OK) status = print_report(task->name, report, args->json, err);
    sutra_bench_report_free(report);
    if (args->input) cli_reader_close(&reader);
    return status;
}

static int unknown_task(const char *name)
{
    CliSuggestion suggestion = {.word = name};
    for (size_t i = 1; i < CLI_COUNT(tasks); i++) cli_suggest(&suggestion, tasks[i].name);
    if (suggestion.best)
        return cli_usage("bench", "%s is not a benchmark; did you mean %s?", name, suggestion.best);
    return cli_usage("bench",
                     "%s is not a benchmark; there are kernels, breakdown, requests and ablation",
                     name);
}

static int run_bench(const void *given, const CliArguments *rest)
{
    const BenchArgs *args = given;
    const Task *task = &tasks[0];
    SutraError err = {0};
    if (rest->count > 1)
        return cli_usage("bench", "one argument at most: kernels, breakdown, requests or ablation");
    if (rest->count) {
        task = NULL;
        for (size_t i = 1; i < CLI_COUNT(tasks); i++)
            if (strcmp(rest->items[0], tasks[i].name) == 0) task = &tasks[i];
        if (!task) return unknown_task(rest->items[0]);
    }
    if (args->input && !task->takes_texts)
        return cli_usage("bench", "-i is only for breakdown, requests and ablation");
    if (args->block_kib && task->run != sutra_bench_kernels)
        return cli_usage("bench", "--block-kib is only for kernels");
    if (measure(task, args, &err) == SUTRA_OK) return CLI_DONE;
    return cli_fail("%s", err.message);
}

const CliCommand cli_bench_command = {
    .name = "bench",
    .arguments = "[OPTION ...] [kernels | breakdown | requests | ablation]",
    .summary = "measure speed beside what this machine can do",
    .details = "Without a word: texts a second and latency for texts of 16 to 512 tokens.\n"
               "kernels: every kernel beside its roofline, on the shapes of MODEL if -m is given.\n"
               "breakdown: time of each operation of the engine at work.\n"
               "requests: texts one by one from many threads beside one call of all.\n"
               "ablation: what each step brings over a naive encoder (takes minutes).\n"
               "Ceilings are measured in the same run; a figure that cannot be right has a note.\n"
               "\n"
               "  sutra bench kernels --threads 2\n"
               "  sutra bench breakdown -i texts.txt --json",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(BenchArgs),
    .run = run_bench,
};
