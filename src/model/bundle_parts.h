/* bundle_parts.h - names of a bundle's sections, shared by its reader and its writer. */
#ifndef SU_BUNDLE_PARTS_H
#define SU_BUNDLE_PARTS_H

#define SU_SECTION_SPEC "model.spec"
#define SU_SECTION_FACTS "model.facts"
#define SU_SECTION_SOURCE "model.source"
#define SU_SECTION_TENSORS "model.tensors"
#define SU_SECTION_TOKENIZER "tokenizer"
#define SU_SECTION_TENSOR "tensor.%u"

/* Embedding tables and their scales; what is read. */
enum { SU_BUNDLE_TABLES = 5, SU_BUNDLE_MAX_TENSORS = 16 };

#endif
