/*
 * base: what every folder stands on. Errors, memory with limits, bytes, files, time, randomness, hashes,
 * JSON and YAML. Nothing here knows what a finding, a target or a ledger is.
 */
#ifndef BTZ_BASE_H
#define BTZ_BASE_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <bartizan/error.h>
#include <bartizan/version.h>

#define BTZ_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#define BTZ_COUNT(array)            (sizeof(array) / sizeof((array)[0]))

/* ---- errors (err.c) ---------------------------------------------------------------------------- */

/* Sets the thread's error detail and yields `err`: `return btz_fail(BTZ_INPUT, "...")`. */
#define btz_fail(err, ...) (btz_error_set(__VA_ARGS__), (err))

/* The same, with ": " and the text of errno behind it. */
#define btz_fail_errno(err, ...) (btz_error_set_errno(__VA_ARGS__), (err))

/* Puts `fmt...: ` in front of the detail already set, and yields `err`: for callers that know where. */
#define btz_fail_context(err, ...) (btz_error_add_context(__VA_ARGS__), (err))

void btz_error_set(const char *fmt, ...) BTZ_PRINTF(1, 2);
void btz_error_set_errno(const char *fmt, ...) BTZ_PRINTF(1, 2);
void btz_error_add_context(const char *fmt, ...) BTZ_PRINTF(1, 2);

/* Leave the calling function with the error, if there is one. */
#define BTZ_TRY(call)                                                                              \
    do {                                                                                           \
        enum btz_err btz_try_err_ = (call);                                                        \
        if (btz_try_err_ != BTZ_OK)                                                                \
            return btz_try_err_;                                                                   \
    } while (0)

/* ---- bytes (bytes.c) --------------------------------------------------------------------------- */

/* Borrowed bytes; `ptr` may be NULL only when `len` is 0. Text slices are not NUL-terminated. */
struct btz_slice {
    const uint8_t *ptr;
    size_t len;
};

/* printf("%.*s", BTZ_SLICE_ARG(s)) */
#define BTZ_SLICE_ARG(s) (int)((s).len > 1000000 ? 1000000 : (s).len), (const char *)(s).ptr

struct btz_slice btz_slice_of(const void *ptr, size_t len);
struct btz_slice btz_str(const char *text); /* NULL gives the empty slice */
bool btz_slice_is(struct btz_slice s, const char *text);
bool btz_slice_equal(struct btz_slice a, struct btz_slice b);
bool btz_slice_has_prefix(struct btz_slice s, struct btz_slice prefix);
/* Offset of the first `needle` at or after `from`, or SIZE_MAX. */
size_t btz_slice_find(struct btz_slice s, struct btz_slice needle, size_t from);
bool btz_slice_has(struct btz_slice s, const char *needle);
struct btz_slice btz_slice_trim(struct btz_slice s); /* ASCII white space at both ends */
struct btz_slice btz_slice_sub(struct btz_slice s, size_t from, size_t len); /* clipped to s */

/* Reader over hostile bytes: every read is checked and returns BTZ_INPUT when too little is left. */
struct btz_reader {
    struct btz_slice in;
    size_t at;
    const char *what; /* names the input in errors */
};
BTZ_CHECKED enum btz_err btz_read_bytes(struct btz_reader *r, size_t n, struct btz_slice *out);
BTZ_CHECKED enum btz_err btz_read_u8(struct btz_reader *r, uint8_t *out);
BTZ_CHECKED enum btz_err btz_read_be16(struct btz_reader *r, uint16_t *out);
BTZ_CHECKED enum btz_err btz_read_be32(struct btz_reader *r, uint32_t *out);
BTZ_CHECKED enum btz_err btz_read_be64(struct btz_reader *r, uint64_t *out);
/* Next line without its "\n"; false at the end. A last line without "\n" counts. */
bool btz_read_line(struct btz_reader *r, struct btz_slice *line);

/* Checked products and sums of sizes: false on overflow. */
bool btz_size_mul(size_t a, size_t b, size_t *out);
bool btz_size_add(size_t a, size_t b, size_t *out);

/* Decimal text to a number, whole slice, no sign, no leading zeros beyond "0" itself. INPUT otherwise. */
BTZ_CHECKED enum btz_err btz_parse_u64(struct btz_slice text, uint64_t *out);
/* Decimal or exponent notation to a finite double, whole slice, locale-free. */
BTZ_CHECKED enum btz_err btz_parse_double(struct btz_slice text, double *out);

/* Lower-case hex of n bytes; `out` holds 2n+1. */
void btz_hex(const uint8_t *in, size_t n, char *out);
BTZ_CHECKED enum btz_err btz_unhex(struct btz_slice text, uint8_t *out, size_t n);

