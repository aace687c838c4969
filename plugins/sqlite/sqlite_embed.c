/* sqlite_embed.c - sutra_embed(text [, model [, options]]) and what goes with it. */
#include "sqlite_options.h"

static void free_options(void *user)
{
    SqlOptions *options = user;
    sql_options_clear(options);
    sqlite3_free(options);
}

/* Options of argument 2, read once where they are constant. *kept: they are SQLite's and not to be
 * cleared. */
static SutraStatus get_options(sqlite3_context *context, sqlite3_value *value, SqlOptions *options,
                               bool *kept, SutraError *err)
{
    const SqlOptions *known = sqlite3_get_auxdata(context, 2);
    *kept = known != NULL;
    if (known) {
        *options = *known;
        return SUTRA_OK;
    }
    SutraStatus status = sql_options_read(value, options, err);
    if (status != SUTRA_OK) return status;
    SqlOptions *copy = sqlite3_malloc64(sizeof *copy);
    if (!copy) return SUTRA_OK;
    *copy = *options;
    /* It may be freed at once, as for a value that is no constant. */
    sqlite3_set_auxdata(context, 2, copy, free_options);
    known = sqlite3_get_auxdata(context, 2);
    *kept = known != NULL;
    return known ? SUTRA_OK : sql_options_read(value, options, err);
}

static SutraStatus get_model(SqlConnection *connection, int count, sqlite3_value **values,
                             const SqlModel **model, SutraError *err)
{
    const char *name = NULL;
    SutraStatus status = SUTRA_OK;
    if (count > 1) status = sql_word(values[1], "the model", &name, err);
    if (status != SUTRA_OK) return status;
    return sql_models_get(connection->models, name, model, err);
}

/* One text into memory of SQLite's, *row, freed by sqlite3_free. */
static SutraStatus embed_text(SqlConnection *connection, const SqlModel *model,
                              const SqlOptions *options, const SutraInput *input, void **row,
                              size_t *size, SutraError *err)
{
    SutraEngine *engine;
    SutraItem item;
    SutraStatus status = sql_row_bytes(model, options, size, err);
    if (status == SUTRA_OK)
        status = sql_check_prompt(model, options, input->text, input->text_size, err);
    if (status == SUTRA_OK) status = sql_engine(&engine, err);
    if (status != SUTRA_OK) return status;
    *row = sqlite3_malloc64(*size);
    if (!*row) return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a vector");
    status =
        sutra_embed_into(engine, model->model, input, 1, &options->embed, *row, *size, &item, err);
    if (status == SUTRA_OK) {
        connection->truncated += (item.flags & SUTRA_ITEM_TRUNCATED) != 0;
    } else {
        sqlite3_free(*row);
        *row = NULL;
    }
    return status;
}

/* Of an SQL function's first argument; text NULL: the value is NULL, and so is the result. */
static SutraStatus get_text(sqlite3_value *value, SutraInput *input, SutraError *err)
{
    *input = (SutraInput){0};
    int type = sqlite3_value_type(value);
    if (type == SQLITE_NULL) return SUTRA_OK;
    if (type != SQLITE_TEXT)
        return sql_raise(err, SUTRA_E_ARGUMENT, "the text is %s: CAST(x AS TEXT) makes text of it",
                         sql_type_name(value));
    input->text = (const char *)sqlite3_value_text(value);
    input->text_size = (size_t)sqlite3_value_bytes(value);
    if (input->text) return SUTRA_OK;
    return sql_raise(err, SUTRA_E_MEMORY, "out of memory for a text");
}

void sql_embed(sqlite3_context *context, int count, sqlite3_value **values)
{
    SqlConnection *connection = sqlite3_user_data(context);
    SqlOptions options = {.embed = {.struct_size = sizeof options.embed}};
    const SqlModel *model;
    SutraInput input;
    SutraError err;
    void *row;
    size_t size;
    bool kept = true;
    SutraStatus status = get_text(values[0], &input, &err);
    if (status == SUTRA_OK && !input.text) return;
    if (status == SUTRA_OK && count > 2)
        status = get_options(context, values[2], &options, &kept, &err);
    if (status == SUTRA_OK) status = get_model(connection, count, values, &model, &err);
    input.prompt_name = options.prompt_name;
    if (status == SUTRA_OK)
        status = embed_text(connection, model, &options, &input, &row, &size, &err);
    if (status == SUTRA_OK)
        sqlite3_result_blob64(context, row, size, sqlite3_free);
    else
        sql_fail(context, "sutra_embed", &err);
    if (!kept) sql_options_clear(&options);
}

void sql_tokens(sqlite3_context *context, int count, sqlite3_value **values)
{
    SqlConnection *connection = sqlite3_user_data(context);
    SutraTokensView view = {.struct_size = sizeof view};
    SutraTokens *tokens = NULL;
    const SqlModel *model;
    SutraInput input;
    SutraError err;
    SutraStatus status = get_text(values[0], &input, &err);
    if (status == SUTRA_OK && !input.text) return;
    if (status == SUTRA_OK) status = get_model(connection, count, values, &model, &err);
    if (status == SUTRA_OK)
        status = sutra_tokenize(model->model, &input, 1, model->info.max_tokens, &tokens, &err);
    if (status == SUTRA_OK) status = sutra_tokens_view(tokens, &view, &err);
    if (status == SUTRA_OK)
        sqlite3_result_int64(context, view.tokens_seen[0]);
    else
        sql_fail(context, "sutra_tokens", &err);
    sutra_tokens_free(tokens);
}

void sql_truncated(sqlite3_context *context, int count, sqlite3_value **values)
{
    const SqlConnection *connection = sqlite3_user_data(context);
    (void)count, (void)values;
    sqlite3_result_int64(context, (sqlite3_int64)connection->truncated);
}

void sql_model(sqlite3_context *context, int count, sqlite3_value **values)
{
    SqlConnection *connection = sqlite3_user_data(context);
    const char *name;
    SutraError err;
    SutraStatus status = SUTRA_OK;
    if (count) {
        status = sql_word(values[0], "the model", &name, &err);
        if (status == SUTRA_OK) status = sql_models_choose(connection->models, name, &err);
    }
    if (status == SUTRA_OK)
        sqlite3_result_text(context, sql_models_default(connection->models), -1, SQLITE_TRANSIENT);
    else
        sql_fail(context, "sutra_model", &err);
}
