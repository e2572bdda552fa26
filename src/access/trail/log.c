/*
 * Entries of the gateway's journal: from the caller straight into the ledger, without the outbox. Under the same locks as
 * a flush, so neither sees the other half done. The leaf begins with which record it is of; a flush that looks for its own
 * rows passes over such leaves without parsing them, for none of them ever had a row.
 */
#include "access/trail/handle.h"

#include <sodium.h>

#define PREFIX     "{\"type\":\"" BTZ_TRAIL_TYPE "\",\"journal\":\""
#define TELL_NS    UINT64_C(10000000000)
#define ABOUT_SIZE 96
#define TIME_MS    20 /* where milliseconds stand in "2026-11-28T20:10:55.123Z" */

static const char *const verdicts[] = { "allow", "deny", "error", "step-up" };

bool btz_is_logged(struct btz_slice entry)
{
    return btz_slice_has_prefix(entry, btz_str(PREFIX));
}

uint64_t btz_trail_log_size(const struct btz_trail *t)
{
    return t->log_size;
}

/* ---- the key of the month: made and kept in a transaction of its own ---- */

static enum btz_err committed_key(struct btz_trail *t, struct btz_store *s, const char *month)
{
    enum btz_err err;
    bool found;

    BTZ_TRY(btz_store_begin(s));
    err = btz_month_key(t, s, month, true, t->log_key, &found);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    if (err != BTZ_OK) {
        btz_store_rollback(s);
        return err;
    }
    memcpy(t->log_month, month, BTZ_TRAIL_MONTH);
    return BTZ_OK;
}

static enum btz_err tell_number(struct btz_trail *t, struct btz_store *s)
{
    struct btz_value values[] = { btz_value_int((int64_t)t->log_entries),
                                  btz_value_str(t->log_month) };

    if (t->log_entries == 0)
        return BTZ_OK;
    BTZ_TRY(btz_store_run(s, "UPDATE trail_months SET entries = entries + ? WHERE month = ?",
                          values, BTZ_COUNT(values), NULL));
    t->log_entries = 0;
    return BTZ_OK;
}

static enum btz_err use_month(struct btz_trail *t, struct btz_store *s, const char *month)
{
    if (strcmp(t->log_month, month) == 0)
        return BTZ_OK;
    BTZ_TRY(tell_number(t, s));
    t->log_month[0] = '\0';
    return committed_key(t, s, month);
}

/* ---- a leaf ---- */

struct made {
    struct btz_trail *t;
    struct btz_store *s;
    const struct btz_trail_call *calls;
    size_t count;
    void (*between)(void *user, size_t i);
    void *user;
    uint64_t now, month_began;
    struct btz_buf content, sealed, evidence, rows;
    unsigned char place[BTZ_TRAIL_PARTS]; /* of the parts of the call at hand */
    size_t end[BTZ_TRAIL_LOG_MAX];        /* of each leaf in t->log_leaves */
    bool has_evidence;
    char when[BTZ_TIME_TEXT]; /* of when_ms */
    uint64_t when_ms;
    struct fresh { /* random bytes, asked for once for all entries */
        uint8_t id[BTZ_ID_RANDOM], nonce[BTZ_TRAIL_NONCE];
    } fresh[BTZ_TRAIL_LOG_MAX];
};

/* A piece of evidence whose row is to be there before it is. */
struct piece {
    char id[BTZ_ID_TEXT], digest[65], commitment[65];
    const char *kind;
};

static enum btz_err add_part(struct btz_buf *to, const struct btz_trail_part *p, bool first)
{
    uint8_t *at;

    BTZ_TRY(btz_buf_reserve(to, p->name.len + p->value.len + 4));
    at = to->ptr + to->len;
    if (!first)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, p->name.ptr, p->name.len);
    at += p->name.len;
    *at++ = '"';
    *at++ = ':';
    memcpy(at, p->value.ptr, p->value.len);
    to->len = (size_t)(at - to->ptr) + p->value.len;
    return BTZ_OK;
}

