#include "tokenizer/sentencepiece_bpe.h"

#include "base/memory.h"
#include "tokenizer/sentencepiece_model.h"
#include "unicode/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef struct Piece {
    const char *text; /* borrowed */
    size_t size, id;
    double score;
} Piece;

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

static const json_t *item(const json_t *pieces, size_t id)
{
    return json_array_get(json_object_get(json_object_get(pieces, "model"), "vocab"), id);
}

/* vocab gets each text with its id; list [count], the pieces by id. */
static SutraStatus read_pieces(const json_t *pieces, const json_t *texts, size_t count, Piece *list,
                               json_t *vocab, const char *where, SutraError *err)
{
    for (size_t id = 0; id < count; id++) {
        const json_t *row = item(pieces, id);
        const json_t *text = texts ? json_array_get(texts, id) : json_array_get(row, 0);
        Piece *piece = &list[id];
        *piece = (Piece){json_string_value(text), json_string_length(text), id,
                         json_number_value(json_array_get(row, 1))};
        if (strlen(piece->text) != piece->size)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: piece %zu holds a NUL", where, id);
        if (json_object_get(vocab, piece->text))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: piece %zu, \"%.64s\", is there twice", where, id,
                     piece->text);
        if (json_object_set_new(vocab, piece->text, json_integer((json_int_t)id)))
            return out_of_memory(where, err);
    }
    return SUTRA_OK;
}

static int by_falling_score(const void *a, const void *b)
{
    const Piece *x = a, *y = b;
    int order = (x->score < y->score) - (x->score > y->score);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static bool is_normal(const json_t *pieces, size_t id)
{
    const json_t *type = json_array_get(json_object_get(pieces, "types"), id);
    return json_integer_value(type) == SU_PIECE_NORMAL;
}

/* Keeps the normal ones of list, sorted, and gives their texts as keys: a new object, or NULL: out
 * of memory. */
static json_t *take_normal(const json_t *pieces, Piece *list, size_t *count)
{
    json_t *parts = json_object();
    size_t kept = 0;
    for (size_t i = 0; i < *count && parts; i++) {
        if (!is_normal(pieces, list[i].id)) continue;
        if (json_object_set_new(parts, list[i].text, json_true())) {
            json_decref(parts);
            return NULL;
        }
        list[kept++] = list[i];
    }
    *count = kept;
    if (parts && kept) qsort(list, kept, sizeof *list, by_falling_score);
    return parts;
}

/* The ways to cut the piece into two of parts' keys. */
static bool add_merges(const Piece *piece, const json_t *parts, json_t *merges)
{
    size_t step;
    for (size_t at = 0; at < piece->size; at += step) {
        const char *right = piece->text + at;
        if (at > 0 && json_object_getn(parts, piece->text, at) && json_object_get(parts, right)) {
            json_t *merge = json_pack("[s%, s]", piece->text, at, right);
            if (!merge || json_array_append_new(merges, merge)) return false;
        }
        su_utf8_decode(right, &step);
    }
    return true;
}

static SutraStatus fill(const json_t *pieces, const json_t *texts, bool by_score, Piece *list,
                        json_t *vocab, json_t *merges, const char *where, SutraError *err)
{
    size_t count = json_array_size(json_object_get(pieces, "types"));
    SU_TRY(read_pieces(pieces, texts, count, list, vocab, where, err));
    json_t *parts = by_score ? take_normal(pieces, list, &count) : json_incref(vocab);
    bool added = parts;
    for (size_t i = 0; i < count && added; i++) added = add_merges(&list[i], parts, merges);
    json_decref(parts);
    return added ? SUTRA_OK : out_of_memory(where, err);
}

SutraStatus su_sentencepiece_bpe(const json_t *pieces, const json_t *texts, bool by_score,
                                 json_t *model, const char *where, SutraError *err)
{
    json_t *vocab = json_object(), *merges = json_array();
    Piece *list = su_alloc(json_array_size(json_object_get(pieces, "types")), sizeof *list);
    SutraStatus status = vocab && merges && list
                             ? fill(pieces, texts, by_score, list, vocab, merges, where, err)
                             : out_of_memory(where, err);
    if (status == SUTRA_OK &&
        (json_object_set(model, "vocab", vocab) || json_object_set(model, "merges", merges)))
        status = out_of_memory(where, err);
    su_free(list);
    json_decref(vocab);
    json_decref(merges);
    return status;
}
