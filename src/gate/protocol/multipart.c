/* Forms with files: RFC 7578 over RFC 2046. Read strictly: a body that two readers could take apart differently is refused. */
#include "gate/protocol/family.h"

#define FIELDS_MAX   256
#define HEAD_MAX     4096
#define BOUNDARY_MAX 70

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct btz_slice skip_blank(struct btz_slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = btz_slice_sub(s, 1, s.len);
    return s;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_name(struct btz_slice s, const char *name)
{
    return s.len == strlen(name) && strncasecmp((const char *)s.ptr, name, s.len) == 0;
}

/* The next `; name=value` of a header; false when there is none or it is not well-formed (`*bad`). */
static bool next_parameter(struct btz_slice *rest, struct btz_slice *name, struct btz_slice *value,
                           bool *bad)
{
    struct btz_slice s = skip_blank(*rest);
    size_t n = 0;

    *bad = false;
    if (s.len == 0)
        return false;
    *bad = true;
    if (s.ptr[0] != ';')
        return false;
    s = skip_blank(btz_slice_sub(s, 1, s.len));
    if (s.len == 0) { /* "; " at the end */
        *bad = false;
        return false;
    }
    while (n < s.len && is_token(s.ptr[n]))
        n++;
    *name = btz_slice_sub(s, 0, n);
    if (n == 0 || n == s.len || s.ptr[n] != '=')
        return false;
    s = btz_slice_sub(s, n + 1, s.len);
    n = 0;
    if (s.len > 0 && s.ptr[0] == '"') {
        for (n = 1; n < s.len && s.ptr[n] != '"'; n++)
            if (s.ptr[n] == '\\')
                n++;
        if (n >= s.len)
            return false;
        *value = btz_slice_sub(s, 1, n - 1);
        *rest = btz_slice_sub(s, n + 1, s.len);
    } else {
        while (n < s.len && is_token(s.ptr[n]))
            n++;
        if (n == 0)
            return false;
        *value = btz_slice_sub(s, 0, n);
        *rest = btz_slice_sub(s, n, s.len);
    }
    *bad = false;
    return true;
}

enum btz_err btz_form_boundary(struct btz_slice content_type, struct btz_slice *out)
{
    struct btz_slice rest = btz_slice_sub(content_type, 19, content_type.len), name, value;
    struct btz_slice found = { NULL, 0 };
    bool bad;

    if (content_type.len < 19 ||
        strncasecmp((const char *)content_type.ptr, "multipart/form-data", 19) != 0)
        return btz_fail(BTZ_INPUT, "a body of type multipart/form-data was expected");
    while (next_parameter(&rest, &name, &value, &bad)) {
        if (!is_name(name, "boundary"))
            continue;
        if (found.ptr)
            return btz_fail(BTZ_INPUT, "content type: two boundaries");
        found = value;
    }
    if (bad || found.len == 0 || found.len > BOUNDARY_MAX)
        return btz_fail(BTZ_INPUT, "content type: a boundary of 1 to %d bytes was expected",
                        BOUNDARY_MAX);
    for (size_t i = 0; i < found.len; i++)
        if (found.ptr[i] < ' ' || found.ptr[i] > '~' || found.ptr[i] == '\\')
            return btz_fail(BTZ_INPUT,
                            "content type: a boundary of printable characters was expected");
    *out = found;
    return BTZ_OK;
}

static enum btz_err disposition(struct btz_slice value, struct btz_form_field *f)
{
    struct btz_slice rest, name, text;
    bool bad;

    if (value.len < 9 || strncasecmp((const char *)value.ptr, "form-data", 9) != 0)
        return btz_fail(BTZ_INPUT, "form: \"form-data\" was expected");
    rest = btz_slice_sub(value, 9, value.len);
    while (next_parameter(&rest, &name, &text, &bad)) {
        struct btz_slice *to = is_name(name, "name")       ? &f->name
                               : is_name(name, "filename") ? &f->filename
                                                           : NULL;

        /* filename* and whatever else: RFC 7578 section 4.2 forbids it, and readers differ. */
        if (!to || to->ptr)
            return btz_fail(BTZ_INPUT, "form: an unknown or repeated parameter of a field");
        *to = text;
    }
    if (bad || f->name.len == 0)
        return btz_fail(BTZ_INPUT, "form: a field without a name");
    for (size_t i = 0; i < f->name.len; i++)
        if (!is_token(f->name.ptr[i]) && f->name.ptr[i] != '[' && f->name.ptr[i] != ']')
            return btz_fail(BTZ_INPUT, "form: an odd name of a field");
    f->file = f->filename.ptr != NULL;
    return BTZ_OK;
}

static enum btz_err header(struct btz_slice line, struct btz_form_field *f, bool *named)
{
    size_t n = 0;
    struct btz_slice name, value;

    while (n < line.len && is_token(line.ptr[n]))
        n++;
    if (n == 0 || n == line.len || line.ptr[n] != ':')
        return btz_fail(BTZ_INPUT, "form: a header was expected");
    name = btz_slice_sub(line, 0, n);
    value = btz_slice_trim(btz_slice_sub(line, n + 1, line.len));
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
            return btz_fail(BTZ_INPUT, "form: a control character in a header");
    if (!btz_is_utf8(value))
        return btz_fail(BTZ_INPUT, "form: a header that is not UTF-8");
    if (is_name(name, "content-disposition")) {
        if (*named)
            return btz_fail(BTZ_INPUT, "form: a field with two names");
        *named = true;
        return disposition(value, f);
    }
    if (is_name(name, "content-type")) {
        if (f->type.ptr)
            return btz_fail(BTZ_INPUT, "form: a field with two types");
        f->type = value;
        return BTZ_OK;
    }
    if (is_name(name, "content-length"))
        return BTZ_OK;
    if (is_name(name, "content-transfer-encoding") &&
        (is_name(value, "binary") || is_name(value, "8bit") || is_name(value, "7bit")))
        return BTZ_OK;
    return btz_fail(BTZ_INPUT, "form: a header that fields do not have");
}

static enum btz_err headers(struct btz_slice body, size_t *at, struct btz_form_field *f)
{
    struct btz_slice crlf = btz_str("\r\n");
    size_t begin = *at;
    bool named = false;

    for (;;) {
        size_t end = btz_slice_find(btz_slice_sub(body, 0, begin + HEAD_MAX), crlf, *at);

        if (end == SIZE_MAX)
            return btz_fail(BTZ_INPUT, "form: headers without an end");
        if (end == *at)
            break;
        BTZ_TRY(header(btz_slice_sub(body, *at, end - *at), f, &named));
        *at = end + 2;
    }
    *at += 2;
    return named ? BTZ_OK : btz_fail(BTZ_INPUT, "form: a field without a name");
}

enum btz_err btz_form_read(struct btz_slice body, struct btz_slice boundary,
                           enum btz_err (*field)(void *user, const struct btz_form_field *f),
                           void *user)
{
    uint8_t mark[BOUNDARY_MAX + 4] = "\r\n--";
    struct btz_slice delimiter;
    size_t at, end, count = 0;

    if (boundary.len == 0 || boundary.len > BOUNDARY_MAX)
        return btz_fail(BTZ_INPUT, "form: a boundary of 1 to %d bytes was expected", BOUNDARY_MAX);
    memcpy(mark + 4, boundary.ptr, boundary.len);
    delimiter = btz_slice_of(mark, boundary.len + 4);
    if (!btz_slice_has_prefix(body, btz_slice_sub(delimiter, 2, delimiter.len)))
        return btz_fail(BTZ_INPUT, "form: its boundary was expected at the beginning");
    at = delimiter.len - 2;
    while (btz_slice_has_prefix(btz_slice_sub(body, at, body.len), btz_str("\r\n"))) {
        struct btz_form_field f = { .file = false };

        if (count++ == FIELDS_MAX)
            return btz_fail(BTZ_LIMIT, "form: more than %d fields", FIELDS_MAX);
        at += 2;
        BTZ_TRY(headers(body, &at, &f));
        end = btz_slice_find(body, delimiter, at);
        if (end == SIZE_MAX)
            return btz_fail(BTZ_INPUT, "form: a field without an end");
        f.value = btz_slice_sub(body, at, end - at);
        /* A reader that takes a bare line feed for a line end would find the boundary there. */
        if (btz_slice_find(f.value, btz_slice_sub(delimiter, 1, delimiter.len), 0) != SIZE_MAX ||
            btz_slice_has_prefix(f.value, btz_slice_sub(delimiter, 2, delimiter.len)))
            return btz_fail(BTZ_INPUT, "form: its boundary within a field");
        BTZ_TRY(field(user, &f));
        at = end + delimiter.len;
    }
    if (!btz_slice_has_prefix(btz_slice_sub(body, at, body.len), btz_str("--")))
        return btz_fail(BTZ_INPUT, "form: a boundary was expected");
    at += 2;
    if (at != body.len && !btz_slice_is(btz_slice_sub(body, at, body.len), "\r\n"))
        return btz_fail(BTZ_INPUT, "form: bytes after its end");
    return BTZ_OK;
}

/* ---- as a request ---- */

struct reading {
    struct btz_walk *w;
    struct btz_slice names[FIELDS_MAX];
    size_t count;
};

static enum btz_err give(struct btz_walk *w, struct btz_slice text, enum btz_channel channel,
                         bool fixed)
{
    struct btz_part part = { .channel = channel,
                             .text = text,
                             .holder = fixed ? NULL : json_null(),
                             .index = (size_t)(text.ptr - w->message->body.ptr),
                             .form = BTZ_PART_BYTES };

    return text.len > 0 ? w->part(w, &part) : BTZ_OK;
}

static bool is_text(struct btz_slice s)
{
    return s.len == 0 || (!memchr(s.ptr, 0, s.len) && btz_is_utf8(s));
}

static enum btz_err take_file(struct btz_walk *w, const struct btz_form_field *f)
{
    BTZ_TRY(give(w, f->filename, BTZ_CHANNEL_RAW, true));
    if (is_text(f->value))
        return give(w, f->value, BTZ_CHANNEL_RAW, false);
    if (w->message->protocol == BTZ_PROTOCOL_IMAGES)
        w->images++;
    else
        w->files++;
    return BTZ_OK;
}

static enum btz_err take_field(void *user, const struct btz_form_field *f)
{
    struct reading *r = user;
    struct btz_message *m = r->w->message;
    bool list = f->name.len > 2 && memcmp(f->name.ptr + f->name.len - 2, "[]", 2) == 0;

    for (size_t i = 0; i < r->count; i++)
        if (!list && btz_slice_equal(r->names[i], f->name))
            return btz_fail(BTZ_INPUT, "form: the field \"%.*s\" twice", BTZ_SLICE_ARG(f->name));
    r->names[r->count++] = f->name;
    if (f->file)
        return take_file(r->w, f);
    if (!is_text(f->value))
        return btz_fail(BTZ_INPUT, "form: the field \"%.*s\" is not UTF-8 text",
                        BTZ_SLICE_ARG(f->name));
    if (btz_slice_is(f->name, "model")) {
        m->model = m->model_at = f->value;
        return btz_is_word(f->value) ? BTZ_OK : give(r->w, f->value, BTZ_CHANNEL_RAW, true);
    }
    if (btz_slice_is(f->name, "stream")) {
        m->stream = btz_slice_is(f->value, "true") || btz_slice_is(f->value, "1") ||
                    btz_slice_is(f->value, "True");
        return BTZ_OK;
    }
    if (btz_slice_is(f->name, "prompt") || btz_slice_is(f->name, "input"))
        return give(r->w, f->value, BTZ_CHANNEL_USER, false);
    if (btz_is_word(f->value) && !btz_slice_is(f->name, "user"))
        return BTZ_OK;
    return give(r->w, f->value, BTZ_CHANNEL_RAW, false);
}

enum btz_err btz_form_request(struct btz_slice content_type, struct btz_walk *w)
{
    struct reading r = { .w = w };
    struct btz_slice boundary;

    BTZ_TRY(btz_form_boundary(content_type, &boundary));
    return btz_form_read(w->message->body, boundary, take_field, &r);
}
