#include "http_head.h"

#include <string.h>

typedef struct Cursor {
    char *at, *end;
} Cursor;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool su_text_is(SuText text, const char *word)
{
    return text.size == strlen(word) && (text.size == 0 || memcmp(text.data, word, text.size) == 0);
}

bool su_text_is_word(SuText text, const char *word)
{
    if (!text.data || text.size != strlen(word)) return false;
    for (size_t i = 0; i < text.size; i++)
        if (lower(text.data[i]) != lower(word[i])) return false;
    return true;
}

/* tchar of RFC 9110 */
static bool is_token(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
    return c && strchr("!#$%&'*+-.^_`|~", c);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next line without its CRLF; false: a CR or LF stands alone. */
static bool next_line(Cursor *cursor, SuText *line)
{
    char *feed = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
    if (!feed || feed == cursor->at || feed[-1] != '\r') return false;
    *line = (SuText){cursor->at, (size_t)(feed - 1 - cursor->at)};
    cursor->at = feed + 1;
    return !memchr(line->data, '\r', line->size);
}

static int refuse(int status, const char **reason, const char *text)
{
    *reason = text;
    return status;
}

/* Decodes %XX in place; false: not two digits, or a NUL. */
static bool decode_path(SuText *path)
{
    char *to = (char *)path->data;
    size_t size = 0;
    for (size_t i = 0; i < path->size; i++) {
        char c = path->data[i];
        if (c == '%') {
            int high = i + 2 < path->size ? hex(path->data[i + 1]) : -1;
            int low = high >= 0 ? hex(path->data[i + 2]) : -1;
            if (low < 0 || high * 16 + low == 0) return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        to[size++] = c;
    }
    path->size = size;
    return true;
}

/* Of "http://host:port/path?query", which a proxy is sent and a server must take too (RFC 9112
 * 3.2.2), the host; *target becomes the rest. Another target stays as it is. False: no host. */
static bool read_authority(SuText *target, SuHttpHead *head)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i]), end = size;
        if (target->size < size || !su_text_is_word((SuText){target->data, size}, schemes[i]))
            continue;
        while (end < target->size && target->data[end] != '/' && target->data[end] != '?') end++;
        head->authority = (SuText){target->data + size, end - size};
        if (end == size || target->data[size] == ':' ||
            memchr(head->authority.data, '@', head->authority.size))
            return false;
        *target = (SuText){target->data + end, target->size - end};
        if (target->size && target->data[0] == '/') return true;
        /* without a path it is "/", which takes the place of the host's last byte */
        memmove((char *)head->authority.data - 1, head->authority.data, head->authority.size);
        head->authority.data--;
        target->data--;
        target->size++;
        ((char *)target->data)[0] = '/';
        return true;
    }
    return true;
}

static int read_target(SuText target, SuHttpHead *head, const char **reason)
{
    for (size_t i = 0; i < target.size; i++)
        if (target.data[i] <= ' ' || target.data[i] == 0x7f)
            return refuse(400, reason, "The request target holds a byte that is not allowed.");
    if (su_text_is(target, "*") && su_text_is(head->method, "OPTIONS")) {
        head->path = target;
        return 0;
    }
    if (!read_authority(&target, head))
        return refuse(400, reason, "The request target names no host that could be this server.");
    if (target.size == 0 || target.data[0] != '/')
        return refuse(400, reason, "The request target must begin with a slash.");
    const char *mark = memchr(target.data, '?', target.size);
    head->path = (SuText){target.data, mark ? (size_t)(mark - target.data) : target.size};
    if (mark) head->query = (SuText){mark + 1, (size_t)(target.data + target.size - mark - 1)};
    if (!decode_path(&head->path))
        return refuse(400, reason, "The request target has a wrong percent code.");
    return 0;
}

