/* The audit trail: what stands where, who can read it, what is left of it, and who shares an append. */
#include <pthread.h>

#include <sodium.h>

#include "trail_fixture.h"

static const char alice[] = "usr_01JD0000000000000000000000";

/* Every field set; `mark` makes the texts of a person findable in raw bytes. */
static struct btz_trail_entry full_entry(const json_t *before, const json_t *after)
{
    return (struct btz_trail_entry){ .event = "change",
                                     .verdict = "allow",
                                     .operation = "user.create",
                                     .principal = alice,
                                     .name = "alice-the-secretive",
                                     .method = "password+totp",
                                     .session = "ses_01JD0000000000000000000001",
                                     .key = "key_01JD0000000000000000000002",
                                     .address = "198.51.100.77",
                                     .user_agent = "agent-of-alice/1.0",
                                     .request = "req-4711-of-alice",
                                     .action = "user.write",
                                     .resource = "user/usr_01JD0000000000000000000003",
                                     .rule = "admin/all",
                                     .reason = "because \"alice\" asked\nfor it",
                                     .approved_by = "usr_01JD0000000000000000000004",
                                     .before = before,
                                     .after = after };
}

static void read_leaf(struct fixture *f, uint64_t index, struct btz_buf *out)
{
    struct btz_ledger *l;

    btz_buf_clear(out);
    assert_ok(btz_ledger_open(f->ledger, BTZ_LEDGER_READ, &l));
    assert_ok(btz_ledger_entry(l, index, out));
    btz_ledger_close(l);
}

static void test_fields(void **state)
{
    static const char *const clear[] = { "event",    "verdict", "operation",  "principal",
                                         "method",   "session", "key",        "action",
                                         "resource", "rule",    "approved_by" };
    static const char *const sealed[] = { "name",   "address", "user_agent", "request",
                                          "reason", "before",  "after" };
    struct fixture *f = new_fixture();
    BTZ_JSON json_t *before = json_pack("{s:s}", "display_name", "old name of alice");
    BTZ_JSON json_t *after = json_pack("{s:s}", "display_name", "new name of alice");
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    struct btz_trail_entry e = full_entry(before, after);
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *leaf = NULL;
    BTZ_JSON json_t *got = NULL;
    json_t *entry;
    char id[BTZ_ID_TEXT];
    (void)state;
    open_trail(f);
    log_entry(f, &e, id);
    read_leaf(f, 0, &raw);
    assert_ok(btz_json_parse(btz_buf_slice(&raw), 65535, "leaf", &leaf));
    for (size_t i = 0; i < BTZ_COUNT(clear); i++)
        assert_true(json_is_string(json_object_get(leaf, clear[i])));
    for (size_t i = 0; i < BTZ_COUNT(sealed); i++)
        assert_null(json_object_get(leaf, sealed[i]));
    assert_string_equal(json_string_value(json_object_get(leaf, "time")),
                        "2026-08-15T12:00:00.000Z");
    /* Nothing of the person in clear, in the ledger or in the store's file of waiting entries. */
    assert_false(btz_slice_has(btz_buf_slice(&raw), "alice"));
    assert_false(btz_slice_has(btz_buf_slice(&raw), "198.51"));
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), 1);
    entry = json_object_get(json_array_get(got, 0), "entry");
    assert_string_equal(json_string_value(json_object_get(entry, "id")), id);
    assert_string_equal(json_string_value(json_object_get(entry, "name")), e.name);
    assert_string_equal(json_string_value(json_object_get(entry, "address")), e.address);
    assert_string_equal(json_string_value(json_object_get(entry, "user_agent")), e.user_agent);
    assert_string_equal(json_string_value(json_object_get(entry, "request")), e.request);
    assert_string_equal(json_string_value(json_object_get(entry, "reason")), e.reason);
    assert_string_equal(json_string_value(json_object_get(entry, "principal")), e.principal);
    assert_string_equal(json_string_value(json_object_get(entry, "resource")), e.resource);
    assert_true(json_equal(json_object_get(entry, "before"), before));
    assert_true(json_equal(json_object_get(entry, "after"), after));
    assert_null(json_object_get(entry, "content"));
    free_fixture(f);
}

