/* Whole answers, in the shapes of the public interfaces. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

void out_add(struct out *o, const void *p, size_t len)
{
    if (o->len + len > o->cap) {
        o->cap = (o->len + len) * 2 + 1024;
        o->p = realloc(o->p, o->cap);
        if (o->p == NULL)
            abort();
    }
    if (len > 0)
        memcpy(o->p + o->len, p, len);
    o->len += len;
}

void out_text(struct out *o, const char *text)
{
    out_add(o, text, strlen(text));
}

void out_format(struct out *o, const char *format, ...)
{
    char line[2048];
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof line)
        abort();
    out_add(o, line, (size_t)n);
}

void reply_pause(struct reply *r, int ms)
{
    if (r->pause_count == r->pause_cap) {
        r->pause_cap = r->pause_cap * 2 + 16;
        r->pauses = realloc(r->pauses, r->pause_cap * sizeof *r->pauses);
        if (r->pauses == NULL)
            abort();
    }
    r->pauses[r->pause_count++] = (struct pause){ r->bytes.len, ms };
}

/* A JSON string's inside. */
void escaped(struct out *o, struct span text, bool all)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c == '"' || c == '\\')
            out_format(o, "\\%c", c);
        else if (c < 32 || (all && c < 128))
            out_format(o, "\\u%04x", c);
        else
            out_add(o, &text.p[i], 1);
    }
}

void head(struct reply *r, int status, const char *type, const char *more, int64_t length)
{
    static const struct {
        int status;
        const char *word;
    } words[] = { { 200, "OK" },
                  { 202, "Accepted" },
                  { 400, "Bad Request" },
                  { 401, "Unauthorized" },
                  { 404, "Not Found" },
                  { 405, "Method Not Allowed" },
                  { 429, "Too Many Requests" },
                  { 500, "Internal Server Error" },
                  { 503, "Service Unavailable" },
                  { 529, "Overloaded" } };
    const char *word = "Status";

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].status == status)
            word = words[i].word;
    out_format(&r->bytes, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s", status, word, type, more);
    if (length >= 0)
        out_format(&r->bytes, "Content-Length: %lld\r\n\r\n", (long long)length);
    else
        out_text(&r->bytes, "Transfer-Encoding: chunked\r\n\r\n");
}

void answer_json(struct reply *r, int status, const char *more, struct span body)
{
    head(r, status, "application/json", more, (int64_t)body.len);
    out_add(&r->bytes, body.p, body.len);
}

static uint32_t crc32_of(struct span s)
{
    uint32_t c = 0xffffffffu;

    for (size_t i = 0; i < s.len; i++) {
        c ^= (unsigned char)s.p[i];
        for (int k = 0; k < 8; k++)
            c = (c >> 1) ^ (0xedb88320u & -(c & 1));
    }
    return ~c;
}

/* RFC 1952 with blocks that are stored as they are: proper gzip, and no zlib. */
static void gzipped(struct out *o, struct span s)
{
    uint32_t tail[2] = { crc32_of(s), (uint32_t)s.len };
    size_t at = 0;

    out_add(o, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    do {
        size_t n = s.len - at < 65535 ? s.len - at : 65535;
        unsigned char h[5] = { at + n == s.len, (unsigned char)n, (unsigned char)(n >> 8),
                               (unsigned char)~n, (unsigned char)(~n >> 8) };

        out_add(o, h, 5);
        out_add(o, s.p + at, n);
        at += n;
    } while (at < s.len);
    out_add(o, tail, 8);
}

/* Where the next piece of a text ends: never inside a character. */
size_t piece_next(const struct wish *w, struct span text, size_t from, uint64_t *state)
{
    size_t to = from + 1;

    if (w->split_mask) {
        while (to < text.len && to < 65 && !(w->mask >> (to - 1) & 1))
            to++;
        if (to >= 65)
            to = text.len;
    } else if (w->seed != 0) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        to = from + 1 + *state % ((*state >> 32) % 4 == 0 ? 40 : 5);
    } else {
        to = from + (w->size > 0 ? (size_t)w->size : 8);
    }
    if (to > text.len)
        to = text.len;
    while (to < text.len && (text.p[to] & 0xc0) == 0x80)
        to++;
    return to;
}

