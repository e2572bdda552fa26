/* What a request asks for: its shape by the path, its wishes by the marker. */
#include <stdlib.h>
#include <string.h>

#include "mock.h"

#define TEXTS 1024

static struct {
    char *p;
    size_t len;
} texts[TEXTS];

bool texts_put(int number, struct span text)
{
    if (number < 1 || number >= TEXTS)
        return false;
    free(texts[number].p);
    texts[number].p = malloc(text.len + 1);
    if (texts[number].p == NULL)
        abort();
    memcpy(texts[number].p, text.p, text.len);
    texts[number].len = text.len;
    return true;
}

struct span texts_get(int number)
{
    if (number < 1 || number >= TEXTS || texts[number].p == NULL)
        return (struct span){ "no such text", 12 };
    return (struct span){ texts[number].p, texts[number].len };
}

static bool is(struct span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

static bool starts(struct span s, const char *text)
{
    return s.len >= strlen(text) && memcmp(s.p, text, strlen(text)) == 0;
}

/* After `"name":` and blanks, wherever that stands; NULL where it does not. */
static const char *member(struct span json, const char *name)
{
    const char *end = json.p + json.len, *p = json.p;
    size_t len = strlen(name);

    while ((p = memmem(p, (size_t)(end - p), name, len)) != NULL) {
        const char *q = p + len;

        if (p > json.p && p[-1] == '"' && q < end && *q == '"') {
            q++;
            while (q < end && strchr(" \t\r\n", *q) != NULL)
                q++;
            if (q < end && *q == ':') {
                q++;
                while (q < end && strchr(" \t\r\n", *q) != NULL)
                    q++;
                return q < end ? q : NULL;
            }
        }
        p += len;
    }
    return NULL;
}

struct span json_member(struct span json, const char *name)
{
    const char *p = member(json, name), *end = json.p + json.len, *q;

    if (p == NULL || *p != '"')
        return (struct span){ "", 0 };
    for (q = ++p; q < end && *q != '"'; q++)
        if (*q == '\\')
            q++;
    return (struct span){ p, (size_t)((q < end ? q : end) - p) };
}

static bool is_true(struct span json, const char *name)
{
    const char *p = member(json, name);

    return p != NULL && *p == 't';
}

static const struct {
    const char *path;
    enum shape shape;
} paths[] = {
    { "/v1/chat/completions", SHAPE_CHAT },
    { "/v1/completions", SHAPE_COMPLETIONS },
    { "/v1/responses", SHAPE_RESPONSES },
    { "/v1/messages/count_tokens", SHAPE_COUNT },
    { "/v1/messages", SHAPE_MESSAGES },
    { "/v1/embeddings", SHAPE_EMBEDDINGS },
    { "/v1/moderations", SHAPE_MODERATIONS },
    { "/v1/images/", SHAPE_IMAGES },
    { "/v1/audio/speech", SHAPE_SPEECH },
    { "/v1/audio/", SHAPE_TRANSCRIBE },
    { "/v1/files", SHAPE_FILES },
    { "/v1/batches", SHAPE_BATCHES },
    { "/v1/models", SHAPE_MODELS },
    { "/api/chat", SHAPE_OLLAMA_CHAT },
    { "/api/generate", SHAPE_OLLAMA_GENERATE },
    { "/api/embed", SHAPE_OLLAMA_EMBED },
    { "/api/", SHAPE_OLLAMA_OTHER },
    { "/mcp", SHAPE_MCP },
};

static enum shape shape_of(struct span path)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (starts(path, paths[i].path))
            return paths[i].shape;
    return SHAPE_PASS;
}

static void text_of(char *to, size_t size, struct span value)
{
    size_t len = value.len < size - 1 ? value.len : size - 1;

    memcpy(to, value.p, len);
    to[len] = 0;
}

static void wish_one(struct wish *w, struct span key, struct span value)
{
    char digits[40];
    int64_t n;

    text_of(digits, sizeof digits, value);
    n = strtoll(digits, NULL, 10);
    if (is(key, "echo"))
        w->echo = true;
    else if (is(key, "kind"))
        w->kind = digits[0];
    else if (is(key, "tool"))
        text_of(w->tool, sizeof w->tool, value);
    else if (is(key, "type"))
        text_of(w->type, sizeof w->type, value);
    else if (is(key, "seed"))
        w->seed = (uint64_t)n;
    else if (is(key, "mask")) {
        w->mask = (uint64_t)n;
        w->split_mask = true;
    } else if (is(key, "escape"))
        w->escape = true;
    else if (is(key, "crlf"))
        w->crlf = true;
    else if (is(key, "comments"))
        w->comments = true;
    else if (is(key, "gzip"))
        w->gzip = true;
    else if (is(key, "nousage"))
        w->nousage = true;
    else if (is(key, "evil"))
        w->evil = true;
    else if (is(key, "truncate"))
        w->truncate = true;
    else if (is(key, "huge"))
        w->huge = n;
    else if (is(key, "usage"))
        w->usage = n;
    else {
        const struct {
            const char *name;
            int *to;
        } numbers[] = {
            { "say", &w->say },         { "id", &w->id },         { "tools", &w->tools },
            { "choices", &w->choices }, { "size", &w->size },     { "cut", &w->cut },
            { "slow", &w->slow },       { "first", &w->first },   { "die", &w->die },
            { "hold", &w->hold },       { "status", &w->status }, { "once", &w->once },
            { "retry", &w->retry },
        };

        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (is(key, numbers[i].name))
                *numbers[i].to = (int)n;
    }
}

static bool marker(struct span in, struct wish *w)
{
    const char *p = in.len ? memmem(in.p, in.len, "mock:", 5) : NULL, *end = in.p + in.len;

    if (p == NULL)
        return false;
    p += 5;
    while (p < end && *p != ';' && *p != '"' && *p != '&' && *p != ' ') {
        const char *key = p, *value;

        while (p < end && ((*p >= 'a' && *p <= 'z') || *p == '_'))
            p++;
        value = p;
        if (p < end && *p == '=')
            value = ++p;
        while (p < end && strchr(",;\"& \\\r\n", *p) == NULL)
            p++;
        wish_one(w, (struct span){ key, (size_t)((value[-1] == '=' ? value - 1 : value) - key) },
                 (struct span){ value, (size_t)(p - value) });
        if (p < end && *p == ',')
            p++;
        else
            break;
    }
    return true;
}

void ask_read(struct ask *a)
{
    a->shape = shape_of(a->path);
    a->marked = marker(a->body, &a->wish) || marker(a->query, &a->wish);
    if (a->wish.kind == 0)
        a->wish.kind = 't';
    if (a->wish.tool[0] == 0)
        memcpy(a->wish.tool, "lookup", 7);
    text_of(a->model, sizeof a->model, json_member(a->body, "model"));
    if (a->model[0] == 0)
        memcpy(a->model, "mock", 5);
    a->stream = is_true(a->body, "stream");
    if ((a->shape == SHAPE_OLLAMA_CHAT || a->shape == SHAPE_OLLAMA_GENERATE) &&
        member(a->body, "stream") == NULL)
        a->stream = true;
    a->include_usage = a->stream && is_true(a->body, "include_usage");
}
