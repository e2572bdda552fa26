/*
 * Cutting a stream into events while it arrives: server-sent events (WHATWG HTML 9.2.6) and lines of JSON.
 * Bytes may come in any split; what is kept between calls is bounded by max_event.
 */
#include <stdlib.h>

#include "http/engine.h"

struct btz_sse {
    struct btz_buf line; /* begun in an earlier feed */
    struct btz_buf name, data;
    size_t max_event;
    bool (*on_event)(void *, const struct btz_http_event *);
    void *user;
    bool begun;    /* the byte order mark, if any, is behind us */
    bool after_cr; /* the last byte was CR: an LF right behind it belongs to it */
    bool stopped;
};

enum btz_err btz_sse_new(size_t max_event, bool (*on_event)(void *, const struct btz_http_event *),
                         void *user, struct btz_sse **out)
{
    struct btz_sse *s = calloc(1, sizeof *s);

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory");
    s->max_event = max_event;
    /* The field name stands before what counts. */
    s->line.max = max_event < SIZE_MAX - 16 ? max_event + 16 : SIZE_MAX;
    s->name.max = s->line.max;
    s->data.max = s->line.max;
    s->on_event = on_event;
    s->user = user;
    *out = s;
    return BTZ_OK;
}

void btz_sse_free(struct btz_sse *s)
{
    if (!s)
        return;
    btz_buf_release(&s->line);
    btz_buf_release(&s->name);
    btz_buf_release(&s->data);
    free(s);
}

void btz_sse_restart(struct btz_sse *s)
{
    btz_buf_clear(&s->line);
    btz_buf_clear(&s->name);
    btz_buf_clear(&s->data);
    s->begun = s->after_cr = s->stopped = false;
}

static void dispatch(struct btz_sse *s)
{
    struct btz_http_event event = { .name = btz_buf_slice(&s->name) };

    /* Every data line left a newline behind; none at all means there is nothing to dispatch. */
    if (s->data.len > 0) {
        event.data = btz_slice_of(s->data.ptr, s->data.len - 1);
        if (event.name.len == 0)
            event.name = btz_str("message");
        if (!s->on_event(s->user, &event))
            s->stopped = true;
    }
    btz_buf_clear(&s->name);
    btz_buf_clear(&s->data);
}

static enum btz_err take_line(struct btz_sse *s, struct btz_slice line)
{
    const uint8_t *colon;
    struct btz_slice field = line, value = btz_str("");

    if (!s->begun) {
        s->begun = true;
        if (btz_slice_has_prefix(line, btz_str("\xEF\xBB\xBF")))
            line = field = btz_slice_sub(line, 3, line.len);
    }
    if (line.len == 0) {
        dispatch(s);
        return BTZ_OK;
    }
    colon = memchr(line.ptr, ':', line.len);
    if (colon == line.ptr)
        return BTZ_OK;
    if (colon) {
        field.len = (size_t)(colon - line.ptr);
        value = btz_slice_sub(line, field.len + 1, line.len);
        if (value.len > 0 && value.ptr[0] == ' ')
            value = btz_slice_sub(value, 1, value.len);
    }
    if (btz_slice_is(field, "data")) {
        if (value.len > s->max_event || s->data.len > s->max_event - value.len)
            return btz_fail(BTZ_LIMIT, "a streamed event is larger than %zu bytes", s->max_event);
        BTZ_TRY(btz_buf_add_slice(&s->data, value));
        return btz_buf_add_byte(&s->data, '\n');
    }
    if (btz_slice_is(field, "event")) {
        btz_buf_clear(&s->name);
        return btz_buf_add_slice(&s->name, value);
    }
    return BTZ_OK; /* id and retry are for clients that reconnect */
}

static const uint8_t *line_end(const uint8_t *p, size_t n)
{
    const uint8_t *lf = memchr(p, '\n', n), *cr = memchr(p, '\r', lf ? (size_t)(lf - p) : n);

    return cr ? cr : lf;
}

enum btz_err btz_sse_feed(struct btz_sse *s, struct btz_slice bytes, bool *more)
{
    size_t at = 0;

    while (at < bytes.len && !s->stopped) {
        const uint8_t *p = bytes.ptr + at, *end;
        struct btz_slice line;

        if (s->after_cr) {
            s->after_cr = false;
            if (*p == '\n') {
                at++;
                continue;
            }
        }
        end = line_end(p, bytes.len - at);
        line = btz_slice_of(p, end ? (size_t)(end - p) : bytes.len - at);
        if (line.len > s->line.max - s->line.len)
            return btz_fail(BTZ_LIMIT, "a streamed event is larger than %zu bytes", s->max_event);
        if (!end) {
            BTZ_TRY(btz_buf_add_slice(&s->line, line));
            break;
        }
        if (s->line.len > 0) {
            BTZ_TRY(btz_buf_add_slice(&s->line, line));
            line = btz_buf_slice(&s->line);
        }
        s->after_cr = *end == '\r';
        at = (size_t)(end - bytes.ptr) + 1;
        BTZ_TRY(take_line(s, line));
        btz_buf_clear(&s->line);
    }
    *more = !s->stopped;
    return BTZ_OK;
}

/* ---- NDJSON ---- */

static bool give_line(struct btz_lines *l, struct btz_slice line)
{
    struct btz_http_event event = { .name = btz_str("") };

    event.data = btz_slice_trim(line);
    return event.data.len == 0 || l->on_event(l->user, &event);
}

enum btz_err btz_lines_feed(struct btz_lines *l, struct btz_slice bytes, bool *more)
{
    size_t at = 0;

    *more = true;
    while (at < bytes.len && *more) {
        const uint8_t *p = bytes.ptr + at, *end = memchr(p, '\n', bytes.len - at);
        struct btz_slice line = btz_slice_of(p, end ? (size_t)(end - p) : bytes.len - at);

        if (line.len > l->line.max - l->line.len)
            return btz_fail(BTZ_LIMIT, "a streamed line is larger than %zu bytes", l->line.max);
        if (!end)
            return btz_buf_add_slice(&l->line, line);
        if (l->line.len > 0) {
            BTZ_TRY(btz_buf_add_slice(&l->line, line));
            line = btz_buf_slice(&l->line);
        }
        at = (size_t)(end - bytes.ptr) + 1;
        *more = give_line(l, line);
        btz_buf_clear(&l->line);
    }
    return BTZ_OK;
}

void btz_lines_end(struct btz_lines *l)
{
    (void)give_line(l, btz_buf_slice(&l->line));
    btz_buf_clear(&l->line);
}
