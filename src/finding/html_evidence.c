/* A piece of evidence in the HTML report: a conversation, a picture, a curve, a table, else its bytes. */
#include <math.h>

#include "base/json.h"
#include "finding/html.h"

#define EVIDENCE_MAX ((size_t)64 << 20) /* read */
#define PICTURE_MAX  ((size_t)1 << 20)
#define TURNS_MAX    24 /* messages of a conversation shown */

static enum btz_err turn(struct btz_buf *out, struct btz_slice role, const char *note,
                         struct btz_slice text, size_t at, size_t len)
{
    static const char *const known[] = { "system", "user", "assistant", "tool" };
    const char *css = "other";

    for (size_t i = 0; i < BTZ_COUNT(known); i++)
        if (btz_slice_is(role, known[i]))
            css = known[i];
    ADDF("<li class=\"%s\"><b>", css);
    BTZ_TRY(btz_html_line(out, role.len > 0 ? role : btz_str("message"), BTZ_HTML_TEXT));
    ADDF("%s</b><div dir=\"auto\">", note);
    if (text.len == 0)
        ADD("<span class=\"cut\">(empty)</span>");
    BTZ_TRY(btz_html_marked(out, text, at, len, BTZ_HTML_MESSAGE));
    return btz_buf_add_str(out, "</div></li>\n");
}

static struct btz_slice text_of(const json_t *object, const char *key)
{
    struct btz_slice text = btz_str("");

    return btz_json_get_text(object, key, &text) ? text : btz_str("");
}

static size_t offset_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (size_t)value : 0;
}

static enum btz_err fact(struct btz_buf *out, const char *name, struct btz_slice value)
{
    if (value.len == 0)
        return BTZ_OK;
    ADDF("<div><dt>%s</dt> <dd>", name);
    BTZ_TRY(btz_html_line(out, value, BTZ_HTML_TEXT));
    return btz_buf_add_str(out, "</dd></div>\n");
}

static enum btz_err digest(struct btz_buf *out, const struct btz_evidence *e)
{
    char hex[2 * BTZ_SHA256_LEN + 1];

    btz_hex(e->sha256, BTZ_SHA256_LEN, hex);
    return btz_buf_printf(
        out, "<div><dt>Evidence</dt> <dd>SHA-256 <code>%.16s&hellip;</code></dd></div></dl>\n",
        hex);
}

/* What decided, and how the attempt was made. */
static enum btz_err facts(struct btz_buf *out, const json_t *talk, const struct btz_finding *f,
                          const struct btz_evidence *e)
{
    struct btz_slice reason = text_of(talk, "reason");
    BTZ_BUF_RELEASE struct btz_buf answer = BTZ_BUF(256);
    const json_t *status = json_object_get(talk, "http_status");
    const json_t *seconds = json_object_get(talk, "seconds");

    if (json_is_integer(status))
        BTZ_TRY(
            btz_buf_printf(&answer, "HTTP %" JSON_INTEGER_FORMAT " ", json_integer_value(status)));
    if (json_is_number(seconds) && json_number_value(seconds) >= 0)
        BTZ_TRY(btz_buf_printf(&answer, "after %.2g s", json_number_value(seconds)));
    ADD("<dl class=\"facts\">");
    BTZ_TRY(fact(out, "Judged", text_of(talk, "outcome")));
    BTZ_TRY(fact(out, "Detector", text_of(talk, "detector")));
    if (!f->reason || !btz_slice_is(reason, f->reason))
        BTZ_TRY(fact(out, "Proof", reason));
    BTZ_TRY(fact(out, "Probe", text_of(talk, "probe")));
    BTZ_TRY(fact(out, "Transform", text_of(talk, "transform")));
    BTZ_TRY(fact(out, "Answer", btz_buf_slice(&answer)));
    return digest(out, e);
}

