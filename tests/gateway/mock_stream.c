/* Streams: server-sent events, and lines of JSON for Ollama. */
#include <stdlib.h>
#include <string.h>

#include "mock.h"

struct stream {
    const struct ask *a;
    struct reply *r;
    uint64_t state;
    struct out line; /* data of the event in the making */
    int sequence;
};

static void chunk(struct stream *s, struct span bytes)
{
    out_format(&s->r->bytes, "%zx\r\n", bytes.len);
    out_add(&s->r->bytes, bytes.p, bytes.len);
    out_text(&s->r->bytes, "\r\n");
}

/* Ends the event whose data is in `line`. */
static void event(struct stream *s, const char *name)
{
    const struct wish *w = &s->a->wish;
    const char *end = w->crlf ? "\r\n" : "\n";
    struct out o = { 0 };

    if (s->r->dead || (w->die > 0 && ++s->r->events >= w->die)) {
        s->r->dead = true;
        s->line.len = 0;
        return;
    }
    if (w->comments && s->sequence % 3 == 0)
        out_format(&o, ": a comment%s%s", end, end);
    if (name != NULL)
        out_format(&o, "event: %s%s", name, end);
    out_text(&o, "data: ");
    out_add(&o, s->line.p, s->line.len);
    out_format(&o, "%s%s", end, end);
    chunk(s, (struct span){ o.p, o.len });
    if (w->hold > 0 && s->sequence == 0)
        reply_pause(s->r, w->hold);
    else if (w->slow > 0)
        reply_pause(s->r, w->slow);
    s->sequence++;
    s->line.len = 0;
    free(o.p);
}

static void line(struct stream *s)
{
    const struct wish *w = &s->a->wish;

    if (s->r->dead || (w->die > 0 && ++s->r->events >= w->die)) {
        s->r->dead = true;
        s->line.len = 0;
        return;
    }
    out_text(&s->line, "\n");
    chunk(s, (struct span){ s->line.p, s->line.len });
    if (w->slow > 0)
        reply_pause(s->r, w->slow);
    s->line.len = 0;
}

/* Calls `each` for every piece of the text. */
static void pieces(struct stream *s, struct span text,
                   void (*each)(struct stream *, struct span, int), int part)
{
    for (size_t at = 0; at < text.len;) {
        size_t to = piece_next(&s->a->wish, text, at, &s->state);

        each(s, (struct span){ text.p + at, to - at }, part);
        at = to;
    }
}

static long long tokens(const struct ask *a)
{
    return a->wish.usage > 0 ? a->wish.usage : 7;
}

/* ---- chat and completions -------------------------------------------------------------------------------------------- */

static void chat_begin(struct stream *s, int choice)
{
    chat_id(&s->line, &s->a->wish);
    out_format(&s->line,
               ",\"object\":\"chat.completion.chunk\",\"created\":"
               "1700000000,\"model\":\"%s\",\"choices\":[{\"index\":%d,\"delta\":{",
               s->a->model, choice);
}

static void chat_end(struct stream *s, const char *finish)
{
    if (finish != NULL)
        out_format(&s->line, "},\"logprobs\":null,\"finish_reason\":\"%s\"}]}", finish);
    else
        out_text(&s->line, "},\"logprobs\":null,\"finish_reason\":null}]}");
    event(s, NULL);
}

static void chat_piece(struct stream *s, struct span piece, int part)
{
    chat_begin(s, s->a->wish.kind == 'a' ? 0 : part);
    if (s->a->wish.kind == 'a')
        out_format(&s->line, "\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":\"", part);
    else if (s->a->wish.kind == 'r')
        out_text(&s->line, "\"reasoning_content\":\"");
    else
        out_text(&s->line, "\"content\":\"");
    escaped(&s->line, piece, s->a->wish.escape);
    out_text(&s->line, s->a->wish.kind == 'a' ? "\"}}]" : "\"");
    chat_end(s, NULL);
}

