/* http_head.h - the head of an HTTP/1.1 request and the framing of its body (RFC 9112), read
 * strictly: what two readers could take for different requests is refused, never repaired. Pure:
 * no input, output or memory.
 *
 *   POST /v1/models/a%2Fb?x=1 HTTP/1.1 CRLF   method, path (decoded), query
 *   Name: value CRLF                          headers, spaces around values left out
 *   CRLF
 */
#ifndef SU_HTTP_HEAD_H
#define SU_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view; not NUL-terminated. */
typedef struct SuText {
    const char *data;
    size_t size;
} SuText;

bool su_text_is(SuText text, const char *word);
/* Of ASCII letters the case does not matter. */
bool su_text_is_word(SuText text, const char *word);

enum { SU_HTTP_MAX_HEADERS = 100 };

typedef struct SuHttpHeader {
    SuText name, value;
} SuHttpHeader;

typedef struct SuHttpHead {
    SuText method, path, query; /* the path begins with "/"; "*" of OPTIONS */
    SuText authority;           /* of a target "http://host/path"; else data NULL */
    SuHttpHeader headers[SU_HTTP_MAX_HEADERS];
    size_t num_headers;
    bool keep_alive;
    bool is_chunked;       /* the body is; else it has content_length bytes */
    bool expects_continue; /* Expect: 100-continue */
    bool is_old;           /* HTTP/1.0 */
    uint64_t content_length;
} SuHttpHead;

/* Reads a head that ends with an empty line, and decodes the path in place: *head holds views into
 * text [size]. Returns 0, or the status to refuse it with (400, 417, 431, 501, 505); *reason is
 * then a sentence, static. */
int su_http_head_read(char *text, size_t size, SuHttpHead *head, const char **reason);

/* The first header of that name (any case); data NULL: there is none. */
SuText su_http_header(const SuHttpHead *head, const char *name);

/* Whether one of the lists of words with commas between them that have that name holds a word. */
bool su_http_header_has(const SuHttpHead *head, const char *name, const char *word);

/* What the request is sent to, with its port: of the target, else of the header Host, which the
 * former makes void. data NULL: not said. */
SuText su_http_host(const SuHttpHead *head);

/* ---- chunked bodies ---- */

typedef enum SuChunkedStep {
    SU_CHUNKED_MORE, /* all bytes are used */
    SU_CHUNKED_DATA, /* *data is the next piece of the body */
    SU_CHUNKED_END,
    SU_CHUNKED_BAD
} SuChunkedStep;

/* Zero: at the start of a body. */
typedef struct SuChunked {
    uint8_t state;
    uint8_t digits;
    uint16_t line; /* bytes of the line that is being passed over */
    uint32_t trailer;
    uint64_t left;
} SuChunked;

/* The next step in bytes [size]; *used of them are done with. Extensions and trailers are passed
 * over, up to 4 KiB. */
SuChunkedStep su_chunked_read(SuChunked *chunked, const char *bytes, size_t size, size_t *used,
                              SuText *data);

#endif
