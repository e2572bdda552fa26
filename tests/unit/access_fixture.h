/*
 * An installation for one test: temporary state, a clock that the test moves, callers of every kind.
 *
 *   struct access_fixture f;
 *   access_start(&f);
 *   struct btz_caller alice = access_person(&f, "alice", "admin");
 *   json_t *out = access_ok(&f, &alice, "user.create", json_pack("{s:s}", "name", "bob"));
 *   access_refused(&f, &bob, "user.list", json_object(), BTZ_DENIED);
 *   access_stop(&f);
 */
#ifndef BTZ_ACCESS_FIXTURE_H
#define BTZ_ACCESS_FIXTURE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "access/access.h"
#include "base/yaml.h"

#define ACCESS_START_MS UINT64_C(1795000000000) /* 2026-11-18 */

struct access_fixture {
    char dir[64];
    struct btz_arena arena; /* of the settings, and of everything the test keeps */
    struct btz_access_conf conf;
    uint64_t now_ms;
    struct btz_log log;
    unsigned errors; /* lines of the log at BTZ_LOG_ERROR */
    char last_error[512];
    struct btz_access *access;
    struct btz_caller local;
    /* Of the last call: */
    char detail[1024], etag[72], approval[BTZ_ID_TEXT], session[BTZ_TOKEN_TEXT];
    bool needs_step_up, stale, not_found;
};

static inline uint64_t access_clock(void *user)
{
    return ((struct access_fixture *)user)->now_ms;
}

static inline void access_log_line(struct btz_log *log, enum btz_log_level level, const char *line)
{
    struct access_fixture *f = log->user;

    if (level != BTZ_LOG_ERROR)
        return;
    f->errors++;
    snprintf(f->last_error, sizeof f->last_error, "%s", line);
}

static inline void access_must(enum btz_err err)
{
    if (err != BTZ_OK)
        print_error("%s: %s\n", btz_err_name(err), btz_error_detail());
    assert_int_equal(err, BTZ_OK);
}

static inline void access_open(struct access_fixture *f)
{
    const struct btz_access_options o = { .state_dir = f->dir,
                                          .conf = &f->conf,
                                          .now_ms = access_clock,
                                          .clock_user = f,
                                          .log = &f->log };

    access_must(btz_access_open(&o, &f->access));
    access_must(btz_caller_local(f->access, "root", &f->local));
}

/* Defaults of the settings, a folder that does not exist yet; nothing opened. */
static inline void access_prepare(struct access_fixture *f)
{
    const struct btz_yaml nothing = { .kind = BTZ_YAML_MAP, .line = 1 };

    memset(f, 0, sizeof *f);
    btz_arena_init(&f->arena, 64u << 20);
    snprintf(f->dir, sizeof f->dir, "/tmp/btz_access_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    access_must(
        btz_conf_load(&nothing, &btz_access_conf_struct, "test.yaml", NULL, &f->arena, &f->conf));
    f->now_ms = ACCESS_START_MS;
    f->log = (struct btz_log){ .level = BTZ_LOG_INFO, .write = access_log_line, .user = f };
}

static inline void access_start(struct access_fixture *f)
{
    access_prepare(f);
    access_open(f);
}

/* As after a restart: what was in memory is gone. */
static inline void access_reopen(struct access_fixture *f)
{
    btz_access_close(f->access);
    f->access = NULL;
    access_open(f);
}

