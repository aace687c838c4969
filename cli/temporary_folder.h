/* temporary_folder.h - the folder below $TMPDIR for what a command keeps while it runs; only files
 * are put there. There is one at a time, and it is gone when the program ends, by the signals that
 * atomic_file.h catches too: the handler runs on the main thread, the one that writes the files. */
#ifndef CLI_TEMPORARY_FOLDER_H
#define CLI_TEMPORARY_FOLDER_H

#include "sutra.h"

/* *path is valid until the folder is removed. Errors: IO. */
SutraStatus cli_folder_make(const char **path, SutraError *err);
/* With all its files. Async-signal-safe; legal when there is none. */
void cli_folder_remove(void);

#endif
