#include "engine_plan.h"

#include "atomic_file.h"
#include "console.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEW_TEXTS = 64 }; /* so many are embedded before two devices are measured */

static bool is_auto(const CliModelArgs *args)
{
    return args->device && strcmp(args->device, "auto") == 0;
}

/* Among others of a list. */
static bool lists_auto(const char *devices)
{
    for (const char *at = devices; at && strchr(devices, ',');) {
        size_t size = strcspn(at, ",");
        if (size == 4 && strncmp(at, "auto", size) == 0) return true;
        at = at[size] ? at + size + 1 : NULL;
    }
    return false;
}

bool cli_leaves_processor(const CliModelArgs *args)
{
    const char *at = args->device ? args->device : "";
    while (*at) {
        size_t size = strcspn(at, ",");
        bool processor = strncmp(at, "cpu", 3) == 0 && strchr(",:@", at[3]);
        if (!processor) return true;
        at += size + (at[size] == ',');
    }
    return false;
}

/* ---- plugins ---- */

static bool holds_plugins(const char *folder)
{
    const struct dirent *entry;
    bool found = false;
    DIR *directory = opendir(folder);
    if (!directory) return false;
    while (!found && (entry = readdir(directory))) {
        size_t size = strlen(entry->d_name);
        found = strncmp(entry->d_name, "sutra_", 6) == 0 && size > 9 &&
                strcmp(entry->d_name + size - 3, ".so") == 0;
    }
    closedir(directory);
    return found;
}

/* Plugins beside the program, as they are built, or in the library folder, as they are installed.
 * NULL: there are none. */
static const char *own_folder(void)
{
    static const char *const places[] = {"plugins", CLI_LIBRARY_FOLDER "/sutra/plugins"};
    static char folder[PATH_MAX];
    char program[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof program);
    if (size <= 0 || (size_t)size == sizeof program) return NULL;
    while (size > 0 && program[size - 1] != '/') size--;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int needed = snprintf(folder, sizeof folder, "%.*s%s", (int)size, program, places[i]);
        if ((size_t)needed < sizeof folder && holds_plugins(folder)) return folder;
    }
    return NULL;
}

/* The folder of --plugins, or of SUTRA_PLUGINS if it is there; NULL: none. */
static const char *plugins_folder(const CliModelArgs *args)
{
    const char *folder = getenv("SUTRA_PLUGINS");
    if (args->plugins) return *args->plugins ? args->plugins : NULL;
    if (!folder || !*folder) return cli_leaves_processor(args) ? own_folder() : NULL;
    DIR *directory = opendir(folder);
    if (!directory) {
        cli_message("warning: SUTRA_PLUGINS=%s: %s", folder, strerror(errno));
        return NULL;
    }
    closedir(directory);
    return folder;
}

/* ---- engines ---- */

static void log_line(void *user, int level, const char *line)
{
    (void)user;
    if (level <= 1) cli_message("%s", line);
}

SutraStatus cli_engine_plan(const CliModelArgs *args, SutraEngineOptions *options, SutraError *err)
{
    bool any = !args->device || is_auto(args);
    *options = (SutraEngineOptions){.struct_size = sizeof *options};
    if (lists_auto(args->device))
        return cli_raise(err, SUTRA_E_ARGUMENT,
                         "--device %s: auto stands alone, it measures every device there is",
                         args->device);
    if ((any || !strchr(args->device, ',')) && (args->policy || args->allow_mixed))
        return cli_raise(err, SUTRA_E_ARGUMENT, "--%s needs several devices: --device A,B",
                         args->policy ? "policy" : "allow-mixed");
    options->policy = args->policy ? args->policy - 1 : SUTRA_POLICY_FASTEST;
    options->allow_mixed = args->allow_mixed;
    options->plugins = plugins_folder(args);
    options->num_threads = args->threads;
    options->devices = any ? NULL : args->device;
    options->log = log_line;
    return cli_settle_threads(&options->num_threads, err);
}

bool cli_device_is_measured(const CliModelArgs *args, const SutraEngineOptions *options)
{
    bool few = args->num_texts && args->num_texts <= FEW_TEXTS;
    return is_auto(args) && options->plugins && !few;
}

/* Of auto and few texts. */
static void leave_it_at_the_processor(const CliModelArgs *args, const SutraEngineOptions *options,
                                      SutraDeviceChoice *choice)
{
    if (options->plugins)
        snprintf(choice->reason, sizeof choice->reason,
                 "device: the processor: %zu %s not worth measuring which is faster (--device NAME "
                 "takes another)",
                 args->num_texts, args->num_texts == 1 ? "text is" : "texts are");
}

SutraStatus cli_settle_device(const CliModelArgs *args, const SutraModel *model,
                              SutraEngineOptions *options, SutraDeviceChoice *choice,
                              SutraError *err)
{
    SutraEngineOptions wanted = *options;
    bool automatic = is_auto(args), measured = cli_device_is_measured(args, options);
    *choice = (SutraDeviceChoice){.struct_size = sizeof *choice};
    if (automatic && !measured) {
        leave_it_at_the_processor(args, options, choice);
        return SUTRA_OK;
    }
    if (!cli_leaves_processor(args) || (!automatic && (args->strict || strchr(args->device, ','))))
        return SUTRA_OK;
    if (automatic) wanted.devices = "auto";
    cli_hold_signals(true);
    SutraStatus status = sutra_device_choose(model, &wanted, choice, err);
    cli_hold_signals(false);
    if (status != SUTRA_OK) return status;
    bool processor = strcmp(choice->device, "cpu") == 0;
    options->devices = processor ? NULL : choice->device;
    if (processor) options->plugins = NULL;
    if (!choice->reason[0]) return SUTRA_OK;
    char reason[sizeof choice->reason];
    snprintf(reason, sizeof reason, "%s", choice->reason);
    if (choice->fell_back)
        snprintf(choice->reason, sizeof choice->reason, "%.900s (--strict makes this an error)",
                 reason);
    else
        snprintf(choice->reason, sizeof choice->reason, "device: %.900s", reason);
    return SUTRA_OK;
}
