/* Requests as the engine keeps them: a shared template and a copy of the body. */
#include <stdlib.h>
#include <strings.h>

#include "http/engine.h"

#define TEMPLATES_MAX 8

static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    if (!text || !*text)
        return false;
    for (; *text; text++)
        if (!((*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
              (*text >= 'A' && *text <= 'Z') || strchr(others, *text)))
            return false;
    return true;
}

static enum btz_err check_url(const char *url)
{
    if (!url || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return btz_fail(BTZ_USAGE,
                        "expected a URL that starts with http:// or https://, found \"%.80s\"",
                        url ? url : "");
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return btz_fail(BTZ_USAGE,
                            "URL: space or control character at position %zu; percent-encode it",
                            (size_t)(p - url));
    return BTZ_OK;
}

static enum btz_err check_header(const struct btz_http_header *h)
{
    if (!is_token(h->name))
        return btz_fail(BTZ_USAGE, "\"%.40s\" is not the name of an HTTP header",
                        h->name ? h->name : "");
    /* A value is never shown: it may be a key. */
    for (const char *p = h->value ? h->value : ""; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7F)
            return btz_fail(BTZ_USAGE,
                            "header %s: control character at position %zu of its value; is there a "
                            "line break behind it?",
                            h->name, (size_t)(p - h->value));
    if (strcasecmp(h->name, "content-length") == 0 || strcasecmp(h->name, "transfer-encoding") == 0)
        return btz_fail(BTZ_USAGE, "header %s follows from the body; leave it out", h->name);
    return BTZ_OK;
}

static void template_free(struct http_template *t)
{
    for (size_t i = 0; t->headers && i < t->header_count; i++) {
        char *name, *value;

        /* Allocated here, const for everybody else. */
        memcpy(&name, &t->headers[i].name, sizeof name);
        memcpy(&value, &t->headers[i].value, sizeof value);
        if (value) {
            btz_wipe(value, strlen(value));
            free(value);
        }
        free(name);
    }
    for (struct curl_slist *l = t->list; l; l = l->next)
        btz_wipe(l->data, strlen(l->data));
    curl_slist_free_all(t->list);
    free(t->headers);
    free(t->method);
    free(t->url);
    free(t);
}

static void template_drop(struct http_template *t)
{
    if (--t->refs == 0)
        template_free(t);
}

static enum btz_err add_line(struct http_template *t, const char *line)
{
    struct curl_slist *grown = curl_slist_append(t->list, line);

    if (!grown)
        return btz_fail(BTZ_LIMIT, "out of memory");
    t->list = grown;
    return BTZ_OK;
}

static enum btz_err add_headers(struct http_template *t, const struct btz_http_request *r)
{
    BTZ_BUF_RELEASE struct btz_buf line = BTZ_BUF((size_t)1 << 20);
    bool has_type = false, has_expect = false;

