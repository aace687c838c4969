/* ollama_names.h - how Ollama's clients name models. Pure but for the table of models.
 *
 *   all-MiniLM-L6-v2, ALL-MINILM-L6-V2, all-minilm-l6-v2:latest    an id or an alias, without regard
 *                                                                  to case and ":latest"
 *   all-minilm, all-minilm:22m                                     what Ollama's library calls it
 *
 * Ids and aliases come first, Ollama's own names next, the alias "*" last. */
#ifndef SU_OLLAMA_NAMES_H
#define SU_OLLAMA_NAMES_H

#include "model_table.h"

/* data NULL: the first one. NULL: not known. */
SuModelEntry *su_ollama_find(const SuModelTable *table, SuText name);

/* What Ollama's library calls the entry; NULL: it has no name there, or another model has it. */
const char *su_ollama_library_name(const SuModelTable *table, const SuModelEntry *entry);

#endif
