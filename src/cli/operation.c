/* Commands from the table of operations: tables, and what is typed turned into the fields of a request. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/operation.h"

#define COMMANDS_MAX 256
#define OPTIONS_MAX  32
#define SLOT         16 /* of the argument struct: fits every kind of option */
#define FILE_MAX     ((size_t)1 << 20)
#define SECRET_MAX   4096
#define TABLE_MEMORY ((size_t)4 << 20)

static struct btz_arena tables; /* lives as long as the program */
static const struct btz_command *commands[COMMANDS_MAX + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- tables ---------------------------------------------------------------------------------------- */

static bool is_operand(const struct btz_field *f)
{
    return f->place == BTZ_IN_PATH || f->operand;
}

/* What may be left out is, from the left, when fewer words stand there than there are operands. */
static bool is_needed(const struct btz_field *f)
{
    return f->required || f->place == BTZ_IN_PATH;
}

static bool has_field(const struct btz_operation *op, const char *name)
{
    for (size_t i = 0; i < op->field_count; i++)
        if (strcmp(op->fields[i].name, name) == 0)
            return true;
    return false;
}

/* "display_name" is --display-name; a secret comes from a file. */
static const char *option_name(const struct btz_field *f)
{
    char *name =
        btz_arena_printf(&tables, "%s%s", f->name, f->kind == BTZ_FIELD_SECRET ? "-file" : "");

    for (char *p = name; p && *p; p++)
        if (*p == '_')
            *p = '-';
    return name;
}

static const char *metavar(enum btz_field_kind kind)
{
    switch (kind) {
    case BTZ_FIELD_SECRET:
    case BTZ_FIELD_FILE:
        return "FILE";
    case BTZ_FIELD_TIME:
        return "TIME";
    case BTZ_FIELD_DURATION:
        return "DURATION";
    case BTZ_FIELD_OBJECT:
        return "JSON";
    default:
        return NULL;
    }
}

static const char *const yes_no[] = { "true", "false", NULL };

static struct btz_option field_option(const struct btz_field *f)
{
    struct btz_option o = { .name = option_name(f),
                            .kind = BTZ_OPTION_STRING,
                            .metavar = metavar(f->kind),
                            .help = f->help,
                            .required = f->required && f->kind != BTZ_FIELD_SECRET };

    if (f->kind == BTZ_FIELD_TEXTS) {
        o.kind = BTZ_OPTION_STRINGS;
    } else if (f->kind == BTZ_FIELD_INT) {
        /* As text: what was not given must not be sent, and 0 is a value. */
        o.metavar = "N";
    } else if (f->kind == BTZ_FIELD_BOOL || f->choices) {
        o.kind = BTZ_OPTION_CHOICE;
        o.choices = f->choices ? f->choices : yes_no;
    } else if (f->kind == BTZ_FIELD_SECRET) {
        o.help = btz_arena_printf(&tables,
                                  "%s From a file, - is standard input; asked for on the "
                                  "terminal when left out.",
                                  f->help);
    }
    return o;
}

static const char *const output_formats[] = { "text", "json", NULL };

/* What every one of these commands has besides the operation's own fields. */
static size_t common_options(const struct btz_operation *op, struct btz_option *out)
{
    size_t count = 0;

    if (!(op->needs & BTZ_NEEDS_LOCAL) && op->path)
        out[count++] = (struct btz_option){ .name = "server",
                                            .kind = BTZ_OPTION_STRING,
                                            .metavar = "URL",
                                            .help = "Ask this server (https://HOST, or the path of "
                                                    "its socket) instead of the state folder; the "
                                                    "API key comes from BARTIZAN_KEY." };
    if (op->method[0] == 'P' && op->method[1] != 'O')
        out[count++] = (struct btz_option){
            .name = "if-match",
            .kind = BTZ_OPTION_STRING,
            .metavar = "ETAG",
            .help = "Only when it is still what was seen: the etag of an earlier answer."
        };
    if (!has_field(op, "format"))
        out[count++] = (struct btz_option){ .name = "format",
                                            .kind = BTZ_OPTION_CHOICE,
                                            .help = "How the answer is printed.",
                                            .fallback = "text",
                                            .choices = output_formats };
    return count;
}

static const char *operands_text(const struct btz_operation *op, int *min, int *max)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1024);
    const char *said;

    *min = *max = 0;
    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];

        if (!is_operand(f))
            continue;
        if (btz_buf_printf(&text, is_needed(f) ? "%s%s" : "%s[%s]", text.len ? " " : "", f->name) !=
            BTZ_OK)
            return NULL;
        *min += is_needed(f);
        ++*max;
    }
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'a' && text.ptr[i] <= 'z')
            text.ptr[i] = (uint8_t)(text.ptr[i] - 'a' + 'A');
    if (text.len == 0 || btz_buf_cstr(&text, &said) != BTZ_OK)
        return NULL;
    return btz_arena_str(&tables, btz_str(said));
}

