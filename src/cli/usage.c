#include "cli/options.h"

#define NAME_COLUMN_MAX 28
#define SHOWN_MAX       12 /* commands of one noun that the first page lists one by one */

/* ---- text in columns ---- */

static size_t width_of(struct btz_slice text)
{
    size_t at = 0, width = 0;
    uint32_t c;

    while (btz_utf8_next(text, &at, &c))
        width++;
    return width;
}

static enum btz_err pad(struct btz_buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        BTZ_TRY(btz_buf_add_byte(out, ' '));
    return BTZ_OK;
}

/* Words of one paragraph, wrapped; the caller has already written `column` characters of the first line. */
static enum btz_err wrap(struct btz_slice text, size_t indent, size_t column, unsigned columns,
                         struct btz_buf *out)
{
    size_t at = 0;
    bool first = true;

    while (at < text.len) {
        size_t end = at, width;
        struct btz_slice word;

        while (end < text.len && text.ptr[end] != ' ')
            end++;
        word = btz_slice_sub(text, at, end - at);
        at = end + 1;
        if (word.len == 0)
            continue;
        width = width_of(word);
        if (!first && column + 1 + width > columns) {
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
            BTZ_TRY(pad(out, indent));
            column = indent;
        } else if (!first) {
            BTZ_TRY(btz_buf_add_byte(out, ' '));
            column++;
        }
        BTZ_TRY(btz_buf_add_slice(out, word));
        column += width;
        first = false;
    }
    return btz_buf_add_byte(out, '\n');
}

/* Details: paragraphs are wrapped line by line, lines that start with a space are examples and stay as they are. */
static enum btz_err details(const char *text, unsigned columns, struct btz_buf *out)
{
    struct btz_reader lines = { .in = btz_str(text) };
    struct btz_slice line;

    while (btz_read_line(&lines, &line)) {
        if (line.len > 0 && line.ptr[0] != ' ')
            BTZ_TRY(wrap(line, 0, 0, columns, out));
        else {
            BTZ_TRY(btz_buf_add_slice(out, line));
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
        }
    }
    return BTZ_OK;
}

static enum btz_err heading(const char *text, const struct btz_usage_style *style,
                            struct btz_buf *out)
{
    return btz_buf_printf(out, style->bold ? "\n\033[1m%s\033[0m\n" : "\n%s\n", text);
}

/* One entry of a list: the name, then its text from `column` on, below it when the name is long. */
static enum btz_err entry(const char *name, const char *text, size_t column, unsigned columns,
                          struct btz_buf *out)
{
    size_t width = width_of(btz_str(name)) + 2;

    BTZ_TRY(btz_buf_printf(out, "  %s", name));
    if (width + 2 > column) {
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
        width = 0;
    }
    BTZ_TRY(pad(out, column - width));
    return wrap(btz_str(text), column, column, columns, out);
}

/* ---- options ---- */

const char *btz_option_metavar(const struct btz_option *o)
{
    static const char *const by_kind[] = {
        [BTZ_OPTION_FLAG] = NULL,       [BTZ_OPTION_STRING] = "TEXT",
        [BTZ_OPTION_STRINGS] = "TEXT",  [BTZ_OPTION_INT] = "N",
        [BTZ_OPTION_REAL] = "X",        [BTZ_OPTION_DURATION] = "DURATION",
        [BTZ_OPTION_CHOICE] = "CHOICE",
    };

    return o->metavar && o->kind != BTZ_OPTION_FLAG ? o->metavar : by_kind[o->kind];
}

enum btz_err btz_usage_option_text(const struct btz_option *o, struct btz_buf *out)
{
    char min[BTZ_NUMBER_TEXT], max[BTZ_NUMBER_TEXT];

    BTZ_TRY(btz_buf_add_str(out, o->help ? o->help : ""));
    if (o->kind == BTZ_OPTION_CHOICE) {
        BTZ_TRY(btz_buf_add_str(out, " One of "));
        for (size_t i = 0; o->choices[i]; i++)
            BTZ_TRY(btz_buf_printf(out, "%s%s", i ? ", " : "", o->choices[i]));
        BTZ_TRY(btz_buf_add_byte(out, '.'));
    }
    if (o->min < o->max)
        BTZ_TRY(btz_buf_printf(out, " From %s to %s.", btz_conf_number(o->min, min),
                               btz_conf_number(o->max, max)));
    if (o->kind == BTZ_OPTION_STRINGS && !(o->help && strstr(o->help, "several times")))
        BTZ_TRY(btz_buf_add_str(out, " May be given several times."));
    if (o->required)
        BTZ_TRY(btz_buf_add_str(out, " Required."));
    if (o->fallback && o->fallback[0])
        BTZ_TRY(btz_buf_printf(out, " Default: %s.", o->fallback));
    return BTZ_OK;
}

static void option_name(const struct btz_option *o, char *out, size_t size)
{
    const char *metavar = btz_option_metavar(o);
    char letter[8] = "    ";

    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, size, "%s--%s%s%s", letter, o->name, metavar ? " " : "", metavar ? metavar : "");
}

static size_t option_column(const struct btz_command *c, unsigned columns)
{
    size_t column = 0, most = columns < 60 ? 8 : NAME_COLUMN_MAX;
    char name[128];

    for (size_t i = 0; i < c->option_count + btz_common_option_count; i++) {
        size_t width;

        option_name(i < c->option_count ? &c->options[i] : &btz_common_options[i - c->option_count],
                    name, sizeof name);
        width = width_of(btz_str(name)) + 4;
        if (width <= most && width > column)
            column = width;
    }
    return column < 8 ? 8 : column;
}

