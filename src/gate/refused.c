/* Requests that the transport refused by itself: there was no exchange, and nobody was looked for. */
#include "gate/exchange.h"

struct refusal {
    unsigned status;
    const char *code, *why;
};

static const struct refusal *find(unsigned status)
{
    /* 494 to 497 are nginx's own. */
    static const struct refusal all[] = {
        { 400, "bad_request", "the request could not be read" },
        { 405, "method_not_allowed", "the method is not one that is served" },
        { 408, "request_timeout", "the request did not come in time" },
        { 411, "bad_request", "the length of the body was not said" },
        { 413, "request_too_large", "the body is larger than is allowed" },
        { 414, "request_too_large", "the address is longer than is allowed" },
        { 421, "misdirected", "the name in Host is not this server's" },
        { 429, "rate_limited", "too many requests at a time from this address" },
        { 431, "request_too_large", "the headers are longer than is allowed" },
        { 494, "request_too_large", "the headers are longer than is allowed" },
        { 495, "bad_certificate", "the client's certificate is not trusted" },
        { 496, "bad_certificate", "there was no client certificate" },
        { 497, "bad_request", "plain http was spoken where https is" },
        { 501, "bad_request", "the request asked for something that is not served" },
        { 505, "bad_request", "the version of HTTP is not served" },
    };

    for (size_t i = 0; i < BTZ_COUNT(all); i++)
        if (all[i].status == status)
            return &all[i];
    return NULL;
}

bool btz_gate_refusal(unsigned status, const char **code, const char **why)
{
    const struct refusal *found = find(status);

    *code = found ? found->code : "bad_request";
    *why = found ? found->why : "the request was refused";
    return found != NULL;
}

bool btz_gate_refused(struct btz_gate *g, const struct btz_incoming *in, unsigned status,
                      uint64_t took_us)
{
    const struct refusal *why = find(status);
    struct btz_end_facts facts = { .how = BTZ_END_REFUSED, .status = status, .took_us = took_us };
    struct btz_exchange *x;

    if (!why || btz_exchange_new(g, in, &x) != BTZ_OK)
        return false;
    (void)btz_exchange_deny(x, status, why->code, why->why);
    btz_exchange_end(x, &facts, NULL);
    btz_exchange_free(x);
    return true;
}
