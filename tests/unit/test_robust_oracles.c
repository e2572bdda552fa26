/* Black boxes: models of labels or one probability, and addresses that answer JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "graph/wire.h"
#include "robust/oracles.h"

#include "test_server.c"

#define FEATURES 4
#define CLASSES  3

/* ---- models ------------------------------------------------------------------------------------------------------------ */

static void put(struct btz_buf *out, uint32_t field, struct btz_buf *part)
{
    assert_int_equal(btz_wire_put_bytes(out, field, btz_buf_slice(part)), BTZ_OK);
    btz_buf_release(part);
}

static void put_value(struct btz_buf *graph, uint32_t field, const char *name, unsigned type,
                      unsigned width)
{
    struct btz_buf dim = BTZ_BUF(4096), shape = BTZ_BUF(4096), tensor = BTZ_BUF(4096),
                   kind = BTZ_BUF(4096), value = BTZ_BUF(4096);

    assert_int_equal(btz_wire_put_text(&dim, 2, "batch"), BTZ_OK);
    put(&shape, 1, &dim);
    if (width) {
        struct btz_buf second = BTZ_BUF(4096);

        assert_int_equal(btz_wire_put_number(&second, 1, width), BTZ_OK);
        put(&shape, 1, &second);
    }
    assert_int_equal(btz_wire_put_number(&tensor, 1, type), BTZ_OK);
    put(&tensor, 2, &shape);
    put(&kind, 1, &tensor);
    assert_int_equal(btz_wire_put_text(&value, 1, name), BTZ_OK);
    put(&value, 2, &kind);
    put(graph, field, &value);
}

/* One operator from x to y; ArgMax takes the axis out. */
static struct btz_model *one_operator(const char *op, unsigned in, unsigned type, unsigned out)
{
    static const uint8_t opset[] = { 0x10, 13 };
    struct btz_buf node = BTZ_BUF(4096), graph = BTZ_BUF(65536), model = BTZ_BUF(65536);
    struct btz_model *m = NULL;

    assert_int_equal(btz_wire_put_text(&node, 1, "x"), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&node, 2, "y"), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&node, 4, op), BTZ_OK);
    if (strcmp(op, "ArgMax") == 0)
        for (int k = 0; k < 2; k++) {
            struct btz_buf attr = BTZ_BUF(4096);

            assert_int_equal(btz_wire_put_text(&attr, 1, k ? "keepdims" : "axis"), BTZ_OK);
            assert_int_equal(btz_wire_put_number(&attr, 3, k ? 0 : 1), BTZ_OK);
            assert_int_equal(btz_wire_put_number(&attr, 20, 2), BTZ_OK);
            put(&node, 5, &attr);
        }
    put(&graph, 1, &node);
    assert_int_equal(btz_wire_put_text(&graph, 2, "g"), BTZ_OK);
    put_value(&graph, 11, "x", BTZ_F32, in);
    put_value(&graph, 12, "y", type, out);
    assert_int_equal(btz_wire_put_number(&model, 1, 8), BTZ_OK);
    put(&model, 7, &graph);
    assert_int_equal(btz_wire_put_bytes(&model, 8, btz_slice_of(opset, sizeof opset)), BTZ_OK);
    assert_int_equal(btz_model_parse(btz_buf_slice(&model), NULL, NULL, &m), BTZ_OK);
    btz_buf_release(&model);
    return m;
}

