/* RFC 6962 trees: published vectors, every proof of every tree of up to 300 leaves against the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <dirent.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/json.h"
#include "ledger/ledger.h"

/* The eight leaves of the certificate transparency tests and their roots. */
static const char *const leaves[8] = {
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
};
static const char *const roots[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

/* ---- the definition, with memory: MTH(D[a:b]) ---- */

#define MOST 300
static struct btz_hash leaf[MOST], memo[MOST + 1][MOST + 1];
static bool known[MOST + 1][MOST + 1];

static const struct btz_hash *mth(size_t a, size_t b)
{
    size_t k = 1;

    if (!known[a][b]) {
        known[a][b] = true;
        if (b - a == 1) {
            memo[a][b] = leaf[a];
        } else {
            while (2 * k < b - a)
                k *= 2;
            btz_merkle_node(mth(a, a + k), mth(a + k, b), &memo[a][b]);
        }
    }
    return &memo[a][b];
}

/* PATH(m, D[a:b]), RFC 6962 s.2.1.1, as written there. */
static void path(size_t m, size_t a, size_t b, struct btz_proof *p)
{
    size_t k = 1;

    if (b - a == 1)
        return;
    while (2 * k < b - a)
        k *= 2;
    if (m < k) {
        path(m, a, a + k, p);
        p->hash[p->count++] = *mth(a + k, b);
    } else {
        path(m - k, a + k, b, p);
        p->hash[p->count++] = *mth(a, a + k);
    }
}

/* SUBPROOF(m, D[a:b], whole), RFC 6962 s.2.1.2. */
static void subproof(size_t m, size_t a, size_t b, bool whole, struct btz_proof *p)
{
    size_t k = 1;

    if (m == b - a) {
        if (!whole)
            p->hash[p->count++] = *mth(a, b);
        return;
    }
    while (2 * k < b - a)
        k *= 2;
    if (m <= k) {
        subproof(m, a, a + k, whole, p);
        p->hash[p->count++] = *mth(a + k, b);
    } else {
        subproof(m - k, a + k, b, false, p);
        p->hash[p->count++] = *mth(a, a + k);
    }
}

static enum btz_err subtree(void *user, unsigned height, uint64_t index, struct btz_hash *out)
{
    (void)user;
    assert_true((index + 1) << height <= MOST);
    *out = *mth(index << height, (index + 1) << height);
    return BTZ_OK;
}

static const struct btz_merkle_source source = { .subtree = subtree };

static void fill(void)
{
    memset(known, 0, sizeof known);
    for (size_t i = 0; i < MOST; i++) {
        uint8_t bytes[2] = { (uint8_t)(i >> 8), (uint8_t)i };

        btz_merkle_leaf(btz_slice_of(bytes, i % 3), &leaf[i]);
        leaf[i].b[0] ^= (uint8_t)i;
        leaf[i].b[1] ^= (uint8_t)(i >> 8);
    }
}

static void fill_eight(void)
{
    memset(known, 0, sizeof known);
    for (size_t i = 0; i < 8; i++) {
        uint8_t bytes[16];
        size_t n = strlen(leaves[i]) / 2;

        assert_int_equal(btz_unhex(btz_str(leaves[i]), bytes, n), BTZ_OK);
        btz_merkle_leaf(btz_slice_of(bytes, n), &leaf[i]);
    }
}

static struct btz_hash from_hex(const char *hex)
{
    struct btz_hash h;

    assert_int_equal(btz_unhex(btz_str(hex), h.b, sizeof h.b), BTZ_OK);
    return h;
}

static void assert_hash(const struct btz_hash *is, const char *hex)
{
    char text[65];

    btz_hex(is->b, sizeof is->b, text);
    assert_string_equal(text, hex);
}

static void test_roots(void **state)
{
    (void)state;
    fill_eight();
    for (size_t n = 0; n <= 8; n++) {
        struct btz_hash root;

        assert_int_equal(btz_merkle_root(&source, n, &root), BTZ_OK);
        assert_hash(&root, roots[n]);
    }
}

#define R1 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define R4 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define A  "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define B  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define C  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
#define D  "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define E  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define F  "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"

static void test_published_proofs(void **state)
{
    static const struct {
        bool inclusion;
        uint64_t from, size;
        const char *proof[3];
    } cases[] = {
        { true, 0, 8, { A, B, C } },   { true, 5, 8, { D, E, R4 } },
        { true, 1, 5, { R1, B, D } },  { false, 1, 8, { A, B, C } },
        { false, 6, 8, { F, E, R4 } }, { false, 2, 5, { B, D, NULL } },
    };
    (void)state;
    fill_eight();
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_proof p;
        struct btz_hash first = from_hex(roots[cases[i].from]);
        struct btz_hash root = from_hex(roots[cases[i].size]);
        size_t count = cases[i].proof[2] ? 3 : 2;

        if (cases[i].inclusion) {
            assert_int_equal(btz_merkle_prove_inclusion(&source, cases[i].from, cases[i].size, &p),
                             BTZ_OK);
            assert_int_equal(btz_merkle_verify_inclusion(cases[i].from, cases[i].size,
                                                         &leaf[cases[i].from], p.hash, p.count,
                                                         &root),
                             BTZ_OK);
        } else {
            assert_int_equal(
                btz_merkle_prove_consistency(&source, cases[i].from, cases[i].size, &p), BTZ_OK);
            assert_int_equal(btz_merkle_verify_consistency(cases[i].from, cases[i].size, p.hash,
                                                           p.count, &first, &root),
                             BTZ_OK);
        }
        assert_int_equal(p.count, count);
        for (size_t j = 0; j < count; j++)
            assert_hash(&p.hash[j], cases[i].proof[j]);
    }
}