/* Several choices: their pieces come in turn. */
static void chat_choices(struct stream *s, struct span text, int choices)
{
    size_t at[8] = { 0 };
    bool more = true;

    for (int i = 0; i < choices; i++) {
        chat_begin(s, i);
        out_text(&s->line, "\"role\":\"assistant\",\"content\":\"\"");
        chat_end(s, NULL);
    }
    while (more) {
        more = false;
        for (int i = 0; i < choices; i++) {
            size_t to;

            if (at[i] >= text.len)
                continue;
            to = piece_next(&s->a->wish, text, at[i], &s->state);
            chat_piece(s, (struct span){ text.p + at[i], to - at[i] }, i);
            at[i] = to;
            more = true;
        }
    }
}

static void chat(struct stream *s, struct span text)
{
    const struct ask *a = s->a;
    int choices = a->wish.choices > 8 ? 8 : a->wish.choices > 0 ? a->wish.choices : 1;

    if (a->wish.kind == 'a') {
        chat_begin(s, 0);
        out_text(&s->line, "\"role\":\"assistant\",\"content\":null");
        chat_end(s, NULL);
        for (int t = 0; t < (a->wish.tools > 0 ? a->wish.tools : 1); t++) {
            chat_begin(s, 0);
            out_format(&s->line,
                       "\"tool_calls\":[{\"index\":%d,\"id\":\"call_%d\",\"type\":\"function\","
                       "\"function\":{\"name\":\"%s\",\"arguments\":\"\"}}]",
                       t, t, a->wish.tool);
            chat_end(s, NULL);
            pieces(s, text, chat_piece, t);
        }
    } else {
        chat_choices(s, text, choices);
    }
    if (a->wish.truncate)
        return;
    for (int i = 0; i < choices; i++) {
        chat_begin(s, i);
        chat_end(s, a->wish.kind == 'a' ? "tool_calls" : "stop");
    }
    if (a->include_usage && !a->wish.nousage) {
        out_format(&s->line,
                   "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":"
                   "1700000000,\"model\":\"%s\",\"choices\":[],\"usage\":{\"prompt_tokens\":%lld,"
                   "\"completion_tokens\":%lld,\"total_tokens\":%lld}}",
                   a->model, tokens(a), tokens(a), 2 * tokens(a));
        event(s, NULL);
    }
    out_text(&s->line, "[DONE]");
    event(s, NULL);
}

static void completion_piece(struct stream *s, struct span piece, int part)
{
    (void)part;
    out_format(&s->line,
               "{\"id\":\"cmpl-mock\",\"object\":\"text_completion\",\"created\":1700000000,"
               "\"model\":\"%s\",\"choices\":[{\"index\":0,\"text\":\"",
               s->a->model);
    escaped(&s->line, piece, s->a->wish.escape);
    out_text(&s->line, "\",\"logprobs\":null,\"finish_reason\":null}]}");
    event(s, NULL);
}

static void completions(struct stream *s, struct span text)
{
    pieces(s, text, completion_piece, 0);
    if (s->a->wish.truncate)
        return;
    out_format(&s->line,
               "{\"id\":\"cmpl-mock\",\"object\":\"text_completion\",\"created\":1700000000,"
               "\"model\":\"%s\",\"choices\":[{\"index\":0,\"text\":\"\",\"logprobs\":null,"
               "\"finish_reason\":\"stop\"}]}",
               s->a->model);
    event(s, NULL);
    if (s->a->include_usage) {
        out_format(&s->line,
                   "{\"id\":\"cmpl-mock\",\"object\":\"text_completion\",\"created\":"
                   "1700000000,\"model\":\"%s\",\"choices\":[],\"usage\":{\"prompt_tokens\":"
                   "%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld}}",
                   s->a->model, tokens(s->a), tokens(s->a), 2 * tokens(s->a));
        event(s, NULL);
    }
    out_text(&s->line, "[DONE]");
    event(s, NULL);
}

/* ---- responses ------------------------------------------------------------------------------------------------------- */

static void response_open(struct stream *s, const char *type)
{
    out_format(&s->line, "{\"type\":\"%s\",\"sequence_number\":%d,", type, s->sequence);
}

