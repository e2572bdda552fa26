#include "access/policy/pattern.h"

#include <arpa/inet.h>

#define RESOURCE_MAX 512
#define NAME_MAX_LEN 127

struct btz_pattern btz_pattern_of(const char *text)
{
    struct btz_pattern p = { .text = btz_str(text) };

    p.prefix = p.text.len > 0 && p.text.ptr[p.text.len - 1] == '*';
    if (p.prefix)
        p.text.len--;
    return p;
}

bool btz_pattern_matches(const struct btz_pattern *p, struct btz_slice name)
{
    return p->prefix ? btz_slice_has_prefix(name, p->text) : btz_slice_equal(name, p->text);
}

bool btz_resource_has_kind(struct btz_slice resource, const char *kind)
{
    size_t n = strlen(kind);

    return resource.len > n + 1 && memcmp(resource.ptr, kind, n) == 0 && resource.ptr[n] == '/';
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._@+-", c));
}

bool btz_is_policy_name(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > NAME_MAX_LEN || !is_name_byte(text[0]) || strchr("._@+-", text[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_name_byte(text[i]))
            return false;
    return true;
}

enum btz_err btz_name_pattern_check(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > RESOURCE_MAX)
        return btz_fail(BTZ_USAGE, "a pattern has 1 to %d bytes", RESOURCE_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            return btz_fail(BTZ_USAGE, "`%s`: no spaces or control characters in a pattern", text);
        if (text[i] == '*' && i + 1 < n)
            return btz_fail(BTZ_USAGE, "`%s`: a star stands only at the end of a pattern", text);
    }
    return BTZ_OK;
}

static const char *nearest_kind(const char *word)
{
    const char *kinds[256];

    for (size_t i = 0; i < btz_action_count; i++)
        kinds[i] = btz_actions[i].resource;
    return btz_nearest(word, kinds, btz_action_count);
}

enum btz_err btz_resource_pattern_check(const char *text)
{
    const char *slash = strchr(text, '/'), *near;
    char kind[64];

    BTZ_TRY(btz_name_pattern_check(text));
    if (strcmp(text, "*") == 0)
        return BTZ_OK;
    if (!slash || slash == text || !slash[1] || (size_t)(slash - text) >= sizeof kind)
        return btz_fail(BTZ_USAGE,
                        "`%s` is no resource: write KIND/NAME such as model/gpt-4o, model/* or *",
                        text);
    memcpy(kind, text, (size_t)(slash - text));
    kind[slash - text] = 0;
    for (size_t i = 0; i < btz_action_count; i++)
        if (strcmp(btz_actions[i].resource, kind) == 0)
            return BTZ_OK;
    near = nearest_kind(kind);
    return btz_fail(BTZ_USAGE, "`%s`: there is no kind of resource `%s`%s%s%s", text, kind,
                    near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

enum btz_err btz_action_pattern_check(const char *text)
{
    const char *names[256], *near;

    for (size_t i = 0; i < btz_action_count; i++) {
        if (btz_action_matches(text, &btz_actions[i]))
            return BTZ_OK;
        names[i] = btz_actions[i].name;
    }
    near = btz_nearest(text, names, btz_action_count);
    return btz_fail(BTZ_USAGE, "there is no action `%s`%s%s%s", text,
                    near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

enum btz_err btz_scope_parse(const char *text, struct btz_arena *arena, const char **action,
                             const char **resource)
{
    const char *space = strchr(text, ' ');
    size_t n = space ? (size_t)(space - text) : strlen(text);
    char *a = btz_arena_str(arena, btz_slice_of(text, n));

    if (!a)
        return BTZ_LIMIT;
    if (btz_action_pattern_check(a) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "scope `%s`", text);
    if (space && btz_resource_pattern_check(space + 1) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "scope `%s`", text);
    *action = a;
    *resource = space ? space + 1 : "*";
    return BTZ_OK;
}

bool btz_scope_has_action(const char *pattern, const struct btz_action *action)
{
    return action->administrative ? strcmp(pattern, action->name) == 0
                                  : btz_action_matches(pattern, action);
}

/* ---- addresses ---- */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

enum btz_err btz_address_parse(const char *text, struct btz_address *out)
{
    struct btz_address a = { .known = true };

    memcpy(a.b, mapped, sizeof mapped);
    if (inet_pton(AF_INET, text, a.b + 12) != 1 && inet_pton(AF_INET6, text, a.b) != 1)
        return btz_fail(BTZ_USAGE, "`%.64s` is no IPv4 or IPv6 address", text);
    *out = a;
    return BTZ_OK;
}

static bool has_bits_behind(const struct btz_net *n)
{
    for (unsigned i = n->bits; i < 128; i++)
        if (n->b[i / 8] & (0x80u >> i % 8))
            return true;
    return false;
}

enum btz_err btz_net_parse(const char *text, struct btz_net *out)
{
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    struct btz_address a;
    uint64_t bits;
    char address[64];

    if (n >= sizeof address)
        return btz_fail(BTZ_USAGE, "`%.64s` is no network", text);
    memcpy(address, text, n);
    address[n] = 0;
    BTZ_TRY(btz_address_parse(address, &a));
    memcpy(out->b, a.b, sizeof out->b);
    bits = strchr(address, ':') ? 128 : 32;
    if (slash) {
        uint64_t given;

        if (btz_parse_u64(btz_str(slash + 1), &given) != BTZ_OK || given > bits)
            return btz_fail(BTZ_USAGE, "`%s`: the length of a network's prefix is 0 to %u", text,
                            (unsigned)bits);
        bits = given;
    }
    if (!strchr(address, ':'))
        bits += 96;
    out->bits = (uint8_t)bits;
    out->v4 = memcmp(a.b, mapped, sizeof mapped) == 0 && bits >= 96;
    if (has_bits_behind(out))
        return btz_fail(BTZ_USAGE, "`%s`: bits are set behind the prefix of the network", text);
    return BTZ_OK;
}

bool btz_net_has(const struct btz_net *n, const struct btz_address *a)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;

    if (!a->known || n->v4 != (memcmp(a->b, mapped, sizeof mapped) == 0))
        return false;
    return memcmp(n->b, a->b, whole) == 0 &&
           (rest == 0 || ((n->b[whole] ^ a->b[whole]) & (0xff00u >> rest) & 0xff) == 0);
}
