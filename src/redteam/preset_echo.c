/* Says back what it is asked: for trying a configuration, and for tests. */
#include "redteam/target.h"

static enum btz_err run(const struct btz_target_conf *conf, const struct btz_message *messages,
                        size_t count, struct btz_arena *arena, const volatile int *stop,
                        struct btz_reply *out)
{
    struct btz_draft d;
    enum btz_err err;

    (void)stop;
    btz_draft_init(&d, conf, arena);
    *out = (struct btz_reply){ .tries = 1 };
    err = count > 0 ? btz_buf_add_slice(&d.text, messages[count - 1].text) : BTZ_OK;
    btz_reply_finish(&d, err, out);
    return BTZ_OK;
}

const struct btz_preset btz_preset_echo = {
    .id = "echo",
    .title = "Says back what it is asked",
    .run = run,
};
