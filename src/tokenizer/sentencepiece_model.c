#include "tokenizer/sentencepiece_model.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { MODEL_UNIGRAM = 1 };

/* ---- protobuf's wire format: fields, each a key and a value ---- */

typedef enum WireType {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
} WireType;

typedef struct Message {
    const unsigned char *at, *end;
    const unsigned char *file; /* its start, for the place in messages */
    const char *where;
} Message;

typedef struct Field {
    uint64_t number;
    WireType type;
    uint64_t value;            /* of a varint */
    const unsigned char *data; /* [size] of the other types */
    size_t size;
} Field;

static SutraStatus damaged(const Message *message, const char *what, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_FORMAT, "%s: not a SentencePiece model: %s at byte %zu", message->where,
             what, (size_t)(message->at - message->file));
}

static SutraStatus read_varint(Message *message, uint64_t *value, SutraError *err)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (message->at == message->end) return damaged(message, "a number is cut short", err);
        unsigned char byte = *message->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return SUTRA_OK;
    }
    return damaged(message, "a number of more than 10 bytes", err);
}

static SutraStatus read_field(Message *message, Field *field, SutraError *err)
{
    uint64_t key, size = 0;
    SU_TRY(read_varint(message, &key, err));
    *field = (Field){.number = key >> 3, .type = (WireType)(key & 7)};
    if (field->number == 0 || field->number > (1u << 29) - 1)
        return damaged(message, "a field without a number", err);
    switch (field->type) {
    case WIRE_VARINT:
        return read_varint(message, &field->value, err);
    case WIRE_FIXED64:
        size = 8;
        break;
    case WIRE_FIXED32:
        size = 4;
        break;
    case WIRE_BYTES:
        SU_TRY(read_varint(message, &size, err));
        break;
    default:
        return damaged(message, "a field of an unknown type", err);
    }
    if (size > (size_t)(message->end - message->at))
        return damaged(message, "a field is longer than the file", err);
    field->data = message->at;
    field->size = (size_t)size;
    message->at += size;
    return SUTRA_OK;
}

static Message inside(const Message *message, const Field *field)
{
    return (Message){field->data, field->data + field->size, message->file, message->where};
}

/* ---- pieces ---- */

typedef struct Piece {
    const unsigned char *text;
    size_t size;
    float score;
    uint64_t type;
} Piece;

static float as_float(const unsigned char *data)
{
    uint32_t bits = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
                    (uint32_t)data[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static SutraStatus read_piece(Message message, Piece *piece, SutraError *err)
{
    *piece = (Piece){.text = message.at, .type = SU_PIECE_NORMAL};
    while (message.at < message.end) {
        Field field;
        SU_TRY(read_field(&message, &field, err));
        if (field.number == 1 && field.type == WIRE_BYTES) {
            piece->text = field.data;
            piece->size = field.size;
        } else if (field.number == 2 && field.type == WIRE_FIXED32) {
            piece->score = as_float(field.data);
        } else if (field.number == 3 && field.type == WIRE_VARINT) {
            piece->type = field.value;
        }
    }
    if (!isfinite(piece->score)) return damaged(&message, "a score that is no number", err);
    return SUTRA_OK;
}

static SutraStatus out_of_memory(const char *where, SutraError *err)
{
    SU_RAISE(err, SUTRA_E_MEMORY, "%s: out of memory", where);
}

/* A control or user_defined piece as a token. */
static bool add_token(const Piece *piece, json_t *text, json_t *extra)
{
    if (piece->type != SU_PIECE_CONTROL && piece->type != SU_PIECE_USER_DEFINED) return true;
    json_t *token = json_pack("{s:s, s:O, s:b, s:b}", "__type", "AddedToken", "content", text,
                              "normalized", 0, "special", piece->type == SU_PIECE_CONTROL);
    return token && json_array_append_new(extra, token) == 0;
}

static SutraStatus add_piece(const Message *message, const Field *field, json_t *root,
                             SutraError *err)
{
    Piece piece;
    SU_TRY(read_piece(inside(message, field), &piece, err));
    json_t *text = json_stringn((const char *)piece.text, piece.size);
    if (!text) return damaged(message, "a piece that is not UTF-8, before", err);
    json_t *item = json_pack("[O, f]", text, (double)piece.score);
    json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
    bool added = item && json_array_append_new(vocab, item) == 0 &&
                 json_array_append_new(json_object_get(root, "types"),
                                       json_integer((json_int_t)piece.type)) == 0 &&
                 add_token(&piece, text, json_object_get(root, "extra_special_tokens"));
    json_decref(text);
    return added ? SUTRA_OK : out_of_memory(message->where, err);
}

/* ---- trainer_spec, normalizer_spec: fields of a number or a text ---- */

typedef enum Kind { KIND_MODEL, KIND_FLAG, KIND_NUMBER, KIND_TEXT } Kind;

typedef struct Option {
    uint64_t number;
    Kind kind;
    const char *key;
} Option;

static const Option trainer_options[] = {
    {3, KIND_MODEL, "model_type"}, {35, KIND_FLAG, "byte_fallback"}, {40, KIND_NUMBER, "unk_id"},
    {41, KIND_NUMBER, "bos_id"},   {42, KIND_NUMBER, "eos_id"},      {45, KIND_TEXT, "unk_piece"},
    {46, KIND_TEXT, "bos_piece"},  {47, KIND_TEXT, "eos_piece"},     {0}};
static const Option normalizer_options[] = {{3, KIND_FLAG, "add_dummy_prefix"},
                                            {4, KIND_FLAG, "remove_extra_whitespaces"},
                                            {5, KIND_FLAG, "escape_whitespaces"},
                                            {0}};

static json_t *option_value(const Option *option, const Field *field)
{
    if (option->kind == KIND_TEXT) return json_stringn((const char *)field->data, field->size);
    if (option->kind == KIND_FLAG) return json_boolean(field->value != 0);
    if (option->kind == KIND_NUMBER) return json_integer((int32_t)(uint32_t)field->value);
    return json_string(field->value == MODEL_UNIGRAM ? "Unigram" : "BPE");
}

static SutraStatus read_option(const Message *message, const Option *options, const Field *field,
                               json_t *root, SutraError *err)
{
    const Option *option = options;
    while (option->number && option->number != field->number) option++;
    bool fits = field->type == (option->kind == KIND_TEXT ? WIRE_BYTES : WIRE_VARINT);
    if (!option->number || !fits) return SUTRA_OK;
    bool of_model = option->kind == KIND_MODEL;
    json_t *to = json_object_get(root, of_model ? "model" : "spec");
    json_t *value = option_value(option, field);
    if (!value && option->kind == KIND_TEXT)
        return damaged(message, "a text that is not UTF-8, before", err);
    if (!value || json_object_set_new(to, of_model ? "type" : option->key, value))
        return out_of_memory(message->where, err);
    return SUTRA_OK;
}

static SutraStatus read_trainer(Message message, json_t *root, SutraError *err)
{
    while (message.at < message.end) {
        Field field;
        SU_TRY(read_field(&message, &field, err));
        SU_TRY(read_option(&message, trainer_options, &field, root, err));
    }
    return SUTRA_OK;
}

/* ---- the map of characters ---- */

/* RFC 4648 with padding; to be su_free'd. */
static char *as_base64(const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = su_alloc(size / 3 + 1, 4), *at = text;
    if (!text) return NULL;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16;
        if (i + 1 < size) bits |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < size) bits |= data[i + 2];
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < size ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[bits & 63] : '=';
    }
    return text;
}

