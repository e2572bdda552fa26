/* Signed notes, verifier keys, checkpoints and cosignatures: published vectors and every single-bit change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ledger/ledger.h"

/* C2SP signed-note.md */
#define FOO_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define FOO_NOTE                                                                                   \
    "This is an example message.\n"                                                                \
    "\n"                                                                                           \
    "\xE2\x80\x94 example.com/foo "                                                                \
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=" \
    "\n"

static void test_vector(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(1000);
    struct btz_vkey key;
    struct btz_note note;
    uint64_t seconds = 1;
    (void)state;
    assert_int_equal(btz_vkey_parse(btz_str(FOO_VKEY), &key), BTZ_OK);
    assert_string_equal(key.name, "example.com/foo");
    assert_memory_equal(key.id, "\x53\x0d\x90\x3a", 4);
    assert_int_equal(btz_vkey_write(&key, &again), BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&again), FOO_VKEY));
    assert_int_equal(btz_note_parse(btz_str(FOO_NOTE), &note), BTZ_OK);
    assert_true(btz_slice_is(note.text, "This is an example message.\n"));
    assert_int_equal(note.count, 1);
    assert_int_equal(btz_note_verify(&note, &key, &seconds), BTZ_OK);
    assert_int_equal(seconds, 0);
}

/* Whatever single bit changes, the note is refused by the parser or by the key. */
static void test_every_bit(void **state)
{
    char copy[sizeof FOO_NOTE];
    struct btz_vkey key;
    (void)state;
    assert_int_equal(btz_vkey_parse(btz_str(FOO_VKEY), &key), BTZ_OK);
    for (size_t bit = 0; bit < 8 * (sizeof FOO_NOTE - 1); bit++) {
        struct btz_note note;

        memcpy(copy, FOO_NOTE, sizeof copy);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        if (btz_note_parse(btz_slice_of(copy, sizeof copy - 1), &note) == BTZ_OK)
            assert_int_equal(btz_note_verify(&note, &key, NULL), BTZ_DENIED);
    }
    for (size_t cut = 0; cut < sizeof FOO_NOTE - 1; cut++) {
        struct btz_note note;

        if (btz_note_parse(btz_slice_of(FOO_NOTE, cut), &note) == BTZ_OK)
            assert_int_equal(btz_note_verify(&note, &key, NULL), BTZ_DENIED);
    }
}

static void test_every_bit_of_key(void **state)
{
    char copy[sizeof FOO_VKEY];
    (void)state;
    for (size_t bit = 0; bit < 8 * (sizeof FOO_VKEY - 1); bit++) {
        struct btz_vkey key;

        memcpy(copy, FOO_VKEY, sizeof copy);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        assert_int_not_equal(btz_vkey_parse(btz_slice_of(copy, sizeof copy - 1), &key), BTZ_OK);
    }
}

/* One text for each value: no other byte stands for a letter of the alphabet, and no bits are left over. */
static void test_base64_is_strict(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(100);
    unsigned accepted = 0;
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t text[4] = { 'A', (uint8_t)byte, 'A', 'A' };

        accepted += btz_base64_decode(btz_slice_of(text, 4), &out) == BTZ_OK;
        btz_buf_clear(&out);
    }
    assert_int_equal(accepted, 64);
    assert_int_equal(btz_base64_decode(btz_str("AB=="), &out), BTZ_INPUT);
    assert_int_equal(btz_base64_decode(btz_str("AA="), &out), BTZ_INPUT);
    assert_int_equal(btz_base64_decode(btz_str("AA"), &out), BTZ_INPUT);
}

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n\nno dash\n",
        "text\n\n\xE2\x80\x94 name\n",
        "text\n\n\xE2\x80\x94 name \n",
        "text\n\n\xE2\x80\x94 name AAAA\n",
        "text\n\n\xE2\x80\x94 name AAAAAAA\n",
        "text\n\n\xE2\x80\x94 name AAAAAAB=\n", /* bits left over */
        "text\n\n\xE2\x80\x94  AAAAAAA=\n",
        "text\n\n\xE2\x80\x94 na+me AAAAAAA=\n",
        "text\n\n\xE2\x80\x94 na\xC2\xA0me AAAAAAA=\n",
        "text\n\n\xE2\x80\x94 name AAAAAAA= \n",
        "text\n\n\xE2\x80\x94 name AAAAAAA=",
        "te\txt\n\n\xE2\x80\x94 name AAAAAAA=\n",
        "te\rxt\n\n\xE2\x80\x94 name AAAAAAA=\n",
        "te\xFFxt\n\n\xE2\x80\x94 name AAAAAAA=\n",
    };
    struct btz_note note;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (btz_note_parse(btz_str(bad[i]), &note) != BTZ_INPUT)
            fail_msg("accepted malformed note %zu", i);
    assert_int_equal(btz_note_parse(btz_str("a\n\nb\n\n\xE2\x80\x94 name AAAAAAA=\n"), &note),
                     BTZ_OK);
    assert_true(btz_slice_is(note.text, "a\n\nb\n"));
}

