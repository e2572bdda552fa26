/*
 * .pth of PyTorch. Before 1.6: five pickles (magic, protocol, system, the dictionary, keys of storages), then each storage with
 * its count in front. Since: a zip archive with data.pkl and one file a storage.
 */
#include <stdlib.h>

#include "base/zip.h"
#include "graph/pickle.h"
#include "graph/weights.h"

#define PICKLE_MEMORY (256 << 20)
#define STORAGES_MAX  1000000

struct storage {
    struct btz_slice key, bytes;
    struct btz_buf own; /* unpacked */
    enum btz_weight_type type;
    uint64_t count;
    bool filled;
};

struct reader {
    struct btz_weights_job *job;
    struct btz_arena arena; /* of the pickles */
    struct storage *storages;
    size_t count, room;
    uint32_t *slots, mask; /* storages by the hash of their keys */
};

/* In the order of the storages of enum btz_pickle_name. */
static const enum btz_weight_type storage_types[] = {
    BTZ_WEIGHT_F64, BTZ_WEIGHT_F32, BTZ_WEIGHT_F16, BTZ_WEIGHT_BF16, BTZ_WEIGHT_I64,
    BTZ_WEIGHT_I32, BTZ_WEIGHT_I16, BTZ_WEIGHT_I8,  BTZ_WEIGHT_U8,   BTZ_WEIGHT_BOOL,
};

static const uint8_t magic[] = { 0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e };

bool btz_pth_is(struct btz_slice bytes)
{
    return btz_slice_has_prefix(bytes, btz_slice_of(magic, sizeof magic)) ||
           (bytes.len > 2 && bytes.ptr[0] == 0x80 && bytes.ptr[1] == 2);
}

/* ---- storages ---------------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(struct btz_slice s)
{
    uint32_t h = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.ptr[i]) * 16777619U;
    return h ^ h >> 15;
}

static uint32_t *slot_of(struct reader *r, struct btz_slice key)
{
    uint32_t at = hash_of(key) & r->mask;

    while (r->slots[at] && !btz_slice_equal(r->storages[r->slots[at] - 1].key, key))
        at = (at + 1) & r->mask;
    return &r->slots[at];
}

static enum btz_err grow(struct reader *r)
{
    size_t room = r->room ? r->room * 2 : 64;
    struct storage *more;

    if (r->count >= STORAGES_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d storages", STORAGES_MAX);
    more = realloc(r->storages, room * sizeof *more);
    if (!more)
        return btz_fail(BTZ_LIMIT, "out of memory");
    r->storages = more;
    r->room = room;
    free(r->slots);
    r->slots = calloc(room * 2, sizeof *r->slots);
    if (!r->slots)
        return btz_fail(BTZ_LIMIT, "out of memory");
    r->mask = (uint32_t)(room * 2 - 1);
    for (size_t i = 0; i < r->count; i++)
        *slot_of(r, r->storages[i].key) = (uint32_t)i + 1;
    return BTZ_OK;
}

/* ('storage', class, key, location, count) and, in older files, a view that must be None. */
static enum btz_err on_storage(void *user, const struct btz_pickle_value *id, size_t at,
                               struct btz_pickle_value *out)
{
    struct reader *r = user;
    const struct btz_pickle_value *part[6] = { NULL };
    struct storage s = { 0 };
    uint32_t *slot;

