#include <poll.h>
#include <stdlib.h>

#include "store/postgres.h"

#define OPTIONS_MAX 64
#define CONNECT_MS  10000
#define OLDEST      130000 /* pg_xact_status with xid8 */

/* ---- errors ---- */

/* SQLSTATE: appendix A of the manual. A shorter code stands for its class. */
static const struct {
    const char *state;
    enum btz_err err;
    const char *says; /* NULL: what the server says */
} states[] = {
    { "08", BTZ_UNREACHABLE, NULL },
    { "22021", BTZ_INPUT, NULL },
    { "22", BTZ_INTERNAL, NULL },
    { "23", BTZ_CONFLICT, NULL },
    { "25006", BTZ_IO, "the server takes no writes; is it a stand-by?" },
    { "25P03", BTZ_UNREACHABLE, NULL },
    { "28", BTZ_DENIED, NULL },
    { "3D000", BTZ_USAGE, NULL },
    { "40", BTZ_CONFLICT, "another writer changed the same meanwhile; try again" },
    { "42501", BTZ_DENIED, NULL },
    { "53100", BTZ_IO, "the disk is full; nothing was changed" },
    { "53", BTZ_LIMIT, NULL },
    { "54", BTZ_LIMIT, NULL },
    { "55P03", BTZ_CONFLICT, "another writer did not end in time; try again" },
    { "57014", BTZ_CONFLICT, NULL },
    { "57P", BTZ_UNREACHABLE, NULL },
    { "58", BTZ_IO, NULL },
    { "0A000", BTZ_CONFLICT, NULL },
    { "XX001", BTZ_INPUT, NULL },
    { "XX002", BTZ_INPUT, NULL },
};

static enum btz_err err_of(const char *state, const char **says)
{
    for (size_t i = 0; i < BTZ_COUNT(states); i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0) {
            *says = states[i].says;
            return states[i].err;
        }
    *says = NULL;
    return BTZ_INTERNAL;
}

/* libpq does not print passwords; should a server repeat one, it ends here. First line only. */
static void clean(const struct btz_postgres *p, const char *said, char *out, size_t size)
{
    size_t n = p->password ? strlen(p->password) : 0, used = 0;

    while (*said && *said != '\n' && used + 4 < size) {
        if (n > 0 && strncmp(said, p->password, n) == 0) {
            memcpy(out + used, "***", 3);
            used += 3;
            said += n;
        } else {
            out[used++] = *said++;
        }
    }
    out[used] = '\0';
}

bool btz_postgres_is_lost(const struct btz_postgres *p)
{
    return !p->c || PQstatus(p->c) != CONNECTION_OK;
}

static enum btz_err lost(struct btz_postgres *p, const char *said)
{
    char text[512];

    clean(p, said, text, sizeof text);
    btz_postgres_forget_prepared(p);
    PQfinish(p->c);
    p->c = NULL;
    return btz_fail(BTZ_UNREACHABLE, "store: the connection to PostgreSQL was lost: %s", text);
}

enum btz_err btz_postgres_fail(struct btz_postgres *p, const PGresult *r)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *said = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL, *says = NULL;
    char text[512];
    enum btz_err err;

    /* What no server said comes of the connection. */
    if (!p->c || !state)
        return lost(p, p->c ? PQerrorMessage(p->c) : "it is closed");
    err = err_of(state, &says);
    if (err == BTZ_UNREACHABLE)
        return lost(p, said ? said : "");
    if (strcmp(state, "25006") == 0 && p->base.state == BTZ_STORE_READING)
        return btz_fail(BTZ_INTERNAL, "store: a write inside a reading transaction");
    clean(p, says ? says : said ? said : "", text, sizeof text);
    return btz_fail(err, "store: PostgreSQL: %s (%s)", text, state);
}

/* While connecting there is no result to ask; verbose messages are "SEVERITY:  SQLSTATE: text". */
static enum btz_err connect_failed(struct btz_postgres *p)
{
    const char *message = PQerrorMessage(p->c), *at = strstr(message, ":  "), *says;
    char state[6] = "", text[512];
    enum btz_err err = BTZ_UNREACHABLE;

    if (at && strlen(at) > 10 && at[8] == ':') {
        memcpy(state, at + 3, 5);
        err = err_of(state, &says);
        clean(p, at + 10, text, sizeof text);
    } else {
        clean(p, message, text, sizeof text);
    }
    /* No password where one is asked for is a refusal too. */
    if (PQconnectionNeedsPassword(p->c))
        err = BTZ_DENIED;
    return btz_fail(err == BTZ_INTERNAL ? BTZ_UNREACHABLE : err, "store: PostgreSQL: %s", text);
}

/* ---- addresses ---- */

enum btz_err btz_postgres_parse(const char *where, char **password)
{
    PQconninfoOption *options = PQconninfoParse(where, NULL);
    enum btz_err err = BTZ_OK;