static enum btz_err option_list(const struct btz_option *options, size_t count, size_t column,
                                unsigned columns, struct btz_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
        const char *said;
        char name[128];

        option_name(&options[i], name, sizeof name);
        BTZ_TRY(btz_usage_option_text(&options[i], &text));
        BTZ_TRY(btz_buf_cstr(&text, &said));
        BTZ_TRY(entry(name, said, column, columns, out));
    }
    return BTZ_OK;
}

/* ---- pages ---- */

enum btz_err btz_usage_command(const struct btz_command *c, const struct btz_usage_style *style,
                               struct btz_buf *out)
{
    char name[BTZ_COMMAND_NAME], usage[512];
    size_t column = option_column(c, style->columns);

    btz_command_name(c, name);
    snprintf(usage, sizeof usage, "Usage: %s [options] %s", name, c->operands ? c->operands : "");
    BTZ_TRY(wrap(btz_str(usage), 7, 0, style->columns, out));
    BTZ_TRY(btz_buf_add_byte(out, '\n'));
    BTZ_TRY(wrap(btz_str(c->summary), 0, 0, style->columns, out));
    if (c->details) {
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
        BTZ_TRY(details(c->details, style->columns, out));
    }
    if (c->option_count > 0) {
        BTZ_TRY(heading("Options:", style, out));
        BTZ_TRY(option_list(c->options, c->option_count, column, style->columns, out));
    }
    BTZ_TRY(heading("Common options:", style, out));
    return option_list(btz_common_options, btz_common_option_count, column, style->columns, out);
}

static enum btz_err command_entry(const struct btz_command *c, unsigned columns,
                                  struct btz_buf *out)
{
    char name[BTZ_COMMAND_NAME];

    snprintf(name, sizeof name, "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
    return entry(name, c->summary, columns < 60 ? 8 : 22, columns, out);
}

/* `group`: the first word of verbs that have two; NULL: all of the noun. */
static bool is_of(const struct btz_command *c, const char *noun, const char *group)
{
    size_t len = group ? strlen(group) : 0;

    return strcmp(c->noun, noun) == 0 &&
           (!group || (c->verb && strncmp(c->verb, group, len) == 0 && c->verb[len] == ' '));
}

static enum btz_err noun_entries(const char *noun, const char *group, unsigned columns,
                                 struct btz_buf *out)
{
    for (size_t i = 0; btz_commands()[i]; i++)
        if (is_of(btz_commands()[i], noun, group))
            BTZ_TRY(command_entry(btz_commands()[i], columns, out));
    return BTZ_OK;
}

static size_t count_of(const char *noun)
{
    size_t count = 0;

    for (size_t i = 0; btz_commands()[i]; i++)
        count += strcmp(btz_commands()[i]->noun, noun) == 0;
    return count;
}

/* A noun of many commands: the first words of its verbs. */
static enum btz_err noun_entry(const char *noun, unsigned columns, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf said = BTZ_BUF(4096);
    const char *text, *before = "";

    for (size_t i = 0; btz_commands()[i]; i++) {
        const char *verb = btz_commands()[i]->verb;
        size_t len = verb ? strcspn(verb, " ") : 0;

        if (strcmp(btz_commands()[i]->noun, noun) != 0 ||
            (strncmp(before, verb ? verb : "", len) == 0 && strcspn(before, " ") == len))
            continue;
        BTZ_TRY(btz_buf_printf(&said, "%s%.*s", said.len ? ", " : "", (int)len, verb));
        before = verb;
    }
    BTZ_TRY(btz_buf_printf(&said, ": `bartizan help %s` lists its %zu commands.", noun,
                           count_of(noun)));
    BTZ_TRY(btz_buf_cstr(&said, &text));
    return entry(noun, text, columns < 60 ? 8 : 22, columns, out);
}

enum btz_err btz_usage_noun(const char *noun, const char *group,
                            const struct btz_usage_style *style, struct btz_buf *out)
{
    const char *space = group ? " " : "";

    group = group ? group : "";
    BTZ_TRY(btz_buf_printf(out, "Usage: bartizan %s%s%s VERB [options]\n", noun, space, group));
    BTZ_TRY(heading("Commands:", style, out));
    BTZ_TRY(noun_entries(noun, *group ? group : NULL, style->columns, out));
    return btz_buf_printf(out, "\n`bartizan %s%s%s VERB --help` says more.\n", noun, space, group);
}

enum btz_err btz_usage_program(const struct btz_usage_style *style, struct btz_buf *out)
{
    static const struct btz_command none = { 0 };
    const char *nouns[BTZ_NOUNS_MAX];
    size_t count = btz_command_nouns(nouns), column = option_column(&none, style->columns);

    BTZ_TRY(btz_buf_add_str(out, "Usage: bartizan NOUN [VERB] [options]\n\n"));
    BTZ_TRY(wrap(btz_str("Protects an AI system: checks what you own, says what is wrong and how "
                         "sure that is, and keeps every result in a tamper-evident ledger."),
                 0, 0, style->columns, out));
    BTZ_TRY(heading("Commands:", style, out));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(count_of(nouns[i]) > SHOWN_MAX ? noun_entry(nouns[i], style->columns, out)
                                               : noun_entries(nouns[i], NULL, style->columns, out));
    BTZ_TRY(heading("Common options:", style, out));
    BTZ_TRY(option_list(btz_common_options, btz_common_option_count, column, style->columns, out));
    BTZ_TRY(entry("    --version", "Print the version and exit.", column, style->columns, out));
    BTZ_TRY(heading("Exit status:", style, out));
    BTZ_TRY(btz_buf_add_str(out, "  "));
    return wrap(btz_str("0 clean, 1 findings at or above --fail-on, 2 usage or configuration, 3 "
                        "unreadable or hostile input, 4 i/o or target unreachable, 5 denied, 70 "
                        "internal"),
                2, 2, style->columns, out);
}
