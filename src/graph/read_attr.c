/*
 * AttributeProto.
 */
#include "graph/read.h"

static enum btz_err fill_attr(struct btz_reading *r, struct btz_slice bytes, struct btz_attr *a)
{
    struct btz_wire w = BTZ_WIRE(bytes, "attribute");
    uint64_t *numbers = NULL;
    struct btz_slice *strings = NULL;
    size_t at = 0;
    bool more;
    uint32_t list =
        (uint32_t)a->kind + 1; /* of the lists, the field is the kind's number and one */

    if (a->kind >= BTZ_ATTR_FLOATS) {
        numbers = btz_arena_array(r->arena, a->count + 1, sizeof(struct btz_slice));
        if (!numbers)
            return BTZ_LIMIT;
        strings = (struct btz_slice *)(void *)numbers;
    }
    EACH(w, more)
    if (a->kind == BTZ_ATTR_STRINGS && w.field == list)
        BTZ_TRY(btz_arena_copy(r->arena, w.bytes, &strings[at++]));
    else if (a->kind >= BTZ_ATTR_FLOATS && a->kind != BTZ_ATTR_STRINGS && w.field == list)
        BTZ_TRY(btz_wire_numbers(&w, a->kind == BTZ_ATTR_INTS ? BTZ_WIRE_VARINT : BTZ_WIRE_FIXED32,
                                 numbers, a->count, &at));
    END_EACH
    if (a->kind == BTZ_ATTR_FLOATS) {
        float *floats = btz_arena_array(r->arena, a->count + 1, sizeof *floats);

        if (!floats)
            return BTZ_LIMIT;
        for (size_t i = 0; i < a->count; i++)
            memcpy(&floats[i], &numbers[i], sizeof floats[i]);
        a->floats = floats;
    } else if (a->kind == BTZ_ATTR_INTS)
        a->ints = (const int64_t *)(const void *)numbers;
    else if (a->kind == BTZ_ATTR_STRINGS)
        a->strings = strings;
    return BTZ_OK;
}

static enum btz_err read_attr_field(struct btz_reading *r, const struct btz_wire *w,
                                    struct btz_attr *a, struct btz_tensor *t, uint64_t *kind,
                                    unsigned *seen)
{
    uint32_t bits = (uint32_t)w->number;
    const char *ignored;

    if (w->field >= 2 && w->field <= 9)
        *seen |= 1U << w->field;
    switch (w->field) {
    case 1:
        return btz_read_text(r, w, &a->name);
    case 2:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_FIXED32));
        memcpy(&a->f, &bits, sizeof bits);
        return BTZ_OK;
    case 3:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_VARINT));
        a->i = (int64_t)w->number;
        return BTZ_OK;
    case 4:
    case 6:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        return btz_arena_copy(r->arena, w->bytes, &a->s);
    case 5:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_BYTES));
        BTZ_TRY(btz_read_tensor(w->bytes, r->folder, r->arena, t, &ignored));
        a->t = t;
        return BTZ_OK;
    case 7:
        return btz_wire_numbers(w, BTZ_WIRE_FIXED32, NULL, 0, &a->count);
    case 8:
        return btz_wire_numbers(w, BTZ_WIRE_VARINT, NULL, 0, &a->count);
    case 9:
        a->count++;
        return btz_wire_want(w, BTZ_WIRE_BYTES);
    case 20:
        BTZ_TRY(btz_wire_want(w, BTZ_WIRE_VARINT));
        *kind = w->number;
        return BTZ_OK;
    case 10:
    case 11:
    case 14:
    case 15:
    case 22:
    case 23:
        return btz_fail(BTZ_UNSUPPORTED, "attribute '%s' of a kind that is not supported", a->name);
    }
    return BTZ_OK;
}

enum btz_err btz_read_attr(struct btz_reading *r, struct btz_slice bytes, struct btz_attr *out)
{
    /* Fields of AttributeProto by kind: f 2, i 3, s 4, t 5, g 6, floats 7, ints 8, strings 9; each is its kind and one. */
    struct btz_wire w = BTZ_WIRE(bytes, "attribute");
    struct btz_attr a = { .name = "" };
    struct btz_tensor *t = btz_arena_alloc(r->arena, sizeof *t);
    uint64_t kind = 0;
    unsigned seen = 0;
    bool more;

    if (!t)
        return BTZ_LIMIT;
    EACH(w, more)
    BTZ_TRY(read_attr_field(r, &w, &a, t, &kind, &seen));
    END_EACH
    if (!kind) /* before IR version 2 the kind was not said */
        for (uint32_t i = 2; i <= 9; i++)
            if (seen == 1U << i)
                kind = i - 1;
    if (kind < BTZ_ATTR_FLOAT || kind > BTZ_ATTR_STRINGS)
        return btz_fail(BTZ_UNSUPPORTED, "attribute '%s' of kind %" PRIu64, a.name, kind);
    if (seen & ~(1U << (kind + 1)))
        return btz_fail(BTZ_INPUT, "attribute '%s' has values of several kinds", a.name);
    a.kind = (enum btz_attr_kind)kind;
    if (a.kind == BTZ_ATTR_TENSOR && !a.t)
        return btz_fail(BTZ_INPUT, "attribute '%s' has no tensor", a.name);
    BTZ_TRY(fill_attr(r, bytes, &a));
    *out = a;
    return BTZ_OK;
}
