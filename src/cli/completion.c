/* bartizan completion: scripts for shells, from the tables of the commands. */
#include "cli/options.h"

const char *const btz_completion_shells[] = { "bash", "zsh", "fish", NULL };

/* Text inside single quotes of the shells. */
static enum btz_err quoted(const char *text, const char *for_quote, const char *escaped,
                           struct btz_buf *out)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'') {
            BTZ_TRY(btz_buf_add_str(out, for_quote));
            continue;
        }
        if (strchr(escaped, *p))
            BTZ_TRY(btz_buf_add_byte(out, '\\'));
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)*p));
    }
    return BTZ_OK;
}

static bool takes_path(const struct btz_option *o)
{
    const char *metavar = btz_option_metavar(o);

    return metavar &&
           (strstr(metavar, "FILE") || strstr(metavar, "DIR") || strstr(metavar, "PATH"));
}

static enum btz_err choices(const struct btz_option *o, struct btz_buf *out)
{
    for (size_t i = 0; o->choices[i]; i++)
        BTZ_TRY(btz_buf_printf(out, "%s%s", i ? " " : "", o->choices[i]));
    return BTZ_OK;
}

/* What may stand behind a noun, or behind `noun group` where verbs are of two words; each with a blank behind it. */
static enum btz_err verbs(const char *noun, const char *group, struct btz_buf *out)
{
    size_t group_len = group ? strlen(group) : 0;
    const char *before = "";

    for (size_t i = 0; btz_commands()[i]; i++) {
        const char *verb = btz_commands()[i]->verb;
        size_t len;

        if (strcmp(btz_commands()[i]->noun, noun) != 0 || !verb)
            continue;
        if (group) {
            if (strncmp(verb, group, group_len) == 0 && verb[group_len] == ' ')
                BTZ_TRY(btz_buf_printf(out, "%s ", verb + group_len + 1));
            continue;
        }
        len = strcspn(verb, " ");
        if (strncmp(before, verb, len) != 0 || strcspn(before, " ") != len)
            BTZ_TRY(btz_buf_printf(out, "%.*s ", (int)len, verb));
        before = verb;
    }
    return BTZ_OK;
}

/* The command as `noun/verb`, a pattern of bash and zsh. */
static enum btz_err pattern(const struct btz_command *c, struct btz_buf *out)
{
    if (!c->verb)
        return btz_buf_printf(out, "%s/*", c->noun);
    return btz_buf_printf(out, strchr(c->verb, ' ') ? "%s/'%s'" : "%s/%s", c->noun, c->verb);
}

/* Calls `visit` for the first words of verbs of two words, once each. */
static enum btz_err for_each_group(enum btz_err (*visit)(const char *noun, const char *group,
                                                         struct btz_buf *),
                                   struct btz_buf *out)
{
    char before[BTZ_COMMAND_NAME] = "";

    for (size_t i = 0; btz_commands()[i]; i++) {
        const struct btz_command *c = btz_commands()[i];
        const char *space = c->verb ? strchr(c->verb, ' ') : NULL;
        char group[64], key[BTZ_COMMAND_NAME];

        if (!space)
            continue;
        snprintf(group, sizeof group, "%.*s", (int)(space - c->verb), c->verb);
        snprintf(key, sizeof key, "%.30s/%s", c->noun, group);
        if (strcmp(key, before) != 0)
            BTZ_TRY(visit(c->noun, group, out));
        memcpy(before, key, sizeof before);
    }
    return BTZ_OK;
}

static const struct btz_option *option_at(const struct btz_command *c, size_t i)
{
    if (i < c->option_count)
        return &c->options[i];
    i -= c->option_count;
    return i < btz_common_option_count ? &btz_common_options[i] : NULL;
}

/* Commands with a verb first: their patterns are narrower. */
static enum btz_err for_each_command(enum btz_err (*visit)(const struct btz_command *,
                                                           struct btz_buf *),
                                     struct btz_buf *out)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; btz_commands()[i]; i++)
            if ((btz_commands()[i]->verb ? 0 : 1) == pass)
                BTZ_TRY(visit(btz_commands()[i], out));
    return BTZ_OK;
}

static enum btz_err for_each_noun(enum btz_err (*visit)(const char *, struct btz_buf *),
                                  struct btz_buf *out)
{
    const char *nouns[BTZ_NOUNS_MAX];
    size_t count = btz_command_nouns(nouns);

