/* Reading the trail: leaves out of a ledger of its own, proven one by one, opened, filtered. */
#include "access/trail/handle.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define MONTHS 8 /* keys kept while one reading lasts */

struct month_key {
    char month[BTZ_TRAIL_MONTH];
    bool found;
    uint8_t key[BTZ_TRAIL_KEY];
};

struct reading {
    struct btz_trail *t;
    struct btz_store *s;
    const struct btz_trail_filter *f;
    struct btz_ledger *ledger;
    struct month_key keys[MONTHS];
    size_t next_key, shown;
    uint8_t net[16];
    unsigned net_bits;
    btz_trail_fn *each;
    void *user;
};

/* ---- filters ---- */

/* IPv4 as ::ffff:a.b.c.d. */
static bool parse_address(const char *text, uint8_t out[16])
{
    static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

    if (inet_pton(AF_INET6, text, out) == 1)
        return true;
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, out + sizeof mapped) == 1;
}

static enum btz_err parse_net(const char *text, uint8_t net[16], unsigned *bits)
{
    const char *slash = strchr(text, '/');
    char address[64];
    uint64_t n, most;

    if (strlen(text) >= sizeof address)
        return btz_fail(BTZ_USAGE, "address \"%.64s\" is too long", text);
    snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : 63, text);
    if (!parse_address(address, net))
        return btz_fail(BTZ_USAGE, "\"%s\" is no address or network", text);
    most = n = strchr(address, ':') ? 128 : 32;
    if (slash && (btz_parse_u64(btz_str(slash + 1), &n) != BTZ_OK || n > most))
        return btz_fail(BTZ_USAGE, "\"%s\" is no network: expected /0 to /%u", text,
                        (unsigned)most);
    *bits = (unsigned)(128 - most + n);
    return BTZ_OK;
}

static bool in_net(const uint8_t a[16], const uint8_t net[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, net, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ net[whole]) >> (8 - rest) == 0;
}

static const char *text_of(const json_t *entry, const char *name)
{
    return json_string_value(json_object_get(entry, name));
}

static bool equals(const json_t *entry, const char *name, const char *wanted)
{
    const char *text = text_of(entry, name);

    return !wanted || (text && strcmp(text, wanted) == 0);
}

static bool fits(const json_t *entry, const char *name, const char *pattern)
{
    const char *text = text_of(entry, name);
    size_t len = pattern ? strlen(pattern) : 0;

    if (!pattern)
        return true;
    if (!text)
        return false;
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(text, pattern, len - 1) == 0;
    return strcmp(text, pattern) == 0;
}

static bool from_net(const struct reading *r, const json_t *entry)
{
    const char *text = text_of(entry, "address");
    uint8_t a[16];

    return !r->f->address || (text && parse_address(text, a) && in_net(a, r->net, r->net_bits));
}

static bool in_time(const struct btz_trail_filter *f, const json_t *entry)
{
    uint64_t ms;

    if (btz_time_parse(btz_str(text_of(entry, "time")), &ms) != BTZ_OK)
        return false;
    return ms >= f->from_ms && (f->until_ms == 0 || ms < f->until_ms);
}

/* What the leaf says in clear, before anything is opened. */
static bool may_match(const struct btz_trail_filter *f, const json_t *leaf)
{
    return equals(leaf, "event", f->event) && equals(leaf, "verdict", f->verdict) &&
           equals(leaf, "operation", f->operation) && fits(leaf, "action", f->action) &&
           in_time(f, leaf);
}

static bool matches(const struct reading *r, const json_t *entry)
{
    const struct btz_trail_filter *f = r->f;

    if (f->principal && !equals(entry, "principal", f->principal) &&
        !equals(entry, "name", f->principal))
        return false;
    return fits(entry, "resource", f->resource) && equals(entry, "key", f->key) &&
           equals(entry, "session", f->session) && equals(entry, "request", f->request) &&
           from_net(r, entry);
}

/* ---- opening ---- */

