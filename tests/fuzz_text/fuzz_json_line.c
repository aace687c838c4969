/* The input is one line of JSON. What jansson takes for an object must be read, with the same text of
 * the field, but for a text that holds half of a surrogate pair: jansson refuses that everywhere. The
 * line lies in a block of its own, and is decoded in place, as a reader of files does. */
#include "support/fuzz.h"

#include "base/json_file.h"
#include "sutra_tools.h"

#include <string.h>

static const char name[] = "text";

/* jansson passes over a NUL behind a number; such lines are not compared. */
static json_t *load(const uint8_t *line, size_t size)
{
    if (size && memchr(line, '\0', size)) return NULL;
    json_t *root = json_loadb((const char *)line, size, JSON_ALLOW_NUL, NULL);
    if (json_is_object(root)) return root;
    json_decref(root);
    return NULL;
}

/* What jansson finds; the last of equal keys counts there too. */
static void compare(const json_t *root, SutraStatus status, SutraJsonKind kind, const char *text,
                    size_t text_size)
{
    const json_t *value = json_object_get(root, name);
    if ((kind == SUTRA_JSON_ABSENT) != !value || (kind == SUTRA_JSON_NULL) != json_is_null(value) ||
        (kind == SUTRA_JSON_STRING) != json_is_string(value))
        abort();
    if (!json_is_string(value)) return;
    if (status != SUTRA_OK || json_string_length(value) != text_size) abort();
    if (memcmp(json_string_value(value), text, text_size) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SutraError err = {0};
    SutraJsonField field = {.name = name};
    char names[40];
    size_t text_size = 0, skip;
    char *line = malloc(size ? size : 1);
    if (!line) abort();
    if (size) memcpy(line, data, size);
    SutraStatus status = sutra_text_start(line, size, "line", &skip, &err);
    fuzz_check_error(status, &err);
    if (status == SUTRA_OK && skip > size) abort();
    err = (SutraError){0};
    sutra_json_line_names(line, size, names, sizeof names);
    if (strlen(names) >= sizeof names) abort();
    status = sutra_json_line(line, size, "line", &field, 1, &err);
    fuzz_check_error(status, &err);
    json_t *root = load(data, size);
    if (status == SUTRA_OK) {
        char *text = line + (field.raw ? field.raw - line : 0);
        status = sutra_json_text(&field, "line", text, &text_size, &err);
        fuzz_check_error(status, &err);
        if (text_size > field.raw_size) abort();
        if (root) compare(root, status, field.kind, text, text_size);
    } else if (root)
        abort();
    json_decref(root);
    free(line);
    return 0;
}
