/* json_line.c - chosen fields of one line of JSON, read as Python's json module reads them.
 *
 * The line is checked as a whole, in one pass and without memory of its own; the values of other
 * fields are passed over, whatever numbers they hold. Nesting is a stack of bits: 1 for an object,
 * 0 for an array. */
#include "base/json_escape.h"
#include "base/status.h"
#include "sutra_tools.h"
#include "unicode/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 2048 };

typedef struct Scan {
    const char *line, *at, *end, *where;
    SutraError *err;
} Scan;

/* A value of the outermost object, given with its key: raw, as between the quotes. */
typedef void (*VisitField)(void *user, const char *key, size_t key_size,
                           const SutraJsonField *value);

/* Columns count characters, from 1. */
static SutraStatus raise_at(const Scan *scan, const char *expected)
{
    size_t column = 1;
    for (const char *c = scan->line; c < scan->at; c++)
        column += ((unsigned char)*c & 0xc0) != 0x80;
    SU_RAISE(scan->err, SUTRA_E_FORMAT, "%s: column %zu: not valid JSON: expected %s", scan->where,
             column, expected);
}

static void skip_blanks(Scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool take_char(Scan *scan, char wanted)
{
    if (scan->at == scan->end || *scan->at != wanted) return false;
    scan->at++;
    return true;
}

static bool take_word(Scan *scan, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0) return false;
    scan->at += size;
    return true;
}

static bool take_digits(Scan *scan)
{
    const char *first = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') scan->at++;
    return scan->at > first;
}

/* The digit's value, or -1. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
    return -1;
}

/* Four hex digits. */
static bool take_hex(const char **at, const char *end, uint32_t *unit)
{
    *unit = 0;
    if (end - *at < 4) return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit((*at)[i]);
        if (digit < 0) return false;
        *unit = *unit * 16 + (uint32_t)digit;
    }
    *at += 4;
    return true;
}

static SutraStatus scan_string(Scan *scan, const char **raw, size_t *raw_size)
{
    if (!take_char(scan, '"')) return raise_at(scan, "a string");
    *raw = scan->at;
    for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
        uint32_t unit;
        if ((unsigned char)*scan->at < 0x20)
            return raise_at(scan, "no control character in a string");
        if (*scan->at != '\\') continue;
        scan->at++;
        if (scan->at == scan->end || !strchr("\"\\/bfnrtu", *scan->at) || !*scan->at)
            return raise_at(scan, "an escape: one of \"\\/bfnrtu after the backslash");
        if (*scan->at != 'u') continue;
        const char *digits = scan->at + 1;
        if (!take_hex(&digits, scan->end, &unit)) return raise_at(scan, "four hex digits after u");
        scan->at = digits - 1;
    }
    *raw_size = (size_t)(scan->at - *raw);
    return take_char(scan, '"') ? SUTRA_OK : raise_at(scan, "the end of a string");
}

static SutraStatus scan_number(Scan *scan)
{
    if (take_word(scan, "NaN") || take_word(scan, "Infinity") || take_word(scan, "-Infinity"))
        return SUTRA_OK;
    const char *first = scan->at;
    take_char(scan, '-');
    if (!take_char(scan, '0') && !take_digits(scan)) {
        scan->at = first;
        return raise_at(scan, "a value");
    }
    if (take_char(scan, '.') && !take_digits(scan)) return raise_at(scan, "a digit");
    if (!take_char(scan, 'e') && !take_char(scan, 'E')) return SUTRA_OK;
    if (!take_char(scan, '+')) take_char(scan, '-');
    return take_digits(scan) ? SUTRA_OK : raise_at(scan, "a digit");
}

/* A value that holds no others. */
static SutraStatus scan_scalar(Scan *scan, SutraJsonField *value)
{
    *value = (SutraJsonField){.kind = SUTRA_JSON_OTHER};
    if (scan->at < scan->end && *scan->at == '"') {
        value->kind = SUTRA_JSON_STRING;
        return scan_string(scan, &value->raw, &value->raw_size);
    }
    if (take_word(scan, "null")) {
        value->kind = SUTRA_JSON_NULL;
        return SUTRA_OK;
    }
    if (take_word(scan, "true") || take_word(scan, "false")) return SUTRA_OK;
    const char *first = scan->at;
    SU_TRY(scan_number(scan));
    char last = scan->at[-1]; /* a letter of NaN and Infinity */
    if (last >= '0' && last <= '9') {
        value->raw = first;
        value->raw_size = (size_t)(scan->at - first);
    }
    return SUTRA_OK;
}

