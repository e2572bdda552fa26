/* Inside of the engine, shared by engine.c, job.c, slot.c and sse.c. Nobody else includes this. */
#ifndef BTZ_HTTP_ENGINE_H
#define BTZ_HTTP_ENGINE_H

#include <curl/curl.h>

#include "http/http.h"
#include "http/pace.h"

/* ---- streams (sse.c) ---- */

void btz_sse_restart(struct btz_sse *s); /* as new, storage kept */

/* One event per line that is not blank. */
struct btz_lines {
    struct btz_buf line; /* its maximum is the limit of a line */
    bool (*on_event)(void *, const struct btz_http_event *);
    void *user;
};
BTZ_CHECKED enum btz_err btz_lines_feed(struct btz_lines *l, struct btz_slice bytes, bool *more);
void btz_lines_end(struct btz_lines *l); /* the last line may lack its newline */

/* ---- what a request is (job.c) ---- */

enum http_body { HTTP_BODY_GET, HTTP_BODY_HEAD, HTTP_BODY_POST };

/* Method, URL and headers: the part that a run's requests have in common, kept as libcurl wants it. */
struct http_template {
    struct http_template *next;
    unsigned refs;   /* one of the cache, one of each job */
    uint64_t serial; /* never reused, unlike addresses */
    char *method, *url;
    struct btz_http_header *headers; /* as given, for comparing */
    size_t header_count;
    struct curl_slist *list;
    enum http_body body;
    bool https;
};

struct http_job {
    struct http_job *next;
    struct http_template *template;
    enum btz_http_stream stream;
    uint32_t timeout_ms;
    bool no_retry;
    void *user;
    bool (*on_event)(void *user, const struct btz_http_event *event);
    void (*on_done)(void *user, const struct btz_http_reply *reply);
    uint64_t waiting_since_ns, waited_ns;
    uint64_t deadline_ns; /* of all tries, 0 before the first */
    unsigned tries;
    size_t body_len;
    uint8_t body[];
};

/* Most recently used first; a run uses one or two. */
struct http_templates {
    struct http_template *first;
    uint64_t serial;
};
BTZ_CHECKED enum btz_err http_job_new(struct http_templates *cache,
                                      const struct btz_http_request *request,
                                      struct http_job **out);
void http_job_free(struct http_job *j);
void http_templates_release(struct http_templates *cache);

/* ---- one transfer at a time (slot.c) ---- */

enum http_cut { HTTP_CUT_NO, HTTP_CUT_STOPPED, HTTP_CUT_BODY, HTTP_CUT_HEAD, HTTP_CUT_MEMORY };

/* An easy handle with its buffers, used again and again. */
struct http_slot {
    struct http_slot *next_free;
    size_t heap_at; /* in btz_http.sleeping */
    CURL *easy;
    struct http_job *job; /* NULL: free */
    uint64_t applied;     /* serial of the template the handle is set up for, 0: none */
    long applied_timeout_ms;
    uint64_t wake_ns; /* in back-off until then */
    size_t max_body;
    struct btz_buf head, body;
    struct btz_sse *sse;
    struct btz_lines lines;
    enum btz_http_stream cutting; /* decided when the first body byte comes */
    bool decided;
    enum http_cut cut;
    const char *tls_version;
    char error[CURL_ERROR_SIZE];
    char detail[CURL_ERROR_SIZE + 512];
};
BTZ_CHECKED enum btz_err http_slot_init(struct http_slot *s, const struct btz_http_opts *opts,
                                        CURLSH *share);
void http_slot_release(struct http_slot *s);
/* Sets the handle up for its job, which runs for at most `timeout_ms`. */
BTZ_CHECKED enum btz_err http_slot_prepare(struct http_slot *s, const struct btz_http_opts *opts,
                                           long timeout_ms);
/* What came of the transfer. `headers` has room for *count entries. Points into the slot. */
void http_slot_reply(struct http_slot *s, CURLcode code, struct btz_http_header *headers,
                     size_t count, struct btz_http_reply *out);
#define HTTP_HEADERS_MAX 128
/* May another try end better? */
bool http_slot_is_worth_retry(const struct http_slot *s, CURLcode code, unsigned status);

#endif
