/* Requests of every protocol: what is read is written back as it came, and changed it can be read again, as long as JSON
 * stays of its kind. The first byte chooses the protocol. */
#include <stdlib.h>

#include "gate/protocol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A mask leaves JSON of the kind it was. */
static struct btz_slice other_text(const struct btz_part *part)
{
    if (part->form != BTZ_PART_JSON)
        return btz_str("changed");
    return btz_str(part->text.ptr[0] == '[' ? "[]" : "{}");
}

static void change(struct btz_message *m, struct btz_arena *arena)
{
    struct btz_buf text = BTZ_BUF(8 << 20);
    struct btz_message again;
    bool asked;

    if (btz_message_ask_usage(m, &asked) != BTZ_OK)
        goto end;
    for (size_t i = 0; i < m->part_count; i++)
        if (m->parts[i].holder && m->parts[i].form != BTZ_PART_BYTES &&
            btz_part_replace(m, &m->parts[i], other_text(&m->parts[i])) != BTZ_OK)
            abort();
    if (m->root && btz_message_write(m, &text) == BTZ_OK) {
        if (btz_request_read(m->protocol, btz_str("application/json"), btz_buf_slice(&text), arena,
                             &again) != BTZ_OK)
            abort();
        btz_message_release(&again);
    }
end:
    btz_buf_release(&text);
}

static void translate(const struct btz_message *m, struct btz_arena *arena)
{
    enum btz_protocol to =
        m->protocol == BTZ_PROTOCOL_CHAT ? BTZ_PROTOCOL_MESSAGES : BTZ_PROTOCOL_CHAT;
    struct btz_message out;

    if (m->protocol != BTZ_PROTOCOL_CHAT && m->protocol != BTZ_PROTOCOL_MESSAGES)
        return;
    if (btz_translate_request(m, to, 100, arena, &out) == BTZ_OK)
        btz_message_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_buf text = BTZ_BUF(8 << 20);
    struct btz_arena arena;
    struct btz_message m;
    struct btz_slice in;

    if (size < 1)
        return 0;
    in = btz_slice_of(data + 1, size - 1);
    btz_arena_init(&arena, 32 << 20);
    if (btz_request_read(
            (enum btz_protocol)((data[0] & 0x7f) % BTZ_PROTOCOL_COUNT),
            btz_str(data[0] & 0x80 ? "multipart/form-data; boundary=XX" : "application/json"), in,
            &arena, &m) == BTZ_OK) {
        if (m.changed || btz_message_write(&m, &text) != BTZ_OK ||
            !btz_slice_equal(btz_buf_slice(&text), in))
            abort();
        translate(&m, &arena);
        change(&m, &arena);
        btz_message_release(&m);
    }
    btz_arena_release(&arena);
    btz_buf_release(&text);
    return 0;
}
