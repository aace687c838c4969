/* sentencepiece_model.h - the file that SentencePiece writes: a ModelProto in protobuf's wire
 * format (sentencepiece_model.proto; protobuf's "Encoding"). Of it:
 *
 *   1 pieces, each: 1 piece (text), 2 score (float), 3 type (1 normal, 2 unknown, 3 control,
 *                   4 user_defined, 5 unused, 6 byte)
 *   2 trainer_spec: 3 model_type (1 Unigram)
 *   3 normalizer_spec: 2 precompiled_charsmap
 *
 * Fields that are not listed are passed over. */
#ifndef SU_SENTENCEPIECE_MODEL_H
#define SU_SENTENCEPIECE_MODEL_H

#include "base/json_file.h"

/* *json, to be json_decref'd, has what transformers takes from the file, as tokenizer.json would
 * hold it, and the tokens that it adds, as tokenizer_config.json would:
 *
 *   {"model": {"type": "Unigram", of another model_type "BPE", "vocab": [[piece, score], …]},
 *    "normalizer": {"type": "Precompiled", …}, absent where the file has no map,
 *    "extra_special_tokens": [{"__type": "AddedToken", …}, …], control and user_defined pieces}
 *
 * Errors: FORMAT (damaged, no pieces, a piece that is not UTF-8, a score that is no number), LIMIT
 * (1 GiB), MEMORY. */
SutraStatus su_sentencepiece_read(const void *data, size_t size, const char *where, json_t **json,
                                  SutraError *err);

#endif
