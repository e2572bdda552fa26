#include <errno.h>
#include <stdlib.h>

#include "cli/options.h"

#define COMMON(field) offsetof(struct btz_common_args, field)

const struct btz_option btz_common_options[] = {
    { .name = "config",
      .kind = BTZ_OPTION_STRING,
      .offset = COMMON(config),
      .metavar = "FILE",
      .help = "Configuration to read.",
      .fallback = BTZ_CONFIG_FILE },
    { .name = "state",
      .kind = BTZ_OPTION_STRING,
      .offset = COMMON(state),
      .metavar = "DIR",
      .help = "Folder for ledger, evidence and checkpoints, instead of the configured one." },
    { .name = "quiet",
      .letter = 'q',
      .kind = BTZ_OPTION_FLAG,
      .offset = COMMON(quiet),
      .help = "Print results and errors only: no progress, no remarks." },
    { .name = "verbose",
      .letter = 'v',
      .kind = BTZ_OPTION_FLAG,
      .offset = COMMON(verbose),
      .help = "Print more about what is being done." },
    { .name = "no-color",
      .kind = BTZ_OPTION_FLAG,
      .offset = COMMON(no_color),
      .help = "Print without colours; so does a NO_COLOR in the environment." },
    { .name = "help",
      .letter = 'h',
      .kind = BTZ_OPTION_FLAG,
      .offset = COMMON(help),
      .help = "Print help and exit." },
};
const size_t btz_common_option_count = BTZ_COUNT(btz_common_options);

/* One pass over the words of a command line. */
struct scan {
    const struct btz_command *command; /* NULL: common options only */
    void *args;
    struct btz_common_args *common;
    struct btz_arena *arena;
    const char *const *argv;
    size_t argc, at;
    uint64_t given; /* bit i: the command's option i was on the command line */
};

void btz_common_init(struct btz_common_args *common)
{
    *common = (struct btz_common_args){ .config = BTZ_CONFIG_FILE };
}

/* ---- values ---- */

/* Every message starts with the option as it is typed. */
static enum btz_err refuse(const struct btz_option *o, const char *expected, const char *value)
{
    return btz_fail(BTZ_USAGE, "option --%s: expected %s, found \"%.80s\"", o->name, expected,
                    value);
}

static bool is_bounded(const struct btz_option *o)
{
    return o->min < o->max;
}

static enum btz_err refuse_number(const struct btz_option *o, const char *noun, const char *value)
{
    char expected[128], min[BTZ_NUMBER_TEXT], max[BTZ_NUMBER_TEXT];

    if (is_bounded(o))
        snprintf(expected, sizeof expected, "%s from %s to %s", noun, btz_conf_number(o->min, min),
                 btz_conf_number(o->max, max));
    else
        snprintf(expected, sizeof expected, "%s", noun);
    return refuse(o, expected, value);
}

static enum btz_err set_int(const struct btz_option *o, void *slot, const char *value)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || !strchr("-0123456789", value[0]) ||
        (is_bounded(o) && ((double)number < o->min || (double)number > o->max)))
        return refuse_number(o, "a whole number", value);
    *(int64_t *)slot = number;
    return BTZ_OK;
}

static enum btz_err set_real(const struct btz_option *o, void *slot, const char *value)
{
    double number;

    if (btz_parse_double(btz_str(value), &number) != BTZ_OK ||
        (is_bounded(o) && (number < o->min || number > o->max)))
        return refuse_number(o, "a number", value);
    *(double *)slot = number;
    return BTZ_OK;
}

static enum btz_err set_duration(const struct btz_option *o, void *slot, const char *value)
{
    int64_t ms;

    if (btz_conf_duration(value, &ms) != BTZ_OK)
        return refuse(o, "a duration such as 500ms, 30s, 5m, 2h or 7d", value);
    *(int64_t *)slot = ms;
    return BTZ_OK;
}

static size_t count_choices(const struct btz_option *o)
{
    size_t n = 0;

    while (o->choices[n])
        n++;
    return n;
}

static enum btz_err set_choice(const struct btz_option *o, void *slot, const char *value)
{
    char expected[512] = "one of ";
    const char *nearest;

