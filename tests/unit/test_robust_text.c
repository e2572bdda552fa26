/*
 * Attacks on texts: words and distances, limits, searches against brute force, texts of anybody, an address, evaluation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "robust/text.h"
#include "test_server.c"

/* ---- words ------------------------------------------------------------------------------------------------------------- */

static void test_words(void **state)
{
    static const char *const expected[] = { "Don't", "stop", "caf\xc3\xa9", "x2",
                                            "\xd0\xb4\xd0\xb0" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_words w;

    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(
        btz_words_of(btz_str(" Don't stop' \xe2\x80\x94 caf\xc3\xa9, x2\xc2\xa0\xd0\xb4\xd0\xb0"),
                     &arena, &w),
        BTZ_OK);
    assert_int_equal(w.count, BTZ_COUNT(expected));
    for (size_t i = 0; i < w.count; i++)
        assert_true(btz_slice_is(w.word[i], expected[i]));
    assert_int_equal(btz_words_of(btz_str(""), &arena, &w), BTZ_OK);
    assert_int_equal(w.count, 0);
    assert_int_equal(btz_words_of(btz_str("a\xff"), &arena, &w), BTZ_INPUT);
    assert_true(btz_text_is_word(btz_str("it's")));
    assert_false(btz_text_is_word(btz_str("two words")));
    assert_false(btz_text_is_word(btz_str("end'")));
}

/* Values of the literature: kitten/sitting 3; "ca" and "abc" are 3 apart by optimal string alignment. */
static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(btz_word_distance(btz_str("kitten"), btz_str("sitting"), false), 3);
    assert_int_equal(btz_word_distance(btz_str("ca"), btz_str("abc"), true), 3);
    assert_int_equal(btz_word_distance(btz_str("form"), btz_str("from"), true), 1);
    assert_int_equal(btz_word_distance(btz_str("form"), btz_str("from"), false), 2);
    assert_int_equal(btz_word_distance(btz_str("caf\xc3\xa9"), btz_str("cafe"), true), 1);
    assert_int_equal(btz_word_distance(btz_str(""), btz_str("abc"), true), 3);
}

/* ---- limits ------------------------------------------------------------------------------------------------------------ */

static void test_limits(void **state)
{
    static const char *const keep[] = { "Brand" };
    static const char text[] = "The Brand sells 12 good lamps, not bad lamps.";
    static const struct {
        const char *changed;
        bool kept;
    } cases[] = {
        { "The Brand sells 12 godo lamps, not bad lamps.", true },
        { "The Brand sells 12 fine lamps, not bad lamps.", true },  /* a synonym */
        { "The Brand sells 12 gxxd lamps, not bad lamps.", false }, /* two edits */
        { "The Barnd sells 12 good lamps, not bad lamps.", false }, /* kept word */
        { "Teh Brand sells 12 good lamps, not bad lamps.", false }, /* stop word */
        { "The Brand sells 13 good lamps, not bad lamps.", false }, /* number */
        { "The Brand sells 12 goo1 lamps, not bad lamps.", false }, /* a digit */
        { "The Brand sells 12 good lamps not bad lamps.", false },  /* comma */
        { "The Brand sells 12 go od lamps, not bad lamps.", false },
        { "The Brand sells 12 good lamps, not bda lamps.", false },        /* too short a word */
        { "The Brand selsl 12 godo lamsp, not bad lamps.", false },        /* three of nine */
        { "The Brand sells 12 g\xd0\xbeod lamps, not bad lamps.", false }, /* not ASCII */
        { "The Brand sells 12 go\xffod lamps, not bad lamps.", false },
        { "", false },
    };
    struct btz_text_limits l = {
        .words = 0.25, .edits = 1, .least = 4, .ascii = true, .keep = keep, .keep_count = 1
    };
    struct btz_synonyms *s = NULL;
    size_t words;
    char why[160];
    bool kept;

    (void)state;
    assert_int_equal(btz_synonyms_parse(btz_str("good: fine, decent\n"), "t", &s), BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        assert_int_equal(
            btz_text_verify(&l, s, btz_str(text), btz_str(cases[i].changed), &kept, &words, why),
            BTZ_OK);
        assert_int_equal(kept, cases[i].kept);
        assert_true(kept || why[0]);
    }
    l.distance = 1;
    assert_int_equal(
        btz_text_verify(&l, s, btz_str(text), btz_str(cases[0].changed), &kept, &words, why),
        BTZ_OK);
    assert_false(kept); /* a swap is two */
    btz_synonyms_free(s);
    assert_int_equal(btz_synonyms_parse(btz_str("good: two words\n"), "t", &s), BTZ_INPUT);
    assert_int_equal(btz_synonyms_parse(btz_str("good fine\n"), "t", &s), BTZ_INPUT);
    assert_int_equal(btz_synonyms_parse(btz_str("a: b\nA: c\n"), "t", &s), BTZ_INPUT);
}

