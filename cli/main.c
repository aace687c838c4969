/* main.c - the sutra program: finds the command, parses its options, runs it.
 *
 * Exit codes: 0 done, 1 failure, 2 usage, 128 + N ended by signal N (also 141 when whoever reads
 * standard output went away). Data goes to standard output, messages to standard error. */
#include "atomic_file.h"
#include "commands.h"
#include "console.h"
#include "suggest.h"
#include "sutra.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const CliCommand *const commands[] = {
    &cli_embed_command,    &cli_tokenize_command, &cli_similarity_command, &cli_search_command,
    &cli_rerank_command,   &cli_serve_command,    &cli_eval_command,       &cli_bench_command,
    &cli_pull_command,     &cli_list_command,     &cli_info_command,       &cli_convert_command,
    &cli_quantize_command, &cli_distill_command,  &cli_verify_command,
};

static const CliCommand *find_command(const char *name)
{
    for (size_t i = 0; i < CLI_COUNT(commands); i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    CliSuggestion suggestion = {.word = name};
    for (size_t i = 0; i < CLI_COUNT(commands); i++) cli_suggest(&suggestion, commands[i]->name);
    cli_suggest(&suggestion, "help");
    if (suggestion.best)
        return cli_usage("", "unknown command %s; did you mean %s?", name, suggestion.best);
    return cli_usage("", "unknown command %s", name);
}

/* What was printed with stdio reached its reader? */
static int finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_DONE;
    return cli_fail("standard output: %s", strerror(errno));
}

static int print_overview(void)
{
    printf("Usage: sutra COMMAND [OPTION ...] [ARGUMENT ...]\n\n"
           "Text embeddings and reranking on the CPU.\n\nCommands:\n");
    for (size_t i = 0; i < CLI_COUNT(commands); i++)
        printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
    printf("\nsutra COMMAND --help shows a command's options; sutra --version the version.\n");
    return finish_stdout();
}

static int print_version(void)
{
    char facts[1024];
    size_t size;
    SutraError err;
    printf("sutra %s\n", sutra_version());
    if (sutra_system_describe(facts, sizeof facts, &size, &err) != SUTRA_OK) {
        int code = finish_stdout();
        return code == CLI_DONE ? cli_fail("%s", err.message) : code;
    }
    printf("%s\n", facts);
    return finish_stdout();
}

static int print_help(const CliCommand *command)
{
    cli_print_help(command, stdout);
    return finish_stdout();
}

static int run_help(int argc, char **argv)
{
    if (argc == 0) return print_overview();
    const CliCommand *command = find_command(argv[0]);
    return command ? print_help(command) : unknown_command(argv[0]);
}

static int run_command(const CliCommand *command, int argc, char **argv)
{
    CliArguments rest;
    int code = CLI_USAGE;
    void *args = cli_alloc(1, command->args_size);
    switch (cli_parse(command, argc, argv, args, &rest)) {
    case CLI_PARSED_RUN:
        code = command->run(args, &rest);
        break;
    case CLI_PARSED_HELP:
        code = print_help(command);
        break;
    case CLI_PARSED_ERROR:
        break;
    }
    free(args);
    return code;
}

/* What is opened must not become a standard stream that the program was started without: messages
 * would go into it. Reading and writing those still fails. */
static void fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    cli_catch_signals();
    if (argc < 2) return cli_usage("", "no command given");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return print_overview();
    if (strcmp(name, "help") == 0) return run_help(argc - 2, argv + 2);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) return print_version();
    const CliCommand *command = find_command(name);
    return command ? run_command(command, argc - 2, argv + 2) : unknown_command(name);
}