    for (size_t i = 0; i < count; i++)
        BTZ_TRY(visit(nouns[i], out));
    return BTZ_OK;
}

/* ---- bash ---- */

static enum btz_err bash_values(const struct btz_command *c, struct btz_buf *out)
{
    const struct btz_option *o;

    for (size_t i = 0; (o = option_at(c, i)) != NULL; i++) {
        if (o->kind == BTZ_OPTION_FLAG)
            continue;
        BTZ_TRY(btz_buf_add_str(out, "    "));
        BTZ_TRY(pattern(c, out));
        BTZ_TRY(btz_buf_printf(out, "/--%s", o->name));
        if (o->letter) {
            BTZ_TRY(btz_buf_add_str(out, " | "));
            BTZ_TRY(pattern(c, out));
            BTZ_TRY(btz_buf_printf(out, "/-%c", o->letter));
        }
        if (o->kind == BTZ_OPTION_CHOICE) {
            BTZ_TRY(btz_buf_add_str(out, ") COMPREPLY=($(compgen -W '"));
            BTZ_TRY(choices(o, out));
            BTZ_TRY(btz_buf_add_str(out, "' -- \"$cur\")); return ;;\n"));
        } else {
            BTZ_TRY(btz_buf_printf(out, ") %sreturn ;;\n",
                                   takes_path(o) ? "COMPREPLY=($(compgen -f -- \"$cur\")); " : ""));
        }
    }
    return BTZ_OK;
}

static enum btz_err bash_options(const struct btz_command *c, struct btz_buf *out)
{
    const struct btz_option *o;

    BTZ_TRY(btz_buf_add_str(out, "    "));
    BTZ_TRY(pattern(c, out));
    BTZ_TRY(btz_buf_add_str(out, ") words='"));
    if (!c->verb)
        BTZ_TRY(verbs(c->noun, NULL, out));
    for (size_t i = 0; (o = option_at(c, i)) != NULL; i++)
        BTZ_TRY(btz_buf_printf(out, "%s--%s", i ? " " : "", o->name));
    return btz_buf_add_str(out, "' ;;\n");
}

static enum btz_err bash_verbs(const char *noun, struct btz_buf *out)
{
    if (btz_command_find(noun, NULL))
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(out, "    %s/*) words='", noun));
    BTZ_TRY(verbs(noun, NULL, out));
    return btz_buf_add_str(out, "--help' ;;\n");
}

static enum btz_err bash_group(const char *noun, const char *group, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "    %s/%s)\n        second='", noun, group));
    BTZ_TRY(verbs(noun, group, out));
    return btz_buf_add_str(out, "' ;;\n");
}

static enum btz_err add_word(const char *noun, struct btz_buf *out)
{
    return btz_buf_printf(out, "%s ", noun);
}

static enum btz_err bash(struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(
        out, "# bash completion of bartizan\n"
             "_bartizan()\n{\n"
             "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
             "    local command=${COMP_WORDS[1]}/${COMP_WORDS[2]} second=\n"
             "    COMPREPLY=()\n"
             "    if [ \"$COMP_CWORD\" = 1 ]; then\n"
             "        COMPREPLY=($(compgen -W '"));
    BTZ_TRY(for_each_noun(add_word, out));
    BTZ_TRY(btz_buf_add_str(out, "--help --version' -- \"$cur\"))\n        return\n    fi\n"
                                 "    case $command in\n"));
    BTZ_TRY(for_each_group(bash_group, out));
    BTZ_TRY(btz_buf_add_str(out,
                            "    esac\n"
                            "    if [ -n \"$second\" ] && [ \"$COMP_CWORD\" = 3 ]; then\n"
                            "        COMPREPLY=($(compgen -W \"$second --help\" -- \"$cur\"))\n"
                            "        return\n    fi\n"
                            "    [ -n \"$second\" ] && command=\"$command ${COMP_WORDS[3]}\"\n"
                            "    case $command/$prev in\n"));
    BTZ_TRY(for_each_command(bash_values, out));
    BTZ_TRY(btz_buf_add_str(out, "    esac\n    case $command in\n"));
    BTZ_TRY(for_each_command(bash_options, out));
    BTZ_TRY(for_each_noun(bash_verbs, out));
    return btz_buf_add_str(out, "    esac\n"
                                "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                                "    case $cur in\n    -*) ;;\n"
                                "    *) COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n    esac\n}\n"
                                "complete -o filenames -F _bartizan bartizan\n");
}

