/* Recurrent layers; included once for each REAL. Arrays go by steps, not by times: step s of a reversed sequence is its time
 * length - 1 - s. */
struct N(work) {
    const struct rnn *r;
    const struct rnn_fn *fn;
    const int64_t *lengths; /* of the sequences */
    const REAL *w, *rw, *wb, *rb, *peep;
    bool reference, reverse;
    /* What forward leaves: inputs, sums, gates, states (steps + 1), and the recurrent part of a GRU's candidate. */
    REAL *x, *z, *a, *h, *c, *part;
    /* Backward's own. */
    REAL *dz, *dr, *dcand, *dx, *rows, *dh, *dc;
};

static REAL N(apply)(const struct rnn_fn *f, REAL x)
{
    REAL a = (REAL)f->alpha, b = (REAL)f->beta;

    switch (f->act) {
    case RNN_RELU:
        return x > 0 ? x : 0;
    case RNN_TANH:
        return tanh(x);
    case RNN_SIGMOID:
        return 1 / (1 + exp(-x));
    case RNN_AFFINE:
        return a * x + b;
    case RNN_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case RNN_THRESHOLDED_RELU:
        return x > a ? x : 0;
    case RNN_SCALED_TANH:
        return a * tanh(b * x);
    case RNN_HARD_SIGMOID:
        return fmin(fmax(a * x + b, (REAL)0), (REAL)1);
    case RNN_ELU:
        return x < 0 ? a * expm1(x) : x;
    case RNN_SOFTSIGN:
        return x / (1 + fabs(x));
    case RNN_SOFTPLUS:
        return fmax(x, (REAL)0) + log1p(exp(-fabs(x)));
    }
    return 0;
}

static REAL N(slope)(const struct rnn_fn *f, REAL x, REAL y)
{
    REAL a = (REAL)f->alpha, b = (REAL)f->beta;

    switch (f->act) {
    case RNN_RELU:
        return x > 0;
    case RNN_TANH:
        return 1 - y * y;
    case RNN_SIGMOID:
        return y * (1 - y);
    case RNN_AFFINE:
        return a;
    case RNN_LEAKY_RELU:
        return x < 0 ? a : 1;
    case RNN_THRESHOLDED_RELU:
        return x > a;
    case RNN_SCALED_TANH:
        return a * b * (1 - tanh(b * x) * tanh(b * x));
    case RNN_HARD_SIGMOID:
        return y > 0 && y < 1 ? a : 0;
    case RNN_ELU:
        return x < 0 ? y + a : 1;
    case RNN_SOFTSIGN:
        return (1 - fabs(y)) * (1 - fabs(y));
    case RNN_SOFTPLUS:
        return 1 / (1 + exp(-x));
    }
    return 0;
}

/* The activation of a sum, clipped before. */
static REAL N(gate)(const struct N(work) * k, int fn, REAL z)
{
    REAL most = (REAL)k->r->clip;

    return N(apply)(&k->fn[fn], z < -most ? -most : z > most ? most : z);
}

static REAL N(gate_slope)(const struct N(work) * k, int fn, REAL z, REAL y)
{
    return fabs(z) > (REAL)k->r->clip ? 0 : N(slope)(&k->fn[fn], z, y);
}

static void N(product)(const struct N(work) * k, bool ta, bool tb, size_t m, size_t n, size_t inner,
                       bool add, const REAL *a, const REAL *b, REAL *c)
{
    btz_gemm(&(struct btz_gemm){ sizeof(REAL) == 4 ? BTZ_F32 : BTZ_F64, k->reference, ta, tb, m, n,
                                 inner, 1, add },
             a, b, c);
}

/* Sums of a step: inputs are in z already; adds biases and what comes from the last state. */
static void N(sums)(struct N(work) * k, size_t s)
{
    const struct rnn *r = k->r;
    size_t width = r->gates * r->hidden, n = r->hidden;
    bool gru = r->gates == 3;
    REAL *z = k->z + s * r->batch * width, *h = k->h + s * r->batch * n;

    N(product)(k, false, true, r->batch, width, n, false, h, k->rw, k->rows);
    for (size_t b = 0; b < r->batch; b++)
        for (size_t i = 0; i < width; i++) {
            REAL from_h = k->rows[b * width + i] + (k->rb ? k->rb[i] : 0);

            z[b * width + i] += k->wb ? k->wb[i] : 0;
            if (gru && i / n == GRU_H)
                k->part[(s * r->batch + b) * n + i % n] = from_h;
            else
                z[b * width + i] += from_h;
        }
}

