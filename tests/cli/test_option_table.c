/* Options: every way of giving one, what is refused, and suggestions. */
#include "option_table.h"
#include "suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct Shared {
    const char *model;
    uint32_t threads;
} Shared;

typedef struct Args {
    uint32_t before; /* so that the group's base is not 0 */
    Shared shared;
    const char *output;
    uint32_t format;
    bool json;
    CliTextList alias;
} Args;

static const CliOption shared_options[] = {
    {"model", 'm', CLI_OPTION_TEXT, "MODEL", offsetof(Shared, model), "", 0, 0},
    {"threads", 0, CLI_OPTION_NUMBER, "N", offsetof(Shared, threads), "", 1, 64},
};
static const CliOption own_options[] = {
    {"output", 'o', CLI_OPTION_TEXT, "FILE", offsetof(Args, output), "", 0, 0},
    {"format", 0, CLI_OPTION_CHOICE, "npy|jsonl|csv", offsetof(Args, format), "", 0, 0},
    {"json", 0, CLI_OPTION_FLAG, NULL, offsetof(Args, json), "", 0, 0},
    {"alias", 'a', CLI_OPTION_LIST, "NAME", offsetof(Args, alias), "", 0, 0},
};
static const CliOptionGroup groups[] = {
    {shared_options, CLI_COUNT(shared_options), offsetof(Args, shared)},
    {own_options, CLI_COUNT(own_options), 0},
};
static const CliCommand command = {
    .name = "test", .groups = groups, .num_groups = CLI_COUNT(groups), .args_size = sizeof(Args)};

static char *words[16];
static Args args;
static CliArguments rest;

static CliParsed parse(int argc, ...)
{
    va_list list;
    va_start(list, argc);
    for (int i = 0; i < argc; i++) words[i] = va_arg(list, char *);
    va_end(list);
    memset(&args, 0, sizeof args);
    return cli_parse(&command, argc, words, &args, &rest);
}

static void a_list_takes_every_value(void **state)
{
    static char letter[] = "-a", value[] = "x";
    char *many[2 * (CLI_LIST_MAX + 1)];
    (void)state;
    assert_int_equal(parse(4, "--alias=x", "-ay", "--alias", "x"), CLI_PARSED_RUN);
    assert_int_equal(args.alias.count, 3);
    assert_string_equal(args.alias.items[0], "x");
    assert_string_equal(args.alias.items[1], "y");
    assert_string_equal(args.alias.items[2], "x");
    for (size_t i = 0; i < CLI_COUNT(many); i++) many[i] = i % 2 ? value : letter;
    for (int more = 0; more < 2; more++) {
        memset(&args, 0, sizeof args);
        assert_int_equal(cli_parse(&command, 2 * (CLI_LIST_MAX + more), many, &args, &rest),
                         more ? CLI_PARSED_ERROR : CLI_PARSED_RUN);
        assert_int_equal(args.alias.count, CLI_LIST_MAX);
    }
}

static void every_spelling(void **state)
{
    (void)state;
    assert_int_equal(parse(3, "--model", "a", "x"), CLI_PARSED_RUN);
    assert_string_equal(args.shared.model, "a");
    assert_int_equal(rest.count, 1);
    assert_string_equal(rest.items[0], "x");
    assert_int_equal(parse(1, "--model=b=c"), CLI_PARSED_RUN);
    assert_string_equal(args.shared.model, "b=c");
    assert_int_equal(parse(1, "--model="), CLI_PARSED_RUN);
    assert_string_equal(args.shared.model, "");
    assert_int_equal(parse(1, "-mshort"), CLI_PARSED_RUN);
    assert_string_equal(args.shared.model, "short");
    assert_int_equal(parse(2, "-m", "--threads"), CLI_PARSED_RUN);
    assert_string_equal(args.shared.model, "--threads");
    assert_int_equal(parse(3, "--json", "--threads=64", "--format=csv"), CLI_PARSED_RUN);
    assert_true(args.json);
    assert_int_equal(args.shared.threads, 64);
    assert_int_equal(args.format, 3);
    assert_int_equal(args.before, 0);
}

static void arguments_between_options(void **state)
{
    (void)state;
    assert_int_equal(parse(7, "a", "-o", "f", "-", "--", "--json", "-x"), CLI_PARSED_RUN);
    assert_int_equal(rest.count, 4);
    assert_string_equal(rest.items[0], "a");
    assert_string_equal(rest.items[1], "-");
    assert_string_equal(rest.items[2], "--json");
    assert_string_equal(rest.items[3], "-x");
    assert_false(args.json);
    assert_string_equal(args.output, "f");
}

static void the_last_one_counts(void **state)
{
    (void)state;
    assert_int_equal(parse(4, "-o", "one", "-o", "two"), CLI_PARSED_RUN);
    assert_string_equal(args.output, "two");
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "--unknown",
        "-x",
        "--threads=0",
        "--threads=65",
        "--threads=1x",
        "--threads=",
        "--threads=-1",
        "--threads= 1",
        "--format=np",
        "--format=",
        "--format=npy|jsonl",
        "--json=yes",
        "--output",
        "-o",
        "--threads=99999999999999999999",
        "--",
        "--=x",
        "--mode",
    };
    (void)state;
    for (size_t i = 0; i < CLI_COUNT(bad); i++) {
        CliParsed expected = strcmp(bad[i], "--") == 0 ? CLI_PARSED_RUN : CLI_PARSED_ERROR;
        if (parse(1, bad[i]) != expected) fail_msg("%s", bad[i]);
    }
}

static void help_wins_where_it_stands(void **state)
{
    (void)state;
    assert_int_equal(parse(2, "--help", "--unknown"), CLI_PARSED_HELP);
    assert_int_equal(parse(1, "-h"), CLI_PARSED_HELP);
    assert_int_equal(parse(2, "-o", "--help"), CLI_PARSED_RUN);
    assert_int_equal(parse(2, "--", "--help"), CLI_PARSED_RUN);
}

static const char *closest(const char *word)
{
    static const char *const names[] = {"embed", "tokenize", "similarity", "eval",
                                        "pull",  "list",     "info"};
    CliSuggestion suggestion = {.word = word};
    for (size_t i = 0; i < CLI_COUNT(names); i++) cli_suggest(&suggestion, names[i]);
    return suggestion.best;
}

static void suggestions(void **state)
{
    (void)state;
    assert_string_equal(closest("embde"), "embed");
    assert_string_equal(closest("tokenise"), "tokenize");
    assert_string_equal(closest("sim"), "similarity");
    assert_string_equal(closest("evl"), "eval");
    assert_null(closest("x"));
    assert_null(closest("frobnicate"));
    assert_null(closest(""));
    assert_int_equal(cli_edit_distance("", ""), 0);
    assert_int_equal(cli_edit_distance("ab", "ba"), 1);
    assert_int_equal(cli_edit_distance("abc", "abd"), 1);
    assert_int_equal(cli_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(cli_edit_distance("", "abc"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling),
        cmocka_unit_test(a_list_takes_every_value),
        cmocka_unit_test(arguments_between_options),
        cmocka_unit_test(the_last_one_counts),
        cmocka_unit_test(refused),
        cmocka_unit_test(help_wins_where_it_stands),
        cmocka_unit_test(suggestions),
    };
    return cmocka_run_group_tests_name("option_table", tests, NULL, NULL);
}
