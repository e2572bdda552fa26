#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <sodium.h>
#include <uninorm.h>

#include "access/identity.h"

#define MEMORY_KIB 19456u /* OWASP password storage, Argon2id */
#define PASSES     2u
#define LANES      1u

/* What a stored hash may ask of us. */
#define MEMORY_KIB_MAX 131072u
#define PASSES_MAX     16u

/* Nobody's password: the output is random bytes, not a hash of anything. */
static const char dummy[] = "$argon2id$v=19$m=19456,t=2,p=1$"
                            "c29tZSBzYWx0IDE2IGJ5dA$I2R8o6Qm6nqQn3oZb1CkFh0Jm0nJ8y3q2r5Wv7sXt4E";

struct waiter { /* on the stack of who waits */
    struct waiter *next;
    pthread_cond_t turn;
    bool called;
};

struct btz_hasher {
    pthread_mutex_t lock;
    pthread_condattr_t monotonic;
    struct waiter *first, **last; /* in the order in which they came: nobody overtakes */
    unsigned concurrent, waiting_max, wait_ms;
    unsigned running, waiting;
    uint64_t count;
};

enum btz_err btz_hasher_new(unsigned concurrent, unsigned waiting, unsigned wait_ms,
                            struct btz_hasher **out)
{
    struct btz_hasher *h;

    if (concurrent == 0)
        return btz_fail(BTZ_USAGE, "concurrent_hashes: at least 1");
    if (sodium_init() < 0)
        return btz_fail(BTZ_INTERNAL, "libsodium does not start");
    h = calloc(1, sizeof *h);
    if (!h)
        return btz_fail(BTZ_LIMIT, "out of memory");
    h->concurrent = concurrent;
    h->waiting_max = waiting;
    h->wait_ms = wait_ms;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&h->monotonic);
    pthread_condattr_setclock(&h->monotonic, CLOCK_MONOTONIC);
    h->last = &h->first;
    *out = h;
    return BTZ_OK;
}