/* Edit distance of two short words (both <= 63 bytes), for "did you mean". */
unsigned btz_edit_distance(const char *a, const char *b);
/* The nearest of `names` by edit distance when close enough to be worth suggesting, else NULL. */
const char *btz_nearest(const char *word, const char *const *names, size_t count);

/* ---- memory (mem.c) ---------------------------------------------------------------------------- */

/* Growing buffer with a maximum. Zero-initialise with BTZ_BUF(max); release with btz_buf_release. */
struct btz_buf {
    uint8_t *ptr;
    size_t len, cap, max;
};
#define BTZ_BUF(maximum)                                                                           \
    (struct btz_buf)                                                                               \
    {                                                                                              \
        .max = (maximum)                                                                           \
    }
void btz_buf_release(struct btz_buf *b);
void btz_buf_clear(struct btz_buf *b); /* keeps the storage */
BTZ_CHECKED enum btz_err btz_buf_reserve(struct btz_buf *b, size_t more);
BTZ_CHECKED enum btz_err btz_buf_add(struct btz_buf *b, const void *bytes, size_t n);
BTZ_CHECKED enum btz_err btz_buf_add_slice(struct btz_buf *b, struct btz_slice s);
BTZ_CHECKED enum btz_err btz_buf_add_str(struct btz_buf *b, const char *text);
BTZ_CHECKED enum btz_err btz_buf_add_byte(struct btz_buf *b, uint8_t byte);
BTZ_CHECKED enum btz_err btz_buf_add_utf8(struct btz_buf *b, uint32_t code_point);
BTZ_CHECKED enum btz_err btz_buf_printf(struct btz_buf *b, const char *fmt, ...) BTZ_PRINTF(2, 3);
struct btz_slice btz_buf_slice(const struct btz_buf *b);
/* NUL-terminated view; the NUL is not counted in len. LIMIT when there is no room for it. */
BTZ_CHECKED enum btz_err btz_buf_cstr(struct btz_buf *b, const char **out);

/* Arena: memory that lives as long as one request, scan or campaign, with a hard cap. Not thread-safe. */
struct btz_arena_block;
struct btz_arena {
    struct btz_arena_block *block;
    size_t used, cap; /* bytes handed to blocks, and their ceiling */
};
void btz_arena_init(struct btz_arena *a, size_t cap);
void btz_arena_release(struct btz_arena *a);
/* Zeroed memory aligned for any type, or NULL with the detail set: callers return BTZ_LIMIT. */
void *btz_arena_alloc(struct btz_arena *a, size_t size);
void *btz_arena_array(struct btz_arena *a, size_t count, size_t size);
char *btz_arena_str(struct btz_arena *a, struct btz_slice text); /* NUL-terminated copy */
BTZ_CHECKED enum btz_err btz_arena_copy(struct btz_arena *a, struct btz_slice in,
                                        struct btz_slice *out);
char *btz_arena_printf(struct btz_arena *a, const char *fmt, ...) BTZ_PRINTF(2, 3);

/* Secrets. */
void btz_wipe(void *ptr, size_t len);
bool btz_equal_ct(const void *a, const void *b, size_t len); /* constant time */

/* Scope-bound clean-up of what a function opened. */
void btz_close_fd(int *fd);
void btz_close_file(FILE **file);
void btz_free_ptr(void *ptr_to_ptr);
#define BTZ_CLOSE_FD    __attribute__((cleanup(btz_close_fd)))
#define BTZ_CLOSE_FILE  __attribute__((cleanup(btz_close_file)))
#define BTZ_FREE        __attribute__((cleanup(btz_free_ptr)))
#define BTZ_BUF_RELEASE __attribute__((cleanup(btz_buf_release)))
#define BTZ_ARENA_SCOPE __attribute__((cleanup(btz_arena_release)))

/* ---- UTF-8 (utf8.c) ---------------------------------------------------------------------------- */

/* Decodes one code point at *at and moves past it; false at the end. Ill-formed bytes give U+FFFD and
 * move by the maximal subpart (Unicode 15, 3.9, "U+FFFD substitution of maximal subparts"). */
bool btz_utf8_next(struct btz_slice s, size_t *at, uint32_t *code_point);
bool btz_is_utf8(struct btz_slice s);
/* Copy with ill-formed bytes and NUL replaced by U+FFFD: fit for JSON. */
BTZ_CHECKED enum btz_err btz_utf8_clean(struct btz_slice s, struct btz_buf *out);
/* Copy fit for a terminal: control characters, ESC, C1, bidi controls and invisible characters appear
 * as visible \x1b, \u202e ...; newlines are kept when `keep_newlines`. */
