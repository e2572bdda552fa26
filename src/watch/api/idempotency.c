/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key): a request that is sent again because its answer was lost is not
 * done twice. Answers are kept sealed, since some hold a secret that is shown once.
 */
#include "watch/api/exchange.h"

#define KEEP_MS    86400000
#define ANSWER_MAX ((size_t)1 << 20)
#define KEY_MAX    255
#define ROWS_MAX   1000 /* of one principal */
#define BYTES_MAX  ((int64_t)16 << 20)
#define UNDER_WAY  0
#define DONE       1

enum btz_err btz_api_once_migrate(struct btz_store *s)
{
    const struct btz_access_part *part = &btz_access_part_api;

    return btz_store_migrate(s, part->name, part->migrations, part->migration_count);
}

enum btz_err btz_api_once_tidy(struct btz_store *s, uint64_t now_ms)
{
    const struct btz_value before =
        btz_value_int((int64_t)(now_ms > KEEP_MS ? now_ms - KEEP_MS : 0));

    return btz_store_run(s, "DELETE FROM api_once WHERE made_ms < ?", &before, 1, NULL);
}

/* ---- what a request is ---------------------------------------------------------------------------------------------- */

static void add(struct btz_sha256 *h, const char *text)
{
    btz_sha256_add(h, btz_slice_of(text ? text : "", text ? strlen(text) + 1 : 1));
}

/* The key belongs to who sent it; the print is all that makes the request. */
static enum btz_err take_prints(const struct btz_api_exchange *x, const char *key,
                                struct btz_api_once *once)
{
    struct btz_sha256 h;

    btz_sha256_init(&h);
    add(&h, x->caller.principal);
    add(&h, x->caller.key);
    add(&h, key);
    btz_sha256_end(&h, once->key);
    btz_sha256_init(&h);
    add(&h, x->request->method);
    btz_sha256_add(&h, x->request->target);
    add(&h, "");
    add(&h, btz_api_header(x->request, "If-Match", NULL));
    btz_sha256_add(&h, x->request->body);
    btz_sha256_end(&h, once->print);
    return BTZ_OK;
}

/* A quoted string of the draft, or the bare text that many clients send. */
static bool is_key(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > KEY_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return text[0] != '"' || (n > 2 && text[n - 1] == '"' && !memchr(text + 1, '"', n - 2));
}

/* ---- the kept answer ------------------------------------------------------------------------------------------------ */

static enum btz_err about(const struct btz_api_once *once, char out[96])
{
    char hex[2 * BTZ_SHA256_LEN + 1];

    btz_hex(once->key, sizeof once->key, hex);
    snprintf(out, 96, "api_once/%s/answer", hex);
    return BTZ_OK;
}

/* {"media_type", "headers": [[name, value]...], "body"}, sealed. */
static enum btz_err pack(struct btz_api_exchange *x, const struct btz_api_once *once,
                         struct btz_buf *out)
{
    const struct btz_api_answer *a = x->answer;
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(2 * ANSWER_MAX);
    BTZ_JSON json_t *all = NULL;
    json_t *headers = json_array();
    char place[96];
    enum btz_err err;

    for (size_t i = 0; i < a->header_count; i++)
        json_array_append_new(headers, json_pack("[s,s]", a->headers[i].name, a->headers[i].value));
    all = json_pack("{s:o, s:s, s:o}", "headers", headers, "media_type",
                    a->media_type ? a->media_type : "", "body",
                    btz_json_text(btz_buf_slice(&a->buf)));
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(about(once, place));
    err = btz_json_write(all, false, &clear);
    if (err == BTZ_OK)
        err = btz_seal(x->api->o.backend->seal, place, btz_buf_slice(&clear), out);
    if (clear.ptr)
        btz_wipe(clear.ptr, clear.len);
    return err;
}

static enum btz_err unpack_headers(struct btz_api_exchange *x, const json_t *headers)
{
    static const char *const known[] = { "ETag", "Link", "Content-Disposition" };