static void test_labels(void **state)
{
    struct btz_model *m = one_operator("ArgMax", 3, BTZ_I64, 0);
    const float x[] = { 1, 2, 0, 5, 1, 1, 0, 0, 9, 0, 3, 1, 2, 1, 0 };
    const unsigned y[] = { 1, 0, 2, 1, 0 };
    struct btz_oracle *o = NULL;
    float scores[15];

    (void)state;
    assert_int_equal(btz_oracle_of_model(m, NULL, 0, 2, &o), BTZ_UNSUPPORTED);
    assert_non_null(strstr(btz_error_detail(), "how many classes"));
    assert_int_equal(btz_oracle_of_model(m, NULL, 3, 2, &o), BTZ_OK);
    assert_false(o->has_scores);
    assert_int_equal(btz_oracle_ask(o, x, 5, scores), BTZ_OK);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned k = 0; k < 3; k++)
            assert_true(scores[i * 3 + k] == (k == y[i]));
    assert_int_equal(o->queries, 5);
    btz_oracle_free(o);
    /* A label that is no class is said, not cut off. */
    assert_int_equal(btz_oracle_of_model(m, NULL, 2, 2, &o), BTZ_OK);
    assert_int_equal(btz_oracle_ask(o, x + 6, 1, scores), BTZ_INPUT);
    btz_oracle_free(o);
    btz_model_free(m);
}

static void test_one_probability(void **state)
{
    struct btz_model *m = one_operator("Sigmoid", 1, BTZ_F32, 1);
    const float x[] = { 0, 2, -2 };
    struct btz_oracle *o = NULL;
    float scores[6];

    (void)state;
    assert_int_equal(btz_oracle_of_model(m, NULL, 0, 0, &o), BTZ_OK);
    assert_int_equal(o->classes, 2);
    assert_int_equal(btz_oracle_ask(o, x, 3, scores), BTZ_OK);
    assert_true(fabsf(scores[0] - 0.5F) < 1e-6F && fabsf(scores[3] - 0.880797F) < 1e-5F &&
                fabsf(scores[4] - 0.880797F) < 1e-5F);
    btz_oracle_free(o);
    btz_model_free(m);
}

/* ---- addresses --------------------------------------------------------------------------------------------------------- */

enum dialect { KSERVE, INSTANCES, LABELS };
struct service {
    enum dialect dialect;
    unsigned rows; /* answered */
    unsigned status;
    const char *reply; /* instead of the truth */
};

static void say(struct btz_buf *out, const char *text)
{
    if (btz_buf_add_str(out, text) != BTZ_OK)
        abort();
}

/* Scores of class k: feature k; the fourth is ignored. */
static void handle(struct test_conn *c, const struct test_request *r, void *user)
{
    struct service *s = user;
    BTZ_JSON json_t *root = NULL;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(65536);
    const json_t *flat = NULL, *rows = NULL;
    char line[128];
    const char *text;
    size_t n;

    if (s->status || s->reply) {
        test_reply(c, s->status ? s->status : 200, "", s->reply ? s->reply : "{}");
        return;
    }
    if (btz_json_parse(btz_slice_of(r->body, r->body_len), 65536, "request", &root) != BTZ_OK) {
        test_reply(c, 400, "", "{}");
        return;
    }
    if (s->dialect == KSERVE) {
        const json_t *in = json_array_get(json_object_get(root, "inputs"), 0);

        flat = json_object_get(in, "data");
        n = (size_t)json_integer_value(json_array_get(json_object_get(in, "shape"), 0));
        if (json_array_size(flat) != n * FEATURES ||
            strcmp(json_string_value(json_object_get(in, "name")), "pixels \"1\"") != 0)
            n = 0;
        say(&out, "{\"outputs\":[{\"name\":\"y\",\"data\":[");
    } else {
        rows = json_object_get(root, s->dialect == LABELS ? "x" : "instances");
        n = json_array_size(rows);
        say(&out, s->dialect == LABELS ? "{\"y\":[" : "{\"predictions\":[");
    }
    for (size_t i = 0; i < n; i++) {
        double v[FEATURES];

        for (size_t f = 0; f < FEATURES; f++)
            v[f] = json_number_value(
                flat ? json_array_get(flat, i * FEATURES + f)
                     : json_array_get(json_array_get(json_array_get(rows, i), f / 2), f % 2));
        if (i)
            say(&out, ",");
        if (s->dialect == LABELS)
            snprintf(line, sizeof line, "{\"class\":%d}",
                     v[0] >= v[1] && v[0] >= v[2] ? 0
                     : v[1] >= v[2]               ? 1
                                                  : 2);
        else
            snprintf(line, sizeof line,
                     s->dialect == KSERVE ? "%.9g,%.9g,%.9g" : "[%.9g,%.9g,%.9g]", v[0], v[1],
                     v[2]);
        say(&out, line);
    }
    say(&out, s->dialect == KSERVE ? "]}]}" : "]}");
    __atomic_add_fetch(&s->rows, (unsigned)n, __ATOMIC_SEQ_CST);
    if (btz_buf_cstr(&out, &text) == BTZ_OK)
        test_reply(c, 200, "Content-Type: application/json\r\n", text);
}

