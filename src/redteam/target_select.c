/* Answers whose place the user names with `select`; without it the whole body is the answer. */
#include "http/jsonpath.h"
#include "redteam/target.h"

static enum btz_err select_json(struct btz_draft *d, const struct btz_jsonpath *path,
                                struct btz_slice body, const char *what, size_t *found)
{
    BTZ_JSON json_t *root = NULL;

    BTZ_TRY(btz_reply_json(body, what, &root));
    return btz_jsonpath_text(path, root, &d->text, found);
}

static enum btz_err select_events(struct btz_draft *d, const struct btz_jsonpath *path,
                                  const struct btz_slice *events, size_t count)
{
    size_t found, all = 0;

    for (size_t i = 0; i < count; i++) {
        char what[40];

        if (btz_slice_is(btz_slice_trim(events[i]), "[DONE]")) {
            d->ended = true;
            break;
        }
        if (!path) {
            BTZ_TRY(btz_buf_add_slice(&d->text, events[i]));
            continue;
        }
        snprintf(what, sizeof what, "event %zu of the stream", i + 1);
        BTZ_TRY(select_json(d, path, events[i], what, &found));
        all += found;
    }
    if (path && all == 0)
        return btz_fail(BTZ_INPUT, "select: nothing stands at \"%s\" in any event of the stream",
                        d->conf->select);
    return BTZ_OK;
}

static enum btz_err select_whole(struct btz_draft *d, const struct btz_jsonpath *path,
                                 struct btz_slice body)
{
    size_t found;

    if (!path)
        return btz_buf_add_slice(&d->text, body);
    BTZ_TRY(select_json(d, path, body, "body of the reply", &found));
    if (found == 0)
        return btz_fail(BTZ_INPUT, "select: nothing stands at \"%s\" in the reply",
                        d->conf->select);
    return BTZ_OK;
}

void btz_reply_parse_select(const struct btz_target_conf *conf, const struct btz_http_reply *reply,
                            const struct btz_slice *events, size_t event_count,
                            struct btz_arena *arena, struct btz_reply *out)
{
    struct btz_jsonpath path = { 0 };
    bool has_path = conf->select && *conf->select;
    struct btz_draft d;
    enum btz_err err = BTZ_OK;
    bool whole;

    btz_draft_init(&d, conf, arena);
    if (has_path)
        err = btz_jsonpath_parse(btz_str(conf->select), arena, &path);
    if (err == BTZ_OK && event_count > 0)
        err = select_events(&d, has_path ? &path : NULL, events, event_count);
    whole = btz_reply_begin(&d, reply, out);
    if (!whole && !d.ended) {
        btz_buf_release(&d.text);
        return;
    }
    if (err == BTZ_OK && event_count == 0)
        err = select_whole(&d, has_path ? &path : NULL, reply->body);
    btz_reply_finish(&d, err, out);
}
