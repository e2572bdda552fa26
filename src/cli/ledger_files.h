/* What the ledger's commands share: where the ledger is, keys by text or file, results to a file or stdout. */
#ifndef BTZ_CLI_LEDGER_FILES_H
#define BTZ_CLI_LEDGER_FILES_H

#include "cli/cli.h"
#include "ledger/ledger.h"

#define BTZ_CLI_LEDGER_ARENA ((size_t)64 << 20)

/* "<state>/ledger" */
BTZ_CHECKED enum btz_err btz_cli_ledger_folder(struct btz_cli *cli, struct btz_arena *arena,
                                               const char **out);
/* A verifier key given as itself or as a file that holds it. */
BTZ_CHECKED enum btz_err btz_cli_ledger_key(const char *text, struct btz_vkey *out);
/* To the file, else (NULL or "-") to stdout. */
BTZ_CHECKED enum btz_err btz_cli_ledger_output(struct btz_cli *cli, const char *path,
                                               struct btz_slice bytes);
/* Text of strangers, made fit for a terminal. */
void btz_cli_ledger_print(FILE *out, struct btz_slice text);
/* What verification found, as text or JSON; the exit status. `key_given`: not the folder's own. */
int btz_cli_ledger_report(struct btz_cli *cli, const char *folder,
                          const struct btz_ledger_check *check, bool json, bool key_given,
                          bool witness_given);

#endif
