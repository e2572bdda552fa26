/*
 * Exports against what others define: OCSF's classes as its schema files give them (github.com/ocsf/ocsf-schema,
 * events/iam and events/application), RFC 5424's grammar by a parser written from its ABNF. And the operations.
 */
#include <ctype.h>

#include "access_fixture.h"

#include "access/export.h"

#define USR_A "usr_01JD000000000000000000000A"
#define USR_B "usr_01JD000000000000000000000B"
#define USR_C "usr_01JD000000000000000000000C"
#define SES_A "ses_01JD000000000000000000000A"
#define SES_B "ses_01JD000000000000000000000B"
#define KEY_K "key_01JD000000000000000000000K"
#define SVC_S "svc_01JD000000000000000000000S"

static const struct btz_export_source source = { .host = "gate.example", .origin = "log.example" };

/* ---- OCSF ---- */

/* Of the schema files: activities of the class, attributes it requires, constraint "at least one of". */
static const struct {
    int class_uid, last_activity;
    const char *required[4], *one_of[4];
} classes[] = {
    { 3001, 11, { "user" }, { NULL } },
    { 3002, 5, { "user" }, { "service", "dst_endpoint" } },
    { 3003, 2, { "user" }, { "privileges", "groups", "group" } },
    { 3004, 4, { "entity" }, { NULL } },
    { 3005, 2, { "user", "privileges" }, { NULL } },
    { 6003, 4, { "actor", "api", "src_endpoint" }, { NULL } },
};
static const char *const base_attributes[] = {
    "activity_id", "activity_name", "category_uid",  "category_name", "class_uid",
    "class_name",  "type_uid",      "severity_id",   "time",          "metadata",
    "status_id",   "status",        "status_detail", "unmapped",      "actor",
};
/* Class by class, what else the schema has and we use. */
static const char *const class_attributes[][7] = {
    { "user", "src_endpoint" },
    { "user", "service", "src_endpoint", "is_remote", "session", "is_mfa", NULL },
    { "user", "privileges" },
    { "entity", "comment" },
    { "user", "privileges" },
    { "api", "src_endpoint", "resources" },
};

static int64_t number(const json_t *o, const char *name)
{
    assert_true(json_is_integer(json_object_get(o, name)));
    return json_integer_value(json_object_get(o, name));
}

static bool listed(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count && list[i]; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static void check_user(const json_t *user)
{
    /* objects/user.json: at least one of account, name, uid; type_id of the enumeration. */
    assert_true(json_object_get(user, "name") || json_object_get(user, "uid"));
    if (json_object_get(user, "type_id")) {
        int64_t type = number(user, "type_id");

        assert_true((type >= 0 && type <= 4) || type == 99);
    }
}

static size_t check_class(const json_t *event)
{
    int64_t class_uid = number(event, "class_uid"), activity = number(event, "activity_id");
    size_t i = 0;
    bool any = false;

    while (i < BTZ_COUNT(classes) && classes[i].class_uid != class_uid)
        i++;
    assert_true(i < BTZ_COUNT(classes));
    assert_true((activity >= 1 && activity <= classes[i].last_activity) || activity == 99);
    for (size_t k = 0; k < 4 && classes[i].required[k]; k++)
        if (!json_object_get(event, classes[i].required[k]))
            fail_msg("class %d without %s", (int)class_uid, classes[i].required[k]);
    for (size_t k = 0; k < 4 && classes[i].one_of[k]; k++)
        any |= json_object_get(event, classes[i].one_of[k]) != NULL;
    assert_true(any || !classes[i].one_of[0]);
    return i;
}

static void check_event(const json_t *event)
{
    int64_t class_uid = number(event, "class_uid");
    const json_t *metadata = json_object_get(event, "metadata");
    size_t at = check_class(event);
    const char *name;
    json_t *value;

    assert_int_equal(number(event, "type_uid"), class_uid * 100 + number(event, "activity_id"));
    assert_int_equal(number(event, "category_uid"), class_uid / 1000);
    assert_in_range(number(event, "severity_id"), 1, 5);
    assert_in_range(number(event, "status_id"), 1, 2);
    assert_true(number(event, "time") > 0);
    assert_string_equal(json_string_value(json_object_get(metadata, "version")), "1.3.0");
    assert_true(
        json_is_string(json_object_get(json_object_get(metadata, "product"), "vendor_name")));
    assert_true(json_is_string(json_object_get(json_object_get(metadata, "product"), "name")));
    if (json_object_get(event, "user"))
        check_user(json_object_get(event, "user"));
    check_user(json_object_get(json_object_get(event, "actor"), "user"));
    json_object_foreach((json_t *)(uintptr_t)event, name, value)
    {
        if (!listed(name, base_attributes, BTZ_COUNT(base_attributes)) &&
            !listed(name, class_attributes[at], 7) && strncmp(name, "auth_protocol", 13) != 0)
            fail_msg("class %d: attribute %s is none of its own", (int)class_uid, name);
    }
}

static json_t *ocsf_of(json_t *entry)
{
    struct btz_trail_record r = { .index = 7, .entry = entry };
    json_t *event = NULL;

    access_must(btz_ocsf_event(&r, &source, &event));
    check_event(event);
    json_decref(entry);
    return event;
}

static json_t *entry_of(const char *event, const char *verdict, const char *operation)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", "type", "bartizan/trail/v1", "id",
                     "evt_01JD0000000000000000000000", "time", "2026-08-15T12:00:00.000Z", "month",
                     "2026-08", "event", event, "verdict", verdict, "operation", operation);
}

