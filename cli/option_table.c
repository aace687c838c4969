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

static CliParsed set_choice(const CliCommand *command, const CliOption *option, const char *text,
                            uint32_t *field)
{
    char store[64];
    CliSuggestion suggestion = {.word = text};
    *field = choice_place(option->value, text, &suggestion, store, sizeof store);
    if (*field) return CLI_PARSED_RUN;
    if (suggestion.best)
        cli_usage(command->name, "--%s %s is not one of %s; did you mean %s?", option->name, text,
                  option->value, suggestion.best);
    else
        cli_usage(command->name, "--%s %s is not one of %s", option->name, text, option->value);
    return CLI_PARSED_ERROR;
}

static CliParsed set_number(const CliCommand *command, const CliOption *option, const char *text,
                            uint32_t *field)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    bool valid = digits > 0 && !text[digits];
    for (size_t i = 0; valid && i < digits && number <= UINT32_MAX; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (!valid || number < option->min || number > option->max) {
        cli_usage(command->name, "--%s %s is not a whole number from %u to %u", option->name, text,
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
static CliParsed set_option(const CliCommand *command, const CliOption *option, const char *value,
                            unsigned char *field)
{
    switch (option->kind) {
    case CLI_OPTION_FLAG:
        *(bool *)field = true;
        return CLI_PARSED_RUN;
    case CLI_OPTION_TEXT:
        *(const char **)(void *)field = value;
        return CLI_PARSED_RUN;
    case CLI_OPTION_NUMBER:
        return set_number(command, option, value, (uint32_t *)(void *)field);
    case CLI_OPTION_CHOICE:
        return set_choice(command, option, value, (uint32_t *)(void *)field);
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
    return set_option(command, option, value, args + group->base + option->offset);
}

CliParsed cli_parse(const CliCommand *command, int argc, char **argv, void *args,
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
