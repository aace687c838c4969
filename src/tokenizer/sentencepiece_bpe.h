/* sentencepiece_bpe.h - the BPE that transformers makes of a SentencePiece model, whose file has no
 * merges: each way to cut a piece into two others is one. Their order:
 *
 *   of classes that are BPEs    by the piece's id, of any type
 *   of the generic class        by the piece's score, the highest first, then by its id; pieces and
 *                               their parts are of type normal
 *
 * and of one piece, the shorter left part first. */
#ifndef SU_SENTENCEPIECE_BPE_H
#define SU_SENTENCEPIECE_BPE_H

#include "base/json_file.h"

/* model: an object that "vocab" {text: id, …} and "merges" [[left, right], …] are put into.
 * pieces: what su_sentencepiece_read gives. texts: of pieces by id, where they aren't the file's;
 * else NULL. Errors: FORMAT (a text twice, or with a NUL), MEMORY. */
SutraStatus su_sentencepiece_bpe(const json_t *pieces, const json_t *texts, bool by_score,
                                 json_t *model, const char *where, SutraError *err);

#endif