    for (size_t i = 0; i < json_array_size(headers); i++) {
        const json_t *pair = json_array_get(headers, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));

        for (size_t k = 0; name && value && k < BTZ_COUNT(known); k++)
            if (strcmp(known[k], name) == 0)
                BTZ_TRY(btz_api_add_header(x->answer, x->arena, known[k], value));
    }
    return BTZ_OK;
}

static enum btz_err unpack(struct btz_api_exchange *x, const struct btz_api_once *once,
                           unsigned status, struct btz_slice sealed)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(2 * ANSWER_MAX);
    BTZ_JSON json_t *all = NULL;
    struct btz_slice type, body;
    char place[96];
    enum btz_err err;

    BTZ_TRY(about(once, place));
    err = btz_unseal(x->api->o.backend->seal, place, sealed, &clear);
    if (err == BTZ_OK)
        err = btz_json_parse(btz_buf_slice(&clear), 2 * ANSWER_MAX, "kept answer", &all);
    if (clear.ptr)
        btz_wipe(clear.ptr, clear.len);
    BTZ_TRY(err);
    if (!btz_json_get_text(all, "media_type", &type) || !btz_json_get_text(all, "body", &body))
        return btz_fail(BTZ_INTERNAL, "kept answer: damaged");
    BTZ_TRY(unpack_headers(x, json_object_get(all, "headers")));
    BTZ_TRY(btz_buf_add_slice(&x->answer->buf, body));
    x->answer->status = status;
    x->answer->no_body = body.len == 0;
    if (type.len > 0) {
        x->answer->media_type = btz_arena_str(x->arena, type);
        if (!x->answer->media_type)
            return BTZ_LIMIT;
    }
    return btz_api_add_header(x->answer, x->arena, "Idempotency-Replayed", "true");
}

/* ---- begin and end -------------------------------------------------------------------------------------------------- */

static enum btz_err look_up(struct btz_api_exchange *x, struct btz_api_once *once,
                            struct btz_store *s)
{
    const struct btz_value key = btz_value_blob(once->key, sizeof once->key), *row;

    BTZ_TRY(btz_store_one(s, "SELECT print, state, status, answer FROM api_once WHERE key = ?",
                          &key, 1, x->arena, 4, &row));
    if (!row)
        return btz_api_refuse(x->answer, x->arena, 409, "the same request is being worked on");
    if (!btz_slice_equal(row[0].bytes, btz_slice_of(once->print, sizeof once->print)))
        return btz_api_refuse(x->answer, x->arena, 422, NULL);
    if (row[1].i != DONE)
        return btz_api_refuse(x->answer, x->arena, 409,
                              "the same request is being worked on, or was when the daemon was "
                              "killed: look before you send it under another key");
    return unpack(x, once, (unsigned)row[2].i, row[3].bytes);
}

static enum btz_err begin(struct btz_api_exchange *x, struct btz_api_once *once,
                          struct btz_store *s)
{
    uint64_t now = x->api->o.backend->now_ms(x->api->o.backend->access), made = 0;
    const struct btz_value row[] = { btz_value_blob(once->key, sizeof once->key),
                                     btz_value_blob(once->print, sizeof once->print),
                                     btz_value_int((int64_t)now),
                                     btz_value_str(x->caller.principal),
                                     btz_value_int((int64_t)(now - KEEP_MS)) };

    /* One that is a day old makes room; any other stays. */
    BTZ_TRY(btz_store_run(s,
                          "INSERT INTO api_once (key, print, state, made_ms, owner) VALUES (?, ?, "
                          "0, ?, ?) ON CONFLICT (key) DO UPDATE SET print = excluded.print, state "
                          "= 0, status = NULL, answer = NULL, made_ms = excluded.made_ms, owner = "
                          "excluded.owner, size = 0 "
                          "WHERE api_once.made_ms < ?",
                          row, BTZ_COUNT(row), &made));
    if (made == 0)
        return look_up(x, once, s);
    once->on = true;
    return BTZ_OK;
}

