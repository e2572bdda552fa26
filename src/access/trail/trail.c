/* The trail's handle: its tables, its ledger, its lock. */
#include "access/trail/handle.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

static const struct btz_migration migrations[] = {
    { 1,
      /* Entries that are committed and not known to be in the ledger. `large` and `secret` are sealed evidence. */
      "CREATE TABLE trail_outbox (seq {id}, ledger {text} NOT NULL, id {text} NOT NULL UNIQUE,"
      " leaf {blob} NOT NULL, large {blob}, secret {blob});"
      "CREATE INDEX trail_outbox_ledger ON trail_outbox (ledger, seq);"
      /* Below `reached` no ledger entry has a row in the outbox. */
      "CREATE TABLE trail_marks (ledger {text} PRIMARY KEY, reached {int} NOT NULL);"
      "CREATE TABLE trail_months (month {text} PRIMARY KEY, sealed {blob} NOT NULL,"
      " made_ms {int} NOT NULL, entries {int} NOT NULL);"
      "CREATE TABLE trail_evidence (entry {text} NOT NULL, kind {text} NOT NULL,"
      " ledger {text} NOT NULL, month {text} NOT NULL, digest {text} NOT NULL,"
      " PRIMARY KEY (entry, kind));"
      "CREATE INDEX trail_evidence_month ON trail_evidence (ledger, month)" },
};

enum btz_err btz_trail_migrate(struct btz_store *s)
{
    return btz_store_migrate(s, "trail", migrations, BTZ_COUNT(migrations));
}

enum btz_err btz_trail_reopen(struct btz_trail *t)
{
    struct btz_ledger *fresh;

    BTZ_TRY(btz_ledger_open(t->dir, BTZ_LEDGER_WRITE, &fresh));
    btz_ledger_close(t->ledger);
    t->ledger = fresh;
    return BTZ_OK;
}

static enum btz_err name_home(struct btz_trail *t)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_vkey vkey;

    btz_ledger_vkey(t->ledger, &vkey);
    BTZ_TRY(btz_vkey_write(&vkey, &text));
    btz_sha256(btz_buf_slice(&text), digest);
    btz_hex(digest, (BTZ_TRAIL_HOME - 1) / 2, t->home);
    return BTZ_OK;
}

static enum btz_err open_lock(struct btz_trail *t)
{
    BTZ_BUF_RELEASE struct btz_buf path = BTZ_BUF(4096);
    const char *name;

    BTZ_TRY(btz_buf_printf(&path, "%s/trail.lock", t->dir));
    BTZ_TRY(btz_buf_cstr(&path, &name));
    t->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (t->lock < 0)
        return btz_fail_errno(BTZ_IO, "open %s", name);
    return BTZ_OK;
}

static uint64_t clock_ms(void *user)
{
    (void)user;
    return btz_clock_unix_ms();
}

enum btz_err btz_trail_open(const struct btz_trail_options *o, struct btz_store *s,
                            struct btz_trail **out)
{
    struct btz_trail *t;
    enum btz_err err = BTZ_OK;

    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    t = calloc(1, sizeof *t);
    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory");
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->done, NULL);
    t->lock = -1;
    t->log_leaves = BTZ_BUF((size_t)BTZ_TRAIL_LOG_MAX * (BTZ_LEDGER_ENTRY_MAX + 1));
    t->seal = o->seal;
    t->now_ms = o->now_ms ? o->now_ms : clock_ms;
    t->user = o->user;
    t->has_auditor = o->auditor_key != NULL;
    if (o->auditor_key)
        memcpy(t->auditor_key, o->auditor_key, sizeof t->auditor_key);
    t->dir = strdup(o->ledger_dir);
    if (!t->dir)
        err = btz_fail(BTZ_LIMIT, "out of memory");
    if (err == BTZ_OK)
        err = btz_ledger_open_own(t->dir, &t->ledger);
    if (err == BTZ_OK)
        err = name_home(t);
    if (err == BTZ_OK)
        err = open_lock(t);
    if (err != BTZ_OK) {
        btz_trail_close(t);
        return err;
    }
    if (btz_trail_flush(t, s) != BTZ_OK)
        btz_error_set("%s", ""); /* what waits is in the store, and the next flush says why */
    *out = t;
    return BTZ_OK;
}

void btz_trail_close(struct btz_trail *t)
{
    if (!t)
        return;
    btz_ledger_close(t->ledger);
    btz_wipe(t->log_key, sizeof t->log_key);
    btz_buf_release(&t->log_leaves);
    btz_close_fd(&t->lock);
    pthread_cond_destroy(&t->done);
    pthread_mutex_destroy(&t->mutex);
    free(t->dir);
    free(t);
}

const char *btz_trail_ledger_dir(const struct btz_trail *t)
{
    return t->dir;
}

bool btz_trail_has_auditor(const struct btz_trail *t)
{
    return t->has_auditor;
}

void btz_trail_step(const struct btz_trail *t, const char *what)
{
    if (t->step)
        t->step(t->step_user, what);
}
