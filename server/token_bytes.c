#include "token_bytes.h"

#include "base/file_map.h"
#include "base/memory.h"
#include "base/utf8_sequence.h"

#include <string.h>

enum { MOST_TOKENS = 1 << 24 };

struct SuTokenBytes {
    char *bytes;        /* every token's, in the order of the file */
    uint32_t *begins;   /* [count] by id, in bytes; UINT32_MAX: no token */
    uint32_t *sizes;    /* [count] */
    size_t count, size; /* highest id + 1; of bytes */
};

static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Base64 with padding [size] to out, which has room; SIZE_MAX: it is none. */
static size_t decode(const char *text, size_t size, char *out)
{
    size_t written = 0;
    if (size == 0 || size % 4) return SIZE_MAX;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t bits = 0;
        size_t padding = 0;
        if (i + 4 == size) padding = (text[i + 3] == '=') + (text[i + 2] == '=');
        if (padding == 2 && text[i + 3] != '=') return SIZE_MAX;
        for (size_t k = 0; k < 4; k++) {
            int value = k >= 4 - padding ? 0 : value_of(text[i + k]);
            if (value < 0) return SIZE_MAX;
            bits = bits << 6 | (uint32_t)value;
        }
        for (size_t k = 0; k < 3 - padding; k++) out[written++] = (char)(bits >> (16 - 8 * k));
    }
    return written;
}

/* UINT64_MAX: it is no id. */
static uint64_t read_id(const char *text, size_t size)
{
    uint64_t id = 0;
    if (size == 0 || size > 8) return UINT64_MAX;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return UINT64_MAX;
        id = id * 10 + (uint64_t)(text[i] - '0');
    }
    return id;
}

/* Of the next line; false: there is none. An empty line is passed over. */
static bool next_line(SuText *rest, SuText *line)
{
    do {
        if (rest->size == 0) return false;
        const char *end = memchr(rest->data, '\n', rest->size);
        line->data = rest->data;
        line->size = end ? (size_t)(end - rest->data) : rest->size;
        size_t used = line->size + (end != NULL);
        rest->data += used;
        rest->size -= used;
        if (line->size && line->data[line->size - 1] == '\r') line->size--;
    } while (line->size == 0);
    return true;
}

static SuText word_of(SuText line)
{
    const char *space = memchr(line.data, ' ', line.size);
    return (SuText){line.data, space ? (size_t)(space - line.data) : line.size};
}

static uint64_t id_of(SuText line)
{
    size_t begin = word_of(line).size + 1;
    return begin < line.size ? read_id(line.data + begin, line.size - begin) : UINT64_MAX;
}

/* How many ids there may be, and room for their bytes. */
static SutraStatus measure(SuText text, const char *path, SuTokenBytes *tokens, SutraError *err)
{
    SuText line;
    size_t room = 0;
    for (size_t number = 1; next_line(&text, &line); number++) {
        uint64_t id = id_of(line);
        if (id == UINT64_MAX)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: line %zu is no token: base64, a space, an id", path,
                     number);
        if (id >= MOST_TOKENS)
            SU_RAISE(err, SUTRA_E_LIMIT, "%s: line %zu: id %llu is more than %d", path, number,
                     (unsigned long long)id, MOST_TOKENS - 1);
        if (id >= tokens->count) tokens->count = (size_t)id + 1;
        room += word_of(line).size;
    }
    if (tokens->count == 0) SU_RAISE(err, SUTRA_E_FORMAT, "%s holds no tokens", path);
    if (room >= UINT32_MAX) SU_RAISE(err, SUTRA_E_LIMIT, "%s: too many bytes of tokens", path);
    tokens->bytes = su_alloc(room, 1);
    tokens->begins = su_alloc(tokens->count, sizeof *tokens->begins);
    tokens->sizes = su_calloc(tokens->count, sizeof *tokens->sizes);
    if (!tokens->bytes || !tokens->begins || !tokens->sizes)
        SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    memset(tokens->begins, 0xff, tokens->count * sizeof *tokens->begins);
    return SUTRA_OK;
}

static SutraStatus fill(SuText text, const char *path, SuTokenBytes *tokens, SutraError *err)
{
    SuText line;
    for (size_t number = 1; next_line(&text, &line); number++) {
        SuText word = word_of(line);
        size_t id = (size_t)id_of(line);
        size_t size = decode(word.data, word.size, tokens->bytes + tokens->size);
        if (size == SIZE_MAX)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: line %zu does not begin with base64", path, number);
        if (tokens->begins[id] != UINT32_MAX)
            SU_RAISE(err, SUTRA_E_FORMAT, "%s: line %zu: id %zu is there twice", path, number, id);
        tokens->begins[id] = (uint32_t)tokens->size;
        tokens->sizes[id] = (uint32_t)size;
        tokens->size += size;
    }
    return SUTRA_OK;
}

SutraStatus su_token_bytes_open(const char *path, SuTokenBytes **out, SutraError *err)
{
    SuFileMap map = {0};
    *out = NULL;
    SU_TRY(su_file_map_open(path, &map, err));
    SuText text = {(const char *)map.data, map.size};
    SuTokenBytes *tokens = su_calloc(1, sizeof *tokens);
    SutraStatus status = SUTRA_OK;
    if (!tokens) status = su_error_set(err, SUTRA_E_MEMORY, "%s: out of memory", path);
    if (status == SUTRA_OK) status = measure(text, path, tokens, err);
    if (status == SUTRA_OK) status = fill(text, path, tokens, err);
    su_file_map_close(&map);
    if (status == SUTRA_OK)
        *out = tokens;
    else
        su_token_bytes_free(tokens);
    return status;
}

void su_token_bytes_free(SuTokenBytes *tokens)
{
    if (!tokens) return;
    su_free(tokens->bytes);
    su_free(tokens->begins);
    su_free(tokens->sizes);
    su_free(tokens);
}

SuText su_token_bytes_of(const SuTokenBytes *tokens, uint64_t id)
{
    if (id >= tokens->count || tokens->begins[id] == UINT32_MAX) return (SuText){NULL, 0};
    return (SuText){tokens->bytes + tokens->begins[id], tokens->sizes[id]};
}

/* A byte becomes three at most, so that what is written never overtakes what is read. */
size_t su_token_bytes_mend(char *text, size_t size)
{
    const char *from = text + 2 * size;
    size_t written = 0, step;
    for (size_t i = 0; i < size; i += step) {
        const unsigned char *b = (const unsigned char *)from + i;
        step = su_utf8_sequence_size(b, size - i);
        if (step) {
            memmove(text + written, b, step);
            written += step;
        } else {
            step = su_utf8_broken_size(b, size - i);
            memcpy(text + written, "\xef\xbf\xbd", 3);
            written += 3;
        }
    }
    return written;
}