/* ---- searches against brute force: synonyms of a linear model --------------------------------------------------------------- */

#define WORDS 6
static const char *const vocabulary[WORDS][3] = {
    { "alpha", "alphb", "alphc" }, { "gamma", "gammb", "gammc" }, { "kappa", "kappb", "kappc" },
    { "omega", "omegb", "omegc" }, { "sigma", "sigmb", "sigmc" }, { "theta", "thetb", "thetc" },
};

/* The fewest changes that turn the class, of all 3^6 texts; 0: none. */
static size_t fewest(const struct btz_text_weight *w, float bias)
{
    size_t best = 0, all = 1;

    for (size_t i = 0; i < WORDS; i++)
        all *= 3;
    for (size_t code = 1; code < all; code++) {
        size_t changed = 0, rest = code;
        float sum = bias;

        for (size_t i = 0; i < WORDS; i++, rest /= 3) {
            sum += w[3 * i + rest % 3].weight;
            changed += rest % 3 != 0;
        }
        if (sum <= 0 && (!best || changed < best))
            best = changed;
    }
    return best;
}

static size_t run_one(const char *id, const struct btz_text_weight *w, float bias,
                      const struct btz_synonyms *s)
{
    static const struct btz_text_limits limits = { .words = 1, .least = 1 };
    const struct btz_slice text = btz_str("alpha, gamma kappa; omega sigma theta!");
    BTZ_BUF_RELEASE struct btz_buf adv = BTZ_BUF(1 << 16);
    struct btz_text_job job = { .attack = btz_text_attack_find(id),
                                .limits = &limits,
                                .synonyms = s,
                                .text = text,
                                .label = 1,
                                .adv = &adv };
    struct btz_text_oracle *o = NULL;
    size_t words = 0;
    float scores[2];
    char why[160];
    bool kept;

    for (size_t k = 0; k < job.attack->param_count; k++)
        job.param[k] = job.attack->params[k].fallback;
    assert_int_equal(btz_text_known_oracle(w, 3 * WORDS, bias, &o), BTZ_OK);
    job.oracle = o;
    assert_int_equal(job.attack->run(&job), BTZ_OK);
    assert_int_equal(job.queries, o->queries);
    if (job.broken) {
        struct btz_slice found = btz_buf_slice(&adv);

        assert_int_equal(btz_text_verify(&limits, s, text, found, &kept, &words, why), BTZ_OK);
        assert_true(kept);
        assert_int_equal(btz_text_ask(o, &found, 1, scores), BTZ_OK);
        assert_true(scores[1] <= scores[0]);
    }
    btz_text_oracle_free(o);
    return words;
}

/* Gains of a sum are independent: taking the best first needs the fewest changes, and breaks whatever can be broken. */
static void test_optimum(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf list = BTZ_BUF(1 << 16);
    struct btz_text_weight w[3 * WORDS];
    struct btz_synonyms *s = NULL;
    size_t breakable = 0;

    (void)state;
    for (size_t i = 0; i < WORDS; i++)
        assert_int_equal(btz_buf_printf(&list, "%s: %s, %s\n", vocabulary[i][0], vocabulary[i][1],
                                        vocabulary[i][2]),
                         BTZ_OK);
    assert_int_equal(btz_synonyms_parse(btz_buf_slice(&list), "t", &s), BTZ_OK);
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct btz_rng r;
        float bias;
        size_t best;

        btz_rng_init(&r, seed, 7);
        bias = 0.5F + 4 * (float)btz_rng_unit(&r);
        for (size_t i = 0; i < BTZ_COUNT(w); i++)
            w[i] = (struct btz_text_weight){ vocabulary[i / 3][i % 3],
                                             i % 3 ? 1.5F - 3 * (float)btz_rng_unit(&r)
                                                   : (float)btz_rng_unit(&r) };
        best = fewest(w, bias);
        breakable += best != 0;
        assert_int_equal(run_one("beam", w, bias, s), best);
        /* These go by importance: they break what can be broken, not always with the fewest words. */
        assert_int_equal(run_one("textfooler", w, bias, s) != 0, best != 0);
        assert_true(run_one("textfooler", w, bias, s) >= best);
        assert_int_equal(run_one("pwws", w, bias, s) != 0, best != 0);
    }
    assert_in_range(breakable, 20, 59);
    btz_synonyms_free(s);
}

