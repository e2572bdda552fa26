/* The looked-up one-shot functions cost several times the hash itself on 65-byte nodes. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "ledger/ledger.h"

static void hash_prefixed(uint8_t prefix, struct btz_slice in, struct btz_hash *out)
{
    SHA256_CTX c;

    SHA256_Init(&c);
    SHA256_Update(&c, &prefix, 1);
    if (in.len > 0)
        SHA256_Update(&c, in.ptr, in.len);
    SHA256_Final(out->b, &c);
}

void btz_merkle_leaf(struct btz_slice entry, struct btz_hash *out)
{
    hash_prefixed(0, entry, out);
}

void btz_merkle_node(const struct btz_hash *l, const struct btz_hash *r, struct btz_hash *out)
{
    uint8_t both[2 * BTZ_SHA256_LEN];

    memcpy(both, l->b, BTZ_SHA256_LEN);
    memcpy(both + BTZ_SHA256_LEN, r->b, BTZ_SHA256_LEN);
    hash_prefixed(1, btz_slice_of(both, sizeof both), out);
}

bool btz_hash_equal(const struct btz_hash *a, const struct btz_hash *b)
{
    return memcmp(a->b, b->b, BTZ_SHA256_LEN) == 0;
}

/* ---- proofs out of subtrees ---- */

static unsigned log2_floor(uint64_t n)
{
    return 63u - (unsigned)__builtin_clzll(n);
}

/* Largest power of two smaller than n, n > 1. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << log2_floor(n - 1);
}

/* MTH(D[lo:hi]) for the ranges that occur in RFC 6962: lo is a multiple of the first complete subtree. */
static enum btz_err range(const struct btz_merkle_source *source, uint64_t lo, uint64_t hi,
                          struct btz_hash *out)
{
    struct btz_hash peak[64], root;
    size_t count = 0;

    while (lo < hi) {
        unsigned height = log2_floor(hi - lo);

        if (lo > 0 && (unsigned)__builtin_ctzll(lo) < height)
            height = (unsigned)__builtin_ctzll(lo);
        BTZ_TRY(source->subtree(source->user, height, lo >> height, &peak[count]));
        count++;
        lo += UINT64_C(1) << height;
    }
    root = peak[--count];
    while (count > 0)
        btz_merkle_node(&peak[--count], &root, &root);
    *out = root;
    return BTZ_OK;
}

enum btz_err btz_merkle_root(const struct btz_merkle_source *source, uint64_t size,
                             struct btz_hash *out)
{
    if (size == 0) {
        SHA256_CTX c;

        SHA256_Init(&c);
        SHA256_Final(out->b, &c);
        return BTZ_OK;
    }
    return range(source, 0, size, out);
}

static void reverse(struct btz_proof *p)
{
    for (size_t i = 0; i < p->count / 2; i++) {
        struct btz_hash swap = p->hash[i];

        p->hash[i] = p->hash[p->count - 1 - i];
        p->hash[p->count - 1 - i] = swap;
    }
}

enum btz_err btz_merkle_prove_inclusion(const struct btz_merkle_source *source, uint64_t index,
                                        uint64_t size, struct btz_proof *out)
{
    uint64_t lo = 0, hi = size;
    struct btz_proof p = { .count = 0 };

    if (index >= size)
        return btz_fail(BTZ_INPUT, "entry %" PRIu64 " is not in a tree of %" PRIu64 " entries",
                        index, size);
    while (hi - lo > 1) {
        uint64_t k = lo + split(hi - lo);

        if (index < k) {
            BTZ_TRY(range(source, k, hi, &p.hash[p.count++]));
            hi = k;
        } else {
            BTZ_TRY(range(source, lo, k, &p.hash[p.count++]));
            lo = k;
        }
    }
    reverse(&p);
    *out = p;
    return BTZ_OK;
}

