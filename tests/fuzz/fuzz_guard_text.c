/* First byte: the channel. Whatever the text, it is read to its end, and what masks leave is no longer than it may be. */
#include <stdlib.h>

#include "gate/guard/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *canaries[] = { "Blue Heron 42" };
static struct btz_guard_rule_conf rules[] = {
    { "pii", { NULL, 0 }, BTZ_GUARD_PSEUDONYMISE, -1, "", { NULL, 0 } },
    { "*", { NULL, 0 }, BTZ_GUARD_MASK, -1, "", { NULL, 0 } }
};

static const struct btz_guard *guard(void)
{
    static struct btz_guard *g;
    struct btz_guard_conf conf = { .enabled = true,
                                   .canaries = { canaries, 1 },
                                   .rules = { rules, 2 },
                                   .classifier = "",
                                   .calibration = "",
                                   .hold_max = 65536 };

    if (!g && btz_guard_new(&conf, &g) != BTZ_OK)
        abort();
    return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 26);
    struct btz_guard_session *s;
    const struct btz_guard_record *r;
    size_t count;
    bool changed;

    if (size == 0 || btz_guard_session_new(guard(), &s) != BTZ_OK)
        return 0;
    if (btz_guard_text(s, (enum btz_channel)(data[0] % BTZ_CHANNEL_COUNT),
                       btz_slice_of(data + 1, size - 1), &changed, &out) == BTZ_OK) {
        r = btz_guard_records(s, &count);
        for (size_t i = 0; i < count; i++)
            if (r[i].hit.from >= r[i].hit.to || r[i].hit.to > size - 1)
                abort();
        if (changed ? count == 0 : out.len != 0)
            abort();
    }
    btz_guard_session_free(s);
    return 0;
}
