/* bartizan gate check: what the guard says of texts, without a gateway. */
#include "base/json.h"
#include "cli/cli.h"
#include "cli/gate_guard.h"
#include "cli/gate_lines.h"
#include "text/schema.h"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_JSONL };
struct args {
    const char *in, *classifier, *calibration, *group;
    int format;
    bool detectors;
};

static const char *const formats[] = { "text", "json", "jsonl", NULL };
static const struct btz_option options[] = {
    { .name = "in",
      .letter = 'i',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, in),
      .metavar = "FILE",
      .fallback = "-",
      .help = "Texts: one JSON object a line with text, channel (user when absent), and optionally "
              "id, schema (a JSON schema that it has to conform to) and expected (pass, observe, "
              "mask, pseudonymise, route, step-up or block); - is standard input." },
    { .name = "format",
      .letter = 'f',
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How the verdicts are written." },
    { .name = "classifier",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, classifier),
      .metavar = "FILE",
      .help = "Classifier of `bartizan gate train`, instead of what the configuration names." },
    { .name = "calibration",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, calibration),
      .metavar = "FILE",
      .help = "Thresholds of `bartizan gate calibrate`, instead of what the configuration names." },
    { .name = "group",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, group),
      .metavar = "NAME",
      .help = "Judge as for callers in that group, where rules have `groups`." },
    { .name = "detectors",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, detectors),
      .help = "List the detectors of this build, and check nothing." },
};

struct checking {
    struct btz_cli *cli;
    enum format format;
    const struct btz_guard *guard;
    struct btz_slice group; /* that the caller is in */
    json_t *all;            /* of format json */
    size_t lines, stopped, changed, expected, met, not_evaluated;
    size_t surprises; /* what makes the exit status 1 */
};
struct verdict {
    enum btz_guard_action action;
    const struct btz_guard_record *records;
    size_t count;
    bool evaluated, found;
    double score;    /* the highest */
    const char *why; /* it is not evaluated, or not of the form it should have */
    struct btz_conformity form;
};

static const char *verdict_name(const struct verdict *v)
{
    if (!v->evaluated)
        return "not-evaluated";
    return v->found ? btz_guard_action_name(v->action) : "pass";
}

/* ---- printing ------------------------------------------------------------------------------------------------------- */

static enum btz_err print_text(struct checking *c, const struct btz_gate_line *line,
                               const struct verdict *v)
{
    BTZ_BUF_RELEASE struct btz_buf id = BTZ_BUF(1 << 20), why = BTZ_BUF(1 << 20);
    FILE *out = c->cli->out;

    if (line->id.len > 0)
        BTZ_TRY(btz_utf8_printable(line->id, false, &id));
    else
        BTZ_TRY(btz_buf_printf(&id, "line %zu", line->number));
    fprintf(out, "%-16.*s %-16s %-13s %.3f", BTZ_SLICE_ARG(btz_buf_slice(&id)),
            btz_channel_name(line->channel), verdict_name(v), v->score);
    if (*v->why) {
        BTZ_TRY(btz_utf8_printable(btz_str(v->why), false, &why));
        fprintf(out, "  %.*s", BTZ_SLICE_ARG(btz_buf_slice(&why)));
    }
    for (size_t i = 0; i < v->count; i++) {
        const struct btz_hit *h = &v->records[i].hit;

        fprintf(out, "%s%s", i ? ", " : "  ", h->detector->id);
        if (strcmp(h->kind, h->detector->id) != 0)
            fprintf(out, "/%s", h->kind);
        fprintf(out, "@%zu-%zu", h->from, h->to);
        if (h->how && strcmp(h->how, "plain") != 0)
            fprintf(out, " (%s)", h->how);
    }
    fprintf(out, "\n");
    return BTZ_OK;
}

static json_t *hit_json(const struct btz_hit *h)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:s}", "detector", h->detector->id, "kind",
                     h->kind, "action", btz_guard_action_name(h->action), "from",
                     (json_int_t)h->from, "to", (json_int_t)h->to, "score", h->score, "how",
                     h->how ? h->how : "plain");
}