/* Every operation of the build, every event and verdict, with much and with nothing known. */
static void test_ocsf_shapes(void **state)
{
    static const char *const events[] = { "sign-in",     "sign-out", "step-up",  "refusal",
                                          "decision",    "change",   "approval", "elevation",
                                          "break-glass", "export",   "alarm",    "retention" };
    static const char *const verdicts[] = { "allow", "deny", "error" };
    unsigned seen = 0;
    (void)state;
    for (size_t o = 0; o == 0 || btz_operations[o - 1]; o++)
        for (size_t e = 0; e < BTZ_COUNT(events); e++)
            for (size_t v = 0; v < BTZ_COUNT(verdicts); v++, seen++) {
                const char *id = btz_operations[o] ? btz_operations[o]->id : NULL;
                json_t *bare = entry_of(events[e], verdicts[v], id);
                json_t *full = json_copy(bare);

                json_decref(ocsf_of(bare));
                json_object_update_new(
                    full, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s}}",
                                    "principal", USR_A, "name", "ann", "method", "password+totp",
                                    "session", SES_A, "address", "192.0.2.1", "resource",
                                    "user/" USR_B, "reason", "a reason", "after", "role", "admin",
                                    "subject", USR_C, "status", "disabled"));
                json_decref(ocsf_of(full));
            }
    assert_true(seen > 500);
}

static void expect_kind(json_t *entry, int64_t class_uid, int64_t activity, int64_t status)
{
    BTZ_JSON json_t *event = ocsf_of(entry);

    assert_int_equal(number(event, "class_uid"), class_uid);
    assert_int_equal(number(event, "activity_id"), activity);
    assert_int_equal(number(event, "status_id"), status);
}

/* The meanings, read off the schema's captions. */
static void test_ocsf_meanings(void **state)
{
    json_t *disabled = entry_of("change", "allow", "user.update");
    BTZ_JSON json_t *logon = NULL;
    (void)state;
    expect_kind(entry_of("sign-in", "allow", "sign-in.totp"), 3002, 1, 1);
    expect_kind(entry_of("sign-in", "deny", "sign-in"), 3002, 1, 2);
    expect_kind(entry_of("sign-out", "allow", "sign-out"), 3002, 2, 1);
    expect_kind(entry_of("change", "allow", "user.create"), 3001, 1, 1);
    expect_kind(entry_of("change", "allow", "service.delete"), 3001, 6, 1);
    expect_kind(entry_of("change", "allow", "binding.create"), 3005, 1, 1);
    expect_kind(entry_of("change", "allow", "binding.delete"), 3005, 2, 1);
    expect_kind(entry_of("change", "allow", "group.create"), 3004, 1, 1);
    expect_kind(entry_of("change", "allow", "policy.delete"), 3004, 4, 1);
    expect_kind(entry_of("decision", "deny", "decide"), 6003, 99, 2);
    expect_kind(entry_of("export", "allow", "audit.export"), 6003, 2, 1);
    expect_kind(entry_of("break-glass", "allow", "me.break-glass"), 3003, 1, 1);
    json_object_set_new(disabled, "before", json_pack("{s:s}", "status", "active"));
    json_object_set_new(disabled, "after", json_pack("{s:s}", "status", "disabled"));
    expect_kind(disabled, 3001, 5, 1);
    logon = ocsf_of(json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", "evt_x", "time",
                              "2026-08-15T12:00:00.000Z", "event", "sign-in", "verdict", "allow",
                              "principal", USR_A, "method", "password+totp", "address", "192.0.2.1",
                              "session", SES_A));
    assert_int_equal(number(logon, "time"), INT64_C(1786795200000));
    assert_true(json_is_true(json_object_get(logon, "is_mfa")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(logon, "user"), "uid")),
                        USR_A);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(logon, "src_endpoint"), "ip")),
        "192.0.2.1");
}