static SutraStatus set_charsmap(const Message *message, const Field *field, json_t *root,
                                SutraError *err)
{
    json_object_del(root, "normalizer");
    if (field->size == 0) return SUTRA_OK;
    char *text = as_base64(field->data, field->size);
    json_t *map = text ? json_pack("{s:s, s:s#}", "type", "Precompiled", "precompiled_charsmap",
                                   text, (int)((field->size + 2) / 3 * 4))
                       : NULL;
    su_free(text);
    if (!map || json_object_set_new(root, "normalizer", map))
        return out_of_memory(message->where, err);
    return SUTRA_OK;
}

static SutraStatus read_normalizer(Message message, json_t *root, SutraError *err)
{
    while (message.at < message.end) {
        Field field;
        SU_TRY(read_field(&message, &field, err));
        if (field.number == 2 && field.type == WIRE_BYTES)
            SU_TRY(set_charsmap(&message, &field, root, err));
        SU_TRY(read_option(&message, normalizer_options, &field, root, err));
    }
    return SUTRA_OK;
}

/* ---- the file ---- */

static SutraStatus read_model(Message message, json_t *root, SutraError *err)
{
    while (message.at < message.end) {
        Field field;
        SU_TRY(read_field(&message, &field, err));
        if (field.type != WIRE_BYTES) continue;
        if (field.number == 1) SU_TRY(add_piece(&message, &field, root, err));
        if (field.number == 2) SU_TRY(read_trainer(inside(&message, &field), root, err));
        if (field.number == 3) SU_TRY(read_normalizer(inside(&message, &field), root, err));
    }
    if (json_array_size(json_object_get(root, "types")) == 0)
        return damaged(&message, "no piece up to the end", err);
    return SUTRA_OK;
}

/* With the proto's defaults. */
static json_t *make_root(void)
{
    return json_pack("{s:{s:s, s:[]}, s:[], s:[], s:{s:b, s:i, s:i, s:i, s:s, s:s, s:s, s:b, s:b, "
                     "s:b}}",
                     "model", "type", "Unigram", "vocab", "types", "extra_special_tokens", "spec",
                     "byte_fallback", 0, "unk_id", 0, "bos_id", 1, "eos_id", 2, "unk_piece",
                     "<unk>", "bos_piece", "<s>", "eos_piece", "</s>", "add_dummy_prefix", 1,
                     "remove_extra_whitespaces", 1, "escape_whitespaces", 1);
}

SutraStatus su_sentencepiece_read(const void *data, size_t size, const char *where, json_t **json,
                                  SutraError *err)
{
    const unsigned char *bytes = data;
    *json = NULL;
    if (size >= INT32_MAX / 2) SU_RAISE(err, SUTRA_E_LIMIT, "%s: larger than 1 GiB", where);
    json_t *root = make_root();
    if (!root) return out_of_memory(where, err);
    SutraStatus status = read_model((Message){bytes, bytes + size, bytes, where}, root, err);
    if (status == SUTRA_OK)
        *json = root;
    else
        json_decref(root);
    return status;
}
