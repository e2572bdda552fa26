#include <strings.h>

#include "cli/access_client.h"
#include "http/http.h"
#include "watch/api/api.h"

#define ANSWER_MAX BTZ_API_ANSWER_MAX

struct remote {
    const struct btz_operation *op;
    const char *if_match;
    json_t **out;
    struct btz_problem *problem;
    enum btz_err err;
    bool done;
};

/* ---- the request ---------------------------------------------------------------------------------------------------- */

static enum btz_err scalar_text(const json_t *value, const char *name, struct btz_buf *out)
{
    if (json_is_string(value))
        return btz_api_encode(btz_str(json_string_value(value)), out);
    if (json_is_integer(value))
        return btz_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_boolean(value))
        return btz_buf_add_str(out, json_is_true(value) ? "true" : "false");
    return btz_fail(BTZ_USAGE, "`%s` does not fit into an address", name);
}

static enum btz_err write_path(const struct btz_operation *op, const json_t *in,
                               struct btz_buf *url)
{
    for (const char *p = op->path; *p;) {
        size_t n = strcspn(p, "{");
        char name[64];
        const json_t *value;

        BTZ_TRY(btz_buf_add(url, p, n));
        p += n;
        if (!*p)
            break;
        n = strcspn(p, "}");
        snprintf(name, sizeof name, "%.*s", (int)(n - 1), p + 1);
        p += n + 1;
        value = json_object_get(in, name);
        if (!value || (json_is_string(value) && !*json_string_value(value)))
            return btz_fail(BTZ_USAGE, "`%s` is missing", name);
        BTZ_TRY(scalar_text(value, name, url));
    }
    return BTZ_OK;
}

static enum btz_err write_query_value(const char *name, const json_t *value, bool *first,
                                      struct btz_buf *url)
{
    BTZ_TRY(btz_buf_add_byte(url, *first ? '?' : '&'));
    *first = false;
    BTZ_TRY(btz_api_encode(btz_str(name), url));
    BTZ_TRY(btz_buf_add_byte(url, '='));
    return scalar_text(value, name, url);
}

static enum btz_err write_query(const struct btz_operation *op, const json_t *in,
                                struct btz_buf *url)
{
    bool first = true;

    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];
        json_t *value = json_object_get(in, f->name), *item;
        size_t k;

        if (f->place != BTZ_IN_QUERY || !value)
            continue;
        if (!json_is_array(value)) {
            BTZ_TRY(write_query_value(f->name, value, &first, url));
            continue;
        }
        json_array_foreach(value, k, item)
        {
            BTZ_TRY(write_query_value(f->name, item, &first, url));
        }
    }
    return BTZ_OK;
}

/* Everything that is in neither path nor query; what the table does not know too, so that the daemon names it. */
static enum btz_err write_body(const struct btz_operation *op, const json_t *in,
                               struct btz_buf *out)
{
    BTZ_JSON json_t *body = json_object();
    json_t *given, *value;
    const char *name;

    memcpy(&given, &in, sizeof given);
    if (!body)
        return btz_fail(BTZ_LIMIT, "out of memory");
    json_object_foreach(given, name, value)
    {
        bool elsewhere = false;

        for (size_t i = 0; i < op->field_count; i++)
            if (strcmp(op->fields[i].name, name) == 0)
                elsewhere = op->fields[i].place != BTZ_IN_BODY;
        if (!elsewhere && json_object_set(body, name, value) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    if (json_object_size(body) == 0 && strcmp(op->method, "GET") == 0)
        return BTZ_OK;
    return btz_json_write(body, false, out);
}

/* ---- the answer ----------------------------------------------------------------------------------------------------- */

static enum btz_err err_of(unsigned status)
{
    switch (status) {
    case 400:
    case 421:
        return BTZ_USAGE;
    case 401:
    case 403:
        return BTZ_DENIED;
    case 404:
        return BTZ_INPUT;
    case 409:
    case 412:
    case 422:
        return BTZ_CONFLICT;
    case 413:
    case 429:
    case 503:
        return BTZ_LIMIT;
    case 507:
        return BTZ_IO;
    case 502:
        return BTZ_UNREACHABLE;
    default:
        return BTZ_INTERNAL;
    }
}

static void copy_member(const json_t *value, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(value, key));

    snprintf(out, size, "%s", text ? text : "");
}

static enum btz_err take_problem(struct remote *r, const struct btz_http_reply *reply)
{
    BTZ_JSON json_t *value = NULL;
    enum btz_err parsed = btz_json_parse(reply->body, ANSWER_MAX, "answer", &value);

    if (parsed == BTZ_OK && json_is_object(value)) {
        copy_member(value, "title", r->problem->title, sizeof r->problem->title);
        copy_member(value, "detail", r->problem->detail, sizeof r->problem->detail);
        copy_member(value, "needs", r->problem->needs, sizeof r->problem->needs);
    }
    if (r->problem->detail[0])
        return btz_fail(err_of(reply->status), "%s", r->problem->detail);
    return btz_fail(err_of(reply->status), "the daemon answered %u%s%s", reply->status,
                    r->problem->title[0] ? ": " : "", r->problem->title);
}

static enum btz_err take_answer(struct remote *r, const struct btz_http_reply *reply)
{
    const char *type = btz_http_reply_header(reply, "content-type");
    json_t *value = NULL;