/* ---- RFC 5424, section 6: the grammar ---- */

struct message {
    int pri;
    char timestamp[40], host[256], app[49], procid[129], msgid[33], sd_id[33];
    struct {
        char name[33], value[4096];
    } param[32];
    size_t params;
    struct btz_slice msg;
};

struct cursor {
    struct btz_slice in;
    size_t at;
};

static int peek(const struct cursor *c)
{
    return c->at < c->in.len ? c->in.ptr[c->at] : -1;
}

static void expect(struct cursor *c, char what)
{
    if (peek(c) != (unsigned char)what)
        fail_msg("byte %zu: expected '%c', found %d in %.*s", c->at, what, peek(c),
                 BTZ_SLICE_ARG(c->in));
    c->at++;
}

/* n*mPRINTUSASCII but for the characters of `not`. */
static void printable(struct cursor *c, size_t max, const char * not, char *out)
{
    size_t n = 0;

    while (peek(c) >= 33 && peek(c) <= 126 && !strchr(not, peek(c))) {
        assert_true(n < max);
        out[n++] = (char)c->in.ptr[c->at++];
    }
    out[n] = '\0';
    assert_true(n >= 1);
}

static int digits(struct cursor *c, size_t count)
{
    int n = 0;

    for (size_t i = 0; i < count; i++, c->at++) {
        assert_true(isdigit(peek(c)));
        n = n * 10 + peek(c) - '0';
    }
    return n;
}

static void timestamp(struct cursor *c)
{
    digits(c, 4);
    expect(c, '-');
    assert_in_range(digits(c, 2), 1, 12);
    expect(c, '-');
    assert_in_range(digits(c, 2), 1, 31);
    expect(c, 'T');
    assert_in_range(digits(c, 2), 0, 23);
    expect(c, ':');
    assert_in_range(digits(c, 2), 0, 59);
    expect(c, ':');
    assert_in_range(digits(c, 2), 0, 59);
    if (peek(c) == '.') {
        size_t n = 0;

        for (c->at++; isdigit(peek(c)); c->at++)
            n++;
        assert_in_range(n, 1, 6);
    }
    expect(c, 'Z');
}

static void param(struct cursor *c, struct message *m)
{
    char *value = m->param[m->params].value;
    size_t n = 0;

    assert_true(m->params < BTZ_COUNT(m->param));
    printable(c, 32, "=]\"", m->param[m->params].name);
    expect(c, '=');
    expect(c, '"');
    while (peek(c) != '"') {
        assert_true(peek(c) >= 0 && peek(c) != ']' && n < 4095);
        if (peek(c) == '\\') {
            c->at++;
            assert_true(peek(c) == '"' || peek(c) == '\\' || peek(c) == ']');
        }
        value[n++] = (char)c->in.ptr[c->at++];
    }
    value[n] = '\0';
    expect(c, '"');
    m->params++;
}

