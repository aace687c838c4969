/* folder_claim.h - a folder that one holder at a time works in. */
#ifndef SU_FOLDER_CLAIM_H
#define SU_FOLDER_CLAIM_H

#include "base/status.h"

/* Makes the folder, or with `old` takes one that is there, and locks it until *lock is given to
 * su_folder_release; file systems without locks are let through. A link is not followed. Errors:
 * ARGUMENT (it is there; someone holds it; it is no folder), IO. */
SutraStatus su_folder_claim(const char *path, bool old, int *lock, SutraError *err);

/* -1: none is held. */
void su_folder_release(int lock);

/* Can entries be made in it? Errors: IO. */
SutraStatus su_folder_check_writable(const char *path, SutraError *err);

#endif
