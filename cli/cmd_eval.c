/* cmd_eval.c - sutra eval sts | retrieval: the quality of a model on a labelled data set. */
#include "base/number_text.h"
#include "commands.h"
#include "console.h"
#include "json_text.h"
#include "model_session.h"
#include "prompt_warning.h"
#include "ranges_option.h"
#include "suggest.h"
#include "sutra_tools.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct EvalArgs {
    CliModelArgs model;
    CliEmbedArgs embed;
    const char *document_prompt;
    bool json;
} EvalArgs;

static const CliOption own_options[] = {
    {"document-prompt", 0, CLI_OPTION_TEXT, "NAME", offsetof(EvalArgs, document_prompt),
     "retrieval: the prompt put before documents; --prompt-name is put before queries", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(EvalArgs, json), "print one line of JSON", 0, 0},
};

static const CliOptionGroup groups[] = {
    {cli_model_options, CLI_COUNT(cli_model_options), offsetof(EvalArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(EvalArgs, model)},
    {cli_embed_options, CLI_COUNT(cli_embed_options), offsetof(EvalArgs, embed)},
    {own_options, CLI_COUNT(own_options), 0},
    {cli_engine_options, CLI_COUNT(cli_engine_options), offsetof(EvalArgs, model)},
};

typedef struct Task {
    const char *name, *metric, *wants;
    bool has_documents;
    SutraStatus (*run)(SutraEngine *, const SutraModel *, const char *, const SutraEvalOptions *,
                       SutraEvalResult *, SutraError *);
} Task;

static const Task tasks[] = {
    {"sts", "spearman", "FILE.tsv", false, sutra_eval_sts},
    {"retrieval", "ndcg@10", "DIR", true, sutra_eval_retrieval},
};

static void show_progress(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    cli_progress("texts", done, done, total);
}

static SutraStatus print_result(const Task *task, const EvalArgs *args, const SutraModelInfo *info,
                                const SutraEvalResult *result, SutraError *err)
{
    CliOutput out;
    char score[SU_NUMBER_TEXT];
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    if (!args->json) {
        cli_output_print(&out, "%s %.2f\n", task->metric, 100 * result->score);
        return cli_output_commit(&out, err);
    }
    su_double_text(100 * result->score, score);
    cli_output_print(&out,
                     "{\"metric\":\"%s\",\"score\":%s,\"items\":%llu,\"documents\":%llu,"
                     "\"tokens\":%llu,\"truncated\":%llu,\"windowed\":%llu,\"dim\":%u,\"model\":",
                     task->metric, score, (unsigned long long)result->items,
                     (unsigned long long)result->documents, (unsigned long long)result->tokens,
                     (unsigned long long)result->truncated, (unsigned long long)result->windowed,
                     result->dim);
    cli_json_string(&out, info->name, strlen(info->name));
    cli_output_print(&out, ",\"revision\":");
    cli_json_string(&out, info->revision, strlen(info->revision));
    cli_output_print(&out, "}\n");
    return cli_output_commit(&out, err);
}

static void report_long(const SutraEvalResult *result, uint32_t max_tokens)
{
    if (result->windowed)
        cli_message("%llu texts became windows of %u tokens", (unsigned long long)result->windowed,
                    max_tokens);
    if (result->truncated)
        cli_message("warning: %llu texts were truncated to %u tokens",
                    (unsigned long long)result->truncated, max_tokens);
}

/* The texts are not looked at. */
static void warn_of_prompts(const Task *task, const EvalArgs *args, const SutraModelInfo *info)
{
    cli_warn_of_prompts(info, args->embed.prompt_name, task->has_documents ? "queries" : "texts",
                        &(SutraInput){0}, 1);
    if (task->has_documents) cli_warn_of_document_prompt(info, args->document_prompt);
}

static SutraStatus evaluate(const Task *task, const EvalArgs *args, const char *path,
                            SutraError *err)
{
    CliSession session = {0};
    SutraEmbedOptions embed;
    CliEmbedArgs calibration = args->embed; /* ranges are those of the documents */
    float *ranges = NULL;
    SutraEvalResult result = {.struct_size = sizeof result};
    struct stat facts;
    if (task->has_documents) calibration.prompt_name = args->document_prompt;
    if (stat(path, &facts) != 0)
        return cli_raise(err, SUTRA_E_IO, "%s: no such file or folder", path);
    SutraStatus status = cli_session_open(&session, &args->model, true, err);
    if (status == SUTRA_OK) status = cli_embed_plan(&session, &args->embed, &embed, err);
    if (status == SUTRA_OK) status = cli_check_prompt(&session, args->document_prompt, err);
    if (status == SUTRA_OK)
        status = cli_settle_ranges(&session, &calibration, &embed, &path, 1, &ranges, err);
    if (status == SUTRA_OK) {
        SutraEvalOptions options = {.struct_size = sizeof options,
                                    .embed = &embed,
                                    .query_prompt = args->embed.prompt_name,
                                    .document_prompt = args->document_prompt,
                                    .progress = show_progress};
        cli_progress_begin();
        status = task->run(session.engine, session.model, path, &options, &result, err);
        cli_progress_clear();
    }
    if (status == SUTRA_OK) status = print_result(task, args, &session.info, &result, err);
    if (status == SUTRA_OK) {
        warn_of_prompts(task, args, &session.info);
        report_long(&result, embed.max_tokens ? embed.max_tokens : session.info.max_tokens);
    }
    free(ranges);
    cli_session_close(&session);
    return status;
}

static int run_eval(const void *given, const CliArguments *rest)
{
    SutraError err = {0};
    if (!rest->count) return cli_usage("eval", "say what: sts FILE.tsv or retrieval DIR");
    CliSuggestion suggestion = {.word = rest->items[0]};
    for (size_t i = 0; i < CLI_COUNT(tasks); i++) {
        cli_suggest(&suggestion, tasks[i].name);
        if (strcmp(rest->items[0], tasks[i].name) != 0) continue;
        if (rest->count != 2)
            return cli_usage("eval", "%s takes one argument: %s", tasks[i].name, tasks[i].wants);
        if (evaluate(&tasks[i], given, rest->items[1], &err) == SUTRA_OK) return CLI_DONE;
        return cli_fail("%s", err.message);
    }
    if (suggestion.best)
        return cli_usage("eval", "%s is not an evaluation; did you mean %s?", rest->items[0],
                         suggestion.best);
    return cli_usage("eval", "%s is not an evaluation; there are sts and retrieval",
                     rest->items[0]);
}

const CliCommand cli_eval_command = {
    .name = "eval",
    .arguments = "[OPTION ...] sts FILE.tsv | retrieval DIR",
    .summary = "measure a model on labelled texts",
    .details = "sts: FILE has lines score<TAB>sentence1<TAB>sentence2; prints Spearman's "
               "correlation x100\n"
               "of scores and similarities.\n"
               "retrieval: DIR is in BEIR form (corpus.jsonl, queries.jsonl, qrels.tsv or "
               "qrels/test.tsv);\n"
               "prints nDCG@10 x100 of exact search.\n"
               "\n"
               "  sutra eval sts stsb-test.tsv\n"
               "  sutra eval retrieval scifact --dim 128 --json",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(EvalArgs),
    .run = run_eval,
};
