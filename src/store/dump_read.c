#include <math.h>

#include "store/dump.h"

#define BLOCK 65536

struct input {
    btz_dump_in *in;
    void *user;
    uint64_t offset; /* of what was taken */
    size_t at, len;  /* in `block` */
    uint8_t block[BLOCK];
    crypto_auth_hmacsha256_state mac;
};

static enum btz_err bad(const struct input *in, const char *what)
{
    return btz_fail(BTZ_INPUT, "backup: %s at byte %" PRIu64, what, in->offset);
}

/* Some of the next bytes: at most `want`, at least one. Authenticated unless `plain`. */
static enum btz_err some(struct input *in, size_t want, bool plain, struct btz_slice *out)
{
    if (in->at == in->len) {
        in->at = in->len = 0;
        BTZ_TRY(in->in(in->user, in->block, BLOCK, &in->len));
        if (in->len == 0)
            return bad(in, "the file is cut");
    }
    *out = btz_slice_of(in->block + in->at, want < in->len - in->at ? want : in->len - in->at);
    if (!plain)
        crypto_auth_hmacsha256_update(&in->mac, out->ptr, out->len);
    in->at += out->len;
    in->offset += out->len;
    return BTZ_OK;
}

static enum btz_err take(struct input *in, void *to, size_t n)
{
    struct btz_slice part;

    for (uint8_t *at = to; n > 0; n -= part.len, at += part.len) {
        BTZ_TRY(some(in, n, false, &part));
        memcpy(at, part.ptr, part.len);
    }
    return BTZ_OK;
}

static enum btz_err take_number(struct input *in, size_t bytes, uint64_t *out)
{
    uint8_t raw[8];

    BTZ_TRY(take(in, raw, bytes));
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out = *out << 8 | raw[i];
    return BTZ_OK;
}

static enum btz_err take_name(struct input *in, char out[BTZ_DUMP_NAME])
{
    uint8_t len;

    BTZ_TRY(take(in, &len, 1));
    if (len == 0 || len >= BTZ_DUMP_NAME)
        return bad(in, "a name of a wrong length");
    BTZ_TRY(take(in, out, len));
    out[len] = '\0';
    if (strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
        return bad(in, "a name with other characters than a-z, 0-9 and _");
    return BTZ_OK;
}

static enum btz_err take_part(struct input *in, struct btz_dump_part *p)
{
    uint64_t version;

    BTZ_TRY(take_name(in, p->name));
    BTZ_TRY(take_number(in, 4, &version));
    p->version = (uint32_t)version;
    return take(in, p->digest, sizeof p->digest);
}

static enum btz_err take_table(struct input *in, struct btz_dump_table *t)
{
    uint8_t count, kind;

    BTZ_TRY(take_name(in, t->name));
    BTZ_TRY(take_number(in, 8, &t->next));
    if (t->next > INT64_MAX)
        return bad(in, "a number out of range");
    BTZ_TRY(take(in, &count, 1));
    if (count == 0 || count > BTZ_STORE_COLUMNS_MAX)
        return bad(in, "a table of a wrong number of columns");
    t->count = count;
    for (size_t i = 0; i < count; i++) {
        BTZ_TRY(take_name(in, t->column[i].name));
        BTZ_TRY(take(in, &kind, 1));
        if (kind < BTZ_VALUE_INT || kind > BTZ_VALUE_BLOB)
            return bad(in, "a column of an unknown kind");
        t->column[i].kind = kind;
        for (size_t k = 0; k < i; k++)
            if (strcmp(t->column[k].name, t->column[i].name) == 0)
                return bad(in, "a column twice");
    }
    return BTZ_OK;
}

/* Bytes of a value into `row`; memory grows with what is there, not with what the file claims. */
static enum btz_err take_bytes(struct input *in, struct btz_buf *row, size_t *len)
{
    struct btz_slice part;
    uint64_t left;