/*
 * TextFooler's search as a program of 40 lines in another language does it (importance by deletion, best synonym, words taken back
 * from the left), written from the paper: the same texts and the same number of questions. Recorded from its run.
 */
static void test_recorded(void **state)
{
    static const struct btz_text_weight w[] = {
        { "alpha", 1 },      { "beta", 0.75F },   { "gamma", 0.5F },
        { "delta", 0.25F },  { "omega", -0.25F }, { "sigma", -0.5F },
        { "theta", 0.125F }, { "kappa", 0.375F }, { "zeta", -0.75F },
    };
    static const char synonyms[] =
        "alpha: beta, theta, kappa\nbeta: delta, kappa\n"
        "gamma: omega, delta\ndelta: theta, sigma\nkappa: gamma, theta\n";
    static const struct {
        const char *text;
        float bias;
        const char *adv;
        uint64_t queries;
    } runs[] = {
        { "Alpha, zeta, beta, alpha - alpha delta - delta the", -0.5F,
          "Theta, zeta, delta, theta - theta delta - delta the", 23 },
        { "alpha small - beta, kappa, small omega - theta!", -1.5F,
          "theta small - beta, kappa, small omega - theta!", 11 },
        { "the, beta theta beta", -1.5F, "the, delta theta beta", 6 },
        { "Gamma - theta, small theta beta theta, theta - delta - alpha", -1.5F,
          "Omega - theta, small theta beta theta, theta - delta - theta", 20 },
        { "Beta - delta, the, small", 0.0F, "Delta - sigma, the, small", 10 },
        { "Beta gamma - delta kappa zeta, small, the, the beta.", -1.5F,
          "Delta gamma - delta kappa zeta, small, the, the beta.", 10 },
        { "Gamma - the alpha, alpha kappa - sigma, omega, alpha.", -1.5F,
          "Gamma - the theta, theta kappa - sigma, omega, alpha.", 16 },
        { "Alpha sigma, omega - gamma, small, the.", -0.5F,
          "Theta sigma, omega - gamma, small, the.", 9 },
        { "Beta - omega, gamma - beta, kappa - kappa - omega, delta, theta.", -1.5F,
          "Beta - omega, omega - delta, kappa - kappa - omega, delta, theta.", 19 },
        { "Beta small, delta - delta - kappa omega.", -1.0F,
          "Delta small, delta - delta - kappa omega.", 9 },
        { "delta, theta, beta - omega zeta!", 0.5F, "sigma, theta, beta - omega zeta!", 12 },
        { "Alpha - gamma - zeta - sigma - small - gamma, kappa!", 0.5F,
          "Theta - omega - zeta - sigma - small - gamma, kappa!", 15 },
    };
    const struct btz_text_limits limits = { .words = 0.5, .edits = 1, .least = 4 };
    struct btz_synonyms *s = NULL;

    (void)state;
    assert_int_equal(btz_synonyms_parse(btz_str(synonyms), "t", &s), BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(runs); i++) {
        BTZ_BUF_RELEASE struct btz_buf adv = BTZ_BUF(1 << 16);
        struct btz_text_oracle *o = NULL;
        struct btz_text_job job = { .attack = btz_text_attack_find("textfooler"),
                                    .limits = &limits,
                                    .synonyms = s,
                                    .text = btz_str(runs[i].text),
                                    .label = 1,
                                    .adv = &adv };

        assert_int_equal(btz_text_known_oracle(w, BTZ_COUNT(w), runs[i].bias, &o), BTZ_OK);
        job.oracle = o;
        assert_int_equal(job.attack->run(&job), BTZ_OK);
        assert_true(job.broken);
        assert_true(btz_slice_is(btz_buf_slice(&adv), runs[i].adv));
        assert_int_equal(job.queries, runs[i].queries);
        btz_text_oracle_free(o);
    }
    btz_synonyms_free(s);
}

/* ---- texts of anybody ---------------------------------------------------------------------------------------------------- */

