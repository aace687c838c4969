/* same_file.h - whether two paths mean one file. */
#ifndef CLI_SAME_FILE_H
#define CLI_SAME_FILE_H

#include <stdbool.h>

/* One file by whatever names, or, of files that need not exist, the same name in one folder. False
 * of devices and pipes, and of "-", which is no path. */
bool cli_is_same_file(const char *a, const char *b);

#endif
