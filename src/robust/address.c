/* What is said of an address, as the HTTP client wants it. */
#include "robust/address.h"

#include <stdlib.h>
#include <strings.h>

bool btz_is_address(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

unsigned btz_address_engines(const struct btz_address_conf *a, unsigned wanted)
{
    unsigned most = (unsigned)a->concurrency;

    return wanted < 1 ? 1 : wanted > most ? most : wanted;
}

struct btz_http_opts btz_address_http(const struct btz_address_conf *a, unsigned engines,
                                      uint64_t seed)
{
    return (struct btz_http_opts){
        .max_in_flight = (unsigned)a->concurrency / engines,
        .rate_per_second = a->rate / engines,
        .max_retries = (unsigned)a->retries,
        .request_timeout_ms = (uint32_t)a->timeout,
        .ca_file = a->ca_file,
        .insecure = a->insecure,
        .seed = seed,
    };
}

enum btz_err btz_address_headers(const struct btz_address_conf *a, struct btz_http_header **out)
{
    const struct btz_conf_pair *pairs = a->headers.items;
    struct btz_http_header *list = calloc(a->headers.count + 1, sizeof *list);

    if (!list)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < a->headers.count; i++)
        list[i] = (struct btz_http_header){ pairs[i].name, pairs[i].value };
    *out = list;
    return BTZ_OK;
}
