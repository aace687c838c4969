/* text_reader.h - the texts a command works on, a block at a time: lines of a file or of standard
 * input, a field of JSON lines or of comma- or tab-separated records, or the command's arguments.
 *
 * Lines end with "\n" and with nothing else: "\r", U+0085, U+2028 and NUL are part of a text. A
 * last line without "\n" counts; the end of a file after "\n" is not one more line. A byte order
 * mark of UTF-8 at the start is passed over. An empty line is an empty text; but among JSON lines,
 * one of blanks, tabs and "\r" at most is no record, and has no number. Memory is bounded by the
 * block and the longest line, whatever the size of the input. The first of separated records names
 * the fields, which all others must have; a blank line among them is no record.
 *
 *   buffer  | texts of the block, with their "\n" | scanned | read, not scanned | free |
 *           0                                   block end  scan              filled  capacity
 *
 * Strings of JSON and quoted fields are decoded where they lie. Every record is checked to be valid
 * UTF-8. What is no text is an error that ends reading, or, if so wished, a reject of the block.
 * Packed input is unpacked (byte_source.h). */
#ifndef CLI_TEXT_READER_H
#define CLI_TEXT_READER_H

#include "byte_source.h"
#include "csv_record.h"
#include "record_id.h"

#define CLI_LONGEST_LINE ((size_t)256 << 20)
/* That a command takes whole. */
enum { CLI_MOST_TEXTS = 1 << 20 };

typedef struct CliSpan {
    size_t start, size; /* the text */
    size_t id_start, id_size;
    CliIdKind id_kind;
    uint64_t line;  /* from 0 */
    uint64_t index; /* of the record among those of the input, from 0 */
} CliSpan;

/* A record that is no text. */
typedef struct CliReject {
    uint64_t line, index; /* from 0 */
    char *reason;         /* without file and line */
} CliReject;

/* WORDS: by the file's name, "corpus.csv.gz", else lines, or JSON lines where a field is named. */
#define CLI_LAYOUT_WORDS "text|jsonl|csv|tsv"
typedef enum CliLayout {
    CLI_LAYOUT_GUESS = 0,
    CLI_LAYOUT_LINES,
    CLI_LAYOUT_JSONL,
    CLI_LAYOUT_CSV,
    CLI_LAYOUT_TSV
} CliLayout;

typedef struct CliRecordOptions {
    CliLayout layout;
    const char *field;      /* name of the texts' field, of all but lines */
    const char *id;         /* name of another field; NULL: none */
    uint64_t shard, shards; /* only records shard, shard + shards, … from 0; shards 0: all */
    bool rejects;           /* what is no text is put into the block's rejects */
} CliRecordOptions;

/* Memory of one block. A zeroed one is empty. */
typedef struct CliTextStore {
    char *buffer;
    size_t capacity;
    CliSpan *spans;     /* of the block, into buffer */
    SutraInput *inputs; /* of the block */
    uint64_t *numbers;  /* of the block */
    size_t spans_capacity;
    CliReject *rejects; /* of the block */
    size_t num_rejects, rejects_capacity;
} CliTextStore;

typedef struct CliReader {
    CliSource source;
    CliRecordOptions records; /* its layout is no longer to be guessed */
    char **arguments;         /* texts of the command line, or NULL */
    size_t num_arguments;

    bool begun, patient; /* patient: waits for slow writers */
    bool skipping;       /* what follows belongs to a line that was too long */
    CliCsvScan csv;
    size_t num_columns, text_column, id_column; /* of separated records */
    CliTextStore own;
    CliTextStore *store; /* of the last block; its buffer holds what was read past that */
    size_t block_end, scan, filled;
    uint64_t next_text;   /* number of the next block's first text, from 0 */
    uint64_t next_line;   /* number of the next line, from 0 */
    uint64_t next_record; /* number of the next record, other shards' and rejects included */
} CliReader;

/* Borrowed from the store that it was read into, until that is used again. */
typedef struct CliBlock {
    SutraInput *inputs; /* [count] */
    size_t count;       /* 0, and no rejects: the end */
    size_t num_rejects;
    const CliReject *rejects; /* [num_rejects] */
    uint64_t next_record;     /* number of the first record that is in no block so far */
    size_t duplicates;        /* inputs [count … count + duplicates) need no embedding */
    uint64_t *numbers;        /* [count + duplicates] of their texts (text_dedupe.h) */
    unsigned char digest[16]; /* of all records of the input up to the block's end */
    uint64_t first;           /* number of the first text, from 0 */
    uint64_t bytes;           /* of the input, up to the block's end, packed as it lies there */
    CliSpan *spans;           /* [count + duplicates] */
    const char *data;         /* what the spans lie in */
    const CliReader *reader;
} CliBlock;

/* path "-": standard input. field may be NULL; else the input is JSON lines. Errors: IO. */
SutraStatus cli_reader_open(CliReader *reader, const char *path, const char *field,
                            SutraError *err);
/* Borrows what options point to. */
SutraStatus cli_reader_open_records(CliReader *reader, const char *path,
                                    const CliRecordOptions *options, SutraError *err);
void cli_reader_open_arguments(CliReader *reader, char **arguments, size_t count);

/* The next texts: at most max_texts, and no more once they have max_bytes; from a pipe or terminal,
 * what is there already, so that a slow writer gets its answers at once. Errors: IO; ARGUMENT (not
 * valid UTF-8), FORMAT (JSON; no text in UTF-8 at all; packed data that are damaged or cut off),
 * LIMIT (line too long), naming file and line; CANCELLED (source.stop_fd). */
SutraStatus cli_reader_next(CliReader *reader, size_t max_texts, size_t max_bytes, CliBlock *block,
                            SutraError *err);
/* The same into another store than the reader's own. The store of the block before must be as it
 * was left. */
SutraStatus cli_reader_next_into(CliReader *reader, CliTextStore *store, size_t max_texts,
                                 size_t max_bytes, CliBlock *block, SutraError *err);
/* True if it is known that no text follows the last block. */
bool cli_reader_at_end(const CliReader *reader);
void cli_store_free(CliTextStore *store);
/* Opens a file of texts, one a line, and reads all of it, however slowly it comes. Errors: those of
 * the two above; ARGUMENT (no text), LIMIT (more than CLI_MOST_TEXTS). */
SutraStatus cli_reader_all(CliReader *reader, const char *path, CliBlock *block, SutraError *err);
SutraStatus cli_reader_all_records(CliReader *reader, const char *path,
                                   const CliRecordOptions *options, CliBlock *block,
                                   SutraError *err);
void cli_reader_close(CliReader *reader);

/* Line of text i of the block, from 1; of arguments, which of them. */
uint64_t cli_block_line(const CliBlock *block, size_t i);
/* "FILE:LINE" or "text N" of text i of the block. */
void cli_block_where(const CliBlock *block, size_t i, char *where, size_t capacity);

#endif
