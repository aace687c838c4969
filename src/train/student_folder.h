/* student_folder.h - what students are as folders: the teacher with one more module, or a table of
 * token vectors. */
#ifndef SU_STUDENT_FOLDER_H
#define SU_STUDENT_FOLDER_H

#include "base/status.h"
#include "container/container.h"

#include <stddef.h>

/* Digests of the tokenizer's files, and of all others that a student gets. Errors: IO, MEMORY. */
SutraStatus su_teacher_digest(const char *teacher, SuDigest *model, SuDigest *tokenizer,
                              SutraError *err);

/* A folder with the files of `teacher` and a Dense module of weights [out, in] behind all modules
 * but Normalize. Errors: IO, FORMAT, MEMORY. */
SutraStatus su_student_write(const char *teacher, const char *folder, const float *weights,
                             size_t in, size_t out, SutraError *err);

/* A folder of the modules StaticEmbedding, a table of weights [vocab, dim] under the teacher's
 * tokenizer, which no longer cuts texts, and Normalize. Errors: IO, FORMAT, MEMORY. */
SutraStatus su_student_write_table(const char *teacher, const char *folder, const float *weights,
                                   size_t vocab, size_t dim, SutraError *err);
/* Errors: UNSUPPORTED: the teacher has no tokenizer.json, which such a folder needs. */
SutraStatus su_student_has_tokenizer(const char *teacher, SutraError *err);

#endif
