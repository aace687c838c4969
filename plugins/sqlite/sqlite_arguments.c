#include "sqlite_arguments.h"

int sql_table_connect(sqlite3 *db, void *connection, const char *declaration, sqlite3_vtab **table)
{
    int code = sqlite3_declare_vtab(db, declaration);
    if (code != SQLITE_OK) return code;
    SqlTable *made = sqlite3_malloc64(sizeof *made);
    if (!made) return SQLITE_NOMEM;
    *made = (SqlTable){.connection = connection};
    *table = &made->base;
    return SQLITE_OK;
}

int sql_table_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

/* Arguments go to xFilter in the order of their columns; idxNum has a bit for each. */
int sql_best_index(sqlite3_vtab *table, sqlite3_index_info *info, int first, const char *missing)
{
    int places[SQL_MOST_ARGUMENTS], next = 1;
    for (int i = 0; i < SQL_MOST_ARGUMENTS; i++) places[i] = -1;
    for (int i = 0; i < info->nConstraint; i++) {
        int argument = info->aConstraint[i].iColumn - first;
        if (argument < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
        if (!info->aConstraint[i].usable) return SQLITE_CONSTRAINT;
        places[argument] = i;
    }
    if (places[0] < 0) {
        sqlite3_free(table->zErrMsg);
        table->zErrMsg = sqlite3_mprintf("%s", missing);
        return SQLITE_ERROR;
    }
    for (int i = 0; i < SQL_MOST_ARGUMENTS; i++) {
        if (places[i] < 0) continue;
        info->aConstraintUsage[places[i]].argvIndex = next++;
        info->aConstraintUsage[places[i]].omit = 1;
        info->idxNum |= 1 << i;
    }
    info->estimatedCost = 1e6;
    info->estimatedRows = 1000;
    return SQLITE_OK;
}

int sql_arguments_copy(SqlArguments *arguments, int which, sqlite3_value **values)
{
    sql_arguments_clear(arguments);
    for (int i = 0; i < SQL_MOST_ARGUMENTS; i++) {
        if (!(which >> i & 1)) continue;
        arguments->values[i] = sqlite3_value_dup(*values++);
        if (!arguments->values[i]) return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

void sql_arguments_clear(SqlArguments *arguments)
{
    for (int i = 0; i < SQL_MOST_ARGUMENTS; i++) sqlite3_value_free(arguments->values[i]);
    *arguments = (SqlArguments){0};
}

static bool is_null(sqlite3_value *value)
{
    return !value || sqlite3_value_type(value) == SQLITE_NULL;
}

SutraStatus sql_argument_number(const SqlArguments *arguments, int place, const char *what,
                                uint32_t *number, SutraError *err)
{
    sqlite3_value *value = arguments->values[place];
    *number = 0;
    if (is_null(value)) return SUTRA_OK;
    sqlite3_int64 read =
        sqlite3_value_type(value) == SQLITE_INTEGER ? sqlite3_value_int64(value) : -1;
    if (read < 0 || read > UINT32_MAX)
        return sql_raise(err, SUTRA_E_ARGUMENT, "%s is not a whole number from 0", what);
    *number = (uint32_t)read;
    return SUTRA_OK;
}

SutraStatus sql_argument_model(const SqlArguments *arguments, SqlConnection *connection,
                               const SqlModel **model, SutraError *err)
{
    const char *name = NULL;
    SutraStatus status = SUTRA_OK;
    if (!is_null(arguments->values[1]))
        status = sql_word(arguments->values[1], "the model", &name, err);
    if (status != SUTRA_OK) return status;
    return sql_models_get(connection->models, name, model, err);
}

int sql_table_fail(sqlite3_vtab *table, const char *function, const SutraError *err)
{
    if (err->status == SUTRA_E_MEMORY) return SQLITE_NOMEM;
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sql_error_line(function, err);
    return table->zErrMsg ? SQLITE_ERROR : SQLITE_NOMEM;
}
