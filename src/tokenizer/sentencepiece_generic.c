/* sentencepiece_generic.c - as transformers 5.24 writes it:
 *
 *   normaliser      the file's map; spaces at either end and doubled ones go; spaces become U+2581;
 *                   where a U+2581 is put in front (legacy), one that is there is doubled
 *   pre-tokeniser   one Metaspace for the whole text; user_defined pieces stand alone
 *   model           Unigram, or BPE with merges in the order of scores, and byte_fallback
 */
#include "tokenizer/sentencepiece_generic.h"

#include "base/memory.h"
#include "tokenizer/sentencepiece_bpe.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\xe2\x96\x81"

static SutraStatus out_of_memory(const SuTokenizerSettings *settings, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", settings->files->where);
}

static const json_t *spec_of(const SuTokenizerSettings *settings)
{
    return json_object_get(settings->files->pieces, "spec");
}

static bool says(const SuTokenizerSettings *settings, const char *key)
{
    return json_is_true(json_object_get(spec_of(settings), key));
}

/* True where it is not said; a null is none. */
static SutraStatus read_legacy(const SuTokenizerSettings *settings, bool *legacy, SutraError *err)
{
    *legacy = json_object_get(settings->merged, "legacy") == NULL;
    return su_json_get_bool(settings->merged, "legacy", settings->files->config_where, legacy, err);
}

/* ---- special tokens ---- */

/* Names that no file gives, and control pieces unless tokenizer_config.json lists extra tokens. */
static SutraStatus take_names(SuTokenizerSettings *settings, SutraError *err)
{
    static const char *const keys[][3] = {{"bos_token", "bos_id", "bos_piece"},
                                          {"eos_token", "eos_id", "eos_piece"},
                                          {"unk_token", "unk_id", "unk_piece"}};
    static const char *const defaults[] = {"<s>", "</s>", "<unk>"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *spec = spec_of(settings);
        const json_t *text = json_object_get(spec, keys[i][2]);
        if (json_object_get(settings->merged, keys[i][0]) ||
            json_integer_value(json_object_get(spec, keys[i][1])) < 0)
            continue;
        json_t *name =
            json_string_length(text) ? json_copy((json_t *)text) : json_string(defaults[i]);
        if (json_object_set_new(settings->merged, keys[i][0], name))
            return out_of_memory(settings, err);
    }
    return SUTRA_OK;
}

static SutraStatus take_control_pieces(SuTokenizerSettings *settings, SutraError *err)
{
    const json_t *all = json_object_get(settings->files->pieces, "extra_special_tokens");
    json_t *control = json_array();
    bool done = control;
    for (size_t i = 0; i < json_array_size(all) && done; i++) {
        json_t *token = json_array_get(all, i);
        if (json_is_true(json_object_get(token, "special")))
            done = json_array_append(control, token) == 0;
    }
    if (done) done = su_settings_take_pieces(settings, control);
    json_decref(control);
    return done ? SUTRA_OK : out_of_memory(settings, err);
}

/* ---- pieces that declared tokens rename ---- */

static bool rename_piece(json_t *names, unsigned long long id, const char *text)
{
    if (!text || id >= json_array_size(names)) return true;
    return json_array_set_new(names, (size_t)id, json_string(text)) == 0;
}

/* names [pieces] gets the texts that the files declare for ids. */
static bool collect_names(const SuTokenizerSettings *settings, json_t *names)
{
    const char *key;
    json_t *value;
    bool done = true;
    if (settings->has_decoder) {
        json_object_foreach(json_object_get(settings->merged, "added_tokens_decoder"), key, value)
        {
            char *end;
            errno = 0;
            unsigned long long id = strtoull(key, &end, 10);
            if (done && !errno && end != key && !*end)
                done = rename_piece(names, id, su_token_text(value));
        }
        return done;
    }
    json_object_foreach((json_t *)settings->files->added_tokens, key, value)
    {
        if (done && json_is_integer(value))
            done = rename_piece(names, (unsigned long long)json_integer_value(value), key);
    }
    return done;
}

