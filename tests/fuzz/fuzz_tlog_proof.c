/* Proof files. Whatever parses is written back byte for byte; none proves an entry to the key below. */
#include <stdlib.h>

#include "ledger/ledger.h"

#define FOO_VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(1 << 22);
    static struct btz_proof_file file;
    struct btz_slice in = btz_slice_of(data, size);
    struct btz_checkpoint c;
    struct btz_vkey key;

    if (btz_proof_parse(in, &file) != BTZ_OK)
        return 0;
    if (btz_proof_write(&file, &again) != BTZ_OK || !btz_slice_equal(btz_buf_slice(&again), in))
        abort();
    if (btz_vkey_parse(btz_str(FOO_VKEY), &key) != BTZ_OK ||
        btz_proof_check_entry(&file, btz_str("x"), &key, NULL, &c) == BTZ_OK ||
        btz_proof_check_since(&file, file.checkpoint, &key, &c) == BTZ_OK)
        abort();
    return 0;
}