static struct span of(const struct out *o)
{
    return (struct span){ o->p ? o->p : "", o->len };
}

static bool anthropic(enum shape s)
{
    return s == SHAPE_MESSAGES || s == SHAPE_COUNT;
}

static void failed(const struct ask *a, struct reply *r)
{
    struct out body = { 0 };
    char more[64] = "";

    if (a->wish.retry > 0)
        snprintf(more, sizeof more, "Retry-After: %d\r\n", a->wish.retry);
    if (anthropic(a->shape))
        out_text(&body,
                 "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"the mock "
                 "was told to fail\"}}");
    else if (a->shape == SHAPE_OLLAMA_CHAT || a->shape == SHAPE_OLLAMA_GENERATE)
        out_text(&body, "{\"error\":\"the mock was told to fail\"}");
    else
        out_text(&body, "{\"error\":{\"message\":\"the mock was told to "
                        "fail\",\"type\":\"server_error\",\"param\":null,\"code\":null}}");
    answer_json(r, a->wish.status, more, of(&body));
    free(body.p);
}

/* The last user text of a chat; good enough for what tests send. */
static struct span last_text(struct span body)
{
    struct span found = { "", 0 }, rest = body, s;

    for (;;) {
        const char *p = memmem(rest.p, rest.len, "\"content\"", 9);

        if (p == NULL)
            return found;
        rest = (struct span){ p, (size_t)(body.p + body.len - p) };
        s = json_member(rest, "content");
        if (s.len > 0)
            found = s;
        rest.p += 9;
        rest.len -= 9;
    }
}

/* What the model says: not yet escaped, but for an echo, which is as it came. */
static struct span words(const struct ask *a, struct out *own)
{
    static const char filler[] = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. ";

    if (a->wish.say > 0)
        return texts_get(a->wish.say);
    if (a->wish.huge > 0) {
        while ((int64_t)own->len < a->wish.huge)
            out_text(own, filler);
        return (struct span){ own->p, (size_t)a->wish.huge };
    }
    if (a->wish.echo)
        return last_text(a->body);
    return (struct span){ "Hello from the mock.", 20 };
}

static long long tokens(const struct ask *a)
{
    return a->wish.usage > 0 ? a->wish.usage : 7;
}

void chat_id(struct out *o, const struct wish *w)
{
    out_text(o, "{\"id\":\"");
    if (w->id > 0)
        escaped(o, texts_get(w->id), w->escape);
    else
        out_text(o, "chatcmpl-mock");
    out_text(o, "\"");
}

static void chat(const struct ask *a, struct span text, struct out *o)
{
    int choices = a->wish.choices > 0 ? a->wish.choices : 1;

    chat_id(o, &a->wish);
    out_format(o,
               ",\"object\":\"chat.completion\",\"created\":1700000000,"
               "\"model\":\"%s\",\"choices\":[",
               a->model);
    for (int i = 0; i < choices; i++) {
        out_format(o, "%s{\"index\":%d,\"message\":{\"role\":\"assistant\",", i ? "," : "", i);
        if (a->wish.kind == 'a') {
            out_text(o, "\"content\":null,\"tool_calls\":[");
            for (int t = 0; t < (a->wish.tools > 0 ? a->wish.tools : 1); t++) {
                out_format(
                    o,
                    "%s{\"id\":\"call_%d\",\"type\":\"function\",\"function\":{\"name\":\"%s\","
                    "\"arguments\":\"",
                    t ? "," : "", t, a->wish.tool);
                escaped(o, text, a->wish.escape);
                out_text(o, "\"}}");
            }
            out_text(o, "]");
        } else {
            if (a->wish.kind == 'r') {
                out_text(o, "\"reasoning_content\":\"");
                escaped(o, text, a->wish.escape);
                out_text(o, "\",\"content\":\"Done.");
            } else {
                out_text(o, "\"content\":\"");
                escaped(o, text, a->wish.escape);
            }
            out_text(o, "\",\"refusal\":null");
        }
        out_format(o, "},\"logprobs\":null,\"finish_reason\":\"%s\"}",
                   a->wish.kind == 'a' ? "tool_calls" : "stop");
    }
    out_text(o, "]");
    if (!a->wish.nousage)
        out_format(o,
                   ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
                   "\"total_tokens\":%lld}",
                   tokens(a), tokens(a), 2 * tokens(a));
    out_text(o, "}");
}

