/*
 * Preloaded into a program: the allocation number BTZ_FAIL_AT fails, and all after it when BTZ_FAIL_FROM is set.
 * On exit the number of allocations made goes to the file BTZ_FAIL_COUNT names.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_ulong made;
static unsigned long fail_at;
static int fail_after;
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

/* dlsym itself allocates before the real functions are known. */
static char early[65536];
static size_t early_used;

static int is_early(const void *ptr)
{
    return (uintptr_t)ptr >= (uintptr_t)early && (uintptr_t)ptr < (uintptr_t)early + sizeof early;
}

static void *early_alloc(size_t size)
{
    size_t at = (early_used + 15) & ~(size_t)15;

    if (size > sizeof early - at)
        return NULL;
    early_used = at + size;
    return early + at;
}

__attribute__((constructor)) static void start(void)
{
    const char *at = getenv("BTZ_FAIL_AT");
    void *symbol;

    symbol = dlsym(RTLD_NEXT, "malloc");
    memcpy(&real_malloc, &symbol, sizeof symbol);
    symbol = dlsym(RTLD_NEXT, "calloc");
    memcpy(&real_calloc, &symbol, sizeof symbol);
    symbol = dlsym(RTLD_NEXT, "realloc");
    memcpy(&real_realloc, &symbol, sizeof symbol);
    symbol = dlsym(RTLD_NEXT, "free");
    memcpy(&real_free, &symbol, sizeof symbol);
    fail_at = at ? strtoul(at, NULL, 10) : 0;
    fail_after = getenv("BTZ_FAIL_FROM") != NULL;
    atomic_store(&made, 0);
}

__attribute__((destructor)) static void stop(void)
{
    const char *path = getenv("BTZ_FAIL_COUNT");
    unsigned long count = atomic_load(&made);
    FILE *file;

    fail_at = 0;
    file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%lu\n", count);
        fclose(file);
    }
}

static int fails(void)
{
    unsigned long n = atomic_fetch_add(&made, 1) + 1;

    if (fail_at == 0 || (n != fail_at && !(fail_after && n > fail_at)))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    if (!real_malloc)
        return early_alloc(size);
    return fails() ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (!real_calloc) /* static storage is zero */
        return size && count > sizeof early / size ? NULL : early_alloc(count * size);
    return fails() ? NULL : real_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    if (!real_realloc || is_early(ptr)) {
        void *moved = malloc(size);
        size_t left = ptr ? (size_t)(early + sizeof early - (char *)ptr) : 0;

        if (moved && ptr)
            memcpy(moved, ptr, size < left ? size : left);
        return moved;
    }
    return fails() ? NULL : real_realloc(ptr, size);
}

/* Before our constructor ran, others may have taken early memory: it is never given back. */
void free(void *ptr)
{
    if (real_free && !is_early(ptr))
        real_free(ptr);
}
