#include "tokenizer/unigram.h"

#include "tokenizer/component_json.h"
#include "tokenizer/word_cache.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_PENALTY 10.0
#define LARGEST_SCORE 1e6 /* of models whose words are cut: how sums are rounded is bounded */

static void clear(void *data)
{
    SuUnigram *model = data;
    su_token_trie_free(&model->trie);
    su_token_seams_free(&model->seams);
    su_free((double *)model->scores);
}

/* ---- "vocab": [["token", score], …]: the place is the id ---- */

static SutraStatus read_tokens(const json_t *json, const char *where, SuVocabulary *vocabulary,
                               SutraError *err)
{
    const json_t *vocab = json_object_get(json, "vocab");
    if (!json_is_array(vocab))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: model.vocab is not an array", where);
    if (json_array_size(vocab) >= SU_UNIGRAM_WHOLE)
        SU_RAISE(err, SUTRA_E_LIMIT, "%s: model.vocab has too many tokens", where);
    for (size_t i = 0; i < json_array_size(vocab); i++) {
        const json_t *pair = json_array_get(vocab, i), *text = json_array_get(pair, 0);
        if (json_array_size(pair) != 2 || !json_is_string(text) ||
            !json_is_number(json_array_get(pair, 1)))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: model.vocab: item %zu is no token with its score",
                     where, i);
        SU_TRY(su_vocabulary_add(vocabulary, json_string_value(text), json_string_length(text),
                                 (int32_t)i, err));
    }
    return SUTRA_OK;
}

/* The reference reads a number as its digits, an integer, times or by a power of ten, which need
 * not give the nearest double. The digits are the fewest that say which double it is, as the
 * writers of these files print them. */
static double as_reference_reads(double score)
{
    char text[40];
    int digits = 15;
    do {
        snprintf(text, sizeof text, "%.*e", digits - 1, score);
    } while (strtod(text, NULL) != score && digits++ < 17);
    uint64_t integer = 0;
    long exponent = 0, decimals = 0;
    bool after_point = false;
    for (const char *at = text; *at; at++) {
        if (*at == 'e') {
            exponent = strtol(at + 1, NULL, 10);
            break;
        }
        if (*at >= '0' && *at <= '9') {
            integer = integer * 10 + (uint64_t)(*at - '0');
            decimals += after_point;
        } else if (*at != '-') {
            after_point = true;
        }
    }
    while (integer && integer % 10 == 0 && decimals > 0) {
        integer /= 10;
        decimals--;
    }
    exponent -= decimals;
    double value = (double)integer;
    for (; exponent < -308 && value != 0; exponent += 308) value /= 1e308;
    double power = strtod((snprintf(text, sizeof text, "1e%ld", labs(exponent)), text), NULL);
    value = exponent < 0 ? value / power : value * power;
    return score < 0 ? -value : value;
}

static SutraStatus read_scores(SuUnigram *model, const SuTokenModelSource *source, SutraError *err)
{
    const json_t *vocab = json_object_get(source->json, "vocab");
    double lowest = INFINITY;
    model->num_scores = (uint32_t)json_array_size(vocab);
    double *scores = su_alloc(model->num_scores, sizeof *scores);
    model->scores = scores;
    if (!scores) SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", source->where);
    for (uint32_t i = 0; i < model->num_scores; i++) {
        double score = json_number_value(json_array_get(json_array_get(vocab, i), 1));
        scores[i] = source->exact_scores ? score : as_reference_reads(score);
        if (scores[i] < lowest) lowest = scores[i];
    }
    model->unk_score = lowest - UNKNOWN_PENALTY;
    return SUTRA_OK;
}

/* ---- options ---- */

static SutraStatus read_unk_id(SuUnigram *model, const SuTokenModelSource *source, SutraError *err)
{
    const json_t *unk_id = json_object_get(source->json, "unk_id");
    model->unk_id = -1;
    if (!unk_id || json_is_null(unk_id)) return SUTRA_OK;
    SU_TRY(su_tokenizer_id(unk_id, "model.unk_id", source->where, &model->unk_id, err));
    if ((uint32_t)model->unk_id >= model->num_scores)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: model.unk_id %d is not in the vocabulary of %u tokens",
                 source->where, (int)model->unk_id, model->num_scores);
    return SUTRA_OK;
}

/* Tokens at random, as in training. */
static SutraStatus check_sampling(const SuTokenModelSource *source, SutraError *err)
{
    static const char *const keys[] = {"alpha", "nbest_size"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!su_json_is_inactive(json_object_get(source->json, keys[i])))
            SU_RAISE(err, SUTRA_E_UNSUPPORTED,
                     "%s: model.%s is set: tokens at random are not supported", source->where,
                     keys[i]);
    return SUTRA_OK;
}

static void find_bytes(SuUnigram *model, const SuVocabulary *vocabulary)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        SuToken token;
        int size = snprintf(text, sizeof text, "<0x%02X>", byte);
        bool found = su_vocabulary_find(vocabulary, text, (size_t)size, &token);
        model->byte_ids[byte] = found ? token.id : -1;
    }
}