    for (int i = 0; o->choices[i]; i++) {
        size_t used = strlen(expected);

        if (strcmp(o->choices[i], value) == 0) {
            *(int *)slot = i;
            return BTZ_OK;
        }
        snprintf(expected + used, sizeof expected - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    nearest = btz_nearest(value, o->choices, count_choices(o));
    if (nearest)
        return btz_fail(BTZ_USAGE,
                        "option --%s: expected %s, found \"%.80s\"; did you mean \"%s\"?", o->name,
                        expected, value, nearest);
    return refuse(o, expected, value);
}

static enum btz_err add_string(struct btz_arena *arena, void *slot, const char *value)
{
    struct btz_option_list *list = slot;
    const char **items = list->items;

    /* The storage doubles at every power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count ? list->count * 2 : 1;

        items = btz_arena_array(arena, room, sizeof *items);
        if (!items)
            return BTZ_LIMIT;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    items[list->count++] = value;
    return BTZ_OK;
}

static enum btz_err set_value(const struct btz_option *o, void *args, const char *value,
                              struct btz_arena *arena)
{
    void *slot = (char *)args + o->offset;

    switch (o->kind) {
    case BTZ_OPTION_FLAG:
        *(bool *)slot = true;
        return BTZ_OK;
    case BTZ_OPTION_STRING:
        *(const char **)slot = value;
        return BTZ_OK;
    case BTZ_OPTION_STRINGS:
        return add_string(arena, slot, value);
    case BTZ_OPTION_INT:
        return set_int(o, slot, value);
    case BTZ_OPTION_REAL:
        return set_real(o, slot, value);
    case BTZ_OPTION_DURATION:
        return set_duration(o, slot, value);
    case BTZ_OPTION_CHOICE:
        return set_choice(o, slot, value);
    }
    return btz_fail(BTZ_INTERNAL, "option --%s is of an unknown kind", o->name);
}

static enum btz_err set_fallbacks(const struct btz_command *c, void *args, struct btz_arena *arena)
{
    for (size_t i = 0; i < c->option_count; i++) {
        const struct btz_option *o = &c->options[i];

        if (o->kind == BTZ_OPTION_CHOICE && !o->fallback)
            *(int *)((char *)args + o->offset) = -1;
        /* A list's fallback holds only while nothing was given: see after_options. */
        if (o->fallback && o->kind != BTZ_OPTION_STRINGS)
            BTZ_TRY(set_value(o, args, o->fallback, arena));
    }
    return BTZ_OK;
}

/* ---- words ---- */

static const struct btz_option *find(const struct scan *s, const char *name, size_t len,
                                     char letter, void **args)
{
    size_t own = s->command ? s->command->option_count : 0;

    for (size_t i = 0; i < own + btz_common_option_count; i++) {
        const struct btz_option *o =
            i < own ? &s->command->options[i] : &btz_common_options[i - own];

        if (name ? strlen(o->name) == len && memcmp(o->name, name, len) == 0
                 : o->letter == letter) {
            *args = i < own ? s->args : s->common;
            return o;
        }
    }
    return NULL;
}

static void help_hint(const struct btz_command *c, char out[BTZ_COMMAND_NAME])
{
    if (c)
        btz_command_name(c, out);
    else
        snprintf(out, BTZ_COMMAND_NAME, "bartizan");
}

static enum btz_err unknown_long(const struct scan *s, const char *name, size_t len)
{
    size_t own = s->command ? s->command->option_count : 0, count = 0;
    char word[64], hint[BTZ_COMMAND_NAME];
    const char *names[128], *nearest;

    snprintf(word, sizeof word, "%.*s", (int)(len > 63 ? 63 : len), name);
    for (size_t i = 0; i < own && count < BTZ_COUNT(names); i++)
        names[count++] = s->command->options[i].name;
    for (size_t i = 0; i < btz_common_option_count && count < BTZ_COUNT(names); i++)
        names[count++] = btz_common_options[i].name;
    nearest = btz_nearest(word, names, count);
    help_hint(s->command, hint);
    if (nearest)
        return btz_fail(BTZ_USAGE, "unknown option --%s; did you mean --%s?", word, nearest);
    return btz_fail(BTZ_USAGE, "unknown option --%s; `%s --help` lists them", word, hint);
}

static enum btz_err set_given(struct scan *s, const struct btz_option *o, void *args,
                              const char *value)
{
    if (s->command && args == s->args && o - s->command->options < 64)
        s->given |= UINT64_C(1) << (o - s->command->options);
    return set_value(o, args, value, s->arena);
}

/* The word behind an option that needs one. */
static enum btz_err take_value(struct scan *s, const struct btz_option *o, const char **out)
{
    const char *next = s->at < s->argc ? s->argv[s->at] : NULL;

    if (!next)
        return btz_fail(BTZ_USAGE, "option --%s needs a value: --%s %s", o->name, o->name,
                        btz_option_metavar(o));
    /* "--out --force" is nearly always a forgotten value. */
    if (strncmp(next, "--", 2) == 0)
        return btz_fail(BTZ_USAGE,
                        "option --%s needs a value, found \"%.80s\"; if that is meant, write "
                        "--%s=%.80s",
                        o->name, next, o->name, next);
    s->at++;
    *out = next;
    return BTZ_OK;
}

static enum btz_err take_long(struct scan *s, const char *word)
{
    const char *name = word + 2, *equals = strchr(name, '='), *value = NULL;
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    void *args;
    const struct btz_option *o = find(s, name, len, 0, &args);

