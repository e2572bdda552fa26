/* Addresses of shared limits: what is taken is whole, within bounds, and the same when it is written out again. */
#include <stdlib.h>

#include "gate/limits/limits.h"

static bool same(const struct btz_redis_address *a, const struct btz_redis_address *b)
{
    return strcmp(a->path, b->path) == 0 && strcmp(a->host, b->host) == 0 && a->port == b->port &&
           a->database == b->database;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_redis_address a, b;
    char text[1024];
    bool six;

    if (size >= sizeof text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (btz_redis_address_parse(text, &a) != BTZ_OK)
        return 0;
    if ((a.path[0] != '\0') == (a.host[0] != '\0') || a.database < 0 || a.database > 1000)
        abort();
    if (a.path[0]) {
        if (strcmp(text + 5, a.path) != 0)
            abort();
        return 0;
    }
    if (a.port < 1 || a.port > 65535 || !strstr(text, a.host))
        abort();
    six = strchr(a.host, ':');
    snprintf(text, sizeof text, "redis://%s%s%s:%d/%d", six ? "[" : "", a.host, six ? "]" : "",
             a.port, a.database);
    if (btz_redis_address_parse(text, &b) != BTZ_OK || !same(&a, &b))
        abort();
    return 0;
}
