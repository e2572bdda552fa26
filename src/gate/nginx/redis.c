/* Limits that several gateways share: hiredis on the events of nginx. One connection a worker, opened when it is needed. */
#include "gate/nginx/module.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#define ANSWER_MS 3000
#define SILENT_MS 6000  /* after that time without a word another connection is tried */
#define PAUSE_MS  500   /* after a failed connection */
#define TELL_MS   10000 /* the same complaint not more often */

struct btz_nginx_redis {
    struct btz_redis_address at;
    redisAsyncContext *ac;
    ngx_connection_t *connection;
    ngx_msec_t failed_at, heard_at, told_at;
    char told[128];
    bool failed, closing;
    bool silent; /* it left a question unanswered, and was not heard since */
    ngx_log_t *log;
};
struct call {
    struct btz_nginx_redis *redis;
    btz_nginx_redis_done *done;
    void *user;
    ngx_event_t timer;
    const struct btz_redis_command *command;
    bool again; /* the script was not there: it was sent whole */
};

static void complain(struct btz_nginx_redis *r, const char *what)
{
    if (strncmp(r->told, what, sizeof r->told - 1) == 0 && ngx_current_msec - r->told_at < TELL_MS)
        return;
    snprintf(r->told, sizeof r->told, "%s", what);
    r->told_at = ngx_current_msec;
    ngx_log_error(NGX_LOG_ERR, r->log, 0, "bartizan: redis: %s", what);
}

/* ---- events --------------------------------------------------------------------------------------------------------- */

static void on_readable(ngx_event_t *e)
{
    ngx_connection_t *c = e->data;
    struct btz_nginx_redis *r = c->data;

    if (r->ac)
        redisAsyncHandleRead(r->ac);
}

static void on_writable(ngx_event_t *e)
{
    ngx_connection_t *c = e->data;
    struct btz_nginx_redis *r = c->data;

    if (r->ac)
        redisAsyncHandleWrite(r->ac);
}

static void watch(void *data, bool reading, bool on)
{
    struct btz_nginx_redis *r = data;
    ngx_event_t *e = r->connection ? (reading ? r->connection->read : r->connection->write) : NULL;
    ngx_int_t event = reading ? NGX_READ_EVENT : NGX_WRITE_EVENT;

    if (!e || (bool)e->active == on)
        return;
    if (on)
        ngx_add_event(e, event, NGX_LEVEL_EVENT);
    else
        ngx_del_event(e, event, 0);
}

static void add_read(void *data)
{
    watch(data, true, true);
}

static void del_read(void *data)
{
    watch(data, true, false);
}

static void add_write(void *data)
{
    watch(data, false, true);
}

static void del_write(void *data)
{
    watch(data, false, false);
}

static void detach(void *data)
{
    struct btz_nginx_redis *r = data;

    if (!r->connection)
        return;
    del_read(r);
    del_write(r);
    ngx_free_connection(r->connection);
    r->connection->fd = (ngx_socket_t)-1; /* hiredis closes it */
    r->connection = NULL;
}

/* ---- the connection ------------------------------------------------------------------------------------------------- */

static void on_gone(const redisAsyncContext *ac, int status)
{
    struct btz_nginx_redis *r = ac->data;

    if (!r)
        return;
    if (status != REDIS_OK)
        complain(r, ac->errstr);
    r->ac = NULL;
    r->silent = false;
    r->failed = status != REDIS_OK;
    r->failed_at = ngx_current_msec;
}

static void on_connected(const redisAsyncContext *ac, int status)
{
    /* hiredis frees a context that could not connect by itself. */
    if (status != REDIS_OK)
        on_gone(ac, status);
}

static bool attach(struct btz_nginx_redis *r)
{
    r->connection = ngx_get_connection(r->ac->c.fd, r->log);
    if (!r->connection)
        return false;
    r->connection->data = r;
    r->connection->log = r->log;
    r->connection->read->handler = on_readable;
    r->connection->write->handler = on_writable;
    r->connection->read->log = r->connection->write->log = r->log;
    r->ac->ev.data = r;
    r->ac->ev.addRead = add_read;
    r->ac->ev.delRead = del_read;
    r->ac->ev.addWrite = add_write;
    r->ac->ev.delWrite = del_write;
    r->ac->ev.cleanup = detach;
    return true;
}

/* What waits in the connection is lost with it. */
static void give_up(struct btz_nginx_redis *r)
{
    redisAsyncContext *ac = r->ac;

    r->ac = NULL;
    r->silent = false;
    r->failed = true;
    r->failed_at = ngx_current_msec;
    ac->data = NULL;
    redisAsyncFree(ac);
}

/* Another data base than the one that was asked for would count from zero. */
static void on_selected(redisAsyncContext *ac, void *reply, void *user)
{
    const redisReply *answer = reply;
    struct btz_nginx_redis *r = user;

    if (!answer || answer->type != REDIS_REPLY_ERROR || r->ac != ac)
        return;
    complain(r, answer->str);
    give_up(r);
}

