/*
 * Networks that read tokens: attacks against brute force over a model computed by hand, a transformer against plain loops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "robust/text.h"

#define SPECIAL "[UNK]\n[CLS]\n[SEP]\n"

static struct btz_wordpiece *vocabulary(const char *text, enum btz_letter_case letters)
{
    struct btz_wordpiece *w = NULL;

    make_ok(btz_wordpiece_parse(btz_str(text), letters, "vocab.txt", &w));
    return w;
}

/* ---- a model of words: mean of embeddings, a linear layer ------------------------------------------------------------------- */

#define WORDS   4
#define WIDTH   3
#define SIMPLE  "[PAD]\n" SPECIAL
#define STEMS   4 /* the first ordinary token */
#define ENTRIES 20
static const char *const words[WORDS][3] = { { "alpha", "alphb", "alphc" },
                                             { "gamma", "gammb", "gammc" },
                                             { "kappa", "kappb", "kappc" },
                                             { "omega", "omegb", "omegc" } };
static const char words_vocabulary[] = SIMPLE "alp\n##ha\n##hb\n##hc\ngam\n##ma\n##mb\n##mc\n"
                                              "kap\n##pa\n##pb\n##pc\nome\n##ga\n##gb\n##gc\n";

struct words_net {
    float embedding[ENTRIES][WIDTH], weight[3][WIDTH], bias[3];
};
struct shape_of {
    enum btz_type type;
    const char *dims;
    unsigned classes;
    bool mask, types;
};

static void draw_words(struct words_net *n, uint64_t seed)
{
    struct btz_rng r;
    float *all = &n->embedding[0][0];

    btz_rng_init(&r, seed, 2);
    for (size_t i = 0; i < sizeof *n / sizeof *all; i++)
        all[i] = (float)(2 * btz_rng_unit(&r) - 1);
}

static struct btz_model *words_model(const struct words_net *n, const struct shape_of *s)
{
    static const int64_t one = 1, two = 2;
    const char *columns = s->classes == 1 ? "1" : s->classes == 2 ? "2" : "3";
    char weight[8];
    struct graph_make g;

    snprintf(weight, sizeof weight, "%s,%d", columns, WIDTH);
    make_init(&g, 1);
    make_typed(&g, 11, "input_ids", s->type, s->dims);
    if (s->types)
        make_typed(&g, 11, "token_type_ids", s->type, s->dims);
    if (s->mask)
        make_typed(&g, 11, "attention_mask", s->type, s->dims);
    make_value(&g, 12, "probabilities", s->classes == 1 ? "-1,1" : "-1,-1");
    make_given(&g, "table", BTZ_F32, "20,3", n->embedding);
    make_given(&g, "w", BTZ_F32, weight, n->weight);
    make_given(&g, "b", BTZ_F32, columns, n->bias);
    make_given(&g, "one", BTZ_I64, "1", &one);
    make_given(&g, "two", BTZ_I64, "1", &two);
    make_node(&g, "Gather", "table input_ids", "e", "");
    if (s->mask) {
        make_node(&g, "Cast", "attention_mask", "m", "to:1");
        make_node(&g, "Unsqueeze", "m two", "m3", "");
        make_node(&g, "Mul", "e m3", "em", "");
        make_node(&g, "ReduceSum", "em one", "sum", "keepdims:0");
        make_node(&g, "ReduceSum", "m one", "count", "keepdims:1");
        make_node(&g, "Div", "sum count", "mean", "");
    } else
        make_node(&g, "ReduceMean", "e", "mean", "axes=1 keepdims:0");
    make_node(&g, "Gemm", "mean w b", "logits", "transB:1");
    make_node(&g, s->classes == 1 ? "Sigmoid" : "Softmax", "logits", "probabilities", "");
    return make_model(&g);
}

