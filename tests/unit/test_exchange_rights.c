/* Exchanges: who may ask for what, and what of somebody else he gets to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exchange_talk.h"

/* What the guard has looked at. */
static bool was_guarded(struct talk *t)
{
    return strncmp(btz_exchange_guard_header(t->x), "evaluated", 9) == 0;
}

/* Who may not ask is told so without the guard reading a word, and where the path says enough, or nothing could help, before
 * his body is taken. */
static void test_forbidden_first(void **state)
{
    static const struct {
        const char *path;
        unsigned key;
        int64_t length;
        unsigned status;
    } heads[] = {
        { "/v1/files", KEY_NO_ROLE, 10, 403 },
        { "/v1/batches", KEY_SCOPED, 10, 403 },
        { "/mcp/words", KEY_NO_ROLE, 10, 403 },
        { "/v1/chat/completions", KEY_NO_ROLE, 1 << 20, 403 },
        { "/v1/chat/completions", KEY_NO_ROLE, -1, 403 },
        { "/score", KEY_SCOPED, -1, 403 },
        { "/v1/chat/completions", KEY_SCOPED, 1 << 20, 0 },
        { "/v1/chat/completions", KEY_NO_ROLE, 10, 0 }, /* read, then refused */
        { "/v1/files", KEY_ALICE, 1 << 20, 0 },
        { "/score", KEY_ALICE, 1 << 20, 0 },
        { "/mcp/words", KEY_ALICE, 10, 0 },
    };
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE "  mcp: [{name: words, upstream: up}]\n"
                      "  routes: [{path: /score, upstream: up, resource: endpoint/score}]\n"
                      "  guard:\n    canaries: [" CANARY "]\n    rules: [{detector: canary, "
                      "channels: [user], action: block}]\n");
    for (size_t i = 0; i < BTZ_COUNT(heads); i++) {
        start(&t, &p, heads[i].path, gate_key(heads[i].key));
        t.in.content_length = heads[i].length;
        t.step = btz_exchange_head(t.x);
        if (heads[i].status) {
            refused(&t, heads[i].status, "forbidden");
        } else {
            assert_int_equal(t.step, BTZ_STEP_GO);
            finish(&t, BTZ_END_DONE);
        }
    }
    ask(&t, &p, "/v1/chat/completions", KEY_SCOPED,
        "{\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":\"" CANARY "\"}]}");
    assert_false(was_guarded(&t));
    refused(&t, 403, "forbidden");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT(CANARY));
    assert_true(was_guarded(&t));
    refused(&t, 403, "guard_blocked");
    gate_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forbidden_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
