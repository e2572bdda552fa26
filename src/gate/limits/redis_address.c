/* Where shared limits are counted. What does not fit is refused, never cut: another place would count from zero. */
#include <arpa/inet.h>

#include "gate/limits/limits.h"

#define DATABASE_MAX 1000
#define WHAT         "gate: `shared_limits`: "

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

static enum btz_err parse_path(const char *text, struct btz_redis_address *out)
{
    size_t n = strlen(text);

    if (text[0] != '/')
        return btz_fail(BTZ_USAGE, WHAT "unix: needs a path from / on, found \"%.100s\"", text);
    if (n >= sizeof out->path)
        return btz_fail(BTZ_USAGE, WHAT "the path of a socket has at most %zu bytes, found %zu",
                        sizeof out->path - 1, n);
    memcpy(out->path, text, n + 1);
    return BTZ_OK;
}

static enum btz_err parse_number(struct btz_slice text, const char *what, uint64_t least,
                                 uint64_t most, int *out)
{
    uint64_t number;

    if (btz_parse_u64(text, &number) != BTZ_OK || number < least || number > most)
        return btz_fail(BTZ_USAGE,
                        WHAT "expected a %s from %" PRIu64 " to %" PRIu64 ", found \"%.*s\"", what,
                        least, most, BTZ_SLICE_ARG(btz_slice_sub(text, 0, 40)));
    *out = (int)number;
    return BTZ_OK;
}

/* `rest`: what follows the host, from a colon on, or nothing. */
static enum btz_err parse_host(struct btz_slice text, struct btz_redis_address *out,
                               struct btz_slice *rest)
{
    bool bracket = text.len > 0 && text.ptr[0] == '[';
    size_t end = btz_slice_find(text, btz_str(bracket ? "]" : ":"), 0);
    struct btz_slice host = btz_slice_sub(text, bracket, end - bracket);
    struct in6_addr address;

    *rest = btz_slice_sub(text, end == SIZE_MAX ? text.len : end + bracket, text.len);
    if (host.len >= sizeof out->host)
        return btz_fail(BTZ_USAGE, WHAT "a host has at most %zu bytes, found %zu",
                        sizeof out->host - 1, host.len);
    memcpy(out->host, host.ptr, host.len);
    out->host[host.len] = '\0';
    if (bracket && (end == SIZE_MAX || inet_pton(AF_INET6, out->host, &address) != 1))
        return btz_fail(BTZ_USAGE, WHAT "expected an IPv6 address in brackets, found \"%.*s\"",
                        BTZ_SLICE_ARG(btz_slice_sub(text, 0, 100)));
    if (!bracket && (host.len == 0 || strspn(out->host, letters) != host.len))
        return btz_fail(BTZ_USAGE,
                        WHAT "expected a host's name or address (IPv6 in brackets), found \"%.*s\"",
                        BTZ_SLICE_ARG(btz_slice_sub(text, 0, 100)));
    return BTZ_OK;
}

static enum btz_err parse_tcp(struct btz_slice text, struct btz_redis_address *out)
{
    size_t slash = btz_slice_find(text, btz_str("/"), 0);
    struct btz_slice port;

    /* Not shown: what stands before it is likely a password. */
    if (btz_slice_has(text, "@"))
        return btz_fail(BTZ_USAGE, WHAT "no user and no password can be given");
    out->port = 6379;
    BTZ_TRY(parse_host(btz_slice_sub(text, 0, slash), out, &port));
    if (port.len > 0 && port.ptr[0] != ':')
        return btz_fail(BTZ_USAGE, WHAT "expected :PORT behind the host, found \"%.*s\"",
                        BTZ_SLICE_ARG(btz_slice_sub(port, 0, 40)));
    if (port.len > 0)
        BTZ_TRY(parse_number(btz_slice_sub(port, 1, port.len), "port", 1, 65535, &out->port));
    if (slash != SIZE_MAX && slash + 1 < text.len)
        BTZ_TRY(parse_number(btz_slice_sub(text, slash + 1, text.len), "data base", 0, DATABASE_MAX,
                             &out->database));
    return BTZ_OK;
}

enum btz_err btz_redis_address_parse(const char *text, struct btz_redis_address *out)
{
    struct btz_redis_address made = { .database = 0 };

    if (strncmp(text, "unix:", 5) == 0)
        BTZ_TRY(parse_path(text + 5, &made));
    else if (strncmp(text, "redis://", 8) == 0)
        BTZ_TRY(parse_tcp(btz_str(text + 8), &made));
    else
        return btz_fail(BTZ_USAGE, WHAT "expected redis://HOST:PORT/DB or unix:/PATH%s",
                        strncmp(text, "rediss://", 9) == 0 ? "; TLS is not spoken" : "");
    *out = made;
    return BTZ_OK;
}