/* The logits of words by hand; `choice`: which form each word has. */
static void by_hand(const struct words_net *n, const size_t choice[WORDS], double out[3])
{
    double mean[WIDTH];

    for (size_t d = 0; d < WIDTH; d++) {
        mean[d] = n->embedding[2][d] + n->embedding[3][d];
        for (size_t i = 0; i < WORDS; i++)
            mean[d] += (double)n->embedding[STEMS + 4 * i][d] +
                       (double)n->embedding[STEMS + 4 * i + 1 + choice[i]][d];
        mean[d] /= 2 * WORDS + 2;
    }
    for (size_t k = 0; k < 3; k++) {
        out[k] = n->bias[k];
        for (size_t d = 0; d < WIDTH; d++)
            out[k] += n->weight[k][d] * mean[d];
    }
}

static const struct shape_of plain = { BTZ_I64, "-1,-1", 2, true, true };

static struct btz_text_oracle *oracle_of(const struct btz_model *m, const struct btz_wordpiece *w)
{
    struct btz_text_oracle *o = NULL;

    make_ok(btz_text_oracle_of_network(
        &(struct btz_text_network){ .model = m, .wordpiece = w, .pad = true }, &o));
    return o;
}

/* Every form in which a model comes gives what the sum by hand gives. */
static void test_forms(void **state)
{
    static const struct shape_of forms[] = {
        { BTZ_I64, "-1,-1", 2, true, true },   { BTZ_I32, "-1,-1", 3, true, false },
        { BTZ_I64, "-1,16", 3, true, true },   { BTZ_I32, "5,16", 3, true, true },
        { BTZ_I64, "1,-1", 2, false, false },  { BTZ_I64, "-1,-1", 1, false, true },
        { BTZ_I64, "40,-1", 2, false, false }, { BTZ_I64, "-1,10", 2, false, false },
    };
    struct btz_wordpiece *w = vocabulary(words_vocabulary, BTZ_CASE_AUTO);
    struct words_net n;

    (void)state;
    draw_words(&n, 3);
    for (size_t f = 0; f < BTZ_COUNT(forms); f++) {
        struct btz_model *m = words_model(&n, &forms[f]);
        struct btz_text_oracle *o = oracle_of(m, w);
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_slice texts[81];
        float scores[81 * 3];

        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(o->classes, forms[f].classes == 1 ? 2 : forms[f].classes);
        for (size_t i = 0; i < BTZ_COUNT(texts); i++)
            texts[i] = btz_str(btz_arena_printf(&arena, "%s %s %s %s", words[0][i % 3],
                                                words[1][i / 3 % 3], words[2][i / 9 % 3],
                                                words[3][i / 27]));
        make_ok(btz_text_ask(o, texts, BTZ_COUNT(texts), scores));
        assert_int_equal(o->queries, BTZ_COUNT(texts));
        for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
            const size_t choice[WORDS] = { i % 3, i / 3 % 3, i / 9 % 3, i / 27 };
            double expected[3];

            by_hand(&n, choice, expected);
            if (forms[f].classes == 1) {
                assert_true(scores[2 * i] == 0);
                assert_float_equal(scores[2 * i + 1], expected[0], 1e-5);
            }
            for (size_t k = 0; forms[f].classes > 1 && k < o->classes; k++)
                assert_float_equal(scores[i * o->classes + k], expected[k], 1e-5);
        }
        btz_text_oracle_free(o);
        btz_model_free(m);
    }
    btz_wordpiece_free(w);
}

/* Texts of many lengths at once, cut at the longest, in any company: each as if it were alone. */
static void test_lengths(void **state)
{
    struct btz_wordpiece *w = vocabulary(words_vocabulary, BTZ_CASE_AUTO);
    struct btz_text_network conf = { .wordpiece = w, .tokens = 12 };
    struct btz_text_oracle *o = NULL;
    struct btz_slice texts[100];
    float together[200], alone[2];
    struct words_net n;
    struct btz_model *m;

    (void)state;
    draw_words(&n, 8);
    conf.model = m = words_model(&n, &plain);
    make_ok(btz_text_oracle_of_network(&conf, &o));
    for (size_t i = 0; i < BTZ_COUNT(texts); i++)
        texts[i] = btz_slice_sub(
            btz_str("alpha gammb kappa, omegc alphb gamma kappc omega alphb gammc"), 0, i * 7 % 61);
    make_ok(btz_text_ask(o, texts, BTZ_COUNT(texts), together));
    for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
        make_ok(btz_text_ask(o, &texts[i], 1, alone));
        assert_float_equal(alone[0], together[2 * i], 1e-6);
        assert_float_equal(alone[1], together[2 * i + 1], 1e-6);
    }
    o->budget = o->queries;
    assert_int_equal(btz_text_ask(o, texts, 1, alone), BTZ_LIMIT);
    btz_text_oracle_free(o);
    btz_model_free(m);
    btz_wordpiece_free(w);
}