/* A name that a piece has which keeps its own is not given to another. */
static bool choose_texts(const json_t *vocab, const json_t *names, json_t *texts)
{
    json_t *owners = json_object();
    bool done = owners;
    for (size_t i = 0; i < json_array_size(vocab) && done; i++) {
        json_t *text = json_array_get(json_array_get(vocab, i), 0);
        if (json_is_null(json_array_get(names, i)))
            done = json_object_set(owners, json_string_value(text), text) == 0;
    }
    for (size_t i = 0; i < json_array_size(vocab) && done; i++) {
        json_t *name = json_array_get(names, i);
        bool renamed = !json_is_null(name) && !json_object_get(owners, json_string_value(name));
        json_t *text = json_array_get(json_array_get(vocab, i), 0);
        done = json_array_append(texts, renamed ? name : text) == 0;
    }
    json_decref(owners);
    return done;
}

/* The pieces' texts by id: a new list, or NULL: out of memory. */
static json_t *make_texts(const SuTokenizerSettings *settings, bool renames)
{
    const json_t *model = json_object_get(settings->files->pieces, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    json_t *names = json_array(), *texts = json_array();
    bool done = names && texts;
    for (size_t i = 0; i < json_array_size(vocab) && done; i++)
        done = json_array_append_new(names, json_null()) == 0;
    done =
        done && (!renames || collect_names(settings, names)) && choose_texts(vocab, names, texts);
    json_decref(names);
    if (done) return texts;
    json_decref(texts);
    return NULL;
}

/* ---- steps ---- */

/* A step that writes `content` for a pattern of `kind`, String or Regex. */
static json_t *replace(const char *kind, const char *pattern, const char *content)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind, pattern, "content",
                     content);
}

/* A new section, or NULL: out of memory. */
static json_t *make_normalizer(const SuTokenizerSettings *settings, bool legacy)
{
    json_t *steps = json_array();
    json_t *map = json_object_get(settings->files->pieces, "normalizer");
    bool done = steps && (!map || json_array_append(steps, map) == 0);
    if (done && says(settings, "remove_extra_whitespaces"))
        done = json_array_append_new(steps, replace("Regex", "\\A +| +\\z", "")) == 0 &&
               json_array_append_new(steps, replace("Regex", " {2,}", " ")) == 0;
    if (done && says(settings, "escape_whitespaces"))
        done = json_array_append_new(steps, replace("String", " ", SPACE)) == 0;
    if (done && says(settings, "add_dummy_prefix") && legacy)
        done = json_array_append_new(steps, replace("Regex", "\\A" SPACE, SPACE SPACE)) == 0;
    if (done) return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", steps);
    json_decref(steps);
    return NULL;
}

static int longer_first(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    size_t left = json_string_length(*x), right = json_string_length(*y);
    return (left < right) - (left > right);
}

/* The texts of list [count] as a regular expression: to be su_free'd, or NULL: out of memory. */
static char *make_pattern(const json_t **list, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++) size += 2 * json_string_length(list[i]) + 1;
    char *pattern = su_alloc(size, 1), *at = pattern;
    for (size_t i = 0; i < count && pattern; i++) {
        if (i > 0) *at++ = '|';
        for (const char *text = json_string_value(list[i]); *text; text++) {
            if (strchr("()[]{}?*+|^$\\.", *text)) *at++ = '\\';
            *at++ = *text;
        }
    }
    if (pattern) *at = 0;
    return pattern;
}

/* A Split at user_defined pieces, the longest first: *split stays NULL where there are none. */
static bool split_at_pieces(const SuTokenizerSettings *settings, const json_t *texts,
                            json_t **split)
{
    const json_t *types = json_object_get(settings->files->pieces, "types");
    size_t count = 0;
    const json_t **list = su_alloc(json_array_size(types), sizeof *list);
    for (size_t i = 0; i < json_array_size(types) && list; i++)
        if (json_integer_value(json_array_get(types, i)) == SU_PIECE_USER_DEFINED)
            list[count++] = json_array_get(texts, i);
    if (count) qsort(list, count, sizeof *list, longer_first);
    char *pattern = count ? make_pattern(list, count) : NULL;
    if (pattern)
        *split = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", pattern,
                           "behavior", "Isolated", "invert", 0);
    bool done = list && (!count || *split);
    su_free(pattern);
    su_free(list);
    return done;
}

