#include <stdlib.h>

#include "gate/protocol/stream.h"

/* ---- the protocols ---- */

#define OPENAI(word, shape)                                                                        \
    .name = word, .dialect = BTZ_DIALECT_OPENAI, .request = &btz_shape_##shape##_request,          \
    .response = &btz_shape_##shape##_response

static const struct btz_family families[BTZ_PROTOCOL_COUNT] = {
    [BTZ_PROTOCOL_CHAT] = { OPENAI("chat", chat), .stream = &btz_chat_stream,
                            .response_done = btz_chat_response_done, .forget = btz_chat_forget,
                            .required = "messages",
                            .max_tokens = "max_completion_tokens max_tokens" },
    [BTZ_PROTOCOL_COMPLETIONS] = { OPENAI("completions", completions), .stream = &btz_chat_stream,
                                   .response_done = btz_chat_response_done,
                                   .forget = btz_chat_forget, .max_tokens = "max_tokens" },
    [BTZ_PROTOCOL_RESPONSES] = { OPENAI("responses", responses), .stream = &btz_responses_stream,
                                 .response_done = btz_responses_response_done,
                                 .forget = btz_responses_forget,
                                 .max_tokens = "max_output_tokens" },
    [BTZ_PROTOCOL_EMBEDDINGS] = { OPENAI("embeddings", embeddings),
                                  .response_done = btz_openai_response_done, .required = "input" },
    [BTZ_PROTOCOL_IMAGES] = { OPENAI("images", images), .stream = &btz_responses_stream,
                              .response_done = btz_openai_response_done, .multipart = true },
    [BTZ_PROTOCOL_SPEECH] = { .name = "speech",
                              .request = &btz_shape_speech_request,
                              .response = &btz_openai_failure,
                              .stream = &btz_responses_stream,
                              .required = "input",
                              .bytes_out = true },
    [BTZ_PROTOCOL_TRANSCRIBE] = { .name = "transcribe",
                                  .request = &btz_nothing,
                                  .response = &btz_shape_transcribe_response,
                                  .stream = &btz_responses_stream,
                                  .response_done = btz_openai_response_done,
                                  .forget = btz_transcribe_forget,
                                  .multipart = true,
                                  .bytes_out = true },
    [BTZ_PROTOCOL_MODERATIONS] = { OPENAI("moderations", moderations),
                                   .response_done = btz_openai_response_done, .required = "input" },
    [BTZ_PROTOCOL_FILES] = { .name = "files",
                             .request = &btz_nothing,
                             .response = &btz_shape_files_response,
                             .multipart = true,
                             .bytes_out = true },
    [BTZ_PROTOCOL_BATCHES] = { OPENAI("batches", batches) },
    [BTZ_PROTOCOL_MODELS] = { .name = "models",
                              .request = &btz_nothing,
                              .response = &btz_shape_models_response },
    [BTZ_PROTOCOL_MESSAGES] = { .name = "messages",
                                .dialect = BTZ_DIALECT_ANTHROPIC,
                                .request = &btz_shape_messages_request,
                                .response = &btz_shape_messages_response,
                                .stream = &btz_messages_stream,
                                .response_done = btz_messages_response_done,
                                .forget = btz_messages_forget,
                                .required = "messages",
                                .max_tokens = "max_tokens" },
    [BTZ_PROTOCOL_COUNT_TOKENS] = { .name = "count-tokens",
                                    .dialect = BTZ_DIALECT_ANTHROPIC,
                                    .request = &btz_shape_messages_request,
                                    .response = &btz_shape_messages_response,
                                    .required = "messages" },
    [BTZ_PROTOCOL_OLLAMA_CHAT] = { .name = "ollama-chat",
                                   .dialect = BTZ_DIALECT_OLLAMA,
                                   .request = &btz_shape_ollama_chat_request,
                                   .response = &btz_shape_ollama_chat_response,
                                   .stream = &btz_ollama_stream,
                                   .request_done = btz_ollama_request_done,
                                   .response_done = btz_ollama_response_done,
                                   .streams = true },
    [BTZ_PROTOCOL_OLLAMA_GENERATE] = { .name = "ollama-generate",
                                       .dialect = BTZ_DIALECT_OLLAMA,
                                       .request = &btz_shape_ollama_generate_request,
                                       .response = &btz_shape_ollama_generate_response,
                                       .stream = &btz_ollama_stream,
                                       .request_done = btz_ollama_request_done,
                                       .response_done = btz_ollama_response_done,
                                       .forget = btz_ollama_forget,
                                       .streams = true },
    [BTZ_PROTOCOL_OLLAMA_EMBED] = { .name = "ollama-embed",
                                    .dialect = BTZ_DIALECT_OLLAMA,
                                    .request = &btz_shape_ollama_embed_request,
                                    .response = &btz_shape_ollama_embed_response,
                                    .response_done = btz_ollama_response_done },
    [BTZ_PROTOCOL_OLLAMA_TAGS] = { .name = "ollama-tags",
                                   .dialect = BTZ_DIALECT_OLLAMA,
                                   .request = &btz_shape_ollama_show_request,
                                   .response = &btz_shape_ollama_tags_response },
    [BTZ_PROTOCOL_MCP] = { .name = "mcp",
                           .dialect = BTZ_DIALECT_MCP,
                           .request = &btz_mcp_message,
                           .response = &btz_mcp_message,
                           .stream = &btz_mcp_stream,
                           .request_done = btz_mcp_request_done },
    [BTZ_PROTOCOL_PASS] = { .name = "pass",
                            .dialect = BTZ_DIALECT_PLAIN,
                            .stream = &btz_pass_stream,
                            .multipart = true,
                            .bytes_in = true,
                            .bytes_out = true,
                            .strings = true },
};