static void response_object(struct stream *s, const char *type, const char *status,
                            struct span output)
{
    response_open(s, type);
    out_format(
        &s->line,
        "\"response\":{\"id\":\"resp_mock\",\"object\":\"response\",\"created_at\":1700000000,"
        "\"status\":\"%s\",\"error\":null,\"incomplete_details\":null,\"instructions\":null,"
        "\"metadata\":{},\"parallel_tool_calls\":true,\"tools\":[],\"model\":\"%s\",\"output\":"
        "[",
        status, s->a->model);
    out_add(&s->line, output.p, output.len);
    if (output.len > 0)
        out_format(&s->line,
                   "],\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld,"
                   "\"total_tokens\":%lld}}}",
                   tokens(s->a), tokens(s->a), 2 * tokens(s->a));
    else
        out_text(&s->line, "],\"usage\":null}}");
    event(s, type);
}

/* The output item that carries the text; `part` 0: as it is added, empty; 1: done. */
static void response_item(struct stream *s, struct span text, bool done, char kind, struct out *o)
{
    const char *status = done ? "completed" : "in_progress";

    if (kind == 'a')
        out_format(o,
                   "{\"type\":\"function_call\",\"id\":\"fc_mock\",\"call_id\":\"call_0\",\"name\":"
                   "\"%s\",\"status\":\"%s\",\"arguments\":\"",
                   s->a->wish.tool, status);
    else if (kind == 'r')
        out_text(o, done ? "{\"type\":\"reasoning\",\"id\":\"rs_mock\",\"summary\":[{\"type\":"
                           "\"summary_text\",\"text\":\""
                         : "{\"type\":\"reasoning\",\"id\":\"rs_mock\",\"summary\":[");
    else
        out_format(o,
                   "{\"type\":\"message\",\"id\":\"msg_mock\",\"status\":\"%s\",\"role\":"
                   "\"assistant\",\"content\":[%s",
                   status, done ? "{\"type\":\"output_text\",\"annotations\":[],\"text\":\"" : "");
    if (done)
        escaped(o, text, s->a->wish.escape);
    if (kind == 'a')
        out_text(o, "\"}");
    else
        out_text(o, done ? "\"}]}" : "]}");
}

static void response_where(struct stream *s, char kind, int index)
{
    static const struct {
        char kind;
        const char *id, *part;
    } where[] = { { 'a', "fc_mock", "" },
                  { 'r', "rs_mock", "\"summary_index\":0," },
                  { 't', "msg_mock", "\"content_index\":0," } };

    for (size_t i = 0; i < 3; i++)
        if (where[i].kind == kind)
            out_format(&s->line, "\"item_id\":\"%s\",\"output_index\":%d,%s", where[i].id, index,
                       where[i].part);
}

static const char *response_type(char kind, bool done)
{
    if (kind == 'a')
        return done ? "response.function_call_arguments.done"
                    : "response.function_call_arguments.delta";
    if (kind == 'r')
        return done ? "response.reasoning_summary_text.done"
                    : "response.reasoning_summary_text.delta";
    return done ? "response.output_text.done" : "response.output_text.delta";
}

static void response_piece(struct stream *s, struct span piece, int part)
{
    char kind = (char)part;
    const char *type = response_type(kind, false);

    response_open(s, type);
    response_where(s, kind, kind == 't' && s->a->wish.kind == 'r');
    out_text(&s->line, "\"delta\":\"");
    escaped(&s->line, piece, s->a->wish.escape);
    out_text(&s->line, kind == 't' ? "\",\"logprobs\":[]}" : "\"}");
    event(s, type);
}

static void response_part(struct stream *s, char kind, int index, struct span text, bool done)
{
    const char *type = kind == 'r'
                           ? (done ? "response.reasoning_summary_part.done"
                                   : "response.reasoning_summary_part.added")
                           : (done ? "response.content_part.done" : "response.content_part.added");

    if (kind == 'a')
        return;
    response_open(s, type);
    response_where(s, kind, index);
    out_format(&s->line, "\"part\":{\"type\":\"%s\",%s\"text\":\"",
               kind == 'r' ? "summary_text" : "output_text",
               kind == 'r' ? "" : "\"annotations\":[],");
    if (done)
        escaped(&s->line, text, s->a->wish.escape);
    out_text(&s->line, "\"}}");
    event(s, type);
}

