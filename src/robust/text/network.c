/*
 * Networks that read tokens, such as BERT. A net is planned for each batch size and length of texts, and kept while there is
 * room: texts of the same length go together, so that no text is computed with [PAD] behind it which the model was not made for.
 */
#include <stdlib.h>

#include "robust/robust.h"
#include "robust/text.h"

#define NETS     32                /* of one oracle */
#define NETS_MAX ((size_t)1 << 30) /* their bytes, but for the newest */
#define ROWS     32                /* texts a call of a net ... */
#define AT_ONCE  8192              /* ... and tokens */

enum { IDS, MASK, TYPES, INPUTS };
static const char *const input_names[INPUTS] = { "input_ids", "attention_mask", "token_type_ids" };

struct planned {
    struct btz_net *net;
    int64_t batch, length;
    uint64_t used;
};
struct of_network {
    struct btz_text_oracle oracle;
    struct btz_text_network conf;
    struct btz_model cut; /* the model with the scores before softmax for its output */
    uint32_t scores;
    uint32_t input[INPUTS]; /* among the model's; BTZ_NONE: it has none */
    int64_t batch, length;  /* that the model fixes; 0: open */
    bool one;               /* a logit of class 1 alone */
    struct planned nets[NETS];
    uint64_t clock;
    uint32_t *ids; /* ROWS x tokens */
    size_t lengths[ROWS];
};

/* ---- inputs ------------------------------------------------------------------------------------------------------------ */

static enum btz_err fix(const struct btz_value *v, uint32_t axis, int64_t *dim)
{
    int64_t said = v->has_shape ? v->shape.dim[axis] : -1;

    if (said < 0)
        return BTZ_OK;
    if (!said || said > BTZ_TEXT_TOKENS_MAX || (*dim && *dim != said))
        return btz_fail(BTZ_UNSUPPORTED,
                        "input '%s': dimension %u is %" PRId64 ", expected that of the others, "
                        "1 to %d",
                        v->name, axis, said, BTZ_TEXT_TOKENS_MAX);
    *dim = said;
    return BTZ_OK;
}

static enum btz_err find_inputs(struct of_network *o)
{
    const struct btz_model *m = o->conf.model;

    for (size_t k = 0; k < INPUTS; k++)
        o->input[k] = BTZ_NONE;
    for (uint32_t i = 0; i < m->input_count; i++) {
        const struct btz_value *v = &m->values[m->inputs[i]];
        char text[BTZ_SHAPE_TEXT];
        size_t k = 0;

        while (k < INPUTS && strcmp(v->name, input_names[k]) != 0)
            k++;
        if (k == INPUTS)
            return btz_fail(BTZ_UNSUPPORTED,
                            "input '%s' is not known: a classifier of texts has input_ids, and "
                            "may have attention_mask and token_type_ids",
                            v->name);
        if ((v->type != BTZ_I64 && v->type != BTZ_I32) || (v->has_shape && v->shape.rank != 2))
            return btz_fail(BTZ_UNSUPPORTED,
                            "input '%s' is %s of %s; int64 or int32, batch x tokens, is expected",
                            v->name, v->has_shape ? btz_shape_text(&v->shape, text) : "a tensor",
                            btz_type_name(v->type));
        o->input[k] = i;
        BTZ_TRY(fix(v, 0, &o->batch));
        BTZ_TRY(fix(v, 1, &o->length));
    }
    return o->input[IDS] != BTZ_NONE ? BTZ_OK
                                     : btz_fail(BTZ_UNSUPPORTED, "the model has no input "
                                                                 "'input_ids': it does not read "
                                                                 "tokens");
}

static enum btz_err check_length(struct of_network *o)
{
    size_t *tokens = &o->conf.tokens;

    if (!*tokens)
        *tokens = o->length ? (size_t)o->length : BTZ_TEXT_TOKENS;
    if (*tokens < 3 || *tokens > BTZ_TEXT_TOKENS_MAX || (o->length && *tokens > (size_t)o->length))
        return btz_fail(BTZ_USAGE, "a text of %zu tokens; expected 3 to %" PRId64, *tokens,
                        o->length ? o->length : BTZ_TEXT_TOKENS_MAX);
    if (!o->length)
        return BTZ_OK;
    if (o->input[MASK] == BTZ_NONE && !o->conf.pad)
        return btz_fail(BTZ_UNSUPPORTED,
                        "the model takes %" PRId64 " tokens and has no input 'attention_mask', so "
                        "that it would read [PAD] as text: say that it was trained so (pad)",
                        o->length);
    return btz_wordpiece_special(o->conf.wordpiece)->pad == BTZ_WORDPIECE_NONE
               ? btz_fail(BTZ_INPUT,
                          "the model takes %" PRId64 " tokens, and the vocabulary has no [PAD]",
                          o->length)
               : BTZ_OK;
}

/* ---- nets -------------------------------------------------------------------------------------------------------------- */

