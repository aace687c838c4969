/* bad_row.h - model folders that do not open: a change to one file of a sound one, and the error. */
#ifndef BAD_ROW_H
#define BAD_ROW_H

#include "model/open_model.h"

static void expect_path_error(const char *path, SutraStatus status, const char *words)
{
    SutraModel *model = (SutraModel *)&status;
    SutraError err = {0};
    if (su_model_open(path, NULL, &model, &err) != status)
        fail_msg("status %s (%s), expected %s with '%s'", sutra_status_name(err.status),
                 err.message, sutra_status_name(status), words);
    assert_null(model);
    assert_int_equal(err.status, status);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in: %s", words, err.message);
    if (*path && !strstr(err.message, path)) fail_msg("%s is not in: %s", path, err.message);
}

/* A change to one file: `text` replaces the keys of an object (if it begins with '+'), else the
 * whole file; NULL deletes it. */
static void change(const char *file, const char *text)
{
    if (!text)
        folder_delete(folder, file);
    else if (*text == '+')
        folder_patch(folder, file, text + 1);
    else
        folder_write_text(folder, file, text);
}

typedef struct BadRow {
    const char *file, *text;
    SutraStatus status;
    const char *words;
} BadRow;

static void expect_errors(const BadRow *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fresh_model();
        change(rows[i].file, rows[i].text);
        expect_path_error(folder, rows[i].status, rows[i].words);
        drop_model();
    }
}
#define EXPECT_ERRORS(rows) expect_errors(rows, sizeof rows / sizeof *rows)

#endif
