/*
 * Proofs over a small tree: size and index from the input, hashes of the true proof changed by it. Only the true
 * proof may verify.
 */
#include <stdlib.h>

#include "ledger/ledger.h"

#define MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct btz_hash leaf[MOST];

static enum btz_err subtree(void *user, unsigned height, uint64_t index, struct btz_hash *out)
{
    struct btz_hash work[MOST];
    size_t count = (size_t)1 << height;

    (void)user;
    if ((index + 1) << height > MOST)
        abort();
    memcpy(work, leaf + (index << height), count * sizeof *leaf);
    for (; count > 1; count /= 2)
        for (size_t i = 0; i < count / 2; i++)
            btz_merkle_node(&work[2 * i], &work[2 * i + 1], &work[i]);
    *out = work[0];
    return BTZ_OK;
}

/* The proof as the input changes it; says whether anything is different from the true one. */
static bool change(struct btz_reader *r, struct btz_proof *p)
{
    struct btz_proof before = *p;
    uint8_t what, at;
    struct btz_slice bytes;

    while (btz_read_u8(r, &what) == BTZ_OK && btz_read_u8(r, &at) == BTZ_OK) {
        if (what % 4 == 0 && p->count > 0)
            p->hash[at % p->count].b[at % 32] ^= what;
        else if (what % 4 == 1 && p->count < BTZ_PROOF_MAX)
            p->hash[p->count++] = leaf[at % MOST];
        else if (what % 4 == 2 && p->count > 0)
            p->count--;
        else if (p->count > 0 && btz_read_bytes(r, 32, &bytes) == BTZ_OK)
            memcpy(p->hash[at % p->count].b, bytes.ptr, 32);
    }
    return p->count != before.count ||
           memcmp(p->hash, before.hash, p->count * sizeof p->hash[0]) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_merkle_source source = { .subtree = subtree };
    struct btz_reader r = { .in = btz_slice_of(data, size), .what = "fuzz" };
    struct btz_hash root, old;
    struct btz_proof p;
    uint8_t n, m, kind;
    bool changed;
    enum btz_err err;

    if (btz_read_u8(&r, &n) != BTZ_OK || btz_read_u8(&r, &m) != BTZ_OK ||
        btz_read_u8(&r, &kind) != BTZ_OK)
        return 0;
    for (size_t i = 0; i < MOST; i++)
        memset(leaf[i].b, (int)i, sizeof leaf[i].b);
    if (kind & 2) {
        /* Any numbers, no proof behind them: nothing may crash or be accepted by accident of arithmetic. */
        uint64_t a, b;

        p.count = 0;
        if (btz_read_be64(&r, &a) != BTZ_OK || btz_read_be64(&r, &b) != BTZ_OK)
            return 0;
        (void)change(&r, &p);
        memset(root.b, 0xEE, sizeof root.b);
        err = btz_merkle_verify_inclusion(a, b, &leaf[0], p.hash, p.count, &root);
        if (err == BTZ_OK)
            abort();
        err = btz_merkle_verify_consistency(a, b, p.hash, p.count, &leaf[0], &root);
        if (err == BTZ_OK)
            abort();
        return 0;
    }
    n = (uint8_t)(n % MOST + 1);
    m = m % n;
    if (btz_merkle_root(&source, n, &root) != BTZ_OK ||
        btz_merkle_root(&source, m + 1u, &old) != BTZ_OK)
        abort();
    if (kind & 1) {
        if (btz_merkle_prove_inclusion(&source, m, n, &p) != BTZ_OK)
            abort();
        changed = change(&r, &p);
        err = btz_merkle_verify_inclusion(m, n, &leaf[m], p.hash, p.count, &root);
    } else {
        if (btz_merkle_prove_consistency(&source, m + 1u, n, &p) != BTZ_OK)
            abort();
        changed = change(&r, &p);
        err = btz_merkle_verify_consistency(m + 1u, n, p.hash, p.count, &old, &root);
    }
    if ((err == BTZ_OK) == changed)
        abort();
    return 0;
}
