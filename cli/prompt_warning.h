/* prompt_warning.h - the warning that texts went without the prompt that a model was trained with,
 * which costs quality and shows nowhere. */
#ifndef CLI_PROMPT_WARNING_H
#define CLI_PROMPT_WARNING_H

#include "sutra.h"

#include <stdbool.h>

/* One line on standard error if no prompt comes before the texts though the model has some: its own
 * (none of them the default), or those that the registry says every text of it needs, where the
 * folder has none. It names them, and the option to choose one. Silent where every one of the
 * texts, inputs[count], begins with a prompt already, and where prompt_name (--prompt-name) is one
 * of the model's, or "". what: "texts", as the line calls them. True: it was written. */
bool cli_warn_of_prompts(const SutraModelInfo *info, const char *prompt_name, const char *what,
                         const SutraInput *inputs, size_t count);

/* The same of documents that get the prompt of that name (--document-prompt) and queries another:
 * only where the model has one for them, by its name. */
void cli_warn_of_document_prompt(const SutraModelInfo *info, const char *prompt_name);

#endif