/* Names in places meant for ids are treated as names. */
static void test_only_ids_in_clear(void **state)
{
    static const char *const names[] = { "local:root",
                                         "alice",
                                         "usr_short",
                                         "",
                                         "usr_01JD000000000000000000000!",
                                         "usr_01JD00000000000000000000000" };
    struct fixture *f = new_fixture();
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    (void)state;
    open_trail(f);
    for (size_t i = 0; i < BTZ_COUNT(names); i++) {
        struct btz_trail_entry e = { .event = "sign-in",
                                     .verdict = "deny",
                                     .principal = names[i],
                                     .resource = "user/alice",
                                     .key = "btz_secret",
                                     .session = "cookie" };
        BTZ_JSON json_t *leaf = NULL;

        log_entry(f, &e, NULL);
        read_leaf(f, i, &raw);
        assert_ok(btz_json_parse(btz_buf_slice(&raw), 65535, "leaf", &leaf));
        assert_null(json_object_get(leaf, "principal"));
        assert_null(json_object_get(leaf, "resource"));
        assert_null(json_object_get(leaf, "key"));
        assert_null(json_object_get(leaf, "session"));
    }
    free_fixture(f);
}

/* By the documented format and libsodium alone. */
static void test_format_by_hand(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_entry e = { .event = "alarm", .verdict = "error", .reason = "by hand" };
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    BTZ_JSON json_t *leaf = NULL;
    uint8_t key[32], box[4096], clear[4096];
    unsigned long long len;
    size_t size;
    char about[128], id[BTZ_ID_TEXT];
    bool found;
    (void)state;
    open_trail(f);
    log_entry(f, &e, id);
    read_leaf(f, 0, &raw);
    assert_ok(btz_json_parse(btz_buf_slice(&raw), 65535, "leaf", &leaf));
    assert_ok(btz_month_key(f->trail, f->store, "2026-08", false, key, &found));
    assert_true(found);
    assert_int_equal(sodium_base642bin(box, sizeof box,
                                       json_string_value(json_object_get(leaf, "content")),
                                       json_string_length(json_object_get(leaf, "content")), NULL,
                                       &size, NULL, sodium_base64_VARIANT_ORIGINAL),
                     0);
    snprintf(about, sizeof about, "bartizan/trail/v1/%s/content", id);
    assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(clear, &len, NULL, box + 32,
                                                                size - 32, (const uint8_t *)about,
                                                                strlen(about), box + 8, key),
                     0);
    assert_true(btz_slice_is(btz_slice_of(clear, (size_t)len), "{\"reason\":\"by hand\"}"));
    free_fixture(f);
}

static void test_rollback(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_entry e = { .event = "change", .verdict = "allow", .reason = "undone" };
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *got = NULL;
    uint64_t waiting;
    (void)state;
    open_trail(f);
    /* The first of its month: its key must not outlive the transaction either. */
    assert_ok(btz_store_begin(f->store));
    assert_ok(btz_trail_add(f->trail, f->store, &e, NULL));
    btz_store_rollback(f->store);
    assert_ok(btz_trail_flush(f->trail, f->store));
    e.reason = "done";
    log_entry(f, &e, NULL);
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), 1);
    assert_string_equal(member(json_array_get(got, 0), "reason"), "done");
    assert_ok(btz_trail_waiting(f->trail, f->store, &waiting));
    assert_int_equal(waiting, 0);
    free_fixture(f);
}

static void test_words(void **state)
{
    struct fixture *f = new_fixture();
    static const struct btz_trail_entry bad[] = { { .event = "login", .verdict = "allow" },
                                                  { .event = NULL, .verdict = "allow" },
                                                  { .event = "change", .verdict = "maybe" },
                                                  { .event = "change" } };
    uint64_t waiting;
    (void)state;
    open_trail(f);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        assert_ok(btz_store_begin(f->store));
        assert_int_equal(btz_trail_add(f->trail, f->store, &bad[i], NULL), BTZ_USAGE);
        btz_store_rollback(f->store);
    }
    assert_ok(btz_trail_waiting(f->trail, f->store, &waiting));
    assert_int_equal(waiting, 0);
    free_fixture(f);
}

static char *repeat(const char *what, size_t times)
{
    size_t len = strlen(what);
    char *out = malloc(len * times + 1);

    assert_non_null(out);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * len, what, len);
    out[len * times] = '\0';
    return out;
}

