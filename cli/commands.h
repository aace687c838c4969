/* commands.h - the program's commands, one file each. A new one is declared here and entered into
 * the table of main.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "option_table.h"

extern const CliCommand cli_embed_command, cli_tokenize_command, cli_similarity_command,
    cli_rerank_command, cli_eval_command, cli_bench_command, cli_pull_command, cli_list_command,
    cli_info_command, cli_convert_command, cli_verify_command, cli_quantize_command,
    cli_serve_command, cli_search_command, cli_distill_command;

#endif
