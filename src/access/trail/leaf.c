/*
 * The entry as it stands in the ledger: compact JSON, in clear what says nothing of a person (time, event, verdict,
 * operation, opaque ids), the rest sealed in "content" under the key of its month. Before and after that are too large
 * for a leaf, and evidence for auditors, are stored beside the ledger; the leaf has their commitments.
 */
#include "access/trail/handle.h"

#include <ctype.h>
#include <stddef.h>

#include <sodium.h>

#define CONTENT_MAX                                                                                \
    24000 /* clear bytes; base64 of the sealed bytes is 4/3 of it, the clear part below 16 KiB */
#define ABOUT_SIZE 96

enum place { CLEAR, CLEAR_IF_OPAQUE, SEALED };

static const struct {
    const char *name;
    size_t offset;
    enum place place;
    size_t max;
} fields[] = {
#define FIELD(member, where, most)                                                                 \
    {                                                                                              \
#member, offsetof(struct btz_trail_entry, member), where, most                             \
    }
    FIELD(event, CLEAR, 64),
    FIELD(verdict, CLEAR, 64),
    FIELD(operation, CLEAR, 128),
    FIELD(principal, CLEAR_IF_OPAQUE, 256),
    FIELD(name, SEALED, 256),
    FIELD(method, CLEAR, 128),
    FIELD(session, CLEAR_IF_OPAQUE, 128),
    FIELD(key, CLEAR_IF_OPAQUE, 128),
    FIELD(address, SEALED, 128),
    FIELD(user_agent, SEALED, 512),
    FIELD(request, SEALED, 128),
    FIELD(action, CLEAR, 128),
    FIELD(resource, CLEAR_IF_OPAQUE, BTZ_TRAIL_TEXT_MAX),
    FIELD(rule, CLEAR, 256),
    FIELD(reason, SEALED, BTZ_TRAIL_TEXT_MAX),
    FIELD(approved_by, CLEAR_IF_OPAQUE, 256),
#undef FIELD
};

static const char *const events[] = { "sign-in",  "sign-out",  "step-up",     "refusal",
                                      "decision", "change",    "approval",    "elevation",
                                      "export",   "retention", "break-glass", "alarm",
                                      "call" };
static const char *const verdicts[] = { "allow", "deny", "error", "step-up" };

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; word && i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

void btz_leaf_release(struct btz_leaf *leaf)
{
    btz_buf_release(&leaf->text);
    btz_buf_release(&leaf->large);
    btz_buf_release(&leaf->secret);
}

/* "usr_" and 26 characters, perhaps with the kind of a resource before: says who it is only to who has the store. */
static bool is_opaque(const char *text)
{
    const char *slash = strchr(text, '/'), *id = slash ? slash + 1 : text;
    size_t n;

    for (const char *c = text; slash && c < slash; c++)
        if (!islower((unsigned char)*c) && *c != '-')
            return false;
    for (n = 0; n < 3; n++)
        if (!islower((unsigned char)id[n]))
            return false;
    if (id[n++] != '_')
        return false;
    for (; n < 4 + 26; n++)
        if (!isalnum((unsigned char)id[n]))
            return false;
    return id[n] == '\0';
}

enum btz_leaf_place btz_leaf_place(struct btz_slice name, struct btz_slice value)
{
    char text[64];

    for (size_t i = 0; i < BTZ_COUNT(fields); i++) {
        if (fields[i].name[0] != (name.len ? name.ptr[0] : 0) ||
            !btz_slice_is(name, fields[i].name))
            continue;
        if (value.len < 2 || fields[i].place == SEALED)
            return BTZ_LEAF_SEALED;
        if (fields[i].place == CLEAR)
            return value.len - 2 <= fields[i].max ? BTZ_LEAF_CLEAR : BTZ_LEAF_SEALED;
        if (value.len - 2 >= sizeof text)
            return BTZ_LEAF_SEALED;
        memcpy(text, value.ptr + 1, value.len - 2);
        text[value.len - 2] = '\0';
        return is_opaque(text) ? BTZ_LEAF_CLEAR : BTZ_LEAF_SEALED;
    }
    return BTZ_LEAF_CALL;
}

