/* Directives, configuration, life of the module and of a request's context. */
#include "gate/nginx/module.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "access/identity.h"

#define ARENA_MAX ((size_t)64 << 20)

/* ---- a request's context -------------------------------------------------------------------------------------------- */

void btz_nginx_end(struct btz_nginx_ctx *c, enum btz_end how, unsigned status)
{
    const struct btz_redis_command *redis = NULL;
    struct btz_end_facts facts = { .how = how,
                                   .status = status,
                                   .request_bytes = c->request_bytes,
                                   .response_bytes = c->response_bytes,
                                   .took_us = (btz_clock_ns() - c->began_ns) / 1000,
                                   .own_us = c->own_ns / 1000,
                                   .first_token_us =
                                       c->first_ns ? (c->first_ns - c->began_ns) / 1000 : 0 };

    if (c->ended || !c->x)
        return;
    c->ended = true;
    btz_exchange_end(c->x, &facts, &redis);
    if (redis && c->main->redis)
        btz_nginx_redis_send(c->main->redis, redis, NULL, NULL);
}

/* Runs when the request is gone, whatever ended it. */
static void forget(void *data)
{
    struct btz_nginx_ctx *c = data;

    if (c->timer.timer_set)
        ngx_del_timer(&c->timer);
    if (c->renewal.timer_set)
        ngx_del_timer(&c->renewal);
    if (c->redis_call)
        btz_nginx_redis_forget(c->redis_call);
    if (c->x && !c->ended && c->stage == BTZ_NGINX_HEAD &&
        c->r->headers_out.status == NGX_HTTP_REQUEST_TIME_OUT) {
        btz_exchange_deny(c->x, 408, "request_timeout", "the body did not come in time");
        btz_nginx_end(c, BTZ_END_REFUSED, 408);
    }
    btz_nginx_end(c, c->upstream_failed ? BTZ_END_UPSTREAM_FAILED : BTZ_END_CLIENT_GONE,
                  (unsigned)c->r->headers_out.status);
    btz_exchange_free(c->x);
    btz_buf_release(&c->sending);
    btz_buf_release(&c->pending);
    btz_buf_release(&c->whole);
    btz_uncover(c->body_cover);
    if (c->body_map)
        munmap(c->body_map, c->body_map_len);
}

struct btz_nginx_ctx *btz_nginx_ctx(ngx_http_request_t *r)
{
    struct btz_nginx_ctx *c = ngx_http_get_module_ctx(r, ngx_http_bartizan_module);

    /* Jumps to another location clear the contexts of all modules. */
    if (!c && r->internal)
        for (ngx_pool_cleanup_t *one = r->pool->cleanup; one; one = one->next)
            if (one->handler == forget) {
                c = one->data;
                ngx_http_set_ctx(r, c, ngx_http_bartizan_module);
                break;
            }
    return c;
}

struct btz_nginx_ctx *btz_nginx_ctx_new(ngx_http_request_t *r, struct btz_nginx_main *main)
{
    struct btz_nginx_ctx *c = ngx_pcalloc(r->pool, sizeof *c);
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(r->pool, 0);
    size_t most = (size_t)main->conf->response_max + 65536;

    if (!c || !cleanup)
        return NULL;
    c->r = r;
    c->main = main;
    c->version = r->http_version;
    c->began_ns = btz_clock_ns();
    c->sending = c->pending = c->whole = BTZ_BUF(most);
    cleanup->handler = forget;
    cleanup->data = c;
    ngx_http_set_ctx(r, c, ngx_http_bartizan_module);
    return c;
}

ngx_str_t btz_nginx_variable(ngx_http_request_t *r, ngx_int_t index)
{
    ngx_http_variable_value_t *v =
        index == NGX_ERROR ? NULL : ngx_http_get_indexed_variable(r, (ngx_uint_t)index);

    if (!v || v->not_found)
        return (ngx_str_t)ngx_null_string;
    return (ngx_str_t){ v->len, v->data };
}