static void test_every_inclusion(void **state)
{
    size_t proofs = 0;
    (void)state;
    fill();
    for (size_t n = 1; n <= MOST; n++) {
        struct btz_hash root;

        assert_int_equal(btz_merkle_root(&source, n, &root), BTZ_OK);
        assert_memory_equal(&root, mth(0, n), sizeof root);
        for (size_t i = 0; i < n; i++, proofs++) {
            struct btz_proof p, reference = { .count = 0 };
            size_t at = proofs % BTZ_PROOF_MAX;

            assert_int_equal(btz_merkle_prove_inclusion(&source, i, n, &p), BTZ_OK);
            path(i, 0, n, &reference);
            assert_int_equal(p.count, reference.count);
            assert_memory_equal(p.hash, reference.hash, p.count * sizeof p.hash[0]);
            assert_int_equal(btz_merkle_verify_inclusion(i, n, &leaf[i], p.hash, p.count, &root),
                             BTZ_OK);
            /* One bit, one hash more, one less, the neighbour's leaf. */
            p.hash[p.count] = root;
            assert_int_equal(
                btz_merkle_verify_inclusion(i, n, &leaf[i], p.hash, p.count + 1, &root), BTZ_INPUT);
            assert_int_equal(
                btz_merkle_verify_inclusion(i, n, &leaf[(i + 1) % MOST], p.hash, p.count, &root),
                BTZ_DENIED);
            if (p.count == 0)
                continue;
            assert_int_equal(
                btz_merkle_verify_inclusion(i, n, &leaf[i], p.hash, p.count - 1, &root), BTZ_INPUT);
            p.hash[at % p.count].b[proofs % 32] ^= (uint8_t)(1u << proofs % 8);
            assert_int_equal(btz_merkle_verify_inclusion(i, n, &leaf[i], p.hash, p.count, &root),
                             BTZ_DENIED);
        }
    }
    assert_int_equal(proofs, MOST * (MOST + 1) / 2);
}