static const struct btz_command *command_of(const struct btz_operation *op)
{
    struct btz_option *options = btz_arena_array(&tables, OPTIONS_MAX, sizeof *options);
    struct btz_command *c = btz_arena_alloc(&tables, sizeof *c);
    size_t count = 0;

    if (!options || !c || op->field_count + 3 > OPTIONS_MAX)
        return NULL;
    for (size_t i = 0; i < op->field_count; i++)
        if (!is_operand(&op->fields[i]))
            options[count++] = field_option(&op->fields[i]);
    count += common_options(op, options + count);
    for (size_t i = 0; i < count; i++)
        options[i].offset = i * SLOT;
    *c = (struct btz_command){ .noun = "access",
                               .verb = op->command,
                               .summary = op->summary,
                               .details = op->details,
                               .options = options,
                               .option_count = count,
                               .args_size = (count + 1) * SLOT,
                               .data = op,
                               .run = btz_cli_operation_run };
    c->operands = operands_text(op, &c->min_operands, &c->max_operands);
    return c;
}

static void build(void)
{
    size_t count = 0;

    btz_arena_init(&tables, TABLE_MEMORY);
    for (size_t i = 0; btz_operations[i] && count < COMMANDS_MAX; i++) {
        const struct btz_command *c =
            btz_operations[i]->command ? command_of(btz_operations[i]) : NULL;

        if (c)
            commands[count++] = c;
    }
}

const struct btz_command *const *btz_cli_operation_commands(void)
{
    pthread_once(&once, build);
    return commands;
}

/* ---- what was typed -------------------------------------------------------------------------------- */

const void *btz_cli_operation_option(const struct btz_command *c, const void *args,
                                     const char *name)
{
    for (size_t i = 0; i < c->option_count; i++)
        if (strcmp(c->options[i].name, name) == 0)
            return (const char *)args + c->options[i].offset;
    return NULL;
}

/* One line from the terminal, not echoed. */
static enum btz_err ask(struct btz_cli *cli, const char *what, struct btz_buf *out)
{
    struct termios before, silent;
    enum btz_err err = BTZ_OK;
    uint8_t byte;
    ssize_t n;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return btz_fail(BTZ_USAGE, "%s: no terminal to ask on; give --%s-file FILE", what, what);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fprintf(cli->err, "%s: ", what);
    fflush(cli->err);
    while ((n = read(STDIN_FILENO, &byte, 1)) == 1 && byte != '\n' && err == BTZ_OK)
        err = btz_buf_add_byte(out, byte);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', cli->err);
    if (n < 0)
        return btz_fail_errno(BTZ_IO, "read %s", what);
    return err;
}

/* A file's text; the line end that editors put behind a secret is not part of it. */
static enum btz_err secret_text(struct btz_cli *cli, const struct btz_field *f, const char *path,
                                struct btz_buf *out)
{
    if (!path)
        return ask(cli, f->name, out);
    BTZ_TRY(btz_file_read(path, SECRET_MAX, out));
    while (out->len > 0 && (out->ptr[out->len - 1] == '\n' || out->ptr[out->len - 1] == '\r'))
        out->len--;
    return BTZ_OK;
}