static void N(step_rnn)(struct N(work) * k, const REAL *z, REAL *a, const REAL *c, REAL *h,
                        REAL *c1)
{
    (void)c, (void)c1;
    for (size_t i = 0; i < k->r->hidden; i++)
        h[i] = a[i] = N(gate)(k, 0, z[i]);
}

static void N(step_lstm)(struct N(work) * k, REAL *z, REAL *a, const REAL *c, REAL *h, REAL *c1)
{
    size_t n = k->r->hidden;

    for (size_t i = 0; i < n; i++) {
        REAL in, forget, cell, out;

        if (k->peep) {
            z[LSTM_I * n + i] += k->peep[PEEP_I * n + i] * c[i];
            z[LSTM_F * n + i] += k->peep[PEEP_F * n + i] * c[i];
        }
        in = a[LSTM_I * n + i] = N(gate)(k, 0, z[LSTM_I * n + i]);
        forget = k->r->coupled ? 1 - in : N(gate)(k, 0, z[LSTM_F * n + i]);
        cell = a[LSTM_C * n + i] = N(gate)(k, 1, z[LSTM_C * n + i]);
        a[LSTM_F * n + i] = forget;
        c1[i] = forget * c[i] + in * cell;
        if (k->peep)
            z[LSTM_O * n + i] += k->peep[PEEP_O * n + i] * c1[i];
        out = a[LSTM_O * n + i] = N(gate)(k, 0, z[LSTM_O * n + i]);
        h[i] = out * N(apply)(&k->fn[2], c1[i]); /* not clipped, as others do it */
    }
}

/* All of a batch, since a candidate that is reset before its product needs that product. */
static void N(step_gru)(struct N(work) * k, size_t s)
{
    const struct rnn *r = k->r;
    size_t n = r->hidden, rows = r->batch;
    REAL *z = k->z + s * rows * 3 * n, *a = k->a + s * rows * 3 * n, *h = k->h + s * rows * n,
         *part = k->part + s * rows * n, *next = h + rows * n;

    for (size_t i = 0; i < rows * 3 * n; i++)
        if (i / n % 3 != GRU_H)
            a[i] = N(gate)(k, 0, z[i]);
    if (!r->linear_first) {
        for (size_t i = 0; i < rows * n; i++)
            part[i] = a[i / n * 3 * n + GRU_R * n + i % n] * h[i];
        N(product)(k, false, true, rows, n, n, false, part, k->rw + GRU_H * n * n, k->rows);
    }
    for (size_t i = 0; i < rows * n; i++) {
        size_t row = i / n * 3 * n + i % n;
        REAL *sum = &z[row + GRU_H * n], update = a[row + GRU_Z * n];

        *sum += r->linear_first ? a[row + GRU_R * n] * part[i]
                                : k->rows[i] + (k->rb ? k->rb[GRU_H * n + i % n] : 0);
        a[row + GRU_H * n] = N(gate)(k, 1, *sum);
        next[i] = (1 - update) * a[row + GRU_H * n] + update * h[i];
    }
}

static void N(forward)(struct N(work) * k)
{
    const struct rnn *r = k->r;
    size_t n = r->hidden, width = r->gates * n;

    N(product)(k, false, true, r->steps * r->batch, width, r->input, false, k->x, k->w, k->z);
    for (size_t s = 0; s < r->steps; s++) {
        N(sums)(k, s);
        if (r->gates == 3)
            N(step_gru)(k, s);
        for (size_t b = 0; b < r->batch; b++) {
            size_t row = s * r->batch + b, next = row + r->batch;

            if ((int64_t)s >= k->lengths[b]) {
                memcpy(k->h + next * n, k->h + row * n, n * sizeof(REAL));
                memcpy(k->c + next * n, k->c + row * n, n * sizeof(REAL));
            } else if (r->gates == 4)
                N(step_lstm)
            (k, k->z + row * width, k->a + row * width, k->c + row * n, k->h + next * n,
             k->c + next * n);
            else if (r->gates == 1)
                N(step_rnn)(k, k->z + row * width, k->a + row * width, NULL, k->h + next * n, NULL);
        }
    }
}

