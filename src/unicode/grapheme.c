#include "unicode/grapheme.h"

#include "unicode/utf8.h"

#include <stdbool.h>

#define BIT(name) (1u << SU_GRAPHEME_##name)

#define EXTENDS (BIT(EXTEND) | BIT(EXTEND_ALONE) | BIT(LINKER))

/* Classes that are never cut from the class before them (rules GB6 to GB9b, but for Prepend). */
static const uint16_t joined[SU_NUM_GRAPHEME_CLASSES] = {
    [SU_GRAPHEME_L] = BIT(L) | BIT(V) | BIT(LV) | BIT(LVT),
    [SU_GRAPHEME_V] = BIT(V) | BIT(T),
    [SU_GRAPHEME_LV] = BIT(V) | BIT(T),
    [SU_GRAPHEME_T] = BIT(T),
    [SU_GRAPHEME_LVT] = BIT(T),
};

/* What the code points before mean for a pictograph (GB11) and for a consonant (GB9c). */
typedef enum Sequence {
    NO_SEQUENCE = 0,
    BEGUN, /* by a pictograph, by a consonant */
    JOINS  /* the next of the kind */
} Sequence;

typedef struct State {
    SuGraphemeClass before;
    Sequence pictographs, conjunct;
} State;

static bool in(SuGraphemeClass class, uint32_t set) { return set >> class & 1; }

static void step(State *state, SuGraphemeClass class)
{
    if (class == SU_GRAPHEME_PICTOGRAPH)
        state->pictographs = BEGUN;
    else if (state->pictographs == BEGUN && class == SU_GRAPHEME_ZWJ)
        state->pictographs = JOINS;
    else if (state->pictographs != BEGUN || !in(class, EXTENDS))
        state->pictographs = NO_SEQUENCE;
    if (class == SU_GRAPHEME_CONSONANT)
        state->conjunct = BEGUN;
    else if (state->conjunct && class == SU_GRAPHEME_LINKER)
        state->conjunct = JOINS;
    else if (!in(class, BIT(EXTEND) | BIT(ZWJ)))
        state->conjunct = NO_SEQUENCE;
    state->before = class;
}

static bool joins(const State *state, SuGraphemeClass class)
{
    if (state->before == SU_GRAPHEME_CONTROL || class == SU_GRAPHEME_CONTROL) return false;
    return in(class, EXTENDS | BIT(ZWJ) | BIT(SPACING) | joined[state->before]) ||
           state->before == SU_GRAPHEME_PREPEND ||
           (class == SU_GRAPHEME_PICTOGRAPH && state->pictographs == JOINS) ||
           (class == SU_GRAPHEME_CONSONANT && state->conjunct == JOINS);
}

size_t su_grapheme_end(const char *text, size_t size, size_t at)
{
    State state = {0};
    size_t length;
    if (text[at] == '\r' && at + 1 < size && text[at + 1] == '\n') return at + 2;
    step(&state, su_grapheme_class(su_utf8_decode(text + at, &length)));
    for (at += length; at < size; at += length) {
        SuGraphemeClass class = su_grapheme_class(su_utf8_decode(text + at, &length));
        if (!joins(&state, class)) break;
        step(&state, class);
    }
    return at;
}