typedef struct Nesting {
    unsigned char objects[MAX_DEPTH / 8];
    size_t depth;
} Nesting;

static bool in_object(const Nesting *nesting)
{
    size_t top = nesting->depth - 1;
    return nesting->objects[top / 8] >> top % 8 & 1;
}

/* "{" or "[" */
static SutraStatus enter(Scan *scan, Nesting *nesting)
{
    size_t top = nesting->depth;
    if (top == MAX_DEPTH) return raise_at(scan, "no deeper nesting");
    nesting->objects[top / 8] &= (unsigned char)~(1u << top % 8);
    nesting->objects[top / 8] |= (unsigned char)((unsigned)(*scan->at == '{') << top % 8);
    nesting->depth++;
    scan->at++;
    skip_blanks(scan);
    return SUTRA_OK;
}

/* What stands between the values: closes what ends here. *more: another value follows. */
static SutraStatus leave(Scan *scan, Nesting *nesting, bool *more)
{
    *more = false;
    for (;;) {
        skip_blanks(scan);
        if (nesting->depth == 0) return SUTRA_OK;
        if (take_char(scan, ',')) {
            *more = true;
            skip_blanks(scan);
            return SUTRA_OK;
        }
        if (!take_char(scan, in_object(nesting) ? '}' : ']'))
            return raise_at(scan, in_object(nesting) ? "\",\" or \"}\"" : "\",\" or \"]\"");
        nesting->depth--;
    }
}

/* The key of an object's value, and its colon. */
static SutraStatus scan_key(Scan *scan, const char **key, size_t *size)
{
    SU_TRY(scan_string(scan, key, size));
    skip_blanks(scan);
    if (!take_char(scan, ':')) return raise_at(scan, "\":\"");
    skip_blanks(scan);
    return SUTRA_OK;
}

/* Calls visit for each field of the outermost object. */
static SutraStatus scan_object(Scan *scan, VisitField visit, void *user)
{
    Nesting nesting = {.depth = 0};
    const char *key = "";
    size_t key_size = 0;
    bool more = true;
    skip_blanks(scan);
    if (scan->at == scan->end || *scan->at != '{')
        SU_RAISE(scan->err, SUTRA_E_FORMAT, "%s: not a JSON object", scan->where);
    while (more) {
        bool outermost = nesting.depth == 1;
        SutraJsonField value = {.kind = SUTRA_JSON_OTHER};
        if (nesting.depth && in_object(&nesting)) {
            const char *inner;
            size_t inner_size;
            SU_TRY(scan_key(scan, outermost ? &key : &inner, outermost ? &key_size : &inner_size));
        }
        bool opens = scan->at < scan->end && (*scan->at == '{' || *scan->at == '[');
        if (opens) {
            char closing = *scan->at == '{' ? '}' : ']';
            SU_TRY(enter(scan, &nesting));
            if (outermost) visit(user, key, key_size, &value);
            if (scan->at == scan->end || *scan->at != closing) continue;
        } else {
            SU_TRY(scan_scalar(scan, &value));
            if (outermost) visit(user, key, key_size, &value);
        }
        SU_TRY(leave(scan, &nesting, &more));
    }
    return scan->at == scan->end ? SUTRA_OK : raise_at(scan, "the end of the line");
}

