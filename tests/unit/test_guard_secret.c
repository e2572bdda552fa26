/* The forms of keys, passwords and tokens. All are put together here: none stands in this file. */
#include "guard_kinds.h"

#include "access/identity.h"
#include "gate/guard/detectors/secret_rules.h"

/* `n` characters of a set, by chance but with the entropy of chance. */
static void add_random(struct btz_rng *rng, struct btz_buf *out, const char *set, size_t n)
{
    size_t have = strlen(set);

    for (size_t i = 0; i < n; i++)
        assert_int_equal(btz_buf_add_byte(out, (uint8_t)set[btz_rng_below(rng, (uint32_t)have)]),
                         BTZ_OK);
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define HEX   "0123456789abcdef"

/* The forms are those that the vendors publish and gitleaks.toml lists. */
static void test_vendor_keys(void **state)
{
    static const struct {
        const char *prefix, *set, *kind;
        size_t n;
    } v[] = {
        { "AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "aws-access-key", 16 },
        { "ghp_", ALNUM, "github-token", 36 },
        { "github_pat_", ALNUM "_", "github-token", 82 },
        { "glpat-", ALNUM, "gitlab-token", 20 },
        { "sk_live_", ALNUM, "stripe-key", 24 },
        { "sk-ant-api03-", ALNUM, "anthropic-key", 95 },
        { "AIza", ALNUM, "google-api-key", 35 },
        { "npm_", ALNUM, "npm-token", 36 },
        { "hf_", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "huggingface-token", 34 },
        { "dop_v1_", HEX, "digitalocean-token", 64 },
        { "shpat_", HEX, "shopify-token", 32 },
        { "SG.", ALNUM, "sendgrid-token", 66 },
        { "xoxb-", "0123456789", "slack-token", 24 },
        { "pypi-AgEIcHlwaS5vcmc", ALNUM "_-", "pypi-token", 90 },
        { "AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", "age-secret-key", 58 },
        { "lin_api_", ALNUM, "linear-key", 40 },
        { "rubygems_", HEX, "rubygems-token", 48 },
        { "pplx-", ALNUM, "perplexity-key", 48 },
        { "hvs.", ALNUM "_-", "vault-token", 95 },
    };
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 21, 4);
    for (size_t i = 0; i < BTZ_COUNT(v); i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
        const char *got;

        assert_int_equal(btz_buf_printf(&text, "key: %s", v[i].prefix), BTZ_OK);
        add_random(&rng, &text, v[i].set, v[i].n - 1);
        assert_int_equal(
            btz_buf_add_str(
                &text, "q7, and more"[0] == 'q' && strcmp(v[i].set, HEX)
                           ? (strcmp(v[i].prefix, "AKIA") && strcmp(v[i].prefix, "AGE-SECRET-KEY-1")
                                  ? "q, and more"
                                  : "Q, and more")
                           : "a, and more"),
            BTZ_OK);
        got = kinds(BTZ_CHANNEL_USER, "secret", btz_buf_slice(&text));
        if (!strstr(got, v[i].kind) && strcmp(v[i].prefix, "xoxb-") != 0)
            fail_msg("%.*s: found \"%s\", not \"%s\"", BTZ_SLICE_ARG(btz_buf_slice(&text)), got,
                     v[i].kind);
        /* In a word, or without chance, it is none. */
        btz_buf_clear(&text);
        assert_int_equal(btz_buf_printf(&text, "see %s", v[i].prefix), BTZ_OK);
        for (size_t k = 0; k < v[i].n; k++)
            assert_int_equal(btz_buf_add_byte(&text, 'x'), BTZ_OK);
        got = kinds(BTZ_CHANNEL_USER, "secret", btz_buf_slice(&text));
        assert_string_equal(got, "");
    }
}

/* A body of `n` bytes of a set, with digits and letters in it. */
static void add_body(struct btz_rng *rng, struct btz_buf *out, enum btz_secret_set set, size_t n)
{
    static const char *const of[BTZ_SET_COUNT] = {
        [BTZ_SET_ALNUM] = ALNUM,
        [BTZ_SET_WORD] = ALNUM,
        [BTZ_SET_TOKEN] = ALNUM,
        [BTZ_SET_DOTTED] = ALNUM,
        [BTZ_SET_HEX] = "0123456789abcdef",
        [BTZ_SET_BASE64] = ALNUM,
        [BTZ_SET_UPPER] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        [BTZ_SET_LOWER] = "abcdefghijklmnopqrstuvwxyz0123456789",
        [BTZ_SET_ALPHA] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [BTZ_SET_BASE32] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        [BTZ_SET_UUID] = "0123456789abcdef",
    };
    bool upper = set == BTZ_SET_UPPER || set == BTZ_SET_BASE32;

    assert_int_equal(btz_buf_add_str(out, upper ? "A2B3C4D5" : "a2b3c4d5"), BTZ_OK);
    add_random(rng, out, of[set], n - 8);
}

/* Words joined to a key, at either end, and markup within it, do not hide it. */
static void test_glued_secrets(void **state)
{
    static const char *const forms[][2] = { { "thekey", ", x" },
                                            { "see ", "zzQ, and" },
                                            { "_", "zz x" },
                                            { "\u5BC6\u94A5", "." },
                                            { "\u043A\u043B\u044E\u0447", "" } };
    struct btz_rng rng;
    size_t seen = 0;

    (void)state;
    btz_rng_init(&rng, 14, 1);
    for (size_t i = 0; i < btz_secret_rule_count; i++) {
        const struct btz_secret_rule *r = &btz_secret_rules[i];

        if (r->part || r->set == BTZ_SET_ALPHA || strcmp(r->prefix, "btz_") == 0 ||
            strlen(r->prefix) < 3 || strchr(":._", r->prefix[0]) || r->min < 16 || r->max > 320)
            continue;
        for (size_t f = r->glued ? 0 : 3; f <= BTZ_COUNT(forms); f++) {
            BTZ_BUF_RELEASE struct btz_buf key = BTZ_BUF(4096), text = BTZ_BUF(8192);
            const char *got;
            size_t n = strlen(r->prefix);

            assert_int_equal(btz_buf_add_str(&key, r->prefix), BTZ_OK);
            add_body(&rng, &key, r->set, f == 1 || f == 2 ? r->max : r->min);
            if (f < BTZ_COUNT(forms))
                assert_int_equal(btz_buf_printf(&text, "%s%.*s%s", forms[f][0],
                                                BTZ_SLICE_ARG(btz_buf_slice(&key)), forms[f][1]),
                                 BTZ_OK);
            else /* cut by markup */
                assert_int_equal(
                    btz_buf_printf(&text, "a %.*s<b>%.3s**%.2s\033[0m%.*s</b> b", (int)n + 5,
                                   (const char *)key.ptr, (const char *)key.ptr + n + 5,
                                   (const char *)key.ptr + n + 8, (int)(key.len - n - 10),
                                   (const char *)key.ptr + n + 10),
                    BTZ_OK);
            got = kinds(BTZ_CHANNEL_USER, "secret", btz_buf_slice(&text));
            if (!strstr(got, r->kind))
                fail_msg("%s, form %zu: \"%.*s\": found \"%s\"", r->kind, f,
                         BTZ_SLICE_ARG(btz_buf_slice(&text)), got);
            seen++;
        }
    }
    assert_true(seen > 400);
}

/* 3 MB of images, digests and ids, as they stand in texts: chance makes no key. */
static void test_blobs_are_no_secrets(void **state)
{
    static const char *const sets[] = {
        ALNUM "+/",         ALNUM "-_",         "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "0123456789abcdef", "0123456789ABCDEF", ALNUM
    };
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 15, 1);
    for (size_t i = 0; i < 6 * BTZ_COUNT(sets); i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
        size_t word = i / 6 == 0 ? 80000 : 16 + btz_rng_below(&rng, 80);

        while (text.len < 80000) {
            add_random(&rng, &text, sets[i % 6], word);
            assert_int_equal(btz_buf_add_str(&text, i % 2 ? " task-" : "\nid: "), BTZ_OK);
        }
        assert_string_equal(kinds(BTZ_CHANNEL_USER, "secret", btz_buf_slice(&text)), "");
    }
}

