/* CBOR (RFC 8949) of authenticators: libcbor behind a scan that bounds what it may be asked to allocate. */
#ifndef BTZ_FEDERATION_CBOR_H
#define BTZ_FEDERATION_CBOR_H

#include <cbor.h>

#include "base/base.h"

#define BTZ_CBOR_DEPTH 8
#define BTZ_CBOR_ITEMS 1024

/* One item at the start of `in`, in the form that CTAP2 prescribes as far as readers must care: definite lengths, no tags,
 * keys of maps integers or texts and each one once. `used`: its bytes. The caller owns *out (cbor_decref). */
BTZ_CHECKED enum btz_err btz_cbor_load(struct btz_slice in, const char *what, size_t *used,
                                       cbor_item_t **out);
/* Members of a map; NULL when absent. */
const cbor_item_t *btz_cbor_text_member(const cbor_item_t *map, const char *key);
const cbor_item_t *btz_cbor_int_member(const cbor_item_t *map, int64_t key);
/* False when it is of another kind. */
bool btz_cbor_int(const cbor_item_t *item, int64_t *out);
bool btz_cbor_bytes(const cbor_item_t *item, struct btz_slice *out);
bool btz_cbor_text(const cbor_item_t *item, struct btz_slice *out);

void btz_cbor_drop(cbor_item_t **item);
#define BTZ_CBOR __attribute__((cleanup(btz_cbor_drop)))

#endif
