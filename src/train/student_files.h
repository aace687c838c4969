/* student_files.h - files of a student's folder, each written whole. */
#ifndef SU_STUDENT_FILES_H
#define SU_STUDENT_FILES_H

#include "base/json_file.h"

/* json NULL: out of memory. Errors: IO, MEMORY. */
SutraStatus su_student_json(const char *folder, const char *name, const json_t *json,
                            SutraError *err);

/* model.safetensors, of one tensor [rows, columns]. Errors: IO, MEMORY. */
SutraStatus su_student_tensor(const char *folder, const char *tensor, const float *values,
                              size_t rows, size_t columns, SutraError *err);

#endif
