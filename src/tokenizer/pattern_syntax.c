#include "tokenizer/pattern_syntax.h"

#include <stdlib.h>
#include <string.h>

#define MAX_GROUPS 100u /* in one another; fewer than PCRE2 takes */

/* \w, whose class in a class lacks six numbers that it has by itself. */
#define WORD_PROPERTIES "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define WORD_MEMBERS WORD_PROPERTIES "\\xb2\\xb3\\xb9\\xbc-\\xbe"
#define WORD "[" WORD_MEMBERS "]"
#define BOUNDARY "(?:(?<=" WORD ")(?!" WORD ")|(?<!" WORD ")(?=" WORD "))"
#define NO_BOUNDARY "(?:(?<=" WORD ")(?=" WORD ")|(?<!" WORD ")(?!" WORD "))"

typedef struct Group {
    bool caseless;
    bool assertion;  /* matches an empty text, whatever is in it */
    bool may_vanish; /* a branch before may match an empty text */
    bool solid;      /* this branch takes a character, its last item apart */
    bool last;       /* the last item takes one */
} Group;

/* previous: the letter before, 0 if none. */
typedef struct Reader {
    const char *text;
    size_t size, at;
    SuByteWriter *to;
    SuSyntaxProblem *problem;
    Group groups[MAX_GROUPS + 1]; /* [0, depth] those that are open; the first is all */
    size_t depth;
    char previous;
    bool quantified; /* the last item has its quantifier, of which + and ? are the kind */
    bool negated;    /* the class that is read */
} Reader;

static bool refuse(Reader *reader, const char *what)
{
    *reader->problem = (SuSyntaxProblem){.what = what, .at = reader->at};
    return false;
}

static bool put(Reader *reader, const char *text)
{
    su_write_bytes(reader->to, text, strlen(text));
    return true;
}

/* The next `count` bytes as they are. */
static bool copy(Reader *reader, size_t count)
{
    su_write_bytes(reader->to, reader->text + reader->at, count);
    reader->at += count;
    return true;
}

/* The byte `ahead` of the next; 0 at the end. */
static char peek(const Reader *reader, size_t ahead)
{
    return ahead < reader->size - reader->at ? reader->text[reader->at + ahead] : 0;
}

static bool begins(const Reader *reader, const char *with)
{
    size_t length = strlen(with);
    return reader->size - reader->at >= length &&
           memcmp(reader->text + reader->at, with, length) == 0;
}

static Group *group_of(Reader *reader) { return &reader->groups[reader->depth]; }

static bool is_caseless(const Reader *reader) { return reader->groups[reader->depth].caseless; }

