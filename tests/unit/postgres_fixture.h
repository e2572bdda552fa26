/*
 * A real PostgreSQL for tests: its own folder, Unix socket only, password wanted, fsync on. It ends with postgres_stop,
 * and with the test's process if that dies.
 *
 *     struct postgres p;
 *     if (!postgres_start(&p)) { print_message("# skipped: %s\n", p.why); skip(); }
 *     char *url = postgres_fresh(&p);    // an empty schema of its own
 *     ...
 *     postgres_stop(&p);
 */
#ifndef BTZ_TEST_POSTGRES_FIXTURE_H
#define BTZ_TEST_POSTGRES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define POSTGRES_PASSWORD "s3cret-of-the-tests"

struct postgres {
    char why[256]; /* it is not there, or did not start */
    char bin[200], folder[64];
    pid_t pid;
    unsigned made;
};

/* In a child: PostgreSQL refuses to run as root. */
static inline void postgres_become_user(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;

    if (geteuid() == 0 &&
        (!user || setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGINT);
}

static inline pid_t postgres_spawn(struct postgres *p, const char *program, char *const arguments[])
{
    char path[300], log[128];
    pid_t child;

    snprintf(path, sizeof path, "%s/%s", p->bin, program);
    snprintf(log, sizeof log, "%s/log", p->folder);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDONLY), out;

        postgres_become_user();
        out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (chdir(p->folder) < 0 || null < 0 || out < 0)
            _exit(125);
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
        execv(path, arguments);
        _exit(127);
    }
    return child;
}

static inline int postgres_remove_one(const char *path, const struct stat *st, int type,
                                      struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline bool postgres_find(struct postgres *p)
{
    glob_t found;
    bool there = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0;

    if (there) {
        snprintf(p->bin, sizeof p->bin, "%s", found.gl_pathv[found.gl_pathc - 1]);
        *strrchr(p->bin, '/') = '\0';
    } else {
        snprintf(p->why, sizeof p->why, "no PostgreSQL server under /usr/lib/postgresql");
    }
    globfree(&found);
    return there;
}

static inline bool postgres_init(struct postgres *p)
{
    char data[80], word[80], pwfile[100];
    char *arguments[] = { (char[]){ "initdb" },
                          (char[]){ "-D" },
                          data,
                          (char[]){ "-U" },
                          (char[]){ "bartizan" },
                          (char[]){ "-E" },
                          (char[]){ "UTF8" },
                          (char[]){ "--locale=C.UTF-8" },
                          (char[]){ "--auth=scram-sha-256" },
                          pwfile,
                          (char[]){ "--no-sync" },
                          (char[]){ "--wal-segsize=1" },
                          NULL };
    FILE *f;
    int status;
    pid_t child;

    snprintf(data, sizeof data, "%s/data", p->folder);
    snprintf(word, sizeof word, "%s/word", p->folder);
    snprintf(pwfile, sizeof pwfile, "--pwfile=%s", word);
    f = fopen(word, "w");
    if (!f)
        return false;
    fputs(POSTGRES_PASSWORD "\n", f);
    fclose(f);
    if (geteuid() == 0) {
        const struct passwd *user = getpwnam("postgres");

        if (!user || chown(word, user->pw_uid, user->pw_gid) < 0 ||
            chown(p->folder, user->pw_uid, user->pw_gid) < 0)
            return false;
    }
    child = postgres_spawn(p, "initdb", arguments);
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Address of a data base of it, with `more` ("&options=...") behind; freed by the caller. */
static inline char *postgres_url(const struct postgres *p, const char *database, const char *more)
{
    char *url;

    if (asprintf(&url, "postgresql://bartizan:%s@/%s?host=%s%s", POSTGRES_PASSWORD, database,
                 p->folder, more) < 0)
        return NULL;
    return url;
}

/* One statement as the administrator; false when it failed. */
static inline bool postgres_admin(const struct postgres *p, const char *sql)
{
    char *url = postgres_url(p, "postgres", "");
    PGconn *c = PQconnectdb(url);
    PGresult *r = PQexec(c, sql);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;

    PQclear(r);
    PQfinish(c);
    free(url);
    return ok;
}

/* Starts the server on the folder made before, and waits until it answers. */
static inline bool postgres_run(struct postgres *p)
{
    const struct timespec pause = { 0, 20000000 };
    char data[80];
    char *arguments[] = { (char[]){ "postgres" },
                          (char[]){ "-D" },
                          data,
                          (char[]){ "-k" },
                          p->folder,
                          (char[]){ "-c" },
                          (char[]){ "listen_addresses=" },
                          (char[]){ "-c" },
                          (char[]){ "shared_buffers=16MB" },
                          (char[]){ "-c" },
                          (char[]){ "max_connections=30" },
                          (char[]){ "-c" },
                          (char[]){ "fsync=on" },
                          NULL };
    int status;

    snprintf(data, sizeof data, "%s/data", p->folder);
    p->pid = postgres_spawn(p, "postgres", arguments);
    for (int i = 0; i < 3000 && p->pid > 0; i++) {
        if (postgres_admin(p, "SELECT 1"))
            return true;
        if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
            p->pid = 0;
            break;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Ends the server: SIGINT stops it in order, SIGQUIT at once as a crash would. */
static inline void postgres_end(struct postgres *p, int signal)
{
    int status;

    if (p->pid <= 0)
        return;
    kill(p->pid, signal);
    waitpid(p->pid, &status, 0);
    p->pid = 0;
}

static inline void postgres_stop(struct postgres *p)
{
    postgres_end(p, SIGINT);
    if (p->folder[0])
        nftw(p->folder, postgres_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    p->folder[0] = '\0';
}

/* False with `why` when there is no server on this machine. A server that is there and does not start is a failure. */
static inline bool postgres_start(struct postgres *p)
{
    *p = (struct postgres){ 0 };
    if (!postgres_find(p))
        return false;
    snprintf(p->folder, sizeof p->folder, "/tmp/btz-pg-XXXXXX");
    if (!mkdtemp(p->folder)) {
        p->folder[0] = '\0';
        snprintf(p->why, sizeof p->why, "no temporary folder");
        fail_msg("%s", p->why);
    }
    if (postgres_init(p) && postgres_run(p))
        return true;
    snprintf(p->why, sizeof p->why, "PostgreSQL did not start; see %s/log", p->folder);
    fail_msg("%s", p->why);
    return false;
}

/* The address of an empty schema; freed by the caller. */
static inline char *postgres_fresh(struct postgres *p)
{
    char sql[64], more[64];

    snprintf(sql, sizeof sql, "CREATE SCHEMA t%u", ++p->made);
    snprintf(more, sizeof more, "&options=-csearch_path%%3Dt%u", p->made);
    return postgres_admin(p, sql) ? postgres_url(p, "postgres", more) : NULL;
}

#endif
