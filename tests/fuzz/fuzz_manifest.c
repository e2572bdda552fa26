/* Manifests from strangers. What parses is written back with another key and has the same text. */
#include <stdlib.h>

#include "access/vault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(2 * BTZ_MANIFEST_MAX);
    static struct btz_note note, second;
    struct btz_manifest m;
    struct btz_skey key;
    struct btz_arena arena;

    btz_arena_init(&arena, (size_t)8 << 20);
    if (btz_manifest_parse(btz_slice_of(data, size), &arena, &m, &note) == BTZ_OK) {
        uint64_t covered = (uint64_t)m.chunk_count * m.chunk_size;

        check(m.chunk_count <= BTZ_CHUNKS_MAX && covered >= m.size);
        check(m.size == 0 || covered - m.size < m.chunk_size);
        check(btz_skey_new("fuzz", BTZ_KEY_ED25519, &key) == BTZ_OK);
        check(btz_manifest_write(&m, &key, &again) == BTZ_OK);
        check(btz_note_parse(btz_buf_slice(&again), &second) == BTZ_OK);
        check(btz_slice_equal(note.text, second.text));
        check(btz_manifest_open(btz_buf_slice(&again), &key.vkey, &arena, &m) == BTZ_OK);
        /* Nobody else signed for this fresh key. */
        check(btz_manifest_open(btz_slice_of(data, size), &key.vkey, &arena, &m) != BTZ_OK);
        btz_skey_wipe(&key);
    }
    btz_arena_release(&arena);
    return 0;
}