static void test_refused(void **state)
{
    static const struct {
        const char *input, *dims, *says;
        enum btz_type type;
    } cases[] = {
        { "position_ids", "-1,-1", "'position_ids' is not known", BTZ_I64 },
        { "attention_mask", "-1,-1", "'attention_mask' is ?x? of float", BTZ_F32 },
        { "attention_mask", "-1,1,-1", "'attention_mask' is ?x1x? of int64", BTZ_I64 },
        { "token_type_ids", "-1,9", "dimension 1 is 9", BTZ_I64 },
    };
    struct btz_wordpiece *w = vocabulary(words_vocabulary, BTZ_CASE_AUTO);
    struct btz_wordpiece *bare = vocabulary(SPECIAL, BTZ_CASE_AUTO);
    struct btz_text_network conf = { .wordpiece = w };
    struct btz_text_oracle *o = NULL;
    static const struct shape_of fixed = { BTZ_I64, "-1,10", 2, false, false };
    struct words_net n;
    struct btz_model *m;

    (void)state;
    draw_words(&n, 1);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct graph_make g;

        make_init(&g, 1);
        make_typed(&g, 11, "input_ids", BTZ_I64, "-1,8");
        make_typed(&g, 11, cases[i].input, cases[i].type, cases[i].dims);
        make_value(&g, 12, "y", "-1,-1");
        make_node(&g, "Cast", "input_ids", "y", "to:1");
        conf.model = m = make_model(&g);
        assert_int_equal(btz_text_oracle_of_network(&conf, &o), BTZ_UNSUPPORTED);
        assert_non_null(strstr(btz_error_detail(), cases[i].says));
        btz_model_free(m);
    }
    /* No scores: a row a token; no tokens. */
    for (unsigned i = 0; i < 2; i++) {
        struct graph_make g;

        make_init(&g, 1);
        make_typed(&g, 11, i ? "attention_mask" : "input_ids", BTZ_I64, "-1,-1");
        make_value(&g, 12, "y", "-1,-1,4");
        make_constant(&g, "t", "30,4", 0, 1);
        make_node(&g, "Gather", i ? "t attention_mask" : "t input_ids", "y", "");
        conf.model = m = make_model(&g);
        assert_int_equal(btz_text_oracle_of_network(&conf, &o), BTZ_UNSUPPORTED);
        assert_non_null(strstr(btz_error_detail(), i ? "no input 'input_ids'" : "no output"));
        btz_model_free(m);
    }
    conf.model = m = words_model(&n, &fixed);
    assert_int_equal(btz_text_oracle_of_network(&conf, &o), BTZ_UNSUPPORTED);
    assert_non_null(strstr(btz_error_detail(), "no input 'attention_mask'"));
    conf.pad = true;
    conf.tokens = 11;
    assert_int_equal(btz_text_oracle_of_network(&conf, &o), BTZ_USAGE);
    conf.tokens = 0;
    conf.wordpiece = bare;
    assert_int_equal(btz_text_oracle_of_network(&conf, &o), BTZ_INPUT);
    btz_model_free(m);
    btz_wordpiece_free(bare);
    btz_wordpiece_free(w);
    /* A vocabulary of another model: more tokens than embeddings. */
    conf.wordpiece = w =
        vocabulary(SIMPLE "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\n", BTZ_CASE_AUTO);
    conf.model = m = words_model(&n, &plain);
    make_ok(btz_text_oracle_of_network(&conf, &o));
    assert_int_equal(
        btz_text_ask(o, &(struct btz_slice){ (const uint8_t *)"q", 1 }, 1, (float[2]){ 0 }),
        BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "tokens of the vocabulary"));
    btz_text_oracle_free(o);
    btz_model_free(m);
    btz_wordpiece_free(w);
}

