/*
 * Batches of samples to an address, numbers back: what oracles of rows and of texts share. Private to src/robust.
 */
#ifndef BTZ_ROBUST_ASKING_H
#define BTZ_ROBUST_ASKING_H

#include "base/json.h"
#include "http/http.h"
#include "http/jsonpath.h"

/* A JSON text in which marks such as "\"{{rows}}\"" stand for the samples of the call, and a path to the answers. */
struct btz_asking_conf {
    const char *url;
    const struct btz_http_header *headers; /* Content-Type: application/json is added */
    size_t header_count;
    const char *request, *scores, *labels; /* one of the paths */
    const char *const *names; /* of `classes` classes, for labels that are text; or NULL */
    size_t classes;
    uint32_t rows; /* samples a request */
    const struct btz_http_opts *http;
    const volatile int *stop;
    const char *const *marks; /* static, with their quotes */
    size_t mark_count;
    /* Writes what mark `mark` stands for, of samples first .. first+n-1 of the call. */
    enum btz_err (*put)(void *user, size_t mark, size_t first, size_t n, struct btz_buf *out);
    void *user;
};
/* Everything is copied but `http` (the struct it points to is read once), `names`, `marks` and `user`. */
struct btz_asking {
    struct btz_asking_conf conf;
    struct btz_arena arena;
    struct btz_http *http;
    struct btz_slice request;
    struct btz_jsonpath path;
};
/* On an error nothing needs to be released. Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_asking_open(const struct btz_asking_conf *conf,
                                         struct btz_asking *out);
void btz_asking_release(struct btz_asking *a);
/* n samples -> n x classes scores; 1 and 0 of labels. Errors: UNREACHABLE, DENIED (401, 403), INPUT (not n x classes numbers). */
BTZ_CHECKED enum btz_err btz_asking_run(struct btz_asking *a, size_t n, float *scores);

/* The two halves, for tests: the request of samples first .. first+n-1, and scores out of the body of a reply. */
BTZ_CHECKED enum btz_err btz_asking_fill(const struct btz_asking *a, size_t first, size_t n,
                                         struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_asking_read(const struct btz_asking *a, struct btz_slice body,
                                         size_t n, float *scores);

#endif