enum btz_err btz_merkle_prove_consistency(const struct btz_merkle_source *source, uint64_t size1,
                                          uint64_t size2, struct btz_proof *out)
{
    uint64_t lo = 0, hi = size2;
    struct btz_proof p = { .count = 0 };

    if (size1 == 0 || size1 > size2)
        return btz_fail(BTZ_INPUT,
                        "no consistency proof from %" PRIu64 " to %" PRIu64
                        " entries: expected 0 < old size <= new size",
                        size1, size2);
    while (size1 != hi) {
        uint64_t k = lo + split(hi - lo);

        if (size1 <= k) {
            BTZ_TRY(range(source, k, hi, &p.hash[p.count++]));
            hi = k;
        } else {
            BTZ_TRY(range(source, lo, k, &p.hash[p.count++]));
            lo = k;
        }
    }
    /* The verifier knows this subtree already when it is the whole old tree. */
    if (lo > 0)
        BTZ_TRY(range(source, lo, hi, &p.hash[p.count++]));
    reverse(&p);
    *out = p;
    return BTZ_OK;
}

/* ---- verification: RFC 9162 s.2.1.3.2 and s.2.1.4.2 ---- */

enum btz_err btz_merkle_verify_inclusion(uint64_t index, uint64_t size, const struct btz_hash *leaf,
                                         const struct btz_hash *proof, size_t count,
                                         const struct btz_hash *root)
{
    uint64_t fn = index, sn = size - 1;
    struct btz_hash r = *leaf;

    if (index >= size)
        return btz_fail(BTZ_INPUT, "entry %" PRIu64 " is not in a tree of %" PRIu64 " entries",
                        index, size);
    for (size_t i = 0; i < count; i++) {
        if (sn == 0)
            return btz_fail(BTZ_INPUT, "inclusion proof is too long: %zu hashes", count);
        if ((fn & 1) || fn == sn) {
            btz_merkle_node(&proof[i], &r, &r);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            btz_merkle_node(&r, &proof[i], &r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (sn != 0)
        return btz_fail(BTZ_INPUT, "inclusion proof is too short: %zu hashes", count);
    if (!btz_hash_equal(&r, root))
        return btz_fail(BTZ_DENIED,
                        "the proof does not lead from entry %" PRIu64 " to the root of %" PRIu64
                        " entries",
                        index, size);
    return BTZ_OK;
}

static enum btz_err consistency_length(size_t count)
{
    return btz_fail(BTZ_INPUT, "consistency proof has an impossible length: %zu hashes", count);
}

enum btz_err btz_merkle_verify_consistency(uint64_t size1, uint64_t size2,
                                           const struct btz_hash *proof, size_t count,
                                           const struct btz_hash *root1,
                                           const struct btz_hash *root2)
{
    uint64_t fn = size1 - 1, sn = size2 - 1;
    struct btz_hash fr, sr;
    size_t i = 0;

    if (size1 == 0 || size1 > size2)
        return btz_fail(BTZ_INPUT,
                        "no consistency from %" PRIu64 " to %" PRIu64
                        " entries: expected 0 < old size <= new size",
                        size1, size2);
    if (size1 == size2) {
        if (count != 0)
            return consistency_length(count);
        if (!btz_hash_equal(root1, root2))
            return btz_fail(BTZ_DENIED, "two different roots for %" PRIu64 " entries", size1);
        return BTZ_OK;
    }
    if (count == 0)
        return consistency_length(count);
    fr = sr = (size1 & fn) == 0 ? *root1 : proof[i++];
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; i < count; i++) {
        if (sn == 0)
            return consistency_length(count);
        if ((fn & 1) || fn == sn) {
            btz_merkle_node(&proof[i], &fr, &fr);
            btz_merkle_node(&proof[i], &sr, &sr);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            btz_merkle_node(&sr, &proof[i], &sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (sn != 0)
        return consistency_length(count);
    if (!btz_hash_equal(&fr, root1) || !btz_hash_equal(&sr, root2))
        return btz_fail(BTZ_DENIED,
                        "the first %" PRIu64 " of %" PRIu64
                        " entries are not those of the older checkpoint",
                        size1, size2);
    return BTZ_OK;
}