/* The fewest words that must change, of all 3^4 texts by hand; 0: none turns the class. */
static size_t fewest(const struct words_net *n, size_t label)
{
    size_t best = 0;

    for (size_t i = 1; i < 81; i++) {
        const size_t choice[WORDS] = { i % 3, i / 3 % 3, i / 9 % 3, i / 27 };
        size_t changed = 0;
        double z[3];

        by_hand(n, choice, z);
        for (size_t k = 0; k < WORDS; k++)
            changed += choice[k] != 0;
        if ((z[1] > z[0]) != (label == 1) && (!best || changed < best))
            best = changed;
    }
    return best;
}

/* What the attack found, read back and computed by hand. */
static size_t changes(const struct words_net *n, struct btz_slice adv, size_t label)
{
    size_t choice[WORDS], changed = 0, at = 0;
    double z[3];

    for (size_t i = 0; i < WORDS; i++, at += 6) {
        struct btz_slice word = btz_slice_sub(adv, at, 5);

        for (choice[i] = 0; choice[i] < 3 && !btz_slice_is(word, words[i][choice[i]]);)
            choice[i]++;
        assert_true(choice[i] < 3);
        changed += choice[i] != 0;
    }
    by_hand(n, choice, z);
    assert_true((z[1] > z[0]) != (label == 1));
    return changed;
}

struct shared {
    const struct btz_model *model;
    const struct btz_wordpiece *wordpiece;
};

static enum btz_err open_shared(void *user, struct btz_text_oracle **out)
{
    const struct shared *s = user;

    *out = oracle_of(s->model, s->wordpiece);
    return BTZ_OK;
}

/* Scores are linear in the tokens: beam search needs the fewest changes and breaks whatever can be broken. */
static void test_attack(void **state)
{
    static const size_t none[WORDS] = { 0 };
    const struct btz_slice text = btz_str("alpha gamma kappa omega");
    struct btz_wordpiece *w = vocabulary(words_vocabulary, BTZ_CASE_AUTO);
    struct btz_text_given beam = { .attack = btz_text_attack_find("beam") };
    struct btz_synonyms *s = NULL;
    unsigned breakable = 0;

    (void)state;
    make_ok(btz_synonyms_parse(btz_str("alpha: alphb, alphc\ngamma: gammb, gammc\n"
                                       "kappa: kappb, kappc\nomega: omegb, omegc\n"),
                               "t", &s));
    for (size_t k = 0; k < beam.attack->param_count; k++)
        beam.param[k] = beam.attack->params[k].fallback;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct btz_text_evaluation *e = NULL;
        struct words_net n;
        struct shared shared = { .wordpiece = w };
        struct btz_model *m;
        uint32_t label;
        size_t best;
        double z[3];

        draw_words(&n, seed);
        by_hand(&n, none, z);
        label = z[1] > z[0];
        best = fewest(&n, label);
        breakable += best != 0;
        shared.model = m = words_model(&n, &plain);
        make_ok(btz_text_evaluate(&(struct btz_text_options){ .oracle = open_shared,
                                                              .oracle_user = &shared,
                                                              .text = &text,
                                                              .label = &label,
                                                              .count = 1,
                                                              .attacks = &beam,
                                                              .attack_count = 1,
                                                              .limits = { .words = 1, .least = 1 },
                                                              .synonyms = s,
                                                              .threads = 1 },
                                  &e));
        assert_int_equal(e->clean.k, 1);
        assert_int_equal(e->attacks[0].broken, best != 0);
        assert_int_equal(e->attacks[0].claimed, 0);
        if (best)
            assert_int_equal(changes(&n, e->verdicts[0].adv, label), best);
        btz_text_evaluation_free(e);
        btz_model_free(m);
    }
    assert_in_range(breakable, 5, 29);
    btz_synonyms_free(s);
    btz_wordpiece_free(w);
}

/* ---- a transformer ------------------------------------------------------------------------------------------------------ */