/* Hostile lengths and bytes in every field: the leaf always fits, and what is cut is cut between characters. */
static void test_lengths(void **state)
{
    static const char *const parts[] = { "x", "\x01", "\xF0\x9F\xA7\xB1", "\xFF", "\"", "\\" };
    struct btz_trail_filter all = { 0 };
    struct fixture *f = new_fixture();
    (void)state;
    open_trail(f);
    for (size_t i = 0; i < BTZ_COUNT(parts); i++) {
        char *text = repeat(parts[i], 40000);
        struct btz_trail_entry e = { .event = "refusal",
                                     .verdict = "deny",
                                     .operation = text,
                                     .principal = text,
                                     .name = text,
                                     .method = text,
                                     .session = text,
                                     .key = text,
                                     .address = text,
                                     .user_agent = text,
                                     .request = text,
                                     .action = text,
                                     .resource = text,
                                     .rule = text,
                                     .reason = text,
                                     .approved_by = text };
        BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
        BTZ_JSON json_t *got = NULL;

        log_entry(f, &e, NULL);
        read_leaf(f, i, &raw);
        assert_true(raw.len <= BTZ_LEDGER_ENTRY_MAX);
        got = collect(f, &all);
        assert_int_equal(json_array_size(got), i + 1);
        assert_true(btz_is_utf8(btz_str(member(json_array_get(got, i), "reason"))));
        if (i == 2) /* 1,024 bytes are 256 whole ones */
            assert_int_equal(strlen(member(json_array_get(got, i), "reason")), 1024 + 3);
        free(text);
    }
    free_fixture(f);
}

static void test_large_objects(void **state)
{
    static const size_t sizes[] = { 100, 20000, 23000, 30000, 70000, 1000000 };
    struct fixture *f = new_fixture();
    struct btz_trail_filter all = { 0 };
    struct btz_ledger_check c;
    BTZ_JSON json_t *got = NULL;
    (void)state;
    open_trail(f);
    for (size_t i = 0; i < BTZ_COUNT(sizes); i++) {
        char *text = repeat("y", sizes[i]);
        BTZ_JSON json_t *before = json_pack("{s:s}", "text", text);
        BTZ_JSON json_t *after = json_pack("{s:i}", "n", (int)i);
        struct btz_trail_entry e = full_entry(before, after);

        log_entry(f, &e, NULL);
        free(text);
    }
    got = collect(f, &all);
    for (size_t i = 0; i < BTZ_COUNT(sizes); i++) {
        const json_t *entry = json_object_get(json_array_get(got, i), "entry");
        bool beside = json_object_get(entry, "large") != NULL;

        assert_int_equal(
            json_string_length(json_object_get(json_object_get(entry, "before"), "text")),
            sizes[i]);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(entry, "after"), "n")),
                         i);
        assert_int_equal(beside, sizes[i] > 24000);
        assert_int_equal(json_array_size(json_object_get(entry, "evidence")), beside);
    }
    verify_folder(f->ledger, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_present, 3);
    free_fixture(f);
}

static void test_too_large(void **state)
{
    struct fixture *f = new_fixture();
    char *text = repeat("z", BTZ_TRAIL_OBJECT_MAX);
    BTZ_JSON json_t *before = json_pack("{s:s}", "text", text);
    struct btz_trail_entry e = full_entry(before, NULL);
    (void)state;
    open_trail(f);
    assert_ok(btz_store_begin(f->store));
    assert_int_equal(btz_trail_add(f->trail, f->store, &e, NULL), BTZ_LIMIT);
    btz_store_rollback(f->store);
    free(text);
    free_fixture(f);
}

/* ---- evidence for auditors ---- */

static void test_auditor(void **state)
{
    char secret_text[BTZ_AUDITOR_KEY_TEXT], shared_text[BTZ_AUDITOR_KEY_TEXT], id[BTZ_ID_TEXT];
    uint8_t secret[32], shared[32], other[32] = { 9 };
    struct fixture *f = new_fixture();
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(1 << 20);
    struct btz_trail_entry e = { .event = "alarm",
                                 .verdict = "deny",
                                 .secret = btz_str("what only auditors may see") };
    struct btz_ledger_check c;
    (void)state;
    btz_auditor_key_new(secret_text, shared_text);
    assert_ok(btz_auditor_key_parse(btz_str(secret_text), secret));
    assert_ok(btz_auditor_key_parse(btz_str(shared_text), shared));
    f->auditor = shared;
    open_trail(f);
    log_entry(f, &e, id);
    assert_ok(btz_trail_secret(f->trail, f->store, id, &sealed));
    assert_false(btz_slice_has(btz_buf_slice(&sealed), "auditors"));
    assert_int_equal(btz_auditor_open(other, btz_buf_slice(&sealed), &clear), BTZ_DENIED);
    assert_int_equal(btz_auditor_open(secret, btz_slice_sub(btz_buf_slice(&sealed), 0, 40), &clear),
                     BTZ_DENIED);
    assert_ok(btz_auditor_open(secret, btz_buf_slice(&sealed), &clear));
    assert_true(btz_slice_equal(btz_buf_slice(&clear), e.secret));
    verify_folder(f->ledger, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_present, 1);
    assert_int_equal(
        btz_trail_secret(f->trail, f->store, "evt_01JD0000000000000000000000", &sealed), BTZ_INPUT);
    free_fixture(f);
}

