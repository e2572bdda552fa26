/*
 * A build without oneDNN.
 */
#include "graph/onednn.h"

const char *btz_onednn_version(void)
{
    return NULL;
}

bool btz_onednn_fits(const struct btz_call *call, const struct btz_conv *c)
{
    (void)call;
    (void)c;
    return false;
}

struct btz_onednn *btz_onednn_new(const struct btz_conv *c, bool bias)
{
    (void)c;
    (void)bias;
    return NULL;
}

void btz_onednn_free(struct btz_onednn *d)
{
    (void)d;
}

size_t btz_onednn_scratch(const struct btz_onednn *d)
{
    (void)d;
    return 0;
}

enum btz_err btz_onednn_run(struct btz_onednn *d, struct btz_call *call)
{
    (void)d;
    return btz_op_fail(call, BTZ_INTERNAL, "no oneDNN");
}

enum btz_err btz_onednn_grad(struct btz_onednn *d, struct btz_call *call)
{
    return btz_onednn_run(d, call);
}
