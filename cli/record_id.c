#include "record_id.h"

#include "console.h"
#include "json_text.h"
#include "sutra_tools.h"

#include <stdlib.h>
#include <string.h>

void cli_id_as_json(CliOutput *output, const CliId *id)
{
    switch (id->kind) {
    case CLI_ID_NONE:
        cli_output_write(output, "null", 4);
        break;
    case CLI_ID_TEXT:
        cli_json_string(output, id->text, id->size);
        break;
    case CLI_ID_JSON_NUMBER:
        cli_output_write(output, id->text, id->size);
        break;
    case CLI_ID_JSON_STRING:
        cli_output_write(output, "\"", 1);
        cli_output_write(output, id->text, id->size);
        cli_output_write(output, "\"", 1);
    }
}

size_t cli_id_text(const CliId *id, char *text)
{
    size_t size = id->size;
    const SutraJsonField field = {
        .name = "", .kind = SUTRA_JSON_STRING, .raw = id->text, .raw_size = id->size};
    SutraError err;
    if (id->kind != CLI_ID_JSON_STRING || !memchr(id->text, '\\', id->size) ||
        sutra_json_text(&field, "", text, &size, &err) != SUTRA_OK) {
        size = id->size; /* of half a surrogate pair, the escapes */
        memcpy(text, id->text, size);
    }
    return size;
}

void cli_id_as_csv(CliOutput *output, const CliId *id)
{
    char *text = cli_alloc(id->size, 1);
    size_t size = cli_id_text(id, text), from = 0;
    bool quoted = false;
    for (size_t i = 0; i < size && !quoted; i++) quoted = strchr(",\"\r\n", text[i]) != NULL;
    if (quoted) cli_output_write(output, "\"", 1);
    for (size_t i = 0; i < size && quoted; i++) {
        if (text[i] != '"') continue;
        cli_output_write(output, text + from, i + 1 - from);
        from = i; /* once more */
    }
    cli_output_write(output, text + from, size - from);
    if (quoted) cli_output_write(output, "\"", 1);
    free(text);
}
