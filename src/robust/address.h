/* An address and how it is asked: what models and classifiers of texts say of one in bartizan.yaml. */
#ifndef BTZ_ROBUST_ADDRESS_H
#define BTZ_ROBUST_ADDRESS_H

#include "base/conf.h"
#include "http/http.h"

struct btz_address_conf {
    const char *request, *scores_at, *labels_at, *ca_file;
    struct btz_conf_list headers;
    int64_t rows, concurrency, retries, timeout;
    double rate;
    bool insecure;
};

/* Rows of the table of `type`, which has a `struct btz_address_conf address`. `request_help`, `labels_help`: what stands for
 * samples, and what labels may be. */
#define BTZ_ADDRESS_KEY(type, name_, kind_, help_)                                                 \
    .name = #name_, .kind = (kind_), .offset = offsetof(type, address.name_), .help = help_
#define BTZ_ADDRESS_KEYS(type, request_help, labels_help)                                          \
    { BTZ_ADDRESS_KEY(type, request, BTZ_CONF_STRING, request_help) },                             \
        { BTZ_ADDRESS_KEY(type, scores_at, BTZ_CONF_STRING,                                        \
                          "JSONPath to the scores in the reply: $.predictions[*].scores.") },      \
        { BTZ_ADDRESS_KEY(type, labels_at, BTZ_CONF_STRING,                                        \
                          "JSONPath to the labels, where there are no scores" labels_help) },      \
        { BTZ_ADDRESS_KEY(type, headers, BTZ_CONF_PAIRS,                                           \
                          "Request headers; write ${NAME} to take a key from the environment.") }, \
        { BTZ_ADDRESS_KEY(type, rows, BTZ_CONF_INT, "Samples in one request."), .fallback = "32",  \
          .min = 1, .max = 65536 },                                                                \
        { BTZ_ADDRESS_KEY(type, concurrency, BTZ_CONF_INT,                                         \
                          "Requests under way at the same time."),                                 \
          .fallback = "8", .min = 1, .max = 1000 },                                                \
        { BTZ_ADDRESS_KEY(type, rate, BTZ_CONF_REAL, "Requests per second at most; 0: no limit."), \
          .fallback = "0", .min = 0, .max = 1e6 },                                                 \
        { BTZ_ADDRESS_KEY(type, retries, BTZ_CONF_INT,                                             \
                          "More tries after 429, 502, 503, 504 and failures to connect."),         \
          .fallback = "4", .min = 0, .max = 100 },                                                 \
        { BTZ_ADDRESS_KEY(type, timeout, BTZ_CONF_DURATION, "How long one try may take."),         \
          .fallback = "2m" },                                                                      \
        { BTZ_ADDRESS_KEY(type, ca_file, BTZ_CONF_STRING,                                          \
                          "PEM file of the authority that signed the server's certificate.") },    \
    {                                                                                              \
        BTZ_ADDRESS_KEY(type, insecure, BTZ_CONF_BOOL,                                             \
                        "Do not verify certificates. For tests only."),                            \
            .fallback = "false"                                                                    \
    }

bool btz_is_address(const char *text); /* http:// or https:// */
/* One of `engines` that ask the address at the same time: together they keep its concurrency and rate. */
struct btz_http_opts btz_address_http(const struct btz_address_conf *a, unsigned engines,
                                      uint64_t seed);
/* As many engines as there may be. */
unsigned btz_address_engines(const struct btz_address_conf *a, unsigned wanted);
/* As the client wants them; texts stay those of the configuration, the array is the caller's to free. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_address_headers(const struct btz_address_conf *a,
                                             struct btz_http_header **out);

#endif
