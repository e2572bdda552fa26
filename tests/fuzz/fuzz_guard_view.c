/* Views of anything: well-formed, maps within the text and going up, runs within the view. */
#include <stdlib.h>

#include "gate/guard/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct btz_view *v, size_t size)
{
    if (!btz_is_utf8(v->text) && v->at)
        abort();
    for (size_t i = 0; v->at && i < v->text.len; i++)
        if (v->at[i] >= v->till[i] || v->till[i] > size || (i > 0 && v->at[i] < v->at[i - 1]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 26);
    struct btz_view_room room, second;
    struct btz_view v, u;
    struct btz_run run;
    size_t wait, at = 0;
    bool changed, text;

    if (size == 0)
        return 0;
    btz_view_room_init(&room);
    btz_view_room_init(&second);
    if (btz_view_plain(&room, btz_slice_of(data + 1, size - 1), 0, data[0] & 1, &v, &wait) ==
        BTZ_OK) {
        check(&v, size - 1);
        if (wait > size - 1)
            abort();
        while (btz_run_next(&v, &at, &run))
            if (run.from >= run.to || run.to > v.text.len || run.shown_from >= run.to ||
                btz_run_decode(&v, &run, &out, &text) != BTZ_OK)
                abort();
        if (btz_view_unescape(&second, &v, &u, &changed, &wait) == BTZ_OK && changed)
            check(&u, size - 1);
    }
    btz_view_room_release(&room);
    btz_view_room_release(&second);
    return 0;
}
