/* Manual pages from the tables of the commands, as man(7) source. */
#include "cli/options.h"

/* Text of ours for roff: no line starts a request, hyphens stay hyphens that can be searched and copied. */
static enum btz_err escape(struct btz_slice text, struct btz_buf *out)
{
    bool line_start = out->len == 0 || out->ptr[out->len - 1] == '\n';

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (line_start && (c == '.' || c == '\''))
            BTZ_TRY(btz_buf_add_str(out, "\\&"));
        if (c == '\\')
            BTZ_TRY(btz_buf_add_str(out, "\\e"));
        else if (c == '-')
            BTZ_TRY(btz_buf_add_str(out, "\\-"));
        else if (c == '`')
            BTZ_TRY(btz_buf_add_str(out, "\\(ga"));
        else if (c == '\'')
            BTZ_TRY(btz_buf_add_str(out, "\\(aq"));
        else
            BTZ_TRY(btz_buf_add_byte(out, c));
        line_start = c == '\n';
    }
    return BTZ_OK;
}

static enum btz_err escape_str(const char *text, struct btz_buf *out)
{
    return escape(btz_str(text), out);
}

/* Paragraphs are filled; lines that start with a space are examples, kept as they are. */
static enum btz_err details(const char *text, struct btz_buf *out)
{
    struct btz_reader lines = { .in = btz_str(text) };
    struct btz_slice line;
    bool example = false;