    BTZ_TRY(take_number(in, 4, &left));
    if (left > BTZ_STORE_VALUE_MAX)
        return bad(in, "a value that is too long");
    *len = (size_t)left;
    for (; left > 0; left -= part.len) {
        BTZ_TRY(some(in, (size_t)left, false, &part));
        BTZ_TRY(btz_buf_add_slice(row, part));
    }
    return BTZ_OK;
}

static enum btz_err take_value(struct input *in, enum btz_value_kind column, struct btz_buf *row,
                               struct btz_value *out)
{
    uint64_t bits;
    uint8_t kind;

    BTZ_TRY(take(in, &kind, 1));
    *out = (struct btz_value){ .kind = kind };
    if (kind == BTZ_VALUE_NULL)
        return BTZ_OK;
    if (kind != column)
        return bad(in, "a value of another kind than its column");
    if (kind == BTZ_VALUE_TEXT || kind == BTZ_VALUE_BLOB)
        return take_bytes(in, row, &out->bytes.len);
    BTZ_TRY(take_number(in, 8, &bits));
    if (kind == BTZ_VALUE_INT)
        out->i = (int64_t)bits;
    else
        memcpy(&out->real, &bits, sizeof bits);
    return kind == BTZ_VALUE_REAL && !isfinite(out->real) ? bad(in, "a number that is not finite")
                                                          : BTZ_OK;
}

static enum btz_err take_row(struct input *in, const struct btz_dump_table *t, struct btz_buf *row,
                             struct btz_value *values)
{
    size_t at = 0;

    btz_buf_clear(row);
    for (size_t i = 0; i < t->count; i++)
        BTZ_TRY(take_value(in, t->column[i].kind, row, &values[i]));
    /* Only now: the buffer has moved while it grew. */
    for (size_t i = 0; i < t->count; i++) {
        if (values[i].kind != BTZ_VALUE_TEXT && values[i].kind != BTZ_VALUE_BLOB)
            continue;
        values[i].bytes.ptr = row->ptr ? row->ptr + at : NULL;
        at += values[i].bytes.len;
        if (values[i].kind == BTZ_VALUE_TEXT && values[i].bytes.len > 0 &&
            (memchr(values[i].bytes.ptr, 0, values[i].bytes.len) || !btz_is_utf8(values[i].bytes)))
            return bad(in, "a text that is not UTF-8");
    }
    return BTZ_OK;
}

static enum btz_err take_head(struct input *in, const uint8_t *key)
{
    static const char magic[] = "bartizan store backup 1\n";
    static const uint8_t zeros[32];
    uint8_t head[sizeof magic - 1], keyed;

    crypto_auth_hmacsha256_init(&in->mac, key ? key : zeros, 32);
    BTZ_TRY(take(in, head, sizeof head));
    if (memcmp(head, magic, sizeof head) != 0)
        return btz_fail(BTZ_INPUT, "backup: not a backup of this version of bartizan");
    BTZ_TRY(take(in, &keyed, 1));
    if (keyed > 1)
        return bad(in, "an unknown kind of digest");
    if (keyed && !key)
        return btz_fail(BTZ_DENIED,
                        "backup: it is signed with the key of an installation; that key is needed");
    if (!keyed && key)
        return btz_fail(BTZ_DENIED, "backup: it is not signed with the key of this installation");
    return BTZ_OK;
}

static enum btz_err take_end(struct input *in, const uint8_t *key, uint64_t rows)
{
    uint8_t want[BTZ_SHA256_LEN], mac[BTZ_SHA256_LEN];
    struct btz_slice part;
    uint64_t counted;

