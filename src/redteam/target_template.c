/* Bodies with {{places}}, and HTTP requests as a proxy saves them. */
#include <strings.h>

#include "redteam/target.h"

#define PROMPT_MAX ((size_t)32 << 20)

enum btz_escape btz_escape_for(const char *content_type)
{
    struct btz_slice type = btz_str(content_type);
    size_t end = btz_slice_find(type, btz_str(";"), 0);

    type = btz_slice_trim(btz_slice_sub(type, 0, end));
    if (type.len == 33 &&
        strncasecmp((const char *)type.ptr, "application/x-www-form-urlencoded", 33) == 0)
        return BTZ_ESCAPE_FORM;
    /* application/json, application/problem+json, application/x-ndjson ... */
    if (type.len >= 4 && strncasecmp((const char *)type.ptr + type.len - 4, "json", 4) == 0)
        return BTZ_ESCAPE_JSON;
    return BTZ_ESCAPE_NONE;
}

enum btz_err btz_percent_encode(struct btz_slice in, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            c == '-' || c == '.' || c == '_' || c == '~')
            BTZ_TRY(btz_buf_add_byte(out, c));
        else
            BTZ_TRY(btz_buf_printf(out, "%%%02X", c));
    }
    return BTZ_OK;
}

static enum btz_err add_escaped(struct btz_slice in, enum btz_escape escape, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX);
    BTZ_JSON json_t *value = NULL;

    if (escape == BTZ_ESCAPE_NONE)
        return btz_buf_add_slice(out, in);
    if (escape == BTZ_ESCAPE_FORM)
        return btz_percent_encode(in, out);
    value = btz_json_text(in);
    BTZ_TRY(btz_json_write(value, false, &text));
    return btz_buf_add_slice(out, btz_slice_sub(btz_buf_slice(&text), 1, text.len - 2));
}

static enum btz_err add_messages(enum btz_escape escape, const struct btz_target_conf *conf,
                                 const struct btz_message *messages, size_t count,
                                 struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(PROMPT_MAX);
    BTZ_JSON json_t *array = NULL;

    BTZ_TRY(btz_target_messages(conf, messages, count, &array));
    BTZ_TRY(btz_json_write(array, false, &text));
    /* JSON inside JSON stands as it is: the place is a value, not a part of a string. */
    return add_escaped(btz_buf_slice(&text), escape == BTZ_ESCAPE_FORM ? escape : BTZ_ESCAPE_NONE,
                       out);
}

static enum btz_err add_place(struct btz_slice name, enum btz_escape escape,
                              const struct btz_target_conf *conf,
                              const struct btz_message *messages, size_t count, struct btz_buf *out,
                              bool *known)
{
    *known = true;
    if (btz_slice_is(name, "prompt")) {
        BTZ_BUF_RELEASE struct btz_buf prompt = BTZ_BUF(PROMPT_MAX);

        BTZ_TRY(btz_target_prompt(messages, count, &prompt));
        return add_escaped(btz_buf_slice(&prompt), escape, out);
    }
    if (btz_slice_is(name, "messages"))
        return add_messages(escape, conf, messages, count, out);
    if (btz_slice_is(name, "system"))
        return add_escaped(btz_str(conf->system), escape, out);
    if (btz_slice_is(name, "model"))
        return add_escaped(btz_str(conf->model), escape, out);
    if (btz_slice_is(name, "key"))
        return add_escaped(btz_str(conf->key), escape, out);
    *known = false;
    return BTZ_OK;
}

enum btz_err btz_target_fill(struct btz_slice template, enum btz_escape escape,
                             const struct btz_target_conf *conf, const struct btz_message *messages,
                             size_t count, struct btz_buf *out)
{
    size_t at = 0;

    while (at < template.len) {
        size_t open = btz_slice_find(template, btz_str("{{"), at), close;
        bool known;

        if (open == SIZE_MAX)
            break;
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(template, at, open - at)));
        at = open;
        /* No place has a longer name: unclosed braces cost no search to the end each. */
        close = btz_slice_find(btz_slice_sub(template, open, 16), btz_str("}}"), 2);
        if (close != SIZE_MAX) {
            BTZ_TRY(add_place(btz_slice_trim(btz_slice_sub(template, open + 2, close - 2)), escape,
                              conf, messages, count, out, &known));
            if (known) {
                at = open + close + 2;
                continue;
            }
        }
        BTZ_TRY(btz_buf_add_byte(out, '{'));
        at++;
    }
    return btz_buf_add_slice(out, btz_slice_sub(template, at, template.len));
}