static void test_no_auditor(void **state)
{
    struct fixture *f = new_fixture();
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1 << 20);
    struct btz_trail_entry e = { .event = "alarm", .verdict = "deny", .secret = btz_str("hidden") };
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *got = NULL;
    char id[BTZ_ID_TEXT];
    (void)state;
    open_trail(f);
    log_entry(f, &e, id);
    assert_int_equal(btz_trail_secret(f->trail, f->store, id, &sealed), BTZ_INPUT);
    got = collect(f, &all);
    /* It says that something was dropped. */
    assert_non_null(json_object_get(
        json_object_get(json_object_get(json_array_get(got, 0), "entry"), "secret"), "dropped"));
    free_fixture(f);
}

static void test_auditor_key_forms(void **state)
{
    static const char *const bad[] = { "", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                       "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
    uint8_t key[32];
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_auditor_key_parse(btz_str(bad[i]), key), BTZ_INPUT);
    assert_ok(
        btz_auditor_key_parse(btz_str("  AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"), key));
    for (size_t i = 0; i < sizeof key; i++)
        assert_int_equal(key[i], i);
}

/* ---- retention ---- */

static void retain(struct fixture *f, uint64_t before_ms, struct btz_trail_retained *r)
{
    assert_ok(btz_trail_retain(f->trail, f->store, before_ms, false, r));
    assert_ok(btz_store_begin(f->store));
    assert_ok(btz_trail_retain_keys(f->trail, f->store, before_ms));
    assert_ok(btz_store_commit(f->store));
}

static void test_retention(void **state)
{
    char secret_text[BTZ_AUDITOR_KEY_TEXT], shared_text[BTZ_AUDITOR_KEY_TEXT];
    char id[4][BTZ_ID_TEXT];
    uint8_t shared[32];
    struct fixture *f = new_fixture();
    char *text = repeat("w", 50000);
    BTZ_JSON json_t *before = json_pack("{s:s}", "text", text);
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1 << 20);
    struct btz_trail_filter all = { 0 }, of_alice = { .principal = alice };
    struct btz_trail_retained r;
    struct btz_ledger_check c;
    BTZ_JSON json_t *got = NULL;
    BTZ_JSON json_t *mine = NULL;
    (void)state;
    btz_auditor_key_new(secret_text, shared_text);
    assert_ok(btz_auditor_key_parse(btz_str(shared_text), shared));
    f->auditor = shared;
    open_trail(f);
    for (size_t i = 0; i < 4; i++, f->now_ms += 31 * DAY_MS) { /* August to November */
        struct btz_trail_entry e = full_entry(before, NULL);

        e.secret = btz_str("evidence");
        log_entry(f, &e, id[i]);
    }
    f->now_ms -= 31 * DAY_MS;
    assert_ok(btz_trail_retain(f->trail, f->store, f->now_ms - 40 * DAY_MS, true, &r));
    assert_int_equal(r.months, 2);
    assert_int_equal(r.entries, 2);
    assert_int_equal(r.evidence, 4);
    got = collect(f, &all);
    assert_non_null(member(json_array_get(got, 0), "name"));
    json_decref(got);
    retain(f, f->now_ms - 40 * DAY_MS, &r);
    assert_int_equal(r.months, 2);
    assert_string_equal(r.until, "2026-09");
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *item = json_array_get(got, i);

        if (i < 2) {
            assert_string_equal(member(item, "content"), "deleted");
            assert_null(member(item, "name"));
            assert_int_equal(btz_trail_secret(f->trail, f->store, id[i], &sealed), BTZ_INPUT);
        } else {
            assert_string_equal(member(item, "name"), "alice-the-secretive");
            assert_ok(btz_trail_secret(f->trail, f->store, id[i], &sealed));
        }
        assert_string_equal(member(item, "principal"), alice);
    }
    /* What is in clear still finds them. */
    mine = collect(f, &of_alice);
    assert_int_equal(json_array_size(mine), 4);
    verify_folder(f->ledger, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_deleted, 4);
    assert_int_equal(c.evidence_present, 4);
    /* Again: nothing is left to do. The current month is never deleted. */
    retain(f, f->now_ms - 40 * DAY_MS, &r);
    assert_int_equal(r.months + r.evidence, 0);
    retain(f, f->now_ms + 400 * DAY_MS, &r);
    assert_int_equal(r.months, 1);
    json_decref(got);
    got = collect(f, &all);
    assert_non_null(member(json_array_get(got, 3), "name"));
    free(text);
    free_fixture(f);
}

