/* Whole responses of every protocol: read, changed, written, read again; translated. The first byte chooses the protocol. */
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

    for (size_t i = 0; i < m->part_count; i++)
        if (m->parts[i].holder &&
            btz_part_replace(m, &m->parts[i], other_text(&m->parts[i])) != BTZ_OK)
            abort();
    if (btz_message_write(m, &text) == BTZ_OK) {
        if (btz_response_read(m->protocol, btz_buf_slice(&text), arena, &again) != BTZ_OK)
            abort();
        btz_message_release(&again);
    }
    btz_buf_release(&text);
}

static void translate(const struct btz_message *m, struct btz_arena *arena)
{
    enum btz_protocol to =
        m->protocol == BTZ_PROTOCOL_CHAT ? BTZ_PROTOCOL_MESSAGES : BTZ_PROTOCOL_CHAT;
    struct btz_message out;

    if (btz_translate_response(m, to, "named", arena, &out) == BTZ_OK)
        btz_message_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_arena arena;
    struct btz_message m;

    if (size < 1)
        return 0;
    btz_arena_init(&arena, 32 << 20);
    if (btz_response_read((enum btz_protocol)(data[0] % BTZ_PROTOCOL_COUNT),
                          btz_slice_of(data + 1, size - 1), &arena, &m) == BTZ_OK) {
        translate(&m, &arena);
        change(&m, &arena);
        btz_message_release(&m);
    }
    btz_arena_release(&arena);
    return 0;
}