/* ---- zsh ---- */

static enum btz_err zsh_option(const struct btz_option *o, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "            '"));
    if (o->kind == BTZ_OPTION_STRINGS)
        BTZ_TRY(btz_buf_add_byte(out, '*'));
    BTZ_TRY(btz_buf_printf(out, "--%s%s[", o->name, o->kind == BTZ_OPTION_FLAG ? "" : "="));
    BTZ_TRY(quoted(o->help ? o->help : "", "'\\''", "[]:\\", out));
    BTZ_TRY(btz_buf_add_byte(out, ']'));
    if (o->kind != BTZ_OPTION_FLAG) {
        BTZ_TRY(btz_buf_printf(out, ":%s:", btz_option_metavar(o)));
        if (o->kind == BTZ_OPTION_CHOICE) {
            BTZ_TRY(btz_buf_add_byte(out, '('));
            BTZ_TRY(choices(o, out));
            BTZ_TRY(btz_buf_add_byte(out, ')'));
        } else if (takes_path(o)) {
            BTZ_TRY(btz_buf_add_str(out, "_files"));
        }
    }
    return btz_buf_add_str(out, "' \\\n");
}

static enum btz_err zsh_command(const struct btz_command *c, struct btz_buf *out)
{
    const struct btz_option *o;

    BTZ_TRY(btz_buf_add_str(out, "    "));
    BTZ_TRY(pattern(c, out));
    BTZ_TRY(btz_buf_add_str(out, ")\n        _arguments -s \\\n"));
    for (size_t i = 0; (o = option_at(c, i)) != NULL; i++)
        BTZ_TRY(zsh_option(o, out));
    return btz_buf_add_str(out, "            '*:operand:_files' ;;\n");
}

static enum btz_err zsh_group(const char *noun, const char *group, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(
        out, "    %s/%s)\n        if (( CURRENT == 4 )); then\n            compadd -- ", noun,
        group));
    BTZ_TRY(verbs(noun, group, out));
    return btz_buf_add_str(out, "--help\n            return\n        fi\n"
                                "        command=\"$command $words[4]\" ;;\n");
}

static enum btz_err zsh_verbs(const char *noun, struct btz_buf *out)
{
    if (btz_command_find(noun, NULL))
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(out, "    %s/*) compadd -- ", noun));
    BTZ_TRY(verbs(noun, NULL, out));
    return btz_buf_add_str(out, "--help ;;\n");
}

static enum btz_err zsh(struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "#compdef bartizan\n"
                                 "_bartizan()\n{\n"
                                 "    if (( CURRENT == 2 )); then\n"
                                 "        compadd -- "));
    BTZ_TRY(for_each_noun(add_word, out));
    BTZ_TRY(btz_buf_add_str(out, "--help --version\n        return\n    fi\n"
                                 "    local command=$words[2]/$words[3]\n"
                                 "    case $command in\n"));
    BTZ_TRY(for_each_group(zsh_group, out));
    BTZ_TRY(btz_buf_add_str(out, "    esac\n    case $command in\n"));
    BTZ_TRY(for_each_command(zsh_command, out));
    BTZ_TRY(for_each_noun(zsh_verbs, out));
    return btz_buf_add_str(out, "    esac\n}\n"
                                "if [ \"$funcstack[1]\" = _bartizan ]; then\n"
                                "    _bartizan \"$@\"\nelse\n"
                                "    compdef _bartizan bartizan\nfi\n");
}

/* ---- fish ---- */

static enum btz_err fish_command(const struct btz_command *c, struct btz_buf *out)
{
    const struct btz_option *o;