static void test_many_signatures(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_NOTE_MAX);
    struct btz_skey key, other;
    struct btz_note note;
    size_t text;
    (void)state;
    assert_int_equal(btz_skey_new("log.example", BTZ_KEY_ED25519, &key), BTZ_OK);
    assert_int_equal(btz_skey_new("log.example", BTZ_KEY_ED25519, &other), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&bytes, "hello\n\n"), BTZ_OK);
    text = bytes.len - 1;
    /* Unknown signers, some with a post-quantum signature's length, are ignored. */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(btz_buf_printf(&bytes, "\xE2\x80\x94 unknown.example/%d ", i), BTZ_OK);
        for (int j = 0; j < 1000; j++)
            assert_int_equal(btz_buf_add_str(&bytes, "AbCd"), BTZ_OK);
        assert_int_equal(btz_buf_add_byte(&bytes, '\n'), BTZ_OK);
    }
    assert_int_equal(btz_note_parse(btz_buf_slice(&bytes), &note), BTZ_OK);
    assert_int_equal(btz_note_verify(&note, &key.vkey, NULL), BTZ_DENIED);
    assert_int_equal(btz_buf_reserve(&bytes, 4096), BTZ_OK);
    assert_int_equal(btz_note_sign(btz_slice_of(bytes.ptr, text), &key, 0, &bytes), BTZ_OK);
    assert_int_equal(btz_note_parse(btz_buf_slice(&bytes), &note), BTZ_OK);
    assert_int_equal(note.count, 21);
    assert_int_equal(btz_note_verify(&note, &key.vkey, NULL), BTZ_OK);
    /* The same name with another key is another key. */
    assert_int_equal(btz_note_verify(&note, &other.vkey, NULL), BTZ_DENIED);
    /* One more line of the known key that fails spoils the note. */
    assert_int_equal(btz_note_sign(btz_str("something else\n"), &key, 0, &bytes), BTZ_OK);
    assert_int_equal(btz_note_parse(btz_buf_slice(&bytes), &note), BTZ_OK);
    assert_int_equal(btz_note_verify(&note, &key.vkey, NULL), BTZ_DENIED);
    for (int i = 0; i < 60; i++)
        assert_int_equal(btz_buf_add_str(&bytes, "\xE2\x80\x94 name AAAAAAA=\n"), BTZ_OK);
    assert_int_equal(btz_note_parse(btz_buf_slice(&bytes), &note), BTZ_LIMIT);
}

static void test_keys(void **state)
{
    static const enum btz_key_kind kinds[] = { BTZ_KEY_ED25519, BTZ_KEY_COSIGN };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1000);
        struct btz_skey key, again;

        assert_int_equal(btz_skey_new("caf\xC3\xA9.example/log", kinds[i], &key), BTZ_OK);
        assert_int_equal(btz_skey_write(&key, &text), BTZ_OK);
        assert_int_equal(btz_skey_parse(btz_buf_slice(&text), &again), BTZ_OK);
        assert_memory_equal(key.secret, again.secret, sizeof key.secret);
        assert_memory_equal(key.vkey.id, again.vkey.id, 4);
        assert_int_equal(again.vkey.kind, kinds[i]);
        text.ptr[20] ^= 1;
        assert_int_not_equal(btz_skey_parse(btz_buf_slice(&text), &again), BTZ_OK);
        btz_skey_wipe(&key);
        assert_int_equal(key.seed[0] | key.seed[31] | key.secret[0], 0);
    }
    {
        struct btz_skey key;

        assert_int_equal(btz_skey_new("", BTZ_KEY_ED25519, &key), BTZ_USAGE);
        assert_int_equal(btz_skey_new("a b", BTZ_KEY_ED25519, &key), BTZ_USAGE);
        assert_int_equal(btz_skey_new("a+b", BTZ_KEY_ED25519, &key), BTZ_USAGE);
        assert_int_equal(btz_skey_new("a\nb", BTZ_KEY_ED25519, &key), BTZ_USAGE);
    }
    {
        struct btz_vkey key;

        assert_int_equal(btz_vkey_parse(btz_str("a+00000000+Ag=="), &key), BTZ_UNSUPPORTED);
        assert_int_equal(btz_vkey_parse(btz_str("a+00000000+AQ=="), &key), BTZ_INPUT);
        assert_int_equal(btz_vkey_parse(btz_str("a+0000000+AQ=="), &key), BTZ_INPUT);
        assert_int_equal(btz_vkey_parse(btz_str("a+"), &key), BTZ_INPUT);
        assert_int_equal(btz_vkey_parse(btz_str(""), &key), BTZ_INPUT);
    }
}

