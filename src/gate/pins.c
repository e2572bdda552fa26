/*
 * Pins of the tools of MCP servers. A tool whose description is not the one that was looked at is taken out of lists and
 * not called. Where the settings pin nothing, what is seen first is remembered in <state>/gate/pins.
 */
#include "gate/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define PINS_MAX (4u << 20)

/* "server tool digest\n" for each; names hold no blanks, others are not remembered and so not passed. */
static bool is_plain(struct btz_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 127)
            return false;
    return name.len > 0 && name.len <= 128;
}

static const char *configured(const struct btz_mcp_conf *mcp, struct btz_slice tool)
{
    const struct btz_pin_conf *pins = mcp->pins.items;

    for (size_t i = 0; i < mcp->pins.count; i++)
        if (btz_slice_is(tool, pins[i].tool))
            return pins[i].digest;
    return NULL;
}

static enum btz_err remember(struct btz_exchange *x, struct btz_slice tool, const char *digest,
                             bool *fits)
{
    BTZ_CLOSE_FD int fd =
        open(x->gate->pins_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(PINS_MAX + 512u);
    struct btz_reader reader = { .what = "pins" };
    struct btz_slice line;
    const char *start;
    uint8_t block[65536];
    ssize_t n;

    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        return btz_fail_errno(BTZ_IO, "%s", x->gate->pins_path);
    while ((n = read(fd, block, sizeof block)) > 0)
        BTZ_TRY(btz_buf_add(&text, block, (size_t)n));
    start = btz_arena_printf(&x->arena, "%s %.*s ", x->route->mcp->name, BTZ_SLICE_ARG(tool));
    if (!start)
        return BTZ_LIMIT;
    reader.in = btz_buf_slice(&text);
    while (btz_read_line(&reader, &line))
        if (btz_slice_has_prefix(line, btz_str(start))) {
            *fits = btz_slice_is(btz_slice_sub(line, strlen(start), line.len), digest);
            return BTZ_OK;
        }
    if (text.len > PINS_MAX - 512)
        return btz_fail(BTZ_LIMIT, "%s: full", x->gate->pins_path);
    btz_buf_clear(&text);
    BTZ_TRY(btz_buf_printf(&text, "%s%s\n", start, digest));
    *fits = true;
    return btz_fd_write_all(fd, btz_buf_slice(&text), x->gate->pins_path);
}

static bool is_pinned(struct btz_exchange *x, const struct btz_tool *tool)
{
    const struct btz_mcp_conf *mcp = x->route->mcp;
    const char *pin = configured(mcp, tool->name);
    uint8_t digest[BTZ_SHA256_LEN];
    char hex[2 * BTZ_SHA256_LEN + 1];
    bool fits = false;

    btz_tool_digest(tool->name, tool->description, tool->schema, digest);
    btz_hex(digest, sizeof digest, hex);
    if (pin)
        return strcmp(pin, hex) == 0;
    if (mcp->pinned || !is_plain(tool->name))
        return false;
    return remember(x, tool->name, hex, &fits) == BTZ_OK && fits;
}

enum btz_step btz_exchange_pins(struct btz_exchange *x, const struct btz_message *m,
                                struct btz_unpinned *out)
{
    if (!x->route->mcp || m->tool_count == 0)
        return BTZ_STEP_GO;
    out->is = btz_arena_array(&x->arena, m->tool_count, sizeof *out->is);
    if (!out->is)
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    for (size_t i = 0; i < m->tool_count; i++) {
        out->is[i] = !is_pinned(x, &m->tools[i]);
        if (!out->is[i])
            continue;
        snprintf(x->reason, sizeof x->reason,
                 "the tool %.80s is not as it was pinned and was taken out",
                 btz_arena_str(&x->arena, m->tools[i].name));
    }
    return BTZ_STEP_GO;
}

void btz_exchange_take_out(struct btz_exchange *x, struct btz_message *m,
                           const struct btz_unpinned *unpinned)
{
    json_t *tools = json_object_get(json_object_get(m->root, "result"), "tools");
    size_t count = json_array_size(tools);

    /* A list of another length is not the one that was judged: nothing of it goes on. */
    for (size_t i = count; unpinned->is && i-- > 0;) {
        if (count == m->tool_count && !unpinned->is[i])
            continue;
        json_array_remove(tools, i);
        m->changed = x->changed_out = true;
    }
    if (m->changed)
        m->tool_count = 0;
}

bool btz_exchange_may_call(const struct btz_exchange *x, struct btz_slice tool)
{
    return !x->route->mcp || !x->route->mcp->pinned || configured(x->route->mcp, tool);
}