bool btz_nginx_header_is(const ngx_table_elt_t *h, const char *name)
{
    size_t n = strlen(name);
    bool open = n > 0 && name[n - 1] == '*';

    n -= open;
    return (open ? h->key.len >= n : h->key.len == n) &&
           ngx_strncasecmp(h->key.data, (u_char *)name, n) == 0;
}

ngx_table_elt_t *btz_nginx_header(ngx_list_t *headers, const char *name)
{
    for (ngx_list_part_t *part = &headers->part; part; part = part->next) {
        ngx_table_elt_t *h = part->elts;

        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (h[i].hash && btz_nginx_header_is(&h[i], name))
                return &h[i];
    }
    return NULL;
}

ngx_int_t btz_nginx_add_header(ngx_http_request_t *r, const char *name, ngx_str_t value)
{
    ngx_table_elt_t *h = ngx_list_push(&r->headers_out.headers);

    if (!h)
        return NGX_ERROR;
    ngx_memzero(h, sizeof *h);
    h->hash = 1;
    h->key.data = (u_char *)name;
    h->key.len = ngx_strlen(name);
    h->value = value;
    return NGX_OK;
}

ngx_str_t btz_nginx_str(ngx_pool_t *pool, struct btz_slice s)
{
    ngx_str_t out = { s.len, ngx_pnalloc(pool, s.len + 1) };

    if (!out.data)
        return (ngx_str_t)ngx_null_string;
    if (s.len)
        ngx_memcpy(out.data, s.ptr, s.len);
    out.data[s.len] = '\0';
    return out;
}

/* ---- configuration -------------------------------------------------------------------------------------------------- */

static const char *from_environment(void *user, const char *name)
{
    size_t n = strlen(name);

    (void)user;
    for (char **one = environ; one && *one; one++)
        if (strncmp(*one, name, n) == 0 && (*one)[n] == '=')
            return *one + n + 1;
    return NULL;
}

static void release_main(void *data)
{
    struct btz_nginx_main *m = data;

    btz_guard_free(m->guard);
    btz_strangers_free(m->strangers);
    btz_wipe(m->snapshot_secret, sizeof m->snapshot_secret);
    btz_wipe(m->pepper, sizeof m->pepper);
    btz_arena_release(&m->arena);
}

static void *create_main(ngx_conf_t *cf)
{
    struct btz_nginx_main *m = ngx_pcalloc(cf->pool, sizeof *m);
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);

    if (!m || !cleanup)
        return NULL;
    btz_arena_init(&m->arena, ARENA_MAX);
    cleanup->handler = release_main;
    cleanup->data = m;
    return m;
}

static char *complain(ngx_conf_t *cf, const char *what)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "bartizan: %s: %s", what, btz_error_detail());
    return NGX_CONF_ERROR;
}

/* The key file is the daemon's: it is never made here. Without it nobody can be identified, and every request gets 503. */
static enum btz_err read_secrets(struct btz_nginx_main *m, const struct btz_conf_env *env)
{
    const char *file = btz_arena_printf(&m->arena, "%.*s/access/seal.key", (int)m->state.len,
                                        (const char *)m->state.data);
    const char *key;
    struct btz_seal *seal;

    if (!file)
        return BTZ_LIMIT;
    BTZ_TRY(btz_gate_seal_key((const char *)m->settings.data, env, &m->arena, &key));
    if (!key[0] && access(file, F_OK) != 0)
        return BTZ_OK;
    BTZ_TRY(btz_seal_open(file, key[0] ? key : NULL, &seal));
    btz_seal_derive(seal, "snapshot", m->snapshot_secret);
    btz_seal_derive(seal, "pepper", m->pepper);
    btz_seal_close(seal);
    m->has_secrets = true;
    return BTZ_OK;
}