/* ---- building ---- */

/* Cut at a character, "..." for what is missing. */
static json_t *cut_text(const char *text, size_t max)
{
    BTZ_BUF_RELEASE struct btz_buf cut = BTZ_BUF(BTZ_TRAIL_TEXT_MAX + 4);
    size_t len = strnlen(text, max + 1);

    if (len <= max)
        return btz_json_text(btz_slice_of(text, len));
    for (len = max; len > 0 && ((uint8_t)text[len] & 0xC0) == 0x80;)
        len--;
    if (btz_buf_add(&cut, text, len) != BTZ_OK || btz_buf_add_str(&cut, "...") != BTZ_OK)
        return NULL;
    return btz_json_text(btz_buf_slice(&cut));
}

static enum btz_err set(json_t *object, const char *name, json_t *value)
{
    if (!value || json_object_set_new(object, name, value) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

static enum btz_err set_fields(const struct btz_trail_entry *e, json_t *leaf, json_t *content)
{
    for (size_t i = 0; i < BTZ_COUNT(fields); i++) {
        const char *text;
        bool clear;

        memcpy(&text, (const char *)e + fields[i].offset, sizeof text);
        if (!text || text[0] == '\0')
            continue;
        clear = fields[i].place == CLEAR || (fields[i].place == CLEAR_IF_OPAQUE && is_opaque(text));
        BTZ_TRY(set(clear ? leaf : content, fields[i].name, cut_text(text, fields[i].max)));
    }
    return BTZ_OK;
}

/* {"digest": SHA-256 of the sealed bytes, "bytes": of the clear ones}. */
static enum btz_err describe(json_t *content, const char *name, const struct btz_buf *sealed,
                             size_t clear, char digest[65])
{
    uint8_t sum[BTZ_SHA256_LEN];

    btz_sha256(btz_buf_slice(sealed), sum);
    btz_hex(sum, sizeof sum, digest);
    return set(content, name,
               json_pack("{s:s, s:I}", "digest", digest, "bytes", (json_int_t)clear));
}

static enum btz_err seal_secret(const struct btz_trail *t, const struct btz_trail_entry *e,
                                json_t *content, struct btz_leaf *out)
{
    if (e->secret.len == 0)
        return BTZ_OK;
    if (e->secret.len > BTZ_TRAIL_SECRET_MAX)
        return btz_fail(BTZ_LIMIT, "evidence of %zu bytes for auditors; at most %u", e->secret.len,
                        BTZ_TRAIL_SECRET_MAX);
    if (!t->has_auditor)
        return set(content, "secret",
                   json_pack("{s:s, s:I}", "dropped", "no auditor key is set", "bytes",
                             (json_int_t)e->secret.len));
    BTZ_TRY(btz_buf_reserve(&out->secret, e->secret.len + crypto_box_SEALBYTES));
    if (crypto_box_seal(out->secret.ptr, e->secret.ptr, e->secret.len, t->auditor_key) != 0)
        return btz_fail(BTZ_USAGE, "the auditor key is not a key that can be sealed to");
    out->secret.len = e->secret.len + crypto_box_SEALBYTES;
    return describe(content, "secret", &out->secret, e->secret.len, out->secret_digest);
}

static void about_part(const char *id, const char *part, char out[ABOUT_SIZE])
{
    snprintf(out, ABOUT_SIZE, BTZ_TRAIL_TYPE "/%s/%s", id, part);
}

static enum btz_err write_objects(const struct btz_trail_entry *e, struct btz_buf *out)
{
    BTZ_JSON json_t *both = json_object();

    if (!both)
        return btz_fail(BTZ_LIMIT, "out of memory");
    /* Borrowed for the while of writing; json_object_set takes its own reference. */
    if ((e->before && json_object_set_new(both, "before", json_deep_copy(e->before)) != 0) ||
        (e->after && json_object_set_new(both, "after", json_deep_copy(e->after)) != 0))
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (btz_json_write(both, false, out) != BTZ_OK)
        return btz_fail_context(BTZ_LIMIT, "before and after of %s",
                                e->operation ? e->operation : "an entry");
    return BTZ_OK;
}

/* Before and after: in the content when they fit, else as evidence under the same key. */
static enum btz_err seal_objects(const struct btz_trail_entry *e, const char *id,
                                 const uint8_t key[BTZ_TRAIL_KEY], size_t room, json_t *content,
                                 struct btz_leaf *out)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(BTZ_TRAIL_OBJECT_MAX);
    char about[ABOUT_SIZE];

    if (!e->before && !e->after)
        return BTZ_OK;
    BTZ_TRY(write_objects(e, &clear));
    if (clear.len <= room) {
        if (e->before)
            BTZ_TRY(set(content, "before", json_deep_copy(e->before)));
        return e->after ? set(content, "after", json_deep_copy(e->after)) : BTZ_OK;
    }
    about_part(id, "large", about);
    BTZ_TRY(btz_month_seal(key, about, btz_buf_slice(&clear), &out->large));
    return describe(content, "large", &out->large, clear.len, out->large_digest);
}

static enum btz_err seal_content(const char *id, const uint8_t key[BTZ_TRAIL_KEY],
                                 const json_t *content, json_t *leaf)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX);
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX);
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(2 * BTZ_LEDGER_ENTRY_MAX);
    char about[ABOUT_SIZE];

    if (json_object_size(content) == 0)
        return BTZ_OK;
    BTZ_TRY(btz_json_write(content, false, &clear));
    about_part(id, "content", about);
    BTZ_TRY(btz_month_seal(key, about, btz_buf_slice(&clear), &sealed));
    BTZ_TRY(btz_base64_encode(btz_buf_slice(&sealed), &text));
    return set(leaf, "content", btz_json_text(btz_buf_slice(&text)));
}