/* ---- backward --------------------------------------------------------------------------------------------------------- */

/* Of one sequence's step: `dh` is the derivative by its new state, `dc` by its new cell; leaves those by sums in dz, by the old
 * cell in dc. */
static void N(back_lstm)(struct N(work) * k, size_t row, REAL *dh, REAL *dc, REAL *dpeep)
{
    size_t n = k->r->hidden;
    const REAL *z = k->z + row * 4 * n, *a = k->a + row * 4 * n, *c = k->c + row * n,
               *c1 = c + k->r->batch * n;
    REAL *dz = k->dz + row * 4 * n;

    for (size_t i = 0; i < n; i++) {
        REAL y = N(apply)(&k->fn[2], c1[i]), in = a[LSTM_I * n + i], forget = a[LSTM_F * n + i],
             out = a[LSTM_O * n + i], cell = a[LSTM_C * n + i], d_in, d_forget,
             z_out = dh[i] * y * N(gate_slope)(k, 0, z[LSTM_O * n + i], out), z_in, z_forget,
             d_cell = dc[i] + dh[i] * out * N(slope)(&k->fn[2], c1[i], y);

        if (k->peep)
            d_cell += z_out * k->peep[PEEP_O * n + i];
        d_in = d_cell * cell;
        d_forget = d_cell * c[i];
        if (k->r->coupled) {
            d_in -= d_forget;
            d_forget = 0;
        }
        z_in = d_in * N(gate_slope)(k, 0, z[LSTM_I * n + i], in);
        z_forget = k->r->coupled ? 0 : d_forget * N(gate_slope)(k, 0, z[LSTM_F * n + i], forget);
        dz[LSTM_I * n + i] = z_in;
        dz[LSTM_O * n + i] = z_out;
        dz[LSTM_F * n + i] = z_forget;
        dz[LSTM_C * n + i] = d_cell * in * N(gate_slope)(k, 1, z[LSTM_C * n + i], cell);
        dc[i] = d_cell * forget;
        if (k->peep)
            dc[i] += z_in * k->peep[PEEP_I * n + i] + z_forget * k->peep[PEEP_F * n + i];
        if (dpeep) {
            dpeep[PEEP_I * n + i] += z_in * c[i];
            dpeep[PEEP_O * n + i] += z_out * c1[i];
            dpeep[PEEP_F * n + i] += z_forget * c[i];
        }
    }
    memcpy(k->dr + row * 4 * n, dz, 4 * n * sizeof(REAL));
}

