/* What a generated command does: one operation, on the state folder or on a server. */
#include "cli/access_open.h"
#include "cli/operation.h"
#include "cli/access_client.h"

#define ANSWER_MAX   ((size_t)256 << 20)
#define CALL_MEMORY  ((size_t)256 << 20)
#define STATE_MEMORY ((size_t)16 << 20)

static const char *text_option(struct btz_cli *cli, const void *args, const char *name)
{
    const char *const *slot = btz_cli_operation_option(cli->command, args, name);

    return slot ? *slot : NULL;
}

static enum btz_err print_answer(struct btz_cli *cli, const void *args, const json_t *answer)
{
    const struct btz_operation *op = cli->command->data;
    const int *format = btz_cli_operation_option(cli->command, args, "format");
    const char *raw = op->raw ? json_string_value(json_object_get(answer, op->raw)) : NULL;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(ANSWER_MAX);

    if (!answer)
        return BTZ_OK;
    if (raw) {
        BTZ_TRY(btz_buf_add_str(&text, raw));
    } else if (format && *format == 1) {
        BTZ_TRY(btz_json_write(answer, true, &text));
        BTZ_TRY(btz_buf_add_byte(&text, '\n'));
    } else {
        BTZ_TRY(btz_cli_operation_print(answer, op->columns, &text));
    }
    if (fwrite(text.len ? text.ptr : (const uint8_t *)"", 1, text.len, cli->out) != text.len)
        return btz_fail_errno(BTZ_IO, "write the answer");
    btz_wipe(text.ptr, text.cap); /* an answer may hold a new key */
    return BTZ_OK;
}

static void say_pending(struct btz_cli *cli, const char *approval)
{
    btz_log(&cli->log, BTZ_LOG_INFO,
            "nothing is changed yet: a second person must approve it, `bartizan access approval "
            "approve %s`",
            approval);
}

/* On the state folder, as its owner. */
static enum btz_err run_local(struct btz_cli *cli, const void *args, json_t *in)
{
    BTZ_ARENA_SCOPE struct btz_arena arena, memory;
    struct btz_access *access;
    struct btz_caller caller;
    struct btz_call call;
    enum btz_err err;

    btz_arena_init(&arena, STATE_MEMORY);
    btz_arena_init(&memory, CALL_MEMORY);
    BTZ_TRY(btz_cli_access_open(cli, NULL, &arena, &access));
    call = (struct btz_call){ .access = access,
                              .op = cli->command->data,
                              .caller = &caller,
                              .arena = &memory,
                              .in = in,
                              .if_match = text_option(cli, args, "if-match") };
    err = btz_cli_access_caller(access, &caller);
    if (err == BTZ_OK)
        err = btz_access_call(&call);
    if (err == BTZ_OK)
        err = print_answer(cli, args, call.out);
    if (err == BTZ_OK && call.approval[0])
        say_pending(cli, call.approval);
    btz_call_release(&call);
    btz_access_close(access);
    return err;
}

static enum btz_err run_remote(struct btz_cli *cli, const void *args, const char *server,
                               json_t *in)
{
    BTZ_JSON json_t *answer = NULL;
    struct btz_problem problem = { 0 };

    BTZ_TRY(btz_cli_remote(cli, server, cli->command->data, in, text_option(cli, args, "if-match"),
                           &answer, &problem));
    BTZ_TRY(print_answer(cli, args, answer));
    if (problem.status == 202)
        say_pending(cli, json_string_value(json_object_get(answer, "id")));
    return BTZ_OK;
}

int btz_cli_operation_run(struct btz_cli *cli, const void *args, const char *const *operands,
                          size_t count)
{
    const char *server = text_option(cli, args, "server");
    BTZ_JSON json_t *in = NULL;
    enum btz_err err = btz_cli_operation_input(cli, cli->command->data, args, operands, count, &in);

    if (err == BTZ_OK)
        err = server ? run_remote(cli, args, server, in) : run_local(cli, args, in);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}
