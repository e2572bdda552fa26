/* A small MCP server over streamable HTTP: JSON-RPC in, JSON out. Its tool's description is text 1000 when there is one. */
#include <stdlib.h>
#include <string.h>

#include "mock.h"

/* The id as it came: a number or a string. */
static struct span id_of(struct span body)
{
    const char *p = memmem(body.p, body.len, "\"id\":", 5), *q;

    if (p == NULL)
        return (struct span){ "", 0 };
    for (q = p += 5; q < body.p + body.len && *q != ',' && *q != '}'; q++)
        ;
    return (struct span){ p, (size_t)(q - p) };
}

static bool is(struct span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

void answer_mcp(const struct ask *a, struct reply *r)
{
    struct span method = json_member(a->body, "method"), id = id_of(a->body);
    struct span said = texts_get(1000);
    struct out o = { 0 };

    if (a->method.len != 4) {
        answer_json(r, 405, "", (struct span){ "{}", 2 });
        return;
    }
    if (id.len == 0) { /* a notification */
        head(r, 202, "application/json", "", 0);
        return;
    }
    out_text(&o, "{\"jsonrpc\":\"2.0\",\"id\":");
    out_add(&o, id.p, id.len);
    if (is(method, "initialize")) {
        out_text(&o,
                 ",\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
                 "\"serverInfo\":{\"name\":\"mock\",\"version\":\"1\"}}}");
    } else if (is(method, "tools/list")) {
        out_text(&o, ",\"result\":{\"tools\":[{\"name\":\"lookup\",\"description\":\"");
        if (is(said, "no such text"))
            out_text(&o, "Looks a word up.");
        else
            escaped(&o, said, false);
        out_text(&o, "\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"q\":{\"type\":"
                     "\"string\"}}}}]}}");
    } else if (is(method, "tools/call")) {
        out_text(&o, ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
        if (a->wish.say > 0)
            escaped(&o, texts_get(a->wish.say), a->wish.escape);
        else
            out_text(&o, "found");
        out_text(&o, "\"}],\"isError\":false}}");
    } else {
        out_text(&o, ",\"error\":{\"code\":-32601,\"message\":\"no such method\"}}");
    }
    answer_json(r, 200, "Mcp-Session-Id: mock-session\r\n", (struct span){ o.p, o.len });
    free(o.p);
}