    for (size_t i = 0; id->kind == BTZ_PICKLE_TUPLE && i < 6; i++)
        part[i] = btz_pickle_at(id, i);
    if (!part[4] || id->count > 6 || part[0]->kind != BTZ_PICKLE_TEXT ||
        !btz_slice_is(part[0]->text, "storage"))
        return btz_fail(BTZ_DENIED,
                        "%s: pickle, byte %zu: refers to something else than a storage (a whole "
                        "module? save its state_dict)",
                        r->job->what, at);
    if (part[1]->kind != BTZ_PICKLE_NAME || part[1]->number < BTZ_PICKLE_STORAGES ||
        part[2]->kind != BTZ_PICKLE_TEXT || part[4]->kind != BTZ_PICKLE_INT ||
        part[4]->number < 0 || part[2]->text.len == 0)
        return btz_fail(BTZ_INPUT, "%s: pickle, byte %zu: a storage without type, key and count",
                        r->job->what, at);
    if (part[5] && part[5]->kind != BTZ_PICKLE_NONE)
        return btz_fail(BTZ_UNSUPPORTED, "%s: pickle, byte %zu: a storage that is a view",
                        r->job->what, at);
    s.type = storage_types[part[1]->number - BTZ_PICKLE_STORAGES];
    s.key = part[2]->text;
    s.count = (uint64_t)part[4]->number;
    if (r->count == r->room)
        BTZ_TRY(grow(r));
    slot = slot_of(r, s.key);
    if (!*slot) {
        r->storages[r->count++] = s;
        *slot = (uint32_t)r->count;
    } else if (r->storages[*slot - 1].type != s.type || r->storages[*slot - 1].count != s.count)
        return btz_fail(BTZ_INPUT, "%s: pickle, byte %zu: storage %.*s has two types or counts",
                        r->job->what, at, BTZ_SLICE_ARG(s.key));
    out->number = *slot - 1;
    return BTZ_OK;
}

