/* Every statement of the trail, the review and the advice once on a real PostgreSQL. */
#include "postgres_fixture.h"

#include "access_fixture.h"

#define DAY_MS UINT64_C(86400000)

static void log_large(struct access_fixture *f)
{
    char *text = malloc(60001);
    struct btz_trail_entry e = { .event = "alarm",
                                 .verdict = "error",
                                 .secret = btz_str("secret") };
    struct btz_store *s;
    json_t *before;
    uint64_t waiting = 99;

    assert_non_null(text);
    memset(text, 'x', 60000);
    text[60000] = '\0';
    before = json_pack("{s:s}", "text", text);
    e.before = before;
    access_must(btz_access_store(f->access, &s));
    for (int i = 0; i < 3; i++) {
        access_must(btz_store_begin(s));
        access_must(btz_trail_add(btz_access_trail(f->access), s, &e, NULL));
        access_must(btz_store_commit(s));
    }
    access_must(btz_trail_waiting(btz_access_trail(f->access), s, &waiting));
    assert_int_equal(waiting, 3);
    access_must(btz_trail_flush(btz_access_trail(f->access), s));
    access_must(btz_trail_waiting(btz_access_trail(f->access), s, &waiting));
    assert_int_equal(waiting, 0);
    btz_access_store_back(f->access, s);
    json_decref(before);
    free(text);
}

static size_t shown(struct access_fixture *f, const char *operation, json_t *in)
{
    BTZ_JSON json_t *out = access_ok(f, &f->local, operation, in);

    return json_array_size(json_object_get(out, "items"));
}

static void test_all(void **state)
{
    struct access_fixture f;
    struct postgres p;
    struct btz_ledger_check c;
    char *url, *ledger;
    BTZ_JSON json_t *pair = NULL;
    BTZ_JSON json_t *first = NULL;
    const char *id;
    (void)state;
    if (!postgres_start(&p)) {
        print_message("# skipped: %s\n", p.why);
        skip();
    }
    url = postgres_fresh(&p);
    access_prepare(&f);
    f.conf.store = url;
    access_open(&f);
    pair = access_ok(&f, &f.local, "audit.auditor-key-new", json_object());
    f.conf.auditor_key = access_text(&f, pair, "public_key");
    access_reopen(&f);
    (void)access_person(&f, "ann", "admin");
    log_large(&f);
    assert_int_equal(shown(&f, "audit.list", json_pack("{s:s}", "event", "alarm")), 3);
    assert_true(shown(&f, "audit.trace", json_pack("{s:s}", "principal", "ann")) >= 2);
    first = access_ok(&f, &f.local, "audit.list", json_pack("{s:s}", "event", "alarm"));
    id = access_text(&f, json_array_get(json_object_get(first, "items"), 0), "id");
    access_do(&f, &f.local, "audit.open",
              json_pack("{s:s, s:s}", "entry", id, "key",
                        json_string_value(json_object_get(pair, "private_key"))));
    access_do(&f, &f.local, "audit.export", json_pack("{s:s}", "format", "ocsf"));
    assert_true(shown(&f, "review.run", json_object()) >= 13);
    assert_true(shown(&f, "advise", json_object()) >= 1);
    f.now_ms += 100 * DAY_MS;
    access_do(&f, &f.local, "audit.retain", json_pack("{s:s}", "keep", "30d"));
    ledger = btz_arena_printf(&f.arena, "%s/ledger", f.dir);
    access_must(btz_ledger_verify(ledger, btz_str(NULL), btz_str(NULL), &c));
    assert_true(c.intact);
    assert_int_equal(c.evidence_deleted, 6);
    access_refused(&f, &f.local, "audit.accept-loss", json_pack("{s:s}", "reason", "none"),
                   BTZ_CONFLICT);
    access_stop(&f);
    free(url);
    postgres_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