const struct btz_family *btz_family_of(enum btz_protocol p)
{
    return &families[(unsigned)p < BTZ_PROTOCOL_COUNT ? p : BTZ_PROTOCOL_PASS];
}

const char *btz_protocol_name(enum btz_protocol p)
{
    return btz_family_of(p)->name;
}

enum btz_dialect btz_protocol_dialect(enum btz_protocol p)
{
    return btz_family_of(p)->dialect;
}

/* ---- reading ---- */

static enum btz_err keep_part(struct btz_walk *w, const struct btz_part *part)
{
    struct btz_message *m = w->message;

    if (m->part_count == BTZ_PARTS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d texts", BTZ_PARTS_MAX);
    if (m->part_count == w->part_room) {
        size_t room = w->part_room ? w->part_room * 4 : 16;
        struct btz_part *more = btz_arena_array(w->arena, room, sizeof *more);

        if (!more)
            return BTZ_LIMIT;
        if (m->part_count > 0)
            memcpy(more, m->parts, m->part_count * sizeof *more);
        m->parts = more;
        w->part_room = room;
    }
    m->parts[m->part_count++] = *part;
    return BTZ_OK;
}

/* An upload or another body: text when it is UTF-8 without controls that no text has. */
static enum btz_err read_bytes(struct btz_walk *w, struct btz_slice body)
{
    struct btz_part part = {
        .channel = BTZ_CHANNEL_RAW, .text = body, .holder = json_null(), .form = BTZ_PART_BYTES
    };

    if (body.len == 0)
        return BTZ_OK;
    if (!btz_is_utf8(body) || memchr(body.ptr, 0, body.len)) {
        /* An answer is read here because it says that it is JSON. */
        if (w->response)
            return btz_fail(BTZ_INPUT, "JSON in UTF-8 was expected");
        w->files++;
        return BTZ_OK;
    }
    return keep_part(w, &part);
}

static enum btz_err read_json(const struct btz_family *f, struct btz_walk *w, struct btz_slice body,
                              const char *what)
{
    struct btz_message *m = w->message;
    const struct btz_shape *shape = w->response ? f->response : f->request;

    BTZ_TRY(btz_json_parse(body, SIZE_MAX, what, &m->root));
    if (f->strings || !shape)
        return btz_walk_strings(w, NULL, NULL, 0, m->root, BTZ_CHANNEL_RAW);
    if (json_is_object(m->root))
        return btz_walk_object(w, m->root, shape, BTZ_CHANNEL_RAW);
    return btz_fail(BTZ_INPUT, "%s: a JSON object was expected", what);
}

static enum btz_err expect(const json_t *object, const char *key, bool (*is)(const json_t *),
                           const char *what)
{
    const json_t *value = json_object_get(object, key);

    if (!value || json_is_null(value) || is(value))
        return BTZ_OK;
    return btz_fail(BTZ_INPUT, "\"%s\": %s was expected", key, what);
}

static bool is_string(const json_t *v)
{
    return json_is_string(v);
}
static bool is_boolean(const json_t *v)
{
    return json_is_boolean(v);
}
static bool is_integer(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

uint64_t btz_count_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_real(value) && json_real_value(value) >= 0 && json_real_value(value) < 1e15)
        return (uint64_t)json_real_value(value);
    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

/* The largest of the members, for servers differ in which counts. Times the number of choices, of each prompt. */
static enum btz_err bound(struct btz_message *m, const char *members)
{
    uint64_t choices = 1, most;
    const json_t *prompts;
    char name[40];

