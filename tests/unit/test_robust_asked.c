/*
 * The practice against an address: a linear model behind HTTP, whose distances are known. What it answered is what the report
 * says was asked; a sample costs no more than its budget.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "robust/oracles.h"
#include "robust/practice.h"
#include "test_server.c"

#define FEATURES 4
#define SAMPLES  12
#define MANY     600 /* three units */
#define FEW      20  /* questions */
#define QUERIES  1500

/* Class 1 where w x + b > 0. */
static const double w[FEATURES] = { 1, -2, 0.5, 1.5 }, b = -0.4;

static double score(const double *x)
{
    double z = b;

    for (size_t k = 0; k < FEATURES; k++)
        z += w[k] * x[k];
    return z;
}

struct service {
    unsigned rows, denied;
};

static void handle(struct test_conn *c, const struct test_request *r, void *user)
{
    struct service *s = user;
    BTZ_JSON json_t *root = NULL;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    const json_t *rows;
    const char *text;
    char key[64];

    if (!test_header(r, "Authorization", key, sizeof key) || strcmp(key, "Bearer hush") != 0) {
        __atomic_add_fetch(&s->denied, 1, __ATOMIC_SEQ_CST);
        test_reply(c, 401, "", "{}");
        return;
    }
    if (btz_json_parse(btz_slice_of(r->body, r->body_len), 1 << 20, "request", &root) != BTZ_OK)
        abort();
    rows = json_object_get(root, "instances");
    if (btz_buf_add_str(&out, "{\"predictions\":[") != BTZ_OK)
        abort();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        double x[FEATURES], z;

        for (size_t k = 0; k < FEATURES; k++)
            x[k] = json_number_value(json_array_get(json_array_get(rows, i), k));
        z = score(x);
        if (btz_buf_printf(&out, i ? ",[%.9g,%.9g]" : "[%.9g,%.9g]", -z, z) != BTZ_OK)
            abort();
    }
    __atomic_add_fetch(&s->rows, (unsigned)json_array_size(rows), __ATOMIC_SEQ_CST);
    if (btz_buf_add_str(&out, "]}") != BTZ_OK || btz_buf_cstr(&out, &text) != BTZ_OK)
        abort();
    test_reply(c, 200, "Content-Type: application/json\r\n", text);
}

struct world {
    struct service service;
    struct test_server *server;
    float x[MANY * FEATURES];
    uint32_t y[MANY];
    double away[MANY]; /* to the boundary, L2 */
    struct btz_model_conf conf;
    struct btz_conf_pair header;
    struct btz_asked asked;
    char url[64];
};

static void start(struct world *o)
{
    static const struct test_server_opts plain;
    double norm = 0;
    struct btz_rng r;

    memset(o, 0, sizeof *o);
    btz_rng_init(&r, 4, 4);
    for (size_t k = 0; k < FEATURES; k++)
        norm += w[k] * w[k];
    for (size_t i = 0; i < MANY; i++) {
        double x[FEATURES];

        for (size_t k = 0; k < FEATURES; k++) {
            o->x[i * FEATURES + k] = (float)(0.3 + 0.4 * btz_rng_unit(&r));
            x[k] = (double)o->x[i * FEATURES + k];
        }
        o->y[i] = score(x) > 0;
        o->away[i] = fabs(score(x)) / sqrt(norm);
    }
    o->server = test_server_start(handle, &o->service, &plain);
    snprintf(o->url, sizeof o->url, "http://127.0.0.1:%u/v1", test_server_port(o->server));
    o->header = (struct btz_conf_pair){ "Authorization", "Bearer hush" };
    o->conf = (struct btz_model_conf){
        .name = "far",
        .url = o->url,
        .data = "-",
        .protocol = 2,
        .address = { .headers = { &o->header, 1 }, .rows = 64, .concurrency = 4, .timeout = 20000 }
    };
    o->asked = (struct btz_asked){ .conf = &o->conf, .shape = { 1, { FEATURES } }, .classes = 2 };
}

static struct btz_evaluate_options options(struct world *o, const struct btz_evaluate_attack *a)
{
    assert_int_equal(btz_asked_check(&o->conf), BTZ_OK);
    assert_int_equal(btz_asked_identify(&o->asked), BTZ_OK);
    return (struct btz_evaluate_options){
        .oracle = btz_asked_open,
        .oracle_user = &o->asked,
        .identity = o->asked.identity,
        .samples = { .n = SAMPLES, .x = o->x, .y = o->y },
        .attacks = a,
        .attack_count = 1,
        .norm = BTZ_NORM_L2,
        .eps = 2,
        .box = { -1, 2 },
        .seed = 2,
        .threads = 3,
    };
}

