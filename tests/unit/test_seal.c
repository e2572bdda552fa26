/* Seals against RFC 5869, against OpenSSL's ChaCha20-Poly1305, and against damage, swaps, and other processes. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <sys/wait.h>

#include "access/identity/seal.h"
#include "store_fixture.h"

#define ENV_KEY  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ENV_KEY2 "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define ABOUT    "totp/usr_1/secret"
#define HEAD     9
#define NONCE    24
#define TAG      16

static char *folder;

static char *key_file(const char *name)
{
    char *path;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static struct btz_seal *open_seal(const char *file)
{
    struct btz_seal *s;

    assert_ok(btz_seal_open(file, NULL, &s));
    return s;
}

static void assert_opens(struct btz_seal *s, struct btz_slice sealed, const char *clear)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);

    assert_ok(btz_unseal(s, ABOUT, sealed, &out));
    assert_true(btz_slice_is(btz_buf_slice(&out), clear));
}

static void assert_shut(struct btz_seal *s, const char *about, struct btz_slice sealed,
                        enum btz_err want)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);

    assert_err(btz_unseal(s, about, sealed, &out), want);
    assert_int_equal(out.len, 0);
}

static void test_round_trip(void **state)
{
    BTZ_FREE char *file = key_file("round");
    struct btz_seal *s = open_seal(file);
    uint8_t bytes[300];
    (void)state;

    btz_random_bytes(bytes, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len += 1 + len / 3) {
        BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1 << 20);
        BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(1 << 20);

        assert_ok(btz_buf_add_str(&sealed, "before"));
        assert_ok(btz_buf_add_str(&clear, "before"));
        assert_ok(btz_seal(s, ABOUT, btz_slice_of(bytes, len), &sealed));
        assert_int_equal(sealed.len, 6 + HEAD + NONCE + len + TAG);
        assert_ok(btz_unseal(s, ABOUT, btz_slice_sub(btz_buf_slice(&sealed), 6, SIZE_MAX), &clear));
        assert_int_equal(clear.len, 6 + len);
        assert_memory_equal(clear.ptr + 6, bytes, len);
        assert_memory_equal(clear.ptr, "before", 6);
    }
    btz_seal_close(s);
}

static void test_damage(void **state)
{
    BTZ_FREE char *file = key_file("damage");
    struct btz_seal *s = open_seal(file);
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(1000);
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1000);
    (void)state;

    assert_ok(btz_seal(s, ABOUT, btz_str("JBSWY3DPEHPK3PXP"), &a));
    assert_ok(btz_seal(s, ABOUT, btz_str("JBSWY3DPEHPK3PXP"), &b));
    assert_memory_not_equal(a.ptr + HEAD, b.ptr + HEAD, NONCE);
    for (size_t bit = 0; bit < 8 * a.len; bit++) {
        /* A flipped key id names a key that is not there. */
        enum btz_err want = bit / 8 >= 1 && bit / 8 < HEAD ? BTZ_DENIED : BTZ_INPUT;

        a.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_shut(s, ABOUT, btz_buf_slice(&a), want);
        a.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < a.len; len++)
        assert_shut(s, ABOUT, btz_slice_sub(btz_buf_slice(&a), 0, len), BTZ_INPUT);
    assert_ok(btz_buf_add_byte(&b, 0));
    assert_shut(s, ABOUT, btz_buf_slice(&b), BTZ_INPUT);
    assert_opens(s, btz_buf_slice(&a), "JBSWY3DPEHPK3PXP");
    btz_seal_close(s);
}

/* A secret that is moved to another row, column or table does not open there. */
static void test_swap(void **state)
{
    static const char *const others[] = { "totp/usr_2/secret", "totp/usr_1/secre",
                                          "totp/usr_1/secret ", "", "issuers/usr_1/secret" };
    BTZ_FREE char *file = key_file("swap");
    struct btz_seal *s = open_seal(file);
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1000);
    (void)state;

    assert_ok(btz_seal(s, ABOUT, btz_str("secret"), &sealed));
    for (size_t i = 0; i < BTZ_COUNT(others); i++)
        assert_shut(s, others[i], btz_buf_slice(&sealed), BTZ_INPUT);
    assert_opens(s, btz_buf_slice(&sealed), "secret");
    btz_seal_close(s);
}