enum btz_err btz_leaf_build(const struct btz_trail *t, const struct btz_trail_entry *e,
                            const char *id, uint64_t now_ms, const char *month,
                            const uint8_t key[BTZ_TRAIL_KEY], struct btz_leaf *out)
{
    BTZ_BUF_RELEASE struct btz_buf size = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX);
    BTZ_JSON json_t *content = json_object();
    BTZ_JSON json_t *leaf = NULL;
    char when[BTZ_TIME_TEXT];

    if (!is_one_of(e->event, events, BTZ_COUNT(events)))
        return btz_fail(BTZ_USAGE, "trail entry: unknown event \"%s\"", e->event ? e->event : "");
    if (!is_one_of(e->verdict, verdicts, BTZ_COUNT(verdicts)))
        return btz_fail(BTZ_USAGE, "trail entry: unknown verdict \"%s\"",
                        e->verdict ? e->verdict : "");
    btz_time_format(now_ms, when);
    leaf = json_pack("{s:s, s:s, s:s, s:s}", "type", BTZ_TRAIL_TYPE, "id", id, "time", when,
                     "month", month);
    if (!leaf || !content)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(set_fields(e, leaf, content));
    BTZ_TRY(seal_secret(t, e, content, out));
    BTZ_TRY(btz_json_write(content, false, &size));
    BTZ_TRY(seal_objects(
        e, id, key, CONTENT_MAX - (size.len < CONTENT_MAX ? size.len : CONTENT_MAX), content, out));
    BTZ_TRY(seal_content(id, key, content, leaf));
    return btz_json_write(leaf, false, &out->text);
}