    if (!o)
        return unknown_long(s, name, len);
    if (o->kind == BTZ_OPTION_FLAG && equals)
        return btz_fail(BTZ_USAGE, "option --%s takes no value, found \"%.80s\"", o->name,
                        equals + 1);
    if (equals)
        value = equals + 1;
    else if (o->kind != BTZ_OPTION_FLAG)
        BTZ_TRY(take_value(s, o, &value));
    return set_given(s, o, args, value);
}

/* "-abc": flags in one word; the last may take a value, "-ofile" or "-o file". */
static enum btz_err take_short(struct scan *s, const char *word)
{
    for (const char *p = word + 1; *p; p++) {
        void *args;
        const struct btz_option *o = find(s, NULL, 0, *p, &args);
        const char *value = NULL;

        if (!o) {
            char hint[BTZ_COMMAND_NAME];

            help_hint(s->command, hint);
            return btz_fail(BTZ_USAGE, "unknown option -%c in \"%.80s\"; `%s --help` lists them",
                            *p, word, hint);
        }
        if (o->kind == BTZ_OPTION_FLAG) {
            BTZ_TRY(set_given(s, o, args, NULL));
            continue;
        }
        if (p[1])
            value = p + 1;
        else
            BTZ_TRY(take_value(s, o, &value));
        return set_given(s, o, args, value);
    }
    return BTZ_OK;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

static enum btz_err take_option(struct scan *s)
{
    const char *word = s->argv[s->at++];

    return word[1] == '-' ? take_long(s, word) : take_short(s, word);
}

enum btz_err btz_options_leading(const char *const *argv, size_t argc,
                                 struct btz_common_args *common, size_t *at)
{
    struct scan s = { .common = common, .argv = argv, .argc = argc, .at = *at };

    while (s.at < argc && is_option(argv[s.at]) && strcmp(argv[s.at], "--") != 0 &&
           strcmp(argv[s.at], "--version") != 0 && !common->help)
        BTZ_TRY(take_option(&s));
    *at = s.at;
    return BTZ_OK;
}

static enum btz_err check_operands(const struct btz_command *c, const char *const *operands,
                                   size_t count)
{
    char name[BTZ_COMMAND_NAME];

    btz_command_name(c, name);
    if (count < (size_t)c->min_operands)
        return btz_fail(BTZ_USAGE, "`%s` needs %s; `%s --help` says more", name,
                        c->operands ? c->operands : "an operand", name);
    if (c->max_operands >= 0 && count > (size_t)c->max_operands) {
        if (c->max_operands == 0)
            return btz_fail(BTZ_USAGE, "`%s` takes no operands, found \"%.80s\"", name,
                            operands[0]);
        return btz_fail(BTZ_USAGE, "`%s` takes at most %d operand%s (%s), found \"%.80s\" too",
                        name, c->max_operands, c->max_operands > 1 ? "s" : "",
                        c->operands ? c->operands : "", operands[c->max_operands]);
    }
    return BTZ_OK;
}

static enum btz_err after_options(struct scan *s)
{
    const struct btz_command *c = s->command;

    for (size_t i = 0; i < c->option_count; i++) {
        const struct btz_option *o = &c->options[i];

        if (i < 64 && s->given >> i & 1)
            continue;
        if (o->required)
            return btz_fail(BTZ_USAGE, "option --%s is required: --%s %s", o->name, o->name,
                            btz_option_metavar(o));
        if (o->kind == BTZ_OPTION_STRINGS && o->fallback)
            BTZ_TRY(set_value(o, s->args, o->fallback, s->arena));
    }
    return BTZ_OK;
}

enum btz_err btz_options_parse(const struct btz_command *command, const char *const *argv,
                               size_t argc, struct btz_arena *arena, struct btz_common_args *common,
                               struct btz_parsed *out)
{
    void *args = btz_arena_alloc(arena, command->args_size);
    const char **operands = btz_arena_array(arena, argc + 1, sizeof *operands);
    struct scan s = { .command = command,
                      .args = args,
                      .common = common,
                      .arena = arena,
                      .argv = argv,
                      .argc = argc };
    size_t count = 0;
    bool ended = false;

    if (!args || !operands)
        return BTZ_LIMIT;
    if (command->option_count > 64)
        return btz_fail(BTZ_INTERNAL, "a command has more than 64 options");
    BTZ_TRY(set_fallbacks(command, args, arena));
    while (s.at < argc && !common->help) {
        if (!ended && strcmp(argv[s.at], "--") == 0) {
            ended = true;
            s.at++;
        } else if (!ended && is_option(argv[s.at])) {
            BTZ_TRY(take_option(&s));
        } else {
            operands[count++] = argv[s.at++];
        }
    }
    if (!common->help) {
        BTZ_TRY(after_options(&s));
        BTZ_TRY(check_operands(command, operands, count));
    }
    *out = (struct btz_parsed){ .args = args, .operands = operands, .operand_count = count };
    return BTZ_OK;
}