/* Opened by OpenSSL: HChaCha20 gives the subkey, then it is ChaCha20-Poly1305 of RFC 8439
 * (draft-irtf-cfrg-xchacha-03, 2.3). */
static void test_against_openssl(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1000);
    uint8_t key[32], subkey[32], nonce[12] = { 0 }, clear[100], *at;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    struct btz_seal *s;
    int len;
    (void)state;

    assert_non_null(ctx);
    assert_ok(btz_seal_open("/nowhere", ENV_KEY, &s));
    assert_ok(btz_seal(s, ABOUT, btz_str("known to both"), &sealed));
    assert_ok(btz_unhex(btz_str(ENV_KEY), key, sizeof key));
    at = sealed.ptr + HEAD;
    assert_int_equal(crypto_core_hchacha20(subkey, at, key, NULL), 0);
    memcpy(nonce + 4, at + 16, 8);
    assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, subkey, nonce), 1);
    assert_int_equal(
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, sealed.ptr + sealed.len - TAG), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &len, sealed.ptr, HEAD), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &len, (const uint8_t *)ABOUT, strlen(ABOUT)), 1);
    assert_int_equal(EVP_DecryptUpdate(ctx, clear, &len, at + NONCE, 13), 1);
    assert_int_equal(len, 13);
    assert_int_equal(EVP_DecryptFinal_ex(ctx, clear + len, &len), 1);
    assert_memory_equal(clear, "known to both", 13);
    EVP_CIPHER_CTX_free(ctx);
    btz_seal_close(s);
}