enum btz_err btz_leaf_finish(struct btz_slice text, const char (*commitments)[65], size_t count,
                             struct btz_buf *out)
{
    if (count == 0)
        return btz_buf_add_slice(out, text);
    if (text.len < 2 || text.ptr[text.len - 1] != '}')
        return btz_fail(BTZ_INPUT, "an entry in the outbox is damaged");
    BTZ_TRY(btz_buf_add(out, text.ptr, text.len - 1));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(btz_buf_printf(out, "%s\"%s\"", i ? "," : ",\"evidence\":[", commitments[i]));
    return btz_buf_add_str(out, "]}");
}

/* ---- reading ---- */

bool btz_is_leaf(struct btz_slice entry)
{
    return btz_slice_has_prefix(entry, btz_str("{\"type\":\"" BTZ_TRAIL_TYPE "\","));
}

static enum btz_err check_text(const json_t *leaf, const char *name, size_t max, bool required)
{
    const json_t *value = json_object_get(leaf, name);

    if (!value && !required)
        return BTZ_OK;
    if (!json_is_string(value) || json_string_length(value) > max ||
        strlen(json_string_value(value)) != json_string_length(value))
        return btz_fail(BTZ_INPUT, "trail entry: \"%s\" is %s", name,
                        value ? "not a text of its length" : "missing");
    return BTZ_OK;
}

static bool is_known(const char *name)
{
    static const char *const others[] = { "type",  "journal", "id",      "time",
                                          "month", "content", "evidence" };

    for (size_t i = 0; i < BTZ_COUNT(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].place != SEALED;
    return is_one_of(name, others, BTZ_COUNT(others));
}

static enum btz_err check_evidence(const json_t *leaf)
{
    const json_t *list = json_object_get(leaf, "evidence"), *item;
    uint8_t commitment[BTZ_SHA256_LEN];
    size_t i;

    if (!list)
        return BTZ_OK;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > 2)
        return btz_fail(BTZ_INPUT, "trail entry: \"evidence\" is not a list of one or two");
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item) || json_string_length(item) != 2 * BTZ_SHA256_LEN)
            return btz_fail(BTZ_INPUT, "trail entry: evidence %zu is no commitment", i);
        BTZ_TRY(btz_unhex(btz_str(json_string_value(item)), commitment, sizeof commitment));
    }
    return BTZ_OK;
}

static enum btz_err check_shape(json_t *leaf)
{
    const char *name, *month;
    json_t *value;
    uint64_t ms;

    if (!json_is_object(leaf))
        return btz_fail(BTZ_INPUT, "trail entry: not an object");
    json_object_foreach(leaf, name, value)
    {
        if (!is_known(name))
            return btz_fail(BTZ_INPUT, "trail entry: unknown member \"%.64s\"", name);
    }
    BTZ_TRY(check_text(leaf, "type", 32, true));
    if (strcmp(json_string_value(json_object_get(leaf, "type")), BTZ_TRAIL_TYPE) != 0)
        return btz_fail(BTZ_INPUT, "trail entry: not of type " BTZ_TRAIL_TYPE);
    BTZ_TRY(check_text(leaf, "journal", BTZ_TRAIL_JOURNAL - 1, false));
    BTZ_TRY(check_text(leaf, "id", BTZ_ID_TEXT - 1, true));
    BTZ_TRY(check_text(leaf, "time", BTZ_TIME_TEXT - 1, true));
    BTZ_TRY(check_text(leaf, "month", BTZ_TRAIL_MONTH - 1, true));
    BTZ_TRY(check_text(leaf, "content", BTZ_LEDGER_ENTRY_MAX, false));
    for (size_t i = 0; i < BTZ_COUNT(fields); i++)
        BTZ_TRY(check_text(leaf, fields[i].name, fields[i].max + 3, i < 2));
    BTZ_TRY(btz_time_parse(btz_str(json_string_value(json_object_get(leaf, "time"))), &ms));
    month = json_string_value(json_object_get(leaf, "month"));
    if (strlen(month) != BTZ_TRAIL_MONTH - 1 ||
        strncmp(month, json_string_value(json_object_get(leaf, "time")), strlen(month)) != 0)
        return btz_fail(BTZ_INPUT, "trail entry: its month is not that of its time");
    return check_evidence(leaf);
}

