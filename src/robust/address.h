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
#define BTZ_ADDRESS_KEY(type, member) offsetof(type, address.member)
#define BTZ_ADDRESS_KEYS(type, request_help, labels_help)                                          \
    { .name = "request",                                                                           \
      .kind = BTZ_CONF_STRING,                                                                     \
      .offset = BTZ_ADDRESS_KEY(type, request),                                                    \
      .help = request_help },                                                                      \
        { .name = "scores_at",                                                                     \
          .kind = BTZ_CONF_STRING,                                                                 \
          .offset = BTZ_ADDRESS_KEY(type, scores_at),                                              \
          .help = "JSONPath to the scores in the reply: $.predictions[*].scores." },               \
        { .name = "labels_at",                                                                     \
          .kind = BTZ_CONF_STRING,                                                                 \
          .offset = BTZ_ADDRESS_KEY(type, labels_at),                                              \
          .help = "JSONPath to the labels, where there are no scores" labels_help },               \
        { .name = "headers",                                                                       \
          .kind = BTZ_CONF_PAIRS,                                                                  \
          .offset = BTZ_ADDRESS_KEY(type, headers),                                                \
          .help = "Request headers; write ${NAME} to take a key from the environment." },          \
        { .name = "rows",                                                                          \
          .kind = BTZ_CONF_INT,                                                                    \
          .offset = BTZ_ADDRESS_KEY(type, rows),                                                   \
          .fallback = "32",                                                                        \
          .min = 1,                                                                                \
          .max = 65536,                                                                            \
          .help = "Samples in one request." },                                                     \
        { .name = "concurrency",                                                                   \
          .kind = BTZ_CONF_INT,                                                                    \
          .offset = BTZ_ADDRESS_KEY(type, concurrency),                                            \
          .fallback = "8",                                                                         \
          .min = 1,                                                                                \
          .max = 1000,                                                                             \
          .help = "Requests under way at the same time." },                                        \
        { .name = "rate",                                                                          \
          .kind = BTZ_CONF_REAL,                                                                   \
          .offset = BTZ_ADDRESS_KEY(type, rate),                                                   \
          .fallback = "0",                                                                         \
          .min = 0,                                                                                \
          .max = 1e6,                                                                              \
          .help = "Requests per second at most; 0: no limit." },                                   \
        { .name = "retries",                                                                       \
          .kind = BTZ_CONF_INT,                                                                    \
          .offset = BTZ_ADDRESS_KEY(type, retries),                                                \
          .fallback = "4",                                                                         \
          .min = 0,                                                                                \
          .max = 100,                                                                              \
          .help = "More tries after 429, 502, 503, 504 and failures to connect." },                \
        { .name = "timeout",                                                                       \
          .kind = BTZ_CONF_DURATION,                                                               \
          .offset = BTZ_ADDRESS_KEY(type, timeout),                                                \
          .fallback = "2m",                                                                        \
          .help = "How long one try may take." },                                                  \
        { .name = "ca_file",                                                                       \
          .kind = BTZ_CONF_STRING,                                                                 \
          .offset = BTZ_ADDRESS_KEY(type, ca_file),                                                \
          .help = "PEM file of the authority that signed the server's certificate." },             \
    {                                                                                              \
        .name = "insecure", .kind = BTZ_CONF_BOOL, .offset = BTZ_ADDRESS_KEY(type, insecure),      \
        .fallback = "false", .help = "Do not verify certificates. For tests only."                 \
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
