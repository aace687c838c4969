#include "ollama_names.h"

#include <string.h>

/* The last part of a model's id, and its names at ollama.com/library; that without a tag first. */
static const struct {
    const char *id;
    const char *names[5];
} library[] = {
    {"all-MiniLM-L6-v2", {"all-minilm", "all-minilm:22m", "all-minilm:l6-v2"}},
    {"all-MiniLM-L12-v2", {"all-minilm:33m", "all-minilm:l12-v2"}},
    {"bge-large-en-v1.5", {"bge-large", "bge-large:335m", "bge-large:335m-en-v1.5-fp16"}},
    {"bge-m3", {"bge-m3", "bge-m3:567m", "bge-m3:567m-fp16"}},
    {"mxbai-embed-large-v1",
     {"mxbai-embed-large", "mxbai-embed-large:335m", "mxbai-embed-large:v1"}},
    {"nomic-embed-text-v1.5",
     {"nomic-embed-text", "nomic-embed-text:v1.5", "nomic-embed-text:137m-v1.5-fp16"}},
    {"paraphrase-multilingual-mpnet-base-v2",
     {"paraphrase-multilingual", "paraphrase-multilingual:278m"}},
    {"snowflake-arctic-embed-l",
     {"snowflake-arctic-embed", "snowflake-arctic-embed:l", "snowflake-arctic-embed:335m"}},
    {"snowflake-arctic-embed-m", {"snowflake-arctic-embed:m", "snowflake-arctic-embed:110m"}},
    {"snowflake-arctic-embed-s", {"snowflake-arctic-embed:s", "snowflake-arctic-embed:33m"}},
    {"snowflake-arctic-embed-xs", {"snowflake-arctic-embed:xs", "snowflake-arctic-embed:22m"}},
    {"snowflake-arctic-embed-l-v2.0", {"snowflake-arctic-embed2", "snowflake-arctic-embed2:568m"}},
};
enum { LIBRARY = sizeof library / sizeof *library, NAMES = 5 };

static SuText without_latest(SuText name)
{
    static const char latest[] = ":latest";
    size_t size = sizeof latest - 1;
    if (name.size > size && su_text_is_word((SuText){name.data + name.size - size, size}, latest))
        name.size -= size;
    return name;
}

static SuModelEntry *find_any_case(const SuModelTable *table, SuText name)
{
    for (size_t i = 0; i < table->num_entries; i++)
        if (su_text_is_word(name, table->entries[i]->id)) return table->entries[i];
    for (size_t i = 0; i < table->num_aliases; i++)
        if (su_text_is_word(name, table->aliases[i].name) && !su_text_is(name, "*"))
            return table->aliases[i].entry;
    return NULL;
}

static const char *last_part(const char *id)
{
    const char *slash = strrchr(id, '/');
    return slash ? slash + 1 : id;
}

/* The first model of the table with that last part. */
static SuModelEntry *find_last_part(const SuModelTable *table, const char *part)
{
    SuText wanted = {part, strlen(part)};
    for (size_t i = 0; i < table->num_entries; i++)
        if (su_text_is_word(wanted, last_part(table->entries[i]->id))) return table->entries[i];
    return NULL;
}

static SuModelEntry *find_in_library(const SuModelTable *table, SuText name)
{
    for (size_t i = 0; i < LIBRARY; i++)
        for (size_t j = 0; j < NAMES && library[i].names[j]; j++)
            if (su_text_is_word(name, library[i].names[j]))
                return find_last_part(table, library[i].id);
    return NULL;
}

SuModelEntry *su_ollama_find(const SuModelTable *table, SuText name)
{
    if (!name.data) return su_model_table_find(table, name);
    SuText bare = without_latest(name);
    SuModelEntry *entry = find_any_case(table, name);
    if (!entry) entry = find_any_case(table, bare);
    if (!entry) entry = find_in_library(table, bare);
    return entry ? entry : su_model_table_find(table, name);
}

const char *su_ollama_library_name(const SuModelTable *table, const SuModelEntry *entry)
{
    for (size_t i = 0; i < LIBRARY; i++) {
        const char *name = library[i].names[0];
        SuText view = {name, strlen(name)};
        if (find_last_part(table, library[i].id) != entry) continue;
        return find_any_case(table, view) ? NULL : name;
    }
    return NULL;
}
