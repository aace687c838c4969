#include "bundle_output.h"

#include "console.h"
#include "json_text.h"
#include "model_session.h"
#include "report_table.h"

#include <string.h>
#include <sys/stat.h>

static bool ends_in(const char *path, const char *ending)
{
    size_t size = strlen(path), tail = strlen(ending);
    return size > tail && strcmp(path + size - tail, ending) == 0;
}

bool cli_is_bundle_name(const char *path) { return ends_in(path, ".sutra"); }

bool cli_is_onnx_name(const char *path) { return ends_in(path, ".onnx"); }

SutraStatus cli_bundle_check(const char *input, const char *output, SutraError *err)
{
    struct stat from, to;
    if (stat(output, &to) != 0) return SUTRA_OK;
    if (S_ISDIR(to.st_mode)) return cli_raise(err, SUTRA_E_IO, "%s: Is a directory", output);
    if (stat(input, &from) == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "%s: the output is the model itself; give another name", output);
    return SUTRA_OK;
}

static void print_tables(CliOutput *out, bool json, const SutraBenchReport *report)
{
    for (size_t i = 0; report && i < sutra_bench_num_tables(report); i++) {
        SutraBenchTable table = sutra_bench_table(report, i);
        if (json) cli_output_print(out, ",");
        (json ? cli_json_table : cli_print_table)(out, &table);
    }
}

static void print_facts(CliOutput *out, const char *path, bool json, uint64_t size,
                        const char *digest, const SutraBenchReport *report)
{
    if (!json) print_tables(out, json, report);
    if (json) {
        cli_output_print(out, "{\"path\":");
        cli_json_string(out, path, strlen(path));
        if (size) cli_output_print(out, ",\"bytes\":%llu", (unsigned long long)size);
        if (*digest) cli_output_print(out, ",\"digest\":\"%s\"", digest);
        print_tables(out, json, report);
        cli_output_print(out, "}\n");
        return;
    }
    cli_output_write(out, path, strlen(path));
    if (size) cli_output_print(out, "  %llu bytes", (unsigned long long)size);
    if (*digest) cli_output_print(out, "  %s", digest);
    cli_output_write(out, "\n", 1);
}

SutraStatus cli_print_bundle(const char *path, bool json, const SutraBenchReport *report,
                             SutraError *err)
{
    CliSession session;
    CliOutput out;
    struct stat facts;
    CliModelArgs model = {.model = path, .no_cache = true};
    SutraStatus status = cli_session_open(&session, &model, false, err);
    if (status != SUTRA_OK) return status;
    bool bundle = *session.info.bundle && stat(path, &facts) == 0;
    status = cli_output_open(&out, NULL, false, err);
    if (status == SUTRA_OK) {
        print_facts(&out, path, json, bundle ? (uint64_t)facts.st_size : 0,
                    bundle ? session.info.bundle_digest : session.info.digest, report);
        status = cli_output_commit(&out, err);
    }
    cli_session_close(&session);
    return status;
}

SutraStatus cli_print_onnx(const char *path, bool json, SutraError *err)
{
    CliOutput out;
    struct stat facts;
    if (stat(path, &facts) != 0) return cli_raise(err, SUTRA_E_IO, "%s: no such file", path);
    SutraStatus status = cli_output_open(&out, NULL, false, err);
    if (status != SUTRA_OK) return status;
    print_facts(&out, path, json, (uint64_t)facts.st_size, "", NULL);
    return cli_output_commit(&out, err);
}
