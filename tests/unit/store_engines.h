/* Runs a table of tests once for each engine. */
#ifndef BTZ_TEST_STORE_ENGINES_H
#define BTZ_TEST_STORE_ENGINES_H

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

static struct engine engines[] = {
    { "sqlite", sqlite_fresh, sqlite_start, sqlite_stop, 0, NULL },
};

static inline char *engine_fresh(void *state)
{
    struct engine *e = state;

    return e->fresh(e);
}

/* One group, so that there is one TAP plan. */
static inline int engines_run(const char *group, const struct engine_test *tests, size_t count)
{
    struct CMUnitTest all[BTZ_COUNT(engines) * 64] = { 0 };
    char names[BTZ_COUNT(engines) * 64][96];
    size_t n = 0;
    int failed;

    for (size_t e = 0; e < BTZ_COUNT(engines); e++) {
        if (!engines[e].start(&engines[e]))
            return 1;
        for (size_t t = 0; t < count && t < 64; t++, n++) {
            snprintf(names[n], sizeof names[n], "%s (%s)", tests[t].name, engines[e].name);
            all[n].name = names[n];
            all[n].test_func = tests[t].run;
            all[n].initial_state = &engines[e];
        }
    }
    failed = _cmocka_run_group_tests(group, all, n, NULL, NULL);
    for (size_t e = 0; e < BTZ_COUNT(engines); e++)
        engines[e].stop(&engines[e]);
    return failed;
}

#endif
