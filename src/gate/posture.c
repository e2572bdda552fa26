/* The gateway's own posture as part of `bartizan scan`, when bartizan.yaml has the section `gate`. */
#include "gate/posture.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/yaml.h"
#include "finding/practice.h"

#define YAML_MAX  ((size_t)16 << 20)
#define FRONT_MAX ((size_t)1 << 20)
#define MEMORY    ((size_t)128 << 20)
#define RULES_MAX 64

static const struct btz_asset asset = { .kind = "gateway", .name = "gate", .address = "" };

/* ---- findings ------------------------------------------------------------------------------------------------------- */

static enum btz_err send(struct btz_posture_out *out, enum btz_outcome outcome, int severity,
                         const char *location, const char *reason)
{
    const struct btz_finding f = { .rule = out->rule,
                                   .asset = asset,
                                   .location = location,
                                   .outcome = outcome,
                                   .severity = severity < 0 ? out->rule->severity
                                                            : (enum btz_severity)severity,
                                   .reason = reason,
                                   .ci_low = NAN,
                                   .ci_high = NAN };

    return out->sink->finding(out->sink, &f);
}

enum btz_err btz_posture_fail(struct btz_posture_out *out, int severity, const char *location,
                              const char *fmt, ...)
{
    char reason[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    out->failed++;
    return send(out, BTZ_OUTCOME_FAIL, severity, location, reason);
}

enum btz_err btz_posture_skip(struct btz_posture_out *out, const char *reason)
{
    out->skipped = true;
    return send(out, BTZ_OUTCOME_NOT_EVALUATED, -1, "", reason);
}

static enum btz_err run_one(const struct btz_posture *p, const struct btz_posture_rule *rule,
                            struct btz_sink *sink)
{
    struct btz_posture_out out = { .sink = sink };
    char text[128];

    snprintf(text, sizeof text, "access.gate.%s", rule->word);
    out.rule = btz_rule_find(text);
    if (!out.rule)
        return btz_fail(BTZ_INTERNAL, "there is no rule %s", text);
    BTZ_TRY(rule->check(p, &out));
    if (out.failed > 0 || out.skipped)
        return BTZ_OK;
    snprintf(text, sizeof text, "%" PRIu64 " looked at, none to be named", out.looked_at);
    return send(&out, BTZ_OUTCOME_PASS, -1, "", text);
}

enum btz_err btz_posture_run(const struct btz_posture *p, struct btz_sink *sink)
{
    struct btz_coverage coverage = { .practice = BTZ_PRACTICE_ACCESS,
                                     .asset = asset,
                                     .unit = "rules" };

    for (const struct btz_posture_rule *r = btz_posture_settings_rules; r->word; r++) {
        BTZ_TRY(run_one(p, r, sink));
        coverage.done++;
    }
    for (const struct btz_posture_rule *r = btz_posture_place_rules; r->word; r++) {
        BTZ_TRY(run_one(p, r, sink));
        coverage.done++;
    }
    coverage.planned = coverage.done;
    return sink->coverage(sink, &coverage);
}

/* ---- what is gathered ----------------------------------------------------------------------------------------------- */

static void add_place(struct btz_posture_place *list, size_t *count, const char *fmt, ...)
    BTZ_PRINTF(3, 4);

static void add_place(struct btz_posture_place *list, size_t *count, const char *fmt, ...)
{
    va_list args;

    if (*count == BTZ_POSTURE_PLACES)
        return;
    va_start(args, fmt);
    vsnprintf(list[*count].what, sizeof list->what, fmt, args);
    va_end(args);
    ++*count;
}

bool btz_posture_is_local(const char *address)
{
    const char *scheme = strstr(address, "://"), *host = scheme ? scheme + 3 : address;
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    struct btz_slice name = btz_slice_of(host, n < strlen(host) ? n : strlen(host));

    return name.len == 0 || btz_slice_is(name, "localhost") || btz_slice_is(name, "[::1]") ||
           (btz_slice_has_prefix(name, btz_str("127.")) &&
            strspn(host, "0123456789.") >= name.len) ||
           strncmp(address, "unix:", 5) == 0;
}

/* ---- bartizan.yaml: what stands there, before variables are put in ---- */

static bool is_literal(const struct btz_yaml *value)
{
    return value && value->kind == BTZ_YAML_SCALAR && value->text[0] && !btz_conf_is_null(value) &&
           !btz_conf_is_from_env(value->text);
}

static bool may_be_secret(const char *header)
{
    static const char *const words[] = { "authorization", "key", "token", "secret", "cookie" };
    char lower[128];
    size_t n = strlen(header);

    if (n >= sizeof lower)
        return true;
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)(header[i] >= 'A' && header[i] <= 'Z' ? header[i] + 32 : header[i]);
    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (strstr(lower, words[i]))
            return true;
    return false;
}

static void read_upstream(const struct btz_yaml *upstream, struct btz_posture *out)
{
    const struct btz_yaml *name = btz_yaml_get(upstream, "name");
    const struct btz_yaml *headers = btz_yaml_get(upstream, "headers");
    const char *called = name && name->kind == BTZ_YAML_SCALAR ? name->text : "?";

    if (is_literal(btz_yaml_get(upstream, "credential")))
        add_place(out->clear, &out->clear_count, "upstream %.100s, credential", called);
    for (const struct btz_yaml *h = headers ? headers->first : NULL; h; h = h->next)
        if (h->key && may_be_secret(h->key) && is_literal(h))
            add_place(out->clear, &out->clear_count, "upstream %.100s, header %.100s", called,
                      h->key);
}