    BTZ_TRY(take_number(in, 8, &counted));
    crypto_auth_hmacsha256_final(&in->mac, want);
    for (size_t n = 0; n < sizeof mac; n += part.len) {
        BTZ_TRY(some(in, sizeof mac - n, true, &part));
        memcpy(mac + n, part.ptr, part.len);
    }
    if (!btz_equal_ct(mac, want, sizeof mac))
        return key ? btz_fail(BTZ_DENIED, "backup: damaged, or of another installation: its digest "
                                          "does not match the seal key; put that of its "
                                          "installation (access/seal.key of its state, or "
                                          "access.seal_key) in place first")
                   : btz_fail(BTZ_INPUT, "backup: damaged: its digest does not match");
    if (counted != rows)
        return bad(in, "a wrong number of rows");
    if (in->at == in->len)
        BTZ_TRY(in->in(in->user, in->block, BLOCK, &in->len));
    else
        return bad(in, "something behind the end");
    return in->len == 0 ? BTZ_OK : bad(in, "something behind the end");
}

/* What stands where: parts, then tables with their rows, then the end. */
struct progress {
    bool parts_over;
    size_t parts, tables;
    uint64_t rows;
    struct btz_dump_part part;
    struct btz_dump_table table;
};

static enum btz_err end_parts(struct progress *p, const struct btz_dump_sink *sink)
{
    if (p->parts_over)
        return BTZ_OK;
    p->parts_over = true;
    return sink->parts_end ? sink->parts_end(sink->user) : BTZ_OK;
}

static enum btz_err see_part(struct input *in, struct progress *p, const struct btz_dump_sink *sink)
{
    char before[BTZ_DUMP_NAME];

    memcpy(before, p->part.name, sizeof before);
    BTZ_TRY(take_part(in, &p->part));
    if (p->parts_over || ++p->parts > BTZ_DUMP_PARTS ||
        (p->parts > 1 && strcmp(before, p->part.name) >= 0))
        return bad(in, "a part in a wrong place");
    return sink->part ? sink->part(sink->user, &p->part) : BTZ_OK;
}

static enum btz_err see_table(struct input *in, struct progress *p,
                              const struct btz_dump_sink *sink)
{
    char before[BTZ_DUMP_NAME];

    BTZ_TRY(end_parts(p, sink));
    memcpy(before, p->table.name, sizeof before);
    BTZ_TRY(take_table(in, &p->table));
    if (++p->tables > BTZ_DUMP_TABLES || (p->tables > 1 && strcmp(before, p->table.name) >= 0))
        return bad(in, "a table in a wrong place");
    return sink->table ? sink->table(sink->user, &p->table) : BTZ_OK;
}

static enum btz_err see_row(struct input *in, struct progress *p, struct btz_buf *row,
                            const struct btz_dump_sink *sink)
{
    struct btz_value values[BTZ_STORE_COLUMNS_MAX];

    if (p->tables == 0)
        return bad(in, "a row before any table");
    BTZ_TRY(take_row(in, &p->table, row, values));
    p->rows++;
    return sink->row ? sink->row(sink->user, &p->table, values) : BTZ_OK;
}

static enum btz_err read_all(struct input *in, struct progress *p, struct btz_buf *row,
                             const uint8_t *key, const struct btz_dump_sink *sink)
{
    uint8_t tag;

    BTZ_TRY(take_head(in, key));
    for (;;) {
        BTZ_TRY(take(in, &tag, 1));
        switch (tag) {
        case 'P':
            BTZ_TRY(see_part(in, p, sink));
            break;
        case 'T':
            BTZ_TRY(see_table(in, p, sink));
            break;
        case 'R':
            BTZ_TRY(see_row(in, p, row, sink));
            break;
        case 'E':
            BTZ_TRY(end_parts(p, sink));
            return take_end(in, key, p->rows);
        default:
            return bad(in, "an unknown record");
        }
    }
}

enum btz_err btz_dump_read(btz_dump_in *in, void *in_user, const uint8_t *key,
                           const struct btz_dump_sink *sink)
{
    BTZ_BUF_RELEASE struct btz_buf row = BTZ_BUF(BTZ_DUMP_ROW_MAX);
    struct input input = { .in = in, .user = in_user };
    struct progress progress = { 0 };

    return read_all(&input, &progress, &row, key, sink);
}