    *password = NULL;
    /* What libpq says about it repeats the address with its password. */
    if (!options)
        return btz_fail(BTZ_USAGE, "store: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
                                   "with %%XX for characters that have a meaning there");
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (strcmp(o->keyword, "password") == 0 && o->val && *o->val) {
            *password = strdup(o->val);
            if (!*password)
                err = btz_fail(BTZ_LIMIT, "out of memory");
        }
    PQconninfoFree(options);
    return err;
}

static bool is_local(const char *hosts)
{
    static const char *const local[] = { "/", "@", "localhost", "127.", "::1" };

    for (const char *at = hosts; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t i = 0;

        while (i < BTZ_COUNT(local) && strncmp(at, local[i], strlen(local[i])) != 0)
            i++;
        if (i == BTZ_COUNT(local))
            return false;
    }
    return true;
}

struct arguments {
    const char *keys[OPTIONS_MAX + 1], *values[OPTIONS_MAX + 1];
    size_t count;
};

static void add_option(struct arguments *a, const char *key, const char *value)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->keys[i], key) == 0)
            return;
    if (a->count == OPTIONS_MAX)
        return;
    a->keys[a->count] = key;
    a->values[a->count++] = value;
}

/* What the address says, and behind it what we want where it is silent. */
static void fill(const PQconninfoOption *options, struct arguments *a)
{
    bool local = true;

    add_option(a, "client_encoding", "UTF8");
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (!o->val)
            continue;
        if ((strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0) && *o->val)
            local = local && is_local(o->val);
        add_option(a, o->keyword, o->val);
    }
    /* Rows must not cross a network in the clear because nobody thought of it. */
    if (!local)
        add_option(a, "sslmode", "require");
    add_option(a, "fallback_application_name", "bartizan");
    add_option(a, "keepalives_idle", "30");
    add_option(a, "tcp_user_timeout", "30000");
}

/* ---- connecting ---- */

static enum btz_err wait_connected(struct btz_postgres *p)
{
    uint64_t deadline = btz_clock_ns() + CONNECT_MS * 1000000ull;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (want == PGRES_POLLING_WRITING || want == PGRES_POLLING_READING) {
        uint64_t now = btz_clock_ns();
        struct pollfd fd = { PQsocket(p->c), want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, 0 };

        if (now >= deadline || poll(&fd, 1, (int)((deadline - now) / 1000000) + 1) == 0)
            return btz_fail(BTZ_UNREACHABLE, "store: PostgreSQL did not answer within %d s",
                            CONNECT_MS / 1000);
        want = PQconnectPoll(p->c);
    }
    return want == PGRES_POLLING_OK ? BTZ_OK : connect_failed(p);
}

static enum btz_err check_server(struct btz_postgres *p)
{
    const char *encoding = PQparameterStatus(p->c, "server_encoding");

    if (PQserverVersion(p->c) < OLDEST)
        return btz_fail(BTZ_UNSUPPORTED, "store: PostgreSQL %d is too old, 13 is the oldest",
                        PQserverVersion(p->c) / 10000);
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return btz_fail(BTZ_UNSUPPORTED, "store: the data base has the encoding %s, expected UTF8",
                        encoding ? encoding : "?");
    return BTZ_OK;
}

static enum btz_err settle(struct btz_postgres *p)
{
    char sql[512];
    PGresult *r;
    enum btz_err err = BTZ_OK;

    /* A writer that hangs inside a transaction must not keep the others out for good. */
    snprintf(sql, sizeof sql,
             "SET synchronous_commit = on; SET standard_conforming_strings = on; "
             "SET bytea_output = hex; SET extra_float_digits = 1; SET lock_timeout = %u; "
             "SET idle_in_transaction_session_timeout = 60000",
             p->busy_ms > 0 ? p->busy_ms : 1);
    r = PQexec(p->c, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        err = btz_postgres_fail(p, r);
    PQclear(r);
    return err;
}

static void ignore_notice(void *user, const char *message)
{
    (void)user, (void)message;
}

void btz_postgres_forget_prepared(struct btz_postgres *p)
{
    for (size_t i = 0; i < BTZ_POSTGRES_CACHED; i++) {
        free(p->cache[i].key);
        p->cache[i] = (struct btz_postgres_cached){ 0 };
    }
}

enum btz_err btz_postgres_connect(struct btz_postgres *p)
{
    PQconninfoOption *options = PQconninfoParse(p->where, NULL);
    struct arguments a = { 0 };
    enum btz_err err;

    btz_postgres_forget_prepared(p);
    PQfinish(p->c);
    p->c = NULL;
    if (!options)
        return btz_fail(BTZ_LIMIT, "out of memory");
    fill(options, &a);
    p->c = PQconnectStartParams(a.keys, a.values, 0);
    if (!p->c) {
        PQconninfoFree(options);
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    PQsetErrorVerbosity(p->c, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(p->c, ignore_notice, NULL);
    err = PQstatus(p->c) == CONNECTION_BAD ? connect_failed(p) : wait_connected(p);
    PQconninfoFree(options);
    if (err == BTZ_OK)
        err = check_server(p);
    if (err == BTZ_OK)
        err = settle(p);
    if (err != BTZ_OK) {
        PQfinish(p->c);
        p->c = NULL;
    }
    return err;
}