struct near {
    const struct world *world;
    double worst; /* found over known */
    size_t count;
};

static enum btz_err look(void *user, const struct btz_evaluate_broken *found)
{
    struct near *n = user;

    n->worst = fmax(n->worst, found->distance / n->world->away[found->index]);
    n->count++;
    return BTZ_OK;
}

static void test_distance(void **state)
{
    struct btz_evaluate_attack a = { .attack = btz_attack_find("hopskipjump") };
    struct btz_evaluate_options o;
    struct btz_evaluation *e = NULL;
    struct world world;
    struct near near = { &world, 0, 0 };

    (void)state;
    start(&world);
    btz_attack_defaults(a.attack, a.param);
    a.param[btz_attack_param_find(a.attack, "queries")] = QUERIES;
    o = options(&world, &a);
    o.broken = look;
    o.broken_user = &near;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_OK);
    assert_int_equal(e->clean.k, SAMPLES);
    assert_int_equal(near.count, SAMPLES);
    assert_true(near.worst >= 1 - 1e-3 && near.worst < 1.05);
    for (size_t i = 0; i < SAMPLES; i++)
        assert_true(e->verdicts[i].queries <= QUERIES);
    assert_int_equal(e->asked, world.service.rows);
    /* A clean pass, the attack, a fresh pass over what it claims, and checks on the same few. */
    assert_true(e->asked <= SAMPLES * (QUERIES + 4));
    btz_evaluation_free(e);
    test_server_stop(world.server);
}

/* Units on three threads, each with an oracle: the count is that of the server, and no sample costs more than it may. */
static void test_budget(void **state)
{
    struct btz_evaluate_attack a = { .attack = btz_attack_find("hopskipjump") };
    struct btz_evaluate_options o;
    struct btz_evaluation *e = NULL;
    struct world world;

    (void)state;
    start(&world);
    btz_attack_defaults(a.attack, a.param);
    a.param[btz_attack_param_find(a.attack, "queries")] = FEW;
    o = options(&world, &a);
    o.samples.n = MANY;
    assert_int_equal(btz_evaluate(&o, &e), BTZ_OK);
    assert_int_equal(e->threads, 3);
    assert_int_equal(e->clean.k, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_true(e->verdicts[i].queries <= FEW);
    assert_int_equal(e->asked, world.service.rows);
    assert_true(e->asked > MANY && e->asked <= MANY * (FEW + 4));
    btz_evaluation_free(e);
    test_server_stop(world.server);
}

static void test_secret(void **state)
{
    struct btz_evaluate_attack a = { .attack = btz_attack_find("hopskipjump") };
    struct btz_evaluate_options o;
    struct btz_evaluation *e = NULL;
    struct world world;
    char first[sizeof world.asked.identity];

    (void)state;
    start(&world);
    btz_attack_defaults(a.attack, a.param);
    o = options(&world, &a);
    memcpy(first, world.asked.identity, sizeof first);
    world.header.value = "Bearer wrong-secret";
    o = options(&world, &a);
    assert_string_equal(first, world.asked.identity); /* no key is in it */
    assert_int_equal(btz_evaluate(&o, &e), BTZ_DENIED);
    assert_null(strstr(btz_error_detail(), "wrong-secret"));
    assert_true(world.service.denied > 0);
    test_server_stop(world.server);
}

static void test_what_is_missing(void **state)
{
    struct world world;

    (void)state;
    start(&world);
    world.conf.protocol = 0;
    assert_int_equal(btz_asked_check(&world.conf), BTZ_USAGE);
    world.conf.address.request = "{\"x\":\"{{rows}}\"}";
    assert_int_equal(btz_asked_check(&world.conf), BTZ_USAGE);
    world.conf.address.scores_at = "$.y";
    assert_int_equal(btz_asked_check(&world.conf), BTZ_OK);
    world.conf.address.labels_at = "$.y";
    assert_int_equal(btz_asked_check(&world.conf), BTZ_USAGE);
    world.conf.address.labels_at = NULL;
    world.conf.url = "ftp://h/m";
    assert_int_equal(btz_asked_check(&world.conf), BTZ_USAGE);
    test_server_stop(world.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
