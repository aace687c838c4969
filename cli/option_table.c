#include "option_table.h"

#include "console.h"
#include "suggest.h"

#include <stdlib.h>
#include <string.h>

static const CliOption help_option = {
    "help", 'h', CLI_OPTION_FLAG, NULL, 0, "print this help and exit", 0, 0};

/* The option called `name` (size bytes; or by letter when size is 0) and its group. */
static const CliOption *find(const CliCommand *command, const char *name, size_t size, char letter,
                             const CliOptionGroup **group)
{
    for (size_t g = 0; g < command->num_groups; g++) {
        *group = &command->groups[g];
        for (size_t i = 0; i < (*group)->count; i++) {
            const CliOption *option = &(*group)->options[i];
            bool same = size ? strncmp(option->name, name, size) == 0 && !option->name[size]
                             : option->letter && option->letter == letter;
            if (same) return option;
        }
    }
    *group = NULL;
    bool help = size ? size == 4 && memcmp(name, "help", 4) == 0 : letter == 'h';
    return help ? &help_option : NULL;
}

static CliParsed unknown_option(const CliCommand *command, const char *argument, const char *name,
                                size_t size)
{
    char word[64] = "";
    CliSuggestion suggestion = {.word = word};
    if (size < sizeof word) {
        memcpy(word, name, size);
        for (size_t g = 0; g < command->num_groups; g++)
            for (size_t i = 0; i < command->groups[g].count; i++)
                cli_suggest(&suggestion, command->groups[g].options[i].name);
        cli_suggest(&suggestion, "help");
    }
    if (suggestion.best)
        cli_usage(command->name, "unknown option %s; did you mean --%s?", argument,
                  suggestion.best);
    else
        cli_usage(command->name, "unknown option %s", argument);
    return CLI_PARSED_ERROR;
}

/* Place of `text` among the words of "a|b|c", from 1; 0: none. */
static uint32_t choice_place(const char *words, const char *text, CliSuggestion *suggestion,
                             char *store, size_t capacity)
{
    uint32_t place = 1;
    for (const char *word = words; *word; place++) {
        size_t size = strcspn(word, "|");
        if (strlen(text) == size && memcmp(text, word, size) == 0) return place;
        char copy[64];
        snprintf(copy, sizeof copy, "%.*s", (int)size, word);
        cli_suggest(suggestion, copy);
        if (suggestion->best == copy) {
            snprintf(store, capacity, "%s", copy);
            suggestion->best = store;
        }
        word += size + (word[size] == '|');
    }
    return 0;
}

/* `shown` is the option as it was given: "--port" or "SUTRA_PORT". */
static CliParsed set_choice(const CliCommand *command, const CliOption *option, const char *shown,
                            const char *text, uint32_t *field)
{
    char store[64];
    CliSuggestion suggestion = {.word = text};
    *field = choice_place(option->value, text, &suggestion, store, sizeof store);
    if (*field) return CLI_PARSED_RUN;
    if (suggestion.best)
        cli_usage(command->name, "%s %s is not one of %s; did you mean %s?", shown, text,
                  option->value, suggestion.best);
    else
        cli_usage(command->name, "%s %s is not one of %s", shown, text, option->value);
    return CLI_PARSED_ERROR;
}

static CliParsed set_number(const CliCommand *command, const CliOption *option, const char *shown,
                            const char *text, uint32_t *field)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    bool valid = digits > 0 && !text[digits];
    for (size_t i = 0; valid && i < digits && number <= UINT32_MAX; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (!valid || number < option->min || number > option->max) {
        cli_usage(command->name, "%s %s is not a whole number from %u to %u", shown, text,
                  option->min, option->max);
        return CLI_PARSED_ERROR;
    }
    *field = (uint32_t)number;
    return CLI_PARSED_RUN;
}

static CliParsed add_to_list(const CliCommand *command, const CliOption *option, const char *value,
                             CliTextList *list)
{
    if (list->count == CLI_LIST_MAX) {
        cli_usage(command->name, "--%s is given more than %d times", option->name, CLI_LIST_MAX);
        return CLI_PARSED_ERROR;
    }
    list->items[list->count++] = value;
    return CLI_PARSED_RUN;
}

/* `value` is NULL for a flag. */
static CliParsed set_option(const CliCommand *command, const CliOption *option, const char *shown,
                            const char *value, unsigned char *field)
{
    switch (option->kind) {
    case CLI_OPTION_FLAG:
        *(bool *)field = true;
        return CLI_PARSED_RUN;
    case CLI_OPTION_TEXT:
        *(const char **)(void *)field = value;
        return CLI_PARSED_RUN;
    case CLI_OPTION_NUMBER:
        return set_number(command, option, shown, value, (uint32_t *)(void *)field);
    case CLI_OPTION_CHOICE:
        return set_choice(command, option, shown, value, (uint32_t *)(void *)field);
    case CLI_OPTION_LIST:
        return add_to_list(command, option, value, (CliTextList *)(void *)field);
    }
    return CLI_PARSED_ERROR;
}

