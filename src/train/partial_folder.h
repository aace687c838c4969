/* partial_folder.h - OUTPUT.partial as a run takes it and leaves it. */
#ifndef SU_PARTIAL_FOLDER_H
#define SU_PARTIAL_FOLDER_H

#include "base/status.h"

/* su_folder_claim of a folder that, where it is not new, an earlier run made. Errors: those, and
 * ARGUMENT (it holds what no run put there), MEMORY. */
SutraStatus su_partial_claim(const char *path, bool resume, int *lock, SutraError *err);

/* The state goes last: what is left by a run that dies here is known for its own. Errors: IO,
 * LIMIT, MEMORY. */
SutraStatus su_partial_remove(const char *path, SutraError *err);

#endif