/* A new section, or NULL: out of memory. */
static json_t *make_pre_tokenizer(const SuTokenizerSettings *settings, json_t *split, bool legacy)
{
    json_t *steps = json_array();
    bool done = steps;
    if (done && says(settings, "add_dummy_prefix"))
        done =
            json_array_append_new(steps, json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace",
                                                   "replacement", SPACE, "prepend_scheme",
                                                   legacy ? "always" : "first", "split", 0)) == 0;
    if (done && split) done = json_array_append(steps, split) == 0;
    if (done) return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", steps);
    json_decref(steps);
    return NULL;
}

/* ---- the model ---- */

/* model: a new section without its vocabulary, which is filled in. */
static SutraStatus fill_model(const SuTokenizerSettings *settings, const json_t *texts,
                              json_t *model, SutraError *err)
{
    const SuTokenizerFiles *files = settings->files;
    json_t *own = json_object_get(files->pieces, "model");
    if (texts) return su_sentencepiece_bpe(files->pieces, texts, true, model, files->where, err);
    if (json_object_set(model, "vocab", json_object_get(own, "vocab")))
        return out_of_memory(settings, err);
    return SUTRA_OK;
}

static json_t *make_model(const SuTokenizerSettings *settings, bool is_bpe, bool isolates)
{
    const json_t *spec = spec_of(settings);
    int bytes = says(settings, "byte_fallback");
    if (is_bpe)
        return json_pack("{s:s, s:O, s:b, s:b, s:b}", "type", "BPE", "unk_token",
                         json_object_get(spec, "unk_piece"), "fuse_unk", 1, "byte_fallback", bytes,
                         "ignore_merges", isolates);
    return json_pack("{s:s, s:O, s:b}", "type", "Unigram", "unk_id",
                     json_object_get(spec, "unk_id"), "byte_fallback", bytes);
}

/* ---- the class ---- */

static SutraStatus read_sections(const SuTokenizerSettings *settings, bool is_bpe,
                                 const json_t *texts, json_t *split, SuTokenizer *tokenizer,
                                 SutraError *err)
{
    bool legacy;
    SU_TRY(read_legacy(settings, &legacy, err));
    json_t *model = make_model(settings, is_bpe, split != NULL);
    SutraStatus status = model ? fill_model(settings, is_bpe ? texts : NULL, model, err)
                               : out_of_memory(settings, err);
    json_t *root = json_pack("{s:O?, s:o, s:o}", "model", model, "normalizer",
                             make_normalizer(settings, legacy), "pre_tokenizer",
                             make_pre_tokenizer(settings, split, legacy));
    json_decref(model);
    tokenizer->exact_scores = true;
    if (status == SUTRA_OK && !root) status = out_of_memory(settings, err);
    if (status == SUTRA_OK)
        status = su_tokenizer_read_sections(root, settings->files->where, tokenizer, err);
    json_decref(root);
    return status;
}

SutraStatus su_sentencepiece_generic_read(SuTokenizerSettings *settings, SuTokenizer *tokenizer,
                                          SutraError *err)
{
    const json_t *model = json_object_get(settings->files->pieces, "model");
    bool is_bpe = strcmp(json_string_value(json_object_get(model, "type")), "BPE") == 0;
    SU_TRY(take_names(settings, err));
    SU_TRY(take_control_pieces(settings, err));
    settings->raw_declared = says(settings, "add_dummy_prefix");
    json_t *texts = make_texts(settings, is_bpe), *split = NULL;
    SutraStatus status = texts && split_at_pieces(settings, texts, &split)
                             ? read_sections(settings, is_bpe, texts, split, tokenizer, err)
                             : out_of_memory(settings, err);
    json_decref(texts);
    json_decref(split);
    return status;
}