static ngx_int_t load_variables(ngx_conf_t *cf, struct btz_nginx_main *m)
{
    static ngx_str_t request_id = ngx_string("request_id"),
                     verified = ngx_string("ssl_client_verify"),
                     certificate = ngx_string("ssl_client_raw_cert");

    m->request_id = ngx_http_get_variable_index(cf, &request_id);
    m->verified = ngx_http_get_variable_index(cf, &verified);
    m->certificate = ngx_http_get_variable_index(cf, &certificate);
    return m->request_id == NGX_ERROR || m->verified == NGX_ERROR || m->certificate == NGX_ERROR
               ? NGX_ERROR
               : NGX_OK;
}

static char *init_main(ngx_conf_t *cf, void *conf)
{
    static const struct btz_conf_env env = { .get = from_environment };
    struct btz_nginx_main *m = conf;
    const char *state = NULL;

    if (m->settings.len == 0)
        return NGX_CONF_OK;
    if (btz_gate_conf_load((const char *)m->settings.data, &env, &m->arena, &m->conf, &state) !=
        BTZ_OK)
        return complain(cf, "settings");
    if (m->upstream.len &&
        btz_gate_conf_quick(m->conf, (const char *)m->upstream.data, &env, &m->arena) != BTZ_OK)
        return complain(cf, "bartizan_upstream");
    if (btz_gate_conf_check(m->conf) != BTZ_OK)
        return complain(cf, "settings");
    if (m->state.len == 0)
        m->state = (ngx_str_t){ ngx_strlen(state), (u_char *)state };
    if (btz_guard_new(&m->conf->guard, &m->guard) != BTZ_OK)
        return complain(cf, "guard");
    if (btz_strangers_new(&m->strangers) != BTZ_OK)
        return complain(cf, "strangers");
    if (read_secrets(m, &env) != BTZ_OK)
        return complain(cf, "keys");
    m->threads = ngx_thread_pool_add(cf, NULL);
    if (!m->threads)
        return NGX_CONF_ERROR;
    return load_variables(cf, m) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static void *create_loc(ngx_conf_t *cf)
{
    struct btz_nginx_loc *l = ngx_pcalloc(cf->pool, sizeof *l);

    if (l)
        l->role = NGX_CONF_UNSET_UINT;
    return l;
}

/* Not inherited: a location is guarded where it says so. */
static char *merge_loc(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    struct btz_nginx_loc *l = child;

    (void)parent;
    ngx_conf_init_uint_value(l->role, BTZ_NGINX_OFF);
    if (l->role == BTZ_NGINX_OFF)
        return NGX_CONF_OK;
    if (core->handler != btz_nginx_handler && core->handler != btz_nginx_next_handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "bartizan: location \"%V\" has another handler, such as proxy_pass, so it "
                      "would not be guarded",
                      &core->name);
        return NGX_CONF_ERROR;
    }
    return NGX_CONF_OK;
}

static char *set_role(ngx_conf_t *cf, ngx_command_t *command, void *conf)
{
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    struct btz_nginx_main *m = ngx_http_conf_get_module_main_conf(cf, ngx_http_bartizan_module);
    struct btz_nginx_loc *l = conf;
    ngx_str_t *value = cf->args->elts;

    (void)command;
    if (l->role != NGX_CONF_UNSET_UINT)
        return "is duplicate";
    if (ngx_strcmp(value[1].data, "off") == 0) {
        l->role = BTZ_NGINX_OFF;
        return NGX_CONF_OK;
    }
    if (m->settings.len == 0)
        return "needs bartizan_settings before it";
    if (ngx_strcmp(value[1].data, "on") == 0) {
        l->role = BTZ_NGINX_ON;
        core->handler = btz_nginx_handler;
    } else if (ngx_strcmp(value[1].data, "next") == 0) {
        l->role = BTZ_NGINX_NEXT;
        core->handler = btz_nginx_next_handler;
    } else {
        return "is on, off or next";
    }
    return NGX_CONF_OK;
}