    r->problem->status = reply->status;
    if (reply->err != BTZ_OK)
        return btz_fail(reply->err, "%s", reply->detail ? reply->detail : "no answer");
    if (reply->status < 200 || reply->status > 299)
        return take_problem(r, reply);
    if (r->op->raw && reply->status == 200) {
        value = json_object();
        if (!value || json_object_set_new(value, r->op->raw, btz_json_text(reply->body)) != 0 ||
            json_object_set_new(value, "media_type", json_string(type ? type : "")) != 0) {
            json_decref(value);
            return btz_fail(BTZ_LIMIT, "out of memory");
        }
    } else if (reply->body.len == 0) {
        value = json_object();
        if (!value)
            return btz_fail(BTZ_LIMIT, "out of memory");
    } else {
        BTZ_TRY(btz_json_parse(reply->body, ANSWER_MAX, "answer of the daemon", &value));
    }
    *r->out = value;
    return BTZ_OK;
}

static void on_done(void *user, const struct btz_http_reply *reply)
{
    struct remote *r = user;

    r->done = true;
    r->err = take_answer(r, reply);
}

/* ---- both ----------------------------------------------------------------------------------------------------------- */

static enum btz_err send_request(struct btz_cli *cli, struct remote *r,
                                 const struct btz_http_opts *opts, const char *url,
                                 struct btz_slice body)
{
    const char *key = btz_cli_env()->get(btz_cli_env()->user, "BARTIZAN_KEY");
    BTZ_BUF_RELEASE struct btz_buf bearer = BTZ_BUF(8192);
    struct btz_http_header headers[4] = { { "Accept", "application/json" } };
    struct btz_http_request request = { .method = r->op->method,
                                        .url = url,
                                        .headers = headers,
                                        .header_count = 1,
                                        .body = body,
                                        .no_retry = true,
                                        .user = r,
                                        .on_done = on_done };
    struct btz_http *http;
    enum btz_err err;

    if (body.len > 0)
        headers[request.header_count++] =
            (struct btz_http_header){ "Content-Type", "application/json" };
    if (r->if_match)
        headers[request.header_count++] = (struct btz_http_header){ "If-Match", r->if_match };
    if (key && *key) {
        const char *text;

        BTZ_TRY(btz_buf_printf(&bearer, "Bearer %s", key));
        BTZ_TRY(btz_buf_cstr(&bearer, &text));
        headers[request.header_count++] = (struct btz_http_header){ "Authorization", text };
    } else if (opts->unix_socket) {
        headers[request.header_count++] = (struct btz_http_header){ "X-Bartizan-Local", "1" };
    } else {
        return btz_fail(BTZ_USAGE, "set BARTIZAN_KEY to an API key for %s", url);
    }
    BTZ_TRY(btz_http_new(opts, &http));
    err = btz_http_submit(http, &request);
    if (err == BTZ_OK)
        err = btz_http_run(http, -1, cli->stop);
    btz_http_free(http);
    if (bearer.ptr)
        btz_wipe(bearer.ptr, bearer.cap);
    if (err == BTZ_OK && !r->done)
        err = btz_fail(BTZ_UNREACHABLE, "stopped before an answer came");
    return err == BTZ_OK ? r->err : err;
}

enum btz_err btz_cli_remote(struct btz_cli *cli, const char *server, const struct btz_operation *op,
                            const json_t *in, const char *if_match, json_t **out,
                            struct btz_problem *problem)
{
    bool https = strncasecmp(server, "https://", 8) == 0;
    struct btz_http_opts opts = { .max_in_flight = 1,
                                  .max_body = ANSWER_MAX,
                                  .ca_file = btz_cli_env()->get(btz_cli_env()->user, "BARTIZAN_CA"),
                                  .unix_socket = https ? NULL : server };
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF(65536), body = BTZ_BUF(BTZ_API_BODY_MAX);
    struct remote r = { .op = op, .if_match = if_match, .out = out, .problem = problem };
    size_t n = strlen(server);
    const char *text;
    enum btz_err err;

    memset(problem, 0, sizeof *problem);
    if (!op->path)
        return btz_fail(BTZ_USAGE, "%s is for the owner of the state folder alone", op->id);
    if (strncasecmp(server, "http://", 7) == 0)
        return btz_fail(BTZ_USAGE, "%s: a key is sent over https only", server);
    while (https && n > 8 && server[n - 1] == '/')
        n--;
    BTZ_TRY(https ? btz_buf_add(&url, server, n) : btz_buf_add_str(&url, "http://localhost"));
    BTZ_TRY(write_path(op, in, &url));
    BTZ_TRY(write_query(op, in, &url));
    BTZ_TRY(btz_buf_cstr(&url, &text));
    BTZ_TRY(write_body(op, in, &body));
    err = send_request(cli, &r, &opts, text, btz_buf_slice(&body));
    if (body.ptr)
        btz_wipe(body.ptr, body.cap);
    return err;
}
