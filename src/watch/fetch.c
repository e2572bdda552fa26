#include "watch/fetch.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "access/oidc.h"
#include "http/http.h"

#define ANSWER_MAX ((size_t)1 << 20)
#define TIMEOUT_MS 10000

struct btz_fetcher {
    struct btz_fetch fetch;
    char *ca_file;
    char (*hosts)[BTZ_HOST_TEXT]; /* of the issuers */
    size_t host_count;
};

enum btz_err btz_fetch_host(const char *url, char out[BTZ_HOST_TEXT])
{
    const char *from = url + 8;
    size_t n;

    if (strncasecmp(url, "https://", 8) != 0)
        return btz_fail(BTZ_USAGE, "\"%.200s\": expected an https URL", url);
    n = strcspn(from, "/?#");
    if (memchr(from, '@', n) || memchr(from, '\\', n))
        return btz_fail(BTZ_USAGE, "an https URL with credentials in it");
    if (from[0] == '[')
        n = strcspn(from, "]") + 1;
    else
        n = strcspn(from, ":/?#");
    if (n == 0 || n >= BTZ_HOST_TEXT)
        return btz_fail(BTZ_USAGE, "\"%.200s\": no host", url);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)tolower((unsigned char)from[i]);
    out[n] = '\0';
    return BTZ_OK;
}

struct waiting {
    struct btz_buf *out;
    enum btz_err err;
    bool done;
};

static enum btz_err take(struct waiting *w, const struct btz_http_reply *reply)
{
    if (reply->err != BTZ_OK)
        return btz_fail(reply->err == BTZ_LIMIT ? BTZ_LIMIT : BTZ_UNREACHABLE, "%s",
                        reply->detail ? reply->detail : "no answer");
    if (reply->status < 200 || reply->status > 299)
        return btz_fail(BTZ_UNREACHABLE, "answered with status %u", reply->status);
    return btz_buf_add_slice(w->out, reply->body);
}

static void on_done(void *user, const struct btz_http_reply *reply)
{
    struct waiting *w = user;

    w->done = true;
    w->err = take(w, reply);
}

static enum btz_err get(void *user, const char *url, struct btz_slice form, struct btz_buf *out)
{
    const struct btz_fetcher *f = user;
    const struct btz_http_header headers[] = {
        { "Accept", "application/json" },
        { "Content-Type", "application/x-www-form-urlencoded" },
    };
    struct btz_http_opts opts = { .max_in_flight = 1,
                                  .connect_timeout_ms = TIMEOUT_MS,
                                  .request_timeout_ms = TIMEOUT_MS,
                                  .total_timeout_ms = TIMEOUT_MS,
                                  .max_body = ANSWER_MAX,
                                  .ca_file = f->ca_file,
                                  .public_only = true };
    struct waiting w = { .out = out };
    struct btz_http_request request = { .method = form.len ? "POST" : "GET",
                                        .url = url,
                                        .headers = headers,
                                        .header_count = form.len ? 2 : 1,
                                        .body = form,
                                        .no_retry = true,
                                        .user = &w,
                                        .on_done = on_done };
    char host[BTZ_HOST_TEXT];
    struct btz_http *http;
    enum btz_err err;

    BTZ_TRY(btz_fetch_host(url, host));
    for (size_t i = 0; i < f->host_count; i++)
        if (strcmp(f->hosts[i], host) == 0)
            opts.public_only = false;
    BTZ_TRY(btz_http_new(&opts, &http));
    err = btz_http_submit(http, &request);
    if (err == BTZ_OK)
        err = btz_http_run(http, -1, NULL);
    btz_http_free(http);
    if (err == BTZ_OK && !w.done)
        err = btz_fail(BTZ_UNREACHABLE, "no answer");
    return err == BTZ_OK ? w.err : err;
}

static enum btz_err take_hosts(struct btz_fetcher *f, const struct btz_access_conf *conf)
{
    const struct btz_issuer_conf *issuers = conf->issuers.items;

    f->hosts = calloc(conf->issuers.count + 1, sizeof *f->hosts);
    if (!f->hosts)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < conf->issuers.count; i++)
        BTZ_TRY(btz_fetch_host(issuers[i].url, f->hosts[f->host_count++]));
    return BTZ_OK;
}

enum btz_err btz_fetcher_new(const struct btz_access_conf *conf, const char *ca_file,
                             struct btz_fetcher **out)
{
    struct btz_fetcher *f = calloc(1, sizeof *f);
    enum btz_err err;

    if (!f)
        return btz_fail(BTZ_LIMIT, "out of memory");
    f->fetch = (struct btz_fetch){ .get = get, .user = f };
    if (ca_file)
        f->ca_file = strdup(ca_file);
    err = take_hosts(f, conf);
    if (err != BTZ_OK) {
        btz_fetcher_free(f);
        return err;
    }
    *out = f;
    return BTZ_OK;
}

void btz_fetcher_free(struct btz_fetcher *f)
{
    if (!f)
        return;
    free(f->hosts);
    free(f->ca_file);
    free(f);
}

const struct btz_fetch *btz_fetcher_fetch(const struct btz_fetcher *f)
{
    return &f->fetch;
}
