/* Requests as proxies save them: parsed, filled, and what comes out is a request that the engine can send. */
#include <stdlib.h>

#include "redteam/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct btz_message hello = { BTZ_ROLE_USER, { (const uint8_t *)"a\"\n&b", 5 } };
    struct btz_target_conf conf = { .name = "t", .model = "m", .key = "k", .system = "s" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_raw_request raw;
    struct btz_http_request request;

    btz_arena_init(&arena, (size_t)8 << 20);
    if (btz_raw_request_parse(btz_slice_of(data, size), &arena, &raw) != BTZ_OK)
        return 0;
    if (raw.method.len == 0 || raw.target.len == 0 || raw.header_count > 99)
        abort();
    conf.body = btz_arena_str(&arena, btz_slice_of(data, size));
    if (!conf.body || strlen(conf.body) != size)
        return 0;
    if (btz_preset_find("raw")->request(&conf, &hello, 1, &arena, &request) != BTZ_OK)
        return 0;
    if (!request.url || !request.method ||
        (strncmp(request.url, "http://", 7) != 0 && strncmp(request.url, "https://", 8) != 0))
        abort();
    return 0;
}
