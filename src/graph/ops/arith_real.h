/* Loops of the arithmetic with two operands; included once for each REAL. */
#define LOOP(id, value, by_x, by_y)                                                                \
    static void N(id)(const REAL *a, size_t sa, const REAL *b, size_t sb, REAL *out, size_t n)     \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            REAL x = a[i * sa], y = b[i * sb];                                                     \
            out[i] = value;                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void N(id##_grad)(const REAL *a, size_t sa, const REAL *b, size_t sb, const REAL *grad, \
                             REAL *da, REAL *db, size_t n)                                         \
    {                                                                                              \
        for (size_t i = 0; i < n && da; i++) {                                                     \
            REAL x = a[i * sa], y = b[i * sb], g = grad[i];                                        \
            (void)x, (void)y;                                                                      \
            da[i * sa] += by_x;                                                                    \
        }                                                                                          \
        for (size_t i = 0; i < n && db; i++) {                                                     \
            REAL x = a[i * sa], y = b[i * sb], g = grad[i];                                        \
            (void)x, (void)y;                                                                      \
            db[i * sb] += by_y;                                                                    \
        }                                                                                          \
    }
LOOP(add, x + y, g, g)
LOOP(sub, x - y, g, -g)
LOOP(mul, x *y, g *y, g *x)
LOOP(div, x / y, g / y, -g *x / (y * y))
LOOP(pow, pow(x, y), y == 0 ? 0 : g * y * pow(x, y - 1), x > 0 ? g * pow(x, y) * log(x) : 0)
LOOP(mod, fmod(x, y), g, -g *trunc(x / y))
LOOP(max, x > y || x != x ? x : y, x >= y ? g : 0, x >= y ? 0 : g)
LOOP(min, x < y || x != x ? x : y, x <= y ? g : 0, x <= y ? 0 : g)
LOOP(prelu, x < 0 ? x * y : x, x < 0 ? g * y : g, x < 0 ? g * x : 0)
#undef LOOP
