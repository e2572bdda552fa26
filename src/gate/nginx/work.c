/* Large bodies and large answers are read and guarded in a thread, so that the worker goes on with everybody else. */
#include "gate/nginx/module.h"

#include <ngx_thread_pool.h>

/* In a thread: nothing of nginx is touched, not even the request. */
static void work(void *data, ngx_log_t *log)
{
    struct btz_nginx_work *w = data;
    uint64_t begun = btz_clock_ns();

    (void)log;
    btz_exchange_work(w->x);
    w->took_ns = btz_clock_ns() - begun;
}

static void go_on(ngx_http_request_t *r)
{
    struct btz_nginx_ctx *c = btz_nginx_ctx(r);
    uint64_t begun = btz_clock_ns();
    enum btz_step step;

    /* Events of the connection come here too, while the thread works. */
    if (r->aio)
        return;
    r->write_event_handler = ngx_http_request_empty_handler;
    step = btz_exchange_worked(c->x);
    c->own_ns += c->work->took_ns + btz_clock_ns() - begun;
    btz_nginx_step(c, step);
}

/*
 * The worker hears of the thread's end. A request that was ended meanwhile was kept for it by `blocked`, and nginx has put
 * what ends it for good in the place of go_on().
 */
static void on_worked(ngx_event_t *e)
{
    ngx_http_request_t *r = e->data;
    ngx_connection_t *connection = r->connection;

    ngx_http_set_log_request(connection->log, r);
    r->main->blocked--;
    r->aio = 0;
    r->write_event_handler(r);
    ngx_http_run_posted_requests(connection);
}

bool btz_nginx_post_work(struct btz_nginx_ctx *c)
{
    ngx_http_request_t *r = c->r;
    ngx_thread_task_t *task = ngx_thread_task_alloc(r->pool, sizeof(struct btz_nginx_work));

    if (!task)
        return false;
    c->work = task->ctx;
    c->work->x = c->x;
    task->handler = work;
    task->event.handler = on_worked;
    task->event.data = r;
    task->event.log = r->connection->log;
    if (ngx_thread_task_post(c->main->threads, task) != NGX_OK)
        return false;
    r->main->blocked++;
    r->aio = 1;
    return true;
}

void btz_nginx_work(struct btz_nginx_ctx *c)
{
    if (btz_nginx_post_work(c))
        c->r->write_event_handler = go_on;
    else
        btz_nginx_fail(c, 503, "overloaded", "too many large requests are being read; try again");
}