static void parse_message(struct btz_slice text, struct message *m)
{
    struct cursor c = { .in = text };
    size_t start;

    memset(m, 0, sizeof *m);
    expect(&c, '<');
    for (start = c.at; isdigit(peek(&c)); c.at++)
        m->pri = m->pri * 10 + peek(&c) - '0';
    assert_in_range(c.at - start, 1, 3);
    assert_in_range(m->pri, 0, 191);
    expect(&c, '>');
    expect(&c, '1');
    expect(&c, ' ');
    start = c.at;
    timestamp(&c);
    snprintf(m->timestamp, sizeof m->timestamp, "%.*s", (int)(c.at - start),
             (const char *)text.ptr + start);
    expect(&c, ' ');
    printable(&c, 255, "", m->host);
    expect(&c, ' ');
    printable(&c, 48, "", m->app);
    expect(&c, ' ');
    printable(&c, 128, "", m->procid);
    expect(&c, ' ');
    printable(&c, 32, "", m->msgid);
    expect(&c, ' ');
    expect(&c, '[');
    printable(&c, 32, "=]\"", m->sd_id);
    while (peek(&c) == ' ') {
        c.at++;
        param(&c, m);
    }
    expect(&c, ']');
    expect(&c, ' ');
    m->msg = btz_slice_sub(text, c.at, text.len - c.at);
    assert_true(btz_slice_has_prefix(m->msg, btz_str("\xEF\xBB\xBF")));
    assert_true(btz_is_utf8(text));
    for (size_t i = 0; i < text.len; i++) /* one line, whatever was in it */
        assert_true(text.ptr[i] >= 0x20 && text.ptr[i] != 0x7F);
}

static const char *param_of(const struct message *m, const char *name)
{
    for (size_t i = 0; i < m->params; i++)
        if (strcmp(m->param[i].name, name) == 0)
            return m->param[i].value;
    return NULL;
}

static void syslog_of(json_t *entry, struct message *m, struct btz_buf *text)
{
    struct btz_trail_record r = { .index = 4711, .entry = entry };

    btz_buf_clear(text);
    access_must(btz_syslog_write(&r, &source, btz_str(NULL), text));
    parse_message(btz_buf_slice(text), m);
    json_decref(entry);
}

static void test_syslog(void **state)
{
    static struct message m;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    json_t *entry = entry_of("change", "allow", "user.create");
    (void)state;
    json_object_set_new(entry, "reason", json_string("quote \" slash \\ bracket ] done"));
    json_object_set_new(entry, "name", json_string("Zo\xC3\xAB"));
    syslog_of(entry, &m, &text);
    assert_int_equal(m.pri, 13 * 8 + 5); /* log audit, notice */
    assert_string_equal(m.timestamp, "2026-08-15T12:00:00.000Z");
    assert_string_equal(m.host, "gate.example");
    assert_string_equal(m.app, "bartizan");
    assert_string_equal(m.msgid, "change");
    assert_string_equal(m.sd_id, "bartizan@32473");
    assert_string_equal(param_of(&m, "index"), "4711");
    assert_string_equal(param_of(&m, "ledger"), "log.example");
    assert_string_equal(param_of(&m, "operation"), "user.create");
    assert_string_equal(param_of(&m, "reason"), "quote \" slash \\ bracket ] done");
    assert_string_equal(param_of(&m, "name"), "Zo\xC3\xAB");
    assert_true(btz_slice_has(m.msg, "change allow: user.create by Zo\xC3\xAB"));
    syslog_of(entry_of("refusal", "deny", "user.list"), &m, &text);
    assert_int_equal(m.pri, 13 * 8 + 4);
    syslog_of(entry_of("break-glass", "allow", NULL), &m, &text);
    assert_int_equal(m.pri, 13 * 8 + 2);
}

/* Random texts of hostile characters in every field: the grammar holds, and printable ones come back as they were. */
static void test_syslog_hostile(void **state)
{
    static const char *const names[] = { "operation", "principal", "name", "reason", "resource" };
    static const char *const pieces[] = {
        "\"",      "\\",   "]", "[",        "\n",           "\r",
        "\x1b[2J", "=",    " ", "\xC2\x85", "\xE2\x80\xA8", "\xF0\x9F\xA7\xB1",
        "a",       "<13>1"
    };
    static struct message m;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct btz_rng r;
    (void)state;
    btz_rng_init(&r, 5424, 0);
    for (int round = 0; round < 2000; round++) {
        json_t *entry = entry_of("alarm", "error", NULL);
        char value[BTZ_COUNT(names)][256];
        bool plain[BTZ_COUNT(names)];

        for (size_t i = 0; i < BTZ_COUNT(names); i++) {
            value[i][0] = '\0';
            plain[i] = true;
            for (uint32_t n = 1 + btz_rng_below(&r, 12), len = 0; n > 0; n--) {
                uint32_t k = btz_rng_below(&r, BTZ_COUNT(pieces));

                plain[i] &= k < 4 || k == 7 || k == 8 || k > 10;
                len += (uint32_t)snprintf(value[i] + len, sizeof value[i] - len, "%s", pieces[k]);
            }
            json_object_set_new(entry, names[i], json_string(value[i]));
        }
        syslog_of(entry, &m, &text);
        for (size_t i = 0; i < BTZ_COUNT(names); i++)
            if (plain[i])
                assert_string_equal(param_of(&m, names[i]), value[i]);
    }
}

