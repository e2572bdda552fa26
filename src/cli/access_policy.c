#include "cli/access_policy.h"

const char *const btz_cli_policy_formats[] = { "text", "json", NULL };

static void put_text(struct btz_cli *cli, const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(1 << 20);

    if (text && btz_utf8_printable(btz_str(text), false, &clean) == BTZ_OK)
        fprintf(cli->out, "%.*s", BTZ_SLICE_ARG(btz_buf_slice(&clean)));
}

void btz_cli_put(struct btz_cli *cli, const json_t *value, const char *key)
{
    put_text(cli, json_string_value(json_object_get(value, key)));
}

void btz_cli_put_list(struct btz_cli *cli, const json_t *list, const char *indent)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        fprintf(cli->out, "%s- ", indent);
        put_text(cli, json_string_value(json_array_get(list, i)));
        fputc('\n', cli->out);
    }
}

enum btz_err btz_cli_moment(const char *text, uint64_t *now_s)
{
    uint64_t ms = btz_clock_unix_ms();

    if (text && btz_time_parse(btz_str(text), &ms) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "--at");
    *now_s = ms / 1000;
    return BTZ_OK;
}