/* Entries of one second follow each other: its text is made once. */
static void write_time(struct made *m, uint64_t ms, char out[BTZ_TIME_TEXT])
{
    if (m->when[0] == '\0' || ms / 1000 != m->when_ms / 1000) {
        btz_time_format(ms, m->when);
        m->when_ms = ms;
    }
    memcpy(out, m->when, BTZ_TIME_TEXT);
    out[TIME_MS] = (char)('0' + ms % 1000 / 100);
    out[TIME_MS + 1] = (char)('0' + ms % 100 / 10);
    out[TIME_MS + 2] = (char)('0' + ms % 10);
}

static enum btz_err seal_evidence(struct made *m, const struct btz_trail_call *c,
                                  struct piece *piece)
{
    char about[ABOUT_SIZE];

    btz_buf_clear(&m->evidence);
    piece->kind = m->t->has_auditor ? "secret" : "bodies";
    if (c->secret.len > BTZ_TRAIL_SECRET_MAX)
        return btz_fail(BTZ_LIMIT, "evidence of %zu bytes; at most %u", c->secret.len,
                        BTZ_TRAIL_SECRET_MAX);
    if (!m->t->has_auditor) {
        snprintf(about, sizeof about, BTZ_TRAIL_TYPE "/%s/bodies", piece->id);
        return btz_month_seal(m->t->log_key, about, c->secret, &m->evidence);
    }
    BTZ_TRY(btz_buf_reserve(&m->evidence, c->secret.len + crypto_box_SEALBYTES));
    if (crypto_box_seal(m->evidence.ptr, c->secret.ptr, c->secret.len, m->t->auditor_key) != 0)
        return btz_fail(BTZ_USAGE, "the auditor key is not a key that can be sealed to");
    m->evidence.len = c->secret.len + crypto_box_SEALBYTES;
    return BTZ_OK;
}

static enum btz_err add_evidence(struct made *m, const struct btz_trail_call *c,
                                 struct piece *piece)
{
    uint8_t digest[BTZ_SHA256_LEN], commitment[BTZ_SHA256_LEN];

    BTZ_TRY(seal_evidence(m, c, piece));
    BTZ_TRY(
        btz_ledger_stage_evidence(m->t->ledger, btz_buf_slice(&m->evidence), digest, commitment));
    btz_hex(digest, sizeof digest, piece->digest);
    btz_hex(commitment, sizeof commitment, piece->commitment);
    BTZ_TRY(btz_buf_add(&m->rows, piece, sizeof *piece));
    return btz_buf_printf(&m->content, ",\"%s\":{\"digest\":\"%s\",\"bytes\":%zu}", piece->kind,
                          piece->digest, c->secret.len);
}

static enum btz_err add_parts(const struct made *m, const struct btz_trail_call *c,
                              enum btz_leaf_place place, struct btz_buf *to, bool *first)
{
    for (size_t i = 0; i < c->count; i++) {
        if (m->place[i] != place)
            continue;
        BTZ_TRY(add_part(to, &c->parts[i], *first));
        *first = false;
    }
    return BTZ_OK;
}

static enum btz_err write_content(struct made *m, const struct btz_trail_call *c,
                                  struct piece *piece)
{
    bool first = true, first_of_call = true;

    BTZ_TRY(btz_buf_add_byte(&m->content, '{'));
    BTZ_TRY(add_parts(m, c, BTZ_LEAF_SEALED, &m->content, &first));
    BTZ_TRY(btz_buf_add_str(&m->content, first ? "\"call\":{" : ",\"call\":{"));
    BTZ_TRY(add_parts(m, c, BTZ_LEAF_CALL, &m->content, &first_of_call));
    BTZ_TRY(btz_buf_add_byte(&m->content, '}'));
    if (c->secret.len > 0)
        BTZ_TRY(add_evidence(m, c, piece));
    return btz_buf_add_byte(&m->content, '}');
}

