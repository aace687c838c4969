#include "tokenizer/added_tokens.h"

#include "base/memory.h"
#include "unicode/category.h"
#include "unicode/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- building ---- */

static void free_token(SuAddedToken *token)
{
    su_free(token->content);
    su_free(token->pattern);
}

SutraStatus su_added_tokens_add(SuAddedTokens *added, const SuAddedToken *token, SutraError *err)
{
    if (token->size == 0) return SUTRA_OK;
    if (added->count == added->capacity) {
        size_t capacity = added->capacity ? added->capacity * 2 : 16;
        SuAddedToken *grown = su_realloc(added->tokens, capacity, sizeof *grown);
        if (!grown) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu added tokens", capacity);
        added->tokens = grown;
        added->capacity = capacity;
    }
    SuAddedToken copy = *token;
    copy.order = added->count;
    copy.pattern = token->pattern ? su_strndup(token->pattern, token->pattern_size) : NULL;
    copy.content = su_strndup(token->content, token->size);
    if (!copy.content || (token->pattern && !copy.pattern)) {
        free_token(&copy);
        SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for an added token");
    }
    added->tokens[added->count++] = copy;
    return SUTRA_OK;
}

static int by_content(const void *a, const void *b)
{
    const SuAddedToken *x = a, *y = b;
    int order = memcmp(x->content, y->content, x->size < y->size ? x->size : y->size);
    if (order) return order;
    if (x->size != y->size) return x->size > y->size ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const SuAddedToken *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_id(const void *a, const void *b)
{
    const SuAddedToken *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Of tokens with the same content one stays, in the first one's place; special once is special. */
static void drop_duplicates(SuAddedTokens *added)
{
    size_t kept = 0;
    if (added->count) qsort(added->tokens, added->count, sizeof *added->tokens, by_content);
    for (size_t i = 0; i < added->count; i++) {
        SuAddedToken *token = &added->tokens[i], *last = kept ? &added->tokens[kept - 1] : NULL;
        if (!last || last->size != token->size ||
            memcmp(last->content, token->content, token->size) != 0) {
            added->tokens[kept++] = *token;
            continue;
        }
        SuAddedToken *dropped = token->fallback ? token : last;
        size_t order = last->order;
        last->named = token->named = last->named || token->named;
        if (!token->fallback) last->special = token->special = last->special || token->special;
        free_token(dropped);
        if (dropped == last) *last = *token;
        last->order = order;
    }
    added->count = kept;
    if (kept) qsort(added->tokens, kept, sizeof *added->tokens, by_order);
}

static SutraStatus number(SuAddedTokens *added, const SuVocabulary *vocabulary, const char *where,
                          SutraError *err)
{
    int64_t next = (int64_t)vocabulary->count;
    for (size_t i = 0; i < added->count; i++) {
        SuAddedToken *token = &added->tokens[i];
        SuToken other;
        bool same = su_vocabulary_find(vocabulary, token->content, token->size, &other);
        int64_t id = same ? other.id : next++;
        if (id >= INT32_MAX || (token->id >= 0 && token->id != id))
            SU_RAISE(err, SUTRA_E_FORMAT,
                     "%s: added token \"%.64s\" has id %d, but the vocabulary makes it %lld", where,
                     token->content, (int)token->id, (long long)id);
        token->id = (int32_t)id;
        if (!same && su_vocabulary_token(vocabulary, token->id, &other))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: added token \"%.64s\" gets id %d of token \"%.*s\"",
                     where, token->content, (int)token->id,
                     (int)(other.size < 64 ? other.size : 64), other.text);
    }
    if (added->count) qsort(added->tokens, added->count, sizeof *added->tokens, by_id);
    return SUTRA_OK;
}

const SuAddedToken *su_added_tokens_with_id(const SuAddedTokens *added, int32_t id)
{
    SuAddedToken key = {.id = id};
    if (added->count == 0) return NULL;
    return bsearch(&key, added->tokens, added->count, sizeof key, by_id);
}

const SuAddedToken *su_added_tokens_with_content(const SuAddedTokens *added, const char *content)
{
    size_t size = strlen(content);
    for (size_t i = 0; i < added->count; i++)
        if (added->tokens[i].size == size && memcmp(added->tokens[i].content, content, size) == 0)
            return &added->tokens[i];
    return NULL;
}

static SutraStatus make_pattern(SuAddedToken *token, const SuNormalizer *normalizer,
                                const char *where, SutraError *err)
{
    const SuNormalizer none = {0};
    SuNormalized text = {0};
    SutraStatus status = su_normalizer_run(token->normalized ? normalizer : &none, token->content,
                                           token->size, 0, false, &text, err);
    if (status != SUTRA_OK) goto cleanup;
    if (text.text.size == 0) {
        status = su_error_set(err, SUTRA_E_FORMAT,
                              "%s: nothing is left of added token \"%.64s\" when it is normalised",
                              where, token->content);
        goto cleanup;
    }
    token->pattern_size = text.text.size;
    token->pattern = su_strndup(text.text.bytes, text.text.size);
    if (!token->pattern)
        status = su_error_set(err, SUTRA_E_MEMORY, "out of memory for an added token");
cleanup:
    su_normalized_free(&text);
    return status;
}

static int compare_patterns(const SuAddedToken *a, const SuAddedToken *b)
{
    size_t common = a->pattern_size < b->pattern_size ? a->pattern_size : b->pattern_size;
    int order = memcmp(a->pattern, b->pattern, common);
    if (order) return order;
    return (a->pattern_size > b->pattern_size) - (a->pattern_size < b->pattern_size);
}

static int by_pattern(const void *a, const void *b)
{
    return compare_patterns(*(const SuAddedToken *const *)a, *(const SuAddedToken *const *)b);
}

static void index_first_bytes(SuAddedSet *set)
{
    set->only_byte = -1;
    for (size_t byte = 0, i = 0; byte < 256; byte++) {
        set->first[byte] = (uint32_t)i;
        while (i < set->count && (unsigned char)set->sorted[i]->pattern[0] == byte) i++;
        set->first[byte + 1] = (uint32_t)i;
        if (set->count && set->first[byte] == 0 && i == set->count) set->only_byte = (int)byte;
    }
}

static SutraStatus build_set(const SuAddedTokens *added, bool normalized, SuAddedSet *set,
                             const char *where, SutraError *err)
{
    set->split_special = added->split_special;
    set->sorted = su_alloc(added->count, sizeof(SuAddedToken *));
    if (!set->sorted) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for added tokens");
    for (size_t i = 0; i < added->count; i++)
        if (added->tokens[i].normalized == normalized)
            set->sorted[set->count++] = &added->tokens[i];
    if (set->count) qsort(set->sorted, set->count, sizeof(SuAddedToken *), by_pattern);
    for (size_t i = 1; i < set->count; i++)
        if (compare_patterns(set->sorted[i - 1], set->sorted[i]) == 0)
            SU_RAISE(err, SUTRA_E_FORMAT,
                     "%s: added tokens \"%.64s\" and \"%.64s\" are equal when normalised", where,
                     set->sorted[i - 1]->content, set->sorted[i]->content);
    index_first_bytes(set);
    return SUTRA_OK;
}

SutraStatus su_added_tokens_finish(SuAddedTokens *added, const SuVocabulary *vocabulary,
                                   const SuNormalizer *normalizer, const char *where,
                                   SutraError *err)
{
    drop_duplicates(added);
    SU_TRY(number(added, vocabulary, where, err));
    for (size_t i = 0; i < added->count; i++)
        SU_TRY(make_pattern(&added->tokens[i], normalizer, where, err));
    SU_TRY(build_set(added, false, &added->plain, where, err));
    return build_set(added, true, &added->normalized, where, err);
}

SutraStatus su_added_tokens_restore(SuAddedTokens *added, const char *where, SutraError *err)
{
    for (size_t i = 0; i < added->count; i++) {
        const SuAddedToken *token = &added->tokens[i];
        if (!token->pattern || token->pattern_size == 0 || token->id < 0 ||
            (i && added->tokens[i - 1].id >= token->id))
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: added token %zu is damaged", where, i);
    }
    SU_TRY(build_set(added, false, &added->plain, where, err));
    return build_set(added, true, &added->normalized, where, err);
}

void su_added_tokens_free(SuAddedTokens *added)
{
    for (size_t i = 0; i < added->count; i++) free_token(&added->tokens[i]);
    su_free(added->tokens);
    su_free(added->plain.sorted);
    su_free(added->normalized.sorted);
    *added = (SuAddedTokens){0};
}

/* ---- searching ---- */

/* The longest pattern that text begins with, or NULL: the patterns that agree with the text so far
 * are a range of the sorted ones, which each byte narrows. */
static const SuAddedToken *longest_at(const SuAddedSet *set, const char *text, size_t size)
{
    size_t low = set->first[(unsigned char)text[0]];
    size_t high = set->first[(unsigned char)text[0] + 1];
    const SuAddedToken *found = NULL;
    for (size_t depth = 1; low < high; depth++) {
        if (set->sorted[low]->pattern_size == depth) found = set->sorted[low++];
        if (depth == size) break;
        unsigned char byte = (unsigned char)text[depth];
        size_t a = low, b = high; /* the first pattern whose next byte is not below */
        while (a < b) {
            size_t middle = a + (b - a) / 2;
            if ((unsigned char)set->sorted[middle]->pattern[depth] < byte)
                a = middle + 1;
            else
                b = middle;
        }
        low = a;
        for (b = high; a < b;) { /* the first one whose next byte is above */
            size_t middle = a + (b - a) / 2;
            if ((unsigned char)set->sorted[middle]->pattern[depth] <= byte)
                a = middle + 1;
            else
                b = middle;
        }
        high = a;
    }
    return found;
}

static const SuAddedToken *find_from(const SuAddedSet *set, const char *text, size_t size,
                                     size_t *at)
{
    for (size_t i = *at; i < size; i++) {
        if (set->only_byte >= 0) {
            const char *next = memchr(text + i, set->only_byte, size - i);
            if (!next) break;
            i = (size_t)(next - text);
        }
        const SuAddedToken *token = longest_at(set, text + i, size - i);
        if (token) {
            *at = i;
            return token;
        }
    }
    return NULL;
}

static bool is_word_before(const char *text, size_t at)
{
    size_t begin;
    return at > 0 && (su_unicode_properties(su_utf8_decode_before(text, at, &begin)) & SU_CP_WORD);
}

static bool is_word_after(const char *text, size_t size, size_t at)
{
    size_t step;
    return at < size && (su_unicode_properties(su_utf8_decode(text + at, &step)) & SU_CP_WORD);
}

static size_t skip_space_before(const char *text, size_t at)
{
    size_t begin;
    while (at > 0 && (su_unicode_properties(su_utf8_decode_before(text, at, &begin)) & SU_CP_SPACE))
        at = begin;
    return at;
}

static size_t skip_space_after(const char *text, size_t size, size_t at)
{
    size_t step;
    while (at < size && (su_unicode_properties(su_utf8_decode(text + at, &step)) & SU_CP_SPACE))
        at += step;
    return at;
}

SuAddedCursor su_added_cursor(const SuAddedSet *set, const char *text, size_t size)
{
    return (SuAddedCursor){.set = set, .text = text, .size = size};
}

/* The next match, widened, in cursor->pending. A strip may have reached over where the next match
 * begins; the reference then lets pieces overlap, and so do we, but for a match that would end
 * before it begins: that one is passed over. */
static bool find_match(SuAddedCursor *cursor)
{
    const SuAddedToken *token;
    while (cursor->search < cursor->size &&
           (token = find_from(cursor->set, cursor->text, cursor->size, &cursor->search))) {
        size_t begin = cursor->search, end = begin + token->pattern_size;
        cursor->search = end;
        if (token->special && cursor->set->split_special) continue;
        if (token->single_word &&
            (is_word_before(cursor->text, begin) || is_word_after(cursor->text, cursor->size, end)))
            continue;
        if (token->lstrip) {
            begin = skip_space_before(cursor->text, begin);
            if (begin < cursor->done) begin = cursor->done;
        }
        if (token->rstrip) end = skip_space_after(cursor->text, cursor->size, end);
        if (begin > end) continue;
        cursor->pending = (SuAddedPiece){token, begin, end};
        return true;
    }
    cursor->search = cursor->size;
    return false;
}

bool su_added_cursor_next(SuAddedCursor *cursor, SuAddedPiece *piece)
{
    if (cursor->pending.token == NULL && cursor->set->count) find_match(cursor);
    if (cursor->pending.token == NULL) { /* the rest */
        *piece = (SuAddedPiece){NULL, cursor->done, cursor->size};
        cursor->done = cursor->size;
        return piece->begin < piece->end;
    }
    if (cursor->done < cursor->pending.begin) {
        *piece = (SuAddedPiece){NULL, cursor->done, cursor->pending.begin};
        cursor->done = cursor->pending.begin;
        return true;
    }
    *piece = cursor->pending;
    cursor->done = piece->end;
    cursor->pending.token = NULL;
    return true;
}