struct place {
    struct service service;
    struct test_server *server;
    char url[64];
    struct btz_oracle_http conf;
};

static void place_open(struct place *p, enum dialect dialect)
{
    static const struct test_server_opts plain;
    static const struct btz_http_opts http = { .max_in_flight = 4 };

    memset(p, 0, sizeof *p);
    p->service.dialect = dialect;
    p->server = test_server_start(handle, &p->service, &plain);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u/v1", test_server_port(p->server));
    p->conf = (struct btz_oracle_http){ .url = p->url,
                                        .protocol = dialect == KSERVE ? "kserve" : "instances",
                                        .input = "pixels \"1\"",
                                        .sample = { 2, { 2, 2 } },
                                        .classes = CLASSES,
                                        .rows = 3,
                                        .http = &http };
    if (dialect == LABELS) {
        p->conf.protocol = NULL;
        p->conf.request = "{\"x\":\"{{rows}}\",\"count\":\"{{n}}\"}";
        p->conf.labels = "$.y[*].class";
    }
}

static void test_dialects(void **state)
{
    float x[7 * FEATURES], scores[7 * CLASSES];
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 31, 0);
    for (size_t k = 0; k < BTZ_COUNT(x); k++)
        x[k] = (float)btz_rng_unit(&r);
    for (int d = KSERVE; d <= LABELS; d++) {
        struct btz_oracle *o = NULL;
        struct place p;

        place_open(&p, (enum dialect)d);
        assert_int_equal(btz_oracle_of_http(&p.conf, &o), BTZ_OK);
        assert_true(o->has_scores == (d != LABELS));
        o->budget = 10;
        assert_int_equal(btz_oracle_ask(o, x, 7, scores), BTZ_OK);
        for (size_t i = 0; i < 7; i++) {
            size_t best = btz_argmax(x + i * FEATURES, CLASSES);

            for (size_t k = 0; k < CLASSES; k++)
                assert_true(scores[i * CLASSES + k] ==
                            (d == LABELS ? (float)(k == best) : x[i * FEATURES + k]));
        }
        /* What is over the budget is not sent. */
        assert_int_equal(btz_oracle_ask(o, x, 4, scores), BTZ_LIMIT);
        assert_int_equal(p.service.rows, 7);
        assert_int_equal(o->queries, 7);
        assert_int_equal(test_server_requests(p.server), 3);
        btz_oracle_free(o);
        test_server_stop(p.server);
    }
}

static void test_bad_replies(void **state)
{
    static const struct {
        const char *reply;
        unsigned status;
        enum btz_err err;
    } cases[] = {
        { "{\"predictions\":[[1,2]]}", 0, BTZ_INPUT },
        { "{\"predictions\":[[1,2,3,4]]}", 0, BTZ_INPUT },
        { "{\"predictions\":[[1,2,\"3\"]]}", 0, BTZ_INPUT },
        { "{\"prediction\":[[1,2,3]]}", 0, BTZ_INPUT },
        { "{\"predictions\":[[1,2,", 0, BTZ_INPUT },
        { "{}", 500, BTZ_UNREACHABLE },
        { "{}", 401, BTZ_DENIED },
    };
    const float x[FEATURES] = { 0 };
    float scores[CLASSES];

    (void)state;
    for (size_t c = 0; c < BTZ_COUNT(cases); c++) {
        struct btz_oracle *o = NULL;
        struct place p;

        place_open(&p, INSTANCES);
        p.service.reply = cases[c].reply;
        p.service.status = cases[c].status;
        assert_int_equal(btz_oracle_of_http(&p.conf, &o), BTZ_OK);
        assert_int_equal(btz_oracle_ask(o, x, 1, scores), cases[c].err);
        btz_oracle_free(o);
        test_server_stop(p.server);
    }
}