/* Handles argv[*i], an option, and steps *i over its value. */
static CliParsed parse_option(const CliCommand *command, int argc, char **argv, int *i,
                              unsigned char *args)
{
    const char *argument = argv[*i], *name, *value = NULL;
    const CliOptionGroup *group;
    const CliOption *option;
    if (argument[1] == '-') {
        name = argument + 2;
        size_t size = strcspn(name, "=");
        option = size ? find(command, name, size, 0, &group) : NULL;
        if (!option) return unknown_option(command, argument, name, size);
        if (name[size] == '=') value = name + size + 1;
    } else {
        option = find(command, NULL, 0, argument[1], &group);
        if (!option) return unknown_option(command, argument, "", 0);
        if (argument[2]) value = argument + 2;
    }
    if (option->kind == CLI_OPTION_FLAG) {
        if (value) {
            cli_usage(command->name, "--%s takes no value", option->name);
            return CLI_PARSED_ERROR;
        }
        if (option == &help_option) return CLI_PARSED_HELP;
    } else if (!value) {
        if (*i + 1 >= argc) {
            cli_usage(command->name, "--%s needs a value: %s", option->name, option->value);
            return CLI_PARSED_ERROR;
        }
        value = argv[++*i];
    }
    char shown[64];
    snprintf(shown, sizeof shown, "--%s", option->name);
    return set_option(command, option, shown, value, args + group->base + option->offset);
}

/* ---- the environment ---- */

static CliParsed set_flag(const CliCommand *command, const char *shown, const char *value,
                          bool *field)
{
    *field = strcmp(value, "1") == 0;
    if (*field || strcmp(value, "0") == 0) return CLI_PARSED_RUN;
    cli_usage(command->name, "%s %s is neither 0 nor 1", shown, value);
    return CLI_PARSED_ERROR;
}

/* What SUTRA_NAME says of an option; nothing: the option stays as it is. */
static CliParsed read_variable(const CliCommand *command, const CliOption *option,
                               unsigned char *field)
{
    char name[64] = "SUTRA_";
    size_t size = strlen(name);
    for (const char *c = option->name; *c && size < sizeof name - 1; c++)
        name[size++] = (char)(*c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    name[size] = '\0';
    const char *value = getenv(name);
    if (!value || !*value) return CLI_PARSED_RUN;
    if (option->kind == CLI_OPTION_FLAG)
        return set_flag(command, name, value, (bool *)(void *)field);
    return set_option(command, option, name, value, field);
}

/* Options that may be given once, before the arguments are read (lists false), so that those win;
 * of the others those that were not given. */
static CliParsed read_environment(const CliCommand *command, bool lists, unsigned char *args)
{
    CliParsed parsed = CLI_PARSED_RUN;
    for (size_t g = 0; g < command->num_groups; g++)
        for (size_t i = 0; parsed == CLI_PARSED_RUN && i < command->groups[g].count; i++) {
            const CliOption *option = &command->groups[g].options[i];
            unsigned char *field = args + command->groups[g].base + option->offset;
            if ((option->kind == CLI_OPTION_LIST) != lists) continue;
            if (lists && ((CliTextList *)(void *)field)->count) continue;
            parsed = read_variable(command, option, field);
        }
    return parsed;
}

static CliParsed parse_arguments(const CliCommand *command, int argc, char **argv, void *args,
                                 CliArguments *rest)
{
    *rest = (CliArguments){.items = argv};
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] == '-' && !argv[i][2]) {
            for (i++; i < argc; i++) rest->items[rest->count++] = argv[i];
            break;
        }
        if (argv[i][0] != '-' || !argv[i][1]) {
            rest->items[rest->count++] = argv[i];
            continue;
        }
        CliParsed parsed = parse_option(command, argc, argv, &i, args);
        if (parsed != CLI_PARSED_RUN) return parsed;
    }
    return CLI_PARSED_RUN;
}

CliParsed cli_parse(const CliCommand *command, int argc, char **argv, void *args,
                    CliArguments *rest)
{
    CliParsed parsed = CLI_PARSED_RUN;
    if (command->reads_environment) parsed = read_environment(command, false, args);
    if (parsed == CLI_PARSED_RUN) parsed = parse_arguments(command, argc, argv, args, rest);
    if (parsed == CLI_PARSED_RUN && command->reads_environment)
        parsed = read_environment(command, true, args);
    return parsed;
}

/* Prints `text` from column `column` on, broken at spaces before column 80. */
static void print_wrapped(FILE *stream, const char *text, int column)
{
    int used = column;
    for (const char *word = text; *word;) {
        int size = (int)strcspn(word, " ");
        if (word == text)
            used += fprintf(stream, "%.*s", size, word);
        else if (used + 1 + size > 79)
            used = fprintf(stream, "\n%*s%.*s", column, "", size, word) - 1;
        else
            used += fprintf(stream, " %.*s", size, word);
        word += size;
        word += strspn(word, " ");
    }
    fputc('\n', stream);
}

static void print_option(const CliOption *option, FILE *stream)
{
    enum { HELP_COLUMN = 28 };
    char left[160], letter[8] = "    ";
    if (option->letter) snprintf(letter, sizeof letter, "-%c, ", option->letter);
    int used = snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                        option->value ? " " : "", option->value ? option->value : "");
    if (used + 2 > HELP_COLUMN)
        fprintf(stream, "%s\n%*s", left, HELP_COLUMN, "");
    else
        fprintf(stream, "%-*s", HELP_COLUMN, left);
    print_wrapped(stream, option->help, HELP_COLUMN);
}

void cli_print_help(const CliCommand *command, FILE *stream)
{
    fprintf(stream, "Usage: sutra %s %s\n\n%s\n\nOptions:\n", command->name, command->arguments,
            command->details);
    for (size_t g = 0; g < command->num_groups; g++)
        for (size_t i = 0; i < command->groups[g].count; i++)
            print_option(&command->groups[g].options[i], stream);
    print_option(&help_option, stream);
}