static void test_frame(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(100);
    (void)state;
    access_must(btz_syslog_frame(btz_str("<110>1 - - - - - -"), &out));
    access_must(btz_syslog_frame(btz_str("Zo\xC3\xAB"), &out)); /* octets, not characters */
    assert_true(btz_slice_is(btz_buf_slice(&out), "18 <110>1 - - - - - -4 Zo\xC3\xAB"));
}

static void test_position(void **state)
{
    static const char *const bad[] = { "",
                                       "bartizan/forward/v1\nlog\n5",
                                       "bartizan/forward/v2\nlog\n5\n",
                                       "bartizan/forward/v1\n\n5\n",
                                       "bartizan/forward/v1\nlog\n-5\n",
                                       "bartizan/forward/v1\nlog\n05\n",
                                       "bartizan/forward/v1\nlog\n5\n6\n",
                                       "bartizan/forward/v1\nl og\n5\n",
                                       "bartizan/forward/v1\nlog\n18446744073709551616\n" };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1000);
    struct btz_syslog_position p = { .origin = "log.example", .next = UINT64_MAX }, q;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_syslog_position_parse(btz_str(bad[i]), &q), BTZ_INPUT);
    access_must(btz_syslog_position_write(&p, &out));
    access_must(btz_syslog_position_parse(btz_buf_slice(&out), &q));
    assert_string_equal(p.origin, q.origin);
    assert_int_equal(q.next, UINT64_MAX);
}

/* ---- the operations ---- */

static void add_entry(struct access_fixture *f, const struct btz_trail_entry *e)
{
    struct btz_store *s;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_store_begin(s));
    access_must(btz_trail_add(btz_access_trail(f->access), s, e, NULL));
    access_must(btz_store_commit(s));
    access_must(btz_trail_flush(btz_access_trail(f->access), s));
    btz_access_store_back(f->access, s);
}

static json_t *items_of(json_t *out)
{
    return json_object_get(out, "items");
}

static void test_list_pages(void **state)
{
    struct access_fixture f;
    uint64_t expected = 30;
    const char *cursor = NULL;
    (void)state;
    access_start(&f);
    for (int i = 0; i < 31; i++)
        add_entry(&f, &(struct btz_trail_entry){ .event = "decision", .verdict = "allow" });
    for (;;) { /* newest first, by sevens */
        BTZ_JSON json_t *out = access_ok(
            &f, &f.local, "audit.list",
            json_pack("{s:s, s:i, s:s*}", "event", "decision", "limit", 7, "cursor", cursor));
        size_t i;
        json_t *item;

        json_array_foreach(items_of(out), i, item)
            assert_int_equal(json_integer_value(json_object_get(item, "index")), expected--);
        cursor = access_text(&f, out, "next");
        if (!cursor)
            break;
    }
    assert_int_equal(expected, UINT64_MAX);
    access_refused(&f, &f.local, "audit.list", json_pack("{s:s}", "cursor", "x"), BTZ_USAGE);
    access_refused(&f, &f.local, "audit.list", json_pack("{s:s}", "address", "x"), BTZ_USAGE);
    access_refused(&f, &f.local, "audit.list", json_pack("{s:s}", "event", "login"), BTZ_USAGE);
    access_stop(&f);
}

