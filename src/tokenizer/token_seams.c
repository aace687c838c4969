#include "tokenizer/token_seams.h"

#include "unicode/utf8.h"

#define LEAST_BITS 12u
#define MOST_BITS 21u
#define BITS_EACH 8u /* of the set for each place, as far as it may grow */

/* Sides of up to 3 bytes, with their number above them. */
static uint64_t bytes_hash(const char *text, size_t at, size_t left, size_t right)
{
    return su_seam_hash(su_seam_load(text + at - left, left) | (uint32_t)left << 24,
                        su_seam_load(text + at, right) | (uint32_t)right << 24);
}

static size_t at_most(size_t size) { return size < SU_SEAM_BYTES ? size : SU_SEAM_BYTES; }

static void set_bit(SuTokenSeams *seams, uint64_t hash)
{
    uint64_t bit = hash >> seams->shift;
    seams->bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* The places in a token; with bits they are set. */
static size_t add_token(SuTokenSeams *seams, bool bytes, const SuToken *token)
{
    size_t count = 0, step;
    for (size_t at = 1; bytes && at < token->size; at++, count++)
        if (seams->bits)
            set_bit(seams, bytes_hash(token->text, at, at_most(at), at_most(token->size - at)));
    if (bytes || token->size == 0) return count;
    size_t before;
    su_utf8_decode(token->text, &before);
    for (size_t at = before; at < token->size; at += step, before = step, count++) {
        su_utf8_decode(token->text + at, &step);
        if (seams->bits)
            set_bit(seams, su_seam_hash(su_seam_load(token->text + at - before, before),
                                        su_seam_load(token->text + at, step)));
    }
    return count;
}

SutraStatus su_token_seams_create(SuTokenSeams *seams, bool bytes, size_t count, SuSeamToken token,
                                  void *context, SutraError *err)
{
    size_t places = 0;
    uint32_t num_bits = LEAST_BITS;
    *seams = (SuTokenSeams){0};
    for (size_t i = 0; i < count; i++) {
        SuToken one = token(context, i);
        places += add_token(seams, bytes, &one);
    }
    while (num_bits < MOST_BITS && (UINT64_C(1) << num_bits) / BITS_EACH < places) num_bits++;
    seams->shift = 64 - num_bits;
    seams->bits = su_calloc((size_t)1 << (num_bits - 6), sizeof *seams->bits);
    if (!seams->bits) SU_RAISE(err, SUTRA_E_MEMORY, "out of memory for %zu tokens", count);
    for (size_t i = 0; i < count; i++) {
        SuToken one = token(context, i);
        add_token(seams, bytes, &one);
    }
    return SUTRA_OK;
}

void su_token_seams_free(SuTokenSeams *seams)
{
    su_free(seams->bits);
    *seams = (SuTokenSeams){0};
}

bool su_seam_of_bytes(const SuTokenSeams *seams, const char *text, size_t size, size_t at)
{
    for (size_t left = at_most(at); left > 0; left--)
        for (size_t right = at_most(size - at); right > 0; right--)
            if (su_seam_bit(seams, bytes_hash(text, at, left, right))) return false;
    return true;
}

/* ---- in an image ---- */

void su_token_seams_write(const SuTokenSeams *seams, SuArena *arena)
{
    uint64_t *shift = su_arena_carve(arena, sizeof *shift);
    size_t words = seams->bits ? (size_t)1 << (58 - seams->shift) : 0;
    uint64_t *bits = su_arena_carve(arena, words * sizeof *bits);
    if (!shift) return;
    *shift = seams->bits ? seams->shift : 0;
    if (words) memcpy(bits, seams->bits, words * sizeof *bits);
}

bool su_token_seams_attach(SuTokenSeams *seams, SuArena *arena)
{
    const uint64_t *shift = su_arena_carve(arena, sizeof *shift);
    *seams = (SuTokenSeams){0};
    if (!shift) return false;
    if (*shift == 0) return true;
    if (*shift < 64 - MOST_BITS || *shift > 64 - LEAST_BITS) return false;
    seams->shift = (uint32_t)*shift;
    seams->bits = su_arena_carve(arena, sizeof *seams->bits << (58 - seams->shift));
    return seams->bits != NULL;
}
