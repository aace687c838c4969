/* Damaged SentencePiece models are refused by a line that says what and where, and what a whole one
 * holds is taken. The reference is compared by differential_classes.py and test_golden. */
#include "tokenizer/sentencepiece_model.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(bool holds, const char *what)
{
    if (holds) return;
    printf("FAILED: %s\n", what);
    failures++;
}

static const struct {
    const char *what, *data;
    size_t size;
    const char *message;
} damaged[] = {
    {"empty", "", 0, "no piece up to the end at byte 0"},
    {"text", "#version: 0.2\n", 14, "a field of an unknown type at byte 1"},
    {"number without end", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12,
     "a number of more than 10 bytes at byte 11"},
    {"number cut short", "\x0a\x80", 2, "a number is cut short at byte 2"},
    {"length beyond the file", "\x0a\x05\x0a\x01x", 5, "a field is longer than the file"},
    {"absurd length", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10,
     "a field is longer than the file"},
    {"length beyond the piece", "\x0a\x03\x0a\x02x", 5, "a field is longer than the file"},
    {"field 0", "\x02\x00", 2, "a field without a number"},
    {"a group", "\x0b", 1, "a field of an unknown type"},
    {"score cut short", "\x0a\x03\x15\x00\x00", 5, "a field is longer than the file"},
    {"score of infinity", "\x0a\x05\x15\x00\x00\x80\x7f", 7, "a score that is no number"},
    {"piece of no UTF-8", "\x0a\x03\x0a\x01\xff", 5, "a piece that is not UTF-8"},
    {"name of no UTF-8", "\x12\x04\xea\x02\x01\xff", 6, "a text that is not UTF-8"},
};

static void check_damaged(void)
{
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        SutraError err = {0};
        json_t *json = NULL;
        SutraStatus status =
            su_sentencepiece_read(damaged[i].data, damaged[i].size, "x.model", &json, &err);
        expect(status == SUTRA_E_FORMAT && !json, damaged[i].what);
        if (strstr(err.message, damaged[i].message)) continue;
        expect(false, err.message);
    }
}

/* Pieces "a" (unknown), "b" (user_defined, -1.5), "c" (control); model_type 2, byte_fallback, bos_id
 * -1, unk_piece "a"; a map of "xyz", no dummy prefix; and fields of every type that nobody knows. */
static const char whole[] = "\x0a\x05\x0a\x01"
                            "a\x18\x02"
                            "\x0a\x0a\x0a\x01"
                            "b\x15\x00\x00\xc0\xbf\x18\x04"
                            "\x0a\x05\x18\x03\x0a\x01"
                            "c"
                            "\x12\x15\x18\x02\x98\x02\x01\xc8\x02\xff\xff\xff\xff\xff\xff\xff"
                            "\xff\xff\x01\xea\x02\x01"
                            "a"
                            "\x1a\x07\x12\x03xyz\x18\x00"
                            "\xa0\x06\x01\xa1\x06zzzzzzzz\xa5\x06zzzz\xaa\x06\x01z";

static void check_whole(void)
{
    SutraError err = {0};
    json_t *json = NULL;
    SutraStatus status = su_sentencepiece_read(whole, sizeof whole - 1, "x.model", &json, &err);
    expect(status == SUTRA_OK, err.message);
    json_t *expected = json_pack(
        "{s:{s:s, s:[[s,f],[s,f],[s,f]]}, s:{s:s, s:s}, s:[{s:s,s:s,s:b,s:b},{s:s,s:s,s:b,s:b}], "
        "s:[i,i,i], s:{s:b, s:i, s:i, s:i, s:s, s:s, s:s, s:b, s:b, s:b}}",
        "model", "type", "BPE", "vocab", "a", 0.0, "b", -1.5, "c", 0.0, "normalizer", "type",
        "Precompiled", "precompiled_charsmap", "eHl6", "extra_special_tokens", "__type",
        "AddedToken", "content", "b", "normalized", 0, "special", 0, "__type", "AddedToken",
        "content", "c", "normalized", 0, "special", 1, "types", 2, 4, 3, "spec", "byte_fallback", 1,
        "unk_id", 0, "bos_id", -1, "eos_id", 2, "unk_piece", "a", "bos_piece", "<s>", "eos_piece",
        "</s>", "add_dummy_prefix", 0, "remove_extra_whitespaces", 1, "escape_whitespaces", 1);
    expect(expected && json_equal(json, expected), "what a whole model holds");
    json_decref(json);
    json_decref(expected);
}

/* Each start of the file is whole at a field's end, and damaged anywhere else. */
static void check_cuts(void)
{
    size_t taken = 0;
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        json_t *json = NULL;
        SutraStatus status = su_sentencepiece_read(whole, size, "x.model", &json, NULL);
        expect(status == SUTRA_OK || status == SUTRA_E_FORMAT, "status of a file cut short");
        expect((status == SUTRA_OK) == (json != NULL), "no result without success");
        taken += status == SUTRA_OK;
        json_decref(json);
    }
    expect(taken == 8, "cuts between fields are taken, others are not");
}

int main(void)
{
    check_damaged();
    check_whole();
    check_cuts();
    return failures != 0;
}
