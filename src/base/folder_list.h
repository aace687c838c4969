/* folder_list.h - names of a folder's entries. */
#ifndef SU_FOLDER_LIST_H
#define SU_FOLDER_LIST_H

#include "sutra.h"

/* Entries whose name starts and ends so, sorted by bytes. names [count], freed by
 * su_folder_list_free. Errors: IO (names the folder), MEMORY. */
SutraStatus su_folder_list(const char *folder, const char *start, const char *end, char ***names,
                           size_t *count, SutraError *err);
void su_folder_list_free(char **names, size_t count);

#endif