static void response_one(struct stream *s, char kind, int index, struct span text)
{
    response_open(s, "response.output_item.added");
    out_format(&s->line, "\"output_index\":%d,\"item\":", index);
    response_item(s, text, false, kind, &s->line);
    out_text(&s->line, "}");
    event(s, "response.output_item.added");
    response_part(s, kind, index, text, false);
    pieces(s, text, response_piece, kind);
    response_open(s, response_type(kind, true));
    response_where(s, kind, index);
    out_text(&s->line, kind == 'a' ? "\"name\":\"lookup\",\"arguments\":\"" : "\"text\":\"");
    escaped(&s->line, text, s->a->wish.escape);
    out_text(&s->line, "\"}");
    event(s, response_type(kind, true));
    response_part(s, kind, index, text, true);
    response_open(s, "response.output_item.done");
    out_format(&s->line, "\"output_index\":%d,\"item\":", index);
    response_item(s, text, true, kind, &s->line);
    out_text(&s->line, "}");
    event(s, "response.output_item.done");
}

static void responses(struct stream *s, struct span text)
{
    struct span said = { "Done.", 5 };
    struct out output = { 0 };
    char kind = s->a->wish.kind;

    response_object(s, "response.created", "in_progress", (struct span){ "", 0 });
    response_object(s, "response.in_progress", "in_progress", (struct span){ "", 0 });
    response_one(s, kind, 0, text);
    response_item(s, text, true, kind, &output);
    if (kind == 'r') {
        response_one(s, 't', 1, said);
        out_text(&output, ",");
        response_item(s, said, true, 't', &output);
    }
    if (!s->a->wish.truncate)
        response_object(s, "response.completed", "completed",
                        (struct span){ output.p, output.len });
    free(output.p);
}

/* ---- messages -------------------------------------------------------------------------------------------------------- */