    for (const char *p = members; p && *p;) {
        size_t n = strcspn(p, " ");

        snprintf(name, sizeof name, "%.*s", (int)n, p);
        BTZ_TRY(expect(m->root, name, is_integer, "a number of tokens"));
        most = btz_count_of(m->root, name);
        m->max_tokens = most > m->max_tokens ? most : m->max_tokens;
        p += n + (p[n] == ' ');
    }
    if (m->protocol == BTZ_PROTOCOL_CHAT || m->protocol == BTZ_PROTOCOL_COMPLETIONS) {
        BTZ_TRY(expect(m->root, "n", is_integer, "a number of choices"));
        BTZ_TRY(expect(m->root, "best_of", is_integer, "a number of choices"));
        choices = btz_count_of(m->root, "n");
        if (btz_count_of(m->root, "best_of") > choices)
            choices = btz_count_of(m->root, "best_of");
        if (choices < 1)
            choices = 1;
    }
    if (m->max_tokens > UINT32_MAX || choices > 1024)
        return btz_fail(BTZ_INPUT, "\"max_tokens\" or \"n\": larger than any model gives");
    prompts = json_object_get(m->root, "prompt");
    if (m->protocol == BTZ_PROTOCOL_COMPLETIONS && json_array_size(prompts) > 0 &&
        !json_is_integer(json_array_get(prompts, 0))) /* token numbers are one */
        choices *= json_array_size(prompts);
    if (choices > 1 << 20)
        return btz_fail(BTZ_INPUT, "\"prompt\", \"n\": more texts than any model gives");
    m->choices = choices;
    m->max_tokens *= choices;
    return BTZ_OK;
}

static enum btz_err messages_common(const json_t *messages)
{
    const json_t *one;
    size_t i;

    if (!messages)
        return BTZ_OK;
    if (!json_is_array(messages))
        return btz_fail(BTZ_INPUT, "\"messages\": a list of messages was expected");
    json_array_foreach(messages, i, one)
    {
        if (!json_is_object(one) || !json_is_string(json_object_get(one, "role")))
            return btz_fail(BTZ_INPUT, "messages[%zu]: an object with a role was expected", i);
    }
    return BTZ_OK;
}

static enum btz_err request_common(const struct btz_family *f, struct btz_message *m)
{
    const json_t *needed;

    if (!json_is_object(m->root))
        return BTZ_OK;
    if (f->strings)
        return BTZ_OK;
    BTZ_TRY(expect(m->root, "model", is_string, "the name of a model"));
    m->model = btz_text_of(json_object_get(m->root, "model"));
    BTZ_TRY(expect(m->root, "stream", is_boolean, "true or false"));
    m->stream = json_is_true(json_object_get(m->root, "stream")) ||
                (f->streams && !json_object_get(m->root, "stream"));
    needed = f->required ? json_object_get(m->root, f->required) : NULL;
    if (f->required && (!needed || json_is_null(needed)))
        return btz_fail(BTZ_INPUT, "\"%s\" is missing", f->required);
    BTZ_TRY(messages_common(json_object_get(m->root, "messages")));
    return bound(m, f->max_tokens);
}

static bool is_json_type(struct btz_slice type)
{
    char start[64];
    size_t n = 0;

    for (; n < type.len && n < sizeof start - 1 && type.ptr[n] != ';'; n++)
        start[n] =
            (char)(type.ptr[n] >= 'A' && type.ptr[n] <= 'Z' ? type.ptr[n] + 32 : type.ptr[n]);
    start[n] = '\0';
    while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\t'))
        start[--n] = '\0';
    return strcmp(start, "application/json") == 0 || (n > 5 && strcmp(start + n - 5, "+json") == 0);
}

static bool is_form_type(struct btz_slice type)
{
    return type.len >= 19 && strncasecmp((const char *)type.ptr, "multipart/form-data", 19) == 0;
}

static enum btz_err read_request(const struct btz_family *f, struct btz_slice type,
                                 struct btz_slice body, struct btz_walk *w)
{
    struct btz_message *m = w->message;

