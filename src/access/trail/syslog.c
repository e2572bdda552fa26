/* Syslog messages (RFC 5424), their frames (RFC 6587, RFC 5425), and the file that remembers how far a receiver is. */
#include "access/export.h"

#include <stddef.h>

#define FACILITY_AUDIT 13
#define POSITION_TYPE  "bartizan/forward/v1"

enum severity { CRITICAL = 2, ERROR = 3, WARNING = 4, NOTICE = 5, INFORMATIONAL = 6 };

static const char *text_of(const json_t *entry, const char *name)
{
    const char *text = json_string_value(json_object_get(entry, name));

    return text ? text : "";
}

static enum severity severity_of(const json_t *entry)
{
    const char *event = text_of(entry, "event"), *verdict = text_of(entry, "verdict");

    if (strcmp(event, "alarm") == 0 || strcmp(event, "break-glass") == 0)
        return CRITICAL;
    if (strcmp(verdict, "error") == 0)
        return ERROR;
    if (strcmp(verdict, "deny") == 0)
        return WARNING;
    return strcmp(event, "decision") == 0 ? INFORMATIONAL : NOTICE;
}

/* PRINTUSASCII of at most `max`; what is not is "_", nothing is NILVALUE. */
static enum btz_err add_name(struct btz_buf *out, const char *text, size_t max)
{
    size_t len = text ? strnlen(text, max) : 0;

    if (len == 0)
        return btz_buf_add_str(out, "-");
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];

        BTZ_TRY(btz_buf_add_byte(out, c > 0x20 && c < 0x7F ? c : '_'));
    }
    return BTZ_OK;
}

/* Control characters as their pictures (U+2400 ...), so that a message is one line wherever it ends up. */
static enum btz_err add_clean(struct btz_buf *out, uint32_t c)
{
    if (c < 0x20)
        return btz_buf_add_utf8(out, 0x2400 + c);
    if (c == 0x7F)
        return btz_buf_add_utf8(out, 0x2421);
    if ((c >= 0x80 && c < 0xA0) || c == 0x2028 || c == 0x2029)
        return btz_buf_add_utf8(out, 0xFFFD);
    return btz_buf_add_utf8(out, c);
}

/* RFC 5424 section 6.3.3: '"', '\' and ']' are escaped. */
static enum btz_err add_param(struct btz_buf *out, const char *name, struct btz_slice value)
{
    size_t at = 0;
    uint32_t c;

    BTZ_TRY(btz_buf_printf(out, " %s=\"", name));
    while (btz_utf8_next(value, &at, &c)) {
        if (c == '"' || c == '\\' || c == ']')
            BTZ_TRY(btz_buf_add_byte(out, '\\'));
        BTZ_TRY(add_clean(out, c));
    }
    return btz_buf_add_byte(out, '"');
}

static enum btz_err add_data(struct btz_buf *out, const struct btz_trail_record *r,
                             const struct btz_export_source *source)
{
    static const char *const params[] = { "id",          "event",    "verdict",    "operation",
                                          "principal",   "name",     "method",     "session",
                                          "key",         "address",  "user_agent", "request",
                                          "action",      "resource", "rule",       "reason",
                                          "approved_by", "content" };

    BTZ_TRY(btz_buf_add_str(out, "[" BTZ_SYSLOG_SD_ID));
    BTZ_TRY(btz_buf_printf(out, " index=\"%" PRIu64 "\"", r->index));
    if (source->origin && source->origin[0])
        BTZ_TRY(add_param(out, "ledger", btz_str(source->origin)));
    for (size_t i = 0; i < BTZ_COUNT(params); i++) {
        struct btz_slice value;

        if (btz_json_get_text(r->entry, params[i], &value) && value.len > 0)
            BTZ_TRY(add_param(out, params[i], value));
    }
    return btz_buf_add_byte(out, ']');
}

static enum btz_err add_text(struct btz_buf *out, struct btz_slice text)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(text, &at, &c))
        BTZ_TRY(add_clean(out, c));
    return BTZ_OK;
}

static enum btz_err add_sentence(struct btz_buf *out, const json_t *entry)
{
    const char *who = text_of(entry, "name"), *what = text_of(entry, "operation");
    const char *resource = text_of(entry, "resource"), *reason = text_of(entry, "reason");

    if (!who[0])
        who = text_of(entry, "principal");
    BTZ_TRY(add_text(out, btz_str(text_of(entry, "event"))));
    BTZ_TRY(btz_buf_add_byte(out, ' '));
    BTZ_TRY(add_text(out, btz_str(text_of(entry, "verdict"))));
    if (what[0]) {
        BTZ_TRY(btz_buf_add_str(out, ": "));
        BTZ_TRY(add_text(out, btz_str(what)));
    }
    BTZ_TRY(btz_buf_add_str(out, " by "));
    BTZ_TRY(add_text(out, btz_str(who[0] ? who : "nobody known")));
    if (resource[0]) {
        BTZ_TRY(btz_buf_add_str(out, " on "));
        BTZ_TRY(add_text(out, btz_str(resource)));
    }
    if (reason[0]) {
        BTZ_TRY(btz_buf_add_str(out, ": "));
        BTZ_TRY(add_text(out, btz_str(reason)));
    }
    return BTZ_OK;
}

