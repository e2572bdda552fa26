/* The scan before libcbor, which would believe a length of 2^40 items. */
#include "access/federation/cbor.h"

struct scan {
    struct btz_reader in;
    size_t items;
};

/* Argument of a head: RFC 8949 section 3. */
static enum btz_err scan_argument(struct scan *s, uint8_t info, uint64_t *out)
{
    uint8_t b;
    uint16_t h;
    uint32_t w;

    switch (info) {
    case 24:
        BTZ_TRY(btz_read_u8(&s->in, &b));
        *out = b;
        return BTZ_OK;
    case 25:
        BTZ_TRY(btz_read_be16(&s->in, &h));
        *out = h;
        return BTZ_OK;
    case 26:
        BTZ_TRY(btz_read_be32(&s->in, &w));
        *out = w;
        return BTZ_OK;
    case 27:
        return btz_read_be64(&s->in, out);
    default:
        if (info > 27)
            return btz_fail(BTZ_INPUT, "%s: CBOR of indefinite length or a reserved form",
                            s->in.what);
        *out = info;
        return BTZ_OK;
    }
}

static enum btz_err scan_item(struct scan *s, unsigned depth);

static enum btz_err scan_many(struct scan *s, uint64_t count, unsigned depth)
{
    if (depth >= BTZ_CBOR_DEPTH)
        return btz_fail(BTZ_LIMIT, "%s: CBOR nested deeper than %d levels", s->in.what,
                        BTZ_CBOR_DEPTH);
    if (count > s->in.in.len - s->in.at) /* an item has a byte at least */
        return btz_fail(BTZ_INPUT, "%s: CBOR is cut short", s->in.what);
    for (uint64_t i = 0; i < count; i++)
        BTZ_TRY(scan_item(s, depth + 1));
    return BTZ_OK;
}

static enum btz_err scan_item(struct scan *s, unsigned depth)
{
    struct btz_slice bytes;
    uint64_t n;
    uint8_t head;

    if (++s->items > BTZ_CBOR_ITEMS)
        return btz_fail(BTZ_LIMIT, "%s: more than %d CBOR items", s->in.what, BTZ_CBOR_ITEMS);
    BTZ_TRY(btz_read_u8(&s->in, &head));
    BTZ_TRY(scan_argument(s, head & 31, &n));
    switch (head >> 5) {
    case 0:
    case 1:
        return n <= INT64_MAX ? BTZ_OK
                              : btz_fail(BTZ_LIMIT, "%s: a CBOR number too large", s->in.what);
    case 2:
    case 3:
        if (n > s->in.in.len - s->in.at)
            return btz_fail(BTZ_INPUT, "%s: CBOR is cut short", s->in.what);
        BTZ_TRY(btz_read_bytes(&s->in, (size_t)n, &bytes));
        return head >> 5 == 2 || btz_is_utf8(bytes)
                   ? BTZ_OK
                   : btz_fail(BTZ_INPUT, "%s: CBOR text is not UTF-8", s->in.what);
    case 4:
        return scan_many(s, n, depth);
    case 5:
        return n > SIZE_MAX / 2 ? btz_fail(BTZ_INPUT, "%s: CBOR is cut short", s->in.what)
                                : scan_many(s, 2 * n, depth);
    case 6:
        return btz_fail(BTZ_INPUT, "%s: CBOR tags are not expected", s->in.what);
    default: /* false, true, null, and floats, whose bytes are the argument */
        return (head & 31) == 24 ? btz_fail(BTZ_INPUT, "%s: an unknown simple value", s->in.what)
                                 : BTZ_OK;
    }
}

/* ---- items ---- */

void btz_cbor_drop(cbor_item_t **item)
{
    if (*item)
        cbor_decref(item);
}

bool btz_cbor_int(const cbor_item_t *item, int64_t *out)
{
    if (!item || !cbor_is_int(item))
        return false;
    *out = (int64_t)cbor_get_int(item);
    if (cbor_isa_negint(item))
        *out = -1 - *out;
    return true;
}

bool btz_cbor_bytes(const cbor_item_t *item, struct btz_slice *out)
{
    if (!item || !cbor_isa_bytestring(item))
        return false;
    *out = btz_slice_of(cbor_bytestring_handle(item), cbor_bytestring_length(item));
    return true;
}

bool btz_cbor_text(const cbor_item_t *item, struct btz_slice *out)
{
    if (!item || !cbor_isa_string(item))
        return false;
    *out = btz_slice_of(cbor_string_handle(item), cbor_string_length(item));
    return true;
}

const cbor_item_t *btz_cbor_text_member(const cbor_item_t *map, const char *key)
{
    struct btz_slice name;

    for (size_t i = 0; map && cbor_isa_map(map) && i < cbor_map_size(map); i++)
        if (btz_cbor_text(cbor_map_handle(map)[i].key, &name) && btz_slice_is(name, key))
            return cbor_map_handle(map)[i].value;
    return NULL;
}

const cbor_item_t *btz_cbor_int_member(const cbor_item_t *map, int64_t key)
{
    int64_t number;

    for (size_t i = 0; map && cbor_isa_map(map) && i < cbor_map_size(map); i++)
        if (btz_cbor_int(cbor_map_handle(map)[i].key, &number) && number == key)
            return cbor_map_handle(map)[i].value;
    return NULL;
}

static bool same_key(const cbor_item_t *a, const cbor_item_t *b)
{
    struct btz_slice ta, tb;
    int64_t ia, ib;

    if (btz_cbor_text(a, &ta))
        return btz_cbor_text(b, &tb) && btz_slice_equal(ta, tb);
    return btz_cbor_int(a, &ia) && btz_cbor_int(b, &ib) && ia == ib;
}

/* Depth is bounded by the scan. */
static bool keys_are_unique(const cbor_item_t *item)
{
    if (cbor_isa_array(item)) {
        for (size_t i = 0; i < cbor_array_size(item); i++)
            if (!keys_are_unique(cbor_array_handle(item)[i]))
                return false;
        return true;
    }
    if (!cbor_isa_map(item))
        return true;
    for (size_t i = 0; i < cbor_map_size(item); i++) {
        const struct cbor_pair *pair = &cbor_map_handle(item)[i];

        if ((!cbor_is_int(pair->key) && !cbor_isa_string(pair->key)) ||
            !keys_are_unique(pair->value))
            return false;
        for (size_t k = 0; k < i; k++)
            if (same_key(pair->key, cbor_map_handle(item)[k].key))
                return false;
    }
    return true;
}

enum btz_err btz_cbor_load(struct btz_slice in, const char *what, size_t *used, cbor_item_t **out)
{
    struct scan s = { .in = { .in = in, .what = what } };
    struct cbor_load_result result;
    cbor_item_t *item;

    BTZ_TRY(scan_item(&s, 0));
    item = cbor_load(in.ptr, s.in.at, &result);
    if (!item)
        return btz_fail(BTZ_INPUT, "%s: not CBOR", what);
    if (result.read != s.in.at || !keys_are_unique(item)) {
        cbor_decref(&item);
        return btz_fail(BTZ_INPUT, "%s: CBOR maps have integers or texts as keys, each one once",
                        what);
    }
    *used = s.in.at;
    *out = item;
    return BTZ_OK;
}
