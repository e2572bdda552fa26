/*
 * What of a text goes on. Hits that overlap are one: the strongest action of them is done to all of it. A union that is not
 * wholly known yet is never cut.
 */
#include "gate/guard/inside.h"

struct joined { /* hits first..last of the list, which overlap one another */
    size_t from, to, next;
    const struct btz_hit *strongest; /* that acts; NULL: none does */
};

static bool acts(const struct btz_hit *h)
{
    return h->action != BTZ_GUARD_OBSERVE && h->action != BTZ_GUARD_ROUTE;
}

/* The next union of hits that act, from hit *at on. */
static bool join(const struct btz_scanning *s, size_t at, size_t limit, struct joined *out)
{
    *out = (struct joined){ 0, 0, at, NULL };
    for (; out->next < s->hit_count; out->next++) {
        const struct btz_hit *h = &s->hits[out->next];

        if (!acts(h))
            continue;
        if (h->from >= limit || (out->strongest && h->from >= out->to))
            break;
        if (!out->strongest)
            out->from = h->from;
        if (!out->strongest || h->action > out->strongest->action)
            out->strongest = h;
        out->to = h->to > out->to ? h->to : out->to;
    }
    return out->strongest != NULL;
}

size_t btz_release_bound(const struct btz_release *r, size_t to, bool final)
{
    const struct btz_scanning *s = r->session->scanning;
    struct joined j;
    size_t before;

    do {
        before = to;
        for (size_t p = r->from; r->reverse && p < r->text.len && p < to; p++) {
            const uint8_t *open = memchr(r->text.ptr + p, '[', r->text.len - p);
            const struct btz_pseudonym *name;
            bool cut;

            if (!open)
                break;
            p = (size_t)(open - r->text.ptr);
            name = btz_session_known(r->session, btz_slice_of(open, r->text.len - p), &cut);
            if (p < to && ((name && p + strlen(name->name) > to) || (cut && !final)))
                to = p;
        }
        for (size_t i = 0; join(s, i, to, &j); i = j.next)
            if (j.to > to)
                to = j.from;
    } while (to != before);
    return to;
}

enum btz_guard_form btz_release_form(enum btz_channel channel)
{
    return channel == BTZ_CHANNEL_TOOL_ARGUMENTS ? BTZ_FORM_UNKNOWN : BTZ_FORM_TEXT;
}

/* Arguments of a tool are an object, or an array, or free text: of that a pseudonym can be the beginning. */
static void learn_form(struct btz_release *r)
{
    size_t at = r->from;
    bool cut;

    while (at < r->to && strchr(" \t\r\n", r->text.ptr[at] ? r->text.ptr[at] : 'x'))
        at++;
    if (at >= r->to)
        return;
    r->form =
        r->text.ptr[at] == '{' || r->text.ptr[at] == '"' ||
                (r->text.ptr[at] == '[' &&
                 !btz_session_known(r->session, btz_slice_sub(r->text, at, r->text.len), &cut))
            ? BTZ_FORM_JSON
            : BTZ_FORM_TEXT;
}

/* A value as it stands within a string of JSON. */
static enum btz_err write_quoted(struct btz_slice value, struct btz_buf *out)
{
    static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";

    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        const char *simple = c ? strchr(from, c) : NULL;

        if (simple) {
            BTZ_TRY(btz_buf_add_byte(out, '\\'));
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)to[simple - from]));
        } else if (c < 0x20) {
            BTZ_TRY(btz_buf_printf(out, "\\u%04x", c));
        } else {
            BTZ_TRY(btz_buf_add_byte(out, c));
        }
    }
    return BTZ_OK;
}

static enum btz_err write_value(struct btz_release *r, const struct btz_pseudonym *name,
                                struct btz_buf *out)
{
    struct btz_slice value = btz_slice_of(name->value, name->value_len);

    r->changed = true;
    return r->form == BTZ_FORM_JSON ? write_quoted(value, out) : btz_buf_add_slice(out, value);
}

static enum btz_err copy(struct btz_release *r, size_t from, size_t to, struct btz_buf *out)
{
    while (r->reverse && from < to) {
        const uint8_t *open = memchr(r->text.ptr + from, '[', to - from);
        const struct btz_pseudonym *name;
        size_t at;
        bool cut;

        if (!open)
            break;
        at = (size_t)(open - r->text.ptr);
        name = btz_session_known(r->session, btz_slice_of(open, to - at), &cut);
        BTZ_TRY(btz_buf_add(out, r->text.ptr + from, at - from));
        if (name) {
            BTZ_TRY(write_value(r, name, out));
            from = at + strlen(name->name);
        } else {
            BTZ_TRY(btz_buf_add_byte(out, '['));
            from = at + 1;
        }
    }
    return to > from ? btz_buf_add(out, r->text.ptr + from, to - from) : BTZ_OK;
}

static enum btz_err replace(struct btz_release *r, const struct joined *j, struct btz_buf *out)
{
    const struct btz_guard_detector *d = j->strongest->detector;
    const char *word = d->mask ? d->mask : j->strongest->kind, *name;

    r->changed = true;
    if (j->strongest->action == BTZ_GUARD_PSEUDONYMISE && j->to - j->from <= 1024) {
        BTZ_TRY(btz_session_pseudonym(r->session, word,
                                      btz_slice_of(r->text.ptr + j->from, j->to - j->from), &name));
        return btz_buf_add_str(out, name);
    }
    if (*word == 0)
        return BTZ_OK;
    return btz_buf_printf(out, "[%s]", word);
}

enum btz_err btz_release_write(struct btz_release *r, struct btz_buf *out)
{
    const struct btz_scanning *s = r->session->scanning;
    size_t at = r->from;
    struct joined j;

    r->stop = SIZE_MAX;
    r->changed = false;
    if (r->form == BTZ_FORM_UNKNOWN)
        learn_form(r);
    for (size_t i = 0; join(s, i, r->to, &j); i = j.next) {
        BTZ_TRY(copy(r, at, j.from, out));
        if (j.strongest->action >= BTZ_GUARD_STEP_UP) {
            r->stop = j.from;
            return BTZ_OK;
        }
        BTZ_TRY(replace(r, &j, out));
        at = j.to;
    }
    return copy(r, at, r->to, out);
}
