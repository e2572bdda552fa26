#include <stdlib.h>
#include <zlib.h>

#include "base/zip.h"

#define ENTRIES_MAX 100000

struct span {
    uint64_t from, to;
};

static uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
    return le32(p) | (uint64_t)le32(p + 4) << 32;
}

bool btz_is_zip(struct btz_slice head)
{
    return head.len >= 4 && head.ptr[0] == 'P' && head.ptr[1] == 'K' &&
           ((head.ptr[2] == 3 && head.ptr[3] == 4) || (head.ptr[2] == 5 && head.ptr[3] == 6));
}

bool btz_is_gzip(struct btz_slice head)
{
    return head.len >= 3 && head.ptr[0] == 0x1f && head.ptr[1] == 0x8b && head.ptr[2] == 8;
}

/* ---- zip ------------------------------------------------------------------------------------------------------------- */

/* The end record is behind everything but a comment of at most 65,535 bytes. */
static enum btz_err find_end(struct btz_slice in, const char *what, size_t *at)
{
    size_t low = in.len > 22 + 65535 ? in.len - 22 - 65535 : 0;

    for (size_t i = in.len < 22 ? 0 : in.len - 22 + 1; i-- > low;)
        if (le32(in.ptr + i) == 0x06054b50 && le16(in.ptr + i + 20) == in.len - i - 22) {
            *at = i;
            return BTZ_OK;
        }
    return btz_fail(BTZ_INPUT, "%s: no end record of a zip archive; is it cut off?", what);
}

static enum btz_err directory(struct btz_slice in, const char *what, uint64_t *count, uint64_t *at,
                              uint64_t *size)
{
    size_t end;

    BTZ_TRY(find_end(in, what, &end));
    if (le16(in.ptr + end + 4) != 0 && le16(in.ptr + end + 4) != 0xffff)
        return btz_fail(BTZ_UNSUPPORTED, "%s: zip archive of several parts", what);
    *count = le16(in.ptr + end + 10);
    *size = le32(in.ptr + end + 12);
    *at = le32(in.ptr + end + 16);
    if (end >= 20 && le32(in.ptr + end - 20) == 0x07064b50) {
        uint64_t far = le64(in.ptr + end - 20 + 8);

        if (far > end - 20 || end - 20 - far < 56 || le32(in.ptr + far) != 0x06064b50)
            return btz_fail(BTZ_INPUT, "%s: Zip64 end record is not where it should be", what);
        *count = le64(in.ptr + far + 32);
        *size = le64(in.ptr + far + 40);
        *at = le64(in.ptr + far + 48);
    }
    if (*at > end || *size > end - *at)
        return btz_fail(BTZ_INPUT, "%s: zip directory lies outside of the file", what);
    if (*count > ENTRIES_MAX)
        return btz_fail(BTZ_LIMIT, "%s: %" PRIu64 " zip entries, at most %d are read", what, *count,
                        ENTRIES_MAX);
    return BTZ_OK;
}

/* Sizes that do not fit into 32 bits stand in the extra field, in this order, only those that do not fit. */
static bool wide_sizes(struct btz_slice extra, uint64_t *size, uint64_t *packed, uint64_t *local)
{
    uint64_t *const wide[] = { size, packed, local };

    while (extra.len >= 4) {
        size_t len = le16(extra.ptr + 2);
        struct btz_slice field = btz_slice_sub(extra, 4, len);

        if (field.len != len)
            return false;
        for (size_t i = 0; i < 3 && le16(extra.ptr) == 1; i++) {
            if (*wide[i] != UINT32_MAX)
                continue;
            if (field.len < 8)
                return false;
            *wide[i] = le64(field.ptr);
            field = btz_slice_sub(field, 8, field.len);
        }
        extra = btz_slice_sub(extra, 4 + len, extra.len);
    }
    return true;
}

/* One record of the directory at *at; moves past it. */
static enum btz_err entry(struct btz_slice in, const char *what, size_t *at, uint64_t end,
                          struct btz_zip_entry *out, struct span *span)
{
    const uint8_t *p = in.ptr + *at;
    size_t names, extra, whole;
    uint64_t packed, local, head;

