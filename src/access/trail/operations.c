/* The audit log as operations: reading, exporting, retention, evidence for auditors. */
#include <stdlib.h>
#include <unistd.h>

#include "access/access.h"
#include "access/export.h"

#define PAGE_DEFAULT   100
#define PAGE_MOST      1000
#define LOOK_AT        50000 /* ledger entries a page looks at */
#define EXPORT_MOST    100000
#define EXPORT_DEFAULT 10000
#define DOCUMENT_MAX   (15u << 20) /* a front end carries 16 MiB */

static const char *const verdicts[] = { "allow", "deny", "error", "step-up", NULL };
static const char *const events[] = { "sign-in",     "sign-out", "step-up",  "refusal",
                                      "decision",    "change",   "approval", "elevation",
                                      "break-glass", "export",   "alarm",    "retention",
                                      "call",        NULL };
static const char *const orders[] = { "newest", "oldest", NULL };
static const char *const formats[] = { "jsonl", "ocsf", "syslog", NULL };

/* ---- filters ---- */

#define TEXT_FILTER(field, what)                                                                   \
    {                                                                                              \
        .name = field, .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_QUERY, .help = what                 \
    }
#define FILTER_FIELDS                                                                              \
    TEXT_FILTER("principal", "Who acted: id or name."),                                            \
        TEXT_FILTER("resource", "What it was done to; `*` at the end stands for anything."),       \
        TEXT_FILTER("action", "The action asked for; `*` at the end stands for anything."),        \
        TEXT_FILTER("operation", "The operation, such as user.create."),                           \
        TEXT_FILTER("address", "Where the request came from: an address or a network."),           \
        TEXT_FILTER("key", "Id of the API key used."),                                             \
        TEXT_FILTER("session", "Id of the session."),                                              \
        TEXT_FILTER("request", "Id of the request: X-Bartizan-Request-Id of its answer."),         \
        { .name = "event",                                                                         \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .choices = events,                                                                       \
          .help = "Kind of entry." },                                                              \
        { .name = "verdict",                                                                       \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .choices = verdicts,                                                                     \
          .help = "How it ended." },                                                               \
        { .name = "from",                                                                          \
          .kind = BTZ_FIELD_TIME,                                                                  \
          .place = BTZ_IN_QUERY,                                                                   \
          .help = "Entries of that time and later." },                                             \
    {                                                                                              \
        .name = "until", .kind = BTZ_FIELD_TIME, .place = BTZ_IN_QUERY,                            \
        .help = "Entries before that time."                                                        \
    }

static enum btz_err fill_filter(const struct btz_call *c, struct btz_trail_filter *f)
{
    const char *cursor = btz_call_text(c, "cursor");
    uint64_t at = 0;

    *f = (struct btz_trail_filter){
        .principal = btz_call_text(c, "principal"),
        .resource = btz_call_text(c, "resource"),
        .action = btz_call_text(c, "action"),
        .operation = btz_call_text(c, "operation"),
        .address = btz_call_text(c, "address"),
        .key = btz_call_text(c, "key"),
        .session = btz_call_text(c, "session"),
        .request = btz_call_text(c, "request"),
        .event = btz_call_text(c, "event"),
        .verdict = btz_call_text(c, "verdict"),
        .from_ms = btz_call_ms(c, "from", 0),
        .until_ms = btz_call_ms(c, "until", 0),
    };
    if (!cursor)
        return BTZ_OK;
    if (btz_parse_u64(btz_str(cursor), &at) != BTZ_OK || at == 0)
        return btz_fail(BTZ_USAGE, "`cursor`: not one that a page gave");
    f->from_index = at; /* until_index where the order is the other one */
    return BTZ_OK;
}

/* ---- audit.list ---- */

static enum btz_err add_item(void *user, const struct btz_trail_record *r)
{
    json_t *item = btz_export_object(r);