BTZ_CHECKED enum btz_err btz_utf8_printable(struct btz_slice s, bool keep_newlines,
                                            struct btz_buf *out);

/* ---- files (file.c) ---------------------------------------------------------------------------- */

/* Whole file, at most `cap` bytes, appended to `out`. "-" is standard input. Errors: IO, LIMIT. */
BTZ_CHECKED enum btz_err btz_file_read(const char *path, size_t cap, struct btz_buf *out);
/* Write beside, fsync, rename, fsync the folder: the file is old or new, never half. `mode` is narrowed by the umask. A
 * symbolic link is replaced, never followed; a device or pipe is written to. */
BTZ_CHECKED enum btz_err btz_file_write(const char *path, struct btz_slice bytes, unsigned mode);
/* Makes the name of a file durable: syncs the folder it is in. */
BTZ_CHECKED enum btz_err btz_file_sync_folder(const char *path);
BTZ_CHECKED enum btz_err btz_file_mkdirs(const char *path, unsigned mode);
BTZ_CHECKED enum btz_err btz_fd_write_all(int fd, struct btz_slice bytes, const char *what);
BTZ_CHECKED enum btz_err btz_fd_pread_all(int fd, void *out, size_t n, uint64_t at,
                                          const char *what);

/* ---- clock (clock.c) --------------------------------------------------------------------------- */

uint64_t btz_clock_ns(void);      /* monotonic */
uint64_t btz_clock_unix_ms(void); /* wall clock, for records only */
/* RFC 3339 in UTC with milliseconds, "2026-11-23T08:00:00.000Z"; out holds BTZ_TIME_TEXT. */
#define BTZ_TIME_TEXT 32
void btz_time_format(uint64_t unix_ms, char out[BTZ_TIME_TEXT]);
/* "2026-11-23" or RFC 3339 in UTC. INPUT otherwise. */
BTZ_CHECKED enum btz_err btz_time_parse(struct btz_slice text, uint64_t *unix_ms);

/* ---- hashes and keys (hash.c) ------------------------------------------------------------------ */

#define BTZ_SHA256_LEN 32
struct btz_sha256 { /* in place: a hash of a short text costs less than memory for one */
    uint64_t state[14];
};
void btz_sha256(struct btz_slice in, uint8_t out[BTZ_SHA256_LEN]);
void btz_sha256_2(struct btz_slice a, struct btz_slice b, uint8_t out[BTZ_SHA256_LEN]); /* a || b */
void btz_sha256_init(struct btz_sha256 *h); /* holds nothing: may be left as it is */
void btz_sha256_add(struct btz_sha256 *h, struct btz_slice in);
void btz_sha256_end(struct btz_sha256 *h, uint8_t out[BTZ_SHA256_LEN]);
BTZ_CHECKED enum btz_err btz_base64_encode(struct btz_slice in,
                                           struct btz_buf *out); /* RFC 4648 s.4 */
BTZ_CHECKED enum btz_err btz_base64_decode(struct btz_slice in, struct btz_buf *out); /* strict */
/* From the operating system. */
void btz_random_bytes(void *out, size_t n);

/* ---- seeded randomness (rng.c): Philox4x32-10, Salmon et al., SC'11 ---------------------------- */

/* Counter-based: a stream is (seed, stream); equal pairs give equal numbers on every machine. */
struct btz_rng {
    uint32_t key[2], counter[4], block[4];
    unsigned left;
};
void btz_rng_init(struct btz_rng *r, uint64_t seed, uint64_t stream);
uint32_t btz_rng_u32(struct btz_rng *r);
uint64_t btz_rng_u64(struct btz_rng *r);
uint32_t btz_rng_below(struct btz_rng *r, uint32_t bound); /* unbiased, bound > 0 */
double btz_rng_unit(struct btz_rng *r);                    /* [0,1), 53 bits */
/* Stream number from a name, so that parts of a run do not share randomness. */
uint64_t btz_rng_stream(struct btz_slice name);

/* ---- log (log.c): chatter for people, on stderr, chosen by the program and not by the library -- */

enum btz_log_level { BTZ_LOG_ERROR, BTZ_LOG_WARN, BTZ_LOG_INFO, BTZ_LOG_DEBUG };
/* Where library code sends remarks; the owner passes it down. NULL is allowed everywhere: silence. */
struct btz_log {
    enum btz_log_level level;
    void (*write)(struct btz_log *, enum btz_log_level, const char *line);
    void *user;
};
void btz_log(struct btz_log *log, enum btz_log_level level, const char *fmt, ...) BTZ_PRINTF(3, 4);

#endif