    if (end - *at < 46 || le32(p) != 0x02014b50)
        return btz_fail(BTZ_INPUT, "%s: no zip directory entry at byte %zu", what, *at);
    names = le16(p + 28), extra = le16(p + 30);
    whole = 46 + names + extra + le16(p + 32);
    if (end - *at < whole)
        return btz_fail(BTZ_INPUT, "%s: zip directory entry at byte %zu is cut off", what, *at);
    out->name = btz_slice_of(p + 46, names);
    out->crc = le32(p + 16);
    out->size = le32(p + 24);
    packed = le32(p + 20), local = le32(p + 42);
    if (!wide_sizes(btz_slice_of(p + 46 + names, extra), &out->size, &packed, &local))
        return btz_fail(BTZ_INPUT, "%s: extra field of the entry at byte %zu is cut off", what,
                        *at);
    *at += whole;
    if (le16(p + 8) & 1)
        return btz_fail(BTZ_UNSUPPORTED, "%s: %.*s is encrypted", what, BTZ_SLICE_ARG(out->name));
    if (le16(p + 10) != 0 && le16(p + 10) != 8)
        return btz_fail(BTZ_UNSUPPORTED, "%s: %.*s is packed by method %u, not stored or deflated",
                        what, BTZ_SLICE_ARG(out->name), le16(p + 10));
    out->deflated = le16(p + 10) == 8;
    if (local > in.len || in.len - local < 30 || le32(in.ptr + local) != 0x04034b50)
        return btz_fail(BTZ_INPUT, "%s: no local header of %.*s at byte %" PRIu64, what,
                        BTZ_SLICE_ARG(out->name), local);
    head = 30 + (uint64_t)le16(in.ptr + local + 26) + le16(in.ptr + local + 28);
    if (in.len - local < head || packed > in.len - local - head)
        return btz_fail(BTZ_INPUT, "%s: the bytes of %.*s lie outside of the file", what,
                        BTZ_SLICE_ARG(out->name));
    out->offset = local + head;
    out->packed = btz_slice_of(in.ptr + out->offset, packed);
    if (!out->deflated && out->size != packed)
        return btz_fail(BTZ_INPUT, "%s: %.*s is stored, but its two sizes differ", what,
                        BTZ_SLICE_ARG(out->name));
    *span = (struct span){ local, out->offset + packed };
    return BTZ_OK;
}

static int by_name(const void *a, const void *b)
{
    struct btz_slice x = ((const struct btz_zip_entry *)a)->name;
    struct btz_slice y = ((const struct btz_zip_entry *)b)->name;
    size_t n = x.len < y.len ? x.len : y.len;
    int order = n ? memcmp(x.ptr, y.ptr, n) : 0;

    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static int by_place(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

enum btz_err btz_zip_parse(struct btz_slice bytes, const char *what, struct btz_arena *arena,
                           struct btz_zip *out)
{
    struct btz_zip zip = { 0 };
    uint64_t count, start, size;
    struct span *spans;
    size_t at;

    BTZ_TRY(directory(bytes, what, &count, &start, &size));
    zip.entries = btz_arena_array(arena, count + 1, sizeof *zip.entries);
    spans = btz_arena_array(arena, count + 1, sizeof *spans);
    if (!zip.entries || !spans)
        return BTZ_LIMIT;
    at = start;
    for (uint64_t i = 0; i < count; i++) {
        BTZ_TRY(entry(bytes, what, &at, start + size, &zip.entries[zip.count], &spans[i]));
        /* A folder. */
        if (zip.entries[zip.count].name.len &&
            zip.entries[zip.count].name.ptr[zip.entries[zip.count].name.len - 1] == '/')
            continue;
        zip.count++;
    }
    qsort(spans, count, sizeof *spans, by_place);
    for (uint64_t i = 1; i < count; i++)
        if (spans[i].from < spans[i - 1].to)
            return btz_fail(BTZ_INPUT,
                            "%s: zip entries lie over each other at byte %" PRIu64
                            "; made to unpack to more than it holds?",
                            what, spans[i].from);
    qsort(zip.entries, zip.count, sizeof *zip.entries, by_name);
    for (size_t i = 1; i < zip.count; i++)
        if (btz_slice_equal(zip.entries[i].name, zip.entries[i - 1].name))
            return btz_fail(BTZ_INPUT, "%s: two zip entries named %.*s", what,
                            BTZ_SLICE_ARG(zip.entries[i].name));
    *out = zip;
    return BTZ_OK;
}

const struct btz_zip_entry *btz_zip_find(const struct btz_zip *zip, struct btz_slice name)
{
    const struct btz_zip_entry key = { .name = name };

    return zip->count ? bsearch(&key, zip->entries, zip->count, sizeof key, by_name) : NULL;
}

/* ---- inflating ------------------------------------------------------------------------------------------------------- */

/*
 * Inflates into `out`; `bits` as of inflateInit2. *used: bytes of `in` that were read. Room grows with what comes out, so that
 * a size somebody wrote into a header takes no memory.
 */
static enum btz_err inflate_some(struct btz_slice in, int bits, const char *what,
                                 struct btz_buf *out, size_t *used)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)in.ptr };
    size_t left = in.len;
    enum btz_err err = BTZ_OK;
    int status;

    if (inflateInit2(&z, bits) != Z_OK)
        return btz_fail(BTZ_LIMIT, "out of memory");
    do {
        size_t room = out->max - out->len;

        if (room == 0) {
            err = btz_fail(BTZ_LIMIT, "%s: unpacks to more than %zu bytes", what, out->max);
            break;
        }
        err = btz_buf_reserve(out, room < 65536 ? room : 65536);
        if (err != BTZ_OK)
            break;
        room = out->cap - out->len;
        if (room > UINT32_MAX / 2)
            room = UINT32_MAX / 2;
        if (z.avail_in == 0) {
            z.avail_in = left > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)left;
            left -= z.avail_in;
        }
        z.next_out = out->ptr + out->len;
        z.avail_out = (uInt)room;
        status = inflate(&z, Z_NO_FLUSH);
        out->len += room - z.avail_out;
        if (status != Z_OK && status != Z_STREAM_END)
            err = btz_fail(BTZ_INPUT, "%s: packed bytes are damaged or cut off (%s)", what,
                           z.msg ? z.msg : "they end too early");
    } while (err == BTZ_OK && status != Z_STREAM_END);
    *used = in.len - left - z.avail_in;
    inflateEnd(&z);
    return err;
}

