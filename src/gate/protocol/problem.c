/* Errors as the clients of each dialect expect them. */
#include "base/json.h"
#include "gate/protocol/stream.h"

/* Word for `error.type` of OpenAI and Anthropic; their own lists of errors. */
static const char *openai_type(unsigned status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static const char *anthropic_type(unsigned status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 504:
        return "timeout_error";
    case 503:
    case 529:
        return "overloaded_error";
    default:
        return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

/* JSON-RPC 2.0 section 5.1: -32700 to -32600 are for the protocol itself, -32000 to -32099 for servers. */
static int rpc_code(unsigned status)
{
    return status == 400 ? -32600 : status == 404 ? -32601 : status >= 500 ? -32603 : -32000;
}

static json_t *problem(enum btz_dialect d, unsigned status, const char *code, const char *message,
                       const char *request_id)
{
    switch (d) {
    case BTZ_DIALECT_OPENAI:
        return json_pack("{s:{s:s, s:s, s:n, s:s}}", "error", "message", message, "type",
                         openai_type(status), "param", "code", code);
    case BTZ_DIALECT_ANTHROPIC:
        return json_pack("{s:s, s:{s:s, s:s, s:s}, s:s?}", "type", "error", "error", "type",
                         anthropic_type(status), "message", message, "code", code, "request_id",
                         request_id);
    case BTZ_DIALECT_OLLAMA:
        return json_pack("{s:s, s:s}", "error", message, "code", code);
    case BTZ_DIALECT_MCP:
        return json_pack("{s:s, s:n, s:{s:i, s:s, s:{s:s, s:s?}}}", "jsonrpc", "2.0", "id", "error",
                         "code", rpc_code(status), "message", message, "data", "code", code,
                         "request_id", request_id);
    default:
        return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s?}", "type", "about:blank", "title", code,
                         "status", (int)status, "detail", message, "code", code, "request_id",
                         request_id);
    }
}

enum btz_err btz_problem_write(enum btz_dialect d, unsigned status, const char *code,
                               const char *message, const char *request_id, struct btz_buf *out)
{
    BTZ_JSON json_t *root = NULL;
    BTZ_JSON json_t *text = btz_json_text(btz_str(message)); /* whatever it quotes is UTF-8 now */

    if (!text)
        return btz_fail(BTZ_LIMIT, "out of memory for an error's text");
    root = problem(d, status, code, json_string_value(text), request_id);
    return btz_json_write(root, false, out);
}

static unsigned status_of(const char *code)
{
    static const struct {
        const char *code;
        unsigned status;
    } known[] = {
        { "guard_blocked", 403 },    { "rate_limited", 429 },        { "budget_exceeded", 429 },
        { "step_up_required", 403 }, { "upstream_overloaded", 503 }, { "upstream_timeout", 504 },
    };

    for (size_t i = 0; i < BTZ_COUNT(known); i++)
        if (strcmp(code, known[i].code) == 0)
            return known[i].status;
    return 500;
}

static enum btz_err responses_event(const char *code, const char *message, struct btz_buf *out)
{
    BTZ_JSON json_t *text = btz_json_text(btz_str(message));
    BTZ_JSON json_t *error = NULL;
    BTZ_JSON json_t *failed = NULL;

    if (!text)
        return btz_fail(BTZ_LIMIT, "out of memory for an error's text");
    error =
        json_pack("{s:s, s:s, s:O, s:n}", "type", "error", "code", code, "message", text, "param");
    failed = json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:O}, s:[]}}", "type", "response.failed",
                       "response", "id", "", "object", "response", "status", "failed", "error",
                       "code", code, "message", text, "output");
    BTZ_TRY(btz_buf_add_str(out, "event: error\ndata: "));
    BTZ_TRY(btz_json_write(error, false, out));
    BTZ_TRY(btz_buf_add_str(out, "\n\nevent: response.failed\ndata: "));
    BTZ_TRY(btz_json_write(failed, false, out));
    return btz_buf_add_str(out, "\n\n");
}

enum btz_err btz_problem_event_of(enum btz_protocol p, const char *code, const char *message,
                                  const char *request_id, struct btz_buf *out)
{
    if (p == BTZ_PROTOCOL_RESPONSES)
        return responses_event(code, message, out);
    return btz_problem_event(btz_protocol_dialect(p), code, message, request_id, out);
}

enum btz_err btz_problem_line(enum btz_protocol p, const char *code, const char *message,
                              struct btz_buf *out)
{
    BTZ_TRY(btz_problem_write(btz_protocol_dialect(p), status_of(code), code, message, NULL, out));
    return btz_buf_add_byte(out, '\n');
}

enum btz_err btz_problem_event(enum btz_dialect d, const char *code, const char *message,
                               const char *request_id, struct btz_buf *out)
{
    static const char *const ends[] = {
        [BTZ_DIALECT_OPENAI] = "\n\ndata: [DONE]\n\n",
        [BTZ_DIALECT_ANTHROPIC] = "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        [BTZ_DIALECT_MCP] = "\n\n",
        [BTZ_DIALECT_PLAIN] = "\n\n",
    };
    unsigned status = status_of(code);

    if (d == BTZ_DIALECT_OLLAMA) {
        BTZ_JSON json_t *text = btz_json_text(btz_str(message));
        BTZ_JSON json_t *line = text ? json_pack("{s:O, s:s, s:b, s:s}", "error", text, "code",
                                                 code, "done", 1, "done_reason", "error")
                                     : NULL;

        BTZ_TRY(btz_json_write(line, false, out));
        return btz_buf_add_byte(out, '\n');
    }
    BTZ_TRY(btz_buf_add_str(out, d == BTZ_DIALECT_OPENAI ? "data: "
                                 : d == BTZ_DIALECT_MCP  ? "event: message\ndata: "
                                                         : "event: error\ndata: "));
    BTZ_TRY(btz_problem_write(d, status, code, message, request_id, out));
    return btz_buf_add_str(out, ends[d]);
}