static void test_own_keys(void **state)
{
    char key[BTZ_KEY_TEXT];

    (void)state;
    btz_key_new(key);
    assert_string_equal(kinds(BTZ_CHANNEL_USER, "secret", btz_str(key)), "bartizan-key");
    key[10] = key[10] == 'a' ? 'b' : 'a'; /* the checksum does not fit */
    assert_string_equal(kinds(BTZ_CHANNEL_USER, "secret", btz_str(key)), "");
}

static void test_other_secrets(void **state)
{
    static const struct vector v[] = {
        { "password = Tr0ub4dor&3xyz", "password" },
        { "{\"db_password\": \"c0rrect-h0rse\"}", "password" },
        { "export API_KEY='9f8e7d6c5b4a39281706'", "password" },
        { "postgres://app:s3cr3tpw@db.example.net/x", "url-password" },
        { "https://example.com:8443/a@b", "" },
        { "password: the field is required", "" },
        { "Your password must have 12 characters", "" },
        { "password = os.environ[\"PW1\"]", "" },
        { "password=<your-password-1>", "" },
        { "token: string", "" },
        { "token_count = 4096", "" },
        { "secret: ${SECRET_1}", "" },
        { "DATADOG_API_KEY=3f2a9c81d7b64e05a1c8f93b27d6e450abcdef12", "password,vendor-key" },
        { "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_"
          "XgL0n3I9PlFUP0THsR8U",
          "jwt" },
        { "Authorization: Bearer abcDEF123456ghiJKL789", "bearer-token" },
        { "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END "
          "PUBLIC KEY-----",
          "" },
        { "skip-this and sk-short and AKIA", "" },
        { "The secretary said the token economy works", "" },
        { "max_tokens=4096; tokenizer: cl100k_base;", "" },
        { "secretName: my-tls-secret-2024", "" },
        { "pwd: /home/user/project2/src", "" },
        { "$ pwd > /tmp/out2.txt", "" },
        { "pass # token -> user_id_42", "" },
        { "token: JIRA-12345678 was closed", "" },
        { "md5 token: d41d8cd98f00b204e9800998ecf8427e", "" },
        { "<input name=\"csrf_token\" value=\"3f2a9c1d\">", "" },
        { "primary key secret: customer_id_3", "" },
        { "password1 = Tr0ub4dor&3xyz", "password" },
        { "secretAccessKey: '/9f8E7d6C5B4a3928+1706Qz'", "password" },
        { "token: d41d8cd98f00b204e9800998ecf8427e", "password" },
        { "my_tokeneyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVm"
          "NHl0w5N_XgL0n3I9PlFUP0THsR8U",
          "jwt" },
        { "task-3f2a9c81d7b64e05a1c8f93b27d6e450 disk-3f2a9c81d7b64e05a1c8f93b27d6e450abcdef12",
          "" },
        { "disk_test_performanceOfManyLongNames and msgp_unpack_all_of_it_until_there_is_none_2",
          "" },
        { "SLOVAKIAREPRESENTATIVESALL", "" },
    };
    static const char begin[] = "-----BEGIN ", end[] = "-----END ";
    BTZ_BUF_RELEASE struct btz_buf pem = BTZ_BUF(4096);
    struct btz_rng rng;

    (void)state;
    check(BTZ_CHANNEL_USER, "secret", v, BTZ_COUNT(v));
    btz_rng_init(&rng, 2, 1);
    assert_int_equal(btz_buf_printf(&pem, "%sEC PRIVATE KEY-----\n", begin), BTZ_OK);
    add_random(&rng, &pem, ALNUM "+/", 64);
    assert_int_equal(btz_buf_printf(&pem, "\n%sEC PRIVATE KEY-----\n", end), BTZ_OK);
    assert_string_equal(kinds(BTZ_CHANNEL_USER, "secret", btz_buf_slice(&pem)), "private-key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vendor_keys),          cmocka_unit_test(test_glued_secrets),
        cmocka_unit_test(test_blobs_are_no_secrets), cmocka_unit_test(test_own_keys),
        cmocka_unit_test(test_other_secrets),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
