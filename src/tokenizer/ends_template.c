#include "tokenizer/ends_template.h"

#include "tokenizer/tokenizer_parts.h"

/* The token that a text begins or ends with: *id stays -1 where there is none. */
static SutraStatus find_end(const SuTokenizerSettings *settings, const SuTokenizer *tokenizer,
                            const char *switch_key, const char *key, int32_t *id, SutraError *err)
{
    bool wanted = false;
    const char *text = su_token_text(json_object_get(settings->merged, key));
    *id = -1;
    SU_TRY(su_json_get_bool(settings->merged, switch_key, settings->files->config_where, &wanted,
                            err));
    if (!wanted || !text) return SUTRA_OK;
    const SuAddedToken *token = su_added_tokens_with_content(&tokenizer->added, text);
    if (!token)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: %s is empty", settings->files->config_where, key);
    *id = token->id;
    return SUTRA_OK;
}

static bool add_special(json_t *list, int32_t id, const char *name, int type)
{
    if (id < 0) return true;
    json_t *piece = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", name, "type_id", type);
    return piece && json_array_append_new(list, piece) == 0;
}

/* bos A eos, with B's type 1. */
static bool add_text(json_t *list, const int32_t ids[2], const char *name, int type)
{
    json_t *text = json_pack("{s:{s:s, s:i}}", "Sequence", "id", name, "type_id", type);
    if (!text) return false;
    if (add_special(list, ids[0], "bos", type) && json_array_append(list, text) == 0 &&
        add_special(list, ids[1], "eos", type)) {
        json_decref(text);
        return true;
    }
    json_decref(text);
    return false;
}

/* A new section, or NULL: out of memory. */
static json_t *make_section(const int32_t ids[2])
{
    static const char *const names[] = {"bos", "eos"};
    json_t *single = json_array(), *pair = json_array(), *tokens = json_object();
    bool done = single && pair && tokens && add_text(single, ids, "A", 0) &&
                add_text(pair, ids, "A", 0) && add_text(pair, ids, "B", 1);
    for (size_t i = 0; i < 2 && done; i++)
        if (ids[i] >= 0)
            done = json_object_set_new(tokens, names[i],
                                       json_pack("{s:s, s:[i], s:[s]}", "id", names[i], "ids",
                                                 ids[i], "tokens", names[i])) == 0;
    json_t *section = NULL;
    if (done)
        section = json_pack("{s:s, s:O, s:O, s:O}", "type", "TemplateProcessing", "single", single,
                            "pair", pair, "special_tokens", tokens);
    json_decref(single);
    json_decref(pair);
    json_decref(tokens);
    return section;
}

SutraStatus su_ends_template_set(const SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                 SutraError *err)
{
    int32_t ids[2];
    SU_TRY(find_end(settings, tokenizer, "add_bos_token", "bos_token", &ids[0], err));
    SU_TRY(find_end(settings, tokenizer, "add_eos_token", "eos_token", &ids[1], err));
    json_t *section = make_section(ids);
    const char *where = settings->files->config_where;
    if (!section) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
    su_post_processor_free(&tokenizer->post_processor);
    SutraStatus status =
        su_post_processor_from_json(section, where, &tokenizer->post_processor, err);
    json_decref(section);
    return status;
}