static enum btz_err storage_bytes(const struct reader *r, const struct storage *s, uint64_t there,
                                  size_t *out)
{
    uint64_t size = btz_weight_type_size(s->type);

    if (s->count > there / size)
        return btz_fail(BTZ_INPUT,
                        "%s: storage %.*s of %" PRIu64 " elements is cut off: %" PRIu64
                        " bytes are there",
                        r->job->what, BTZ_SLICE_ARG(s->key), s->count, there);
    *out = (size_t)(s->count * size);
    return BTZ_OK;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------------- */

static enum btz_err add_tensor(struct reader *r, struct btz_slice name,
                               const struct btz_pickle_value *t)
{
    const struct storage *s = &r->storages[t->parts[0]->number];
    uint64_t stride[BTZ_RANK_MAX];
    struct btz_shape shape = { 0 };

    if (!s->filled)
        return btz_fail(BTZ_INPUT, "%s: storage %.*s of tensor %.*s is not in the file",
                        r->job->what, BTZ_SLICE_ARG(s->key), BTZ_SLICE_ARG(name));
    if (t->parts[2]->count > BTZ_RANK_MAX || t->parts[2]->count != t->parts[3]->count ||
        t->parts[1]->number < 0)
        return btz_fail(BTZ_INPUT, "%s: tensor %.*s has %zu axes, %zu strides, offset %" PRId64,
                        r->job->what, BTZ_SLICE_ARG(name), t->parts[2]->count, t->parts[3]->count,
                        t->parts[1]->number);
    shape.rank = (uint32_t)t->parts[2]->count;
    for (uint32_t i = 0; i < shape.rank; i++) {
        const struct btz_pickle_value *dim = btz_pickle_at(t->parts[2], i);
        const struct btz_pickle_value *step = btz_pickle_at(t->parts[3], i);

        if (dim->kind != BTZ_PICKLE_INT || dim->number < 0 || step->kind != BTZ_PICKLE_INT ||
            step->number < 0)
            return btz_fail(BTZ_INPUT, "%s: axis %u of tensor %.*s is no size and stride",
                            r->job->what, i, BTZ_SLICE_ARG(name));
        shape.dim[i] = dim->number;
        stride[i] = (uint64_t)step->number;
    }
    return btz_weights_add(r->job, name, s->type, &shape, s->bytes, (uint64_t)t->parts[1]->number,
                           stride);
}

static enum btz_err add_tensors(struct reader *r, const struct btz_pickle_value *top)
{
    static const char *const inner[] = { "state_dict", "model_state_dict", "model" };

    if (top->kind != BTZ_PICKLE_DICT)
        return btz_fail(BTZ_INPUT, "%s: holds no dictionary of tensors", r->job->what);
    for (size_t i = 0; i < BTZ_COUNT(inner); i++) {
        const struct btz_pickle_value *v = btz_pickle_get(top, inner[i]);

        if (v && v->kind == BTZ_PICKLE_DICT) {
            top = v;
            break;
        }
    }
    for (const struct btz_pickle_item *i = top->first; i; i = i->next)
        if (i->key->kind == BTZ_PICKLE_TEXT && i->value->kind == BTZ_PICKLE_TENSOR)
            BTZ_TRY(add_tensor(r, i->key->text, i->value));
    if (r->job->out->count == 0)
        return btz_fail(BTZ_INPUT, "%s: the dictionary holds no tensors", r->job->what);
    return BTZ_OK;
}

/* ---- before 1.6 -------------------------------------------------------------------------------------------------------- */

static enum btz_err prologue(struct reader *r, const struct btz_pickle *p, struct btz_slice in,
                             size_t *at)
{
    const struct btz_pickle_value *little;
    struct btz_pickle_value *v;

    BTZ_TRY(btz_pickle_run(p, in, at, &v));
    if (v->kind != BTZ_PICKLE_LONG || !btz_slice_equal(v->text, btz_slice_of(magic + 4, 10)))
        return btz_fail(BTZ_INPUT, "%s: a pickle, but not of torch.save", r->job->what);
    BTZ_TRY(btz_pickle_run(p, in, at, &v));
    if (v->kind != BTZ_PICKLE_INT || v->number != 1001)
        return btz_fail(BTZ_UNSUPPORTED, "%s: version %" PRId64 " of torch.save, expected 1001",
                        r->job->what, v->number);
    BTZ_TRY(btz_pickle_run(p, in, at, &v));
    little = v->kind == BTZ_PICKLE_DICT ? btz_pickle_get(v, "little_endian") : NULL;
    if (!little || little->kind != BTZ_PICKLE_BOOL || !little->number)
        return btz_fail(BTZ_UNSUPPORTED, "%s: not written on a little-endian machine",
                        r->job->what);
    return BTZ_OK;
}

static enum btz_err read_older(struct reader *r, struct btz_slice in)
{
    struct btz_pickle plain = { .arena = &r->arena, .what = r->job->what };
    struct btz_pickle with = plain;
    struct btz_pickle_value *top, *keys;
    size_t at = 0;

    with.storage = on_storage, with.user = r;
    BTZ_TRY(prologue(r, &plain, in, &at));
    BTZ_TRY(btz_pickle_run(&with, in, &at, &top));
    BTZ_TRY(btz_pickle_run(&plain, in, &at, &keys));
    if (keys->kind != BTZ_PICKLE_LIST)
        return btz_fail(BTZ_INPUT, "%s: no list of storages", r->job->what);
    for (const struct btz_pickle_item *i = keys->first; i; i = i->next) {
        uint32_t slot =
            i->value->kind == BTZ_PICKLE_TEXT && r->count ? *slot_of(r, i->value->text) : 0;
        struct storage *s = slot ? &r->storages[slot - 1] : NULL;
        uint64_t count = 0;
        size_t size;

        if (!s || s->filled)
            return btz_fail(BTZ_INPUT, "%s: list of storages has one that no tensor has, or twice",
                            r->job->what);
        if (in.len - at < 8)
            return btz_fail(BTZ_INPUT, "%s: storage %.*s is cut off at byte %zu", r->job->what,
                            BTZ_SLICE_ARG(s->key), at);
        for (int k = 0; k < 8; k++)
            count |= (uint64_t)in.ptr[at + (size_t)k] << 8 * k;
        at += 8;
        if (count != s->count)
            return btz_fail(BTZ_INPUT,
                            "%s: storage %.*s has %" PRIu64 " elements at byte %zu, %" PRIu64
                            " in its tensors",
                            r->job->what, BTZ_SLICE_ARG(s->key), count, at - 8, s->count);
        BTZ_TRY(storage_bytes(r, s, in.len - at, &size));
        s->bytes = btz_slice_sub(in, at, size);
        s->filled = true;
        at += size;
    }
    if (at != in.len)
        return btz_fail(BTZ_INPUT, "%s: %zu bytes behind the last storage", r->job->what,
                        in.len - at);
    return add_tensors(r, top);
}

/* ---- zip --------------------------------------------------------------------------------------------------------------- */

static const struct btz_zip_entry *data_pickle(const struct btz_zip *zip)
{
    static const char tail[] = "/data.pkl";
    const struct btz_zip_entry *found = NULL;

    for (size_t i = 0; i < zip->count; i++) {
        struct btz_slice name = zip->entries[i].name;

        if (name.len > strlen(tail) && !memchr(name.ptr, '/', name.len - strlen(tail)) &&
            btz_slice_is(btz_slice_sub(name, name.len - strlen(tail), name.len), tail))
            found = found ? NULL : &zip->entries[i];
    }
    return found;
}

static const struct btz_zip_entry *beside(struct reader *r, const struct btz_zip *zip,
                                          const struct btz_zip_entry *pickle, const char *folder,
                                          struct btz_slice name)
{
    char *full =
        btz_arena_printf(&r->arena, "%.*s%s%.*s", (int)(pickle->name.len - strlen("data.pkl")),
                         (const char *)pickle->name.ptr, folder, BTZ_SLICE_ARG(name));

    return full ? btz_zip_find(zip, btz_str(full)) : NULL;
}

static enum btz_err fill(struct reader *r, const struct btz_zip *zip,
                         const struct btz_zip_entry *pickle, uint64_t *left)
{
    for (size_t i = 0; i < r->count; i++) {
        struct storage *s = &r->storages[i];
        const struct btz_zip_entry *e = beside(r, zip, pickle, "data/", s->key);
        size_t size;

        if (!e)
            return btz_fail(BTZ_INPUT, "%s: no entry for storage %.*s", r->job->what,
                            BTZ_SLICE_ARG(s->key));
        BTZ_TRY(storage_bytes(r, s, e->size, &size));
        if (e->size != size)
            return btz_fail(BTZ_INPUT, "%s: storage %.*s has %" PRIu64 " bytes, expected %zu",
                            r->job->what, BTZ_SLICE_ARG(s->key), e->size, size);
        s->own = BTZ_BUF(*left);
        BTZ_TRY(btz_zip_read(e, r->job->what, &s->own));
        *left -= size;
        s->bytes = btz_buf_slice(&s->own);
        s->filled = true;
    }
    return BTZ_OK;
}

static enum btz_err read_zip(struct reader *r, struct btz_slice in)
{
    struct btz_pickle p = {
        .arena = &r->arena, .what = r->job->what, .storage = on_storage, .user = r
    };
    BTZ_BUF_RELEASE struct btz_buf pickle = BTZ_BUF(PICKLE_MEMORY);
    BTZ_BUF_RELEASE struct btz_buf order = BTZ_BUF(64);
    const struct btz_zip_entry *e, *byteorder;
    struct btz_pickle_value *top;
    uint64_t left = r->job->memory_max;
    struct btz_zip zip;
    size_t at = 0;

    BTZ_TRY(btz_zip_parse(in, r->job->what, &r->arena, &zip));
    e = data_pickle(&zip);
    if (!e)
        return btz_fail(BTZ_INPUT, "%s: a zip archive, but not of torch.save (no NAME/data.pkl)",
                        r->job->what);
    byteorder = beside(r, &zip, e, "", btz_str("byteorder"));
    if (byteorder) {
        BTZ_TRY(btz_zip_read(byteorder, r->job->what, &order));
        if (!btz_slice_is(btz_slice_trim(btz_buf_slice(&order)), "little"))
            return btz_fail(BTZ_UNSUPPORTED, "%s: not written on a little-endian machine",
                            r->job->what);
    }
    BTZ_TRY(btz_zip_read(e, r->job->what, &pickle));
    BTZ_TRY(btz_pickle_run(&p, btz_buf_slice(&pickle), &at, &top));
    if (at != pickle.len)
        return btz_fail(BTZ_INPUT, "%s: bytes behind the pickle", r->job->what);
    BTZ_TRY(fill(r, &zip, e, &left));
    return add_tensors(r, top);
}

enum btz_err btz_pth_read(struct btz_weights_job *job, struct btz_slice bytes)
{
    struct reader r = { .job = job };
    enum btz_err err;

    btz_arena_init(&r.arena, PICKLE_MEMORY);
    err = btz_is_zip(bytes) ? read_zip(&r, bytes) : read_older(&r, bytes);
    for (size_t i = 0; i < r.count; i++)
        btz_buf_release(&r.storages[i].own);
    free(r.storages);
    free(r.slots);
    btz_arena_release(&r.arena);
    return err;
}
