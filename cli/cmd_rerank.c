/* cmd_rerank.c - sutra rerank: texts by their score for a query. */
#include "base/number_text.h"
#include "commands.h"
#include "console.h"
#include "embed_stream.h"
#include "json_text.h"
#include "prompt_warning.h"
#include "utf8_check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct RerankArgs {
    CliModelArgs model;
    const char *input, *field, *prompt_name;
    uint32_t top, max_tokens, long_text;
    bool json, raw_scores;
} RerankArgs;

enum { LONG_TEXT_ERROR = 2 };

static const CliOption model_options[] = {
    {"model", 'm', CLI_OPTION_TEXT, "MODEL", offsetof(CliModelArgs, model),
     "a reranker: a name that sutra list shows, a hub repository in the cache, a model's folder, "
     "or "
     "a .sutra file (default: " CLI_DEFAULT_RERANKER ")",
     0, 0},
    {"revision", 0, CLI_OPTION_TEXT, "REVISION", offsetof(CliModelArgs, revision),
     "of a name in the cache: the branch, tag or commit that was pulled (default: main)", 0, 0},
};

static const CliOption own_options[] = {
    {"input", 'i', CLI_OPTION_TEXT, "FILE", offsetof(RerankArgs, input),
     "read one text a line from FILE; -: standard input", 0, 0},
    {"field", 0, CLI_OPTION_TEXT, "NAME", offsetof(RerankArgs, field),
     "the input is JSON lines; take the string in field NAME", 0, 0},
    {"top", 0, CLI_OPTION_NUMBER, "N", offsetof(RerankArgs, top),
     "print the best N texts only (default: all)", 1, UINT32_MAX},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(RerankArgs, json),
     "print {\"line\":…,\"score\":…,\"text\":…} a line", 0, 0},
    {"raw-scores", 0, CLI_OPTION_FLAG, NULL, offsetof(RerankArgs, raw_scores),
     "print logits, whatever the model makes of them", 0, 0},
    {"max-tokens", 0, CLI_OPTION_NUMBER, "N", offsetof(RerankArgs, max_tokens),
     "longest pair of query and text in tokens, special tokens included (default: the model's)", 1,
     UINT32_MAX},
    {"long-text", 0, CLI_OPTION_CHOICE, "truncate|error", offsetof(RerankArgs, long_text),
     "what becomes of longer pairs (default: truncate)", 0, 0},
    {"prompt-name", 0, CLI_OPTION_TEXT, "NAME", offsetof(RerankArgs, prompt_name),
     "put the model's prompt of that name before the query; an empty name: none", 0, 0},
};

/* Without --profile, which is a size of vectors. */
static const CliOptionGroup groups[] = {
    {model_options, CLI_COUNT(model_options), offsetof(RerankArgs, model)},
    {cli_cache_options, CLI_COUNT(cli_cache_options), offsetof(RerankArgs, model)},
    {own_options, CLI_COUNT(own_options), 0},
    {cli_engine_options + 1, CLI_COUNT(cli_engine_options) - 1, offsetof(RerankArgs, model)},
};

typedef struct Place {
    float score;
    size_t text;
} Place;

typedef struct Ranking {
    CliText *texts; /* [count] as they were read */
    Place *places;  /* [count] best first */
    size_t count;
} Ranking;

static void free_ranking(Ranking *ranking)
{
    cli_free_texts(ranking->texts, ranking->count);
    free(ranking->places);
}

/* Of equal scores the text that was read first. */
static int by_score(const void *left, const void *right)
{
    const Place *a = left, *b = right;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->text < b->text ? -1 : 1;
}

static void sort(Ranking *ranking, const float *scores)
{
    ranking->places = cli_alloc(ranking->count, sizeof *ranking->places);
    for (size_t i = 0; i < ranking->count; i++) ranking->places[i] = (Place){scores[i], i};
    qsort(ranking->places, ranking->count, sizeof *ranking->places, by_score);
}

static SutraStatus rank(const RerankArgs *args, const char *query, const CliSession *session,
                        CliReader *reader, Ranking *ranking, SutraError *err)
{
    SutraEmbedOptions options = {.struct_size = sizeof options,
                                 .output = SUTRA_OUT_SCORES,
                                 .max_tokens = args->max_tokens,
                                 .raw_scores = args->raw_scores};
    unsigned char *scores = NULL;
    SutraResult *result = NULL;
    if (args->long_text == LONG_TEXT_ERROR) options.truncation = SUTRA_TRUNCATE_ERROR;
    SutraStatus status = cli_check_prompt(session, args->prompt_name, err);
    if (status == SUTRA_OK) /* a request without texts checks the options against the model */
        status = sutra_embed(session->engine, session->model, NULL, 0, &options, &result, err);
    sutra_result_free(result);
    if (status != SUTRA_OK) return status;
    CliEmbedStream stream = {.session = session,
                             .options = &options,
                             .prompt_name = args->prompt_name,
                             .reader = reader,
                             .query = query};
    status = cli_embed_all(&stream, &scores, &ranking->texts, err);
    if (status != SUTRA_OK) return status;
    ranking->count = (size_t)stream.totals.texts;
    sort(ranking, (const float *)(const void *)scores);
    free(scores);
    const SutraInput asked = {.text = query, .text_size = strlen(query)};
    if (ranking->count) cli_warn_of_prompts(&session->info, args->prompt_name, "query", &asked, 1);
    cli_report_long(&stream.totals, args->max_tokens ? args->max_tokens : session->info.max_tokens);
    return SUTRA_OK;
}

