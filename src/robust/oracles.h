/* Oracles beyond classifiers: any model, and addresses. */
#ifndef BTZ_ROBUST_ORACLES_H
#define BTZ_ROBUST_ORACLES_H

#include "http/http.h"
#include "robust/robust.h"

/*
 * A model that answers with scores (batch x classes), with labels (int64; probabilities beside them are preferred), or with one
 * probability of class 1. `sample`: NULL as declared. classes: needed where there are labels alone, else 0. batch: 0 the
 * default. The model outlives it. Errors: those of btz_net_new; UNSUPPORTED.
 */
BTZ_CHECKED enum btz_err btz_oracle_of_model(const struct btz_model *model,
                                             const struct btz_shape *sample, size_t classes,
                                             uint32_t batch, struct btz_oracle **out);

/*
 * An address that answers JSON with JSON. In the request these stand for the rows of the call:
 *   "{{rows}}"  nested arrays of n samples     "{{flat}}"  one array of all numbers
 *   "{{shape}}" [n, ...]                       "{{n}}"     n
 * with their quotes, as parts of a JSON text. The path (http/jsonpath.h) leads to all scores, nested or flat, n x classes, or to
 * n labels. Everything is copied but `http`, which lasts as long as the oracle. A request that was tried again is one question.
 */
struct btz_oracle_http {
    const char *url;
    const struct btz_http_header *headers; /* Content-Type: application/json is added */
    size_t header_count;
    const char *request, *scores, *labels; /* one of the paths; NULL: those of `protocol` */
    const char
        *protocol;     /* "kserve" (v2), "instances" (TensorFlow serving, KServe v1); NULL: none */
    const char *input; /* name of the input of kserve; NULL: "input" */
    struct btz_shape sample;
    size_t classes;
    uint32_t rows; /* samples a request, 0: 32 */
    const struct btz_http_opts *http;
    const volatile int *stop;
};
/* Errors: USAGE (what is missing, or wrong in the request or a path). Asking: UNREACHABLE, DENIED (401, 403), INPUT (what came is
 * not n x classes numbers). */
BTZ_CHECKED enum btz_err btz_oracle_of_http(const struct btz_oracle_http *conf,
                                            struct btz_oracle **out);

#endif