/* What leaves is in the trail: who, when, how much. Each format is complete. */
static void test_export_is_logged(void **state)
{
    static const char *const formats[] = { "jsonl", "ocsf", "syslog" };
    struct access_fixture f;
    (void)state;
    access_start(&f);
    for (int i = 0; i < 5; i++)
        add_entry(&f, &(struct btz_trail_entry){ .event = "decision",
                                                 .verdict = "deny",
                                                 .name = "ann",
                                                 .reason = "line\nbreak" });
    for (size_t i = 0; i < BTZ_COUNT(formats); i++) {
        BTZ_JSON json_t *out =
            access_ok(&f, &f.local, "audit.export",
                      json_pack("{s:s, s:s}", "format", formats[i], "event", "decision"));
        BTZ_JSON json_t *logged = access_ok(&f, &f.local, "audit.list",
                                            json_pack("{s:s, s:i}", "event", "export", "limit", 1));
        struct btz_reader r = { .in =
                                    btz_str(json_string_value(json_object_get(out, "document"))) };
        const json_t *entry = json_array_get(items_of(logged), 0);
        struct btz_slice line;
        size_t lines = 0;

        for (; btz_read_line(&r, &line); lines++) {
            BTZ_JSON json_t *object = NULL;
            static struct message m;

            if (i == 2)
                parse_message(line, &m);
            else
                access_must(btz_json_parse(line, 1 << 20, "line", &object));
            if (i == 1)
                check_event(object);
        }
        assert_int_equal(lines, 5);
        assert_string_equal(json_string_value(json_object_get(entry, "operation")), "audit.export");
        assert_non_null(
            strstr(json_string_value(json_object_get(entry, "reason")), "exported 5 entries"));
    }
    access_stop(&f);
}

static bool has_index(const json_t *items, int64_t index, const char *how)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)items, i,
                       item) if (json_integer_value(json_object_get(item, "index")) ==
                                 index) return !how ||
        strcmp(json_string_value(json_object_get(item, "how")), how) == 0;
    return false;
}

#define TOLD(...) add_entry(&f, &(struct btz_trail_entry){ .verdict = "allow", __VA_ARGS__ })

static void test_trace(void **state)
{
    struct access_fixture f;
    BTZ_JSON json_t *of_key = NULL;
    BTZ_JSON json_t *of_person = NULL;
    BTZ_JSON json_t *of_model = NULL;
    static const int key_lines[] = { 0, 1, 2, 4, 5, 7, 8, 9, 10 }, not_key[] = { 3, 6, 11 };
    static const int person_lines[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 10 }, not_person[] = { 6, 11 };
    (void)state;
    access_start(&f);
    TOLD(.event = "change", .operation = "access.init", .principal = "local:root",
         .resource = "user/" USR_A);
    TOLD(.event = "sign-in", .principal = USR_A, .session = SES_A);
    TOLD(.event = "change", .operation = "user.create", .principal = USR_A, .session = SES_A,
         .resource = "user/" USR_B);
    add_entry(&f, &(struct btz_trail_entry){
                      .event = "sign-in", .verdict = "deny", .principal = USR_B, .name = "bob" });
    TOLD(.event = "sign-in", .principal = USR_B, .session = SES_B);
    TOLD(.event = "change", .operation = "key.create", .principal = USR_B, .session = SES_B,
         .resource = "key/" KEY_K);
    TOLD(.event = "sign-in", .principal = USR_C);
    TOLD(.event = "decision", .principal = USR_B, .key = KEY_K, .action = "model.invoke",
         .resource = "model/gpt-4o");
    TOLD(.event = "change", .operation = "service.create", .principal = USR_B, .key = KEY_K,
         .resource = "service/" SVC_S);
    add_entry(&f, &(struct btz_trail_entry){ .event = "refusal",
                                             .verdict = "deny",
                                             .principal = SVC_S,
                                             .resource = "dataset/payroll" });
    TOLD(.event = "change", .operation = "key.delete", .principal = USR_A, .session = SES_A,
         .resource = "key/" KEY_K);
    TOLD(.event = "decision", .principal = USR_C, .resource = "model/gpt-4o");

    of_key = access_ok(&f, &f.local, "audit.trace", json_pack("{s:s}", "key", KEY_K));
    for (size_t i = 0; i < BTZ_COUNT(key_lines); i++)
        if (!has_index(items_of(of_key), key_lines[i], NULL))
            fail_msg("entry %d is missing", key_lines[i]);
    for (size_t i = 0; i < BTZ_COUNT(not_key); i++)
        assert_false(has_index(items_of(of_key), not_key[i], NULL));
    assert_int_equal(json_array_size(items_of(of_key)), BTZ_COUNT(key_lines));
    assert_true(has_index(items_of(of_key), 5, "made it"));
    assert_true(has_index(items_of(of_key), 4, "signed in to make it"));
    assert_true(has_index(items_of(of_key), 2, "made its maker"));
    assert_true(has_index(items_of(of_key), 7, "did with the key"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(of_key, "made_by"), 0)),
                        USR_B);
    assert_string_equal(json_string_value(json_array_get(json_object_get(of_key, "made_by"), 2)),
                        "local:root");
    assert_string_equal(json_string_value(json_array_get(json_object_get(of_key, "made"), 0)),
                        SVC_S);
    of_person = access_ok(&f, &f.local, "audit.trace", json_pack("{s:s}", "principal", USR_B));
    for (size_t i = 0; i < BTZ_COUNT(person_lines); i++)
        if (!has_index(items_of(of_person), person_lines[i], NULL))
            fail_msg("entry %d is missing", person_lines[i]);
    for (size_t i = 0; i < BTZ_COUNT(not_person); i++)
        assert_false(has_index(items_of(of_person), not_person[i], NULL));
    of_model =
        access_ok(&f, &f.local, "audit.trace", json_pack("{s:s}", "resource", "model/gpt-4o"));
    assert_int_equal(json_array_size(items_of(of_model)), 2);
    access_refused(&f, &f.local, "audit.trace", json_object(), BTZ_USAGE);
    access_refused(&f, &f.local, "audit.trace",
                   json_pack("{s:s, s:s}", "key", KEY_K, "principal", USR_B), BTZ_USAGE);
    access_stop(&f);
}

