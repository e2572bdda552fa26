/* Zip archives and gzip files as containers of data: read from memory, with limits (zlib underneath). */
#ifndef BTZ_BASE_ZIP_H
#define BTZ_BASE_ZIP_H

#include "base/base.h"

struct btz_zip_entry {
    struct btz_slice name, packed; /* borrowed from the archive */
    uint64_t size;                 /* unpacked, as the archive says */
    uint64_t offset;               /* of `packed` in the archive */
    uint32_t crc;
    bool deflated; /* else stored */
};
struct btz_zip {
    struct btz_zip_entry *entries; /* in the arena, sorted by name, folders left out */
    size_t count;
};

bool btz_is_zip(struct btz_slice head);
/*
 * The table of contents. Refused: names twice, entries that lie over each other, encryption, other methods than stored and
 * deflated, archives of several parts. At most 100,000 entries. Source: PKWARE APPNOTE.TXT 6.3.10, with Zip64.
 * Errors: INPUT, LIMIT, UNSUPPORTED.
 */
BTZ_CHECKED enum btz_err btz_zip_parse(struct btz_slice bytes, const char *what,
                                       struct btz_arena *arena, struct btz_zip *out);
/* NULL: no such entry. */
const struct btz_zip_entry *btz_zip_find(const struct btz_zip *zip, struct btz_slice name);
/* Appends the unpacked bytes; size and checksum must be what the archive says. Errors: INPUT, LIMIT (of the buffer). */
BTZ_CHECKED enum btz_err btz_zip_read(const struct btz_zip_entry *entry, const char *what,
                                      struct btz_buf *out);

bool btz_is_gzip(struct btz_slice head);
/* Appends what all members of a gzip file (RFC 1952) hold. Errors: INPUT, LIMIT (of the buffer). */
BTZ_CHECKED enum btz_err btz_gunzip(struct btz_slice bytes, const char *what, struct btz_buf *out);
/* Appends one gzip member. */
BTZ_CHECKED enum btz_err btz_gzip(struct btz_slice bytes, struct btz_buf *out);

#endif
