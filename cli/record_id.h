/* record_id.h - the id of a record, as its input has it, to an output. */
#ifndef CLI_RECORD_ID_H
#define CLI_RECORD_ID_H

#include "atomic_file.h"

/* What an id is made of. */
typedef enum CliIdKind {
    CLI_ID_NONE = 0,
    CLI_ID_TEXT,        /* itself */
    CLI_ID_JSON_STRING, /* what stands between the quotes */
    CLI_ID_JSON_NUMBER
} CliIdKind;

typedef struct CliId {
    CliIdKind kind;
    const char *text; /* [size], valid UTF-8 */
    size_t size;
} CliId;

/* As a value of JSON: a number stays one; none is null. */
void cli_id_as_json(CliOutput *output, const CliId *id);
/* As a field of comma-separated values, quoted where it must be. */
void cli_id_as_csv(CliOutput *output, const CliId *id);

/* The id's text, which strings of JSON are decoded to; *text [id->size] is the caller's memory. */
size_t cli_id_text(const CliId *id, char *text);

#endif