/* The clock goes back to a month whose key is deleted: it gets a second one, and the old content stays deleted. */
static void test_retention_and_clock(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_entry e = { .event = "alarm", .verdict = "error", .reason = "first" };
    struct btz_trail_filter all = { 0 };
    struct btz_trail_retained r;
    BTZ_JSON json_t *got = NULL;
    (void)state;
    open_trail(f);
    log_entry(f, &e, NULL);
    f->now_ms += 70 * DAY_MS;
    retain(f, f->now_ms, &r);
    assert_int_equal(r.months, 1);
    f->now_ms -= 70 * DAY_MS;
    e.reason = "second";
    log_entry(f, &e, NULL);
    got = collect(f, &all);
    assert_string_equal(member(json_array_get(got, 0), "content"), "deleted");
    assert_string_equal(member(json_array_get(got, 1), "reason"), "second");
    free_fixture(f);
}

/* ---- the ledger beside the store ---- */

static void append_foreign(struct fixture *f, const char *text)
{
    struct btz_slice e = btz_str(text);
    struct btz_ledger *l;
    uint64_t first;

    assert_ok(btz_ledger_open(f->ledger, BTZ_LEDGER_WRITE, &l));
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    btz_ledger_close(l);
}

static void test_foreign_entries(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *got = NULL;
    (void)state;
    open_trail(f);
    for (int i = 0; i < 20; i++) {
        struct btz_trail_entry e = { .event = "decision", .verdict = "allow" };

        append_foreign(f, "{\"type\":\"finding\"}");
        log_entry(f, &e, NULL);
    }
    append_foreign(f, "{\"type\":\"bartizan/trail/v1\",\"id\":\"no\"}");
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), 21);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(json_integer_value(json_object_get(json_array_get(got, i), "index")),
                         2 * i + 1);
    /* What only looks like an entry is not passed over in silence. */
    assert_string_equal(member(json_array_get(got, 20), "event"), "alarm");
    free_fixture(f);
}

/* An older copy of the store still has rows that are in the ledger: they are not appended again. */
static void test_store_put_back(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *got = NULL;
    struct btz_trail_entry e = { .event = "change", .verdict = "allow" };
    struct btz_buf bytes;
    (void)state;
    open_trail(f);
    log_entry(f, &e, NULL);
    for (int i = 0; i < 3; i++) { /* committed, not flushed */
        assert_ok(btz_store_begin(f->store));
        assert_ok(btz_trail_add(f->trail, f->store, &e, NULL));
        assert_ok(btz_store_commit(f->store));
    }
    btz_store_close(f->store); /* the last one: all of it is in the one file */
    read_whole(f->where, &bytes);
    assert_ok(btz_store_open(f->where, &f->store));
    assert_ok(btz_trail_flush(f->trail, f->store));
    log_entry(f, &e, NULL);
    append_foreign(f, "{\"type\":\"finding\"}");
    close_trail(f);
    write_whole(f->where, btz_buf_slice(&bytes));
    btz_buf_release(&bytes);
    open_trail(f);
    log_entry(f, &e, NULL);
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), 6);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(member(json_array_get(got, i), "id"),
                                    member(json_array_get(got, j), "id"));
    free_fixture(f);
}

/* An older copy of the ledger: noticed, refused, and taken up again when somebody answers for it. */
static void test_ledger_put_back(void **state)
{
    struct fixture *f = new_fixture();
    char *copy = join(f->dir, "copy");
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *got = NULL;
    struct btz_trail_entry e = { .event = "change", .verdict = "allow" };
    uint64_t lost, waiting;
    (void)state;
    open_trail(f);
    for (int i = 0; i < 5; i++)
        log_entry(f, &e, NULL);
    copy_tree(f->ledger, copy);
    for (int i = 0; i < 4; i++)
        log_entry(f, &e, NULL);
    close_trail(f);
    remove_tree(f->ledger);
    copy_tree(copy, f->ledger);
    open_trail(f);
    assert_ok(btz_store_begin(f->store));
    assert_ok(btz_trail_add(f->trail, f->store, &e, NULL));
    assert_ok(btz_store_commit(f->store));
    assert_int_equal(btz_trail_flush(f->trail, f->store), BTZ_CONFLICT);
    assert_non_null(strstr(btz_error_detail(), "put back"));
    assert_ok(btz_trail_waiting(f->trail, f->store, &waiting));
    assert_int_equal(waiting, 1);
    assert_ok(btz_store_begin(f->store));
    assert_ok(btz_trail_accept_loss(f->trail, f->store, &lost));
    assert_ok(btz_store_commit(f->store));
    assert_int_equal(lost, 4);
    assert_ok(btz_trail_flush(f->trail, f->store));
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), 6);
    free(copy);
    free_fixture(f);
}