/* The same through the real operations: a key, the key it was rotated to, and what that one made. */
static void test_trace_operations(void **state)
{
    struct access_fixture f;
    struct btz_caller ann, ci;
    BTZ_JSON json_t *service = NULL;
    BTZ_JSON json_t *key = NULL;
    BTZ_JSON json_t *next = NULL;
    BTZ_JSON json_t *of_old = NULL;
    BTZ_JSON json_t *of_new = NULL;
    const char *old_id, *new_id;
    (void)state;
    access_start(&f);
    ann = access_person(&f, "ann", "admin");
    service = access_ok(&f, &ann, "service.create", json_pack("{s:s}", "name", "ci"));
    key = access_ok(&f, &ann, "key.create",
                    json_pack("{s:s, s:s}", "principal", "ci", "name", "build"));
    old_id = access_text(&f, key, "id");
    next = access_ok(&f, &ann, "key.rotate", json_pack("{s:s}", "key", old_id));
    new_id = access_text(&f, next, "id");
    assert_string_not_equal(old_id, new_id);
    ci = (struct btz_caller){ .kind = BTZ_CALLER_KEY };
    snprintf(ci.principal, sizeof ci.principal, "%s", access_text(&f, service, "id"));
    snprintf(ci.key, sizeof ci.key, "%s", new_id);
    access_refused(&f, &ci, "user.list", json_object(), BTZ_DENIED);
    of_new = access_ok(&f, &f.local, "audit.trace", json_pack("{s:s}", "key", new_id));
    of_old = access_ok(&f, &f.local, "audit.trace", json_pack("{s:s}", "key", old_id));
    {
        const char *const operations[] = { "user.create", "key.create", "key.rotate", "user.list" };
        json_t *const both[] = { of_new, of_old };

        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < BTZ_COUNT(operations); i++) {
                bool found = false;
                size_t n;
                json_t *item;

                json_array_foreach(items_of(both[k]), n, item)
                {
                    const char *op = json_string_value(json_object_get(item, "operation"));

                    found |= op && strcmp(op, operations[i]) == 0;
                }
                if (!found)
                    fail_msg("%s is not in the trace of key %zu", operations[i], k);
            }
    }
    access_stop(&f);
}

static void test_retain_operation(void **state)
{
    struct access_fixture f;
    struct btz_ledger_check c;
    BTZ_JSON json_t *first = NULL;
    BTZ_JSON json_t *logged = NULL;
    char *ledger;
    (void)state;
    access_start(&f);
    add_entry(&f, &(struct btz_trail_entry){ .event = "alarm", .verdict = "error", .name = "ann" });
    f.now_ms += 100 * UINT64_C(86400000);
    access_refused(&f, &f.local, "audit.retain", json_object(),
                   BTZ_USAGE); /* nothing says how long */
    access_do(&f, &f.local, "audit.retain", json_pack("{s:s, s:b}", "keep", "30d", "dry_run", 1));
    first = access_ok(&f, &f.local, "audit.list", json_pack("{s:s}", "event", "alarm"));
    assert_non_null(json_object_get(json_array_get(items_of(first), 0), "name"));
    access_do(&f, &f.local, "audit.retain", json_pack("{s:s}", "keep", "30d"));
    json_decref(first);
    first = access_ok(&f, &f.local, "audit.list", json_pack("{s:s}", "event", "alarm"));
    assert_null(json_object_get(json_array_get(items_of(first), 0), "name"));
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(items_of(first), 0), "content")),
        "deleted");
    logged = access_ok(&f, &f.local, "audit.list", json_pack("{s:s}", "event", "retention"));
    assert_int_equal(json_array_size(items_of(logged)), 2);
    ledger = btz_arena_printf(&f.arena, "%s/ledger", f.dir);
    access_must(btz_ledger_verify(ledger, btz_str(NULL), btz_str(NULL), &c));
    assert_true(c.intact);
    access_stop(&f);
}