static void test_labels_of_reply(void **state)
{
    const float x[FEATURES] = { 0 };
    float scores[CLASSES];
    struct btz_oracle *o = NULL;
    struct place p;

    (void)state;
    place_open(&p, LABELS);
    p.service.reply = "{\"y\":[{\"class\":3}]}";
    assert_int_equal(btz_oracle_of_http(&p.conf, &o), BTZ_OK);
    assert_int_equal(btz_oracle_ask(o, x, 1, scores), BTZ_INPUT);
    p.service.reply = "{\"y\":[{\"class\":1.5}]}";
    assert_int_equal(btz_oracle_ask(o, x, 1, scores), BTZ_INPUT);
    btz_oracle_free(o);
    test_server_stop(p.server);
}

static void test_configuration(void **state)
{
    struct btz_oracle_http conf = {
        .url = "http://127.0.0.1:1/", .protocol = "kserve", .sample = { 1, { 2 } }, .classes = 2
    };
    struct btz_oracle *o = NULL;

    (void)state;
    conf.classes = 1;
    assert_int_equal(btz_oracle_of_http(&conf, &o), BTZ_USAGE);
    conf.classes = 2;
    conf.protocol = "smoke-signals";
    assert_int_equal(btz_oracle_of_http(&conf, &o), BTZ_USAGE);
    conf.request = "{\"x\":\"{{rows}}\"";
    conf.scores = "$.y";
    assert_int_equal(btz_oracle_of_http(&conf, &o), BTZ_USAGE);
    conf.request = "{\"x\":1}";
    assert_int_equal(btz_oracle_of_http(&conf, &o), BTZ_USAGE);
    conf.request = "{\"x\":\"{{flat}}\"}";
    conf.scores = "$..y";
    assert_int_equal(btz_oracle_of_http(&conf, &o), BTZ_USAGE);
    assert_null(o);
}

/* An attack by labels through an address: what it asked is what the service answered. */
static void test_attack(void **state)
{
    const struct btz_attack *attack = btz_attack_find("hopskipjump");
    const float x[FEATURES] = { 0.7F, 0.5F, 0.3F, 0.5F };
    const uint32_t y = 0;
    const uint64_t index = 0;
    struct btz_oracle *o = NULL;
    float adv[FEATURES];
    bool broken = false;
    uint64_t queries = 0;
    struct place p;

    (void)state;
    place_open(&p, LABELS);
    p.conf.rows = 100;
    assert_int_equal(btz_oracle_of_http(&p.conf, &o), BTZ_OK);
    memcpy(adv, x, sizeof adv);
    struct btz_attack_job job = { .attack = attack,
                                  .oracle = o,
                                  .shape = o->shape,
                                  .n = 1,
                                  .features = FEATURES,
                                  .classes = CLASSES,
                                  .x = x,
                                  .y = &y,
                                  .index = &index,
                                  .norm = BTZ_NORM_L2,
                                  .eps = 0.2,
                                  .box = { 0, 1 },
                                  .seed = 1,
                                  .adv = adv,
                                  .broken = &broken,
                                  .queries = &queries };
    btz_attack_defaults(attack, job.param);
    job.param[btz_attack_param_find(attack, "queries")] = 400;
    assert_int_equal(attack->run(&job), BTZ_OK);
    assert_true(broken); /* the boundary is 0.2 / sqrt(2) = 0.141 away */
    assert_true(btz_norm_of(BTZ_NORM_L2, adv, x, FEATURES) < 0.16);
    assert_true(queries <= 400);
    assert_int_equal(o->queries, 400);
    assert_int_equal(p.service.rows, 400);
    btz_oracle_free(o);
    test_server_stop(p.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),          cmocka_unit_test(test_one_probability),
        cmocka_unit_test(test_dialects),        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_labels_of_reply), cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_attack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