/* ---- filters, against a plain loop over everything ---- */

static const char *pick(struct btz_rng *r, const char *const *from, size_t count)
{
    return from[btz_rng_below(r, (uint32_t)count)];
}

static const char *const people[] = { "usr_01JD0000000000000000000001",
                                      "usr_01JD0000000000000000000002", "local:root" };
static const char *const names[] = { "ann", "bob", "root" };
static const char *const actions[] = { "user.write", "user.read", "model.invoke" };
static const char *const resources[] = { "model/gpt-4o", "model/gpt-3",
                                         "user/usr_01JD0000000000000000000001", "data-set/sales" };
static const char *const addresses[] = { "10.1.2.3",    "10.200.0.1",      "192.0.2.9",
                                         "2001:db8::1", "::ffff:10.1.2.3", "not an address" };
static const char *const kinds[] = { "sign-in", "change", "decision" };
static const char *const answers[] = { "allow", "deny" };
static const char *const operations[] = { "user.create", "user.delete" };
static const char *const keys[] = { "key_01JD0000000000000000000001",
                                    "key_01JD0000000000000000000002" };
static const char *const sessions[] = { "ses_01JD0000000000000000000001",
                                        "ses_01JD0000000000000000000002" };
static const char *const requests[] = { "a0f5b7231e63a36a56ae21429fc7cf18", "of another form" };

static bool same(const json_t *item, const char *name, const char *wanted)
{
    return !wanted || (member(item, name) && strcmp(member(item, name), wanted) == 0);
}

static bool starts(const json_t *item, const char *name, const char *wanted)
{
    const char *star = wanted ? strchr(wanted, '*') : NULL;

    if (!star)
        return same(item, name, wanted);
    return member(item, name) && strncmp(member(item, name), wanted, (size_t)(star - wanted)) == 0;
}

/* "10.0.0.0/8" and the one address only: enough for what the test asks. */
static bool of_net(const json_t *item, const char *wanted)
{
    const char *a = member(item, "address");

    if (!wanted)
        return true;
    if (strcmp(wanted, "10.0.0.0/8") == 0)
        return a && (strncmp(a, "10.", 3) == 0 || strncmp(a, "::ffff:10.", 10) == 0);
    if (strcmp(wanted, "2001:db8::/32") == 0)
        return a && strncmp(a, "2001:db8:", 9) == 0;
    if (strcmp(wanted, "10.1.2.3") == 0)
        return a && (strcmp(a, "10.1.2.3") == 0 || strcmp(a, "::ffff:10.1.2.3") == 0);
    return a && strcmp(a, wanted) == 0;
}

static bool by_hand(const json_t *item, const struct btz_trail_filter *q)
{
    uint64_t ms;

    assert_ok(btz_time_parse(btz_str(member(item, "time")), &ms));
    return (!q->principal || same(item, "principal", q->principal) ||
            same(item, "name", q->principal)) &&
           starts(item, "resource", q->resource) && starts(item, "action", q->action) &&
           same(item, "verdict", q->verdict) && same(item, "event", q->event) &&
           same(item, "key", q->key) && same(item, "session", q->session) &&
           same(item, "operation", q->operation) && same(item, "request", q->request) &&
           of_net(item, q->address) && ms >= q->from_ms && (q->until_ms == 0 || ms < q->until_ms);
}

static void add_random(struct fixture *f, struct btz_rng *r, unsigned count)
{
    assert_ok(btz_store_begin(f->store));
    for (unsigned i = 0; i < count; i++, f->now_ms += 1000 * (uint64_t)btz_rng_below(r, 50)) {
        uint32_t who = btz_rng_below(r, 3);
        struct btz_trail_entry e = { .event = pick(r, kinds, 3),
                                     .verdict = pick(r, answers, 2),
                                     .operation = pick(r, operations, 2),
                                     .principal = people[who],
                                     .name = names[who],
                                     .address = pick(r, addresses, BTZ_COUNT(addresses)),
                                     .action = pick(r, actions, 3),
                                     .resource = pick(r, resources, 4),
                                     .key = btz_rng_below(r, 2) ? pick(r, keys, 2) : NULL,
                                     .session = btz_rng_below(r, 2) ? pick(r, sessions, 2) : NULL,
                                     .request = btz_rng_below(r, 2) ? pick(r, requests, 2) : NULL };

        assert_ok(btz_trail_add(f->trail, f->store, &e, NULL));
    }
    assert_ok(btz_store_commit(f->store));
    assert_ok(btz_trail_flush(f->trail, f->store));
}