/* ---- whole words ---- */

static SutraStatus mark_whole(SuUnigram *model, const SuVocabulary *vocabulary,
                              SuModelScratch *scratch, SuTokenRow *row, SutraError *err)
{
    for (size_t i = 0; i < vocabulary->count; i++) {
        SuToken token = su_vocabulary_at(vocabulary, i);
        if (token.size == 0) continue;
        bool whole;
        SutraError unknown;
        SutraStatus status = su_unigram_stays_whole(model, scratch, &token, row, &whole, &unknown);
        if (status == SUTRA_E_FORMAT) continue; /* there is no unknown token */
        if (status != SUTRA_OK) return su_error_set(err, status, "%s", unknown.message);
        if (!whole) continue;
        const SuTrieUnit *unit = su_token_trie_find(&model->trie, token.text, token.size);
        if (unit) model->trie.units[unit - model->trie.units].id |= SU_UNIGRAM_WHOLE;
    }
    return SUTRA_OK;
}

static SutraStatus find_whole(SuUnigram *model, const SuVocabulary *vocabulary, SutraError *err)
{
    SuModelScratch scratch = {0};
    SuTokenRow row = {0};
    SutraStatus status = mark_whole(model, vocabulary, &scratch, &row, err);
    su_model_scratch_free(&scratch);
    su_token_row_free(&row);
    return status;
}

/* ---- parts ---- */

static SuToken token_at(void *context, size_t index) { return su_vocabulary_at(context, index); }

static SutraStatus find_seams(SuUnigram *model, const SuVocabulary *vocabulary, SutraError *err)
{
    for (uint32_t i = 0; i < model->num_scores; i++)
        if (!(fabs(model->scores[i]) <= LARGEST_SCORE)) return SUTRA_OK;
    return su_token_seams_create(&model->seams, false, vocabulary->count, token_at,
                                 (void *)vocabulary, err);
}

/* ---- the model ---- */

static SutraStatus fill(void *data, const SuTokenModelSource *source, SutraError *err)
{
    SuUnigram *model = data;
    model->serial = su_word_cache_owner();
    SU_TRY(check_sampling(source, err));
    SU_TRY(read_scores(model, source, err));
    SU_TRY(read_unk_id(model, source, err));
    SU_TRY(
        su_json_get_bool(source->json, "byte_fallback", source->where, &model->byte_fallback, err));
    find_bytes(model, source->vocabulary);
    SU_TRY(su_token_trie_create(&model->trie, source->vocabulary, err));
    SU_TRY(find_whole(model, source->vocabulary, err));
    return find_seams(model, source->vocabulary, err);
}

/* ---- in an image ---- */

typedef struct Header {
    double unk_score;
    uint32_t num_scores, byte_fallback;
    int32_t unk_id, byte_ids[256];
    uint32_t reserved;
} Header;

static void write_image(const void *data, SuArena *arena)
{
    const SuUnigram *model = data;
    Header *header = su_arena_carve(arena, sizeof *header);
    double *scores = su_arena_carve(arena, model->num_scores * sizeof *scores);
    if (scores) {
        *header = (Header){.unk_score = model->unk_score,
                           .num_scores = model->num_scores,
                           .byte_fallback = model->byte_fallback,
                           .unk_id = model->unk_id};
        memcpy(header->byte_ids, model->byte_ids, sizeof header->byte_ids);
        memcpy(scores, model->scores, model->num_scores * sizeof *scores);
    }
    su_token_trie_write(&model->trie, arena);
    su_token_seams_write(&model->seams, arena);
}

static bool is_id(int32_t id, uint32_t limit)
{
    return id == -1 || (id >= 0 && (uint32_t)id < limit);
}

static bool attach(void *data, SuArena *arena, const SuVocabulary *vocabulary, uint32_t vocab_size)
{
    SuUnigram *model = data;
    (void)vocabulary;
    model->serial = su_word_cache_owner();
    const Header *header = su_arena_carve(arena, sizeof *header);
    if (!header || header->num_scores > vocab_size || !is_id(header->unk_id, header->num_scores))
        return false;
    model->unk_score = header->unk_score;
    model->num_scores = header->num_scores;
    model->byte_fallback = header->byte_fallback != 0;
    model->unk_id = header->unk_id;
    for (size_t i = 0; i < 256; i++) {
        model->byte_ids[i] = header->byte_ids[i];
        if (!is_id(model->byte_ids[i], vocab_size)) return false;
    }
    model->scores = su_arena_carve(arena, model->num_scores * sizeof *model->scores);
    return model->scores && su_token_trie_attach(&model->trie, arena) &&
           su_token_seams_attach(&model->seams, arena);
}

const SuTokenModelKind su_unigram_kind = {.name = "Unigram",
                                          .same_texts = SU_SAME_TEXTS_STAY,
                                          .read_tokens = read_tokens,
                                          .size = sizeof(SuUnigram),
                                          .fill = fill,
                                          .clear = clear,
                                          .encode = su_unigram_encode,
                                          .scratch_size = su_unigram_scratch_size,
                                          .write = write_image,
                                          .attach = attach};