    if (f->multipart && is_form_type(type))
        return btz_form_request(type, w);
    if (f->bytes_in && !is_json_type(type))
        return read_bytes(w, body);
    /* No body: GET and DELETE. */
    if (body.len == 0 && !f->required)
        return BTZ_OK;
    if (type.len > 0 && !is_json_type(type) && is_form_type(type))
        return btz_fail(BTZ_INPUT, "a body of type application/json was expected");
    BTZ_TRY(read_json(f, w, body, "request"));
    BTZ_TRY(request_common(f, m));
    return f->request_done ? f->request_done(m) : BTZ_OK;
}

static enum btz_err take_words(const struct btz_words *words, struct btz_message *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(2 * BTZ_WORDS_MAX);

    /* Written anew, it shows whoever looks at its bytes what base64 says. */
    if (btz_words_hide(words, out->body))
        out->changed = true;
    BTZ_TRY(btz_words_text(words, &text));
    return btz_arena_copy(out->arena, btz_buf_slice(&text), &out->words);
}

static enum btz_err finish(enum btz_err err, struct btz_walk *w, struct btz_message *out)
{
    out->images = w->images;
    out->files = w->files;
    out->token_ids = w->token_ids;
    if (err == BTZ_OK && w->words)
        err = take_words(w->words, out);
    if (err != BTZ_OK)
        btz_message_release(out);
    return err;
}

enum btz_err btz_request_read(enum btz_protocol p, struct btz_slice content_type,
                              struct btz_slice body, struct btz_arena *arena,
                              struct btz_message *out)
{
    struct btz_message m = { .protocol = p, .body = body, .arena = arena };
    struct btz_walk w = { .part = keep_part, .message = &m, .arena = arena, .changed = &m.changed };

    BTZ_TRY(finish(read_request(btz_family_of(p), content_type, body, &w), &w, &m));
    *out = m;
    return BTZ_OK;
}

static bool looks_like_json(struct btz_slice body)
{
    struct btz_slice text = btz_slice_trim(body);

    return text.len > 0 && (text.ptr[0] == '{' || text.ptr[0] == '[');
}

static enum btz_err read_response(const struct btz_family *f, struct btz_slice body,
                                  struct btz_walk *w)
{
    struct btz_message *m = w->message;

    if (f->bytes_out && !looks_like_json(body))
        return read_bytes(w, body);
    if (f->bytes_out) {
        /* What begins like JSON and is none, lines of JSON for one, is text. */
        enum btz_err err = read_json(f, w, body, "response");

        if (err == BTZ_INPUT && !m->root)
            return read_bytes(w, body);
        return err == BTZ_OK && f->response_done ? f->response_done(m) : err;
    }
    if (btz_slice_trim(body).len == 0)
        return BTZ_OK;
    BTZ_TRY(read_json(f, w, body, "response"));
    return f->response_done ? f->response_done(m) : BTZ_OK;
}

enum btz_err btz_response_read(enum btz_protocol p, struct btz_slice body, struct btz_arena *arena,
                               struct btz_message *out)
{
    struct btz_message m = { .protocol = p, .body = body, .arena = arena };
    struct btz_words words = BTZ_WORDS;
    struct btz_walk w = { .response = true,
                          .part = keep_part,
                          .message = &m,
                          .arena = arena,
                          .words = &words,
                          .changed = &m.changed };
    enum btz_err err = finish(read_response(btz_family_of(p), body, &w), &w, &m);

    btz_words_release(&words);
    if (err == BTZ_OK)
        *out = m;
    return err;
}

void btz_message_release(struct btz_message *m)
{
    json_decref(m->root);
    json_decref(m->kept);
    m->root = m->kept = NULL;
}

/* ---- changing ---- */

struct btz_splice { /* bytes of the body that are written otherwise; in order of `at` */
    size_t at, len;
    struct btz_slice text;
    struct btz_splice *next;
};

static enum btz_err splice(struct btz_message *m, size_t at, size_t len, struct btz_slice text)
{
    struct btz_splice **where = &m->splices, *s;

