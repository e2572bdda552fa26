/*
 * Backups from strangers. Whatever is whole is written back to the same bytes; what is told before the digest is known
 * keeps the promises of dump.h. The last 32 bytes are replaced by the right digest, so that a fuzzer gets past it.
 */
#include <math.h>
#include <stdlib.h>

#include "store/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct source {
    struct btz_slice bytes;
    size_t at;
};

static enum btz_err read_in(void *user, uint8_t *to, size_t n, size_t *got)
{
    struct source *s = user;

    *got = n < s->bytes.len - s->at ? n : s->bytes.len - s->at;
    if (*got > 0)
        memcpy(to, s->bytes.ptr + s->at, *got);
    s->at += *got;
    return BTZ_OK;
}

static enum btz_err write_out(void *user, struct btz_slice bytes)
{
    return btz_buf_add_slice(user, bytes);
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n < BTZ_DUMP_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static enum btz_err see_part(void *user, const struct btz_dump_part *p)
{
    check(is_name(p->name));
    return btz_dump_part(user, p);
}

static enum btz_err see_table(void *user, const struct btz_dump_table *t)
{
    check(is_name(t->name) && t->count > 0 && t->count <= BTZ_STORE_COLUMNS_MAX);
    for (size_t i = 0; i < t->count; i++)
        check(is_name(t->column[i].name));
    return btz_dump_table(user, t);
}

static enum btz_err see_row(void *user, const struct btz_dump_table *t,
                            const struct btz_value *values)
{
    for (size_t i = 0; i < t->count; i++) {
        check(values[i].kind == BTZ_VALUE_NULL || values[i].kind == t->column[i].kind);
        if (values[i].kind == BTZ_VALUE_TEXT)
            check(
                btz_is_utf8(values[i].bytes) &&
                (values[i].bytes.len == 0 || !memchr(values[i].bytes.ptr, 0, values[i].bytes.len)));
        if (values[i].kind == BTZ_VALUE_REAL)
            check(isfinite(values[i].real));
    }
    return btz_dump_row(user, values, t->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[32];
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(64 << 20);
    BTZ_FREE uint8_t *copy = malloc(size + 1);
    struct btz_dump_writer w = { .out = write_out, .user = &again };
    const struct btz_dump_sink sink = { see_part, NULL, see_table, see_row, &w };
    struct source s = { btz_slice_of(copy, size), 0 };

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (size > 32)
        crypto_auth_hmacsha256(copy + size - 32, copy, size - 32, zeros);
    check(btz_dump_begin(&w, NULL) == BTZ_OK);
    if (btz_dump_read(read_in, &s, NULL, &sink) == BTZ_OK) {
        check(btz_dump_end(&w) == BTZ_OK);
        check(btz_slice_equal(btz_buf_slice(&again), btz_slice_of(copy, size)));
    }
    btz_buf_release(&w.pending);
    return 0;
}
