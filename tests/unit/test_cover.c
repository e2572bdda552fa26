/* Mapped files that are cut: the process goes on, knows it, and all else that is a SIGBUS ends it as before. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cover.h"

/* There it is the sanitizer whose handler was there before, and who ends the process. */
#define SANITIZED false
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#undef SANITIZED
#define SANITIZED true
#endif
#endif

#define PAGES ((size_t)8)
#define LEN   (PAGES * 4096)

static int file(void)
{
    char path[] = "/tmp/btz-cover-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0 && unlink(path) == 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)LEN), 0);
    return fd;
}

static volatile uint8_t *map(int fd)
{
    void *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_true(p != MAP_FAILED);
    memset(p, 'a', LEN);
    return p;
}

static void test_cut(void **state)
{
    struct btz_cover *cover = NULL;
    volatile uint8_t *p;
    int fd = file();

    (void)state;
    p = map(fd);
    assert_int_equal(btz_cover((void *)(uintptr_t)p, LEN, &cover), BTZ_OK);
    assert_int_equal(ftruncate(fd, LEN / 2), 0);
    assert_int_equal(p[0], 'a');
    assert_int_equal(p[LEN / 2 - 1], 'a');
    assert_false(btz_is_cut(cover));
    assert_true(btz_is_cut_now(cover));
    assert_true(btz_is_cut(cover));
    assert_int_equal(p[LEN - 1], 0);
    errno = 77;
    assert_int_equal(p[LEN - 8192], 0);
    assert_int_equal(errno, 77);
    assert_true(btz_is_cut(cover));
    p[LEN - 4096] = 'b'; /* the page is ours */
    assert_int_equal(p[LEN - 4096], 'b');
    p[LEN / 2] = 'c'; /* one that is written to first */
    assert_int_equal(p[0], 'a');
    /* As it should be again, at the same place. */
    assert_int_equal(ftruncate(fd, (off_t)LEN), 0);
    assert_true(mmap((void *)(uintptr_t)p, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                     0) == (void *)(uintptr_t)p);
    btz_cover_again(cover);
    assert_int_equal(p[LEN / 2], 0);
    assert_false(btz_is_cut(cover));
    btz_uncover(cover);
    munmap((void *)(uintptr_t)p, LEN);
    close(fd);
    assert_false(btz_is_cut(NULL) || btz_is_cut_now(NULL));
    btz_uncover(NULL);
}

struct reader {
    volatile uint8_t *p;
    struct btz_cover *cover;
    bool wrong;
};

/* Reads on and on; once it has seen anything else than what was written, it must know. */
static void *read_on(void *user)
{
    struct reader *r = user;

    for (size_t i = 0;; i = (i + 509) % LEN) {
        if (r->p[i] == 'a')
            continue;
        r->wrong = !btz_is_cut(r->cover);
        return NULL;
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (int turn = 0; turn < 50; turn++) {
        pthread_t threads[4];
        struct reader readers[4];
        struct btz_cover *cover = NULL;
        int fd = file();
        volatile uint8_t *p = map(fd);

        assert_int_equal(btz_cover((void *)(uintptr_t)p, LEN, &cover), BTZ_OK);
        for (size_t i = 0; i < BTZ_COUNT(threads); i++) {
            readers[i] = (struct reader){ p, cover, false };
            assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
        }
        assert_int_equal(ftruncate(fd, turn % 2 ? 0 : LEN / 2), 0);
        for (size_t i = 0; i < BTZ_COUNT(threads); i++) {
            pthread_join(threads[i], NULL);
            assert_false(readers[i].wrong);
        }
        btz_uncover(cover);
        munmap((void *)(uintptr_t)p, LEN);
        close(fd);
    }
}

/* How a child ends that does this. */
static int ends(void (*act)(volatile uint8_t *p), volatile uint8_t *p)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        act(p);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void touch(volatile uint8_t *p)
{
    _exit(p[LEN - 1] == 0 ? 5 : 6);
}

static void be_told(volatile uint8_t *p)
{
    (void)p;
    kill(getpid(), SIGBUS);
}

static void test_others(void **state)
{
    struct btz_cover *cover = NULL;
    int fd = file(), other = file();
    volatile uint8_t *p, *q;

    (void)state;
    signal(SIGBUS, SIG_DFL); /* instead of the test's */
    p = map(fd);
    q = map(other);
    assert_int_equal(btz_cover((void *)(uintptr_t)p, LEN, &cover), BTZ_OK);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(ftruncate(other, 0), 0);
    assert_int_equal(ends(touch, p), -5); /* children are covered */
    if (!SANITIZED) {
        assert_int_equal(ends(touch, q), SIGBUS);
        assert_int_equal(ends(be_told, p), SIGBUS);
    }
    btz_uncover(cover);
    munmap((void *)(uintptr_t)p, LEN);
    munmap((void *)(uintptr_t)q, LEN);
    close(fd);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cut), cmocka_unit_test(test_threads),
                                        cmocka_unit_test(test_others) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
