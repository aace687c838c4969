/* engine_plan.h - what the options say of an engine: its threads, its plugins, and the device that
 * --device comes to on this machine. */
#ifndef CLI_ENGINE_PLAN_H
#define CLI_ENGINE_PLAN_H

#include "model_session.h"

/* What the options say as they are given, which borrows strings of them; of --device auto, no
 * device. plugins: of --plugins, else SUTRA_PLUGINS; for other devices than the processor, else the
 * folder beside the program if there are some in it. Errors: ARGUMENT. */
SutraStatus cli_engine_plan(const CliModelArgs *args, SutraEngineOptions *options, SutraError *err);

/* Whether another device than the processor is asked for, or may come out. */
bool cli_leaves_processor(const CliModelArgs *args);

/* Whether cli_settle_device is going to measure devices, which needs the model. */
bool cli_device_is_measured(const CliModelArgs *args, const SutraEngineOptions *options);

/* After cli_engine_plan: makes of auto the faster device, and of one that can't be had the
 * processor, but with --strict, where sutra_engine_create is to say why. options->devices may then
 * point to *choice, whose reason is for cli_message; "": nothing is to be said. Errors: those of
 * sutra_device_choose. */
SutraStatus cli_settle_device(const CliModelArgs *args, const SutraModel *model,
                              SutraEngineOptions *options, SutraDeviceChoice *choice,
                              SutraError *err);

#endif
