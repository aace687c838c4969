#include "json_text.h"

#include "sutra_tools.h"

void cli_json_string(CliOutput *output, const char *text, size_t size)
{
    cli_output_write(output, "\"", 1);
    for (size_t at = 0, used; at < size; at += used) {
        char *room = cli_output_room(output, CLI_OUTPUT_ROOM);
        cli_output_fill(output,
                        sutra_json_escape(text + at, size - at, room, CLI_OUTPUT_ROOM, &used));
    }
    cli_output_write(output, "\"", 1);
}

void cli_json_quote(const char *text, size_t size, char *quoted, size_t capacity)
{
    size_t used, written = sutra_json_escape(text, size, quoted + 1, capacity - 3, &used);
    quoted[0] = '"';
    quoted[written + 1] = '"';
    quoted[written + 2] = '\0';
}