    for (size_t i = 0; i < r->header_count; i++) {
        const struct btz_http_header *h = &r->headers[i];
        const char *value = h->value ? h->value : "", *text;

        BTZ_TRY(check_header(h));
        t->headers[i].name = strdup(h->name);
        t->headers[i].value = strdup(value);
        if (!t->headers[i].name || !t->headers[i].value)
            return btz_fail(BTZ_LIMIT, "out of memory");
        has_type = has_type || strcasecmp(h->name, "content-type") == 0;
        has_expect = has_expect || strcasecmp(h->name, "expect") == 0;
        btz_buf_clear(&line);
        /* libcurl reads "Name;" as "send this one empty" and "Name:" as "do not send this one". */
        BTZ_TRY(*value ? btz_buf_printf(&line, "%s: %s", h->name, value)
                       : btz_buf_printf(&line, "%s;", h->name));
        BTZ_TRY(btz_buf_cstr(&line, &text));
        BTZ_TRY(add_line(t, text));
    }
    if (line.ptr)
        btz_wipe(line.ptr, line.cap);
    if (!has_expect)
        BTZ_TRY(add_line(t, "Expect:"));
    return has_type ? BTZ_OK : add_line(t, "Content-Type:");
}

static enum btz_err template_fill(struct http_template *t, const struct btz_http_request *r,
                                  const char *method)
{
    t->method = strdup(method);
    t->url = strdup(r->url);
    t->headers = calloc(r->header_count + 1, sizeof *t->headers);
    if (!t->method || !t->url || !t->headers)
        return btz_fail(BTZ_LIMIT, "out of memory");
    t->header_count = r->header_count;
    BTZ_TRY(add_headers(t, r));
    t->https = strncasecmp(r->url, "https:", 6) == 0;
    t->body = HTTP_BODY_POST;
    if (strcmp(method, "HEAD") == 0)
        t->body = HTTP_BODY_HEAD;
    else if (r->body.len == 0 && strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0 &&
             strcmp(method, "PATCH") != 0)
        t->body = HTTP_BODY_GET;
    return BTZ_OK;
}

static bool is_same(const struct http_template *t, const struct btz_http_request *r,
                    const char *method)
{
    if (t->header_count != r->header_count || strcmp(t->url, r->url) != 0 ||
        strcmp(t->method, method) != 0 || (t->body != HTTP_BODY_POST && r->body.len > 0))
        return false;
    for (size_t i = 0; i < t->header_count; i++)
        if (strcmp(t->headers[i].name, r->headers[i].name) != 0 ||
            strcmp(t->headers[i].value, r->headers[i].value ? r->headers[i].value : "") != 0)
            return false;
    return true;
}

static enum btz_err template_new(struct http_templates *cache, const struct btz_http_request *r,
                                 const char *method, struct http_template **out)
{
    struct http_template *t, **link;
    enum btz_err err;
    size_t count = 0;

    BTZ_TRY(check_url(r->url));
    if (!is_token(method))
        return btz_fail(BTZ_USAGE, "\"%.20s\" is not an HTTP method", method);
    t = calloc(1, sizeof *t);
    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = template_fill(t, r, method);
    if (err != BTZ_OK) {
        template_free(t);
        return err;
    }
    t->serial = ++cache->serial;
    t->refs = 1;
    t->next = cache->first;
    cache->first = t;
    for (link = &cache->first; *link; link = &(*link)->next)
        if (++count > TEMPLATES_MAX) {
            struct http_template *last = *link;

            *link = NULL;
            template_drop(last);
            break;
        }
    *out = t;
    return BTZ_OK;
}

static enum btz_err template_get(struct http_templates *cache, const struct btz_http_request *r,
                                 struct http_template **out)
{
    const char *method = r->method ? r->method : "POST";

    if (r->header_count > HTTP_HEADERS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d request headers", HTTP_HEADERS_MAX);
    if (!r->url)
        return check_url(r->url);
    for (struct http_template **link = &cache->first; *link; link = &(*link)->next) {
        struct http_template *t = *link;

        if (!is_same(t, r, method))
            continue;
        *link = t->next;
        t->next = cache->first;
        cache->first = t;
        *out = t;
        return BTZ_OK;
    }
    return template_new(cache, r, method, out);
}

void http_templates_release(struct http_templates *cache)
{
    while (cache->first) {
        struct http_template *t = cache->first;

        cache->first = t->next;
        template_drop(t);
    }
}

enum btz_err http_job_new(struct http_templates *cache, const struct btz_http_request *r,
                          struct http_job **out)
{
    struct http_template *t = NULL;
    struct http_job *j;
    size_t size;

    if (!r->on_done)
        return btz_fail(BTZ_INTERNAL, "a request without on_done");
    BTZ_TRY(template_get(cache, r, &t));
    if (!btz_size_add(sizeof *j, r->body.len, &size))
        return btz_fail(BTZ_LIMIT, "request body of %zu bytes", r->body.len);
    j = malloc(size);
    if (!j)
        return btz_fail(BTZ_LIMIT, "out of memory for a request of %zu bytes", r->body.len);
    *j = (struct http_job){
        .template = t,
        .stream = r->stream,
        .timeout_ms = r->timeout_ms,
        .no_retry = r->no_retry,
        .user = r->user,
        .on_event = r->on_event,
        .on_done = r->on_done,
        .body_len = r->body.len,
    };
    if (r->body.len > 0)
        memcpy(j->body, r->body.ptr, r->body.len);
    t->refs++;
    *out = j;
    return BTZ_OK;
}

void http_job_free(struct http_job *j)
{
    template_drop(j->template);
    free(j);
}