static void completions(const struct ask *a, struct span text, struct out *o)
{
    out_format(o,
               "{\"id\":\"cmpl-mock\",\"object\":\"text_completion\",\"created\":1700000000,"
               "\"model\":\"%s\",\"choices\":[{\"index\":0,\"text\":\"",
               a->model);
    escaped(o, text, a->wish.escape);
    out_format(
        o,
        "\",\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%lld,"
        "\"completion_tokens\":%lld,\"total_tokens\":%lld}}",
        tokens(a), tokens(a), 2 * tokens(a));
}

static void responses(const struct ask *a, struct span text, struct out *o)
{
    out_format(o,
               "{\"id\":\"resp_mock\",\"object\":\"response\",\"created_at\":1700000000,\"status\":"
               "\"completed\",\"error\":null,\"incomplete_details\":null,\"instructions\":null,"
               "\"metadata\":{},\"parallel_tool_calls\":true,\"tools\":[],\"model\":\"%s\","
               "\"output\":[",
               a->model);
    if (a->wish.kind == 'a') {
        out_format(o,
                   "{\"type\":\"function_call\",\"id\":\"fc_mock\",\"call_id\":\"call_0\",\"name\":"
                   "\"%s\",\"status\":\"completed\",\"arguments\":\"",
                   a->wish.tool);
        escaped(o, text, a->wish.escape);
        out_text(o, "\"}");
    } else {
        if (a->wish.kind == 'r') {
            out_text(o, "{\"type\":\"reasoning\",\"id\":\"rs_mock\",\"summary\":[{\"type\":"
                        "\"summary_text\",\"text\":\"");
            escaped(o, text, a->wish.escape);
            out_text(o, "\"}]},");
        }
        out_text(
            o,
            "{\"type\":\"message\",\"id\":\"msg_mock\",\"status\":\"completed\",\"role\":"
            "\"assistant\",\"content\":[{\"type\":\"output_text\",\"annotations\":[],\"text\":\"");
        if (a->wish.kind == 'r')
            out_text(o, "Done.");
        else
            escaped(o, text, a->wish.escape);
        out_text(o, "\"}]}");
    }
    out_format(o,
               "],\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld,\"total_tokens\":%lld,"
               "\"output_tokens_details\":{\"reasoning_tokens\":0}}}",
               tokens(a), tokens(a), 2 * tokens(a));
}

static void messages(const struct ask *a, struct span text, struct out *o)
{
    out_format(o,
               "{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%s\","
               "\"content\":[",
               a->model);
    if (a->wish.kind == 'r') {
        out_text(o, "{\"type\":\"thinking\",\"thinking\":\"");
        escaped(o, text, a->wish.escape);
        out_text(o, "\",\"signature\":\"c2lnbmF0dXJl\"},{\"type\":\"text\",\"text\":\"Done.\"}");
    } else if (a->wish.kind == 'a') {
        /* `input` is an object here, so the text is one itself. */
        out_format(o, "{\"type\":\"tool_use\",\"id\":\"toolu_0\",\"name\":\"%s\",\"input\":",
                   a->wish.tool);
        out_add(o, text.p, text.len);
        out_text(o, "}");
    } else {
        out_text(o, "{\"type\":\"text\",\"text\":\"");
        escaped(o, text, a->wish.escape);
        out_text(o, "\"}");
    }
    out_format(o,
               "],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":%lld,"
               "\"output_tokens\":%lld}}",
               a->wish.kind == 'a' ? "tool_use" : "end_turn", tokens(a), tokens(a));
}