    if (!item || json_array_append_new(user, item) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for the entries");
    return BTZ_OK;
}

static enum btz_err size_of(struct btz_call *c, uint64_t *size, char *origin, size_t room)
{
    struct btz_ledger *l;

    BTZ_TRY(
        btz_ledger_open(btz_trail_ledger_dir(btz_access_trail(c->access)), BTZ_LEDGER_READ, &l));
    if (size)
        *size = btz_ledger_size(l);
    if (origin)
        snprintf(origin, room, "%s", btz_ledger_origin(l));
    btz_ledger_close(l);
    return BTZ_OK;
}

/* {"items":[...],"next":...}; `next` names where the next page begins, null when all was read. */
static enum btz_err set_page(struct btz_call *c, json_t *items, uint64_t next, bool more)
{
    c->out = more ? json_pack("{s:O, s:o}", "items", items, "next", json_sprintf("%" PRIu64, next))
                  : json_pack("{s:O, s:n}", "items", items, "next");
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for the entries");
}

static enum btz_err list(struct btz_call *c)
{
    const char *order = btz_call_text(c, "order");
    BTZ_JSON json_t *items = json_array();
    struct btz_trail_filter f;
    uint64_t next, size;

    BTZ_TRY(fill_filter(c, &f));
    f.limit = (size_t)btz_call_int(c, "limit", PAGE_DEFAULT);
    f.look_at = LOOK_AT;
    f.newest_first = !order || strcmp(order, "newest") == 0;
    if (f.newest_first) {
        f.until_index = f.from_index;
        f.from_index = 0;
    }
    if (!items)
        return btz_fail(BTZ_LIMIT, "out of memory for the entries");
    BTZ_TRY(size_of(c, &size, NULL, 0));
    BTZ_TRY(btz_trail_read(btz_access_trail(c->access), c->store, &f, add_item, items, &next));
    return set_page(c, items, next, f.newest_first ? next > 0 : next < size);
}

static const struct btz_field list_fields[] = {
    FILTER_FIELDS,
    { .name = "order",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .choices = orders,
      .help = "newest (when not given) or oldest first." },
    { .name = "limit",
      .kind = BTZ_FIELD_INT,
      .place = BTZ_IN_QUERY,
      .min_int = 1,
      .max_int = PAGE_MOST,
      .help = "How many at most; 100 when not given. A page of a rare thing may have fewer." },
    TEXT_FILTER("cursor", "`next` of the page before."),
};

const struct btz_operation btz_operation_audit_list = {
    .id = "audit.list",
    .method = "GET",
    .path = "/v1/audit",
    .command = "log",
    .columns = "index time event verdict name operation resource address reason",
    .summary = "Read the audit trail.",
    .details = "Every entry is proven against the signed checkpoint of the ledger before it is "
               "shown. Of entries whose content retention has deleted, only what the leaf says in "
               "clear is left, and only that can match a filter.",
    .tag = "audit",
    .action = "audit.read",
    .resource = "audit/trail",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "audit-list",
    .run = list,
};

/* ---- audit.export ---- */

struct export
{
    const struct btz_export_format *format;
    struct btz_export_source source;
    struct btz_buf document;
    uint64_t count, first, last;
};

static enum btz_err add_line(void *user, const struct btz_trail_record *r)
{
    struct export *x = user;

    BTZ_TRY(x->format->write(r, &x->source, &x->document));
    BTZ_TRY(btz_buf_add_byte(&x->document, '\n'));
    if (x->count++ == 0)
        x->first = r->index;
    x->last = r->index;
    return BTZ_OK;
}

static enum btz_err fill_document(struct btz_call *c, struct export *x, json_t **out)
{
    char host[256] = "", origin[BTZ_KEY_NAME_MAX + 1];
    struct btz_trail_filter f;
    uint64_t next, size;
    enum btz_err err;