static enum btz_err find_key(struct reading *r, const char *month, const struct month_key **out)
{
    struct month_key *k;

    for (size_t i = 0; i < MONTHS; i++)
        if (strcmp(r->keys[i].month, month) == 0) {
            *out = &r->keys[i];
            return BTZ_OK;
        }
    k = &r->keys[r->next_key++ % MONTHS];
    k->month[0] = '\0';
    BTZ_TRY(btz_month_key(r->t, r->s, month, false, k->key, &k->found));
    snprintf(k->month, sizeof k->month, "%s", month);
    *out = k;
    return BTZ_OK;
}

static enum btz_err open_leaf(struct reading *r, json_t *leaf)
{
    const struct month_key *k;

    if (!json_object_get(leaf, "content"))
        return BTZ_OK;
    BTZ_TRY(find_key(r, text_of(leaf, "month"), &k));
    if (k->found)
        return btz_leaf_open(leaf, k->key, r->ledger);
    if (json_object_set_new(leaf, "content", json_string("deleted")) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

/* Somebody who could write the ledger wrote something that only looks like a leaf: told, not skipped. */
static enum btz_err stand_in(json_t **leaf, uint64_t index)
{
    *leaf = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "type", BTZ_TRAIL_TYPE, "id", "",
                      "time", "1970-01-01T00:00:00.000Z", "month", "1970-01", "event", "alarm",
                      "verdict", "error", "reason",
                      json_sprintf("ledger entry %" PRIu64 " is not of the trail's form: %s", index,
                                   btz_error_detail()));
    return *leaf ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err show(struct reading *r, uint64_t index, struct btz_slice entry)
{
    BTZ_JSON json_t *leaf = NULL;
    struct btz_trail_record record = { .index = index };

    if (!btz_is_leaf(entry))
        return BTZ_OK;
    if (btz_leaf_parse(entry, &leaf) != BTZ_OK)
        BTZ_TRY(stand_in(&leaf, index));
    if (!may_match(r->f, leaf))
        return BTZ_OK;
    BTZ_TRY(open_leaf(r, leaf));
    if (!matches(r, leaf))
        return BTZ_OK;
    record.entry = leaf;
    r->shown++;
    return r->each(r->user, &record);
}

static enum btz_err read_range(struct reading *r, uint64_t *read_to)
{
    BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    const struct btz_trail_filter *f = r->f;
    uint64_t from = f->from_index, until = btz_ledger_size(r->ledger);

    if (f->until_index != 0 && f->until_index < until)
        until = f->until_index;
    for (uint64_t seen = 0; from < until && (f->limit == 0 || r->shown < f->limit) &&
                            (f->look_at == 0 || seen < f->look_at);
         seen++) {
        uint64_t index = f->newest_first ? --until : from++;

        btz_buf_clear(&entry);
        BTZ_TRY(btz_ledger_entry(r->ledger, index, &entry));
        BTZ_TRY(show(r, index, btz_buf_slice(&entry)));
    }
    if (read_to)
        *read_to = f->newest_first ? (until > from ? until : f->from_index) : from;
    return BTZ_OK;
}

enum btz_err btz_trail_read(struct btz_trail *t, struct btz_store *s,
                            const struct btz_trail_filter *f, btz_trail_fn *each, void *user,
                            uint64_t *read_to)
{
    struct reading *r = calloc(1, sizeof *r);
    enum btz_err err = BTZ_OK;

    if (!r)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *r = (struct reading){ .t = t, .s = s, .f = f, .each = each, .user = user };
    if (f->address)
        err = parse_net(f->address, r->net, &r->net_bits);
    if (err == BTZ_OK)
        err = btz_ledger_open(t->dir, BTZ_LEDGER_READ, &r->ledger);
    if (err == BTZ_OK)
        err = read_range(r, read_to);
    btz_ledger_close(r->ledger);
    btz_wipe(r->keys, sizeof r->keys);
    free(r);
    return err;
}
