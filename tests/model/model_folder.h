/* model_folder.h - model folders for tests: scratch copies of tests/data/golden, changed as a test
 * wants them. Failures end the process. */
#ifndef MODEL_FOLDER_H
#define MODEL_FOLDER_H

#include <jansson.h>
#include <stddef.h>

/* A new empty folder under $TMPDIR or /tmp; free() the path after folder_remove. */
char *folder_scratch(void);
void folder_remove(const char *folder); /* with everything in it */

/* Copies everything in `from` to the existing folder `to`, over what is there. */
void folder_copy(const char *from, const char *to);

/* `name` may hold folders; they are made. */
void folder_write(const char *folder, const char *name, const void *data, size_t size);
void folder_write_text(const char *folder, const char *name, const char *text);
/* Replaces the keys of a JSON object in a file by those of `changes`. */
void folder_patch(const char *folder, const char *name, const char *changes);
void folder_delete(const char *folder, const char *name);
/* The whole file; free(). */
void *folder_read(const char *folder, const char *name, size_t *size);
json_t *folder_read_json(const char *folder, const char *name);

/* Lays out `name` of a group of the goldens ("variants", "rerankers") in the empty folder `to`;
 * *expected is its expected.json. */
void folder_assemble(const char *group, const char *name, const char *to, json_t **expected);

#define GOLDEN_FOLDER SU_SOURCE_DIR "/tests/data/golden"

#endif
