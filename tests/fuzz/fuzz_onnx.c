/* Models of anybody: read, planned, run forward and backward, written and read again. */
#include <stdlib.h>

#include "graph/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct btz_model_limits limits = { .memory_max = 1 << 24, .nodes_max = 64 };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 24);
    struct btz_model *m = NULL, *again = NULL;
    struct btz_net *net = NULL;

    if (btz_model_parse(btz_slice_of(data, size), NULL, &limits, &m) != BTZ_OK)
        return 0;
    if (btz_net_new(m,
                    &(struct btz_net_options){ .batch = 2,
                                               .memory_max = 1 << 20,
                                               .turns_max = 100,
                                               .input_grads = true,
                                               .param_grads = true },
                    &net) == BTZ_OK &&
        btz_net_forward(net) == BTZ_OK)
        (void)!btz_net_backward(net);
    btz_net_free(net);
    if (btz_model_write(m, &out) == BTZ_OK &&
        btz_model_parse(btz_buf_slice(&out), NULL, NULL, &again) != BTZ_OK)
        abort();
    btz_model_free(again);
    btz_model_free(m);
    return 0;
}
