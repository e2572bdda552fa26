/* access_policy: what the commands on files of policies share. */
#ifndef BTZ_CLI_ACCESS_POLICY_H
#define BTZ_CLI_ACCESS_POLICY_H

#include "access/policy_tools.h"
#include "base/json.h"
#include "cli/cli.h"

#define BTZ_CLI_POLICY_ARENA ((size_t)1 << 30)

extern const char *const btz_cli_policy_formats[]; /* text, json */
/* Text of a file goes to a terminal only without control characters. */
void btz_cli_put(struct btz_cli *cli, const json_t *value, const char *key);
/* "  - sentence" for each text of a list. */
void btz_cli_put_list(struct btz_cli *cli, const json_t *list, const char *indent);
/* --at: RFC 3339 or a day; NULL: now. */
BTZ_CHECKED enum btz_err btz_cli_moment(const char *text, uint64_t *now_s);

#endif