enum btz_err btz_zip_read(const struct btz_zip_entry *e, const char *what, struct btz_buf *out)
{
    size_t before = out->len, used = e->packed.len;

    if (e->size > out->max - out->len)
        return btz_fail(BTZ_LIMIT, "%s: %.*s unpacks to %" PRIu64 " bytes, there is room for %zu",
                        what, BTZ_SLICE_ARG(e->name), e->size, out->max - out->len);
    if (!e->deflated)
        BTZ_TRY(btz_buf_add_slice(out, e->packed));
    else {
        /* One byte more than announced, so that too much is seen. */
        size_t room = out->max - out->len;
        struct btz_buf rest = BTZ_BUF(e->size < room ? e->size + 1 : room);
        enum btz_err err = inflate_some(e->packed, -15, what, &rest, &used);

        if (err == BTZ_OK)
            err = btz_buf_add_slice(out, btz_buf_slice(&rest));
        btz_buf_release(&rest);
        if (err != BTZ_OK)
            return btz_fail_context(err, "%.*s", BTZ_SLICE_ARG(e->name));
    }
    if (out->len - before != e->size || used != e->packed.len)
        return btz_fail(BTZ_INPUT, "%s: %.*s has other sizes than the archive says", what,
                        BTZ_SLICE_ARG(e->name));
    if (e->size && crc32_z(0, out->ptr + before, e->size) != e->crc)
        return btz_fail(BTZ_INPUT, "%s: checksum of %.*s is wrong", what, BTZ_SLICE_ARG(e->name));
    return BTZ_OK;
}

enum btz_err btz_gunzip(struct btz_slice bytes, const char *what, struct btz_buf *out)
{
    do {
        size_t used;

        BTZ_TRY(inflate_some(bytes, 15 + 16, what, out, &used));
        bytes = btz_slice_sub(bytes, used, bytes.len);
    } while (btz_is_gzip(bytes));
    /* Padding with zeros is allowed, as gzip(1) does. */
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] != 0)
            return btz_fail(BTZ_INPUT, "%s: %zu bytes behind the end of the gzip file", what,
                            bytes.len);
    return BTZ_OK;
}

enum btz_err btz_gzip(struct btz_slice bytes, struct btz_buf *out)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes.ptr };
    enum btz_err err;
    uLong bound;
    int status;

    if (bytes.len > UINT32_MAX / 2)
        return btz_fail(BTZ_LIMIT, "%zu bytes are too many to pack at once", bytes.len);
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return btz_fail(BTZ_LIMIT, "out of memory");
    bound = deflateBound(&z, bytes.len);
    err = btz_buf_reserve(out, bound);
    if (err == BTZ_OK) {
        z.avail_in = (uInt)bytes.len;
        z.next_out = out->ptr + out->len;
        z.avail_out = (uInt)bound;
        status = deflate(&z, Z_FINISH);
        out->len += bound - z.avail_out;
        if (status != Z_STREAM_END)
            err = btz_fail(BTZ_INTERNAL, "deflate: %d", status);
    }
    deflateEnd(&z);
    return err;
}