static inline int access_remove_one(const char *path, const struct stat *st, int type,
                                    struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void access_remove(const char *path)
{
    nftw(path, access_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void access_stop(struct access_fixture *f)
{
    btz_access_close(f->access);
    btz_arena_release(&f->arena);
    access_remove(f->dir);
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

/* Takes `in`. The answer (NULL: empty, or an error) is the caller's. */
static inline enum btz_err access_call(struct access_fixture *f, const struct btz_caller *caller,
                                       const char *operation, const char *if_match, json_t *in,
                                       json_t **out)
{
    struct btz_caller who = *caller;
    struct btz_arena arena;
    struct btz_call call = { .access = f->access,
                             .op = btz_operation_find(operation),
                             .caller = &who,
                             .arena = &arena,
                             .in = in,
                             .if_match = if_match };
    enum btz_err err;

    if (!call.op)
        fail_msg("there is no operation %s", operation);
    btz_arena_init(&arena, 64u << 20);
    err = btz_access_call(&call);
    snprintf(f->detail, sizeof f->detail, "%s", err == BTZ_OK ? "" : btz_error_detail());
    snprintf(f->etag, sizeof f->etag, "%s", call.etag);
    snprintf(f->approval, sizeof f->approval, "%s", call.approval);
    snprintf(f->session, sizeof f->session, "%s", call.set_session);
    f->needs_step_up = call.needs_step_up;
    f->stale = call.stale;
    f->not_found = btz_call_was_not_found(&call);
    if (out)
        *out = err == BTZ_OK ? json_incref(call.out) : NULL;
    btz_call_release(&call);
    btz_arena_release(&arena);
    json_decref(in);
    return err;
}

/* Must go well. Takes `in`; the answer is the caller's. */
static inline json_t *access_ok(struct access_fixture *f, const struct btz_caller *caller,
                                const char *operation, json_t *in)
{
    json_t *out = NULL;
    enum btz_err err = access_call(f, caller, operation, NULL, in, &out);

    if (err != BTZ_OK)
        print_error("%s: %s: %s\n", operation, btz_err_name(err), f->detail);
    assert_int_equal(err, BTZ_OK);
    return out;
}

static inline void access_do(struct access_fixture *f, const struct btz_caller *caller,
                             const char *operation, json_t *in)
{
    json_decref(access_ok(f, caller, operation, in));
}

static inline void access_refused(struct access_fixture *f, const struct btz_caller *caller,
                                  const char *operation, json_t *in, enum btz_err expected)
{
    json_t *out = NULL;
    enum btz_err err = access_call(f, caller, operation, NULL, in, &out);

    if (err != expected)
        print_error("%s: %s: %s\n", operation, btz_err_name(err), f->detail);
    json_decref(out);
    assert_int_equal(err, expected);
}

/* A text of an answer, kept until access_stop. */
static inline const char *access_text(struct access_fixture *f, const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? btz_arena_str(&f->arena, btz_str(text)) : NULL;
}

/* ---- callers ---------------------------------------------------------------------------------------------------- */

/* Somebody signed in, with a fresh second factor, as the code of sign-in would say. */
static inline struct btz_caller access_signed_in(struct access_fixture *f, const char *id,
                                                 const char *name)
{
    struct btz_caller c = { .kind = BTZ_CALLER_SESSION, .second_factor_ms = f->now_ms };

    snprintf(c.principal, sizeof c.principal, "%s", id);
    snprintf(c.name, sizeof c.name, "%s", name);
    snprintf(c.method, sizeof c.method, "password+totp");
    btz_id_new("ses_", f->now_ms, c.session);
    access_must(btz_address_parse("192.0.2.7", &c.address));
    c.address_text = "192.0.2.7";
    return c;
}

/* A new person with a role (NULL: none), signed in. */
static inline struct btz_caller access_person(struct access_fixture *f, const char *name,
                                              const char *role)
{
    json_t *user = access_ok(f, &f->local, "user.create", json_pack("{s:s}", "name", name));
    struct btz_caller c = access_signed_in(f, json_string_value(json_object_get(user, "id")), name);

    json_decref(user);
    if (role)
        access_do(f, &f->local, "binding.create",
                  json_pack("{s:s, s:s}", "role", role, "subject", c.principal));
    return c;
}

/* A new service with a role (NULL: none). */
static inline const char *access_service(struct access_fixture *f, const char *name,
                                         const char *role)
{
    json_t *service = access_ok(f, &f->local, "service.create", json_pack("{s:s}", "name", name));
    const char *id = access_text(f, service, "id");

    json_decref(service);
    if (role)
        access_do(f, &f->local, "binding.create",
                  json_pack("{s:s, s:s}", "role", role, "subject", id));
    return id;
}

/* Who comes with that key; the key must be accepted. */
static inline struct btz_caller access_by_key(struct access_fixture *f, const char *secret)
{
    struct btz_caller c = { .kind = BTZ_CALLER_NOBODY, .address_text = "192.0.2.7" };

    access_must(btz_address_parse("192.0.2.7", &c.address));
    access_must(btz_caller_key(f->access, btz_str(secret), &c));
    return c;
}

/* A new key, with one scope or none (NULL), and who comes with it. `secret` may be NULL. */
static inline struct btz_caller access_key(struct access_fixture *f, const char *principal,
                                           const char *scope, const char **secret)
{
    json_t *in = json_pack("{s:s, s:s}", "principal", principal, "name", "key");
    const char *text;
    json_t *key;

    if (scope)
        json_object_set_new(in, "scopes", json_pack("[s]", scope));
    key = access_ok(f, &f->local, "key.create", in);
    text = access_text(f, key, "secret");
    json_decref(key);
    if (secret)
        *secret = text;
    return access_by_key(f, text);
}

#endif
