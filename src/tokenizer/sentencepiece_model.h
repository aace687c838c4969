/* sentencepiece_model.h - the file that SentencePiece writes: a ModelProto in protobuf's wire
 * format (sentencepiece_model.proto; protobuf's "Encoding"). Of it:
 *
 *   1 pieces, each: 1 piece (text), 2 score (float), 3 type (1 normal, 2 unknown, 3 control,
 *                   4 user_defined, 5 unused, 6 byte)
 *   2 trainer_spec: 3 model_type (1 Unigram), 35 byte_fallback, 40 unk_id, 41 bos_id, 42 eos_id,
 *                   45 unk_piece, 46 bos_piece, 47 eos_piece
 *   3 normalizer_spec: 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces,
 *                   5 escape_whitespaces
 *
 * Fields that are not listed are passed over. */
#ifndef SU_SENTENCEPIECE_MODEL_H
#define SU_SENTENCEPIECE_MODEL_H

#include "base/json_file.h"

enum { SU_PIECE_NORMAL = 1, SU_PIECE_CONTROL = 3, SU_PIECE_USER_DEFINED = 4 };

/* *json, to be json_decref'd, has what transformers takes from the file, as tokenizer.json would
 * hold it, the tokens that it adds, as tokenizer_config.json would, and options by their names:
 *
 *   {"model": {"type": "Unigram", of another model_type "BPE", "vocab": [[piece, score], …]},
 *    "normalizer": {"type": "Precompiled", …}, absent where the file has no map,
 *    "extra_special_tokens": [{"__type": "AddedToken", …}, …], control and user_defined pieces,
 *    "types": [type, …], as many as pieces,
 *    "spec": {"byte_fallback": …}, the fields above behind model_type and the map}
 *
 * Errors: FORMAT (damaged, no pieces, a text that is not UTF-8, a score that is no number), LIMIT
 * (1 GiB), MEMORY. */
SutraStatus su_sentencepiece_read(const void *data, size_t size, const char *where, json_t **json,
                                  SutraError *err);

#endif