static enum btz_err add_content(struct made *m, const struct btz_trail_call *c, struct piece *piece,
                                const uint8_t nonce[BTZ_TRAIL_NONCE], struct btz_buf *out)
{
    char about[ABOUT_SIZE];

    btz_buf_clear(&m->content);
    btz_buf_clear(&m->sealed);
    BTZ_TRY(write_content(m, c, piece));
    snprintf(about, sizeof about, BTZ_TRAIL_TYPE "/%s/content", piece->id);
    BTZ_TRY(
        btz_month_seal_with(m->t->log_key, about, nonce, btz_buf_slice(&m->content), &m->sealed));
    BTZ_TRY(btz_buf_add_str(out, ",\"content\":\""));
    BTZ_TRY(btz_base64_encode(btz_buf_slice(&m->sealed), out));
    return btz_buf_add_byte(out, '"');
}

static bool is_verdict(const char *word)
{
    for (size_t i = 0; word && i < BTZ_COUNT(verdicts); i++)
        if (strcmp(word, verdicts[i]) == 0)
            return true;
    return false;
}

static enum btz_err build(struct made *m, const struct btz_trail_call *c, const struct fresh *fresh)
{
    struct piece piece = { .kind = NULL };
    struct btz_buf *out = &m->t->log_leaves;
    uint64_t at = c->at_ms < m->month_began ? m->month_began : c->at_ms;
    size_t from = out->len;
    char when[BTZ_TIME_TEXT];
    bool first = false;

    if (!is_verdict(c->verdict))
        return btz_fail(BTZ_USAGE, "trail entry: unknown verdict");
    if (c->count > BTZ_TRAIL_PARTS)
        return btz_fail(BTZ_LIMIT, "an entry of %zu parts; at most %d", c->count, BTZ_TRAIL_PARTS);
    for (size_t i = 0; i < c->count; i++)
        m->place[i] = (unsigned char)btz_leaf_place(c->parts[i].name, c->parts[i].value);
    btz_id_from("evt_", m->now, fresh->id, piece.id);
    write_time(m, at > m->now ? m->now : at, when);
    BTZ_TRY(btz_buf_printf(out,
                           PREFIX "%u.%" PRIu64 ".%" PRIu64
                                  "\",\"id\":\"%s\",\"time\":\"%s\",\"month\":\"%s\",\"event\":"
                                  "\"call\",\"verdict\":\"%s\"",
                           c->writer, c->epoch, c->sequence, piece.id, when, m->t->log_month,
                           c->verdict));
    BTZ_TRY(add_parts(m, c, BTZ_LEAF_CLEAR, out, &first));
    BTZ_TRY(add_content(m, c, &piece, fresh->nonce, out));
    if (piece.kind)
        BTZ_TRY(btz_buf_printf(out, ",\"evidence\":[\"%s\"]", piece.commitment));
    BTZ_TRY(btz_buf_add_byte(out, '}'));
    if (out->len - from > BTZ_LEDGER_ENTRY_MAX)
        return btz_fail(BTZ_LIMIT, "an entry of %zu bytes; at most %d", out->len - from,
                        BTZ_LEDGER_ENTRY_MAX);
    return BTZ_OK;
}

/* ---- a group ---- */

static enum btz_err insert_rows(const struct made *m)
{
    for (size_t at = 0; at < m->rows.len; at += sizeof(struct piece)) {
        struct btz_value values[5];
        struct piece p;

        memcpy(&p, m->rows.ptr + at, sizeof p);
        values[0] = btz_value_str(p.id);
        values[1] = btz_value_str(p.kind);
        values[2] = btz_value_str(m->t->home);
        values[3] = btz_value_str(m->t->log_month);
        values[4] = btz_value_str(p.digest);
        BTZ_TRY(btz_store_run(m->s,
                              "INSERT INTO trail_evidence (entry, kind, ledger, month, digest)"
                              " VALUES (?, ?, ?, ?, ?)",
                              values, BTZ_COUNT(values), NULL));
    }
    return BTZ_OK;
}

/* Before the evidence is there: retention must find it whatever happens now. A row without evidence does no harm. */
static enum btz_err remember_rows(const struct made *m)
{
    enum btz_err err;