#define HIDDEN 8
#define HEADS  2
#define EACH   (HIDDEN / HEADS)
#define INNER  16
#define PLACES 20

struct transformer { /* filled at random, in this order */
    float word[ENTRIES][HIDDEN], place[PLACES][HIDDEN], type[2][HIDDEN];
    float q[HIDDEN][HIDDEN], k[HIDDEN][HIDDEN], v[HIDDEN][HIDDEN], o[HIDDEN][HIDDEN];
    float bq[HIDDEN], bo[HIDDEN], scale[2][HIDDEN], shift[2][HIDDEN];
    float up[HIDDEN][INNER], down[INNER][HIDDEN], out[HIDDEN][2];
};

static void add_norm(struct graph_make *g, const char *in, const char *out, const char *scale,
                     const char *shift)
{
    char all[64];

    snprintf(all, sizeof all, "%s %s %s", in, scale, shift);
    make_node(g, "LayerNormalization", all, out, "axis:-1 epsilon/0.00001");
}

/* One layer of BERT as exporters write it: shapes are taken from the input, the mask is added as a large negative number. */
static struct btz_model *transformer_model(const struct transformer *t, const char *dims)
{
    static const int64_t zero = 0, one = 1, heads[4] = { 0, 0, HEADS, EACH }, mask[2] = { 1, 2 };
    static const int64_t hidden = HIDDEN;
    static const float low = -10000, unit = 1, half = 0.5F, root2 = 1.41421354F, root = 0.5F;
    struct graph_make g;