static enum btz_err ask_hash(struct btz_text_oracle *o, const struct btz_slice *texts, size_t n,
                             float *scores)
{
    (void)o;
    for (size_t i = 0; i < n; i++) {
        uint8_t digest[BTZ_SHA256_LEN];

        assert_true(btz_is_utf8(texts[i]));
        btz_sha256(texts[i], digest);
        scores[2 * i] = 200;
        scores[2 * i + 1] = digest[0];
    }
    return BTZ_OK;
}

static void free_nothing(struct btz_text_oracle *o)
{
    free(o);
}

static enum btz_err open_hash(void *user, struct btz_text_oracle **out)
{
    struct btz_text_oracle *o = calloc(1, sizeof *o);

    (void)user;
    assert_non_null(o);
    *o = (struct btz_text_oracle){
        .classes = 2, .has_scores = true, .ask = ask_hash, .free = free_nothing
    };
    *out = o;
    return BTZ_OK;
}

static void random_text(struct btz_rng *r, struct btz_buf *out)
{
    static const uint32_t odd[] = { ' ',     ' ',    ' ',  '\n',   '.',    '\'',
                                    '7',     0x430,  0xe9, 0x301,  0x4e2d, 0x200d,
                                    0x1f600, 0xfffd, '"',  0x2019, 1 };
    size_t n = btz_rng_below(r, 200);

    for (size_t i = 0; i < n; i++)
        assert_int_equal(btz_buf_add_utf8(out, btz_rng_below(r, 4)
                                                   ? 'a' + btz_rng_below(r, 26)
                                                   : odd[btz_rng_below(r, BTZ_COUNT(odd))]),
                         BTZ_OK);
}

/* Against a model without sense: what is claimed holds, and threads change nothing. */
static void test_anybody(void **state)
{
    enum { N = 60 };
    struct btz_buf bufs[N];
    struct btz_slice text[N];
    uint32_t label[N] = { 0 };
    struct btz_text_given attacks[5];
    struct btz_text_evaluation *e[2] = { NULL, NULL };
    struct btz_synonyms *s = NULL;
    struct btz_text_options o = { .oracle = open_hash,
                                  .text = text,
                                  .label = label,
                                  .count = N,
                                  .attacks = attacks,
                                  .limits = { .words = 0.3, .edits = 1, .least = 3, .distance = 6 },
                                  .seed = 5,
                                  .query_max = 300 };

    (void)state;
    assert_int_equal(btz_synonyms_read(NULL, &s), BTZ_OK);
    o.synonyms = s;
    for (const struct btz_text_attack *const *a = btz_text_attacks; *a; a++) {
        struct btz_text_given *g = &attacks[o.attack_count++];

        *g = (struct btz_text_given){ .attack = *a };
        for (size_t k = 0; k < (*a)->param_count; k++)
            g->param[k] = (*a)->params[k].fallback;
    }
    for (size_t i = 0; i < N; i++) {
        struct btz_rng r;

        btz_rng_init(&r, 9, i);
        bufs[i] = BTZ_BUF(1 << 16);
        random_text(&r, &bufs[i]);
        text[i] = btz_buf_slice(&bufs[i]);
    }
    for (unsigned t = 0; t < 2; t++) {
        o.threads = 1 + 3 * t;
        assert_int_equal(btz_text_evaluate(&o, &e[t]), BTZ_OK);
    }
    assert_int_equal(e[0]->n, N);
    assert_true(e[0]->robust.k < e[0]->clean.k);
    for (size_t k = 0; k < o.attack_count; k++) {
        assert_int_equal(e[0]->attacks[k].claimed, 0);
        assert_memory_equal(&e[0]->attacks[k], &e[1]->attacks[k], sizeof e[0]->attacks[k]);
        assert_true(e[0]->attacks[k].queries <= 300 * e[0]->attacks[k].tried);
    }
    for (size_t i = 0; i < N; i++)
        assert_true(btz_slice_equal(e[0]->verdicts[i].adv, e[1]->verdicts[i].adv));
    btz_text_evaluation_free(e[0]);
    btz_text_evaluation_free(e[1]);
    label[3] = 2;
    assert_int_equal(btz_text_evaluate(&o, &e[0]), BTZ_INPUT);
    label[3] = 0;
    text[4] = btz_str("\xff");
    assert_int_equal(btz_text_evaluate(&o, &e[0]), BTZ_INPUT);
    for (size_t i = 0; i < N; i++)
        btz_buf_release(&bufs[i]);
    btz_synonyms_free(s);
}

/* ---- files ------------------------------------------------------------------------------------------------------------- */