/* All of a batch: dh becomes what goes to the old state without the products; dr what goes through them. */
static void N(back_gru)(struct N(work) * k, size_t s, REAL *dh)
{
    const struct rnn *r = k->r;
    size_t n = r->hidden, rows = r->batch;
    const REAL *z = k->z + s * rows * 3 * n, *a = k->a + s * rows * 3 * n, *h = k->h + s * rows * n,
               *part = k->part + s * rows * n;
    REAL *dz = k->dz + s * rows * 3 * n, *dr = k->dr + s * rows * 3 * n,
         *cand = k->dcand + s * rows * n;

    for (size_t i = 0; i < rows * n; i++) {
        size_t row = i / n * 3 * n + i % n;
        REAL y = a[row + GRU_H * n];
        bool on = (int64_t)s < k->lengths[i / n];

        cand[i] =
            !on ? 0 : dh[i] * (1 - a[row + GRU_Z * n]) * N(gate_slope)(k, 1, z[row + GRU_H * n], y);
    }
    if (!r->linear_first)
        N(product)(k, false, false, rows, n, n, false, cand, k->rw + GRU_H * n * n, k->rows);
    for (size_t i = 0; i < rows * n; i++) {
        size_t row = i / n * 3 * n + i % n;
        REAL update = a[row + GRU_Z * n], reset = a[row + GRU_R * n], d_reset;

        if ((int64_t)s >= k->lengths[i / n]) {
            for (size_t g = 0; g < 3; g++)
                dz[row + g * n] = dr[row + g * n] = 0;
            continue;
        }
        d_reset = r->linear_first ? cand[i] * part[i] : k->rows[i] * h[i];
        dz[row + GRU_Z * n] = dr[row + GRU_Z * n] =
            dh[i] * (h[i] - a[row + GRU_H * n]) * N(gate_slope)(k, 0, z[row + GRU_Z * n], update);
        dz[row + GRU_R * n] = dr[row + GRU_R * n] =
            d_reset * N(gate_slope)(k, 0, z[row + GRU_R * n], reset);
        dz[row + GRU_H * n] = cand[i];
        dr[row + GRU_H * n] = r->linear_first ? cand[i] * reset : 0;
        dh[i] = dh[i] * update + (r->linear_first ? 0 : k->rows[i] * reset);
    }
}

/* Derivatives by the states are in dh and dc; gy(s, b) those by the outputs, NULL: none. Leaves those by the first states. */
static void N(backward)(struct N(work) * k, const struct btz_tensor *gy, size_t dir, REAL *dpeep)
{
    const struct rnn *r = k->r;
    size_t n = r->hidden, width = r->gates * n;

    for (size_t s = r->steps; s-- > 0;) {
        for (size_t b = 0; b < r->batch; b++) {
            size_t row = s * r->batch + b;
            REAL *dh = k->dh + b * n;

            if ((int64_t)s >= k->lengths[b]) {
                memset(k->dz + row * width, 0, width * sizeof(REAL));
                memset(k->dr + row * width, 0, width * sizeof(REAL));
                continue;
            }
            if (gy) {
                size_t t = k->reverse ? (size_t)k->lengths[b] - 1 - s : s,
                       at = r->batch_first ? (b * r->steps + t) * r->dirs + dir
                                           : (t * r->dirs + dir) * r->batch + b;

                for (size_t i = 0; i < n; i++)
                    dh[i] += ((const REAL *)gy->data)[at * n + i];
            }
            if (r->gates == 4)
                N(back_lstm)(k, row, dh, k->dc + b * n, dpeep);
            else if (r->gates == 1)
                for (size_t i = 0; i < n; i++)
                    k->dz[row * n + i] = k->dr[row * n + i] =
                        dh[i] * N(gate_slope)(k, 0, k->z[row * n + i], k->a[row * n + i]);
            if (r->gates != 3)
                memset(dh, 0, n * sizeof(REAL));
        }
        if (r->gates == 3)
            N(back_gru)(k, s, k->dh);
        N(product)
        (k, false, false, r->batch, n, width, true, k->dr + s * r->batch * width, k->rw, k->dh);
    }
}

/* Of the weights and inputs, from the derivatives by the sums. */
static void N(spread)(struct N(work) * k, REAL *dw, REAL *drw, REAL *db, bool inputs)
{
    const struct rnn *r = k->r;
    size_t n = r->hidden, width = r->gates * n, rows = r->steps * r->batch;

    if (dw)
        N(product)(k, true, false, width, r->input, rows, true, k->dz, k->x, dw);
    if (drw) {
        N(product)(k, true, false, width, n, rows, true, k->dr, k->h, drw);
        if (r->gates == 3 && !r->linear_first)
            N(product)(k, true, false, n, n, rows, true, k->dcand, k->part, drw + GRU_H * n * n);
    }
    for (size_t i = 0; i < rows * width && db; i++) {
        bool candidate = r->gates == 3 && i % width / n == GRU_H && !r->linear_first;

        db[i % width] += k->dz[i];
        db[width + i % width] += candidate ? k->dz[i] : k->dr[i];
    }
    if (inputs)
        N(product)(k, false, false, rows, r->input, width, false, k->dz, k->w, k->dx);
}