    if (gethostname(host, sizeof host - 1) < 0)
        host[0] = '\0';
    BTZ_TRY(fill_filter(c, &f));
    f.limit = (size_t)btz_call_int(c, "limit", EXPORT_DEFAULT);
    BTZ_TRY(size_of(c, &size, origin, sizeof origin));
    x->source = (struct btz_export_source){ .host = host, .origin = origin };
    err = btz_trail_read(btz_access_trail(c->access), c->store, &f, add_line, x, &next);
    if (err == BTZ_LIMIT || (err == BTZ_OK && next < size && !btz_call_has(c, "limit")))
        return btz_fail(BTZ_LIMIT,
                        "the export is larger than %u entries or %u MiB: narrow it with `from` and "
                        "`until`, or take it in parts with `limit` and `cursor` (the ledger index "
                        "behind the last entry)",
                        EXPORT_DEFAULT, DOCUMENT_MAX >> 20);
    BTZ_TRY(err);
    *out = json_pack("{s:s, s:o, s:I, s:o}", "media_type", x->format->media_type, "document",
                     btz_json_text(btz_buf_slice(&x->document)), "entries", (json_int_t)x->count,
                     "next", next < size ? json_sprintf("%" PRIu64, next) : json_null());
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for the export");
}

/* Outside of the transaction: writers need not wait while it reads. */
static enum btz_err prepare_export(struct btz_call *c)
{
    const char *name = btz_call_text(c, "format");
    struct export *x = btz_arena_alloc(c->arena, sizeof *x);
    json_t *out = NULL;
    enum btz_err err;

    if (!x)
        return BTZ_LIMIT;
    x->format = btz_export_format_find(name ? name : "jsonl");
    if (!x->format)
        return btz_fail(BTZ_USAGE, "`format`: expected jsonl, ocsf or syslog");
    x->document = BTZ_BUF(DOCUMENT_MAX);
    err = fill_document(c, x, &out);
    btz_buf_release(&x->document);
    if (err != BTZ_OK)
        return err;
    c->out = out; /* owned by the call, also when it is refused in between */
    c->prepared = x;
    return BTZ_OK;
}

/* The export has an entry of its own, which says what left the house. */
static enum btz_err export_run(struct btz_call *c)
{
    const struct export *x = c->prepared;

    c->after = json_deep_copy(c->in);
    c->note.reason =
        x->count == 0 ? btz_arena_printf(c->arena, "exported nothing as %s", x->format->name)
                      : btz_arena_printf(c->arena,
                                         "exported %" PRIu64
                                         " entries as %s, ledger entries %" PRIu64 " to %" PRIu64,
                                         x->count, x->format->name, x->first, x->last);
    return c->after && c->note.reason ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static const struct btz_field export_fields[] = {
    { .name = "format",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .choices = formats,
      .help = "jsonl (when not given), ocsf (schema " BTZ_OCSF_VERSION ") or syslog (RFC 5424)." },
    FILTER_FIELDS,
    { .name = "limit",
      .kind = BTZ_FIELD_INT,
      .place = BTZ_IN_QUERY,
      .min_int = 1,
      .max_int = EXPORT_MOST,
      .help = "How many at most. When not given, an export that is not complete is refused." },
    TEXT_FILTER("cursor", "`next` of the export before."),
};

const struct btz_operation btz_operation_audit_export = {
    .id = "audit.export",
    .method = "GET",
    .path = "/v1/audit/export",
    .command = "audit export",
    .summary = "Export the audit trail, oldest first.",
    .details = "One entry a line. The export is an entry of the trail itself.",
    .tag = "audit",
    .action = "audit.export",
    .resource = "audit/trail",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = export_fields,
    .field_count = BTZ_COUNT(export_fields),
    .result = "audit-export",
    .raw = "document",
    .event = "export",
    .prepare = prepare_export,
    .run = export_run,
};

/* ---- audit.retain ---- */

struct retention {
    uint64_t before_ms;
    bool dry_run;
    struct btz_trail_retained done;
};

static enum btz_err prepare_retain(struct btz_call *c)
{
    int64_t keep =
        (int64_t)btz_call_ms(c, "keep", (uint64_t)btz_access_settings(c->access)->retain_ms);
    struct retention *r = btz_arena_alloc(c->arena, sizeof *r);

