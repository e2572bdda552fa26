/* Where code stands in a Markdown text: CommonMark 0.31, 4.5 (fenced blocks) and 6.1 (code spans). */
#include "redteam/evidence.h"

#define REGIONS_MAX 256

struct fence {
    uint8_t mark; /* '`' or '~'; 0: outside */
    size_t len;
};

struct walk {
    struct fence fence;
    bool in_list;
};

static size_t run_of(struct btz_slice s, size_t at, uint8_t c)
{
    size_t n = 0;

    while (at + n < s.len && s.ptr[at + n] == c)
        n++;
    return n;
}

static bool is_blank(struct btz_slice line)
{
    return btz_slice_trim(line).len == 0;
}

static bool starts_item(struct btz_slice line)
{
    size_t at = 0;

    if (line.len > 1 && memchr("-*+", line.ptr[0], 3))
        return line.ptr[1] == ' ';
    while (at < line.len && at < 9 && line.ptr[at] >= '0' && line.ptr[at] <= '9')
        at++;
    return at > 0 && at + 1 < line.len && (line.ptr[at] == '.' || line.ptr[at] == ')') &&
           line.ptr[at + 1] == ' ';
}

/* Whether the line opens or closes a fence; keeps the state. Inside list items fences may stand deeper. */
static bool is_fence(struct walk *w, struct btz_slice line)
{
    size_t indent = 0, len;
    uint8_t mark;

    while (indent < line.len && (line.ptr[indent] == ' ' || line.ptr[indent] == '\t'))
        indent++;
    if (!w->fence.mark && indent == 0 && !is_blank(line))
        w->in_list = starts_item(line);
    if (indent == line.len || (indent > 3 && !w->in_list))
        return false;
    mark = line.ptr[indent];
    if (mark != '`' && mark != '~')
        return false;
    len = run_of(line, indent, mark);
    if (w->fence.mark) {
        if (mark != w->fence.mark || len < w->fence.len ||
            !is_blank(btz_slice_sub(line, indent + len, line.len)))
            return false;
        w->fence = (struct fence){ 0 };
        return true;
    }
    if (len < 3 || (mark == '`' && memchr(line.ptr + indent + len, '`', line.len - indent - len)))
        return false;
    w->fence = (struct fence){ .mark = mark, .len = len };
    return true;
}

/* A code span's closing run lies within the paragraph. SIZE_MAX: the run is plain text. */
static size_t span_end(struct btz_slice s, size_t at, size_t len)
{
    for (size_t i = at; i < s.len; i++) {
        size_t n;

        if (s.ptr[i] == '\n' && i + 1 < s.len && s.ptr[i + 1] == '\n')
            return SIZE_MAX;
        if (s.ptr[i] != '`')
            continue;
        n = run_of(s, i, '`');
        if (n == len)
            return i;
        i += n - 1;
    }
    return SIZE_MAX;
}

static void blur(uint8_t *text, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (text[i] != '\n')
            text[i] = ' ';
}

static void blur_spans(struct btz_slice s, uint8_t *text)
{
    for (size_t i = 0; i < s.len; i++) {
        size_t n, end;

        if (s.ptr[i] != '`')
            continue;
        n = run_of(s, i, '`');
        end = span_end(s, i + n, n);
        if (end == SIZE_MAX) {
            i += n - 1;
            continue;
        }
        blur(text, i, end + n);
        i = end + n - 1;
    }
}

enum btz_err btz_without_code(struct btz_slice in, struct btz_arena *arena, uint8_t **out)
{
    uint8_t *copy = (uint8_t *)btz_arena_str(arena, in);
    struct btz_reader lines = { .in = in, .what = "reply" };
    struct walk w = { 0 };
    struct btz_slice line;

    if (!copy)
        return BTZ_LIMIT;
    for (size_t at = 0; btz_read_line(&lines, &line); at = lines.at) {
        bool inside = w.fence.mark != 0, fence = is_fence(&w, line);

        if (inside || fence)
            blur(copy, at, at + line.len);
    }
    /* Spans are looked for where no fence is: a fence's own backticks are blurred by now. */
    {
        struct btz_slice rest;

        BTZ_TRY(btz_arena_copy(arena, btz_slice_of(copy, in.len), &rest));
        blur_spans(rest, copy);
    }
    *out = copy;
    return BTZ_OK;
}

/* ---- regions ---- */

struct regions {
    struct btz_region *items;
    size_t count;
};

static void add(struct regions *r, struct btz_slice in, size_t from, size_t to, bool code)
{
    struct btz_slice text = btz_slice_sub(in, from, to - from);

    if (r->count < REGIONS_MAX && to > from && btz_slice_trim(text).len > 0)
        r->items[r->count++] = (struct btz_region){ .text = text, .at = from, .code = code };
}

/* A paragraph, and each code span in it once more. */
static void add_paragraph(struct regions *r, struct btz_slice in, size_t from, size_t to)
{
    struct btz_slice s = btz_slice_sub(in, 0, to);

    add(r, in, from, to, false);
    for (size_t i = from; i < to; i++) {
        size_t n, end;

        if (s.ptr[i] != '`')
            continue;
        n = run_of(s, i, '`');
        end = span_end(s, i + n, n);
        if (end != SIZE_MAX) {
            add(r, in, i + n, end, true);
            i = end + n - 1;
        } else {
            i += n - 1;
        }
    }
}

enum btz_err btz_regions(struct btz_slice in, struct btz_arena *arena,
                         const struct btz_region **out, size_t *count)
{
    struct regions r = { .items = btz_arena_array(arena, REGIONS_MAX, sizeof *r.items) };
    struct btz_reader lines = { .in = in, .what = "reply" };
    struct walk w = { 0 };
    struct btz_slice line;
    size_t from = 0, at = 0; /* of the block or paragraph at hand */

    if (!r.items)
        return BTZ_LIMIT;
    for (; btz_read_line(&lines, &line); at = lines.at) {
        bool inside = w.fence.mark != 0, fence = is_fence(&w, line);

        if (inside && !fence)
            continue;
        if (inside) {
            add(&r, in, from, at, true);
            from = lines.at;
        } else if (fence || is_blank(line)) {
            add_paragraph(&r, in, from, at);
            from = lines.at;
        }
    }
    if (w.fence.mark)
        add(&r, in, from, in.len, true);
    else
        add_paragraph(&r, in, from, in.len);
    *out = r.items;
    *count = r.count;
    return BTZ_OK;
}
