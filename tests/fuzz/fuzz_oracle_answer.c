/* Replies of anybody's model service, read as scores, as labels and as labels with names. */
#include "robust/asking.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "ham", "spam", "other" };
    struct btz_asking_conf conf = {
        .url = "http://127.0.0.1:1/", .request = "{\"x\":\"{{texts}}\"}", .classes = 3, .rows = 8
    };
    float scores[3 * 4];
    size_t n = size ? data[0] % 4 + 1 : 1;
    struct btz_slice body = btz_slice_of(data + (size ? 1 : 0), size ? size - 1 : 0);

    for (int way = 0; way < 3; way++) {
        struct btz_asking a;

        conf.scores = way == 0 ? "$.predictions" : NULL;
        conf.labels = way == 0 ? NULL : "$.y[*].class";
        conf.names = way == 2 ? names : NULL;
        if (btz_asking_open(&conf, &a) != BTZ_OK)
            __builtin_trap();
        (void)btz_asking_read(&a, body, n, scores);
        btz_asking_release(&a);
    }
    return 0;
}
