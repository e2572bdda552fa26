/*
 * Pins of the tools of MCP servers. A tool whose description is not the one that was looked at is taken out of lists and
 * not called. Where the settings pin nothing, what is seen first is remembered in <state>/gate/pins/SERVER, a line
 * "tool digest" for each; deleting a line accepts what is seen next.
 */
#include "gate/exchange.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define PINS_MAX  1024
#define BYTES_MAX ((size_t)PINS_MAX * 256)
#define HEX       (2 * BTZ_SHA256_LEN)

struct pin {
    struct btz_slice tool, digest;
};

/* What is remembered of one server, while its list is judged. */
struct pins {
    int fd;
    const char *path;
    struct btz_buf text, added;
    struct pin *pin; /* sorted; arena */
    size_t count, added_count;
};

static bool is_plain(struct btz_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 127)
            return false;
    return name.len > 0 && name.len <= 128;
}

static int compare(const void *a, const void *b)
{
    const struct pin *x = a, *y = b;
    size_t n = x->tool.len < y->tool.len ? x->tool.len : y->tool.len;
    int order = n ? memcmp(x->tool.ptr, y->tool.ptr, n) : 0;

    return order ? order : (x->tool.len > y->tool.len) - (x->tool.len < y->tool.len);
}

static bool parse_line(struct btz_slice line, struct pin *out)
{
    size_t blank = btz_slice_find(line, btz_str(" "), 0);
    uint8_t digest[HEX / 2];

    if (blank == SIZE_MAX)
        return false;
    out->tool = btz_slice_sub(line, 0, blank);
    out->digest = btz_slice_sub(line, blank + 1, line.len);
    return is_plain(out->tool) && btz_unhex(out->digest, digest, sizeof digest) == BTZ_OK;
}

/* A line that cannot be read may have been the pin of a tool: it is not taken for one that was never seen. */
static enum btz_err parse(struct btz_exchange *x, struct pins *p)
{
    struct btz_reader reader = { .in = btz_buf_slice(&p->text), .what = "pins" };
    struct btz_slice line;

    p->pin = btz_arena_array(&x->arena, PINS_MAX, sizeof *p->pin);
    if (!p->pin)
        return BTZ_LIMIT;
    while (p->count < PINS_MAX && btz_read_line(&reader, &line))
        if (!parse_line(line, &p->pin[p->count++]))
            return btz_fail(BTZ_INPUT,
                            "%s:%zu: no pin of a tool: expected its name, a space and 64 hex "
                            "digits; mend the line, or delete it, and what that server says next "
                            "is accepted",
                            p->path, p->count);
    qsort(p->pin, p->count, sizeof *p->pin, compare);
    return BTZ_OK;
}

/* What was written last and not to its end was of nobody's answer: its list waited for it. */
static enum btz_err drop_half(struct pins *p)
{
    size_t whole = p->text.len;

    while (whole > 0 && p->text.ptr[whole - 1] != '\n')
        whole--;
    if (whole == p->text.len)
        return BTZ_OK;
    p->text.len = whole;
    return ftruncate(p->fd, (off_t)whole) == 0 ? BTZ_OK : btz_fail_errno(BTZ_IO, "%s", p->path);
}

static enum btz_err open_pins(struct btz_exchange *x, struct pins *p)
{
    const char *path =
        btz_arena_printf(&x->arena, "%s/%s", x->gate->pins_path, x->route->mcp->name);
    uint8_t block[16384];
    ssize_t n;

    *p = (struct pins){
        .fd = -1, .path = path, .text = BTZ_BUF(BYTES_MAX), .added = BTZ_BUF(BYTES_MAX)
    };
    if (!path)
        return BTZ_LIMIT;
    BTZ_TRY(btz_file_mkdirs(x->gate->pins_path, 0700));
    p->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* Another worker that holds it is done in a moment: the client asks again. */
    if (p->fd < 0 || flock(p->fd, LOCK_EX | LOCK_NB) != 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    while ((n = read(p->fd, block, sizeof block)) > 0)
        BTZ_TRY(btz_buf_add(&p->text, block, (size_t)n));
    if (n < 0)
        return btz_fail_errno(BTZ_IO, "read %s", path);
    BTZ_TRY(drop_half(p));
    return parse(x, p);
}

static enum btz_err close_pins(struct pins *p, bool keep)
{
    enum btz_err err = BTZ_OK;