static void block_begin(struct stream *s, int index, char kind)
{
    out_format(&s->line,
               "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":", index);
    if (kind == 'a')
        out_format(&s->line,
                   "{\"type\":\"tool_use\",\"id\":\"toolu_%d\",\"name\":\"%s\",\"input\":{}}}",
                   index, s->a->wish.tool);
    else if (kind == 'r')
        out_text(&s->line, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}");
    else
        out_text(&s->line, "{\"type\":\"text\",\"text\":\"\"}}");
    event(s, "content_block_start");
}

static void block_piece(struct stream *s, struct span piece, int part)
{
    int index = part >> 8;
    char kind = (char)(part & 255);

    out_format(&s->line,
               "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":", index);
    out_text(&s->line, kind == 'a'   ? "\"input_json_delta\",\"partial_json\":\""
                       : kind == 'r' ? "\"thinking_delta\",\"thinking\":\""
                                     : "\"text_delta\",\"text\":\"");
    escaped(&s->line, piece, s->a->wish.escape);
    out_text(&s->line, "\"}}");
    event(s, "content_block_delta");
}

static void block_end(struct stream *s, int index, char kind)
{
    if (kind == 'r') {
        out_format(&s->line,
                   "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":"
                   "\"signature_delta\",\"signature\":\"c2lnbmF0dXJl\"}}",
                   index);
        event(s, "content_block_delta");
    }
    out_format(&s->line, "{\"type\":\"content_block_stop\",\"index\":%d}", index);
    event(s, "content_block_stop");
}

static void block(struct stream *s, int index, char kind, struct span text)
{
    block_begin(s, index, kind);
    pieces(s, text, block_piece, index << 8 | kind);
    block_end(s, index, kind);
}

static void messages(struct stream *s, struct span text)
{
    const struct ask *a = s->a;
    int blocks = a->wish.kind == 'a' && a->wish.tools > 0 ? a->wish.tools : 1;

    out_format(&s->line,
               "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_mock\",\"type\":"
               "\"message\",\"role\":\"assistant\",\"model\":\"%s\",\"content\":[],"
               "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":"
               "%lld,\"output_tokens\":1}}}",
               a->model, tokens(a));
    event(s, "message_start");
    out_text(&s->line, "{\"type\":\"ping\"}");
    event(s, "ping");
    for (int i = 0; i < blocks; i++)
        block(s, i, a->wish.kind, text);
    if (a->wish.kind == 'r')
        block(s, blocks, 't', (struct span){ "Done.", 5 });
    if (a->wish.truncate)
        return;
    out_format(&s->line,
               "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
               "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%lld}}",
               a->wish.kind == 'a' ? "tool_use" : "end_turn", tokens(a));
    event(s, "message_delta");
    out_text(&s->line, "{\"type\":\"message_stop\"}");
    event(s, "message_stop");
}

/* ---- Ollama, and bytes ------------------------------------------------------------------------------------------------ */

static void ollama_piece(struct stream *s, struct span piece, int part)
{
    const char *text = part == 'r' ? "thinking" : NULL;

    out_format(&s->line, "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\",", s->a->model);
    if (s->a->shape == SHAPE_OLLAMA_GENERATE)
        out_format(&s->line, "\"%s\":\"", text ? text : "response");
    else
        out_format(&s->line, "\"message\":{\"role\":\"assistant\",\"%s\":\"",
                   text ? text : "content");
    escaped(&s->line, piece, s->a->wish.escape);
    out_text(&s->line,
             s->a->shape == SHAPE_OLLAMA_GENERATE ? "\",\"done\":false}" : "\"},\"done\":false}");
    line(s);
}

static void ollama(struct stream *s, struct span text)
{
    if (s->a->wish.kind == 'a') {
        out_format(
            &s->line,
            "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":"
            "\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"%s\","
            "\"arguments\":",
            s->a->model, s->a->wish.tool);
        out_add(&s->line, text.p, text.len);
        out_text(&s->line, "}}]},\"done\":false}");
        line(s);
    } else {
        pieces(s, text, ollama_piece, s->a->wish.kind);
    }
    if (s->a->wish.truncate)
        return;
    out_format(&s->line,
               "{\"model\":\"%s\",\"created_at\":\"2026-01-01T00:00:00Z\",%s\"done\":true,"
               "\"done_reason\":\"stop\",\"prompt_eval_count\":%lld,\"eval_count\":%lld}",
               s->a->model,
               s->a->shape == SHAPE_OLLAMA_GENERATE
                   ? "\"response\":\"\","
                   : "\"message\":{\"role\":\"assistant\",\"content\":\"\"},",
               tokens(s->a), tokens(s->a));
    line(s);
}

/* A route of nobody's protocol: plain text in pieces, events of plain text (kind e), events (g) or lines (n) of JSON. */
static void pass_piece(struct stream *s, struct span piece, int part)
{
    if (part == 'g' || part == 'n') {
        out_text(&s->line,
                 "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"");
        escaped(&s->line, piece, s->a->wish.escape);
        out_text(&s->line, "\"}]},\"index\":0}],\"modelVersion\":\"mock-2026-11-29\"}");
        if (part == 'g')
            event(s, NULL);
        else
            line(s);
        return;
    }
    if (part == 'e') {
        out_add(&s->line, piece.p, piece.len);
        event(s, NULL);
        return;
    }
    if (s->r->dead || (s->a->wish.die > 0 && ++s->r->events >= s->a->wish.die)) {
        s->r->dead = true;
        return;
    }
    chunk(s, piece);
    reply_pause(s->r, s->a->wish.slow);
}

void answer_stream(const struct ask *a, struct span text, struct reply *r)
{
    struct stream s = { .a = a, .r = r, .state = a->wish.seed * 0x9e3779b97f4a7c15u + 1 };
    bool pass = a->shape == SHAPE_PASS;
    bool lines = a->shape == SHAPE_OLLAMA_CHAT || a->shape == SHAPE_OLLAMA_GENERATE ||
                 (pass && a->wish.kind == 'n');
    const char *type = lines                                     ? "application/x-ndjson"
                       : pass && strchr("eg", a->wish.kind) == 0 ? "text/plain"
                                                                 : "text/event-stream";

    head(r, 200, a->wish.type[0] ? a->wish.type : type, "Cache-Control: no-cache\r\n", -1);
    switch (a->shape) {
    case SHAPE_CHAT:
        chat(&s, text);
        break;
    case SHAPE_COMPLETIONS:
        completions(&s, text);
        break;
    case SHAPE_RESPONSES:
        responses(&s, text);
        break;
    case SHAPE_MESSAGES:
        messages(&s, text);
        break;
    case SHAPE_PASS:
        pieces(&s, text, pass_piece, a->wish.kind);
        break;
    default:
        ollama(&s, text);
    }
    if (r->dead)
        r->close = true;
    else
        out_text(&r->bytes, "0\r\n\r\n");
    free(s.line.p);
}