static void test_data(void **state)
{
    static const struct {
        const char *file;
        bool csv;
        enum btz_err err;
        size_t count, classes;
    } cases[] = {
        { "{\"text\":\"a\",\"label\":1}\n\n{\"text\":\"b\",\"label\":0}", false, BTZ_OK, 2, 2 },
        { "{\"text\":\"a\",\"label\":\"spam\"}\n{\"text\":\"b\",\"label\":\"ham\"}", false, BTZ_OK,
          2, 2 },
        { "label,text\nspam,\"a, \"\"b\"\"\"\nham,c\nother,d\n", true, BTZ_OK, 3, 3 },
        { "text,label\na,4\n", true, BTZ_OK, 1, 5 },
        { "{\"text\":\"a\"}", false, BTZ_INPUT, 0, 0 },
        { "{\"text\":1,\"label\":1}", false, BTZ_INPUT, 0, 0 },
        { "[1]", false, BTZ_INPUT, 0, 0 },
        { "", false, BTZ_INPUT, 0, 0 },
        { "text,class\na,1\n", true, BTZ_INPUT, 0, 0 },
        { "text,label\na,spam\nb,spam\n", true, BTZ_INPUT, 0, 0 },
        { "text,label\n\xff,1\n", true, BTZ_INPUT, 0, 0 },
        { "text,label\na,5000\n", true, BTZ_LIMIT, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_text_data d;

        assert_int_equal(btz_text_data_parse(btz_str(cases[i].file), cases[i].csv, "t", NULL, &d),
                         cases[i].err);
        assert_int_equal(d.count, cases[i].count);
        assert_int_equal(d.classes, cases[i].classes);
        if (d.classes == 3) {
            assert_string_equal(d.names[0], "ham");
            assert_int_equal(d.label[0], 2);
            assert_true(btz_slice_is(d.text[0], "a, \"b\""));
        }
        btz_text_data_release(&d);
    }
}

/* ---- an address ---------------------------------------------------------------------------------------------------------- */

/* Counts the word "good" in the request: what is asked arrives as it was written. */
static void handle(struct test_conn *c, const struct test_request *r, void *user)
{
    (void)user;
    test_reply(c, 200, "Content-Type: application/json\r\n",
               strstr(r->body, "a \\\"good\\\" day") ? "{\"y\":[\"spam\"]}" : "{\"y\":[\"ham\"]}");
}

static void test_http(void **state)
{
    static const char *const names[] = { "ham", "spam" };
    static const struct test_server_opts plain;
    const struct btz_slice texts[] = { btz_str("a \"good\" day"), btz_str("a godo day") };
    struct test_server *server = test_server_start(handle, NULL, &plain);
    struct btz_text_oracle *o = NULL;
    float scores[4];
    char url[64];
    struct btz_text_http conf = { .url = url,
                                  .request = "{\"in\":[\"{{text}}\"]}",
                                  .labels = "$.y",
                                  .names = names,
                                  .classes = 2 };

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", test_server_port(server));
    assert_int_equal(btz_text_oracle_of_http(&conf, &o), BTZ_OK);
    o->budget = 2;
    assert_int_equal(btz_text_ask(o, texts, 2, scores), BTZ_OK);
    assert_true(scores[0] < scores[1] && scores[2] > scores[3]);
    assert_int_equal(test_server_requests(server), 2);
    assert_int_equal(btz_text_ask(o, texts, 1, scores), BTZ_LIMIT);
    btz_text_oracle_free(o);
    conf.request = "{\"in\":1}";
    assert_int_equal(btz_text_oracle_of_http(&conf, &o), BTZ_USAGE);
    conf.request = "{\"in\":\"{{texts}}\"";
    assert_int_equal(btz_text_oracle_of_http(&conf, &o), BTZ_USAGE);
    conf.request = "{\"in\":\"{{texts}}\"}";
    conf.scores = "$.s";
    assert_int_equal(btz_text_oracle_of_http(&conf, &o), BTZ_USAGE);
    test_server_stop(server);
}

static void test_selftests(void **state)
{
    (void)state;
    for (const struct btz_text_attack *const *a = btz_text_attacks; *a; a++)
        assert_int_equal((*a)->selftest(), BTZ_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),     cmocka_unit_test(test_distance),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_optimum),
        cmocka_unit_test(test_recorded),  cmocka_unit_test(test_anybody),
        cmocka_unit_test(test_data),      cmocka_unit_test(test_http),
        cmocka_unit_test(test_selftests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