/* An item of the branch begins, which takes a character or doesn't. */
static bool begin_item(Reader *reader, bool takes)
{
    Group *group = group_of(reader);
    group->solid |= group->last;
    group->last = takes;
    reader->quantified = false;
    return true;
}

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static bool is_hex(char byte)
{
    return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

static bool is_letter(char byte) { return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'; }

/* ---- literals ---- */

/* Without regard to case Oniguruma takes one character for several: ß for ss, ﬀ for ff. */
static bool check_caseless(Reader *reader, char byte)
{
    static const char *const folded[] = {"ss", "ff", "fi", "fl", "st"};
    if (!is_caseless(reader)) return true;
    if ((unsigned char)byte >= 0x80)
        return refuse(reader, "a character beyond ASCII without regard to case");
    const char pair[] = {(char)(reader->previous | 0x20), (char)(byte | 0x20), 0};
    for (size_t i = 0; i < sizeof folded / sizeof *folded && is_letter(byte); i++)
        if (strcmp(pair, folded[i]) == 0)
            return refuse(reader, "ss, ff, fi, fl or st without regard to case");
    reader->previous = is_letter(byte) ? byte : 0;
    return true;
}

static bool literal(Reader *reader)
{
    char byte = peek(reader, 0);
    if (((unsigned char)byte & 0xc0) != 0x80) begin_item(reader, byte != '^' && byte != '$');
    return check_caseless(reader, byte) && copy(reader, 1);
}

/* ---- escapes ---- */

/* \p{Name} and \P{Name}: general categories by their short names, and scripts. */
static bool property(Reader *reader)
{
    static const char categories[] = " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf "
                                     "Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn ";
    char kind = peek(reader, 1), name[34] = " ", negation = 0;
    size_t length = 1, ahead = 3;
    if (peek(reader, 2) != '{') return refuse(reader, "a property without braces");
    if (peek(reader, ahead) == '^') negation = peek(reader, ahead++);
    for (; is_letter(peek(reader, ahead)) || peek(reader, ahead) == '_'; ahead++) {
        if (length == sizeof name - 2) return refuse(reader, "the property");
        name[length++] = peek(reader, ahead);
    }
    if (peek(reader, ahead) != '}' || length == 1) return refuse(reader, "the property");
    name[length] = ' ';
    bool category = strstr(categories, name) != NULL;
    bool cased =
        strcmp(name, " Lu ") == 0 || strcmp(name, " Ll ") == 0 || strcmp(name, " Lt ") == 0;
    if (is_caseless(reader) && cased)
        return refuse(reader, "letters of one case without regard to case");
    name[length] = 0;
    if ((kind == 'P') != (negation != 0))
        put(reader, "\\P{");
    else
        put(reader, "\\p{");
    put(reader, category ? "" : "sc:");
    put(reader, name + 1);
    reader->at += ahead + 1;
    return put(reader, "}");
}

/* \xHH, \x{H…} and \uHHHH. */
static bool code_point(Reader *reader)
{
    char digits[9] = "";
    bool braces = peek(reader, 1) == 'x' && peek(reader, 2) == '{';
    size_t first = braces ? 3 : 2, count = 0;
    size_t most = braces ? 8 : peek(reader, 1) == 'x' ? 2 : 4;
    while (count < most && is_hex(peek(reader, first + count))) {
        digits[count] = peek(reader, first + count);
        count++;
    }
    if (count == 0 || (most == 4 && count < 4) || (braces && peek(reader, first + count) != '}'))
        return refuse(reader, "the number of a character");
    unsigned long value = strtoul(digits, NULL, 16);
    if (most == 2 && value >= 0x80) return refuse(reader, "a byte that is not a character");
    if (is_caseless(reader))
        return refuse(reader, "a number of a character without regard to case");
    reader->at += first + count + braces;
    put(reader, "\\x{");
    put(reader, digits);
    return put(reader, "}");
}

/* What an escape of one letter becomes, outside a class and in one. NULL: it is refused. */
static const struct {
    const char *outside, *inside;
    char letter;
    bool single; /* one character, which a range may begin or end with */
} escapes[] = {
    {"\\n", "\\n", 'n', true},
    {"\\r", "\\r", 'r', true},
    {"\\t", "\\t", 't', true},
    {"\\f", "\\f", 'f', true},
    {"\\a", "\\a", 'a', true},
    {"\\e", "\\e", 'e', true},
    {"\\x0b", "\\x0b", 'v', true},
    {"\\p{White_Space}", "\\p{White_Space}", 's', false},
    {"\\P{White_Space}", "\\P{White_Space}", 'S', false},
    {"\\p{Nd}", "\\p{Nd}", 'd', false},
    {"\\P{Nd}", "\\P{Nd}", 'D', false},
    {WORD, WORD_PROPERTIES, 'w', false},
    {"[^" WORD_MEMBERS "]", NULL, 'W', false},
    {BOUNDARY, "\\x08", 'b', true},
    {NO_BOUNDARY, NULL, 'B', false},
    {"\\A", NULL, 'A', false},
    {"\\z", NULL, 'z', false},
    {"\\Z", NULL, 'Z', false},
};

/* At a backslash. *single: it stands for one character. */
static bool escape(Reader *reader, bool in_class, bool *single)
{
    char letter = peek(reader, 1);
    *single = false;
    reader->previous = 0;
    if (letter == 'p' || letter == 'P') return property(reader);
    *single = true;
    if (letter == 'x' || letter == 'u') return code_point(reader);
    bool named =
        (unsigned char)letter >= 0x80 || letter < ' ' || is_letter(letter) || is_digit(letter);
    if (!named) return copy(reader, 2);
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        const char *means = in_class ? escapes[i].inside : escapes[i].outside;
        if (escapes[i].letter != letter || !means) continue;
        *single = escapes[i].single;
        reader->at += 2;
        return put(reader, means);
    }
    return refuse(reader, "the escape");
}

/* ---- classes ---- */

/* One character of a class, or an escape that stands for more. Without regard to case a class that
 * has ß, and is not negated, takes ss for it in Oniguruma. */
static bool class_member(Reader *reader, bool *single)
{
    char byte = peek(reader, 0), letter = peek(reader, 1);
    if (byte == '\\') {
        if (is_caseless(reader) && !reader->negated && letter && strchr("wSDpP", letter))
            return refuse(reader, "letters beyond ASCII in a class without regard to case");
        return escape(reader, true, single);
    }
    *single = true;
    reader->previous = 0;
    if (!check_caseless(reader, byte)) return false;
    reader->previous = 0;
    if (byte == '^') put(reader, "\\");
    do {
        copy(reader, 1);
    } while (((unsigned char)peek(reader, 0) & 0xc0) == 0x80);
    return true;
}

/* The '-' of a range and its end, or a '-' that stands for itself. */
static bool class_hyphen(Reader *reader, bool *single)
{
    char next = peek(reader, 1);
    if (!*single || next == ']' || next == '[' || next == 0) {
        reader->at++;
        *single = false;
        return put(reader, "\\-");
    }
    copy(reader, 1);
    if (!class_member(reader, single)) return false;
    if (!*single) return refuse(reader, "a range that ends in a class");
    *single = false;
    return true;
}

/* At '['. A class that is in a class, and not negated, is joined to it. */
static bool class(Reader *reader)
{
    size_t open = 0;
    bool single = false, empty = true;
    for (;;) {
        char byte = peek(reader, 0);
        if (reader->at == reader->size) return refuse(reader, "a class without its end");
        if (begins(reader, "&&")) return refuse(reader, "an intersection of classes");
        if (byte == ']') {
            if (empty) return refuse(reader, "an empty class");
            reader->at++;
            single = false;
            if (--open > 0) continue;
            return put(reader, "]");
        }
        if (byte == '[') {
            if (open && (peek(reader, 1) == '^' || peek(reader, 1) == ':'))
                return refuse(reader, "a negated or named class in a class");
            empty = true;
            single = false;
            reader->at++;
            if (open++ > 0) continue;
            put(reader, "[");
            reader->negated = peek(reader, 0) == '^';
            if (reader->negated) copy(reader, 1);
            continue;
        }
        empty = false;
        if (byte == '-' ? !class_hyphen(reader, &single) : !class_member(reader, &single))
            return false;
    }
}

/* ---- groups and quantifiers ---- */

/* At '('. */
static bool open_group(Reader *reader)
{
    static const char *const heads[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    bool caseless = is_caseless(reader);
    reader->previous = 0;
    if (begins(reader, "(?i)")) {
        if (reader->at > 0) return refuse(reader, "an option that is not at the start");
        group_of(reader)->caseless = true;
        return copy(reader, 4);
    }
    size_t length = 0;
    for (size_t i = 0; i < sizeof heads / sizeof *heads && !length; i++)
        if (begins(reader, heads[i])) length = strlen(heads[i]);
    if (begins(reader, "(?i:") || begins(reader, "(?-i:")) {
        caseless = peek(reader, 2) == 'i';
        length = caseless ? 4 : 5;
    } else if (!length) {
        if (peek(reader, 1) == '?' || peek(reader, 1) == '*') return refuse(reader, "the group");
        length = 1;
    }
    if (reader->depth == MAX_GROUPS) return refuse(reader, "so many groups in one another");
    bool assertion = length > 2 && strchr("=!", peek(reader, length - 1));
    reader->depth++;
    *group_of(reader) = (Group){.caseless = caseless, .assertion = assertion};
    return copy(reader, length);
}

/* At the end of a branch. */
static void end_branch(Reader *reader)
{
    Group *group = group_of(reader);
    group->may_vanish |= !group->solid && !group->last;
    group->solid = group->last = false;
}

static bool close_group(Reader *reader)
{
    if (reader->depth == 0) return refuse(reader, "a ) without its (");
    end_branch(reader);
    const Group *group = group_of(reader);
    reader->depth--;
    reader->previous = 0;
    begin_item(reader, !group->assertion && !group->may_vanish);
    return copy(reader, 1);
}

static bool next_branch(Reader *reader)
{
    end_branch(reader);
    reader->previous = 0;
    return copy(reader, 1);
}

/* At '*', '+' or '?'. */
static bool quantifier(Reader *reader)
{
    bool is_kind = reader->quantified && peek(reader, 0) != '*';
    if (!is_kind && peek(reader, 0) != '+') group_of(reader)->last = false;
    reader->quantified = !is_kind;
    reader->previous = 0;
    return copy(reader, 1);
}

static unsigned long number_at(const Reader *reader, size_t ahead)
{
    char digits[8] = "";
    for (size_t i = 0; i < sizeof digits - 1 && is_digit(peek(reader, ahead + i)); i++)
        digits[i] = peek(reader, ahead + i);
    return strtoul(digits, NULL, 10);
}

/* The first time round that takes nothing ends a loop of Oniguruma, even before `least`: only loops
 * that would end there anyway are the same. least, most: of an interval; most 0: no bound. */
static bool repeat(Reader *reader, unsigned long least, unsigned long most)
{
    bool plain = most == 0 ? least <= 1 : most == 1;
    if (!group_of(reader)->last && !plain)
        return refuse(reader, "an interval of what may match an empty text");
    if (least == 0) group_of(reader)->last = false;
    reader->quantified = true;
    reader->previous = 0;
    return true;
}

/* At '{': an interval, or the character. What follows an interval means something else here. */
static bool interval(Reader *reader)
{
    size_t ahead = 1, first;
    while (is_digit(peek(reader, ahead))) ahead++;
    bool low = ahead > 1, comma = peek(reader, ahead) == ',';
    if (comma) ahead++;
    first = ahead;
    while (is_digit(peek(reader, ahead))) ahead++;
    bool high = comma && ahead > first;
    if (peek(reader, ahead) != '}' || (!low && !high)) {
        reader->at++;
        begin_item(reader, true);
        return put(reader, "\\{");
    }
    char next = peek(reader, ahead + 1);
    if (next == '+' || (next == '?' && !comma))
        return refuse(reader, "a quantifier of an interval");
    unsigned long least = number_at(reader, 1), most = number_at(reader, comma ? first : 1);
    if (most == 0 && (high || !comma)) return refuse(reader, "an interval of zero times");
    if (!repeat(reader, least, most)) return false;
    if (low) return copy(reader, ahead + 1);
    put(reader, "{0");
    reader->at++;
    return copy(reader, ahead);
}

static bool element(Reader *reader)
{
    bool single;
    switch (peek(reader, 0)) {
    case '\\':
        begin_item(reader, !peek(reader, 1) || !strchr("bBAzZ", peek(reader, 1)));
        return escape(reader, false, &single);
    case '[':
        begin_item(reader, true);
        reader->previous = 0;
        return class(reader);
    case '(':
        return open_group(reader);
    case ')':
        return close_group(reader);
    case '{':
        return interval(reader);
    case '|':
        return next_branch(reader);
    case '*':
    case '+':
    case '?':
        return quantifier(reader);
    default:
        return literal(reader); /* ^, $ and . too, which mean the same */
    }
}

bool su_pattern_translate(const char *pattern, size_t size, SuByteWriter *to,
                          SuSyntaxProblem *problem)
{
    Reader reader = {.text = pattern, .size = size, .to = to, .problem = problem};
    while (reader.at < size)
        if (!element(&reader)) return false;
    return reader.depth == 0 || refuse(&reader, "a ( without its )");
}
