/* Which passwords people may choose: long, not about themselves, not known to attackers. */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "access/identity.h"

#define SHA1_HEX   40
#define LINE_BYTES 128 /* "HASH:count\r\n" */
#define DISTINCT   5   /* different characters */
#define LEFT_OVER  8   /* characters besides one's name and ours */
#define SHORT_NAME 3   /* names this short are in every text */
#define HEX_DIGITS "0123456789ABCDEF"

/* The line that `at` is in: where it starts, where the next one starts, its digest. */
struct line {
    uint64_t start, next;
    char digest[SHA1_HEX];
};

static enum btz_err damaged(const char *path, uint64_t at)
{
    return btz_fail(BTZ_INPUT,
                    "%s: byte %" PRIu64 ": expected a list of sorted lines of SHA-1 in hex, with "
                    "or without \":count\" behind",
                    path, at);
}

static enum btz_err read_line(int fd, const char *path, uint64_t size, uint64_t at,
                              struct line *out)
{
    uint8_t block[2 * LINE_BYTES];
    uint64_t from = at > LINE_BYTES ? at - LINE_BYTES : 0;
    size_t len = size - from < sizeof block ? (size_t)(size - from) : sizeof block;
    size_t start = (size_t)(at - from), end = start;

    BTZ_TRY(btz_fd_pread_all(fd, block, len, from, path));
    while (start > 0 && block[start - 1] != '\n')
        start--;
    while (end < len && block[end] != '\n')
        end++;
    if ((start == 0 && from > 0) || (end == len && from + len < size) || end - start < SHA1_HEX)
        return damaged(path, at);
    for (size_t i = 0; i < SHA1_HEX; i++) {
        uint8_t c = block[start + i];

        if (!isxdigit(c))
            return damaged(path, from + start + i);
        out->digest[i] = (char)toupper(c);
    }
    if (end - start > SHA1_HEX && block[start + SHA1_HEX] != ':' && block[start + SHA1_HEX] != '\r')
        return damaged(path, from + start + SHA1_HEX);
    out->start = from + start;
    out->next = from + end + (end < len);
    return BTZ_OK;
}

/* About log2(lines) reads of 256 bytes, whatever the size of the list. */
static enum btz_err look_up(int fd, const char *path, uint64_t size, const char *digest,
                            bool *found)
{
    uint64_t low = 0, high = size; /* starts of lines, or the end */

    *found = false;
    while (low < high) {
        struct line line;
        int order;

        BTZ_TRY(read_line(fd, path, size, low + (high - low) / 2, &line));
        order = memcmp(digest, line.digest, SHA1_HEX);
        if (order == 0) {
            *found = true;
            return BTZ_OK;
        }
        if (order < 0)
            high = line.start;
        else
            low = line.next;
    }
    return BTZ_OK;
}

enum btz_err btz_breached_has(const char *path, struct btz_slice password, bool *found)
{
    BTZ_CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t digest[20];
    char hex[SHA1_HEX + 1];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    if (!S_ISREG(st.st_mode))
        return btz_fail(BTZ_IO, "%s: not a regular file", path);
    if (EVP_Digest(password.len ? password.ptr : (const uint8_t *)"", password.len, digest, NULL,
                   EVP_sha1(), NULL) != 1)
        return btz_fail(BTZ_LIMIT, "out of memory for SHA-1");
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = HEX_DIGITS[digest[i] >> 4];
        hex[2 * i + 1] = HEX_DIGITS[digest[i] & 15];
    }
    return look_up(fd, path, (uint64_t)st.st_size, hex, found);
}

/* ASCII without case: names are ASCII. */
static bool same_letters(const uint8_t *text, const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (tolower(text[i]) != tolower((uint8_t)word[i]))
            return false;
    return true;
}

/* Characters of the password, those outside `word`, and how many different ones there are (at most DISTINCT). */
struct tally {
    size_t characters, outside, distinct;
    uint32_t seen[DISTINCT];
};

static void count(struct btz_slice password, const char *word, struct tally *out)
{
    size_t len = strlen(word), at = 0, word_end = 0;
    uint32_t c;

    memset(out, 0, sizeof *out);
    for (;;) {
        size_t before = at, i = 0;

        if (!btz_utf8_next(password, &at, &c))
            return;
        if (before >= word_end && len > SHORT_NAME && password.len - before >= len &&
            same_letters(password.ptr + before, word, len))
            word_end = before + len;
        out->characters++;
        out->outside += before >= word_end;
        while (i < out->distinct && out->seen[i] != c)
            i++;
        if (i == out->distinct && i < DISTINCT)
            out->seen[out->distinct++] = c;
    }
}

static enum btz_err check_text(struct btz_slice password, const char *user)
{
    struct tally of_user, of_product;

    if (password.len > BTZ_PASSWORD_MAX)
        return btz_fail(BTZ_USAGE, "password: at most %d bytes", BTZ_PASSWORD_MAX);
    if (!btz_is_utf8(password) ||
        memchr(password.len ? password.ptr : (const uint8_t *)"", '\0', password.len))
        return btz_fail(BTZ_USAGE, "password: not text in UTF-8");
    count(password, user ? user : "", &of_user);
    count(password, "bartizan", &of_product);
    if (of_user.characters < BTZ_PASSWORD_MIN)
        return btz_fail(BTZ_USAGE, "password: at least %d characters", BTZ_PASSWORD_MIN);
    if (of_user.outside < LEFT_OVER)
        return btz_fail(BTZ_USAGE, "password: it is little more than your name");
    if (of_product.outside < LEFT_OVER)
        return btz_fail(BTZ_USAGE, "password: it is little more than the name of this product");
    if (of_user.distinct < DISTINCT)
        return btz_fail(BTZ_USAGE, "password: at least %d different characters", DISTINCT);
    return BTZ_OK;
}

enum btz_err btz_password_check(struct btz_slice password, const char *user, const char *breached)
{
    bool found = false;

    BTZ_TRY(check_text(password, user));
    if (!breached || breached[0] == '\0')
        return BTZ_OK;
    BTZ_TRY(btz_breached_has(breached, password, &found));
    if (found)
        return btz_fail(BTZ_USAGE,
                        "password: it is in a list of stolen passwords; choose another one");
    return BTZ_OK;
}