static void test_every_consistency(void **state)
{
    size_t proofs = 0;
    (void)state;
    fill();
    for (size_t n = 1; n <= MOST; n++) {
        for (size_t m = 1; m <= n; m++, proofs++) {
            struct btz_proof p, reference = { .count = 0 };
            const struct btz_hash *old = mth(0, m), *now = mth(0, n);
            struct btz_hash other = *old;

            assert_int_equal(btz_merkle_prove_consistency(&source, m, n, &p), BTZ_OK);
            subproof(m, 0, n, true, &reference);
            assert_int_equal(p.count, reference.count);
            assert_memory_equal(p.hash, reference.hash, p.count * sizeof p.hash[0]);
            assert_int_equal(btz_merkle_verify_consistency(m, n, p.hash, p.count, old, now),
                             BTZ_OK);
            other.b[proofs % 32] ^= 1;
            assert_int_equal(btz_merkle_verify_consistency(m, n, p.hash, p.count, &other, now),
                             BTZ_DENIED);
            other = *now;
            other.b[proofs % 32] ^= 0x80;
            assert_int_equal(btz_merkle_verify_consistency(m, n, p.hash, p.count, old, &other),
                             BTZ_DENIED);
            p.hash[p.count] = *old;
            assert_int_equal(btz_merkle_verify_consistency(m, n, p.hash, p.count + 1, old, now),
                             BTZ_INPUT);
            if (p.count == 0)
                continue;
            assert_int_equal(btz_merkle_verify_consistency(m, n, p.hash, p.count - 1, old, now),
                             BTZ_INPUT);
            p.hash[proofs % p.count].b[proofs % 32] ^= (uint8_t)(1u << proofs % 8);
            assert_int_equal(btz_merkle_verify_consistency(m, n, p.hash, p.count, old, now),
                             BTZ_DENIED);
        }
    }
    assert_int_equal(proofs, MOST * (MOST + 1) / 2);
}

static void test_extremes(void **state)
{
    struct btz_hash h[BTZ_PROOF_MAX + 1] = { { { 0 } } };
    struct btz_proof p;
    (void)state;
    assert_int_equal(btz_merkle_verify_inclusion(0, 0, &h[0], h, 0, &h[0]), BTZ_INPUT);
    assert_int_equal(btz_merkle_verify_inclusion(UINT64_MAX, UINT64_MAX, &h[0], h, 64, &h[0]),
                     BTZ_INPUT);
    assert_int_equal(btz_merkle_verify_inclusion(UINT64_MAX - 1, UINT64_MAX, &h[0], h, 63, &h[0]),
                     BTZ_DENIED);
    assert_int_equal(btz_merkle_verify_inclusion(0, UINT64_MAX, &h[0], h, 64, &h[0]), BTZ_DENIED);
    assert_int_equal(btz_merkle_verify_inclusion(0, UINT64_MAX, &h[0], h, 65, &h[0]), BTZ_INPUT);
    assert_int_equal(btz_merkle_verify_consistency(1, UINT64_MAX, h, 64, &h[0], &h[0]), BTZ_DENIED);
    assert_int_equal(btz_merkle_verify_consistency(2, 1, h, 0, &h[0], &h[0]), BTZ_INPUT);
    assert_int_equal(btz_merkle_prove_consistency(&source, 0, 5, &p), BTZ_INPUT);
    assert_int_equal(btz_merkle_prove_consistency(&source, 6, 5, &p), BTZ_INPUT);
    assert_int_equal(btz_merkle_prove_inclusion(&source, 5, 5, &p), BTZ_INPUT);
}

/* ---- transparency-dev/merkle testdata ---- */

/* A value of another length than a hash stays what it is: equal to itself and to nothing else. */
static struct btz_hash json_hash(const json_t *value)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(4096);
    struct btz_hash h;

    assert_true(json_is_string(value));
    assert_int_equal(btz_base64_decode(btz_str(json_string_value(value)), &raw), BTZ_OK);
    if (raw.len == sizeof h.b)
        memcpy(h.b, raw.ptr, sizeof h.b);
    else
        btz_sha256_2(btz_str("not a hash: "), btz_buf_slice(&raw), h.b);
    return h;
}