static void drop(struct planned *p)
{
    btz_net_free(p->net);
    *p = (struct planned){ 0 };
}

/* Where the next net goes: those that were not used for longest make room. */
static struct planned *room(struct of_network *o)
{
    for (;;) {
        struct planned *oldest = NULL, *empty = NULL;
        size_t bytes = 0;

        for (size_t i = 0; i < NETS; i++) {
            struct planned *p = &o->nets[i];

            if (!p->net)
                empty = p;
            else if (!oldest || p->used < oldest->used)
                oldest = p;
            bytes += p->net ? btz_net_memory(p->net) : 0;
        }
        if (empty && bytes <= NETS_MAX)
            return empty;
        drop(oldest);
    }
}

static enum btz_err plan(const struct btz_model *m, int64_t batch, int64_t length,
                         struct btz_net **out)
{
    struct btz_shape shapes[INPUTS];

    for (size_t i = 0; i < INPUTS; i++)
        shapes[i] = (struct btz_shape){ 2, { batch, length } };
    return btz_net_new(m, &(struct btz_net_options){ .inputs = shapes }, out);
}

static enum btz_err net_for(struct of_network *o, int64_t batch, int64_t length,
                            struct btz_net **out)
{
    struct planned *p;

    for (size_t i = 0; i < NETS; i++) {
        p = &o->nets[i];
        if (p->net && p->batch == batch && p->length == length) {
            p->used = ++o->clock;
            *out = p->net;
            return BTZ_OK;
        }
    }
    p = room(o);
    BTZ_TRY(plan(&o->cut, batch, length, &p->net));
    p->batch = batch;
    p->length = length;
    p->used = ++o->clock;
    *out = p->net;
    return BTZ_OK;
}

static void put(const struct btz_tensor *t, size_t at, uint32_t value)
{
    if (t->type == BTZ_I64)
        ((int64_t *)t->data)[at] = value;
    else
        ((int32_t *)t->data)[at] = (int32_t)value;
}

/* Rows of the net from the texts `rows`, of which the last stands for those that are left. */
static void fill(const struct of_network *o, struct btz_net *net, const size_t *rows, size_t count,
                 int64_t batch, size_t length)
{
    const struct btz_wordpiece_special *s = btz_wordpiece_special(o->conf.wordpiece);

    for (size_t b = 0; b < (size_t)batch; b++) {
        size_t row = rows[b < count ? b : count - 1];

        for (size_t t = 0; t < length; t++) {
            bool text = t < o->lengths[row];
            const uint32_t value[INPUTS] = {
                [IDS] = text ? o->ids[row * o->conf.tokens + t] : s->pad,
                [MASK] = text,
            };

            for (size_t k = 0; k < INPUTS; k++)
                if (o->input[k] != BTZ_NONE)
                    put(btz_net_input(net, o->input[k]), b * length + t, value[k]);
        }
    }
}

/* What is left of fixed batches is thrown away. */
static enum btz_err take(const struct of_network *o, const struct btz_net *net, const size_t *rows,
                         size_t count, int64_t batch, float *scores)
{
    const struct btz_tensor *t = btz_net_output(net, 0);
    size_t classes = o->oracle.classes, columns = o->one ? 1 : classes;
    char text[BTZ_SHAPE_TEXT];

    if (t->type != BTZ_F32 || !t->shape.rank || t->shape.dim[0] != batch ||
        btz_tensor_count(t) != (size_t)batch * columns)
        return btz_fail(BTZ_INPUT,
                        "output '%s' is %s of %s for a batch of %" PRId64 "; %zu floats a text "
                        "are expected",
                        o->conf.model->values[o->scores].name, btz_shape_text(&t->shape, text),
                        btz_type_name(t->type), batch, columns);
    for (size_t i = 0; i < count; i++) {
        const float *from = (const float *)t->data + i * columns;
        float *to = scores + rows[i] * classes;

        to[0] = 0;
        memcpy(o->one ? to + 1 : to, from, columns * sizeof *to);
    }
    return BTZ_OK;
}

static enum btz_err run(struct btz_net *net)
{
    enum btz_err err = btz_net_forward(net);

    return err ? btz_fail_context(err, "the model, given tokens of the vocabulary") : BTZ_OK;
}

/* `count` texts of one length. */
static enum btz_err ask_rows(struct of_network *o, const size_t *rows, size_t count, size_t length,
                             float *scores)
{
    for (size_t n; count; rows += n, count -= n) {
        struct btz_net *net;
        int64_t batch = ROWS;

        while (batch > 1 && ((size_t)batch > count || (size_t)batch * length > AT_ONCE))
            batch /= 2;
        batch = o->batch ? o->batch : batch;
        n = count < (size_t)batch ? count : (size_t)batch;
        BTZ_TRY(net_for(o, batch, (int64_t)length, &net));
        fill(o, net, rows, n, batch, length);
        BTZ_TRY(run(net));
        BTZ_TRY(take(o, net, rows, n, batch, scores));
    }
    return BTZ_OK;
}

