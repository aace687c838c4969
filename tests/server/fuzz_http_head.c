/* The input's first byte says how long the pieces are that the rest arrives in: as a head, which must
 * be refused or hold views into it, and as a chunked body, whose bytes must be the same in any pieces.
 */
#include "support/fuzz.h"

#include "http_head.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void check_view(SuText view, const char *text, size_t size)
{
    if (!view.data) return;
    if (view.data < text || view.data + view.size > text + size) abort();
}

static void read_head(const uint8_t *data, size_t size)
{
    static SuHttpHead head;
    const char *reason;
    char *text = malloc(size ? size : 1);
    if (size) memcpy(text, data, size);
    if (su_http_head_read(text, size, &head, &reason) == 0) {
        check_view(head.method, text, size);
        check_view(head.path, text, size);
        check_view(head.query, text, size);
        check_view(head.authority, text, size);
        for (size_t i = 0; i < head.num_headers; i++) {
            check_view(head.headers[i].name, text, size);
            check_view(head.headers[i].value, text, size);
        }
        if (head.path.size == 0 || memchr(head.path.data, 0, head.path.size)) abort();
        if (head.is_chunked && head.content_length) abort();
    } else if (!*reason) {
        abort();
    }
    free(text);
}

/* The bytes of the body into `body` [size]; its end, or SIZE_MAX: not well-formed. */
static size_t read_chunks(const uint8_t *data, size_t size, size_t piece, char *body,
                          size_t *body_size)
{
    SuChunked chunked = {0};
    size_t at = 0, used;
    *body_size = 0;
    while (at < size) {
        SuText view;
        size_t left = size - at < piece ? size - at : piece;
        SuChunkedStep step = su_chunked_read(&chunked, (const char *)data + at, left, &used, &view);
        if (used > left) abort();
        at += used;
        if (step == SU_CHUNKED_BAD) return SIZE_MAX;
        if (step == SU_CHUNKED_END) return at;
        if (step == SU_CHUNKED_MORE && used != left) abort();
        if (step != SU_CHUNKED_DATA) continue;
        memcpy(body + *body_size, view.data, view.size);
        *body_size += view.size;
    }
    return size + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    size_t piece = data[0] ? data[0] : 1, whole_size, pieces_size;
    data++;
    size--;
    read_head(data, size);
    char *whole = malloc(size + 1), *pieces = malloc(size + 1);
    size_t end = read_chunks(data, size, size ? size : 1, whole, &whole_size);
    if (read_chunks(data, size, piece, pieces, &pieces_size) != end) abort();
    if (end != SIZE_MAX && (whole_size != pieces_size || memcmp(whole, pieces, whole_size)))
        abort();
    free(whole);
    free(pieces);
    return 0;
}