enum btz_err btz_api_once_begin(struct btz_api_exchange *x, struct btz_api_once *once)
{
    const struct btz_api_backend *b = x->api->o.backend;
    const char *key = btz_api_header(x->request, "Idempotency-Key", NULL);
    struct btz_store *s;
    enum btz_err err;

    once->on = false;
    if (!key)
        return BTZ_OK;
    if (!is_key(key))
        return btz_api_refuse(x->answer, x->arena, 400,
                              "Idempotency-Key: expected 1 to 255 printable characters");
    BTZ_TRY(take_prints(x, key, once));
    BTZ_TRY(b->store(b->access, &s));
    err = begin(x, once, s);
    b->store_back(b->access, s);
    return err;
}

/* Nobody fills the disk with them: the oldest of one principal go. What is under way stays. */
static enum btz_err make_room(const struct btz_api_exchange *x, struct btz_store *s)
{
    const struct btz_value v[] = { btz_value_str(x->caller.principal), btz_value_int(ROWS_MAX),
                                   btz_value_int(BYTES_MAX) };

    return btz_store_run(
        s,
        "DELETE FROM api_once WHERE state = 1 AND key IN (SELECT key FROM (SELECT key, "
        "row_number() OVER newest AS place, sum(size) OVER newest AS total FROM api_once WHERE "
        "owner = ? WINDOW newest AS (ORDER BY made_ms DESC, key)) AS kept WHERE place > ? OR "
        "total > ?)",
        v, BTZ_COUNT(v), NULL);
}

static enum btz_err keep(struct btz_api_exchange *x, const struct btz_api_once *once,
                         struct btz_store *s)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(3 * ANSWER_MAX);
    struct btz_value row[4];

    BTZ_TRY(pack(x, once, &sealed));
    row[0] = btz_value_int((int64_t)x->answer->status);
    row[1] = btz_value_blob(sealed.ptr, sealed.len);
    row[2] = btz_value_int((int64_t)sealed.len);
    row[3] = btz_value_blob(once->key, sizeof once->key);
    BTZ_TRY(btz_store_run(
        s, "UPDATE api_once SET state = 1, status = ?, answer = ?, size = ? WHERE key = ?", row,
        BTZ_COUNT(row), NULL));
    return make_room(x, s);
}

static enum btz_err forget(const struct btz_api_once *once, struct btz_store *s)
{
    const struct btz_value key = btz_value_blob(once->key, sizeof once->key);

    return btz_store_run(s, "DELETE FROM api_once WHERE key = ?", &key, 1, NULL);
}

/* A refusal may end otherwise next time (a second factor was shown, a name is free again); a new cookie is not for twice. */
static bool is_worth_keeping(const struct btz_api_answer *a)
{
    for (size_t i = 0; i < a->header_count; i++)
        if (strcmp(a->headers[i].name, "Set-Cookie") == 0)
            return false;
    return a->status >= 200 && a->status < 300 && a->buf.len <= ANSWER_MAX;
}

enum btz_err btz_api_once_end(struct btz_api_exchange *x, const struct btz_api_once *once,
                              bool made)
{
    const struct btz_api_backend *b = x->api->o.backend;
    struct btz_store *s;
    enum btz_err err;

    if (b->store(b->access, &s) != BTZ_OK) {
        btz_log(x->api->o.log, BTZ_LOG_WARN, "idempotency: %s", btz_error_detail());
        return BTZ_OK;
    }
    err = made || is_worth_keeping(x->answer) ? keep(x, once, s) : forget(once, s);
    b->store_back(b->access, s);
    /* It is done all the same; only a repetition will not be told so well. */
    if (err != BTZ_OK)
        btz_log(x->api->o.log, BTZ_LOG_WARN, "idempotency: %s", btz_error_detail());
    return BTZ_OK;
}