enum btz_err btz_syslog_write(const struct btz_trail_record *r,
                              const struct btz_export_source *source, struct btz_slice body,
                              struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "<%d>1 ", FACILITY_AUDIT * 8 + (int)severity_of(r->entry)));
    BTZ_TRY(add_name(out, text_of(r->entry, "time"), 40));
    BTZ_TRY(btz_buf_add_byte(out, ' '));
    BTZ_TRY(add_name(out, source->host, 255));
    BTZ_TRY(btz_buf_add_str(out, " bartizan - "));
    BTZ_TRY(add_name(out, text_of(r->entry, "event"), 32));
    BTZ_TRY(btz_buf_add_byte(out, ' '));
    BTZ_TRY(add_data(out, r, source));
    BTZ_TRY(btz_buf_add_str(out, " \xEF\xBB\xBF")); /* the MSG is UTF-8 */
    return body.len > 0 ? add_text(out, body) : add_sentence(out, r->entry);
}

enum btz_err btz_syslog_frame(struct btz_slice message, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "%zu ", message.len));
    return btz_buf_add_slice(out, message);
}

/* ---- position ---- */

enum btz_err btz_syslog_position_parse(struct btz_slice text, struct btz_syslog_position *out)
{
    struct btz_reader r = { .in = text, .what = "position" };
    struct btz_slice type, origin, next;

    if (text.len > BTZ_SYSLOG_POSITION_MAX)
        return btz_fail(BTZ_LIMIT, "position: larger than %d bytes", BTZ_SYSLOG_POSITION_MAX);
    if (text.len == 0 || text.ptr[text.len - 1] != '\n' || !btz_read_line(&r, &type) ||
        !btz_slice_is(type, POSITION_TYPE) || !btz_read_line(&r, &origin) ||
        !btz_read_line(&r, &next) || r.at != text.len)
        return btz_fail(BTZ_INPUT, "position: expected the lines \"" POSITION_TYPE
                                   "\", name of the ledger, index");
    if (origin.len == 0 || origin.len > BTZ_KEY_NAME_MAX)
        return btz_fail(BTZ_INPUT, "position: the name of the ledger has %zu bytes", origin.len);
    for (size_t i = 0; i < origin.len; i++)
        if (origin.ptr[i] <= 0x20 || origin.ptr[i] == 0x7F)
            return btz_fail(BTZ_INPUT, "position: the name of the ledger has a control character");
    BTZ_TRY(btz_parse_u64(next, &out->next));
    snprintf(out->origin, sizeof out->origin, "%.*s", BTZ_SLICE_ARG(origin));
    return BTZ_OK;
}

enum btz_err btz_syslog_position_write(const struct btz_syslog_position *p, struct btz_buf *out)
{
    return btz_buf_printf(out, POSITION_TYPE "\n%s\n%" PRIu64 "\n", p->origin, p->next);
}

/* ---- settings ---- */

static const char *const formats[] = { "syslog", "ocsf", "jsonl", NULL };
#define AT(member) offsetof(struct btz_forward_conf, member)
static const struct btz_conf_key keys[] = {
    { .name = "address",
      .kind = BTZ_CONF_STRING,
      .offset = AT(address),
      .required = true,
      .help = "Receiver, `host:port` (601 is syslog over TCP, 6514 over TLS)." },
    { .name = "format",
      .kind = BTZ_CONF_ENUM,
      .offset = AT(format),
      .fallback = "syslog",
      .choices = formats,
      .help = "What each message says: a sentence with structured data, an OCSF event or our JSON; "
              "all in RFC 5424 messages with octet counting." },
    { .name = "tls",
      .kind = BTZ_CONF_BOOL,
      .offset = AT(tls),
      .fallback = "true",
      .help = "Speak TLS 1.2 or 1.3 (RFC 5425) and check the receiver's certificate." },
    { .name = "ca_file",
      .kind = BTZ_CONF_STRING,
      .offset = AT(ca_file),
      .fallback = "\"\"",
      .help = "Certificates (PEM) that may have signed the receiver's; empty is the system's." },
    { .name = "host",
      .kind = BTZ_CONF_STRING,
      .offset = AT(host),
      .fallback = "\"\"",
      .help = "Name that the receiver's certificate must have; empty is that of the address." },
};
const struct btz_conf_struct btz_forward_conf_struct = { "forward", sizeof(struct btz_forward_conf),
                                                         keys, BTZ_COUNT(keys) };
