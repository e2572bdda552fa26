/* The texts of the API: errors, completions and streams. Inside demo only. */
#ifndef BTZ_DEMO_API_H
#define BTZ_DEMO_API_H

#include "demo/demo.h"

#define BTZ_DEMO_MODEL "harbor-1"

struct btz_demo_completion {
    uint64_t id;
    struct btz_slice model;
    struct btz_slice text;
    bool null_content;         /* instead of text */
    const char *finish_reason; /* "stop" */
    uint64_t tokens_in, tokens_out;
};

/* {"error":{...}} as the vendors write it; `param` and `code` may be NULL. */
BTZ_CHECKED enum btz_err btz_demo_write_error(const char *type, const char *param, const char *code,
                                              const char *message, struct btz_buf *out);
/* One JSON body. */
BTZ_CHECKED enum btz_err btz_demo_write_completion(const struct btz_demo_completion *c,
                                                   struct btz_buf *out);
/* The same content with bytes in it that are no UTF-8. */
BTZ_CHECKED enum btz_err btz_demo_write_not_utf8(const struct btz_demo_completion *c,
                                                 struct btz_buf *out);
/* Server-sent events up to "data: [DONE]". */
BTZ_CHECKED enum btz_err btz_demo_write_stream(const struct btz_demo_completion *c, bool usage,
                                               struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_demo_write_models(struct btz_buf *out);

/* About four bytes a token. */
uint64_t btz_demo_tokens(struct btz_slice text);

/* The fault of the n-th chat request, or BTZ_DEMO_FAULT_COUNT for none. */
enum btz_demo_fault btz_demo_fault_draw(const struct btz_demo_conf *conf, uint64_t n);

#endif
