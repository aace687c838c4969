/* option_table.h - one table of options a command: it drives parsing, help and, through the help,
 * the shell completions.
 *
 * Long options take their value after "=" or as the next argument, short ones attached or as the
 * next argument; "--" ends the options; "-" alone is an argument. A later option overrides an
 * earlier one, but that a list takes them all. Values land in the fields of the command's arguments
 * struct; zero (NULL, false) means not given. */
#ifndef CLI_OPTION_TABLE_H
#define CLI_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum CliOptionKind {
    CLI_OPTION_FLAG,   /* bool */
    CLI_OPTION_TEXT,   /* const char *, borrowed from argv */
    CLI_OPTION_NUMBER, /* uint32_t in min … max; min is at least 1 */
    CLI_OPTION_CHOICE, /* uint32_t: 1 + place of the word in `value` */
    CLI_OPTION_LIST    /* CliTextList: every value it was given, CLI_LIST_MAX at most */
} CliOptionKind;

enum { CLI_LIST_MAX = 64 };
typedef struct CliTextList {
    const char *items[CLI_LIST_MAX]; /* [count], borrowed from argv */
    size_t count;
} CliTextList;

typedef struct CliOption {
    const char *name; /* "format", without dashes */
    char letter;      /* 'o', or 0 */
    CliOptionKind kind;
    const char *value; /* "FILE"; of a choice, its words: "npy|jsonl" */
    size_t offset;     /* of the field, from the group's start */
    const char *help;
    uint32_t min, max;
} CliOption;

/* Options that several commands share lie in one table; `base` is where its fields start in the
 * command's arguments struct. */
typedef struct CliOptionGroup {
    const CliOption *options;
    size_t count, base;
} CliOptionGroup;

#define CLI_COUNT(array) (sizeof(array) / sizeof *(array))

/* What is left of argv after the options. */
typedef struct CliArguments {
    char **items;
    size_t count;
} CliArguments;

typedef struct CliCommand {
    const char *name;      /* "embed" */
    const char *arguments; /* "[OPTION ...] [TEXT ...]" */
    const char *summary;   /* one line */
    const char *details;   /* paragraphs for --help, each line ended by a newline */
    const CliOptionGroup *groups;
    size_t num_groups;
    size_t args_size;       /* of the arguments struct */
    bool reads_environment; /* SUTRA_MAX_BODY stands for --max-body where that is not given; of
                               flags 0 or 1 */
    int (*run)(const void *args, const CliArguments *rest);
} CliCommand;

typedef enum CliParsed { CLI_PARSED_RUN, CLI_PARSED_HELP, CLI_PARSED_ERROR } CliParsed;

/* Fills the zeroed *args and *rest from argv[0 … argc-1] (without the command's name); rest->items
 * lies in argv. On CLI_PARSED_ERROR the message has been printed. */
CliParsed cli_parse(const CliCommand *command, int argc, char **argv, void *args,
                    CliArguments *rest);

void cli_print_help(const CliCommand *command, FILE *stream);

#endif