void btz_hasher_free(struct btz_hasher *h)
{
    if (!h)
        return;
    pthread_condattr_destroy(&h->monotonic);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

uint64_t btz_hasher_count(struct btz_hasher *h)
{
    uint64_t count;

    pthread_mutex_lock(&h->lock);
    count = h->count;
    pthread_mutex_unlock(&h->lock);
    return count;
}

static struct timespec deadline(unsigned wait_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* With the lock held: the next in the row has the place from now on, before he wakes up. */
static void call_next(struct btz_hasher *h)
{
    while (h->first && h->running < h->concurrent) {
        struct waiter *w = h->first;

        h->first = w->next;
        if (!h->first)
            h->last = &h->first;
        h->waiting--;
        h->running++;
        w->called = true;
        pthread_cond_signal(&w->turn);
    }
}

/* With the lock held. True: the place is ours. */
static bool wait_in_row(struct btz_hasher *h, const struct timespec *until)
{
    struct waiter me = { .next = NULL }, **at;
    bool late = false;

    pthread_cond_init(&me.turn, &h->monotonic);
    *h->last = &me;
    h->last = &me.next;
    h->waiting++;
    while (!me.called && !late)
        late = pthread_cond_timedwait(&me.turn, &h->lock, until) == ETIMEDOUT;
    if (!me.called) {
        for (at = &h->first; *at != &me; at = &(*at)->next)
            ;
        *at = me.next;
        if (h->last == &me.next)
            h->last = at;
        h->waiting--;
    }
    pthread_cond_destroy(&me.turn);
    return me.called;
}

/* Waits for one of the places; whoever has one must leave it. */
static enum btz_err enter(struct btz_hasher *h)
{
    struct timespec until = deadline(h->wait_ms);
    bool got = true;

    pthread_mutex_lock(&h->lock);
    if (h->running >= h->concurrent)
        got = h->waiting < h->waiting_max && wait_in_row(h, &until);
    else
        h->running++;
    h->count += got;
    pthread_mutex_unlock(&h->lock);
    if (!got)
        return btz_fail(BTZ_LIMIT, "too many passwords are being checked; try again in a moment");
    return BTZ_OK;
}

static void leave(struct btz_hasher *h)
{
    pthread_mutex_lock(&h->lock);
    h->running--;
    call_next(h);
    pthread_mutex_unlock(&h->lock);
}

/* The password in the form that is hashed: NFC (RFC 8265 section 4.2), so that the same letters typed on another system
 * are the same password. Bytes that are no UTF-8 stay as they are. */
struct clear {
    char text[4 * BTZ_PASSWORD_MAX];
    size_t len;
};

static bool prepare(struct btz_slice password, struct clear *out)
{
    uint8_t *normal;
    size_t len = 0;

    if (password.len > BTZ_PASSWORD_MAX)
        return false;
    memcpy(out->text, password.len ? (const char *)password.ptr : "", password.len);
    out->len = password.len;
    if (password.len == 0 || !btz_is_utf8(password))
        return true;
    normal = u8_normalize(UNINORM_NFC, password.ptr, password.len, NULL, &len);
    if (!normal)
        return false;
    if (len <= sizeof out->text) {
        memcpy(out->text, normal, len);
        out->len = len;
    }
    btz_wipe(normal, len);
    free(normal);
    return true;
}

enum btz_err btz_password_hash(struct btz_hasher *h, struct btz_slice password,
                               char out[BTZ_PASSWORD_HASH_TEXT])
{
    char made[crypto_pwhash_STRBYTES];
    struct clear clear;
    int failed;

    _Static_assert(crypto_pwhash_STRBYTES <= BTZ_PASSWORD_HASH_TEXT, "PHC strings fit");
    if (password.len > BTZ_PASSWORD_MAX)
        return btz_fail(BTZ_LIMIT, "password: %zu bytes, at most %d", password.len,
                        BTZ_PASSWORD_MAX);
    BTZ_TRY(enter(h));
    failed = !prepare(password, &clear) ||
             crypto_pwhash_str_alg(made, clear.text, clear.len, PASSES, MEMORY_KIB * 1024u,
                                   crypto_pwhash_ALG_ARGON2ID13) != 0;
    leave(h);
    btz_wipe(&clear, sizeof clear);
    if (failed)
        return btz_fail(BTZ_LIMIT, "out of memory for Argon2id");
    memcpy(out, made, sizeof made);
    return BTZ_OK;
}

/* "m=19456," and alike: a number and what follows it. */
static bool number(struct btz_slice *in, const char *before, char after, uint64_t *out)
{
    size_t skip = strlen(before), end;

    if (!btz_slice_has_prefix(*in, btz_str(before)))
        return false;
    *in = btz_slice_sub(*in, skip, SIZE_MAX);
    end = btz_slice_find(*in, btz_slice_of(&after, 1), 0);
    if (end > 10 || btz_parse_u64(btz_slice_sub(*in, 0, end), out) != BTZ_OK)
        return false;
    *in = btz_slice_sub(*in, end + 1, SIZE_MAX);
    return true;
}

/* Base64 without padding up to `$` or the end. */
static bool base64(struct btz_slice *in, size_t min, size_t max)
{
    uint8_t bytes[96];
    size_t end = btz_slice_find(*in, btz_str("$"), 0), len = 0;
    struct btz_slice part = btz_slice_sub(*in, 0, end);
    const char *stop = NULL;

    for (size_t i = 0; i < part.len; i++)
        if (part.ptr[i] >= 0x80)
            return false;
    if (part.len == 0 ||
        sodium_base642bin(bytes, sizeof bytes, (const char *)part.ptr, part.len, NULL, &len, &stop,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
        stop != (const char *)part.ptr + part.len || len < min || len > max)
        return false;
    *in = btz_slice_sub(*in, end == SIZE_MAX ? in->len : end + 1, SIZE_MAX);
    return end == SIZE_MAX || in->len > 0;
}

/* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" (PHC string format) within our limits. */
enum btz_err btz_password_params(const char *stored, struct btz_password_params *out)
{
    struct btz_slice in = btz_str(stored);
    uint64_t version, memory, passes, lanes;

    if (in.len >= BTZ_PASSWORD_HASH_TEXT || !number(&in, "$argon2id$v=", '$', &version) ||
        !number(&in, "m=", ',', &memory) || !number(&in, "t=", ',', &passes) ||
        !number(&in, "p=", '$', &lanes) || !base64(&in, 8, 48) || !base64(&in, 16, 64) ||
        in.len != 0)
        return btz_fail(BTZ_INPUT, "stored password hash: no PHC string of Argon2id");
    if (version != 19 || lanes != LANES || passes < 1 || passes > PASSES_MAX || memory < 8 ||
        memory > MEMORY_KIB_MAX)
        return btz_fail(BTZ_INPUT,
                        "stored password hash: expected v=19, m=8 to %u, t=1 to %u and p=1",
                        MEMORY_KIB_MAX, PASSES_MAX);
    out->memory_kib = (uint32_t)memory;
    out->passes = (uint32_t)passes;
    return BTZ_OK;
}

enum btz_err btz_password_verify(struct btz_hasher *h, const char *stored,
                                 struct btz_slice password, bool *stale)
{
    bool nobody = !stored || stored[0] == '\0', made;
    struct btz_password_params params = { 0 };
    char phc[BTZ_PASSWORD_HASH_TEXT] = { 0 };
    struct clear clear = { .len = 0 };
    int failed, why;

    if (!nobody)
        BTZ_TRY(btz_password_params(stored, &params));
    /* Longer ones cannot have been stored; they cost what others cost. */
    if (password.len > BTZ_PASSWORD_MAX) {
        nobody = true;
        password.len = 0;
    }
    memcpy(phc, nobody ? dummy : stored, strlen(nobody ? dummy : stored));
    BTZ_TRY(enter(h));
    made = prepare(password, &clear);
    errno = 0;
    failed = made ? crypto_pwhash_str_verify(phc, clear.text, clear.len) : -1;
    why = made ? errno : ENOMEM;
    leave(h);
    btz_wipe(&clear, sizeof clear);
    if (failed && why == ENOMEM)
        return btz_fail(BTZ_LIMIT, "out of memory for Argon2id");
    if (failed || nobody)
        return btz_fail(BTZ_DENIED, "wrong name or password");
    if (stale)
        *stale = params.memory_kib != MEMORY_KIB || params.passes != PASSES;
    return BTZ_OK;
}