    if (!r)
        return BTZ_LIMIT;
    if (keep <= 0)
        return btz_fail(BTZ_USAGE, "nothing says how long to keep content: set `access.retain`, "
                                   "or give --keep");
    r->before_ms = c->now_ms > (uint64_t)keep ? c->now_ms - (uint64_t)keep : 0;
    r->dry_run = btz_call_bool(c, "dry_run", false);
    c->prepared = r;
    return btz_trail_retain(btz_access_trail(c->access), c->store, r->before_ms, r->dry_run,
                            &r->done);
}

static enum btz_err retain_run(struct btz_call *c)
{
    const struct retention *r = c->prepared;
    const char *until = r->done.until[0] ? r->done.until : "none";

    c->out = json_pack("{s:b, s:s, s:I, s:I, s:I}", "dry_run", r->dry_run, "until", until, "months",
                       (json_int_t)r->done.months, "entries", (json_int_t)r->done.entries,
                       "evidence", (json_int_t)r->done.evidence);
    c->note.reason = btz_arena_printf(c->arena,
                                      "%s content of %" PRIu64 " entries and %" PRIu64
                                      " pieces of evidence of %" PRIu64 " months, the last one %s",
                                      r->dry_run ? "would delete the" : "deleted the",
                                      r->done.entries, r->done.evidence, r->done.months, until);
    if (!c->out || !c->note.reason)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return r->dry_run ? BTZ_OK
                      : btz_trail_retain_keys(btz_access_trail(c->access), c->store, r->before_ms);
}

static const struct btz_field retain_fields[] = {
    { .name = "keep",
      .kind = BTZ_FIELD_DURATION,
      .place = BTZ_IN_BODY,
      .help = "Content of months that ended longer ago than that is deleted; `access.retain` when "
              "not given." },
    { .name = "dry_run",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_BODY,
      .help = "Only say what would be deleted." },
};

const struct btz_operation btz_operation_audit_retain = {
    .id = "audit.retain",
    .method = "POST",
    .command = "audit retain",
    .summary = "Delete the content of old entries.",
    .details = "Names, addresses and values of whole months become unreadable for good; the "
               "entries stay in the ledger, which verifies as before. Copies of the data base made "
               "earlier still have the keys.",
    .tag = "audit",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = retain_fields,
    .field_count = BTZ_COUNT(retain_fields),
    .result = "audit-retention",
    .event = "retention",
    .prepare = prepare_retain,
    .run = retain_run,
};

/* ---- a ledger that was put back ---- */

static enum btz_err accept_loss(struct btz_call *c)
{
    const char *reason = btz_call_text(c, "reason");
    uint64_t lost;

    BTZ_TRY(btz_trail_accept_loss(btz_access_trail(c->access), c->store, &lost));
    if (lost == 0)
        return btz_fail(BTZ_CONFLICT, "no entry of the ledger is missing");
    c->out = json_pack("{s:I}", "lost", (json_int_t)lost);
    c->note.reason = btz_arena_printf(
        c->arena, "the ledger was put back, its last %" PRIu64 " entries are missing: %s", lost,
        reason);
    return c->out && c->note.reason ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static const struct btz_field accept_fields[] = {
    { .name = "reason",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 800,
      .help = "What happened, in a sentence; it stands in the trail." },
};

const struct btz_operation btz_operation_audit_accept_loss = {
    .id = "audit.accept-loss",
    .method = "POST",
    .command = "audit accept-loss",
    .summary = "Go on with a ledger that was put back to an older state.",
    .details = "When the ledger has fewer entries than it had, nothing is added to it until "
               "somebody answers for that here. The trail gets an alarm.",
    .tag = "audit",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = accept_fields,
    .field_count = BTZ_COUNT(accept_fields),
    .result = "audit-loss",
    .event = "alarm",
    .run = accept_loss,
};

/* ---- evidence for auditors ---- */

static enum btz_err auditor_key_new(struct btz_call *c)
{
    char secret[BTZ_AUDITOR_KEY_TEXT], shared[BTZ_AUDITOR_KEY_TEXT];