    make_init(&g, 1);
    make_typed(&g, 11, "input_ids", BTZ_I64, dims);
    make_typed(&g, 11, "attention_mask", BTZ_I64, dims);
    make_typed(&g, 11, "token_type_ids", BTZ_I64, dims);
    make_value(&g, 12, "probabilities", "-1,2");
    make_given(&g, "word", BTZ_F32, "20,8", t->word);
    make_given(&g, "place", BTZ_F32, "20,8", t->place);
    make_given(&g, "type", BTZ_F32, "2,8", t->type);
    make_given(&g, "wq", BTZ_F32, "8,8", t->q);
    make_given(&g, "wk", BTZ_F32, "8,8", t->k);
    make_given(&g, "wv", BTZ_F32, "8,8", t->v);
    make_given(&g, "wo", BTZ_F32, "8,8", t->o);
    make_given(&g, "bq", BTZ_F32, "8", t->bq);
    make_given(&g, "bo", BTZ_F32, "8", t->bo);
    make_given(&g, "scale0", BTZ_F32, "8", t->scale[0]);
    make_given(&g, "scale1", BTZ_F32, "8", t->scale[1]);
    make_given(&g, "shift0", BTZ_F32, "8", t->shift[0]);
    make_given(&g, "shift1", BTZ_F32, "8", t->shift[1]);
    make_given(&g, "up", BTZ_F32, "8,16", t->up);
    make_given(&g, "down", BTZ_F32, "16,8", t->down);
    make_given(&g, "out", BTZ_F32, "8,2", t->out);
    make_given(&g, "zero", BTZ_I64, "", &zero);
    make_given(&g, "one", BTZ_I64, "", &one);
    make_given(&g, "axis0", BTZ_I64, "1", &zero);
    make_given(&g, "heads", BTZ_I64, "4", heads);
    make_given(&g, "axes", BTZ_I64, "2", mask);
    make_given(&g, "hidden", BTZ_I64, "1", &hidden);
    make_given(&g, "low", BTZ_F32, "", &low);
    make_given(&g, "unit", BTZ_F32, "", &unit);
    make_given(&g, "half", BTZ_F32, "", &half);
    make_given(&g, "root2", BTZ_F32, "", &root2);
    make_given(&g, "root", BTZ_F32, "", &root);
    make_node(&g, "Shape", "input_ids", "shape", "");
    make_node(&g, "Gather", "shape zero", "batch", "");
    make_node(&g, "Gather", "shape one", "length", "");
    make_node(&g, "Range", "zero length one", "where", "");
    make_node(&g, "Gather", "word input_ids", "ew", "");
    make_node(&g, "Gather", "place where", "ep", "");
    make_node(&g, "Gather", "type token_type_ids", "et", "");
    make_node(&g, "Add", "ew et", "ewt", "");
    make_node(&g, "Add", "ewt ep", "x", "");
    make_node(&g, "Unsqueeze", "attention_mask axes", "m4", "");
    make_node(&g, "Cast", "m4", "mf", "to:1");
    make_node(&g, "Sub", "unit mf", "mi", "");
    make_node(&g, "Mul", "mi low", "hidden_ones", "");
    make_node(&g, "MatMul", "x wq", "q0", "");
    make_node(&g, "Add", "q0 bq", "q1", "");
    make_node(&g, "Reshape", "q1 heads", "q2", "");
    make_node(&g, "Transpose", "q2", "q", "perm=0,2,1,3");
    make_node(&g, "MatMul", "x wk", "k0", "");
    make_node(&g, "Reshape", "k0 heads", "k2", "");
    make_node(&g, "Transpose", "k2", "k", "perm=0,2,3,1");
    make_node(&g, "MatMul", "x wv", "v0", "");
    make_node(&g, "Reshape", "v0 heads", "v2", "");
    make_node(&g, "Transpose", "v2", "v", "perm=0,2,1,3");
    make_node(&g, "MatMul", "q k", "qk", "");
    make_node(&g, "Mul", "qk root", "qks", "");
    make_node(&g, "Add", "qks hidden_ones", "masked", "");
    make_node(&g, "Softmax", "masked", "share", "axis:-1");
    make_node(&g, "MatMul", "share v", "a0", "");
    make_node(&g, "Transpose", "a0", "a1", "perm=0,2,1,3");
    make_node(&g, "Unsqueeze", "batch axis0", "batch1", "");
    make_node(&g, "Unsqueeze", "length axis0", "length1", "");
    make_node(&g, "Concat", "batch1 length1 hidden", "whole", "axis:0");
    make_node(&g, "Reshape", "a1 whole", "a2", "");
    make_node(&g, "MatMul", "a2 wo", "a3", "");
    make_node(&g, "Add", "a3 bo", "a4", "");
    make_node(&g, "Add", "a4 x", "a5", "");
    add_norm(&g, "a5", "h", "scale0", "shift0");
    make_node(&g, "MatMul", "h up", "u", "");
    make_node(&g, "Div", "u root2", "u1", "");
    make_node(&g, "Erf", "u1", "u2", "");
    make_node(&g, "Add", "u2 unit", "u3", "");
    make_node(&g, "Mul", "u u3", "u4", "");
    make_node(&g, "Mul", "u4 half", "u5", "");
    make_node(&g, "MatMul", "u5 down", "d", "");
    make_node(&g, "Add", "d h", "d1", "");
    add_norm(&g, "d1", "y", "scale1", "shift1");
    make_node(&g, "Gather", "y zero", "first", "axis:1");
    make_node(&g, "Tanh", "first", "pooled", "");
    make_node(&g, "MatMul", "pooled out", "logits", "");
    make_node(&g, "Softmax", "logits", "probabilities", "axis:-1");
    return make_model(&g);
}

static void normalise(double x[HIDDEN], const float *scale, const float *shift)
{
    double mean = 0, spread = 0;

    for (size_t d = 0; d < HIDDEN; d++)
        mean += x[d] / HIDDEN;
    for (size_t d = 0; d < HIDDEN; d++)
        spread += (x[d] - mean) * (x[d] - mean) / HIDDEN;
    for (size_t d = 0; d < HIDDEN; d++)
        x[d] = (x[d] - mean) / sqrt(spread + 1e-5) * (double)scale[d] + (double)shift[d];
}