static struct btz_trail_filter random_filter(struct btz_rng *r, uint64_t from, uint64_t until)
{
    static const char *const nets[] = { "10.0.0.0/8", "2001:db8::/32", "10.1.2.3", "192.0.2.9" };
    static const char *const res[] = { "model/*", "model/gpt-4o", "*", "user/*" };
    struct btz_trail_filter q = { 0 };
    uint64_t span = until - from;

    if (btz_rng_below(r, 3) == 0)
        q.principal = btz_rng_below(r, 2) ? pick(r, people, 3) : pick(r, names, 3);
    if (btz_rng_below(r, 3) == 0)
        q.resource = pick(r, res, 4);
    if (btz_rng_below(r, 3) == 0)
        q.action = btz_rng_below(r, 2) ? "user.*" : pick(r, actions, 3);
    if (btz_rng_below(r, 3) == 0)
        q.verdict = pick(r, answers, 2);
    if (btz_rng_below(r, 3) == 0)
        q.address = pick(r, nets, 4);
    if (btz_rng_below(r, 4) == 0)
        q.event = pick(r, kinds, 3);
    if (btz_rng_below(r, 5) == 0)
        q.key = pick(r, keys, 2);
    if (btz_rng_below(r, 5) == 0)
        q.session = pick(r, sessions, 2);
    if (btz_rng_below(r, 5) == 0)
        q.request = pick(r, requests, 2);
    if (btz_rng_below(r, 4) == 0)
        q.operation = pick(r, operations, 2);
    if (btz_rng_below(r, 3) == 0)
        q.from_ms = from + btz_rng_u64(r) % span;
    if (btz_rng_below(r, 3) == 0)
        q.until_ms = from + btz_rng_u64(r) % span;
    return q;
}

/* In pages of random length, in both directions. */
static json_t *by_pages(struct fixture *f, struct btz_trail_filter q, size_t page, bool newest)
{
    json_t *all = json_array();
    uint64_t at = 0;

    q.limit = page;
    q.newest_first = newest;
    for (int rounds = 0; rounds < 2000; rounds++) {
        size_t before = json_array_size(all);

        if (newest)
            q.until_index = at;
        else
            q.from_index = at;
        assert_ok(btz_trail_read(f->trail, f->store, &q, collect_one, all, &at));
        if (json_array_size(all) < before + page || (newest && at == 0))
            return all;
    }
    fail_msg("paging does not end");
    return NULL;
}

static void test_filters(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_filter every = { 0 };
    struct btz_rng r;
    BTZ_JSON json_t *all = NULL;
    uint64_t hits = 0;
    (void)state;
    btz_rng_init(&r, 7, 0);
    open_trail(f);
    add_random(f, &r, 700);
    all = collect(f, &every);
    assert_int_equal(json_array_size(all), 700);
    for (int round = 0; round < 300; round++) {
        struct btz_trail_filter q = random_filter(&r, FIXTURE_TIME, f->now_ms);
        bool newest = btz_rng_below(&r, 2);
        BTZ_JSON json_t *got = by_pages(f, q, 1 + btz_rng_below(&r, 90), newest);
        BTZ_JSON json_t *wanted = json_array();
        size_t i;
        json_t *item;

        json_array_foreach(all, i, item)
        {
            if (by_hand(item, &q))
                json_array_insert(wanted, newest ? 0 : json_array_size(wanted), item);
        }
        if (!json_equal(got, wanted))
            fail_msg("round %d: %zu shown, %zu wanted", round, json_array_size(got),
                     json_array_size(wanted));
        hits += json_array_size(wanted);
    }
    assert_true(hits > 1000);
    print_message("# 300 filters, %" PRIu64 " hits\n", hits);
    free_fixture(f);
}

static void test_bad_address(void **state)
{
    static const char *const bad[] = { "x", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "" };
    struct fixture *f = new_fixture();
    (void)state;
    open_trail(f);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        struct btz_trail_filter q = { .address = bad[i] };
        BTZ_JSON json_t *none = json_array();

        assert_int_equal(btz_trail_read(f->trail, f->store, &q, collect_one, none, NULL),
                         BTZ_USAGE);
    }
    free_fixture(f);
}

