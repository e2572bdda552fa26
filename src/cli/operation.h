/*
 * operation: commands made from the operations of src/access. Path fields and fields marked so are operands, the others
 * options; secrets are read from a file or the terminal, never from the command line.
 */
#ifndef BTZ_CLI_OPERATION_H
#define BTZ_CLI_OPERATION_H

#include "access/access.h"
#include "cli/cli.h"

/* NULL-terminated; made once from btz_operations. */
const struct btz_command *const *btz_cli_operation_commands(void);

/* What such a command does: asks the state folder, or a server. */
int btz_cli_operation_run(struct btz_cli *cli, const void *args, const char *const *operands,
                          size_t count);

/* The value of an option by its name, NULL when the command has none of that name. */
const void *btz_cli_operation_option(const struct btz_command *c, const void *args,
                                     const char *name);

/* The fields from what was typed; reads files and secrets. The caller owns *out. */
BTZ_CHECKED enum btz_err btz_cli_operation_input(struct btz_cli *cli,
                                                 const struct btz_operation *op, const void *args,
                                                 const char *const *operands, size_t count,
                                                 json_t **out);

/* An answer for people: lists as tables, objects as "name: value", text of several lines as it is. `columns`:
 * those of the items that are shown, as in struct btz_operation. What came from
 * strangers is made fit for a terminal. */
BTZ_CHECKED enum btz_err btz_cli_operation_print(const json_t *answer, const char *columns,
                                                 struct btz_buf *out);

#endif