    btz_auditor_key_new(secret, shared);
    c->out = json_pack("{s:s, s:s}", "private_key", secret, "public_key", shared);
    c->after = json_pack("{s:s}", "public_key", shared);
    btz_wipe(secret, sizeof secret);
    return c->out && c->after ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

const struct btz_operation btz_operation_audit_auditor_key_new = {
    .id = "audit.auditor-key-new",
    .method = "POST",
    .command = "audit auditor-key",
    .summary = "Make a key pair for auditors.",
    .details = "The private key is shown this once and kept nowhere: it belongs to the auditors. "
               "The public key goes to `access.auditor_key`; evidence is then sealed to it.",
    .tag = "audit",
    .needs = BTZ_NEEDS_LOCAL,
    .result = "auditor-key",
    .run = auditor_key_new,
};

static enum btz_err open_sealed(struct btz_call *c, const uint8_t key[32], struct btz_buf *clear)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(BTZ_TRAIL_SECRET_MAX + 4096);

    BTZ_TRY(btz_trail_secret(btz_access_trail(c->access), c->store, btz_call_text(c, "entry"),
                             &sealed));
    return btz_auditor_open(key, btz_buf_slice(&sealed), clear);
}

static enum btz_err set_evidence(struct btz_call *c, const struct btz_buf *clear)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(2 * BTZ_TRAIL_SECRET_MAX);
    bool is_text = btz_is_utf8(btz_buf_slice(clear)) &&
                   (clear->len == 0 || !memchr(clear->ptr, 0, clear->len));

    if (!is_text)
        BTZ_TRY(btz_base64_encode(btz_buf_slice(clear), &text));
    c->out = json_pack("{s:s, s:I, s:o}", "entry", btz_call_text(c, "entry"), "bytes",
                       (json_int_t)clear->len, is_text ? "text" : "base64",
                       btz_json_text(btz_buf_slice(is_text ? clear : &text)));
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for the evidence");
}

static enum btz_err open_evidence(struct btz_call *c)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(BTZ_TRAIL_SECRET_MAX + 4096);
    const char *text = btz_call_text(c, "key");
    uint8_t key[32];
    enum btz_err err;

    if (text) {
        BTZ_TRY(btz_auditor_key_parse(btz_str(text), key));
        err = open_sealed(c, key, &clear);
        btz_wipe(key, sizeof key);
    } else {
        err = btz_trail_bodies(btz_access_trail(c->access), c->store, btz_call_text(c, "entry"),
                               &clear);
    }
    if (err == BTZ_OK)
        err = set_evidence(c, &clear);
    if (clear.ptr)
        btz_wipe(clear.ptr, clear.cap);
    c->target = btz_arena_printf(c->arena, "audit/%s", btz_call_text(c, "entry"));
    c->note.reason = "opened sealed evidence";
    return err;
}

static const struct btz_field open_fields[] = {
    { .name = "entry",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Id of the entry (evt_...)." },
    { .name = "key",
      .kind = BTZ_FIELD_FILE,
      .place = BTZ_IN_BODY,
      .max = 4096,
      .help = "File with the auditor's private key; without it: bodies of calls, which are sealed "
              "under the key of their month when no auditor key is set." },
};

const struct btz_operation btz_operation_audit_open = {
    .id = "audit.open",
    .method = "POST",
    .command = "audit open",
    .summary = "Open the sealed evidence of an entry.",
    .details = "The opening is an entry of the trail itself.",
    .tag = "audit",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = open_fields,
    .field_count = BTZ_COUNT(open_fields),
    .result = "audit-evidence",
    .event = "export",
    .run = open_evidence,
};