/* ---- texts ------------------------------------------------------------------------------------------------------------- */

static enum btz_err tokens_of(struct of_network *o, struct btz_slice text, size_t row)
{
    const struct btz_wordpiece_special *s = btz_wordpiece_special(o->conf.wordpiece);
    uint32_t *ids = o->ids + row * o->conf.tokens;
    size_t n;

    BTZ_TRY(btz_wordpiece_encode(o->conf.wordpiece, text, o->conf.tokens - 2, ids + 1, &n));
    ids[0] = s->first;
    ids[n + 1] = s->last;
    o->lengths[row] = n + 2;
    return BTZ_OK;
}

static enum btz_err ask_some(struct of_network *o, const struct btz_slice *texts, size_t n,
                             float *scores)
{
    bool done[ROWS] = { false };

    for (size_t i = 0; i < n; i++)
        BTZ_TRY(tokens_of(o, texts[i], i));
    for (size_t i = 0; i < n; i++) {
        size_t rows[ROWS], count = 0;

        for (size_t k = i; k < n; k++)
            if (!done[k] && (o->length || o->lengths[k] == o->lengths[i])) {
                done[k] = true;
                rows[count++] = k;
            }
        BTZ_TRY(ask_rows(o, rows, count, o->length ? (size_t)o->length : o->lengths[i], scores));
    }
    return BTZ_OK;
}

static enum btz_err ask(struct btz_text_oracle *oracle, const struct btz_slice *texts, size_t n,
                        float *scores)
{
    struct of_network *o = (struct of_network *)oracle;

    for (size_t at = 0, some; at < n; at += some) {
        some = n - at < ROWS ? n - at : ROWS;
        BTZ_TRY(ask_some(o, texts + at, some, scores + at * o->oracle.classes));
    }
    return BTZ_OK;
}

/* ---- outputs ----------------------------------------------------------------------------------------------------------- */

/* The first output that is batch x classes, or one number a text. */
static enum btz_err choose(struct of_network *o, const struct btz_net *net, int64_t batch)
{
    const struct btz_model *m = o->conf.model;

    for (uint32_t k = 0; k < m->output_count; k++) {
        const struct btz_tensor *t = btz_net_output(net, k);
        const struct btz_shape *s = &t->shape;

        if (t->type != BTZ_F32 || !s->rank || s->rank > 2 || s->dim[0] != batch ||
            (s->rank == 2 && (s->dim[1] < 1 || s->dim[1] > BTZ_TEXT_CLASSES_MAX)))
            continue;
        o->one = s->rank == 1 || s->dim[1] == 1;
        o->oracle.classes = o->one ? 2 : (size_t)s->dim[1];
        o->scores = m->outputs[k];
        return BTZ_OK;
    }
    return btz_fail(BTZ_UNSUPPORTED,
                    "no output of the model is floats, batch x classes (at most %d): it is no "
                    "classifier of texts",
                    BTZ_TEXT_CLASSES_MAX);
}

static void release(struct btz_text_oracle *oracle)
{
    struct of_network *o = (struct of_network *)oracle;

    for (size_t i = 0; i < NETS; i++)
        drop(&o->nets[i]);
    free(o->cut.values);
    free(o->ids);
    free(o);
}

/* One run of the whole model tells its outputs, also those whose shapes are known only then. */
static enum btz_err look(struct of_network *o)
{
    int64_t batch = o->batch ? o->batch : 1;
    struct btz_net *net = NULL;
    const size_t row = 0;
    enum btz_err err;

    BTZ_TRY(tokens_of(o, btz_str(""), 0));
    BTZ_TRY(plan(o->conf.model, batch, o->length ? o->length : 2, &net));
    fill(o, net, &row, 1, batch, o->length ? (size_t)o->length : 2);
    err = run(net);
    if (!err)
        err = choose(o, net, batch);
    btz_net_free(net);
    return err;
}

static enum btz_err open(struct of_network *o)
{
    BTZ_TRY(find_inputs(o));
    BTZ_TRY(check_length(o));
    o->ids = calloc(ROWS * o->conf.tokens, sizeof *o->ids);
    if (!o->ids)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(look(o));
    return btz_model_cut(o->conf.model, true, &o->scores, &o->cut);
}

enum btz_err btz_text_oracle_of_network(const struct btz_text_network *conf,
                                        struct btz_text_oracle **out)
{
    struct of_network *o = calloc(1, sizeof *o);
    enum btz_err err;

    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    o->oracle = (struct btz_text_oracle){ .has_scores = true, .ask = ask, .free = release };
    o->conf = *conf;
    err = open(o);
    if (err) {
        release(&o->oracle);
        return err;
    }
    *out = &o->oracle;
    return BTZ_OK;
}