static void ollama(const struct ask *a, struct span text, struct out *o)
{
    out_format(o, "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\",", a->model);
    if (a->shape == SHAPE_OLLAMA_GENERATE) {
        out_text(o, a->wish.kind == 'r' ? "\"response\":\"Done.\",\"thinking\":\""
                                        : "\"response\":\"");
        escaped(o, text, a->wish.escape);
        out_text(o, "\"");
    } else if (a->wish.kind == 'a') {
        out_format(o,
                   "\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
                   "\"function\":{\"name\":\"%s\",\"arguments\":",
                   a->wish.tool);
        out_add(o, text.p, text.len);
        out_text(o, "}}]}");
    } else {
        out_text(o,
                 a->wish.kind == 'r'
                     ? "\"message\":{\"role\":\"assistant\",\"content\":\"Done.\",\"thinking\":\""
                     : "\"message\":{\"role\":\"assistant\",\"content\":\"");
        escaped(o, text, a->wish.escape);
        out_text(o, "\"}");
    }
    out_format(o,
               ",\"done\":true,\"done_reason\":\"stop\",\"total_duration\":1,"
               "\"prompt_eval_count\":%lld,\"eval_count\":%lld}\n",
               tokens(a), tokens(a));
}

static void file_object(const char *id, struct out *o)
{
    out_format(o,
               "{\"id\":\"%s\",\"object\":\"file\",\"bytes\":12,\"created_at\":1700000000,"
               "\"filename\":\"a.jsonl\",\"purpose\":\"batch\",\"status\":\"processed\"}",
               id);
}

static const char *files(const struct ask *a, struct out *o)
{
    struct span rest = { a->path.p + 9, a->path.len - 9 }; /* after /v1/files */
    char id[80];

    if (rest.len > 8 && memcmp(rest.p + rest.len - 8, "/content", 8) == 0) {
        struct out own = { 0 };
        struct span text = words(a, &own);

        out_add(o, text.p, text.len);
        free(own.p);
        return "application/octet-stream";
    }
    if (rest.len > 1) {
        snprintf(id, sizeof id, "%.*s", (int)(rest.len - 1), rest.p + 1);
        if (a->method.len == 6)
            out_format(o, "{\"id\":\"%s\",\"object\":\"file\",\"deleted\":true}", id);
        else
            file_object(id, o);
    } else if (a->method.len == 4) {
        file_object("file-mock", o);
    } else {
        out_text(o, "{\"object\":\"list\",\"has_more\":false,\"data\":[");
        file_object("file-mock", o);
        out_text(o, "]}");
    }
    return "application/json";
}