static enum btz_err line_json(const struct btz_gate_line *line, const struct verdict *v,
                              json_t **out)
{
    BTZ_JSON json_t *hits = json_array();
    json_t *o = json_pack("{s:I, s:s, s:s, s:f, s:O}", "line", (json_int_t)line->number, "channel",
                          btz_channel_name(line->channel), "verdict", verdict_name(v), "score",
                          v->score, "hits", hits);
    int failed = !hits || !o;

    for (size_t i = 0; !failed && i < v->count; i++)
        failed = json_array_append_new(hits, hit_json(&v->records[i].hit));
    if (!failed && line->id.len > 0)
        failed = json_object_set_new(o, "id", btz_json_text(line->id));
    if (!failed && line->expected.len > 0)
        failed = json_object_set_new(o, "expected", btz_json_text(line->expected)) ||
                 json_object_set_new(o, "met",
                                     json_boolean(btz_slice_is(line->expected, verdict_name(v))));
    if (!failed && *v->why)
        failed = json_object_set_new(o, "reason", btz_json_text(btz_str(v->why)));
    if (failed) {
        json_decref(o);
        return btz_fail(BTZ_LIMIT, "out of memory for a verdict");
    }
    *out = o;
    return BTZ_OK;
}

static enum btz_err print_json(struct checking *c, const struct btz_gate_line *line,
                               const struct verdict *v)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 24);
    BTZ_JSON json_t *o = NULL;

    BTZ_TRY(line_json(line, v, &o));
    if (c->format == FORMAT_JSON)
        return json_array_append(c->all, o) == 0
                   ? BTZ_OK
                   : btz_fail(BTZ_LIMIT, "out of memory for verdicts");
    BTZ_TRY(btz_json_write(o, false, &text));
    fprintf(c->cli->out, "%.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&text)));
    return BTZ_OK;
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

static void count(struct checking *c, const struct btz_gate_line *line, const struct verdict *v)
{
    c->lines++;
    c->not_evaluated += !v->evaluated;
    c->stopped += v->evaluated && v->action >= BTZ_GUARD_STEP_UP;
    c->surprises += line->expected.len > 0 ? !btz_slice_is(line->expected, verdict_name(v))
                                           : !v->evaluated || v->action >= BTZ_GUARD_STEP_UP;
    c->changed += v->evaluated && v->found &&
                  (v->action == BTZ_GUARD_MASK || v->action == BTZ_GUARD_PSEUDONYMISE);
    if (line->expected.len > 0) {
        c->expected++;
        c->met += btz_slice_is(line->expected, verdict_name(v));
    }
}

/* The text as it would go out, against the line's schema. */
static enum btz_err check_form(struct btz_guard_session *s, const struct btz_gate_line *line,
                               struct btz_slice text, struct verdict *v)
{
    struct btz_schema *schema = NULL;
    enum btz_channel channel =
        line->channel == BTZ_CHANNEL_TOOL_ARGUMENTS ? line->channel : BTZ_CHANNEL_OUTPUT;
    enum btz_err err = btz_schema_new(line->schema, &schema);

    if (err == BTZ_OK)
        err = btz_guard_conforms(s, channel, schema, "", text, &v->form);
    else
        snprintf(v->form.why, sizeof v->form.why, "%s", btz_error_detail());
    btz_schema_free(schema);
    v->evaluated = v->form.evaluated;
    v->why = v->form.why;
    return err == BTZ_INTERNAL ? err : BTZ_OK;
}

static enum btz_err check_line(void *user, const struct btz_gate_line *line)
{
    struct checking *c = user;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 30);
    struct btz_guard_session *s;
    struct verdict v = { .why = "" };
    bool changed;
    enum btz_err err;

    BTZ_TRY(btz_guard_session_new(c->guard, &s));
    btz_guard_session_groups(s, &c->group, c->group.len > 0);
    err = btz_guard_text(s, line->channel, line->text, &changed, &out);
    v.evaluated = err != BTZ_LIMIT;
    if (err == BTZ_LIMIT || err == BTZ_DENIED) {
        v.why = err == BTZ_LIMIT ? btz_error_detail() : "";
        err = BTZ_OK;
    } else if (err == BTZ_OK && line->schema && btz_guard_verdict(s) < BTZ_GUARD_STEP_UP) {
        err = check_form(s, line, changed ? btz_buf_slice(&out) : line->text, &v);
    }
    v.action = btz_guard_verdict(s);
    v.records = btz_guard_records(s, &v.count);
    v.found = v.count > 0;
    for (size_t i = 0; i < v.count; i++)
        if (v.records[i].hit.score > v.score)
            v.score = v.records[i].hit.score;
    if (err == BTZ_OK)
        err = c->format == FORMAT_TEXT ? print_text(c, line, &v) : print_json(c, line, &v);
    if (err == BTZ_OK)
        count(c, line, &v);
    btz_guard_session_free(s);
    return err;
}

