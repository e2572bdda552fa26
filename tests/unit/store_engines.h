/* Runs a table of tests once for each engine. */
#ifndef BTZ_TEST_STORE_ENGINES_H
#define BTZ_TEST_STORE_ENGINES_H

#include "postgres_fixture.h"
#include "store_fixture.h"

struct engine_test {
    const char *name;
    CMUnitTestFunction run;
};
#define ENGINE_TEST(function)                                                                      \
    {                                                                                              \
#function, function                                                                        \
    }

struct engine {
    const char *name;
    /* Where an empty store can be opened; freed by the caller. */
    char *(*fresh)(struct engine *e);
    bool (*start)(struct engine *e);
    void (*stop)(struct engine *e);
    unsigned made;
    char *folder;
    struct postgres postgres;
};

static inline char *sqlite_fresh(struct engine *e)
{
    char *where;

    assert_true(asprintf(&where, "%s/%u.db", e->folder, e->made++) > 0);
    return where;
}

static inline bool sqlite_start(struct engine *e)
{
    e->folder = store_new_folder();
    return true;
}

static inline void sqlite_stop(struct engine *e)
{
    store_remove_folder(e->folder);
}

static inline char *fresh_schema(struct engine *e)
{
    char *where = postgres_fresh(&e->postgres);

    assert_non_null(where);
    return where;
}

static inline bool start_postgres(struct engine *e)
{
    return postgres_start(&e->postgres);
}

static inline void stop_postgres(struct engine *e)
{
    postgres_stop(&e->postgres);
}

static struct engine engines[] = {
    { .name = "sqlite", .fresh = sqlite_fresh, .start = sqlite_start, .stop = sqlite_stop },
    { .name = "postgresql", .fresh = fresh_schema, .start = start_postgres, .stop = stop_postgres },
};
#define SQLITE   (&engines[0])
#define POSTGRES (&engines[1])

static inline char *engine_fresh(void *state)
{
    struct engine *e = state;

    return e->fresh(e);
}

static inline void engine_missing(void **state)
{
    struct engine *e = *state;

    print_message("# skipped: %s\n", e->postgres.why);
    skip();
}

/* One group, so that there is one TAP plan. */
static inline int engines_run(const char *group, const struct engine_test *tests, size_t count)
{
    static struct CMUnitTest all[BTZ_COUNT(engines) * 64];
    static char names[BTZ_COUNT(engines) * 64][96];
    bool there[BTZ_COUNT(engines)];
    size_t n = 0;
    int failed;

    for (size_t e = 0; e < BTZ_COUNT(engines); e++) {
        there[e] = engines[e].start(&engines[e]);
        for (size_t t = 0; t < count && t < 64; t++, n++) {
            snprintf(names[n], sizeof names[n], "%s (%s)", tests[t].name, engines[e].name);
            all[n].name = names[n];
            all[n].test_func = there[e] ? tests[t].run : engine_missing;
            all[n].initial_state = &engines[e];
        }
    }
    failed = _cmocka_run_group_tests(group, all, n, NULL, NULL);
    for (size_t e = 0; e < BTZ_COUNT(engines); e++)
        if (there[e])
            engines[e].stop(&engines[e]);
    return failed;
}

#endif