    BTZ_TRY(btz_buf_add_str(out, ".PP\n"));
    while (btz_read_line(&lines, &line)) {
        bool is_example = line.len > 0 && line.ptr[0] == ' ';

        if (is_example && !example)
            BTZ_TRY(btz_buf_add_str(out, ".PP\n.nf\n"));
        if (!is_example && example)
            BTZ_TRY(btz_buf_add_str(out, line.len ? ".fi\n.PP\n" : ".fi\n"));
        example = is_example;
        if (line.len == 0) {
            /* The next paragraph; roff wants no empty ones at the end. */
            if (lines.at < lines.in.len && lines.in.ptr[lines.at] != ' ')
                BTZ_TRY(btz_buf_add_str(out, ".PP\n"));
            continue;
        }
        BTZ_TRY(escape(line, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return example ? btz_buf_add_str(out, ".fi\n") : BTZ_OK;
}

static enum btz_err option_list(const struct btz_option *options, size_t count, struct btz_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct btz_option *o = &options[i];
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
        const char *metavar = btz_option_metavar(o);

        BTZ_TRY(btz_buf_add_str(out, ".TP\n"));
        if (o->letter)
            BTZ_TRY(btz_buf_printf(out, "\\fB\\-%c\\fR, ", o->letter));
        BTZ_TRY(btz_buf_add_str(out, "\\fB\\-\\-"));
        BTZ_TRY(escape_str(o->name, out));
        BTZ_TRY(btz_buf_add_str(out, "\\fR"));
        if (metavar) {
            BTZ_TRY(btz_buf_add_str(out, " \\fI"));
            BTZ_TRY(escape_str(metavar, out));
            BTZ_TRY(btz_buf_add_str(out, "\\fR"));
        }
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
        BTZ_TRY(btz_usage_option_text(o, &text));
        BTZ_TRY(escape(btz_buf_slice(&text), out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

static enum btz_err head(const char *name, const char *said, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, ".TH \"%s\" 1 \"\" \"bartizan %s\" \"User Commands\"\n.SH NAME\n",
                           name, btz_version()));
    BTZ_TRY(escape_str(name, out));
    BTZ_TRY(btz_buf_add_str(out, " \\- "));
    BTZ_TRY(escape_str(said, out));
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err synopsis(const struct btz_command *c, struct btz_buf *out)
{
    char name[BTZ_COMMAND_NAME];

    btz_command_name(c, name);
    BTZ_TRY(btz_buf_add_str(out, ".B "));
    BTZ_TRY(escape_str(name, out));
    BTZ_TRY(btz_buf_add_str(out, "\n[\\fIoptions\\fR]"));
    if (c->operands) {
        BTZ_TRY(btz_buf_add_str(out, " \\fI"));
        BTZ_TRY(escape_str(c->operands, out));
        BTZ_TRY(btz_buf_add_str(out, "\\fR"));
    }
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err tail(struct btz_buf *out)
{
    static const char text[] = ".SH EXIT STATUS\n"
                               ".TP\n.B 0\nClean.\n"
                               ".TP\n.B 1\nFindings at or above the severity that fails.\n"
                               ".TP\n.B 2\nUsage or configuration.\n"
                               ".TP\n.B 3\nUnreadable or hostile input, or a limit reached.\n"
                               ".TP\n.B 4\nInput or output failed, or a target is unreachable.\n"
                               ".TP\n.B 5\nPermission or credential refused.\n"
                               ".TP\n.B 70\nA defect of bartizan.\n"
                               ".SH ENVIRONMENT\n"
                               ".TP\n.B NO_COLOR\nWhen not empty, nothing is printed in colour.\n"
                               ".TP\n.B COLUMNS\nWidth of help text.\n"
                               ".PP\nVariables that\n.I bartizan.yaml\nnames as ${NAME} are read "
                               "when it is loaded.\n"
                               ".SH FILES\n"
                               ".TP\n.I bartizan.yaml\nConfiguration.\n"
                               ".TP\n.I .bartizan/\nLedger, evidence, keys and checkpoints.\n";

    return btz_buf_add_str(out, text);
}

/* One command: its summary, its text, its options. */
static enum btz_err section(const struct btz_command *c, struct btz_buf *out)
{
    BTZ_TRY(escape_str(c->summary, out));
    BTZ_TRY(btz_buf_add_byte(out, '\n'));
    if (c->details)
        BTZ_TRY(details(c->details, out));
    return option_list(c->options, c->option_count, out);
}

static enum btz_err noun_page(const char *noun, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf said = BTZ_BUF(4096);
    const struct btz_command *alone = btz_command_find(noun, NULL);
    const char *text;
    char name[BTZ_COMMAND_NAME];

    for (size_t i = 0; btz_commands()[i] && !alone; i++)
        if (strcmp(btz_commands()[i]->noun, noun) == 0)
            BTZ_TRY(btz_buf_printf(&said, "%s%s %s", said.len ? ", " : "", noun,
                                   btz_commands()[i]->verb));
    BTZ_TRY(btz_buf_cstr(&said, &text));
    snprintf(name, sizeof name, "bartizan-%s", noun);
    BTZ_TRY(head(name, alone ? alone->summary : text, out));
    BTZ_TRY(btz_buf_add_str(out, ".SH SYNOPSIS\n"));
    for (size_t i = 0, seen = 0; btz_commands()[i]; i++) {
        if (strcmp(btz_commands()[i]->noun, noun) != 0)
            continue;
        if (seen++)
            BTZ_TRY(btz_buf_add_str(out, ".br\n"));
        BTZ_TRY(synopsis(btz_commands()[i], out));
    }
    BTZ_TRY(btz_buf_add_str(out, ".SH DESCRIPTION\n"));
    for (size_t i = 0; btz_commands()[i]; i++) {
        if (strcmp(btz_commands()[i]->noun, noun) != 0)
            continue;
        if (btz_commands()[i]->verb) {
            btz_command_name(btz_commands()[i], name);
            BTZ_TRY(btz_buf_add_str(out, ".SS "));
            BTZ_TRY(escape_str(name, out));
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
        }
        BTZ_TRY(section(btz_commands()[i], out));
    }
    return BTZ_OK;
}

static enum btz_err program_page(struct btz_buf *out)
{
    BTZ_TRY(head("bartizan", "protects an AI system", out));
    BTZ_TRY(btz_buf_add_str(out, ".SH SYNOPSIS\n.B bartizan\n\\fInoun\\fR [\\fIverb\\fR] "
                                 "[\\fIoptions\\fR]\n.br\n.B bartizan help\n[\\fInoun\\fR "
                                 "[\\fIverb\\fR]]\n.br\n.B bartizan \\-\\-version\n"
                                 ".SH DESCRIPTION\nChecks what you own, says what is wrong and how "
                                 "sure that is, and keeps every\nresult in a tamper\\-evident "
                                 "ledger.\n.SH COMMANDS\n"));
    for (size_t i = 0; btz_commands()[i]; i++) {
        char name[BTZ_COMMAND_NAME];

        btz_command_name(btz_commands()[i], name);
        BTZ_TRY(btz_buf_add_str(out, ".TP\n.B "));
        BTZ_TRY(escape_str(name, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
        BTZ_TRY(escape_str(btz_commands()[i]->summary, out));
        BTZ_TRY(btz_buf_printf(out, "\nSee\n.BR bartizan\\-%s (1).\n", btz_commands()[i]->noun));
    }
    return BTZ_OK;
}

enum btz_err btz_manual_page(const char *noun, struct btz_buf *out)
{
    BTZ_TRY(noun ? noun_page(noun, out) : program_page(out));
    BTZ_TRY(btz_buf_add_str(out, ".SH COMMON OPTIONS\n"));
    BTZ_TRY(option_list(btz_common_options, btz_common_option_count, out));
    BTZ_TRY(tail(out));
    return noun ? btz_buf_add_str(out, ".SH SEE ALSO\n.BR bartizan (1)\n") : BTZ_OK;
}