enum btz_err btz_leaf_parse(struct btz_slice entry, json_t **out)
{
    BTZ_JSON json_t *leaf = NULL;

    BTZ_TRY(btz_json_parse(entry, BTZ_LEDGER_ENTRY_MAX, "trail entry", &leaf));
    BTZ_TRY(check_shape(leaf));
    *out = json_incref(leaf);
    return BTZ_OK;
}

/* Members of the content go into the leaf; none may take the place of one that stands there. */
static enum btz_err merge(json_t *leaf, json_t *content)
{
    const char *name;
    json_t *value;

    json_object_foreach(content, name, value)
    {
        if (json_object_get(leaf, name))
            return btz_fail(BTZ_INPUT, "content has \"%.64s\", which the leaf has too", name);
        if (json_object_set(leaf, name, value) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

static enum btz_err open_large(json_t *content, const char *id, const uint8_t key[BTZ_TRAIL_KEY],
                               struct btz_ledger *ledger)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(BTZ_TRAIL_OBJECT_MAX + 4096);
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(BTZ_TRAIL_OBJECT_MAX + 4096);
    BTZ_JSON json_t *both = NULL;
    const char *digest =
        json_string_value(json_object_get(json_object_get(content, "large"), "digest"));
    uint8_t sum[BTZ_SHA256_LEN];
    char about[ABOUT_SIZE];

    if (!digest || !ledger)
        return BTZ_OK;
    BTZ_TRY(btz_unhex(btz_str(digest), sum, sizeof sum));
    BTZ_TRY(btz_ledger_get_evidence(ledger, sum, &sealed));
    about_part(id, "large", about);
    BTZ_TRY(btz_month_open(key, about, btz_buf_slice(&sealed), &clear));
    BTZ_TRY(btz_json_parse(btz_buf_slice(&clear), BTZ_TRAIL_OBJECT_MAX, "before and after", &both));
    if (!json_is_object(both))
        return btz_fail(BTZ_INPUT, "before and after: not an object");
    return merge(content, both);
}

static enum btz_err open_content(json_t *leaf, const char *text, const uint8_t key[BTZ_TRAIL_KEY],
                                 struct btz_ledger *ledger)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX);
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX);
    BTZ_JSON json_t *content = NULL;
    const char *id = json_string_value(json_object_get(leaf, "id"));
    char about[ABOUT_SIZE];

    BTZ_TRY(btz_base64_decode(btz_str(text), &sealed));
    about_part(id, "content", about);
    BTZ_TRY(btz_month_open(key, about, btz_buf_slice(&sealed), &clear));
    BTZ_TRY(btz_json_parse(btz_buf_slice(&clear), BTZ_LEDGER_ENTRY_MAX, "content", &content));
    if (!json_is_object(content))
        return btz_fail(BTZ_INPUT, "content: not an object");
    if (open_large(content, id, key, ledger) != BTZ_OK)
        BTZ_TRY(set(content, "large_missing", json_true()));
    json_object_del(leaf, "content");
    return merge(leaf, content);
}

enum btz_err btz_leaf_open(json_t *leaf, const uint8_t key[BTZ_TRAIL_KEY],
                           struct btz_ledger *ledger)
{
    const char *text = json_string_value(json_object_get(leaf, "content"));
    enum btz_err err;

    if (!text)
        return BTZ_OK;
    err = open_content(leaf, text, key, ledger);
    if (err == BTZ_LIMIT)
        return err;
    if (err == BTZ_OK)
        return BTZ_OK;
    return set(leaf, "content", json_string(err == BTZ_DENIED ? "deleted" : "damaged"));
}
