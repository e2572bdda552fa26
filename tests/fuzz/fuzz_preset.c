/*
 * Answers of targets. First byte: which preset (low six bits), body or events (bit 6), error status (bit 7); the rest is
 * the body, or one event a line. Whatever comes, the reply is complete, UTF-8, and free of the key.
 */
#include <stdlib.h>

#include "redteam/target.h"

#define KEY "sk-fuzz-0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct btz_reply *r)
{
    if (r->kind > BTZ_REPLY_ERROR || !btz_is_utf8(r->text) || !btz_is_utf8(r->reasoning))
        abort();
    if ((r->kind == BTZ_REPLY_ERROR || r->kind == BTZ_REPLY_BLOCKED) &&
        (!r->detail || strstr(r->detail, KEY)))
        abort();
    if (btz_slice_has(r->text, KEY) || btz_slice_has(r->reasoning, KEY))
        abort();
    if (r->kind == BTZ_REPLY_TEXT && btz_slice_trim(r->text).len == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_target_conf conf = { .name = "t", .model = "m", .key = KEY };
    struct btz_http_reply http = { .status = 200, .tries = 1 };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_slice events[64];
    struct btz_reply out = { .kind = BTZ_REPLY_ERROR };
    size_t count = 0, presets = 0, which;

    if (size == 0)
        return 0;
    btz_arena_init(&arena, (size_t)16 << 20);
    while (btz_presets[presets])
        presets++;
    which = (data[0] & 63) % presets;
    if (!btz_presets[which]->parse)
        return 0;
    if (data[0] & 128)
        http.status = 400;
    http.body = btz_slice_of(data + 1, size - 1);
    if (which % 2)
        conf.select = "a[*].b";
    if (data[0] & 64) {
        struct btz_reader r = { .in = http.body, .what = "events" };

        while (count < BTZ_COUNT(events) && btz_read_line(&r, &events[count]))
            count++;
        http.err = data[0] & 128 ? BTZ_UNREACHABLE : BTZ_OK;
        http.status = 200;
        http.detail = "cut";
    }
    btz_presets[which]->parse(&conf, &http, events, count, &arena, &out);
    check(&out);
    return 0;
}