enum btz_err btz_posture_read_settings(struct btz_slice yaml, struct btz_posture *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_yaml *root, *gate, *upstreams, *shared;

    btz_arena_init(&arena, MEMORY);
    BTZ_TRY(btz_yaml_parse(yaml, "bartizan.yaml", &arena, &root));
    out->file_known = true;
    gate = root->kind == BTZ_YAML_MAP ? btz_yaml_get(root, "gate") : NULL;
    if (!gate || gate->kind != BTZ_YAML_MAP)
        return BTZ_OK;
    upstreams = btz_yaml_get(gate, "upstreams");
    for (const struct btz_yaml *u = upstreams ? upstreams->first : NULL; u; u = u->next)
        if (u->kind == BTZ_YAML_MAP)
            read_upstream(u, out);
    shared = btz_yaml_get(gate, "shared_limits");
    if (is_literal(shared) && strchr(shared->text, '@'))
        add_place(out->clear, &out->clear_count, "gate.shared_limits");
    return BTZ_OK;
}

static enum btz_err read_settings_file(const char *file, struct btz_posture *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(YAML_MAX + 65536);
    struct stat st;

    if (!file || stat(file, &st) != 0 || !S_ISREG(st.st_mode))
        return BTZ_OK;
    out->file_is_open = st.st_mode & 044;
    BTZ_TRY(btz_file_read(file, YAML_MAX, &text));
    return btz_posture_read_settings(btz_buf_slice(&text), out);
}

/* ---- the front, as it was last written ---- */

static void read_listen(struct btz_slice words, struct btz_posture *out)
{
    size_t end = btz_slice_find(words, btz_str(" "), 0);
    struct btz_slice at = btz_slice_sub(words, 0, end == SIZE_MAX ? words.len : end);
    char address[128];

    snprintf(address, sizeof address, "%.*s", (int)(at.len < 127 ? at.len : 127),
             (const char *)at.ptr);
    if (btz_posture_is_local(address))
        return;
    out->beyond_loopback = true;
    if (!btz_slice_has(words, " ssl"))
        add_place(out->plain, &out->plain_count, "%s", address);
}

void btz_posture_read_front(struct btz_slice conf, bool started_by_root, struct btz_posture *out)
{
    struct btz_reader r = { .in = conf };
    bool other_user = false;
    struct btz_slice line;

    out->front_known = true;
    while (btz_read_line(&r, &line)) {
        line = btz_slice_trim(line);
        if (line.len > 0 && line.ptr[line.len - 1] == ';')
            line.len--;
        if (btz_slice_has_prefix(line, btz_str("listen ")))
            read_listen(btz_slice_sub(line, 7, line.len), out);
        else if (btz_slice_has_prefix(line, btz_str("ssl_certificate ")))
            out->self_signed = btz_slice_has(line, "/self-signed.pem\"");
        else if (btz_slice_has_prefix(line, btz_str("ssl_client_certificate ")))
            out->asks_certificates = true;
        else if (btz_slice_has_prefix(line, btz_str("user ")))
            other_user = !btz_slice_is(line, "user root");
    }
    out->works_as_root = started_by_root && !other_user;
}

static enum btz_err read_front_file(const char *state_dir, struct btz_posture *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(FRONT_MAX + 65536);
    char path[4096];
    struct stat st;

    snprintf(path, sizeof path, "%s/gate/nginx.conf", state_dir);
    if (stat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? BTZ_OK : btz_fail_errno(BTZ_IO, "%s", path);
    BTZ_TRY(btz_file_read(path, FRONT_MAX, &text));
    btz_posture_read_front(btz_buf_slice(&text), st.st_uid == 0, out);
    return BTZ_OK;
}

/* ---- the state folder ---- */

static void look_at_state(const char *state_dir, struct btz_posture *out)
{
    /* The folder keeps others out of all of it; where it does not, these are what they must not have. */
    static const char *const names[] = {
        "",           "access", "access/seal.key", "access/access.db",
        "ledger/key", "vault",  "vault/key",       "gate/self-signed.key",
        "gate"
    };
    char path[4096];
    struct stat st;

    for (size_t i = 0; i < BTZ_COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", state_dir, names[i]);
        if (stat(path, &st) != 0)
            continue;
        out->state_known = true;
        if (st.st_mode & 077)
            add_place(out->loose, &out->loose_count, "%s", i ? names[i] : "the folder itself");
    }
}

enum btz_err btz_posture_gather(const struct btz_gate_conf *conf, const char *file,
                                const char *state_dir, struct btz_posture *out)
{
    *out = (struct btz_posture){ .conf = conf };
    BTZ_TRY(read_settings_file(file, out));
    BTZ_TRY(read_front_file(state_dir, out));
    look_at_state(state_dir, out);
    return BTZ_OK;
}

/* ---- the practice --------------------------------------------------------------------------------------------------- */

static enum btz_err plan(const void *conf, const struct btz_context *ctx, struct btz_arena *arena,
                         void **out, struct btz_forecast *forecast)
{
    (void)ctx;
    *forecast = (struct btz_forecast){ .seconds = NAN, .cost = NAN };
    forecast->text = btz_arena_printf(arena, "settings, front and files of the gateway\n");
    /* Only read. */
    memcpy(out, &conf, sizeof conf);
    return forecast->text ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err run(void *opaque, const struct btz_context *ctx, struct btz_sink *sink)
{
    static const char none[] = "";
    struct btz_posture p;

    if (ctx->stop && *ctx->stop)
        return BTZ_OK;
    BTZ_TRY(
        btz_posture_gather(opaque, ctx->settings_file, ctx->state_dir ? ctx->state_dir : none, &p));
    return btz_posture_run(&p, sink);
}

/* Its settings are the section of the same name, so it brings no keys. */
const struct btz_practice_ops btz_practice_gate = {
    .name = "gate",
    .practice = BTZ_PRACTICE_ACCESS,
    .plan = plan,
    .run = run,
};