/* The character of the escape after the backslash at (*at)[-1]; false: half of a surrogate pair. */
static bool take_escape(const char **at, const char *end, uint32_t *point)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    uint32_t low;
    char c = *(*at)++;
    const char *letter = strchr(letters, c);
    *point = letter ? (unsigned char)meanings[letter - letters] : (unsigned char)c;
    if (c != 'u') return true;
    (void)take_hex(at, end, point);
    if (*point < 0xd800 || *point > 0xdfff) return true;
    if (*point > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') return false;
    const char *second = *at + 2;
    if (!take_hex(&second, end, &low) || low < 0xdc00 || low > 0xdfff) return false;
    *at = second;
    *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* What is written never overtakes what is read. */
static bool decode(const char *raw, size_t raw_size, char *text, size_t *size)
{
    const char *at = raw, *end = raw + raw_size;
    char *out = text;
    while (at < end) {
        const char *next = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((next ? next : end) - at);
        uint32_t point;
        memmove(out, at, plain);
        out += plain;
        at += plain;
        if (!next) break;
        at++;
        if (!take_escape(&at, end, &point)) return false;
        out += su_utf8_encode(point, out);
    }
    *size = (size_t)(out - text);
    return true;
}

/* A key that is written with escapes is the same key. */
static bool is_key(const char *raw, size_t raw_size, const char *name)
{
    size_t name_size = strlen(name), at = 0;
    const char *next = raw, *end = raw + raw_size;
    if (!memchr(raw, '\\', raw_size)) return raw_size == name_size && !memcmp(raw, name, raw_size);
    while (next < end) {
        char character[4];
        size_t size = 1;
        uint32_t point;
        character[0] = *next++;
        if (character[0] == '\\') {
            if (!take_escape(&next, end, &point)) return false;
            size = su_utf8_encode(point, character);
        }
        if (name_size - at < size || memcmp(name + at, character, size) != 0) return false;
        at += size;
    }
    return at == name_size;
}

typedef struct Wanted {
    SutraJsonField *fields;
    size_t count;
} Wanted;

static void keep_wanted(void *user, const char *key, size_t key_size, const SutraJsonField *value)
{
    const Wanted *wanted = user;
    for (size_t i = 0; i < wanted->count; i++) {
        SutraJsonField *field = &wanted->fields[i];
        if (!is_key(key, key_size, field->name)) continue;
        const char *name = field->name;
        *field = *value;
        field->name = name;
    }
}

SutraStatus sutra_json_line(const char *line, size_t size, const char *where,
                            SutraJsonField *fields, size_t num_fields, SutraError *err)
{
    Wanted wanted = {fields, num_fields};
    Scan scan = {line, line, line + size, where, err};
    for (size_t i = 0; i < num_fields; i++) fields[i] = (SutraJsonField){.name = fields[i].name};
    return scan_object(&scan, keep_wanted, &wanted);
}

typedef struct Names {
    char *text;
    size_t used, capacity;
} Names;

static void list_name(void *user, const char *key, size_t key_size, const SutraJsonField *value)
{
    Names *names = user;
    (void)value;
    if (key_size > INT32_MAX) return;
    size_t left = names->capacity - names->used;
    int size = snprintf(names->text + names->used, left, "%s%.*s", names->used ? ", " : "",
                        (int)key_size, key);
    if (size >= 0 && (size_t)size < left)
        names->used += (size_t)size;
    else
        names->text[names->used] = '\0';
}

void sutra_json_line_names(const char *line, size_t size, char *names, size_t capacity)
{
    Names list = {names, 0, capacity};
    Scan scan = {line, line, line + size, "", NULL};
    if (!capacity) return;
    names[0] = '\0';
    (void)scan_object(&scan, list_name, &list);
}

SutraStatus sutra_json_text(const SutraJsonField *field, const char *where, char *text,
                            size_t *size, SutraError *err)
{
    if (field->kind != SUTRA_JSON_STRING)
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: field \"%s\" is not a string", where, field->name);
    if (!decode(field->raw, field->raw_size, text, size))
        SU_RAISE(err, SUTRA_E_FORMAT, "%s: field \"%s\": half of a surrogate pair is no character",
                 where, field->name);
    return SUTRA_OK;
}

size_t sutra_json_escape(const char *text, size_t size, char *escaped, size_t capacity,
                         size_t *used)
{
    return su_json_escape(text, size, escaped, capacity, used);
}

int sutra_json_line_is_blank(const char *line, size_t size)
{
    Scan scan = {line, line, line + size, "", NULL};
    skip_blanks(&scan);
    return scan.at == scan.end;
}