static void test_auditor_operations(void **state)
{
    struct access_fixture f;
    BTZ_JSON json_t *pair = NULL;
    BTZ_JSON json_t *other = NULL;
    BTZ_JSON json_t *alarm = NULL;
    BTZ_JSON json_t *opened = NULL;
    const char *id;
    (void)state;
    access_start(&f);
    pair = access_ok(&f, &f.local, "audit.auditor-key-new", json_object());
    other = access_ok(&f, &f.local, "audit.auditor-key-new", json_object());
    f.conf.auditor_key = access_text(&f, pair, "public_key");
    access_reopen(&f);
    add_entry(&f, &(struct btz_trail_entry){
                      .event = "alarm", .verdict = "deny", .secret = btz_str("for auditors") });
    alarm = access_ok(&f, &f.local, "audit.list", json_pack("{s:s}", "event", "alarm"));
    id = access_text(&f, json_array_get(items_of(alarm), 0), "id");
    access_refused(&f, &f.local, "audit.open",
                   json_pack("{s:s, s:s}", "entry", id, "key",
                             json_string_value(json_object_get(other, "private_key"))),
                   BTZ_DENIED);
    opened = access_ok(&f, &f.local, "audit.open",
                       json_pack("{s:s, s:s}", "entry", id, "key",
                                 json_string_value(json_object_get(pair, "private_key"))));
    assert_string_equal(json_string_value(json_object_get(opened, "text")), "for auditors");
    /* The private key is nowhere in the trail. */
    {
        BTZ_JSON json_t *all = access_ok(&f, &f.local, "audit.export", json_object());

        assert_null(strstr(json_string_value(json_object_get(all, "document")),
                           json_string_value(json_object_get(pair, "private_key"))));
        assert_non_null(strstr(json_string_value(json_object_get(all, "document")),
                               json_string_value(json_object_get(pair, "public_key"))));
    }
    access_stop(&f);
}

static void test_accept_loss_needs_one(void **state)
{
    struct access_fixture f;
    (void)state;
    access_start(&f);
    access_refused(&f, &f.local, "audit.accept-loss", json_pack("{s:s}", "reason", "none"),
                   BTZ_CONFLICT);
    access_stop(&f);
}

/* Reading is for auditors and administrators, not for everybody. */
static void test_who_may_read(void **state)
{
    struct access_fixture f;
    struct btz_caller ada, uma;
    (void)state;
    access_start(&f);
    ada = access_person(&f, "ada", "auditor");
    uma = access_person(&f, "uma", "user");
    access_do(&f, &ada, "audit.list", json_object());
    access_do(&f, &ada, "audit.trace", json_pack("{s:s}", "principal", "uma"));
    access_do(&f, &ada, "audit.export", json_object());
    access_refused(&f, &uma, "audit.list", json_object(), BTZ_DENIED);
    access_refused(&f, &uma, "audit.export", json_object(), BTZ_DENIED);
    access_refused(&f, &uma, "audit.trace", json_pack("{s:s}", "principal", "uma"), BTZ_DENIED);
    access_refused(&f, &ada, "audit.retain", json_pack("{s:s}", "keep", "1d"), BTZ_DENIED);
    access_refused(&f, &ada, "audit.auditor-key-new", json_object(), BTZ_DENIED);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ocsf_shapes),
        cmocka_unit_test(test_ocsf_meanings),
        cmocka_unit_test(test_syslog),
        cmocka_unit_test(test_syslog_hostile),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_list_pages),
        cmocka_unit_test(test_export_is_logged),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_trace_operations),
        cmocka_unit_test(test_retain_operation),
        cmocka_unit_test(test_auditor_operations),
        cmocka_unit_test(test_accept_loss_needs_one),
        cmocka_unit_test(test_who_may_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
