/* The HTML tokenizer: tags lie in the input, in order, and decoding never fails but for memory. */
#include <stdlib.h>

#include "redteam/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct btz_slice in;
    size_t end;
    struct btz_arena arena;
};

static void check_inside(const struct seen *s, struct btz_slice part)
{
    if (part.len > 0 && (part.ptr < s->in.ptr || part.ptr + part.len > s->in.ptr + s->in.len))
        abort();
}

static enum btz_err visit(void *user, const struct btz_html_tag *tag)
{
    struct seen *s = user;
    struct btz_slice out;

    if (tag->at < s->end || tag->at + tag->len > s->in.len || tag->len < 3)
        abort();
    s->end = tag->at + tag->len;
    check_inside(s, tag->name);
    check_inside(s, tag->raw);
    for (size_t i = 0; i < tag->attribute_count; i++) {
        enum btz_err err;

        check_inside(s, tag->attributes[i].name);
        check_inside(s, tag->attributes[i].value);
        err = btz_html_decode(tag->attributes[i].value, i % 2, &s->arena, &out);
        if (err != BTZ_OK && err != BTZ_LIMIT)
            abort();
    }
    return BTZ_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = { .in = btz_slice_of(data, size) };
    const struct btz_link *links;
    size_t count;

    btz_arena_init(&s.arena, 8 << 20);
    if (btz_html_scan(s.in, visit, &s) != BTZ_OK)
        abort();
    if (btz_links(s.in, &s.arena, &links, &count) == BTZ_OK)
        for (size_t i = 0; i < count; i++)
            if (links[i].at + links[i].len > size)
                abort();
    btz_arena_release(&s.arena);
    return 0;
}
