/* Loops of functions of one number; included once for each REAL. x: the input, y: the output, a and b: the parameters. */
#define LOOP(id, value, slope)                                                                     \
    static void N(id)(const REAL *in, REAL *out, size_t n, REAL a, REAL b)                         \
    {                                                                                              \
        (void)a, (void)b;                                                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            REAL x = in[i];                                                                        \
            out[i] = value;                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void N(id##_grad)(const REAL *in, const REAL *out, const REAL *g, REAL *d, size_t n,    \
                             REAL a, REAL b)                                                       \
    {                                                                                              \
        (void)a, (void)b;                                                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            REAL x = in ? in[i] : 0, y = out ? out[i] : 0;                                         \
            (void)x, (void)y;                                                                      \
            d[i] += g[i] * (slope);                                                                \
        }                                                                                          \
    }
#define K(v) ((REAL)(v))

static inline REAL N(softplus_of)(REAL x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static inline REAL N(sigmoid_of)(REAL x)
{
    REAL e = exp(-fabs(x));

    return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static inline REAL N(gelu_tanh)(REAL x)
{
    return tanh(K(0.7978845608028654) * (x + K(0.044715) * x * x * x));
}

UNARY_LIST(LOOP)
#undef LOOP
#undef K