static bool is_ready(struct btz_nginx_redis *r)
{
    if (r->ac)
        return true;
    if (r->failed && ngx_current_msec - r->failed_at < PAUSE_MS)
        return false;
    r->failed = true;
    r->failed_at = ngx_current_msec;
    r->ac = r->at.path[0] ? redisAsyncConnectUnix(r->at.path)
                          : redisAsyncConnect(r->at.host, r->at.port);
    if (!r->ac)
        return false;
    r->ac->data = r;
    if (r->ac->err || !attach(r)) {
        redisAsyncFree(r->ac);
        r->ac = NULL;
        return false;
    }
    if (!r->at.path[0])
        (void)redisEnableKeepAlive(&r->ac->c);
    redisAsyncSetConnectCallback(r->ac, on_connected);
    redisAsyncSetDisconnectCallback(r->ac, on_gone);
    r->heard_at = ngx_current_msec;
    if (r->at.database &&
        redisAsyncCommand(r->ac, on_selected, r, "SELECT %d", r->at.database) != REDIS_OK) {
        give_up(r);
        return false;
    }
    r->failed = false;
    return true;
}

/* ---- calls ---------------------------------------------------------------------------------------------------------- */

static void finish(struct call *call, bool reached, struct btz_slice answer)
{
    btz_nginx_redis_done *done = call->done;

    if (call->timer.timer_set)
        ngx_del_timer(&call->timer);
    call->done = NULL;
    call->command = NULL; /* the asker's: it may be gone before the server answers */
    /* A worker that ends has no requests any more. */
    if (done && !call->redis->closing)
        done(call->user, reached, answer);
}

static bool send_script(struct call *call);

static void on_answer(redisAsyncContext *ac, void *reply, void *data)
{
    const redisReply *r = reply;
    struct call *call = data;

    (void)ac;
    if (r) {
        call->redis->silent = false;
        call->redis->heard_at = ngx_current_msec;
    }
    if (r && r->type == REDIS_REPLY_ERROR && !call->again && strncmp(r->str, "NOSCRIPT", 8) == 0 &&
        call->command && send_script(call))
        return;
    if (r && r->type == REDIS_REPLY_STRING) {
        finish(call, true, btz_slice_of(r->str, r->len));
    } else {
        if (r && r->type == REDIS_REPLY_ERROR)
            complain(call->redis, r->str);
        finish(call, false, btz_str(""));
    }
    free(call);
}

/* The same with the script itself in place of its digest: from then on the server knows it. */
static bool send_script(struct call *call)
{
    const struct btz_redis_command *k = call->command;
    const char *argv[BTZ_COUNT(k->argv)];
    size_t lens[BTZ_COUNT(k->argv)];

    call->again = true;
    if (!call->redis->ac || k->argc < 2)
        return false;
    memcpy(argv, k->argv, sizeof argv);
    memcpy(lens, k->argv_len, sizeof lens);
    argv[0] = "EVAL";
    lens[0] = 4;
    argv[1] = btz_redis_script;
    lens[1] = strlen(btz_redis_script);
    return redisAsyncCommandArgv(call->redis->ac, on_answer, call, k->argc, argv, lens) == REDIS_OK;
}

/*
 * Whoever asked hears that there was no answer; the call itself waits for the connection to tell. Until the server is heard
 * again nobody else is kept waiting for it, and what waits in the connection does not grow.
 */
static void on_timeout(ngx_event_t *e)
{
    struct call *call = e->data;

    complain(call->redis, "no answer in time");
    call->redis->silent = true;
    finish(call, false, btz_str(""));
}

void *btz_nginx_redis_send(struct btz_nginx_redis *r, const struct btz_redis_command *command,
                           btz_nginx_redis_done *done, void *user)
{
    struct call *call;

    if (done && r->ac && r->silent && ngx_current_msec - r->heard_at > SILENT_MS)
        give_up(r);
    if (!command || !is_ready(r) || (done && r->silent))
        return NULL;
    call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    *call = (struct call){ .redis = r, .done = done, .user = user };
    /* A settlement's words are gone when its script turns out to be unknown; its reservation taught the script. */
    call->command = done ? command : NULL;
    call->timer.handler = on_timeout;
    call->timer.data = call;
    call->timer.log = r->log;
    if (redisAsyncCommandArgv(r->ac, on_answer, call, command->argc, (const char **)command->argv,
                              command->argv_len) != REDIS_OK) {
        free(call);
        return NULL;
    }
    if (done)
        ngx_add_timer(&call->timer, ANSWER_MS);
    return call;
}

void btz_nginx_redis_forget(void *data)
{
    struct call *call = data;

    if (call->timer.timer_set)
        ngx_del_timer(&call->timer);
    call->done = NULL;
    call->command = NULL;
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

struct btz_nginx_redis *btz_nginx_redis_new(const char *address, ngx_log_t *log)
{
    struct btz_nginx_redis *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->log = log;
    if (btz_redis_address_parse(address, &r->at) != BTZ_OK) { /* the settings were checked */
        free(r);
        return NULL;
    }
    return r;
}

void btz_nginx_redis_free(struct btz_nginx_redis *r)
{
    if (!r)
        return;
    r->closing = true;
    if (r->ac) {
        r->ac->data = NULL;
        redisAsyncFree(r->ac);
    }
    free(r);
}
