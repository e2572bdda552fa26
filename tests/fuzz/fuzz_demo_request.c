/* The body of a chat request, and the answer the demonstration assistant writes to it. */
#include <stdlib.h>

#include "demo/api.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_demo_request request;
    struct btz_arena arena;

    btz_arena_init(&arena, (size_t)16 << 20);
    if (btz_demo_request_parse(btz_slice_of(data, size), &arena, &request) == BTZ_OK) {
        struct btz_demo_completion c = { .model = request.model, .finish_reason = "stop" };
        struct btz_buf out = BTZ_BUF((size_t)64 << 20);
        json_t *root = NULL;

        c.text = request.turns[request.count - 1].text;
        if (btz_demo_write_completion(&c, &out) == BTZ_OK) {
            /* What is written is JSON whatever was sent. */
            if (btz_json_parse(btz_buf_slice(&out), (size_t)64 << 20, "answer", &root) != BTZ_OK)
                abort();
            json_decref(root);
        }
        btz_buf_clear(&out);
        if (btz_demo_write_stream(&c, true, &out) != BTZ_OK || !btz_is_utf8(btz_buf_slice(&out)))
            abort();
        btz_buf_release(&out);
    }
    btz_arena_release(&arena);
    return 0;
}