/* RFC 5869, appendix A.1 to A.3: the first 32 bytes of each. */
static void test_hkdf_vectors(void **state)
{
    uint8_t ikm[80], salt[80], info[80], out[32];
    char hex[65];
    (void)state;

    memset(ikm, 0x0b, 22);
    for (uint8_t i = 0; i < 13; i++)
        salt[i] = i;
    for (uint8_t i = 0; i < 10; i++)
        info[i] = (uint8_t)(0xf0 + i);
    btz_hkdf(btz_slice_of(ikm, 22), btz_slice_of(salt, 13), btz_slice_of(info, 10), out);
    btz_hex(out, 32, hex);
    assert_string_equal(hex, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    for (uint8_t i = 0; i < 80; i++) {
        ikm[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    btz_hkdf(btz_slice_of(ikm, 80), btz_slice_of(salt, 80), btz_slice_of(info, 80), out);
    btz_hex(out, 32, hex);
    assert_string_equal(hex, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
    memset(ikm, 0x0b, 22);
    btz_hkdf(btz_slice_of(ikm, 22), btz_str(""), btz_str(""), out);
    btz_hex(out, 32, hex);
    assert_string_equal(hex, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

static void test_file_mode(void **state)
{
    BTZ_FREE char *file = key_file("mode");
    struct btz_seal *s = open_seal(file);
    struct stat st;
    (void)state;

    btz_seal_close(s);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod(file, 0600 | bit), 0);
        assert_err(btz_seal_open(file, NULL, &s), BTZ_DENIED);
        assert_non_null(strstr(btz_error_detail(), "chmod 600"));
    }
    assert_int_equal(chmod(file, 0400), 0);
    btz_seal_close(open_seal(file));
    assert_err(btz_seal_open(folder, NULL, &s), BTZ_DENIED);
    assert_err(btz_seal_open("/nowhere/at/all", NULL, &s), BTZ_IO);
}

static void write_file(const char *file, struct btz_slice text)
{
    assert_ok(btz_file_write(file, text, 0600));
}

/* A key file with any byte changed, or cut anywhere, is refused: a wrong key must not seal anything. */
static void test_damaged_file(void **state)
{
    BTZ_FREE char *file = key_file("file");
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    char some[9] = "";
    struct btz_seal *s;
    (void)state;

    btz_seal_close(open_seal(file));
    assert_ok(btz_file_read(file, 10000, &text));
    for (size_t i = 0; i < text.len; i += 3) {
        text.ptr[i] ^= 1;
        write_file(file, btz_buf_slice(&text));
        assert_err(btz_seal_open(file, NULL, &s), BTZ_INPUT);
        text.ptr[i] ^= 1;
        write_file(file, btz_slice_sub(btz_buf_slice(&text), 0, i));
        assert_err(btz_seal_open(file, NULL, &s), BTZ_INPUT);
    }
    /* No key of the file in what is said about it: the root stands after "root ID ". */
    memcpy(some, text.ptr + sizeof "bartizan seal keys 1" + sizeof "root 0123456789abcdef", 8);
    assert_null(strstr(btz_error_detail(), some));
    write_file(file, btz_buf_slice(&text));
    btz_seal_close(open_seal(file));
}

static void test_rotation(void **state)
{
    BTZ_FREE char *file = key_file("rotation");
    struct btz_seal *s = open_seal(file), *other = open_seal(file);
    BTZ_BUF_RELEASE struct btz_buf old = BTZ_BUF(1000);
    BTZ_BUF_RELEASE struct btz_buf now = BTZ_BUF(1000);
    BTZ_BUF_RELEASE struct btz_buf by_other = BTZ_BUF(1000);
    uint8_t before[32], after[32];
    struct stat st;
    (void)state;

    btz_seal_derive(s, "pepper", before);
    assert_ok(btz_seal(s, ABOUT, btz_str("old"), &old));
    assert_true(btz_seal_is_current(s, btz_buf_slice(&old)));
    assert_ok(btz_seal_rotate(s));
    assert_false(btz_seal_is_current(s, btz_buf_slice(&old)));
    assert_ok(btz_seal(s, ABOUT, btz_str("new"), &now));
    assert_true(btz_seal_is_current(s, btz_buf_slice(&now)));
    assert_opens(s, btz_buf_slice(&old), "old");
    /* A handle that was open before opens what is new, and seals under the new key. */
    assert_ok(btz_seal(other, ABOUT, btz_str("other"), &by_other));
    assert_true(btz_seal_is_current(s, btz_buf_slice(&by_other)));
    assert_opens(other, btz_buf_slice(&now), "new");
    assert_ok(btz_seal_forget(s));
    assert_shut(s, ABOUT, btz_buf_slice(&old), BTZ_DENIED);
    assert_shut(other, ABOUT, btz_buf_slice(&old), BTZ_DENIED);
    assert_opens(other, btz_buf_slice(&by_other), "other");
    btz_seal_derive(s, "pepper", after);
    assert_memory_equal(before, after, 32);
    btz_seal_derive(s, "trail", after);
    assert_memory_not_equal(before, after, 32);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    btz_seal_close(other);
    btz_seal_close(s);
    s = open_seal(file);
    assert_opens(s, btz_buf_slice(&now), "new");
    btz_seal_derive(s, "pepper", after);
    assert_memory_equal(before, after, 32);
    for (int i = 1; i < BTZ_RING_KEYS; i++)
        assert_ok(btz_seal_rotate(s));
    assert_err(btz_seal_rotate(s), BTZ_LIMIT);
    assert_opens(s, btz_buf_slice(&now), "new");
    btz_seal_close(s);
}

static void test_environment_key(void **state)
{
    static const char *const bad[] = { "00",        ENV_KEY "0", ENV_KEY ",",         "," ENV_KEY,
                                       ENV_KEY " ", "g" ENV_KEY, ENV_KEY ";" ENV_KEY2 };
    BTZ_BUF_RELEASE struct btz_buf old = BTZ_BUF(1000);
    BTZ_BUF_RELEASE struct btz_buf now = BTZ_BUF(1000);
    BTZ_FREE char *file = key_file("environment");
    uint8_t a[32], b[32];
    struct btz_seal *s;
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        assert_err(btz_seal_open(file, bad[i], &s), BTZ_INPUT);
        assert_null(strstr(btz_error_detail(), "0102"));
    }
    assert_ok(btz_seal_open(file, ENV_KEY, &s));
    assert_int_not_equal(access(file, F_OK), 0);
    assert_ok(btz_seal(s, ABOUT, btz_str("old"), &old));
    btz_seal_derive(s, "pepper", a);
    assert_err(btz_seal_rotate(s), BTZ_UNSUPPORTED);
    assert_err(btz_seal_forget(s), BTZ_UNSUPPORTED);
    btz_seal_close(s);
    /* Another process with the same key: the same everything. */
    assert_ok(btz_seal_open(file, ENV_KEY, &s));
    assert_opens(s, btz_buf_slice(&old), "old");
    btz_seal_derive(s, "pepper", b);
    assert_memory_equal(a, b, 32);
    btz_seal_close(s);
    assert_ok(btz_seal_open(file, ENV_KEY2, &s));
    assert_shut(s, ABOUT, btz_buf_slice(&old), BTZ_DENIED);
    btz_seal_derive(s, "pepper", b);
    assert_memory_not_equal(a, b, 32);
    btz_seal_close(s);
    /* The new key in front of the old. */
    assert_ok(btz_seal_open(file, ENV_KEY2 "," ENV_KEY, &s));
    assert_opens(s, btz_buf_slice(&old), "old");
    assert_false(btz_seal_is_current(s, btz_buf_slice(&old)));
    assert_ok(btz_seal(s, ABOUT, btz_str("new"), &now));
    assert_true(btz_seal_is_current(s, btz_buf_slice(&now)));
    btz_seal_derive(s, "pepper", b);
    assert_memory_equal(a, b, 32);
    btz_seal_close(s);
}

/* ---- several processes ---- */

static void wait_for(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_made_at_once(void **state)
{
    enum { PROCESSES = 6, ROUNDS = 10 };
    (void)state;

    for (int round = 0; round < ROUNDS; round++) {
        char name[16];
        pid_t child[PROCESSES];
        int from[2];
        uint8_t first[32], next[32];

        snprintf(name, sizeof name, "once%d", round);
        BTZ_FREE char *file = key_file(name);
        assert_int_equal(pipe(from), 0);
        for (int i = 0; i < PROCESSES; i++) {
            child[i] = fork();
            assert_true(child[i] >= 0);
            if (child[i] == 0) {
                struct btz_seal *s;

                if (btz_seal_open(file, NULL, &s) != BTZ_OK)
                    _exit(1);
                btz_seal_derive(s, "pepper", next);
                _exit(write(from[1], next, 32) == 32 ? 0 : 2);
            }
        }
        for (int i = 0; i < PROCESSES; i++)
            wait_for(child[i]);
        assert_int_equal(read(from[0], first, 32), 32);
        for (int i = 1; i < PROCESSES; i++) {
            assert_int_equal(read(from[0], next, 32), 32);
            assert_memory_equal(first, next, 32);
        }
        close(from[0]);
        close(from[1]);
    }
}

/* No rotation is lost, and what each sealed between opens at the end. */
static void test_rotated_at_once(void **state)
{
    enum { PROCESSES = 5, TIMES = 3 };
    BTZ_FREE char *file = key_file("rotated");
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct btz_seal *s = open_seal(file);
    pid_t child[PROCESSES];
    struct btz_ring ring;
    int from[2];
    (void)state;

    assert_int_equal(pipe(from), 0);
    for (int i = 0; i < PROCESSES; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) {
            struct btz_seal *mine = NULL;

            if (btz_seal_open(file, NULL, &mine) != BTZ_OK)
                _exit(1);
            for (int n = 0; n < TIMES; n++) {
                BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1000);

                if (btz_seal_rotate(mine) != BTZ_OK ||
                    btz_seal(mine, ABOUT, btz_str("x"), &sealed) != BTZ_OK ||
                    write(from[1], sealed.ptr, sealed.len) != HEAD + NONCE + TAG + 1)
                    _exit(2);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        wait_for(child[i]);
    for (int i = 0; i < PROCESSES * TIMES; i++) {
        uint8_t sealed[HEAD + NONCE + TAG + 1];

        assert_int_equal(read(from[0], sealed, sizeof sealed), sizeof sealed);
        assert_opens(s, btz_slice_of(sealed, sizeof sealed), "x");
    }
    assert_ok(btz_file_read(file, 10000, &text));
    assert_ok(btz_ring_parse(btz_buf_slice(&text), &ring));
    assert_int_equal(ring.count, PROCESSES * TIMES + 1);
    close(from[0]);
    close(from[1]);
    btz_seal_close(s);
}

static int set_up(void **state)
{
    (void)state;
    folder = store_new_folder();
    return sodium_init() < 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_against_openssl),
        cmocka_unit_test(test_hkdf_vectors),
        cmocka_unit_test(test_file_mode),
        cmocka_unit_test(test_damaged_file),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_environment_key),
        cmocka_unit_test(test_made_at_once),
        cmocka_unit_test(test_rotated_at_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
