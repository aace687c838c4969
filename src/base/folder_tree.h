/* folder_tree.h - folders with all that is in them. */
#ifndef SU_FOLDER_TREE_H
#define SU_FOLDER_TREE_H

#include "base/status.h"

/* Whether an entry is taken; name is relative to the tree's root. */
typedef bool (*SuTreeFilter)(const char *name, bool is_folder);

/* Called with the path of each file, in the order of names, and its name relative to the root. */
typedef SutraStatus (*SuTreeVisit)(void *user, const char *path, const char *name, SutraError *err);

enum { SU_TREE_DEPTH = 8 };

/* Links are followed. Errors: IO, LIMIT (more than SU_TREE_DEPTH folders deep), MEMORY, those of
 * visit. */
SutraStatus su_tree_visit(const char *root, SuTreeFilter filter, SuTreeVisit visit, void *user,
                          SutraError *err);

/* The bytes of every file. `to` is created. Errors: as above. */
SutraStatus su_tree_copy(const char *from, const char *to, SuTreeFilter filter, SutraError *err);

/* What is not there is removed already; links are not followed. Errors: IO, LIMIT, MEMORY. */
SutraStatus su_tree_remove(const char *path, SutraError *err);

/* `to` must not exist. Errors: IO. */
SutraStatus su_tree_rename(const char *from, const char *to, SutraError *err);

#endif