static enum btz_err text_of(struct btz_slice text, const struct btz_field *f, json_t **out)
{
    if (!btz_is_utf8(text))
        return btz_fail(BTZ_USAGE, "%s: not UTF-8", f->name);
    *out = json_stringn((const char *)text.ptr, text.len);
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err from_file(struct btz_cli *cli, const struct btz_field *f, const char *path,
                              json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(FILE_MAX);
    enum btz_err err = f->kind == BTZ_FIELD_SECRET ? secret_text(cli, f, path, &text)
                                                   : btz_file_read(path, FILE_MAX, &text);

    if (err == BTZ_OK)
        err = text_of(btz_buf_slice(&text), f, out);
    btz_wipe(text.ptr, text.cap);
    return err;
}

/* One value as it was typed. */
static enum btz_err value_of(struct btz_cli *cli, const struct btz_field *f, const char *text,
                             json_t **out)
{
    char *end;
    long long number;

    switch (f->kind) {
    case BTZ_FIELD_SECRET:
    case BTZ_FIELD_FILE:
        return from_file(cli, f, text, out);
    case BTZ_FIELD_INT:
        errno = 0;
        number = strtoll(text, &end, 10);
        if (end == text || *end || errno)
            return btz_fail(BTZ_USAGE, "%s: expected a whole number, found \"%.80s\"", f->name,
                            text);
        *out = json_integer(number);
        return BTZ_OK;
    case BTZ_FIELD_BOOL:
        *out = json_boolean(strcmp(text, "true") == 0);
        return BTZ_OK;
    case BTZ_FIELD_OBJECT:
        return btz_json_parse(btz_str(text), FILE_MAX, f->name, out);
    default:
        return text_of(btz_str(text), f, out);
    }
}

static enum btz_err list_of(const struct btz_field *f, const struct btz_option_list *list,
                            json_t **out)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < list->count; i++) {
        json_t *text = NULL;

        if (text_of(btz_str(list->items[i]), f, &text) != BTZ_OK ||
            json_array_append_new(array, text) != 0) {
            json_decref(array);
            return BTZ_USAGE;
        }
    }
    *out = array;
    return array ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

/* The option's value; *out stays NULL when it was not given. */
static enum btz_err option_value(struct btz_cli *cli, const struct btz_field *f,
                                 const struct btz_option *o, const void *slot, json_t **out)
{
    const char *text;
    int choice;

    if (o->kind == BTZ_OPTION_STRINGS) {
        const struct btz_option_list *list = slot;

        return list->count > 0 ? list_of(f, list, out) : BTZ_OK;
    }
    if (o->kind == BTZ_OPTION_CHOICE) {
        choice = *(const int *)slot;
        return choice < 0 ? BTZ_OK : value_of(cli, f, o->choices[choice], out);
    }
    text = *(const char *const *)slot;
    if (!text && !(f->kind == BTZ_FIELD_SECRET && f->required))
        return BTZ_OK;
    return value_of(cli, f, text, out);
}

enum btz_err btz_cli_operation_input(struct btz_cli *cli, const struct btz_operation *op,
                                     const void *args, const char *const *operands, size_t count,
                                     json_t **out)
{
    BTZ_JSON json_t *in = json_object();
    size_t operand = 0, option = 0, spare = count - (size_t)cli->command->min_operands;

    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];
        json_t *value = NULL;

        if (!is_operand(f)) {
            const struct btz_option *o = &cli->command->options[option++];

            BTZ_TRY(option_value(cli, f, o, (const char *)args + o->offset, &value));
        } else if (is_needed(f) || spare > 0) {
            spare -= !is_needed(f);
            BTZ_TRY(value_of(cli, f, operands[operand++], &value));
        }
        if (value && json_object_set_new(in, f->name, value) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    *out = json_incref(in);
    return BTZ_OK;
}