    if (keep && p->added.len > 0)
        err = btz_fd_write_all(p->fd, btz_buf_slice(&p->added), p->path);
    /* Before the list goes on: what was answered must not be forgotten and seen "first" again. */
    if (keep && p->added.len > 0 && err == BTZ_OK && fdatasync(p->fd) < 0)
        err = btz_fail_errno(BTZ_IO, "sync %s", p->path);
    if (p->fd >= 0)
        close(p->fd);
    btz_buf_release(&p->text);
    btz_buf_release(&p->added);
    return err;
}

static const char *configured(const struct btz_mcp_conf *mcp, struct btz_slice tool)
{
    const struct btz_pin_conf *pins = mcp->pins.items;

    for (size_t i = 0; i < mcp->pins.count; i++)
        if (btz_slice_is(tool, pins[i].tool))
            return pins[i].digest;
    return NULL;
}

/* As it was seen first, or seen first now. */
static bool is_remembered(struct pins *p, struct btz_slice tool, const char *digest)
{
    struct pin key = { .tool = tool }, *found;

    if (!is_plain(tool))
        return false;
    found = bsearch(&key, p->pin, p->count, sizeof key, compare);
    if (found)
        return btz_slice_is(found->digest, digest);
    if (p->count + p->added_count == PINS_MAX)
        return false;
    p->added_count++;
    return btz_buf_printf(&p->added, "%.*s %s\n", BTZ_SLICE_ARG(tool), digest) == BTZ_OK;
}

static bool is_pinned(struct btz_exchange *x, struct pins *p, const struct btz_tool *tool)
{
    const struct btz_mcp_conf *mcp = x->route->mcp;
    const char *pin = configured(mcp, tool->name);
    uint8_t digest[BTZ_SHA256_LEN];
    char hex[HEX + 1];

    btz_tool_digest(tool->name, tool->description, tool->schema, digest);
    btz_hex(digest, sizeof digest, hex);
    if (pin)
        return strcmp(pin, hex) == 0;
    return !mcp->pinned && is_remembered(p, tool->name, hex);
}

enum btz_step btz_exchange_pins(struct btz_exchange *x, const struct btz_message *m,
                                struct btz_unpinned *out)
{
    struct pins pins;

    if (!x->route->mcp || m->tool_count == 0)
        return BTZ_STEP_GO;
    out->is = btz_arena_array(&x->arena, m->tool_count, sizeof *out->is);
    if (!out->is)
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    if (open_pins(x, &pins) != BTZ_OK) {
        (void)close_pins(&pins, false);
        return btz_exchange_unavailable(x, "pins_unavailable", "the pins of tools cannot be read");
    }
    for (size_t i = 0; i < m->tool_count; i++) {
        const char *name;

        out->is[i] = !is_pinned(x, &pins, &m->tools[i]);
        if (!out->is[i])
            continue;
        name = btz_arena_str(&x->arena, m->tools[i].name);
        snprintf(x->reason, sizeof x->reason,
                 "the tool %.80s is not as it was pinned and was taken out", name ? name : "");
    }
    if (close_pins(&pins, true) != BTZ_OK)
        return btz_exchange_unavailable(x, "pins_unavailable", "the pins of tools cannot be kept");
    return BTZ_STEP_GO;
}

void btz_exchange_take_out(struct btz_exchange *x, struct btz_message *m,
                           const struct btz_unpinned *unpinned)
{
    json_t *tools = json_object_get(json_object_get(m->root, "result"), "tools");
    size_t count = json_array_size(tools);
    bool any = false;

    /* A list of another length is not the one that was judged: nothing of it goes on. */
    for (size_t i = count; unpinned->is && i-- > 0;) {
        if (count == m->tool_count && !unpinned->is[i])
            continue;
        json_array_remove(tools, i);
        any = true;
    }
    if (!any)
        return;
    m->changed = x->changed_out = true;
    m->tool_count = m->part_count = 0;
}

bool btz_exchange_may_call(const struct btz_exchange *x, struct btz_slice tool)
{
    return !x->route->mcp || !x->route->mcp->pinned || configured(x->route->mcp, tool);
}
