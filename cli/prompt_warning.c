#include "prompt_warning.h"

#include "console.h"
#include "sutra_hub.h"

#include <stdio.h>
#include <string.h>

/* Of a model's folder, or of the registry. */
typedef struct Prompts {
    const SutraModelInfo *info;
    const SutraRegistryModel *known; /* NULL: the folder's count */
} Prompts;

static uint32_t count_of(const Prompts *prompts)
{
    return prompts->known ? prompts->known->num_prompts : prompts->info->num_prompts;
}

static const char *name_of(const Prompts *prompts, uint32_t index)
{
    return prompts->known ? prompts->known->prompts[index].name
                          : prompts->info->prompt_names[index];
}

static const char *text_of(const Prompts *prompts, uint32_t index)
{
    return prompts->known ? prompts->known->prompts[index].text : prompts->info->prompts[index];
}

static bool has_text(const Prompts *prompts)
{
    for (uint32_t i = 0; i < count_of(prompts); i++)
        if (*text_of(prompts, i)) return true;
    return false;
}

/* Whether one of the prompts that are not empty stands at the text's start. */
static bool is_prompted(const Prompts *prompts, const SutraInput *input)
{
    for (uint32_t i = 0; i < count_of(prompts); i++) {
        const char *text = text_of(prompts, i);
        size_t size = strlen(text);
        if (size && input->text_size >= size && memcmp(input->text, text, size) == 0) return true;
    }
    return false;
}

static bool are_prompted(const Prompts *prompts, const SutraInput *inputs, size_t count)
{
    size_t i = 0;
    while (i < count && is_prompted(prompts, &inputs[i])) i++;
    return i == count;
}

/* Names of the folder's prompts, "query, document", or texts of the registry's; "…" stands for what
 * does not fit. */
static void list_prompts(const Prompts *prompts, char *list, size_t capacity)
{
    static const char more[] = ", …";
    size_t used = 0;
    list[0] = '\0';
    for (uint32_t i = 0; i < count_of(prompts); i++) {
        const char *word = prompts->known ? text_of(prompts, i) : name_of(prompts, i);
        const char *quote = prompts->known ? "\"" : "";
        size_t size = strlen(word) + 2 * strlen(quote) + (used ? 2 : 0);
        if (used + size + sizeof more > capacity) {
            snprintf(list + used, capacity - used, "%s", used ? more : "…");
            return;
        }
        snprintf(list + used, capacity - used, "%s%s%s%s", used ? ", " : "", quote, word, quote);
        used += size;
    }
}

static void warn(const Prompts *prompts, const char *what, const char *option)
{
    char list[240];
    const char *model = prompts->info->name;
    list_prompts(prompts, list, sizeof list);
    if (!prompts->known)
        cli_message("warning: no prompt was put before the %s, and %s has: %s; choose one with %s "
                    "NAME, or none with %s \"\"",
                    what, model, list, option, option);
    else
        cli_message("warning: %s wants one of %s before every text, and its folder has no such "
                    "prompts: put it there; %s \"\" embeds texts as they are",
                    model, list, option);
}

bool cli_warn_of_prompts(const SutraModelInfo *info, const char *prompt_name, const char *what,
                         const SutraInput *inputs, size_t count)
{
    Prompts prompts = {.info = info};
    bool own = has_text(&prompts);
    if (prompt_name ? own || !*prompt_name : info->default_prompt != NULL) return false;
    if (!own) prompts.known = sutra_registry_find(info->name);
    if (!own && (!prompts.known || !prompts.known->needs_prompt)) return false;
    if (are_prompted(&prompts, inputs, count)) return false;
    warn(&prompts, what, "--prompt-name");
    return true;
}

void cli_warn_of_document_prompt(const SutraModelInfo *info, const char *prompt_name)
{
    static const char *const words[] = {"document", "passage", "corpus"};
    Prompts prompts = {.info = info};
    bool has_one = false;
    if (prompt_name || info->default_prompt) return;
    for (uint32_t i = 0; i < info->num_prompts; i++)
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            has_one |= *info->prompts[i] && strstr(info->prompt_names[i], words[w]);
    if (has_one) warn(&prompts, "documents", "--document-prompt");
}