/* The text on one line: control characters as spaces. */
static void print_text(CliOutput *out, const CliText *text)
{
    size_t at = 0;
    while (at < text->size) {
        size_t size = cli_utf8_length((unsigned char)text->data[at]);
        bool control = (unsigned char)text->data[at] < 0x20 || text->data[at] == 0x7f;
        cli_output_write(out, control ? " " : text->data + at, size);
        at += size;
    }
}

static void print_place(CliOutput *out, bool json, const CliText *text, float score)
{
    char number[SU_NUMBER_TEXT + 1];
    number[su_float_text(score, number)] = '\0';
    if (!json) {
        cli_output_print(out, "%llu\t%s\t", (unsigned long long)text->line, number);
        print_text(out, text);
        cli_output_write(out, "\n", 1);
        return;
    }
    cli_output_print(out, "{\"line\":%llu,\"score\":%s,\"text\":", (unsigned long long)text->line,
                     number);
    cli_json_string(out, text->data, text->size);
    cli_output_print(out, "}\n");
}

static SutraStatus print_ranking(const RerankArgs *args, const Ranking *ranking, SutraError *err)
{
    CliOutput out;
    size_t shown = args->top && args->top < ranking->count ? args->top : ranking->count;
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    for (size_t i = 0; i < shown; i++)
        print_place(&out, args->json, &ranking->texts[ranking->places[i].text],
                    ranking->places[i].score);
    return cli_output_commit(&out, err);
}

static SutraStatus rerank(const RerankArgs *args, const char *query, CliReader *reader,
                          SutraError *err)
{
    CliSession session = {0};
    Ranking ranking = {0};
    CliModelArgs model = args->model;
    if (!model.model) model.model = CLI_DEFAULT_RERANKER;
    model.num_texts = reader->num_arguments;
    SutraStatus status = cli_session_open(&session, &model, true, err);
    if (status == SUTRA_OK) status = rank(args, query, &session, reader, &ranking, err);
    if (status == SUTRA_OK) status = print_ranking(args, &ranking, err);
    free_ranking(&ranking);
    cli_session_close(&session);
    return status;
}

static int run_rerank(const void *given, const CliArguments *rest)
{
    const RerankArgs *args = given;
    const char *input = args->input, *query = rest->count ? rest->items[0] : NULL;
    SutraError err = {0};
    CliReader reader = {.source = {.fd = -1}};
    SutraStatus status = SUTRA_OK;
    if (!query) return cli_usage("rerank", "no query; give QUERY and -i FILE");
    if (cli_utf8_valid(query, strlen(query)) != strlen(query))
        return cli_fail("query: invalid UTF-8 at byte %zu",
                        cli_utf8_valid(query, strlen(query)) + 1);
    if (input && rest->count > 1)
        return cli_usage("rerank", "texts are given both by -i %s and as arguments", input);
    if (args->field && rest->count > 1) return cli_usage("rerank", "--field needs -i FILE");
    if (!input && rest->count < 2) {
        if (isatty(STDIN_FILENO))
            return cli_usage("rerank", "no texts; give TEXT after the query, or -i FILE");
        input = "-";
    }
    if (input)
        status = cli_reader_open(&reader, input, args->field, &err);
    else
        cli_reader_open_arguments(&reader, rest->items + 1, rest->count - 1);
    if (status == SUTRA_OK) status = rerank(args, query, &reader, &err);
    cli_reader_close(&reader);
    return status == SUTRA_OK ? CLI_DONE : cli_fail("%s", err.message);
}

const CliCommand cli_rerank_command = {
    .name = "rerank",
    .arguments = "[OPTION ...] QUERY [TEXT ...]",
    .summary = "sort texts by how well they answer a query",
    .details =
        "Scores every text beside the query by a reranker, which reads both at once, and prints\n"
        "line number, score and text, separated by tabs, the best score first.\n"
        "\n"
        "  sutra rerank \"how do cats sleep\" -i passages.txt --top 3\n"
        "  sutra rerank \"how do cats sleep\" -m bge-reranker-base \"A cat naps.\" \"Rates rose.\"",
    .groups = groups,
    .num_groups = CLI_COUNT(groups),
    .args_size = sizeof(RerankArgs),
    .run = run_rerank,
};