    if (c->verb && strchr(c->verb, ' '))
        BTZ_TRY(btz_buf_printf(out, "complete -c bartizan -n '__bartizan_at 3 %s %.*s' -a %s -d '",
                               c->noun, (int)strcspn(c->verb, " "), c->verb,
                               strchr(c->verb, ' ') + 1));
    else if (c->verb)
        BTZ_TRY(btz_buf_printf(out, "complete -c bartizan -n '__bartizan_at 2 %s' -a %s -d '",
                               c->noun, c->verb));
    else
        BTZ_TRY(
            btz_buf_printf(out, "complete -c bartizan -n '__bartizan_at 1' -a %s -d '", c->noun));
    BTZ_TRY(quoted(c->summary, "\\'", "\\", out));
    BTZ_TRY(btz_buf_add_str(out, "'\n"));
    for (size_t i = 0; (o = option_at(c, i)) != NULL; i++) {
        BTZ_TRY(btz_buf_printf(out, "complete -c bartizan -n '__bartizan_is %s%s%s' -l %s", c->noun,
                               c->verb ? " " : "", c->verb ? c->verb : "", o->name));
        if (o->letter)
            BTZ_TRY(btz_buf_printf(out, " -s %c", o->letter));
        if (o->kind == BTZ_OPTION_CHOICE) {
            BTZ_TRY(btz_buf_add_str(out, " -x -a '"));
            BTZ_TRY(choices(o, out));
            BTZ_TRY(btz_buf_add_byte(out, '\''));
        } else if (o->kind != BTZ_OPTION_FLAG) {
            BTZ_TRY(btz_buf_add_str(out, takes_path(o) ? " -r -F" : " -x"));
        }
        BTZ_TRY(btz_buf_add_str(out, " -d '"));
        BTZ_TRY(quoted(o->help ? o->help : "", "\\'", "\\", out));
        BTZ_TRY(btz_buf_add_str(out, "'\n"));
    }
    return BTZ_OK;
}

static enum btz_err fish_group(const char *noun, const char *group, struct btz_buf *out)
{
    return btz_buf_printf(out, "complete -c bartizan -n '__bartizan_at 2 %s' -a %s\n", noun, group);
}

static enum btz_err fish_noun(const char *noun, struct btz_buf *out)
{
    if (btz_command_find(noun, NULL))
        return BTZ_OK;
    return btz_buf_printf(out, "complete -c bartizan -n '__bartizan_at 1' -a %s\n", noun);
}

static enum btz_err fish(struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out,
                            "# fish completion of bartizan\n"
                            "function __bartizan_at -d 'the word at this place is being typed'\n"
                            "    set -l words (commandline -opc)\n"
                            "    test (count $words) -eq $argv[1]; or return 1\n"
                            "    set -q argv[2]; or return 0\n"
                            "    test \"$words[2..]\" = \"$argv[2..]\"\n"
                            "end\n"
                            "function __bartizan_is -d 'this command is being typed'\n"
                            "    set -l words (commandline -opc)\n"
                            "    test (count $words) -gt (count $argv); or return 1\n"
                            "    test \"$words[2..(math 1 + (count $argv))]\" = \"$argv\"\n"
                            "end\n"
                            "complete -c bartizan -n '__bartizan_at 1' -f\n"));
    BTZ_TRY(for_each_noun(fish_noun, out));
    BTZ_TRY(for_each_group(fish_group, out));
    return for_each_command(fish_command, out);
}

enum btz_err btz_completion_script(const char *shell, struct btz_buf *out)
{
    size_t count = BTZ_COUNT(btz_completion_shells) - 1;
    const char *nearest;

    if (strcmp(shell, "bash") == 0)
        return bash(out);
    if (strcmp(shell, "zsh") == 0)
        return zsh(out);
    if (strcmp(shell, "fish") == 0)
        return fish(out);
    nearest = btz_nearest(shell, btz_completion_shells, count);
    return btz_fail(BTZ_USAGE, "expected a shell, one of bash, zsh, fish; found \"%.80s\"%s%s%s",
                    shell, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                    nearest ? "\"?" : "");
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4 << 20);
    enum btz_err err = btz_completion_script(operands[0], &text);

    (void)args;
    (void)operand_count;
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fwrite(text.ptr, 1, text.len, cli->out);
    return 0;
}

const struct btz_command btz_command_completion = {
    .noun = "completion",
    .summary = "Print a completion script for bash, zsh or fish.",
    .details = "Examples:\n"
               "  source <(bartizan completion bash)\n"
               "  bartizan completion zsh > ~/.zfunc/_bartizan\n"
               "  bartizan completion fish > ~/.config/fish/completions/bartizan.fish",
    .operands = "SHELL",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
