/* Request targets: read once, strictly, before anything is routed or decided. */
#include "watch/api/api.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_unreserved(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* pchar and "/", and "?" which only a query may hold. */
static bool may_stand(uint8_t c)
{
    return is_unreserved(c) || (c && strchr("!$&'()*+,;=:@/?%", c));
}

/* Decoded text in the arena. */
static enum btz_err decode(struct btz_slice in, bool plus, struct btz_arena *arena,
                           const char **out)
{
    char *text = btz_arena_alloc(arena, in.len + 1);
    size_t n = 0;

    if (!text)
        return BTZ_LIMIT;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];

        if (c == '%') {
            int high = in.len - i > 2 ? hex_digit(in.ptr[i + 1]) : -1;
            int low = in.len - i > 2 ? hex_digit(in.ptr[i + 2]) : -1;

            if (high < 0 || low < 0)
                return btz_fail(BTZ_INPUT, "request target: \"%%\" without two hex digits");
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == 0)
            return btz_fail(BTZ_INPUT, "request target: NUL");
        text[n++] = (char)c;
    }
    text[n] = '\0';
    if (!btz_is_utf8(btz_slice_of(text, n)))
        return btz_fail(BTZ_INPUT, "request target: not UTF-8");
    *out = text;
    return BTZ_OK;
}

static enum btz_err parse_path(struct btz_slice path, struct btz_arena *arena,
                               struct btz_api_target *out)
{
    size_t at = 1;

    while (at <= path.len && path.len > 1) {
        size_t end = btz_slice_find(path, btz_str("/"), at);
        const char *segment;

        if (end == SIZE_MAX)
            end = path.len;
        if (out->segment_count == BTZ_API_SEGMENTS)
            return btz_fail(BTZ_LIMIT, "request target: more than %d segments", BTZ_API_SEGMENTS);
        BTZ_TRY(decode(btz_slice_sub(path, at, end - at), false, arena, &segment));
        if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
            return btz_fail(BTZ_INPUT, "request target: dot segments");
        out->segments[out->segment_count++] = segment;
        at = end + 1;
    }
    return BTZ_OK;
}

static enum btz_err parse_query(struct btz_slice query, struct btz_arena *arena,
                                struct btz_api_target *out)
{
    size_t at = 0;

    while (at < query.len) {
        size_t end = btz_slice_find(query, btz_str("&"), at), equals;
        struct btz_slice pair;
        struct btz_api_pair *p;

        if (end == SIZE_MAX)
            end = query.len;
        pair = btz_slice_sub(query, at, end - at);
        at = end + 1;
        if (pair.len == 0)
            continue;
        if (out->query_count == BTZ_API_PAIRS)
            return btz_fail(BTZ_LIMIT, "request target: more than %d query parameters",
                            BTZ_API_PAIRS);
        p = &out->query[out->query_count++];
        equals = btz_slice_find(pair, btz_str("="), 0);
        if (equals == SIZE_MAX)
            equals = pair.len;
        BTZ_TRY(decode(btz_slice_sub(pair, 0, equals), true, arena, &p->name));
        BTZ_TRY(decode(btz_slice_sub(pair, equals + 1, pair.len), true, arena, &p->value));
    }
    return BTZ_OK;
}

enum btz_err btz_api_target_parse(struct btz_slice text, struct btz_arena *arena,
                                  struct btz_api_target *out)
{
    struct btz_slice path = text, query = { 0 };
    size_t mark;

    memset(out, 0, sizeof *out);
    if (text.len > BTZ_API_TARGET_MAX)
        return btz_fail(BTZ_LIMIT, "request target: longer than %d bytes", BTZ_API_TARGET_MAX);
    if (text.len == 0 || text.ptr[0] != '/')
        return btz_fail(BTZ_INPUT, "request target: expected a path");
    for (size_t i = 0; i < text.len; i++)
        if (!may_stand(text.ptr[i]))
            return btz_fail(BTZ_INPUT, "request target: byte 0x%02x at %zu", text.ptr[i], i);
    mark = btz_slice_find(text, btz_str("?"), 0);
    if (mark != SIZE_MAX) {
        path = btz_slice_sub(text, 0, mark);
        query = btz_slice_sub(text, mark + 1, text.len);
    }
    out->path = btz_arena_str(arena, path);
    if (!out->path)
        return BTZ_LIMIT;
    BTZ_TRY(parse_path(path, arena, out));
    return parse_query(query, arena, out);
}

enum btz_err btz_api_encode(struct btz_slice text, struct btz_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.ptr[i]))
            BTZ_TRY(btz_buf_add_byte(out, text.ptr[i]));
        else
            BTZ_TRY(btz_buf_printf(out, "%%%02X", text.ptr[i]));
    }
    return BTZ_OK;
}