/* The same for the tokens of one text, of which the first alone is needed behind the attention. */
static void loops(const struct transformer *t, const uint32_t *ids, size_t n, double out[2])
{
    double x[PLACES][HIDDEN], k[PLACES][HIDDEN] = { { 0 } }, v[PLACES][HIDDEN] = { { 0 } };
    double q[HIDDEN], mixed[HIDDEN] = { 0 }, h[HIDDEN], y[HIDDEN];

    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < HIDDEN; d++)
            x[i][d] = (double)t->word[ids[i]][d] + (double)t->place[i][d] + (double)t->type[0][d];
    for (size_t e = 0; e < HIDDEN; e++) {
        q[e] = t->bq[e];
        for (size_t d = 0; d < HIDDEN; d++)
            q[e] += x[0][d] * (double)t->q[d][e];
        for (size_t i = 0; i < n; i++)
            for (size_t d = 0; d < HIDDEN; d++) {
                k[i][e] += x[i][d] * (double)t->k[d][e];
                v[i][e] += x[i][d] * (double)t->v[d][e];
            }
    }
    for (size_t head = 0; head < HEADS; head++) {
        double share[PLACES], sum = 0;

        for (size_t i = 0; i < n; i++) {
            double dot = 0;

            for (size_t e = 0; e < EACH; e++)
                dot += q[head * EACH + e] * k[i][head * EACH + e];
            sum += share[i] = exp(dot / sqrt(EACH));
        }
        for (size_t i = 0; i < n; i++)
            for (size_t e = 0; e < EACH; e++)
                mixed[head * EACH + e] += share[i] / sum * v[i][head * EACH + e];
    }
    for (size_t e = 0; e < HIDDEN; e++) {
        h[e] = x[0][e] + (double)t->bo[e];
        for (size_t d = 0; d < HIDDEN; d++)
            h[e] += mixed[d] * (double)t->o[d][e];
    }
    normalise(h, t->scale[0], t->shift[0]);
    memcpy(y, h, sizeof y);
    for (size_t i = 0; i < INNER; i++) {
        double u = 0;

        for (size_t d = 0; d < HIDDEN; d++)
            u += h[d] * (double)t->up[d][i];
        u *= 0.5 * (1 + erf(u / sqrt(2)));
        for (size_t e = 0; e < HIDDEN; e++)
            y[e] += u * (double)t->down[i][e];
    }
    normalise(y, t->scale[1], t->shift[1]);
    for (size_t c = 0; c < 2; c++) {
        out[c] = 0;
        for (size_t d = 0; d < HIDDEN; d++)
            out[c] += tanh(y[d]) * (double)t->out[d][c];
    }
}

/* With open lengths and with a fixed one, where the mask hides what is behind the text. */
static void test_transformer(void **state)
{
    static const char *const dims[] = { "-1,-1", "-1,20", "3,-1" };
    static struct transformer t;
    struct btz_wordpiece *w = vocabulary(words_vocabulary, BTZ_CASE_AUTO);
    float *all = &t.word[0][0];
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 12, 1);
    for (size_t i = 0; i < sizeof t / sizeof *all; i++)
        all[i] = (float)(2 * btz_rng_unit(&r) - 1);
    for (size_t f = 0; f < BTZ_COUNT(dims); f++) {
        struct btz_model *m = transformer_model(&t, dims[f]);
        struct btz_text_oracle *o = oracle_of(m, w);
        struct btz_slice texts[40];
        float scores[80];

        for (size_t i = 0; i < BTZ_COUNT(texts); i++)
            texts[i] = btz_slice_sub(btz_str("kappa omegc alphb gammc kappb alpha gamma omega"),
                                     i % 8 * 6, 5 + i / 8 * 6);
        make_ok(btz_text_ask(o, texts, BTZ_COUNT(texts), scores));
        for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
            uint32_t ids[PLACES] = { btz_wordpiece_special(w)->first };
            double expected[2];
            size_t n;

            make_ok(btz_wordpiece_encode(w, texts[i], PLACES - 2, ids + 1, &n));
            ids[n + 1] = btz_wordpiece_special(w)->last;
            loops(&t, ids, n + 2, expected);
            assert_float_equal(scores[2 * i], expected[0], 1e-4);
            assert_float_equal(scores[2 * i + 1], expected[1], 1e-4);
        }
        btz_text_oracle_free(o);
        btz_model_free(m);
    }
    btz_wordpiece_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),       cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_attack),
        cmocka_unit_test(test_transformer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