/* Some are 2^64 - 1, more than jansson's integers hold: read from the text. */
static uint64_t text_u64(struct btz_slice text, const char *key)
{
    size_t at = btz_slice_find(text, btz_str(key), 0), len = 0;
    uint64_t value;

    assert_true(at != SIZE_MAX);
    at += strlen(key) + 3;
    while (at + len < text.len && text.ptr[at + len] >= '0' && text.ptr[at + len] <= '9')
        len++;
    assert_int_equal(btz_parse_u64(btz_slice_sub(text, at, len), &value), BTZ_OK);
    return value;
}

static enum btz_err run_vector(const json_t *v, struct btz_slice text)
{
    const json_t *list = json_object_get(v, "proof");
    struct btz_hash proof[256], one, two;
    size_t count = json_is_array(list) ? json_array_size(list) : 0;

    assert_true(count <= BTZ_COUNT(proof));
    assert_true(json_is_array(list) || json_is_null(list));
    for (size_t i = 0; i < count; i++)
        proof[i] = json_hash(json_array_get(list, i));
    if (json_object_get(v, "leafIdx")) {
        /* 32 bytes in base64: our type of a leaf hash holds nothing else. */
        if (json_string_length(json_object_get(v, "leafHash")) != 44)
            return BTZ_INPUT;
        one = json_hash(json_object_get(v, "leafHash"));
        two = json_hash(json_object_get(v, "root"));
        return btz_merkle_verify_inclusion(text_u64(text, "leafIdx"), text_u64(text, "treeSize"),
                                           &one, proof, count, &two);
    }
    one = json_hash(json_object_get(v, "root1"));
    two = json_hash(json_object_get(v, "root2"));
    return btz_merkle_verify_consistency(text_u64(text, "size1"), text_u64(text, "size2"), proof,
                                         count, &one, &two);
}

static void run_folder(const char *folder, size_t *good, size_t *bad)
{
    struct dirent *item;
    DIR *list = opendir(folder);

    assert_non_null(list);
    while ((item = readdir(list)) != NULL) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
        BTZ_JSON json_t *v = NULL;
        char file[4096];
        struct stat st;
        bool want_err;
        enum btz_err err;

        if (item->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", folder, item->d_name);
        assert_int_equal(stat(file, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            run_folder(file, good, bad);
            continue;
        }
        assert_int_equal(btz_file_read(file, 1 << 20, &text), BTZ_OK);
        v = json_loadb((const char *)text.ptr, text.len, JSON_DECODE_INT_AS_REAL, NULL);
        assert_non_null(v);
        assert_true(json_is_boolean(json_object_get(v, "wantErr")));
        want_err = json_is_true(json_object_get(v, "wantErr"));
        err = run_vector(v, btz_buf_slice(&text));
        if ((err != BTZ_OK) != want_err)
            fail_msg("%s: wanted %s, got %s", file, want_err ? "an error" : "ok",
                     btz_err_name(err));
        *(want_err ? bad : good) += 1;
    }
    closedir(list);
}

static void test_vectors(void **state)
{
    const char *given = getenv("BTZ_DATA"), *root = getenv("BTZ_SOURCE");
    static const char *const kinds[] = { "inclusion", "consistency" };
    size_t good[2] = { 0 }, bad[2] = { 0 };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char folder[4096];
        struct stat st;

        snprintf(folder, sizeof folder, "%s%s/access/merkle/%s",
                 given  ? given
                 : root ? root
                        : ".",
                 given ? "" : "/../shared/data", kinds[i]);
        if (stat(folder, &st) < 0) {
            print_message("# skipped: no test data in %s\n", folder);
            skip();
        }
        run_folder(folder, &good[i], &bad[i]);
    }
    print_message("# vectors: inclusion %zu valid, %zu broken; consistency %zu valid, %zu broken\n",
                  good[0], bad[0], good[1], bad[1]);
    assert_int_equal(good[0] + bad[0], 98);
    assert_int_equal(good[1] + bad[1], 98);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots),           cmocka_unit_test(test_published_proofs),
        cmocka_unit_test(test_every_inclusion), cmocka_unit_test(test_every_consistency),
        cmocka_unit_test(test_extremes),        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
