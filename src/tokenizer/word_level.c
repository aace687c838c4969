#include "tokenizer/word_level.h"

#include "tokenizer/word_table.h"

#include <string.h>

typedef struct WordLevel {
    SuWordTable words;
    int32_t unk_id; /* -1: not in the vocabulary */
} WordLevel;

static void clear(void *data)
{
    WordLevel *model = data;
    su_word_table_free(&model->words);
}

static SutraStatus fill(void *data, const SuTokenModelSource *source, SutraError *err)
{
    WordLevel *model = data;
    const SuVocabulary *vocabulary = source->vocabulary;
    const char *unk = NULL;
    SuToken token;
    SU_TRY(su_json_get_string(source->json, "unk_token", source->where, &unk, err));
    if (!unk) SU_RAISE(err, SUTRA_E_FORMAT, "%s: model.unk_token is missing", source->where);
    model->unk_id = su_vocabulary_find(vocabulary, unk, strlen(unk), &token) ? token.id : -1;
    size_t counts[2] = {0};
    for (size_t i = 0; i < vocabulary->count; i++)
        counts[su_vocabulary_at(vocabulary, i).size > SU_WORD_SHORT]++;
    SU_TRY(su_word_table_create(&model->words, counts[0], counts[1], vocabulary->text,
                                vocabulary->text_size, err));
    for (size_t i = 0; i < vocabulary->count; i++) {
        token = su_vocabulary_at(vocabulary, i);
        if (token.size) su_word_table_insert(&model->words, token.text, token.size, token.id);
    }
    return SUTRA_OK;
}

static SutraStatus encode(const void *data, SuModelScratch *scratch, const char *word, size_t size,
                          SuWordPlace place, SuTokenRow *row, SutraError *err)
{
    const WordLevel *model = data;
    (void)scratch;
    int32_t id = su_word_table_lookup(&model->words, word, size);
    if (id < 0) id = model->unk_id;
    if (id < 0)
        SU_RAISE(err, SUTRA_E_FORMAT,
                 "the text holds what the tokenizer does not know, and its unknown token is not in "
                 "its vocabulary");
    return su_token_row_push_bytes(row, id, 0, size, place, err);
}

static size_t scratch_size(size_t size)
{
    (void)size;
    return 0;
}

static void write_image(const void *data, SuArena *arena)
{
    const WordLevel *model = data;
    int32_t *unk_id = su_arena_carve(arena, sizeof *unk_id);
    if (unk_id) *unk_id = model->unk_id;
    su_word_table_write(&model->words, arena);
}

static bool attach(void *data, SuArena *arena, const SuVocabulary *vocabulary, uint32_t vocab_size)
{
    WordLevel *model = data;
    const int32_t *unk_id = su_arena_carve(arena, sizeof *unk_id);
    if (!unk_id || *unk_id >= (int64_t)vocab_size) return false;
    model->unk_id = *unk_id;
    return su_word_table_attach(&model->words, arena, vocabulary->text, vocabulary->text_size);
}

const SuTokenModelKind su_word_level_kind = {.name = "WordLevel",
                                             .read_tokens = su_token_model_read_object,
                                             .size = sizeof(WordLevel),
                                             .fill = fill,
                                             .clear = clear,
                                             .encode = encode,
                                             .scratch_size = scratch_size,
                                             .write = write_image,
                                             .attach = attach};