static enum btz_err conversation(struct btz_buf *out, const json_t *talk,
                                 const struct btz_finding *f, const struct btz_evidence *e)
{
    const json_t *messages = json_object_get(talk, "messages"), *message;
    size_t count = json_array_size(messages);

    ADD("<ol class=\"talk\">");
    for (size_t i = 0; i < count && i < TURNS_MAX; i++) {
        message = json_array_get(messages, i);
        BTZ_TRY(turn(out, text_of(message, "role"), "", text_of(message, "text"), 0, 0));
    }
    if (count > TURNS_MAX)
        ADDF("<li class=\"other\"><span class=\"cut\">&hellip; %zu messages left out "
             "&hellip;</span></li>",
             count - TURNS_MAX);
    BTZ_TRY(turn(out, btz_str("assistant"), ", the reply that was judged", text_of(talk, "reply"),
                 offset_of(talk, "at"), offset_of(talk, "len")));
    ADD("</ol>");
    return facts(out, talk, f, e);
}

static enum btz_err raw(struct btz_buf *out, struct btz_slice bytes, const struct btz_evidence *e)
{
    ADD("<pre>");
    BTZ_TRY(btz_html_block(out, bytes, BTZ_HTML_MESSAGE));
    ADD("</pre><dl class=\"facts\">");
    BTZ_TRY(fact(out, "Kind", btz_str(e->label)));
    BTZ_TRY(fact(out, "Type", btz_str(e->media_type)));
    return digest(out, e);
}

/* Only what is a PNG by its signature and small enough for a page is embedded. */
static enum btz_err picture(struct btz_buf *out, struct btz_slice bytes,
                            const struct btz_evidence *e)
{
    static const uint8_t png[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

    if (bytes.len > PICTURE_MAX || !btz_slice_has_prefix(bytes, btz_slice_of(png, sizeof png))) {
        ADDF("<p class=\"soft\">A picture of %zu bytes, not shown.</p><dl class=\"facts\">",
             bytes.len);
        return digest(out, e);
    }
    ADD("<img class=\"picture\" alt=\"");
    BTZ_TRY(btz_html_short(out, btz_str(e->label), BTZ_HTML_TEXT));
    ADD("\" src=\"data:image/png;base64,");
    BTZ_TRY(btz_base64_encode(bytes, out));
    ADD("\"><dl class=\"facts\">");
    return digest(out, e);
}

static enum btz_err figure(struct btz_buf *out, const json_t *json, struct btz_slice bytes,
                           const struct btz_evidence *e)
{
    bool known;

    BTZ_TRY(btz_html_figure(out, json, &known));
    if (!known)
        return raw(out, bytes, e);
    ADD("<dl class=\"facts\">");
    return digest(out, e);
}

bool btz_html_is_example(const struct btz_evidence *e)
{
    return strcmp(e->media_type, "image/png") != 0 && strcmp(e->media_type, BTZ_FIGURE_TYPE) != 0;
}

enum btz_err btz_html_evidence(struct btz_buf *out, const struct btz_html *p,
                               const struct btz_finding *f, const struct btz_evidence *e)
{
    BTZ_BUF_RELEASE struct btz_buf storage = BTZ_BUF(EVIDENCE_MAX);
    BTZ_JSON json_t *json = NULL;
    struct btz_slice bytes;
    char hex[2 * BTZ_SHA256_LEN + 1];

    if (!btz_report_evidence(p->run, e, &storage, &bytes)) {
        btz_hex(e->sha256, BTZ_SHA256_LEN, hex);
        return btz_buf_printf(out,
                              "<p class=\"soft\">Evidence <code>%s</code> is not at hand: it was "
                              "deleted, or left out to save room.</p>\n",
                              hex);
    }
    if (strcmp(e->media_type, "image/png") == 0)
        return picture(out, bytes, e);
    if (btz_json_parse(bytes, EVIDENCE_MAX, "evidence", &json) != BTZ_OK)
        return raw(out, bytes, e);
    if (strcmp(e->media_type, BTZ_FIGURE_TYPE) == 0)
        return figure(out, json, bytes, e);
    if (json_is_array(json_object_get(json, "messages")))
        return conversation(out, json, f, e);
    return raw(out, bytes, e);
}
