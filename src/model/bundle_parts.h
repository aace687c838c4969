/* bundle_parts.h - what a bundle's reader and its writer share: names of its sections, and the
 * section of the spec (bundle_spec.c). */
#ifndef SU_BUNDLE_PARTS_H
#define SU_BUNDLE_PARTS_H

#include "base/byte_codec.h"
#include "model/model.h"

#define SU_SECTION_SPEC "model.spec"
#define SU_SECTION_FACTS "model.facts"
#define SU_SECTION_SOURCE "model.source"
#define SU_SECTION_TENSORS "model.tensors"
#define SU_SECTION_TOKENIZER "tokenizer"
#define SU_SECTION_TENSOR "tensor.%u"

/* The packed weights, embedding tables and their scales, dense heads; of SutraModel.heads. */
enum { SU_BUNDLE_ROLES = 12, SU_BUNDLE_MAX_HEADS = 8, SU_BUNDLE_MAX_TENSORS = 32 };

/* `path` is the bundle's, for messages. Errors: UNSUPPORTED (names what a bundle cannot hold). */
SutraStatus su_bundle_write_spec(const SutraSpec *spec, const char *path, SuByteWriter *to,
                                 SutraError *err);
/* Fills model->spec and the arrays of the model that it points to. Errors: FORMAT, UNSUPPORTED
 * (another version), MEMORY. */
SutraStatus su_bundle_read_spec(SutraModel *model, SuByteReader reader, const char *path,
                                SutraError *err);

#endif