    if (m->rows.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_store_begin(m->s));
    err = insert_rows(m);
    if (err == BTZ_OK)
        err = btz_store_commit(m->s);
    if (err != BTZ_OK)
        btz_store_rollback(m->s);
    return err;
}

static enum btz_err append(struct made *m)
{
    struct btz_slice entries[BTZ_TRAIL_LOG_MAX];
    uint64_t first;
    size_t at = 0;

    btz_random_bytes(m->fresh, m->count * sizeof m->fresh[0]);
    for (size_t i = 0; i < m->count; i++) {
        m->between(m->user, i);
        BTZ_TRY(build(m, &m->calls[i], &m->fresh[i]));
        m->end[i] = m->t->log_leaves.len;
    }
    BTZ_TRY(remember_rows(m));
    for (size_t i = 0; i < m->count; i++) {
        entries[i] = btz_slice_of(m->t->log_leaves.ptr + at, m->end[i] - at);
        at = m->end[i];
    }
    btz_trail_step(m->t, "logging");
    BTZ_TRY(btz_ledger_append(m->t->ledger, entries, m->count, &first));
    btz_trail_step(m->t, "logged");
    m->t->log_size = first + m->count;
    m->t->log_entries += m->count;
    return BTZ_OK;
}

static enum btz_err log_group(struct btz_trail *t, void *user)
{
    struct made *m = user;
    char month[BTZ_TRAIL_MONTH], began[16];
    uint64_t size = btz_ledger_size(t->ledger);

    m->now = t->now_ms(t->user);
    btz_trail_month(m->now, month);
    snprintf(began, sizeof began, "%s-01", month);
    BTZ_TRY(btz_time_parse(btz_str(began), &m->month_began));
    BTZ_TRY(use_month(t, m->s, month));
    /* The store is asked once, and again when the ledger shrinks: it needs not be there for each group. */
    if (t->log_size == 0 || size < t->log_size) {
        BTZ_TRY(btz_ledger_refresh(t->ledger));
        BTZ_TRY(btz_trail_check_mark(t, m->s));
    }
    btz_buf_clear(&t->log_leaves);
    return append(m);
}

/* After an error the handle may be ahead of the disk, or hold evidence that was not published. */
static enum btz_err log_or_reopen(struct btz_trail *t, void *user)
{
    enum btz_err err = log_group(t, user);
    char detail[512];

    if (err == BTZ_OK)
        return err;
    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    (void)!btz_trail_reopen(t);
    return btz_fail(err, "%s", detail);
}

enum btz_err btz_trail_log(struct btz_trail *t, struct btz_store *s,
                           const struct btz_trail_call *calls, size_t count,
                           void (*between)(void *user, size_t i), void *user)
{
    struct made m = { .t = t,
                      .s = s,
                      .calls = calls,
                      .count = count,
                      .between = between,
                      .user = user,
                      .content = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX),
                      .sealed = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX),
                      .evidence = BTZ_BUF(BTZ_TRAIL_SECRET_MAX + 4096),
                      .rows = BTZ_BUF(BTZ_TRAIL_LOG_MAX * sizeof(struct piece)) };
    uint64_t now = btz_clock_ns();
    enum btz_err err;

    if (count == 0)
        return BTZ_OK;
    if (count > BTZ_TRAIL_LOG_MAX)
        return btz_fail(BTZ_LIMIT, "%zu entries at once; at most %d", count, BTZ_TRAIL_LOG_MAX);
    err = btz_trail_alone(t, log_or_reopen, &m);
    btz_buf_release(&m.content);
    btz_buf_release(&m.sealed);
    btz_buf_release(&m.evidence);
    btz_buf_release(&m.rows);
    if (err == BTZ_OK && now - t->log_told_ns > TELL_NS) {
        t->log_told_ns = now;
        if (tell_number(t, s) != BTZ_OK)
            btz_error_set("%s", ""); /* only a number, and the next time it is more */
    }
    return err;
}

/* ---- what is in the ledger ---- */

struct looking {
    uint64_t from;
    btz_trail_logged_fn *each;
    void *user;
};

