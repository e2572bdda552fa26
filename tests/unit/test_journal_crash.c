/*
 * Writers and the process that puts their records into the ledger are killed (SIGKILL) at random instants, again and
 * again. In the end every record that was acknowledged as durable is in the ledger, and none is there twice.
 */
#include "access_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "watch/sequencer.h"

#define ROUNDS  60
#define WRITERS 2

static char journal[256];

static void nap_us(unsigned us)
{
    struct timespec t = { .tv_nsec = us * 1000L };

    nanosleep(&t, NULL);
}

/* Writes records with numbers of its own; each is acknowledged on the pipe once it is durable. */
static void writer(int fd, unsigned round, unsigned which)
{
    struct btz_journal *j;

    if (btz_journal_open(journal, &j) != BTZ_OK) {
        dprintf(2, "%s\n", btz_error_detail());
        _exit(2);
    }
    for (unsigned n = 0;; n++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX + 64);
        struct btz_call_record r = { .phase = "end",
                                     .verdict = "allow",
                                     .route = "chat",
                                     .at_ms = btz_clock_unix_ms(),
                                     .name = "alice" };
        uint64_t sequence;
        char id[64];
        int len;

        snprintf(id, sizeof id, "%u-%u-%u", round, which, n);
        r.request = id;
        if (n % 7 == 0)
            r.request_body = btz_str("{\"a body\":1}");
        if (btz_record_write(&r, &text) != BTZ_OK ||
            btz_journal_add(j, btz_buf_slice(&text), &sequence) != BTZ_OK) {
            nap_us(500);
            continue;
        }
        if (n % 3 == 0) /* some are not waited for */
            continue;
        while (btz_journal_durable(j, sequence) != BTZ_OK)
            nap_us(200);
        len = snprintf(id, sizeof id, "%u-%u-%u\n", round, which, n);
        if (write(fd, id, (size_t)len) != len)
            _exit(3);
    }
}

static void reader(struct access_fixture *f)
{
    struct btz_sequencer_options o = { .state_dir = f->dir, .gather_ms = 2 };
    struct btz_sequencer *q;

    access_open(f);
    o.access = f->access;
    if (btz_sequencer_start(&o, &q) != BTZ_OK) {
        dprintf(2, "%s\n", btz_error_detail());
        _exit(2);
    }
    for (;;)
        pause();
}

static pid_t start_writer(int fd, unsigned round, unsigned which)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        writer(fd, round, which);
    return pid;
}

static pid_t start_reader(struct access_fixture *f)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        reader(f);
    return pid;
}

static void end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
}

/* Until something more is acknowledged: on a busy machine starting takes its time. */
static void wait_for_progress(int fd)
{
    off_t before = lseek(fd, 0, SEEK_END);

    for (int i = 0; i < 20000 && lseek(fd, 0, SEEK_END) == before; i++)
        nap_us(500);
}

struct seen {
    json_t *requests; /* "round-writer-n": how often */
    size_t count, bodies;
};

static enum btz_err each(void *user, const struct btz_trail_record *r)
{
    const char *request = json_string_value(json_object_get(r->entry, "request"));
    struct seen *seen = user;

    assert_string_equal(json_string_value(json_object_get(r->entry, "event")), "call");
    assert_string_equal(json_string_value(json_object_get(r->entry, "name")), "alice");
    assert_non_null(request);
    if (json_object_get(seen->requests, request))
        fail_msg("twice in the ledger: %s", request);
    json_object_set_new(seen->requests, request, json_true());
    seen->count++;
    seen->bodies += json_object_get(r->entry, "bodies") != NULL;
    return BTZ_OK;
}

static void compare(struct access_fixture *f, int fd)
{
    const struct btz_trail_filter calls = { .event = "call", .limit = SIZE_MAX };
    struct seen seen = { .requests = json_object() };
    struct btz_ledger_check check;
    struct btz_store *s;
    size_t acknowledged = 0;
    char line[64];
    FILE *in;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_trail_read(btz_access_trail(f->access), s, &calls, each, &seen, NULL));
    btz_access_store_back(f->access, s);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    in = fdopen(fd, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        if (!json_object_get(seen.requests, line))
            fail_msg("acknowledged, and not in the ledger: %s", line);
        acknowledged++;
    }
    fclose(in);
    access_must(btz_ledger_verify(btz_trail_ledger_dir(btz_access_trail(f->access)),
                                  btz_slice_of(NULL, 0), btz_slice_of(NULL, 0), &check));
    if (!check.intact)
        fail_msg("%s", check.what);
    print_message("%zu acknowledged, %zu in the ledger, %zu with bodies\n", acknowledged,
                  seen.count, seen.bodies);
    assert_true(acknowledged > 20 && seen.bodies > 0);
    json_decref(seen.requests);
}

static void test_killed(void **state)
{
    struct btz_sequencer_options o = { .gather_ms = 1 };
    struct btz_sequencer_state last;
    struct access_fixture f;
    struct btz_sequencer *q;
    pid_t writers[WRITERS], reading;
    struct btz_rng rng;
    char path[256];
    int fd;

    (void)state;
    access_prepare(&f);
    access_open(&f);
    btz_access_close(f.access);
    f.access = NULL;
    snprintf(journal, sizeof journal, "%s/gate/journal", f.dir);
    snprintf(path, sizeof path, "%s/acknowledged", f.dir);
    fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    btz_rng_init(&rng, 4, 60);
    for (unsigned i = 0; i < WRITERS; i++)
        writers[i] = start_writer(fd, 0, i);
    reading = start_reader(&f);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        unsigned who = btz_rng_below(&rng, WRITERS + 2);

        /* In every third round wherever it is, also at its very beginning. */
        if (round % 3 != 0)
            wait_for_progress(fd);
        nap_us(btz_rng_below(&rng, 20000));
        if (who < WRITERS) {
            end(writers[who]);
            writers[who] = start_writer(fd, round, who);
        } else {
            end(reading);
            reading = start_reader(&f);
        }
    }
    wait_for_progress(fd);
    for (unsigned i = 0; i < WRITERS; i++)
        end(writers[i]);
    end(reading);
    /* Somebody starts again, and empties what is left. */
    access_open(&f);
    o.access = f.access;
    o.state_dir = f.dir;
    access_must(btz_sequencer_start(&o, &q));
    do {
        nap_us(20000);
        btz_sequencer_look(q, &last);
    } while (last.counts.written == 0 || last.counts.waiting > 0);
    btz_sequencer_stop(q);
    assert_int_equal(last.counts.damaged, 0);
    compare(&f, fd);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_killed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
