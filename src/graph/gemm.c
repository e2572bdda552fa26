/*
 * Matrix products. The only file that sees the linear algebra library.
 */
#include <cblas.h>

#include "graph/kernel.h"

#define REAL float
#define NAME gemm_f32
#include "graph/gemm_real.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME gemm_f64
#include "graph/gemm_real.h"

void btz_gemm_setup(void)
{
    openblas_set_num_threads(1);
}

void btz_gemm(const struct btz_gemm *g, const void *a, const void *b, void *c)
{
    enum CBLAS_TRANSPOSE ta = g->trans_a ? CblasTrans : CblasNoTrans;
    enum CBLAS_TRANSPOSE tb = g->trans_b ? CblasTrans : CblasNoTrans;
    size_t size = btz_type_size(g->type);
    blasint m = (blasint)g->m, n = (blasint)g->n, k = (blasint)g->k;
    blasint lda = g->trans_a ? m : k, ldb = g->trans_b ? k : n;

    if (!g->m || !g->n)
        return;
    if (!g->k) {
        if (g->beta == 0)
            memset(c, 0, g->m * g->n * size);
        return;
    }
    if (g->reference || g->m > INT32_MAX || g->n > INT32_MAX || g->k > INT32_MAX) {
        if (g->type == BTZ_F32)
            gemm_f32(g, a, b, c);
        else
            gemm_f64(g, a, b, c);
    } else if (g->type == BTZ_F32)
        cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, (float)g->alpha, a, lda, b, ldb, (float)g->beta,
                    c, n);
    else
        cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, g->alpha, a, lda, b, ldb, g->beta, c, n);
}