static const char *others(const struct ask *a, struct span text, struct out *o)
{
    switch (a->shape) {
    case SHAPE_COUNT:
        out_text(o, "{\"input_tokens\":14}");
        break;
    case SHAPE_EMBEDDINGS:
        out_format(o,
                   "{\"object\":\"list\",\"model\":\"%s\",\"data\":[{\"object\":\"embedding\","
                   "\"index\":0,\"embedding\":[0.25,-0.5,0.125]}],\"usage\":{\"prompt_tokens\":7,"
                   "\"total_tokens\":7}}",
                   a->model);
        break;
    case SHAPE_MODERATIONS:
        out_format(o,
                   "{\"id\":\"modr-mock\",\"model\":\"%s\",\"results\":[{\"flagged\":false,"
                   "\"categories\":{},\"category_scores\":{}}]}",
                   a->model);
        break;
    case SHAPE_IMAGES:
        out_text(o, "{\"created\":1700000000,\"data\":[{\"b64_json\":\"iVBORw0KGgo=\"}]}");
        break;
    case SHAPE_SPEECH:
        out_add(o, "ID3\3\0\0\0\0\0\0", 10);
        return "audio/mpeg";
    case SHAPE_TRANSCRIBE:
        out_text(o, "{\"text\":\"");
        escaped(o, text, a->wish.escape);
        out_text(o, "\"}");
        break;
    case SHAPE_FILES:
        return files(a, o);
    case SHAPE_BATCHES:
        out_text(o, "{\"id\":\"batch_mock\",\"object\":\"batch\",\"endpoint\":\"/v1/chat/"
                    "completions\",\"input_file_id\":\"file-mock\",\"completion_window\":\"24h\","
                    "\"status\":\"validating\",\"created_at\":1700000000}");
        break;
    case SHAPE_MODELS:
        out_text(o,
                 "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\"created\":"
                 "1700000000,\"owned_by\":\"mock\"}]}");
        break;
    case SHAPE_OLLAMA_EMBED:
        out_format(o, "{\"model\":\"%s\",\"embeddings\":[[0.25,-0.5]],\"prompt_eval_count\":7}",
                   a->model);
        break;
    case SHAPE_OLLAMA_OTHER:
        out_text(o, "{\"models\":[{\"name\":\"mock\",\"model\":\"mock\",\"size\":1}],\"version\":"
                    "\"0.0.0\"}");
        break;
    default:
        if (a->wish.kind == 'j') { /* pass-through that answers JSON */
            out_text(o, "{\"result\":\"");
            escaped(o, text, a->wish.escape);
            out_text(o, "\"}");
            break;
        }
        if (a->wish.kind == 'g' || a->wish.kind == 'n') { /* the same whole */
            out_text(o,
                     "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"");
            escaped(o, text, a->wish.escape);
            out_text(o, "\"}]},\"index\":0}]}");
            break;
        }
        out_add(o, text.p, text.len);
        return "text/plain";
    }
    return "application/json";
}

static bool streams(const struct ask *a)
{
    return a->stream && (a->shape == SHAPE_CHAT || a->shape == SHAPE_COMPLETIONS ||
                         a->shape == SHAPE_RESPONSES || a->shape == SHAPE_MESSAGES ||
                         a->shape == SHAPE_OLLAMA_CHAT || a->shape == SHAPE_OLLAMA_GENERATE ||
                         a->shape == SHAPE_PASS);
}

static const char *whole(const struct ask *a, struct span text, struct out *o)
{
    switch (a->shape) {
    case SHAPE_CHAT:
        chat(a, text, o);
        break;
    case SHAPE_COMPLETIONS:
        completions(a, text, o);
        break;
    case SHAPE_RESPONSES:
        responses(a, text, o);
        break;
    case SHAPE_MESSAGES:
        messages(a, text, o);
        break;
    case SHAPE_OLLAMA_CHAT:
    case SHAPE_OLLAMA_GENERATE:
        ollama(a, text, o);
        break;
    default:
        return others(a, text, o);
    }
    return "application/json";
}

/* The same `once` number fails one time only. */
static bool first_time(int number)
{
    static uint8_t used[65536];

    if (number <= 0 || number > 65535 || used[number])
        return number <= 0;
    used[number] = 1;
    return true;
}

/* What would move nginx, or the browser, elsewhere. */
static const char evil[] =
    "X-Accel-Redirect: /v1/users\r\nX-Accel-Buffering: yes\r\nX-Accel-Limit-Rate: 1\r\n"
    "X-Accel-Expires: 1000\r\nX-Sendfile: /etc/passwd\r\nSet-Cookie: __Host-bartizan=evil; Secure; "
    "Path=/\r\nRefresh: 0;url=http://evil.test/\r\nX-Upstream-Secret: internal\r\n"
    "Connection: X-Upstream-Secret\r\n";

void answer(const struct ask *a, struct reply *r)
{
    static struct out body; /* kept: nothing is allocated for ordinary requests */
    struct out own = { 0 }, packed = { 0 };
    struct span text;
    const char *type;

    if (a->wish.status > 0 && first_time(a->wish.once)) {
        failed(a, r);
        return;
    }
    if (a->shape == SHAPE_MCP) {
        answer_mcp(a, r);
        return;
    }
    text = words(a, &own);
    if (a->wish.first > 0)
        reply_pause(r, a->wish.first);
    if (streams(a)) {
        answer_stream(a, text, r);
        free(own.p);
        return;
    }
    body.len = 0;
    type = whole(a, text, &body);
    if (a->wish.type[0] != 0)
        type = a->wish.type;
    if (a->wish.gzip)
        gzipped(&packed, of(&body));
    head(r, 200, type,
         a->wish.gzip   ? "Content-Encoding: gzip\r\n"
         : a->wish.evil ? evil
                        : "",
         (int64_t)(a->wish.gzip ? packed.len : body.len));
    if (a->wish.gzip)
        out_add(&r->bytes, packed.p, packed.len);
    else
        out_add(&r->bytes, body.p, a->wish.die > 0 ? body.len / 2 : body.len);
    r->close = a->wish.die > 0;
    free(own.p);
    free(packed.p);
}