    while (*where && (*where)->at < at)
        where = &(*where)->next;
    if (*where && (*where)->at == at) {
        s = *where;
    } else {
        s = btz_arena_alloc(m->arena, sizeof *s);
        if (!s)
            return BTZ_LIMIT;
        s->at = at;
        s->len = len;
        s->next = *where;
    }
    BTZ_TRY(btz_arena_copy(m->arena, text, &s->text));
    *where = s;
    m->changed = true;
    return BTZ_OK;
}

static enum btz_err replace_json(struct btz_message *m, struct btz_part *part, json_t *value)
{
    json_t *old = part->key ? json_object_get(part->holder, part->key)
                            : json_array_get(part->holder, part->index);

    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    if (!m->kept)
        m->kept = json_array();
    if (!old || !m->kept || json_array_append(m->kept, old) != 0) {
        json_decref(value);
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    }
    if ((part->key ? json_object_set_new(part->holder, part->key, value)
                   : json_array_set_new(part->holder, part->index, value)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    m->changed = true;
    return BTZ_OK;
}

enum btz_err btz_part_replace(struct btz_message *m, struct btz_part *part, struct btz_slice text)
{
    const struct btz_family *f = btz_family_of(m->protocol);
    json_t *value;

    if (btz_slice_equal(part->text, text))
        return BTZ_OK;
    if (!part->holder)
        return btz_fail(BTZ_DENIED, "this text cannot be changed");
    if (part->form == BTZ_PART_BYTES) {
        BTZ_TRY(splice(m, part->index, part->text.len, text));
        return btz_arena_copy(m->arena, text, &part->text);
    }
    if (f->forget)
        f->forget(m, part);
    if (part->form == BTZ_PART_JSON) {
        if (btz_json_parse(text, SIZE_MAX, "a changed text", &value) != BTZ_OK)
            return btz_fail_context(BTZ_DENIED, "what was masked is part of its JSON");
        BTZ_TRY(replace_json(m, part, value));
        return btz_arena_copy(m->arena, text, &part->text);
    }
    BTZ_TRY(replace_json(m, part, btz_json_text(text)));
    part->text = btz_text_of(part->key ? json_object_get(part->holder, part->key)
                                       : json_array_get(part->holder, part->index));
    return BTZ_OK;
}

enum btz_err btz_message_set_model(struct btz_message *m, const char *model)
{
    struct btz_part part = { .holder = m->root, .key = "model" };

    if (btz_slice_is(m->model, model))
        return BTZ_OK;
    if (m->model_at.ptr)
        return splice(m, (size_t)(m->model_at.ptr - m->body.ptr), m->model_at.len, btz_str(model));
    if (!json_is_object(m->root))
        return btz_fail(BTZ_UNSUPPORTED, "a body without a model cannot be sent to one");
    if (json_object_get(m->root, "model"))
        BTZ_TRY(replace_json(m, &part, json_string(model)));
    else if (json_object_set_new(m->root, "model", json_string(model)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a model's name");
    m->model = btz_text_of(json_object_get(m->root, "model"));
    m->changed = true;
    return BTZ_OK;
}

enum btz_err btz_message_ask_usage(struct btz_message *m, bool *asked)
{
    json_t *options;

    *asked = m->usage_unasked && m->stream;
    if ((m->protocol != BTZ_PROTOCOL_CHAT && m->protocol != BTZ_PROTOCOL_COMPLETIONS) || !m->stream)
        return BTZ_OK;
    options = json_object_get(m->root, "stream_options");
    if (json_is_true(json_object_get(options, "include_usage")))
        return BTZ_OK;
    if (!json_is_object(options)) {
        options = json_object();
        if (json_object_set_new(m->root, "stream_options", options) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for stream_options");
    }
    if (json_object_set_new(options, "include_usage", json_true()) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for stream_options");
    *asked = true;
    m->changed = true;
    return BTZ_OK;
}

enum btz_err btz_message_write(const struct btz_message *m, struct btz_buf *out)
{
    size_t at = 0;

    if (!m->changed)
        return btz_buf_add_slice(out, m->body);
    if (m->root)
        return btz_json_write(m->root, false, out);
    for (const struct btz_splice *s = m->splices; s; s = s->next) {
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(m->body, at, s->at - at)));
        BTZ_TRY(btz_buf_add_slice(out, s->text));
        at = s->at + s->len;
    }
    return btz_buf_add_slice(out, btz_slice_sub(m->body, at, m->body.len));
}

#define IMAGE_TOKENS                                                                               \
    1600 /* what the larger vendors count at most for one image at ordinary detail */

uint64_t btz_message_tokens(const struct btz_message *m)
{
    uint64_t n = m->token_ids + (uint64_t)m->images * IMAGE_TOKENS;

    for (size_t i = 0; i < m->part_count; i++)
        n += m->parts[i].text.len / 3 + 16;
    return n;
}