static char *set_path(ngx_conf_t *cf, ngx_command_t *command, void *conf)
{
    char *err = ngx_conf_set_str_slot(cf, command, conf);
    ngx_str_t *field = (ngx_str_t *)((char *)conf + command->offset);

    if (err != NGX_CONF_OK)
        return err;
    return ngx_conf_full_name(cf->cycle, field, 1) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

static ngx_command_t commands[] = {
    { ngx_string("bartizan"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1, set_role,
      NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },
    { ngx_string("bartizan_settings"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_path,
      NGX_HTTP_MAIN_CONF_OFFSET, offsetof(struct btz_nginx_main, settings), NULL },
    { ngx_string("bartizan_state"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, set_path,
      NGX_HTTP_MAIN_CONF_OFFSET, offsetof(struct btz_nginx_main, state), NULL },
    { ngx_string("bartizan_origin"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET, offsetof(struct btz_nginx_main, origin), NULL },
    { ngx_string("bartizan_identify"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET, offsetof(struct btz_nginx_main, identify), NULL },
    { ngx_string("bartizan_upstream"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET, offsetof(struct btz_nginx_main, upstream), NULL },
    ngx_null_command
};

/* ---- workers -------------------------------------------------------------------------------------------------------- */

static struct btz_nginx_main *main_of(ngx_cycle_t *cycle)
{
    return ngx_get_conf(cycle->conf_ctx, ngx_http_module)
               ? ngx_http_cycle_get_module_main_conf(cycle, ngx_http_bartizan_module)
               : NULL;
}

/* A worker whose master was killed finishes what it has and goes: it would hold the ports, and nobody could stop it. */
static void end_with_master(void)
{
    if (ngx_process != NGX_PROCESS_WORKER)
        return;
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != ngx_parent)
        raise(SIGQUIT);
}

/* A worker that cannot open its gate serves all the same: 503, and why is in the log. */
static ngx_int_t open_gate(ngx_cycle_t *cycle)
{
    struct btz_nginx_main *m = main_of(cycle);
    struct btz_gate_options o;

    if (!m || !m->conf)
        return NGX_OK;
    end_with_master();
    o = (struct btz_gate_options){ .conf = m->conf,
                                   .state_dir = (const char *)m->state.data,
                                   .snapshot_secret = m->snapshot_secret,
                                   .pepper = m->pepper,
                                   .guard = m->guard };
    if (!m->has_secrets) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "bartizan: no keys in \"%V\" yet: start the daemon, then reload", &m->state);
        return NGX_OK;
    }
    if (btz_gate_open(&o, &m->gate) != BTZ_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "bartizan: %s", btz_error_detail());
        m->gate = NULL;
    }
    if (m->conf->shared_limits && m->conf->shared_limits[0])
        m->redis = btz_nginx_redis_new(m->conf->shared_limits, cycle->log);
    return NGX_OK;
}

static void close_gate(ngx_cycle_t *cycle)
{
    struct btz_nginx_main *m = main_of(cycle);

    if (!m || !m->conf)
        return;
    btz_nginx_redis_free(m->redis);
    btz_gate_close(m->gate);
    m->redis = NULL;
    m->gate = NULL;
}

static ngx_http_module_t context = {
    .preconfiguration = btz_nginx_add_variables,
    .postconfiguration = btz_nginx_filters,
    .create_main_conf = create_main,
    .init_main_conf = init_main,
    .create_loc_conf = create_loc,
    .merge_loc_conf = merge_loc,
};

ngx_module_t ngx_http_bartizan_module = { NGX_MODULE_V1,   &context, commands,
                                          NGX_HTTP_MODULE, NULL,     NULL,
                                          open_gate,       NULL,     NULL,
                                          close_gate,      NULL,     NGX_MODULE_V1_PADDING };

/* What load_module looks for: behind the copy filter, so that files are in memory when we see them. */
__attribute__((visibility("default")))
ngx_module_t *ngx_modules[] = { &ngx_http_bartizan_module, NULL };
__attribute__((visibility(
    "default"))) char *ngx_module_names[] = { (char[]){ "ngx_http_bartizan_module" }, NULL };
__attribute__((visibility("default"))) char *ngx_module_order[] = {
    (char[]){ "ngx_http_bartizan_module" }, (char[]){ "ngx_http_copy_filter_module" }, NULL
};
