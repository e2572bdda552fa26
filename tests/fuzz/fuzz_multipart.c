/* Forms: the first line is the content type. Texts lie within the body; a change of one leaves a form. */
#include <stdlib.h>

#include "gate/protocol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void change(struct btz_message *m, struct btz_slice type, struct btz_arena *arena)
{
    struct btz_buf text = BTZ_BUF(8 << 20);
    struct btz_message again;

    for (size_t i = 0; i < m->part_count; i++) {
        struct btz_slice t = m->parts[i].text;

        if (t.ptr < m->body.ptr || t.ptr + t.len > m->body.ptr + m->body.len)
            abort();
        if (m->parts[i].holder && btz_part_replace(m, &m->parts[i], btz_str("[x]")) != BTZ_OK)
            abort();
    }
    if (btz_message_write(m, &text) != BTZ_OK)
        abort();
    if (btz_request_read(m->protocol, type, btz_buf_slice(&text), arena, &again) != BTZ_OK)
        abort();
    btz_message_release(&again);
    btz_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_reader r = { .in = btz_slice_of(data, size) };
    struct btz_arena arena;
    struct btz_message m;
    struct btz_slice type;

    if (!btz_read_line(&r, &type))
        return 0;
    btz_arena_init(&arena, 32 << 20);
    if (type.len > 19 && strncasecmp((const char *)type.ptr, "multipart/form-data", 19) == 0 &&
        btz_request_read(BTZ_PROTOCOL_TRANSCRIBE, type, btz_slice_sub(r.in, r.at, size), &arena,
                         &m) == BTZ_OK) {
        change(&m, type, &arena);
        btz_message_release(&m);
    }
    btz_arena_release(&arena);
    return 0;
}
