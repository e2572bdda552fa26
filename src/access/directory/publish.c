#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "access/directory/directory.h"

/*
 * Publication: the number of the last change is in the data base (`generation`), the snapshot carries the number of
 * the state it was made from. When the two differ, whoever sees it first makes a new snapshot. The lock file
 * serialises processes, so that an older state never replaces a newer one.
 */

static enum btz_err number_row(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    *(uint64_t *)user = (uint64_t)v[0].i;
    return BTZ_OK;
}

enum btz_err btz_generation(struct btz_store *s, uint64_t *out)
{
    uint64_t generation = 0;

    BTZ_TRY(btz_store_query(s, "SELECT value FROM meta WHERE name = 'generation'", NULL, 0,
                            number_row, &generation));
    if (generation == 0)
        return btz_fail(BTZ_INPUT, "the data base of access has no generation; restore a backup");
    *out = generation;
    return BTZ_OK;
}

enum btz_err btz_generation_next(struct btz_store *s, uint64_t at_least, uint64_t *out)
{
    uint64_t generation;
    struct btz_value v[1];

    BTZ_TRY(btz_generation(s, &generation));
    generation = generation + 1 > at_least ? generation + 1 : at_least;
    v[0] = btz_value_int((int64_t)generation);
    BTZ_TRY(btz_store_run(s, "UPDATE meta SET value = ? WHERE name = 'generation'", v, 1, NULL));
    *out = generation;
    return BTZ_OK;
}

/* Generation of the file that is there; 0: none, or none that can be read. */
static uint64_t published(struct btz_access *a)
{
    struct btz_snapshot *snapshot;
    uint64_t generation;

    if (btz_snapshot_open(a->snapshot_path, a->snapshot_secret, &snapshot) != BTZ_OK)
        return 0;
    generation = btz_snapshot_generation(snapshot);
    btz_snapshot_close(snapshot);
    return generation;
}

static enum btz_err lock(struct btz_access *a, int *fd)
{
    pthread_mutex_lock(&a->publish);
    *fd = open(a->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd >= 0)
        while (flock(*fd, LOCK_EX) < 0)
            if (errno != EINTR) {
                close(*fd);
                *fd = -1;
                break;
            }
    if (*fd >= 0)
        return BTZ_OK;
    pthread_mutex_unlock(&a->publish);
    return btz_fail_errno(BTZ_IO, "lock %s", a->lock_path);
}

static void unlock(struct btz_access *a, int fd)
{
    close(fd);
    pthread_mutex_unlock(&a->publish);
}

static enum btz_err write_snapshot(struct btz_access *a, const struct btz_policy_model *model,
                                   uint64_t generation)
{
    BTZ_TRY(btz_snapshot_write(model, generation, a->snapshot_secret, a->snapshot_path));
    atomic_store(&a->live, generation);
    return BTZ_OK;
}

/* The data base was put back: its number starts behind the one that readers have seen. */
static enum btz_err catch_up(struct btz_store *s, uint64_t seen, uint64_t *generation)
{
    enum btz_err err;

    BTZ_TRY(btz_store_begin(s));
    err = btz_generation_next(s, seen + 1, generation);
    if (err == BTZ_OK)
        return btz_store_commit(s);
    btz_store_rollback(s);
    return err;
}

static enum btz_err publish_locked(struct btz_access *a, struct btz_store *s)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model model;
    uint64_t generation, seen = published(a);
    enum btz_err err;

    btz_arena_init(&arena, MODEL_MAX);
    BTZ_TRY(btz_generation(s, &generation));
    if (generation == seen) {
        atomic_store(&a->live, generation);
        return BTZ_OK;
    }
    if (generation < seen)
        BTZ_TRY(catch_up(s, seen, &generation));
    BTZ_TRY(btz_store_begin_read(s));
    err = btz_generation(s, &generation);
    if (err == BTZ_OK)
        err = btz_access_model(a, s, &arena, &model);
    btz_store_rollback(s);
    return err == BTZ_OK ? write_snapshot(a, &model, generation) : err;
}

enum btz_err btz_access_publish(struct btz_access *a, struct btz_store *s)
{
    enum btz_err err;
    int fd;

    BTZ_TRY(lock(a, &fd));
    err = publish_locked(a, s);
    unlock(a, fd);
    return err == BTZ_OK ? err : btz_fail_context(err, "publishing permissions");
}

enum btz_err btz_publish_staged(struct btz_access *a, struct btz_store *s, uint64_t generation)
{
    enum btz_err err;
    uint64_t now;
    int fd;

    BTZ_TRY(lock(a, &fd));
    err = btz_generation(s, &now);
    if (err == BTZ_OK && now == generation && published(a) < generation &&
        btz_snapshot_publish(generation, a->snapshot_secret, a->snapshot_path) == BTZ_OK)
        atomic_store(&a->live, generation);
    else if (err == BTZ_OK)
        err = publish_locked(a, s); /* somebody changed more meanwhile */
    btz_snapshot_unstage(generation, a->snapshot_path);
    unlock(a, fd);
    return err == BTZ_OK ? err : btz_fail_context(err, "publishing permissions");
}