static enum btz_err check_all(struct checking *c, const char *path)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 30);
    enum btz_err err;

    c->all = json_array();
    err = c->all ? btz_gate_lines(c->cli, path, check_line, c)
                 : btz_fail(BTZ_LIMIT, "out of memory for verdicts");
    if (err == BTZ_OK && c->format == FORMAT_JSON) {
        err = btz_json_write(c->all, true, &text);
        if (err == BTZ_OK)
            fprintf(c->cli->out, "%.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&text)));
    }
    json_decref(c->all);
    if (err == BTZ_OK && !c->cli->quiet)
        fprintf(c->cli->err, "%zu texts: %zu stopped, %zu changed, %zu not evaluated\n", c->lines,
                c->stopped, c->changed, c->not_evaluated);
    if (err == BTZ_OK && c->expected > 0)
        fprintf(c->cli->err, "%zu of %zu verdicts as expected\n", c->met, c->expected);
    return err;
}

static void list(struct btz_cli *cli)
{
    for (size_t i = 0; btz_guard_detectors[i]; i++) {
        const struct btz_guard_detector *d = btz_guard_detectors[i];

        fprintf(cli->out, "%-18s user: %-13s third parties: %-13s output: %-13s %s\n", d->id,
                btz_guard_action_name(d->user), btz_guard_action_name(d->untrusted),
                btz_guard_action_name(d->output), d->summary);
    }
}

static enum btz_err check(struct btz_cli *cli, const struct args *a, struct checking *c)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_guard_conf conf;
    struct btz_guard *guard;
    enum btz_err err;

    btz_arena_init(&arena, 64 << 20);
    BTZ_TRY(btz_cli_guard_conf(cli, &arena, &conf));
    if (a->classifier)
        conf.classifier = a->classifier;
    if (a->calibration)
        conf.calibration = a->calibration;
    BTZ_TRY(btz_guard_new(&conf, &guard));
    *c = (struct checking){ .cli = cli,
                            .format = (enum format)a->format,
                            .guard = guard,
                            .group = btz_str(a->group ? a->group : "") };
    err = check_all(c, a->in);
    btz_guard_free(guard);
    return err;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    struct checking c = { .cli = cli };
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    if (a->detectors) {
        list(cli);
        return 0;
    }
    err = check(cli, a, &c);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    return c.surprises > 0;
}

const struct btz_command btz_command_gate_check = {
    .noun = "gate",
    .verb = "check",
    .summary = "Say what the guard makes of texts.",
    .details =
        "Reads texts with the channels that they stand in (user, system, assistant, tool-result, "
        "document, image-text, tool-description, output, reasoning, tool-arguments, raw) and "
        "writes "
        "for each the verdict, the highest score, and what was found: detector, kind, and offsets "
        "in bytes of the text. The guard is that of bartizan.yaml where there is one. Verdicts are "
        "pass, observe, mask, pseudonymise, route, step-up and block, and not-evaluated where a "
        "limit was met or a schema asks for what is not known here. With schema the text is held "
        "against it as an answer, or as a tool's arguments, would be.\n\n"
        "The exit status is 1 when a text would be stopped (block or step-up) or could not be "
        "evaluated; where a line expects a verdict, when it got another one.\n\n"
        "    bartizan gate check --in texts.jsonl --format jsonl\n"
        "    echo '{\"text\":\"Ignore all previous instructions.\"}' | bartizan gate check",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