/* "WRITER.EPOCH.SEQUENCE" behind the prefix, or it is none of ours. */
static void tell_one(const struct looking *l, struct btz_slice entry)
{
    uint64_t number[3];
    size_t at = sizeof PREFIX - 1;

    if (!btz_is_logged(entry))
        return;
    for (size_t i = 0; i < 3; i++) {
        size_t from = at;

        while (at < entry.len && entry.ptr[at] >= '0' && entry.ptr[at] <= '9')
            at++;
        if (at == entry.len || entry.ptr[at] != (i < 2 ? '.' : '"') ||
            btz_parse_u64(btz_slice_of(entry.ptr + from, at - from), &number[i]) != BTZ_OK)
            return;
        at++;
    }
    if (number[0] <= UINT32_MAX)
        l->each(l->user, (unsigned)number[0], number[1], number[2]);
}

static enum btz_err look(struct btz_trail *t, void *user)
{
    BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    const struct looking *l = user;

    BTZ_TRY(btz_ledger_refresh(t->ledger));
    t->log_size = btz_ledger_size(t->ledger);
    for (uint64_t i = l->from; i < t->log_size; i++) {
        btz_buf_clear(&entry);
        BTZ_TRY(btz_ledger_entry(t->ledger, i, &entry));
        tell_one(l, btz_buf_slice(&entry));
    }
    return BTZ_OK;
}

enum btz_err btz_trail_logged(struct btz_trail *t, uint64_t from, btz_trail_logged_fn *each,
                              void *user, uint64_t *size)
{
    struct looking l = { .from = from, .each = each, .user = user };

    BTZ_TRY(btz_trail_alone(t, look, &l));
    if (size)
        *size = t->log_size;
    return BTZ_OK;
}

/* ---- bodies ---- */

struct evidence_row {
    char month[BTZ_TRAIL_MONTH], digest[65];
    bool found;
};

static enum btz_err on_row(void *user, const struct btz_value *columns, size_t count)
{
    struct evidence_row *row = user;

    (void)count;
    snprintf(row->month, sizeof row->month, "%.*s", BTZ_SLICE_ARG(columns[0].bytes));
    snprintf(row->digest, sizeof row->digest, "%.*s", BTZ_SLICE_ARG(columns[1].bytes));
    row->found = true;
    return BTZ_OK;
}

static enum btz_err get_sealed(const struct btz_trail *t, const char *hex, struct btz_buf *out)
{
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_ledger *l;
    enum btz_err err;

    BTZ_TRY(btz_unhex(btz_str(hex), digest, sizeof digest));
    BTZ_TRY(btz_ledger_open(t->dir, BTZ_LEDGER_READ, &l));
    err = btz_ledger_get_evidence(l, digest, out);
    btz_ledger_close(l);
    return err;
}

enum btz_err btz_trail_bodies(struct btz_trail *t, struct btz_store *s, const char *id,
                              struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(BTZ_TRAIL_SECRET_MAX + 4096);
    struct btz_value values[] = { btz_value_str(t->home), btz_value_str(id) };
    struct evidence_row row = { .found = false };
    uint8_t key[BTZ_TRAIL_KEY];
    char about[ABOUT_SIZE];
    enum btz_err err;
    bool found;

    BTZ_TRY(btz_store_query(s,
                            "SELECT month, digest FROM trail_evidence WHERE ledger = ?"
                            " AND entry = ? AND kind = 'bodies'",
                            values, BTZ_COUNT(values), on_row, &row));
    if (!row.found)
        return btz_fail(BTZ_INPUT,
                        "entry %s has no evidence under the key of its month, or it was "
                        "deleted",
                        id);
    BTZ_TRY(get_sealed(t, row.digest, &sealed));
    BTZ_TRY(btz_month_key(t, s, row.month, false, key, &found));
    if (!found)
        return btz_fail(BTZ_INPUT, "the evidence of entry %s was deleted with its month", id);
    snprintf(about, sizeof about, BTZ_TRAIL_TYPE "/%s/bodies", id);
    err = btz_month_open(key, about, btz_buf_slice(&sealed), out);
    btz_wipe(key, sizeof key);
    return err;
}
