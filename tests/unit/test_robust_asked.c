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

static int by_size(const void *one, const void *other)
{
    double x = *(const double *)one, y = *(const double *)other;

    return (x > y) - (x < y);
}

/* Distances come down to the known ones, and what is broken within eps in the end is what was counted. */
static void check_best(const struct world *world, const struct btz_evaluate_attacked *a)
{
    const struct btz_best_point *end = &a->best[a->best_count - 1];
    double away[SAMPLES], known;

    memcpy(away, world->away, sizeof away);
    qsort(away, SAMPLES, sizeof *away, by_size);
    known = away[(SAMPLES - 1) / 2];
    assert_true(a->best_count > 10);
    assert_int_equal(end->questions, QUERIES);
    assert_true(end->median >= known * (1 - 1e-3) && end->median < known * 1.05);
    assert_true(end->within * (double)a->tried == (double)a->broken);
    for (size_t k = 1; k < a->best_count; k++) {
        assert_true(a->best[k].questions >= a->best[k - 1].questions);
        assert_true(a->best[k].median <= a->best[k - 1].median);
        assert_true(a->best[k].within >= a->best[k - 1].within);
    }
    assert_true(a->best[0].median > known * 1.05); /* one question finds nothing so near */
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
    check_best(&world, &e->attacks[0]);
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

/* ---- a model whose weights stand in a file of their own: x w -> ArgMax ---------------------------------------------------- */

static void number(struct btz_buf *out, unsigned field, unsigned value)
{
    assert_true(value < 128);
    assert_int_equal(btz_buf_add_byte(out, (uint8_t)(field << 3)), BTZ_OK);
    assert_int_equal(btz_buf_add_byte(out, (uint8_t)value), BTZ_OK);
}

static void bytes(struct btz_buf *out, unsigned field, const void *what, size_t len)
{
    unsigned key = field << 3 | 2;

    if (key > 127) {
        assert_int_equal(btz_buf_add_byte(out, (uint8_t)(key | 128)), BTZ_OK);
        key >>= 7;
    }
    assert_int_equal(btz_buf_add_byte(out, (uint8_t)key), BTZ_OK);
    if (len > 127)
        assert_int_equal(btz_buf_add_byte(out, (uint8_t)(len | 128)), BTZ_OK);
    assert_int_equal(btz_buf_add_byte(out, (uint8_t)(len > 127 ? len >> 7 : len)), BTZ_OK);
    assert_int_equal(btz_buf_add(out, what, len), BTZ_OK);
}

static void words(struct btz_buf *out, unsigned field, const char *text)
{
    bytes(out, field, text, strlen(text));
}

/* The buffer becomes a field of the other, and empty. */
static void nest(struct btz_buf *out, unsigned field, struct btz_buf *in)
{
    bytes(out, field, in->ptr, in->len);
    btz_buf_clear(in);
}

static void put_info(struct btz_buf *graph, unsigned field, const char *name, unsigned type,
                     unsigned columns)
{
    struct btz_buf dim = BTZ_BUF(100), shape = BTZ_BUF(100), tensor = BTZ_BUF(100);
    struct btz_buf kind = BTZ_BUF(100), info = BTZ_BUF(100);

    words(&dim, 2, "n");
    nest(&shape, 1, &dim);
    if (columns) {
        number(&dim, 1, columns);
        nest(&shape, 1, &dim);
    }
    number(&tensor, 1, type);
    nest(&tensor, 2, &shape);
    nest(&kind, 1, &tensor);
    words(&info, 1, name);
    nest(&info, 2, &kind);
    nest(graph, field, &info);
    btz_buf_release(&dim);
    btz_buf_release(&shape);
    btz_buf_release(&tensor);
    btz_buf_release(&kind);
    btz_buf_release(&info);
}

static void put_labels_model(struct btz_buf *out)
{
    static const char *const attributes[] = { "axis", "keepdims" };
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(4096), part = BTZ_BUF(4096), in = BTZ_BUF(4096);

    words(&part, 1, "x");
    words(&part, 1, "w");
    words(&part, 2, "z");
    words(&part, 4, "MatMul");
    nest(&graph, 1, &part);
    words(&part, 1, "z");
    words(&part, 2, "label");
    words(&part, 4, "ArgMax");
    for (unsigned i = 0; i < 2; i++) {
        words(&in, 1, attributes[i]);
        number(&in, 3, 1 - i);
        assert_int_equal(btz_buf_add(&in, "\xa0\x01\x02", 3), BTZ_OK); /* type 20: INT */
        nest(&part, 5, &in);
    }
    nest(&graph, 1, &part);
    words(&graph, 2, "g");
    number(&part, 1, FEATURES);
    number(&part, 1, 2);
    number(&part, 2, 1);
    words(&part, 8, "w");
    words(&in, 1, "location");
    words(&in, 2, "w.bin");
    nest(&part, 13, &in);
    number(&part, 14, 1);
    nest(&graph, 5, &part);
    put_info(&graph, 11, "x", 1, FEATURES);
    put_info(&graph, 12, "label", 7, 0);
    number(out, 1, 8);
    nest(out, 7, &graph);
    number(&part, 2, 13);
    nest(out, 8, &part);
}

/* What an interrupted run has found belongs to the weights it was found with. */
static void test_external_weights(void **state)
{
    char folder[] = "/tmp/btz-asked-XXXXXX", path[64], weights[64], file[64];
    struct btz_evaluate_attack a = { .attack = btz_attack_find("hopskipjump") };
    BTZ_BUF_RELEASE struct btz_buf model = BTZ_BUF(1 << 16);
    float columns[2 * FEATURES];
    struct btz_best_point first[BTZ_BEST_POINTS];
    struct world world;

    (void)state;
    start(&world);
    btz_attack_defaults(a.attack, a.param);
    a.param[btz_attack_param_find(a.attack, "queries")] = FEW;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    snprintf(weights, sizeof weights, "%s/w.bin", folder);
    snprintf(file, sizeof file, "%s/state", folder);
    put_labels_model(&model);
    assert_int_equal(btz_file_write(path, btz_buf_slice(&model), 0600), BTZ_OK);
    world.conf.url = NULL;
    world.conf.path = path;
    for (int run = 0; run < 3; run++) { /* the same weights again, then others */
        struct btz_evaluate_options o;
        struct btz_evaluation *e = NULL;
        struct btz_model *m = NULL;

        for (size_t k = 0; k < FEATURES; k++) {
            columns[2 * k] = 0;
            columns[2 * k + 1] = (float)w[k] * (run == 2 ? 2.0F : 1.0F);
        }
        assert_int_equal(btz_file_write(weights, btz_slice_of(columns, sizeof columns), 0600),
                         BTZ_OK);
        assert_int_equal(btz_model_read(path, NULL, &m), BTZ_OK);
        world.asked.model = m;
        assert_int_equal(btz_asked_identify(&world.asked), BTZ_OK);
        o = (struct btz_evaluate_options){
            .oracle = btz_asked_open,
            .oracle_user = &world.asked,
            .identity = world.asked.identity,
            .samples = { .n = SAMPLES, .x = world.x, .y = world.y },
            .attacks = &a,
            .attack_count = 1,
            .norm = BTZ_NORM_L2,
            .eps = 2,
            .box = { -1, 2 },
            .state = file,
        };
        assert_int_equal(btz_evaluate(&o, &e), run == 2 ? BTZ_INPUT : BTZ_OK);
        if (run == 0)
            memcpy(first, e->attacks[0].best, sizeof first);
        if (run == 1) {
            assert_true(e->attacks[0].best_count > 3);
            assert_memory_equal(first, e->attacks[0].best, sizeof first);
        }
        if (run == 1) /* all of it from the file: the clean pass and checks alone are asked */
            assert_true(e->asked < SAMPLES * FEW);
        btz_evaluation_free(e);
        btz_model_free(m);
    }
    assert_int_equal(remove(path) | remove(weights) | remove(file) | rmdir(folder), 0);
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
        cmocka_unit_test(test_distance),        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_secret),          cmocka_unit_test(test_external_weights),
        cmocka_unit_test(test_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
