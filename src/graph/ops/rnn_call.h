/* Recurrent layers between tensors and the arrays of rnn_real.h; included once for each REAL. */
static void N(work_of)(const struct btz_call *call, const struct rnn *r, size_t dir,
                       struct N(work) * k)
{
    size_t sizes[ARRAYS], width = r->gates * r->hidden;
    REAL *at = (REAL *)((int64_t *)call->scratch + r->batch), *arrays[ARRAYS];
    const struct btz_tensor *b = btz_call_in(call, IN_B), *p = btz_call_in(call, IN_P);

    (void)array_sizes(r, sizes);
    for (size_t i = 0; i < ARRAYS; i++) {
        arrays[i] = at + (i < SAVED ? dir * sizes[i] : 0);
        at += sizes[i] * (i < SAVED ? r->dirs : 1);
    }
    *k = (struct N(work)){ .r = r,
                           .fn = r->fn[dir],
                           .lengths = call->scratch,
                           .w = (const REAL *)call->in[IN_W]->data + dir * width * r->input,
                           .rw = (const REAL *)call->in[IN_R]->data + dir * width * r->hidden,
                           .reference = call->reference,
                           .reverse = r->reverse || dir == 1,
                           .x = arrays[0],
                           .z = arrays[1],
                           .a = arrays[2],
                           .h = arrays[3],
                           .c = arrays[4],
                           .part = arrays[5],
                           .dz = arrays[6],
                           .dr = arrays[7],
                           .dcand = arrays[8],
                           .dx = arrays[9],
                           .rows = arrays[10],
                           .dh = arrays[11],
                           .dc = arrays[12] };
    if (b) {
        k->wb = (const REAL *)b->data + dir * 2 * width;
        k->rb = k->wb + width;
    }
    if (p)
        k->peep = (const REAL *)p->data + dir * 3 * r->hidden;
}

/* Rows of X and Y of step s of sequence b, rows of states. */
static size_t N(x_row)(const struct N(work) * k, size_t s, size_t b)
{
    size_t t = k->reverse && (int64_t)s < k->lengths[b] ? (size_t)k->lengths[b] - 1 - s : s;

    return k->r->batch_first ? b * k->r->steps + t : t * k->r->batch + b;
}

static size_t N(y_row)(const struct N(work) * k, size_t s, size_t b, size_t dir)
{
    size_t t = k->reverse && (int64_t)s < k->lengths[b] ? (size_t)k->lengths[b] - 1 - s : s;

    return k->r->batch_first ? (b * k->r->steps + t) * k->r->dirs + dir
                             : (t * k->r->dirs + dir) * k->r->batch + b;
}

static size_t N(state_row)(const struct rnn *r, size_t b, size_t dir)
{
    return r->batch_first ? b * r->dirs + dir : dir * r->batch + b;
}

/* Rows between a tensor of states and an array; mode 0 reads, 1 writes, 2 adds to the tensor. */
static void N(states)(const struct rnn *r, size_t dir, const struct btz_tensor *t, REAL *array,
                      int mode)
{
    size_t n = r->hidden;

    for (size_t b = 0; b < r->batch; b++) {
        REAL *row = t ? (REAL *)t->data + N(state_row)(r, b, dir) * n : NULL, *own = array + b * n;

        if (mode == 0 && !row)
            memset(own, 0, n * sizeof(REAL));
        else if (mode == 0)
            memcpy(own, row, n * sizeof(REAL));
        else if (mode == 1 && row)
            memcpy(row, own, n * sizeof(REAL));
        for (size_t i = 0; i < n && mode == 2 && row; i++)
            row[i] += own[i];
    }
}

static void N(run)(struct btz_call *call, const struct rnn *r)
{
    const REAL *x = call->in[IN_X]->data;
    const struct btz_tensor *y = btz_call_out(call, 0);
    size_t n = r->hidden;

    for (size_t dir = 0; dir < r->dirs; dir++) {
        struct N(work) k;

        N(work_of)(call, r, dir, &k);
        for (size_t s = 0; s < r->steps; s++)
            for (size_t b = 0; b < r->batch && r->input; b++)
                memcpy(k.x + (s * r->batch + b) * r->input, x + N(x_row)(&k, s, b) * r->input,
                       r->input * sizeof(REAL));
        N(states)(r, dir, btz_call_in(call, IN_H), k.h, 0);
        N(states)(r, dir, btz_call_in(call, IN_C), k.c, 0);
        N(forward)(&k);
        for (size_t s = 0; s < r->steps && y; s++)
            for (size_t b = 0; b < r->batch; b++) {
                REAL *row = (REAL *)y->data + N(y_row)(&k, s, b, dir) * n;

                if ((int64_t)s < k.lengths[b])
                    memcpy(row, k.h + ((s + 1) * r->batch + b) * n, n * sizeof(REAL));
                else
                    memset(row, 0, n * sizeof(REAL));
            }
        N(states)(r, dir, btz_call_out(call, 1), k.h + r->steps * r->batch * n, 1);
        N(states)(r, dir, btz_call_out(call, 2), k.c + r->steps * r->batch * n, 1);
    }
}

static void N(grad)(struct btz_call *call, const struct rnn *r)
{
    const struct btz_tensor *gx = call->in_grad[IN_X], *gw = call->in_grad[IN_W],
                            *gr = call->in_grad[IN_R], *gb = btz_call_in_grad(call, IN_B),
                            *gp = btz_call_in_grad(call, IN_P);
    size_t width = r->gates * r->hidden;

    for (size_t dir = 0; dir < r->dirs; dir++) {
        struct N(work) k;

        N(work_of)(call, r, dir, &k);
        N(states)(r, dir, btz_call_out_grad(call, 1), k.dh, 0);
        N(states)(r, dir, btz_call_out_grad(call, 2), k.dc, 0);
        N(backward)
        (&k, btz_call_out_grad(call, 0), dir, gp ? (REAL *)gp->data + dir * 3 * r->hidden : NULL);
        N(states)(r, dir, btz_call_in_grad(call, IN_H), k.dh, 2);
        N(states)(r, dir, btz_call_in_grad(call, IN_C), k.dc, 2);
        N(spread)
        (&k, gw ? (REAL *)gw->data + dir * width * r->input : NULL,
         gr ? (REAL *)gr->data + dir * width * r->hidden : NULL,
         gb ? (REAL *)gb->data + dir * 2 * width : NULL, gx != NULL);
        for (size_t s = 0; s < r->steps && gx; s++)
            for (size_t b = 0; b < r->batch; b++)
                for (size_t i = 0; i < r->input; i++)
                    ((REAL *)gx->data)[N(x_row)(&k, s, b) * r->input + i] +=
                        k.dx[(s * r->batch + b) * r->input + i];
    }
}