bool btz_target_has_place(const char *template)
{
    struct btz_slice t = btz_str(template);

    for (size_t at = 0; (at = btz_slice_find(t, btz_str("{{"), at)) != SIZE_MAX; at++) {
        struct btz_slice rest = btz_slice_sub(t, at + 2, 14);
        size_t close = btz_slice_find(rest, btz_str("}}"), 0);
        struct btz_slice name = btz_slice_trim(btz_slice_sub(rest, 0, close));

        if (close != SIZE_MAX && (btz_slice_is(name, "prompt") || btz_slice_is(name, "messages")))
            return true;
    }
    return false;
}

/* ---- raw requests ---- */

/* Follow from the body, belong to the old connection, or would change what the reply looks like. */
static bool is_dropped(struct btz_slice name)
{
    static const char *const names[] = { "content-length",
                                         "transfer-encoding",
                                         "connection",
                                         "proxy-connection",
                                         "keep-alive",
                                         "te",
                                         "trailer",
                                         "upgrade",
                                         "accept-encoding",
                                         "expect",
                                         "host",
                                         "http2-settings" };

    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (name.len == strlen(names[i]) &&
            strncasecmp((const char *)name.ptr, names[i], name.len) == 0)
            return true;
    return false;
}

static struct btz_slice without_cr(struct btz_slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static enum btz_err request_line(struct btz_slice line, struct btz_raw_request *out)
{
    size_t a = btz_slice_find(line, btz_str(" "), 0), b;
    struct btz_slice version;

    b = a == SIZE_MAX ? SIZE_MAX : btz_slice_find(line, btz_str(" "), a + 1);
    if (b == SIZE_MAX || a == 0 || b == a + 1)
        return btz_fail(BTZ_INPUT,
                        "line 1: expected \"METHOD /path HTTP/1.1\" as a proxy saves it");
    out->method = btz_slice_sub(line, 0, a);
    out->target = btz_slice_sub(line, a + 1, b - a - 1);
    version = btz_slice_sub(line, b + 1, line.len);
    if (!btz_slice_has_prefix(version, btz_str("HTTP/")))
        return btz_fail(BTZ_INPUT, "line 1: expected HTTP/1.1 or HTTP/2 at its end");
    if (out->target.ptr[0] != '/' && !btz_slice_has_prefix(out->target, btz_str("http://")) &&
        !btz_slice_has_prefix(out->target, btz_str("https://")))
        return btz_fail(BTZ_INPUT, "line 1: expected a path that starts with / or a whole URL");
    return BTZ_OK;
}

static enum btz_err header_line(struct btz_slice line, size_t number, struct btz_arena *arena,
                                struct btz_raw_request *out)
{
    size_t colon = btz_slice_find(line, btz_str(":"), 0);
    struct btz_slice name, value;
    struct btz_http_header *h = &out->headers[out->header_count];

    if (colon == SIZE_MAX || colon == 0 || line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return btz_fail(BTZ_INPUT, "line %zu: expected \"Name: value\" or an empty line", number);
    name = btz_slice_sub(line, 0, colon);
    value = btz_slice_trim(btz_slice_sub(line, colon + 1, line.len));
    h->name = btz_arena_str(arena, name);
    h->value = btz_arena_str(arena, value);
    if (!h->name || !h->value)
        return BTZ_LIMIT;
    if (strcasecmp(h->name, "host") == 0)
        out->host = h->value;
    if (strcasecmp(h->name, "content-type") == 0)
        out->escape = btz_escape_for(h->value);
    if (is_dropped(name))
        return BTZ_OK;
    if (++out->header_count == 100)
        return btz_fail(BTZ_LIMIT, "line %zu: more than 99 headers", number);
    return BTZ_OK;
}

enum btz_err btz_raw_request_parse(struct btz_slice text, struct btz_arena *arena,
                                   struct btz_raw_request *out)
{
    struct btz_reader r = { .in = text, .what = "request" };
    struct btz_raw_request raw = { .escape = BTZ_ESCAPE_NONE };
    struct btz_slice line;

    if (!btz_read_line(&r, &line))
        return btz_fail(BTZ_INPUT, "line 1: expected \"METHOD /path HTTP/1.1\", found nothing");
    BTZ_TRY(request_line(without_cr(line), &raw));
    raw.headers = btz_arena_array(arena, 100, sizeof *raw.headers);
    if (!raw.headers)
        return BTZ_LIMIT;
    for (size_t number = 2; btz_read_line(&r, &line); number++) {
        line = without_cr(line);
        if (line.len == 0)
            break;
        BTZ_TRY(header_line(line, number, arena, &raw));
    }
    raw.body = btz_slice_sub(text, r.at, text.len);
    /* Editors end files with a newline, which would become part of the last value. */
    while (raw.escape != BTZ_ESCAPE_NONE && raw.body.len > 0 &&
           (raw.body.ptr[raw.body.len - 1] == '\n' || raw.body.ptr[raw.body.len - 1] == '\r'))
        raw.body.len--;
    *out = raw;
    return BTZ_OK;
}