static void test_cosignature(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_NOTE_MAX), bare = BTZ_BUF(BTZ_NOTE_MAX);
    struct btz_skey log, witness;
    struct btz_note note;
    uint64_t seconds = 0;
    size_t text, line;
    (void)state;
    assert_int_equal(btz_skey_new("log.example", BTZ_KEY_ED25519, &log), BTZ_OK);
    assert_int_equal(btz_skey_new("witness.example", BTZ_KEY_COSIGN, &witness), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&bytes, "log.example\n1\nroot\n"), BTZ_OK);
    text = bytes.len;
    assert_int_equal(btz_buf_add_byte(&bytes, '\n'), BTZ_OK);
    assert_int_equal(btz_buf_reserve(&bytes, 4096), BTZ_OK);
    assert_int_equal(btz_note_sign(btz_slice_of(bytes.ptr, text), &log, 77, &bytes), BTZ_OK);
    line = bytes.len;
    assert_int_equal(btz_note_sign(btz_slice_of(bytes.ptr, text), &witness, 1679315147, &bytes),
                     BTZ_OK);
    assert_int_equal(btz_note_parse(btz_buf_slice(&bytes), &note), BTZ_OK);
    assert_int_equal(btz_note_verify(&note, &log.vkey, &seconds), BTZ_OK);
    assert_int_equal(seconds, 0);
    assert_int_equal(btz_note_verify(&note, &witness.vkey, &seconds), BTZ_OK);
    assert_int_equal(seconds, 1679315147);
    /* What is signed, put together by hand, under the same key as a plain one. */
    {
        struct btz_buf message = BTZ_BUF(1000);
        struct btz_skey plain = witness;
        BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(1000), expected = BTZ_BUF(1000);

        plain.vkey.kind = BTZ_KEY_ED25519;
        assert_int_equal(btz_buf_add_str(&message, "cosignature/v1\ntime 1679315147\n"
                                                   "log.example\n1\nroot\n"),
                         BTZ_OK);
        assert_int_equal(btz_note_sign(btz_buf_slice(&message), &plain, 0, &bare), BTZ_OK);
        assert_int_equal(btz_note_parse(btz_buf_slice(&bytes), &note), BTZ_OK);
        assert_int_equal(btz_base64_decode(note.signature[1].base64, &raw), BTZ_OK);
        assert_int_equal(raw.len, 4 + 8 + 64);
        assert_memory_equal(raw.ptr + 4, "\0\0\0\0\x64\x18\x50\xCB", 8);
        assert_int_equal(btz_base64_decode(btz_slice_sub(btz_buf_slice(&bare),
                                                         4 + strlen("witness.example") + 1, 92),
                                           &expected),
                         BTZ_OK);
        assert_memory_equal(raw.ptr + 12, expected.ptr + 4, 64);
        btz_buf_release(&message);
    }
    /* A changed time is a failed cosignature. */
    bytes.ptr[line + 4 + strlen("witness.example ") + 12]++;
    if (btz_note_parse(btz_buf_slice(&bytes), &note) == BTZ_OK)
        assert_int_equal(btz_note_verify(&note, &witness.vkey, NULL), BTZ_DENIED);
}

static void test_checkpoints(void **state)
{
    static const char good[] = "example.com/behind-the-sofa\n20852163\n"
                               "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    static const char *const bad[] = {
        "",
        "origin\n",
        "origin\n1\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n18446744073709551616\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        "origin\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nx\n\ny\n",
    };
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(1000);
    struct btz_checkpoint c;
    (void)state;
    assert_int_equal(btz_checkpoint_parse(btz_str(good), &c), BTZ_OK);
    assert_int_equal(c.size, 20852163);
    assert_true(btz_slice_is(c.origin, "example.com/behind-the-sofa"));
    assert_int_equal(btz_checkpoint_write("example.com/behind-the-sofa", c.size, &c.root, &again),
                     BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&again), good));
    assert_int_equal(btz_buf_add_str(&again, "extension\n"), BTZ_OK);
    assert_int_equal(btz_checkpoint_parse(btz_buf_slice(&again), &c), BTZ_OK);
    assert_true(btz_slice_is(c.extensions, "extension\n"));
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (btz_checkpoint_parse(btz_str(bad[i]), &c) != BTZ_INPUT)
            fail_msg("accepted malformed checkpoint %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),      cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_every_bit),   cmocka_unit_test(test_every_bit_of_key),
        cmocka_unit_test(test_malformed),   cmocka_unit_test(test_many_signatures),
        cmocka_unit_test(test_keys),        cmocka_unit_test(test_cosignature),
        cmocka_unit_test(test_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