/* One changed byte of a bundle: nothing of it is shown. */
static void test_damage(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_entry e = { .event = "change", .verdict = "allow" };
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *none = json_array();
    struct btz_buf bytes;
    char *path;
    (void)state;
    open_trail(f);
    log_entry(f, &e, NULL);
    path = join(f->ledger, "tile/entries/000.p/1");
    read_whole(path, &bytes);
    bytes.ptr[bytes.len / 2] ^= 1;
    write_whole(path, btz_buf_slice(&bytes));
    btz_buf_release(&bytes);
    free(path);
    assert_int_equal(btz_trail_read(f->trail, f->store, &all, collect_one, none, NULL), BTZ_INPUT);
    assert_int_equal(json_array_size(none), 0);
    free_fixture(f);
}

/* ---- threads ---- */

enum { THREADS = 12, EACH = 20 };
static _Atomic unsigned appends;

static void count_appends(void *user, const char *what)
{
    (void)user;
    if (strcmp(what, "appended") == 0)
        appends++;
}

static void *add_and_flush(void *user)
{
    struct fixture *f = user;
    struct btz_trail_entry e = { .event = "decision", .verdict = "allow" };
    struct btz_store *s;

    if (btz_store_open(f->where, &s) != BTZ_OK)
        return NULL;
    for (int i = 0; i < EACH; i++)
        if (btz_store_begin(s) != BTZ_OK || btz_trail_add(f->trail, s, &e, NULL) != BTZ_OK ||
            btz_store_commit(s) != BTZ_OK || btz_trail_flush(f->trail, s) != BTZ_OK) {
            btz_store_close(s);
            return NULL;
        }
    btz_store_close(s);
    return f;
}

static void run_threads(struct fixture *f, void *(*work)(void *), unsigned count)
{
    pthread_t thread[THREADS];

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, f), 0);
    for (unsigned i = 0; i < count; i++) {
        void *fine;

        pthread_join(thread[i], &fine);
        assert_non_null(fine);
    }
}

static void test_threads(void **state)
{
    struct fixture *f = new_fixture();
    struct btz_trail_filter all = { 0 };
    BTZ_JSON json_t *got = NULL;
    (void)state;
    open_trail(f);
    appends = 0;
    f->trail->step = count_appends;
    run_threads(f, add_and_flush, THREADS);
    got = collect(f, &all);
    assert_int_equal(json_array_size(got), THREADS * EACH);
    assert_intact(f->ledger, THREADS * EACH);
    print_message("# %d entries of %d threads in %u appends\n", THREADS * EACH, THREADS, appends);
    free_fixture(f);
}

/* The first to flush is held until all others wait for it: they are served by one append more. */
static void hold_first(void *user, const char *what)
{
    struct fixture *f = user;
    uint64_t asked = 0;

    count_appends(NULL, what);
    while (strcmp(what, "appending") == 0 && appends == 0 && asked < THREADS) {
        pthread_mutex_lock(&f->trail->mutex);
        asked = f->trail->asked - 1; /* less the one of opening */
        pthread_mutex_unlock(&f->trail->mutex);
        usleep(1000);
    }
}

static void *add_once(void *user)
{
    struct fixture *f = user;
    struct btz_trail_entry e = { .event = "decision", .verdict = "allow" };
    struct btz_store *s;
    void *fine = NULL;

    if (btz_store_open(f->where, &s) != BTZ_OK)
        return NULL;
    if (btz_store_begin(s) == BTZ_OK && btz_trail_add(f->trail, s, &e, NULL) == BTZ_OK &&
        btz_store_commit(s) == BTZ_OK && btz_trail_flush(f->trail, s) == BTZ_OK)
        fine = f;
    btz_store_close(s);
    return fine;
}

static void test_threads_share(void **state)
{
    struct fixture *f = new_fixture();
    (void)state;
    open_trail(f);
    appends = 0;
    f->trail->step = hold_first;
    f->trail->step_user = f;
    run_threads(f, add_once, THREADS);
    assert_int_equal(appends, 2);
    assert_intact(f->ledger, THREADS);
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_only_ids_in_clear),
        cmocka_unit_test(test_format_by_hand),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_large_objects),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_auditor),
        cmocka_unit_test(test_no_auditor),
        cmocka_unit_test(test_auditor_key_forms),
        cmocka_unit_test(test_retention),
        cmocka_unit_test(test_retention_and_clock),
        cmocka_unit_test(test_foreign_entries),
        cmocka_unit_test(test_store_put_back),
        cmocka_unit_test(test_ledger_put_back),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_bad_address),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_threads_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