static int read_request_line(SuText line, SuHttpHead *head, const char **reason)
{
    static const char sense[] = "The request line is not METHOD TARGET HTTP/1.1.";
    const char *first = memchr(line.data, ' ', line.size);
    const char *last =
        first ? memchr(first + 1, ' ', line.size - (size_t)(first + 1 - line.data)) : NULL;
    if (!last || first == line.data) return refuse(400, reason, sense);
    head->method = (SuText){line.data, (size_t)(first - line.data)};
    for (size_t i = 0; i < head->method.size; i++)
        if (!is_token(head->method.data[i])) return refuse(400, reason, sense);
    SuText version = {last + 1, (size_t)(line.data + line.size - last - 1)};
    head->is_old = su_text_is(version, "HTTP/1.0");
    if (!head->is_old && !su_text_is(version, "HTTP/1.1")) {
        bool http = version.size == 8 && memcmp(version.data, "HTTP/", 5) == 0;
        return refuse(http ? 505 : 400, reason,
                      http ? "This server speaks HTTP/1.1 and HTTP/1.0." : sense);
    }
    return read_target((SuText){first + 1, (size_t)(last - first - 1)}, head, reason);
}

static bool is_value_byte(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

static int read_header(SuText line, SuHttpHead *head, const char **reason)
{
    static const char sense[] = "A header is not NAME: VALUE.";
    size_t colon = 0, begin, end = line.size;
    while (colon < line.size && is_token(line.data[colon])) colon++;
    if (colon == 0 || colon == line.size || line.data[colon] != ':')
        return refuse(400, reason, sense);
    for (begin = colon + 1; begin < end; begin++)
        if (line.data[begin] != ' ' && line.data[begin] != '\t') break;
    while (end > begin && (line.data[end - 1] == ' ' || line.data[end - 1] == '\t')) end--;
    for (size_t i = begin; i < end; i++)
        if (!is_value_byte(line.data[i])) return refuse(400, reason, sense);
    if (head->num_headers == SU_HTTP_MAX_HEADERS)
        return refuse(431, reason, "The request has too many headers.");
    head->headers[head->num_headers++] =
        (SuHttpHeader){{line.data, colon}, {line.data + begin, end - begin}};
    return 0;
}

static bool read_length(SuText value, uint64_t *length)
{
    uint64_t number = 0;
    if (value.size == 0 || value.size > 18) return false;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return false;
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    *length = number;
    return true;
}

/* Is `word` one of the value's, between commas? */
static bool has_word(SuText value, const char *word)
{
    for (size_t i = 0; i < value.size;) {
        size_t begin = i;
        while (i < value.size && value.data[i] != ',') i++;
        size_t end = i++;
        while (begin < end && (value.data[begin] == ' ' || value.data[begin] == '\t')) begin++;
        while (end > begin && (value.data[end - 1] == ' ' || value.data[end - 1] == '\t')) end--;
        if (su_text_is_word((SuText){value.data + begin, end - begin}, word)) return true;
    }
    return false;
}

/* What the headers say of the body and the connection. */
static int read_framing(SuHttpHead *head, const char **reason)
{
    size_t lengths = 0, codings = 0, hosts = 0;
    bool wants_close = false, wants_keep = false;
    for (size_t i = 0; i < head->num_headers; i++) {
        SuText name = head->headers[i].name, value = head->headers[i].value;
        if (su_text_is_word(name, "content-length")) {
            lengths++;
            if (!read_length(value, &head->content_length))
                return refuse(400, reason, "Content-Length is not a number of bytes.");
        } else if (su_text_is_word(name, "transfer-encoding")) {
            codings++;
            if (!su_text_is_word(value, "chunked"))
                return refuse(501, reason, "Transfer-Encoding may be chunked alone.");
        } else if (su_text_is_word(name, "host")) {
            hosts++;
        } else if (su_text_is_word(name, "connection")) {
            wants_close |= has_word(value, "close");
            wants_keep |= has_word(value, "keep-alive");
        } else if (su_text_is_word(name, "expect") && !head->is_old) {
            if (!su_text_is_word(value, "100-continue"))
                return refuse(417, reason, "Expect may be 100-continue alone.");
            head->expects_continue = true;
        }
    }
    if (lengths > 1 || codings > 1 || (lengths && codings) || (codings && head->is_old))
        return refuse(400, reason, "The length of the body is given more than once.");
    if (hosts > 1 || (hosts == 0 && !head->is_old))
        return refuse(400, reason, "A request has one Host header.");
    head->is_chunked = codings == 1;
    head->keep_alive = !wants_close && (!head->is_old || wants_keep);
    return 0;
}

int su_http_head_read(char *text, size_t size, SuHttpHead *head, const char **reason)
{
    static const char sense[] = "Lines of the head end with CR and LF.";
    Cursor cursor = {text, text + size};
    SuText line;
    head->method = head->path = head->query = head->authority = (SuText){0};
    head->num_headers = 0;
    head->content_length = 0;
    head->is_chunked = head->keep_alive = head->expects_continue = head->is_old = false;
    if (!next_line(&cursor, &line)) return refuse(400, reason, sense);
    int status = read_request_line(line, head, reason);
    while (status == 0) {
        if (!next_line(&cursor, &line)) return refuse(400, reason, sense);
        if (line.size == 0) return read_framing(head, reason);
        status = read_header(line, head, reason);
    }
    return status;
}

bool su_http_header_has(const SuHttpHead *head, const char *name, const char *word)
{
    for (size_t i = 0; i < head->num_headers; i++)
        if (su_text_is_word(head->headers[i].name, name) && has_word(head->headers[i].value, word))
            return true;
    return false;
}

SuText su_http_host(const SuHttpHead *head)
{
    return head->authority.data ? head->authority : su_http_header(head, "host");
}

SuText su_http_header(const SuHttpHead *head, const char *name)
{
    for (size_t i = 0; i < head->num_headers; i++)
        if (su_text_is_word(head->headers[i].name, name)) return head->headers[i].value;
    return (SuText){0};
}

/* States of a chunked body: SIZE digits, what follows them on the line (EXTENSION), the LF of it,
 * DATA, its CR and LF, then TRAILER lines up to an empty one. */
enum { SIZE, EXTENSION, SIZE_FEED, DATA, DATA_RETURN, DATA_FEED, TRAILER, TRAILER_FEED, END };
enum { MOST_PASSED_OVER = 4096 };

static bool begin_data(SuChunked *chunked)
{
    chunked->state = chunked->left ? DATA : TRAILER;
    chunked->digits = 0;
    chunked->line = 0;
    return true;
}

static bool read_size_byte(SuChunked *chunked, char c)
{
    int digit = hex(c);
    if (digit >= 0) {
        chunked->left = chunked->left * 16 + (uint64_t)digit;
        return ++chunked->digits <= 15;
    }
    if (chunked->digits == 0) return false;
    chunked->state = c == '\r' ? SIZE_FEED : EXTENSION;
    return c == '\r' || c == ';' || c == ' ' || c == '\t';
}

/* A byte that is not data; false: not chunked. */
static bool read_byte(SuChunked *chunked, char c)
{
    switch (chunked->state) {
    case SIZE:
        return read_size_byte(chunked, c);
    case EXTENSION:
        if (c == '\r') chunked->state = SIZE_FEED;
        return c != '\n' && ++chunked->trailer <= MOST_PASSED_OVER;
    case SIZE_FEED:
        return c == '\n' && begin_data(chunked);
    case DATA_RETURN:
        chunked->state = DATA_FEED;
        return c == '\r';
    case DATA_FEED:
        chunked->state = SIZE;
        return c == '\n';
    case TRAILER:
        if (c == '\r')
            chunked->state = TRAILER_FEED;
        else
            chunked->line = 1;
        return c != '\n' && ++chunked->trailer <= MOST_PASSED_OVER;
    default: /* TRAILER_FEED */
        chunked->state = chunked->line ? TRAILER : END;
        chunked->line = 0;
        return c == '\n';
    }
}

SuChunkedStep su_chunked_read(SuChunked *chunked, const char *bytes, size_t size, size_t *used,
                              SuText *data)
{
    *used = 0;
    while (*used < size && chunked->state != END) {
        if (chunked->state == DATA) {
            size_t piece = size - *used;
            if (piece > chunked->left) piece = (size_t)chunked->left;
            *data = (SuText){bytes + *used, piece};
            *used += piece;
            chunked->left -= piece;
            if (chunked->left == 0) chunked->state = DATA_RETURN;
            return SU_CHUNKED_DATA;
        }
        if (!read_byte(chunked, bytes[(*used)++])) return SU_CHUNKED_BAD;
    }
    return chunked->state == END ? SU_CHUNKED_END : SU_CHUNKED_MORE;
}
