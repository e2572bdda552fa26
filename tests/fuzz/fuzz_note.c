/* Signed notes, keys and checkpoints from strangers. Whatever parses is written back and parses to the same. */
#include <stdlib.h>

#include "ledger/ledger.h"

#define FOO_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void keys(struct btz_slice in)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(10000);
    struct btz_vkey key, again;
    struct btz_skey secret;

    if (btz_vkey_parse(in, &key) == BTZ_OK) {
        check(btz_vkey_write(&key, &text) == BTZ_OK);
        check(btz_slice_equal(btz_buf_slice(&text), btz_slice_trim(in)));
        check(btz_vkey_parse(btz_buf_slice(&text), &again) == BTZ_OK);
    }
    btz_buf_clear(&text);
    if (btz_skey_parse(in, &secret) == BTZ_OK) {
        check(btz_skey_write(&secret, &text) == BTZ_OK);
        check(btz_slice_equal(btz_buf_slice(&text), btz_slice_trim(in)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data, size);
    struct btz_checkpoint c;
    struct btz_vkey key;
    static struct btz_note note;

    keys(in);
    if (btz_checkpoint_parse(in, &c) == BTZ_OK && c.extensions.len == 0 && c.origin.len < 200) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(10000);
        char origin[200];

        memcpy(origin, c.origin.ptr, c.origin.len);
        origin[c.origin.len] = '\0';
        check(btz_checkpoint_write(origin, c.size, &c.root, &text) == BTZ_OK);
        if (strlen(origin) == c.origin.len)
            check(btz_slice_equal(btz_buf_slice(&text), in));
    }
    if (btz_note_parse(in, &note) != BTZ_OK)
        return 0;
    check(note.count > 0 && note.count <= BTZ_NOTE_SIGNATURES);
    check(note.text.ptr == data && note.text.ptr[note.text.len - 1] == '\n');
    check(btz_vkey_parse(btz_str(FOO_VKEY), &key) == BTZ_OK);
    /* The only text this key ever signed. */
    if (btz_note_verify(&note, &key, NULL) == BTZ_OK)
        check(btz_slice_is(note.text, "This is an example message.\n"));
    key.kind = BTZ_KEY_COSIGN;
    check(btz_note_verify(&note, &key, NULL) != BTZ_OK);
    return 0;
}
