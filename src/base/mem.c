#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "base/base.h"

/* ---- buffers ---- */

void btz_buf_release(struct btz_buf *b)
{
    free(b->ptr);
    b->ptr = NULL;
    b->len = b->cap = 0;
}

void btz_buf_clear(struct btz_buf *b)
{
    b->len = 0;
}

enum btz_err btz_buf_reserve(struct btz_buf *b, size_t more)
{
    size_t need, cap;
    uint8_t *grown;

    if (!btz_size_add(b->len, more, &need) || need > b->max)
        return btz_fail(BTZ_LIMIT, "result is larger than its maximum of %zu bytes", b->max);
    if (need <= b->cap)
        return BTZ_OK;
    cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max)
        cap = b->max;
    grown = realloc(b->ptr, cap);
    if (!grown)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu bytes", cap);
    b->ptr = grown;
    b->cap = cap;
    return BTZ_OK;
}

enum btz_err btz_buf_add(struct btz_buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_reserve(b, n));
    memcpy(b->ptr + b->len, bytes, n);
    b->len += n;
    return BTZ_OK;
}

enum btz_err btz_buf_add_slice(struct btz_buf *b, struct btz_slice s)
{
    return btz_buf_add(b, s.ptr, s.len);
}

enum btz_err btz_buf_add_str(struct btz_buf *b, const char *text)
{
    return btz_buf_add(b, text, strlen(text));
}

enum btz_err btz_buf_add_byte(struct btz_buf *b, uint8_t byte)
{
    return btz_buf_add(b, &byte, 1);
}

enum btz_err btz_buf_add_utf8(struct btz_buf *b, uint32_t c)
{
    uint8_t out[4];

    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        c = 0xFFFD;
    if (c < 0x80)
        return btz_buf_add_byte(b, (uint8_t)c);
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 63));
        return btz_buf_add(b, out, 2);
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (c & 63));
        return btz_buf_add(b, out, 3);
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (c & 63));
    return btz_buf_add(b, out, 4);
}

enum btz_err btz_buf_printf(struct btz_buf *b, const char *fmt, ...)
{
    size_t room = b->cap - b->len;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(b->ptr ? (char *)b->ptr + b->len : NULL, room, fmt, args);
    va_end(args);
    if (n < 0)
        return btz_fail(BTZ_INTERNAL, "bad format \"%s\"", fmt);
    if ((size_t)n < room) { /* nearly always */
        b->len += (size_t)n;
        return BTZ_OK;
    }
    room = b->max - b->len;
    /* vsnprintf wants one byte more than it keeps: take it from the storage, give it back below. */
    if ((size_t)n < room) {
        BTZ_TRY(btz_buf_reserve(b, (size_t)n + 1));
        va_start(args, fmt);
        vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, fmt, args);
        va_end(args);
        b->len += (size_t)n;
        return BTZ_OK;
    }
    return btz_fail(BTZ_LIMIT, "result is larger than its maximum of %zu bytes", b->max);
}

struct btz_slice btz_buf_slice(const struct btz_buf *b)
{
    return btz_slice_of(b->ptr, b->len);
}

enum btz_err btz_buf_cstr(struct btz_buf *b, const char **out)
{
    BTZ_TRY(btz_buf_reserve(b, 1));
    b->ptr[b->len] = '\0';
    *out = (const char *)b->ptr;
    return BTZ_OK;
}

/* ---- arena ---- */

#define BLOCK_MIN 2048

struct btz_arena_block {
    struct btz_arena_block *older;
    size_t used, size;
    max_align_t bytes[];
};

void btz_arena_init(struct btz_arena *a, size_t cap)
{
    *a = (struct btz_arena){ .cap = cap };
}

void btz_arena_release(struct btz_arena *a)
{
    while (a->block) {
        struct btz_arena_block *older = a->block->older;

        free(a->block);
        a->block = older;
    }
    a->used = 0;
}

static struct btz_arena_block *grow(struct btz_arena *a, size_t size)
{
    struct btz_arena_block *block;
    size_t want = a->block ? a->block->size * 2 : BLOCK_MIN;

    if (want > 1 << 20)
        want = 1 << 20;
    if (want < size)
        want = size;
    if (want > a->cap - a->used)
        want = size;
    if (want > a->cap - a->used)
        return NULL;
    block = calloc(1, sizeof *block + want);
    if (!block)
        return NULL;
    block->size = want;
    block->older = a->block;
    a->block = block;
    a->used += want;
    return block;
}

void *btz_arena_alloc(struct btz_arena *a, size_t size)
{
    struct btz_arena_block *block = a->block;
    size_t rounded;
    void *out;

    if (!btz_size_add(size, _Alignof(max_align_t) - 1, &rounded) || size > a->cap)
        goto full;
    rounded -= rounded % _Alignof(max_align_t);
    if (!block || rounded > block->size - block->used) {
        block = grow(a, rounded);
        if (!block)
            goto full;
    }
    out = (uint8_t *)block->bytes + block->used;
    block->used += rounded;
    return out;
full:
    (void)btz_fail(BTZ_LIMIT, "out of memory: the limit for this work is %zu bytes", a->cap);
    return NULL;
}

void *btz_arena_array(struct btz_arena *a, size_t count, size_t size)
{
    size_t bytes;

    if (!btz_size_mul(count, size, &bytes)) {
        (void)btz_fail(BTZ_LIMIT, "out of memory: %zu items of %zu bytes", count, size);
        return NULL;
    }
    return btz_arena_alloc(a, bytes);
}

char *btz_arena_str(struct btz_arena *a, struct btz_slice text)
{
    char *out = text.len < SIZE_MAX ? btz_arena_alloc(a, text.len + 1) : NULL;

    if (out && text.len > 0)
        memcpy(out, text.ptr, text.len);
    return out;
}

enum btz_err btz_arena_copy(struct btz_arena *a, struct btz_slice in, struct btz_slice *out)
{
    const char *copy = btz_arena_str(a, in);

    if (!copy)
        return BTZ_LIMIT;
    *out = btz_slice_of(copy, in.len);
    return BTZ_OK;
}

char *btz_arena_printf(struct btz_arena *a, const char *fmt, ...)
{
    va_list args;
    char *out;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    out = btz_arena_alloc(a, (size_t)n + 1);
    if (!out)
        return NULL;
    va_start(args, fmt);
    vsnprintf(out, (size_t)n + 1, fmt, args);
    va_end(args);
    return out;
}

/* ---- secrets and clean-up ---- */

void btz_wipe(void *ptr, size_t len)
{
    sodium_memzero(ptr, len);
}

bool btz_equal_ct(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void btz_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void btz_close_file(FILE **file)
{
    if (*file)
        fclose(*file);
    *file = NULL;
}

void btz_free_ptr(void *ptr_to_ptr)
{
    void *ptr;

    memcpy(&ptr, ptr_to_ptr, sizeof ptr);
    free(ptr);
}
