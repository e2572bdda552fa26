/* The scalar reference of the matrix product; included once for each REAL. */
static void NAME(const struct btz_gemm *g, const REAL *a, const REAL *b, REAL *c)
{
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            REAL sum = 0, *out = &c[i * g->n + j];

            for (size_t k = 0; k < g->k; k++)
                sum += a[g->trans_a ? k * g->m + i : i * g->k + k] *
                       b[g->trans_b ? j * g->k + k : k * g->n + j];
            *out = (REAL)g->alpha * sum + (g->beta != 0 ? (REAL)g->beta * *out : 0);
        }
}
