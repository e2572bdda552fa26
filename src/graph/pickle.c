/* Source: pickletools.py of CPython for the instructions of protocol 2. */
#include <stdlib.h>

#include "graph/pickle.h"

#define STACK_MAX 1000000
#define MEMO_MAX  1000000

struct machine {
    const struct btz_pickle *p;
    struct btz_reader in;
    size_t at; /* of the instruction */
    struct btz_pickle_value **stack, **memo;
    size_t depth, stack_room, memo_room;
};

static const char *const allowed[] = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch DoubleStorage",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch BFloat16Storage",
    "torch LongStorage",
    "torch IntStorage",
    "torch ShortStorage",
    "torch CharStorage",
    "torch ByteStorage",
    "torch BoolStorage",
};

/* Names of all instructions, for those that are refused. */
static const struct {
    uint8_t code;
    const char *name;
} names[] = {
    { '(', "MARK" },
    { '.', "STOP" },
    { '0', "POP" },
    { '1', "POP_MARK" },
    { '2', "DUP" },
    { 'F', "FLOAT" },
    { 'I', "INT" },
    { 'L', "LONG" },
    { 'M', "BININT2" },
    { 'P', "PERSID" },
    { 'R', "REDUCE" },
    { 'S', "STRING" },
    { 'T', "BINSTRING" },
    { 'U', "SHORT_BINSTRING" },
    { 'V', "UNICODE" },
    { 'b', "BUILD" },
    { 'c', "GLOBAL" },
    { 'd', "DICT" },
    { 'g', "GET" },
    { 'i', "INST" },
    { 'l', "LIST" },
    { 'o', "OBJ" },
    { 'p', "PUT" },
    { 'B', "BINBYTES" },
    { 'C', "SHORT_BINBYTES" },
    { 0x81, "NEWOBJ" },
    { 0x82, "EXT1" },
    { 0x83, "EXT2" },
    { 0x84, "EXT4" },
    { 0x8b, "LONG4" },
    { 0x8c, "SHORT_BINUNICODE" },
    { 0x8d, "BINUNICODE8" },
    { 0x8e, "BINBYTES8" },
    { 0x8f, "EMPTY_SET" },
    { 0x90, "ADDITEMS" },
    { 0x91, "FROZENSET" },
    { 0x92, "NEWOBJ_EX" },
    { 0x93, "STACK_GLOBAL" },
    { 0x94, "MEMOIZE" },
    { 0x95, "FRAME" },
    { 0x96, "BYTEARRAY8" },
    { 0x97, "NEXT_BUFFER" },
    { 0x98, "READONLY_BUFFER" },
};

#define at_byte(m, err, ...) (btz_error_set(__VA_ARGS__), fail_at((m), (err)))
static enum btz_err fail_at(const struct machine *m, enum btz_err err)
{
    return btz_fail_context(err, "%s: pickle, byte %zu", m->p->what, m->at);
}

static enum btz_err refuse(const struct machine *m, uint8_t code)
{
    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (names[i].code == code)
            return at_byte(m, BTZ_DENIED,
                           "instruction %s is none that a dictionary of tensors needs",
                           names[i].name);
    return at_byte(m, BTZ_INPUT, "no instruction 0x%02x", code);
}

/* ---- stack ------------------------------------------------------------------------------------------------------------ */

static enum btz_err room_for(struct machine *m, struct btz_pickle_value ***list, size_t *room,
                             size_t need, size_t max)
{
    size_t more = *room ? *room : 64;
    struct btz_pickle_value **grown;

    if (need <= *room)
        return BTZ_OK;
    if (need > max)
        return at_byte(m, BTZ_LIMIT, "more than %zu values", max);
    while (more < need)
        more *= 2;
    grown = realloc(*list, more * sizeof *grown);
    if (!grown)
        return btz_fail(BTZ_LIMIT, "out of memory");
    memset(grown + *room, 0, (more - *room) * sizeof *grown);
    *list = grown;
    *room = more;
    return BTZ_OK;
}

static enum btz_err push(struct machine *m, struct btz_pickle_value *v)
{
    BTZ_TRY(room_for(m, &m->stack, &m->stack_room, m->depth + 1, STACK_MAX));
    m->stack[m->depth++] = v;
    return BTZ_OK;
}

static enum btz_err push_new(struct machine *m, enum btz_pickle_kind kind, int64_t number,
                             struct btz_slice text)
{
    struct btz_pickle_value *v = btz_arena_alloc(m->p->arena, sizeof *v);

    if (!v)
        return BTZ_LIMIT;
    v->kind = kind, v->number = number, v->text = text;
    return push(m, v);
}

static enum btz_err pop(struct machine *m, struct btz_pickle_value **out)
{
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == BTZ_PICKLE_MARK)
        return at_byte(m, BTZ_INPUT, "nothing on the stack");
    *out = m->stack[--m->depth];
    return BTZ_OK;
}

/* Index behind the last mark. */
static enum btz_err to_mark(struct machine *m, size_t *from)
{
    for (size_t i = m->depth; i-- > 0;)
        if (m->stack[i]->kind == BTZ_PICKLE_MARK) {
            *from = i + 1;
            return BTZ_OK;
        }
    return at_byte(m, BTZ_INPUT, "no mark on the stack");
}

static enum btz_err append(struct machine *m, struct btz_pickle_value *to,
                           struct btz_pickle_value *key, struct btz_pickle_value *value)
{
    struct btz_pickle_item *item = btz_arena_alloc(m->p->arena, sizeof *item);

    if (!item)
        return BTZ_LIMIT;
    item->key = key, item->value = value;
    if (to->last)
        to->last->next = item;
    else
        to->first = item;
    to->last = item;
    to->count++;
    return BTZ_OK;
}

static enum btz_err tuple(struct machine *m, size_t from, size_t drop)
{
    struct btz_pickle_value *v = btz_arena_alloc(m->p->arena, sizeof *v);

    if (!v)
        return BTZ_LIMIT;
    v->kind = BTZ_PICKLE_TUPLE;
    for (size_t i = from; i < m->depth; i++) {
        if (m->stack[i]->kind == BTZ_PICKLE_MARK)
            return at_byte(m, BTZ_INPUT, "a mark in a tuple");
        BTZ_TRY(append(m, v, NULL, m->stack[i]));
    }
    m->depth = from - drop;
    return push(m, v);
}

static enum btz_err last_of(struct machine *m, size_t behind, enum btz_pickle_kind kind,
                            struct btz_pickle_value **out)
{
    if (behind == 0 || m->stack[behind - 1]->kind != kind)
        return at_byte(m, BTZ_INPUT, "items for something that is no %s",
                       kind == BTZ_PICKLE_DICT ? "dictionary" : "list");
    *out = m->stack[behind - 1];
    return BTZ_OK;
}

/* `from` is the first key; the dictionary lies `drop` below it. */
static enum btz_err set_items(struct machine *m, size_t from, size_t drop)
{
    struct btz_pickle_value *dict;

    if (from < drop || (m->depth - from) % 2 != 0)
        return at_byte(m, BTZ_INPUT, "a key without its value");
    BTZ_TRY(last_of(m, from - drop, BTZ_PICKLE_DICT, &dict));
    for (size_t i = from; i < m->depth; i += 2) {
        if (m->stack[i]->kind != BTZ_PICKLE_TEXT && m->stack[i]->kind != BTZ_PICKLE_INT)
            return at_byte(m, BTZ_INPUT, "a key that is neither text nor a number");
        BTZ_TRY(append(m, dict, m->stack[i], m->stack[i + 1]));
    }
    m->depth = from - drop;
    return BTZ_OK;
}

static enum btz_err append_items(struct machine *m, size_t from, size_t drop)
{
    struct btz_pickle_value *list;

    if (from < drop)
        return at_byte(m, BTZ_INPUT, "nothing on the stack");
    BTZ_TRY(last_of(m, from - drop, BTZ_PICKLE_LIST, &list));
    for (size_t i = from; i < m->depth; i++)
        BTZ_TRY(append(m, list, NULL, m->stack[i]));
    m->depth = from - drop;
    return BTZ_OK;
}

/* ---- numbers and texts ------------------------------------------------------------------------------------------------ */

static enum btz_err little(struct machine *m, size_t bytes, uint64_t *out)
{
    struct btz_slice s;

    BTZ_TRY(btz_read_bytes(&m->in, bytes, &s));
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)s.ptr[i] << 8 * i;
    return BTZ_OK;
}

static enum btz_err long1(struct machine *m)
{
    struct btz_slice s;
    uint64_t len, bits = 0;

    BTZ_TRY(little(m, 1, &len));
    BTZ_TRY(btz_read_bytes(&m->in, len, &s));
    if (len > 8)
        return push_new(m, BTZ_PICKLE_LONG, 0, s);
    for (size_t i = 0; i < len; i++)
        bits |= (uint64_t)s.ptr[i] << 8 * i;
    if (len && len < 8 && (s.ptr[len - 1] & 0x80))
        bits |= ~UINT64_C(0) << 8 * len;
    return push_new(m, BTZ_PICKLE_INT, (int64_t)bits, btz_slice_of(NULL, 0));
}

static enum btz_err text(struct machine *m)
{
    struct btz_slice s;
    uint64_t len;

    BTZ_TRY(little(m, 4, &len));
    BTZ_TRY(btz_read_bytes(&m->in, len, &s));
    if (!btz_is_utf8(s))
        return at_byte(m, BTZ_INPUT, "text that is no UTF-8");
    return push_new(m, BTZ_PICKLE_TEXT, 0, s);
}

static enum btz_err name(struct machine *m)
{
    struct btz_slice module, object;
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(256);
    char full[128];

    if (!btz_read_line(&m->in, &module) || !btz_read_line(&m->in, &object))
        return at_byte(m, BTZ_INPUT, "a name that is cut off");
    for (size_t i = 0; i < BTZ_COUNT(allowed); i++) {
        snprintf(full, sizeof full, "%.*s %.*s", BTZ_SLICE_ARG(module), BTZ_SLICE_ARG(object));
        if (strcmp(full, allowed[i]) == 0 && module.len + object.len + 1 == strlen(full))
            return push_new(m, BTZ_PICKLE_NAME, (int64_t)i, btz_slice_of(NULL, 0));
    }
    (void)!btz_utf8_printable(btz_slice_sub(module, 0, 60), false, &shown);
    (void)!btz_buf_add_byte(&shown, '.');
    (void)!btz_utf8_printable(btz_slice_sub(object, 0, 60), false, &shown);
    return at_byte(m, BTZ_DENIED, "wants %.*s, which a dictionary of tensors does not need",
                   BTZ_SLICE_ARG(btz_buf_slice(&shown)));
}

/* ---- what looks like a call --------------------------------------------------------------------------------------------- */

static enum btz_err reduce(struct machine *m)
{
    struct btz_pickle_value *args, *what, *v;

    BTZ_TRY(pop(m, &args));
    BTZ_TRY(pop(m, &what));
    if (args->kind != BTZ_PICKLE_TUPLE || what->kind != BTZ_PICKLE_NAME)
        return at_byte(m, BTZ_DENIED, "REDUCE of something else than a tensor");
    if (what->number == BTZ_PICKLE_ORDERED_DICT && args->count == 0)
        return push_new(m, BTZ_PICKLE_DICT, 0, btz_slice_of(NULL, 0));
    if (what->number == BTZ_PICKLE_REBUILD_PARAMETER && args->count == 3 &&
        args->first->value->kind == BTZ_PICKLE_TENSOR)
        return push(m, args->first->value);
    if (what->number != BTZ_PICKLE_REBUILD_TENSOR || args->count < 6 || args->count > 7)
        return at_byte(m, BTZ_DENIED, "REDUCE of %s with %zu arguments", allowed[what->number],
                       args->count);
    v = btz_arena_alloc(m->p->arena, sizeof *v);
    if (!v)
        return BTZ_LIMIT;
    v->kind = BTZ_PICKLE_TENSOR;
    for (size_t i = 0; i < 4; i++)
        v->parts[i] = btz_pickle_at(args, i);
    if (v->parts[0]->kind != BTZ_PICKLE_STORAGE || v->parts[1]->kind != BTZ_PICKLE_INT ||
        v->parts[2]->kind != BTZ_PICKLE_TUPLE || v->parts[3]->kind != BTZ_PICKLE_TUPLE)
        return at_byte(m, BTZ_INPUT, "a tensor that is not storage, offset, size and stride");
    return push(m, v);
}

static enum btz_err persistent(struct machine *m)
{
    struct btz_pickle_value *id, *v = btz_arena_alloc(m->p->arena, sizeof *v);

    if (!v)
        return BTZ_LIMIT;
    BTZ_TRY(pop(m, &id));
    if (!m->p->storage)
        return at_byte(m, BTZ_DENIED, "a storage where none may be");
    v->kind = BTZ_PICKLE_STORAGE;
    BTZ_TRY(m->p->storage(m->p->user, id, m->at, v));
    return push(m, v);
}

/* What a dictionary is told about itself (_metadata) is of no interest. */
static enum btz_err build(struct machine *m)
{
    struct btz_pickle_value *state, *object;

    BTZ_TRY(pop(m, &state));
    return last_of(m, m->depth, BTZ_PICKLE_DICT, &object);
}

static enum btz_err put_memo(struct machine *m, size_t bytes)
{
    uint64_t i;

    BTZ_TRY(little(m, bytes, &i));
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == BTZ_PICKLE_MARK)
        return at_byte(m, BTZ_INPUT, "nothing on the stack");
    BTZ_TRY(room_for(m, &m->memo, &m->memo_room, (size_t)i + 1, MEMO_MAX));
    m->memo[i] = m->stack[m->depth - 1];
    return BTZ_OK;
}

static enum btz_err get_memo(struct machine *m, size_t bytes)
{
    uint64_t i;

    BTZ_TRY(little(m, bytes, &i));
    if (i >= m->memo_room || !m->memo[i])
        return at_byte(m, BTZ_INPUT, "nothing was kept as %" PRIu64, i);
    return push(m, m->memo[i]);
}

static enum btz_err tuple_of(struct machine *m, size_t count)
{
    if (m->depth < count)
        return at_byte(m, BTZ_INPUT, "nothing on the stack");
    return tuple(m, m->depth - count, 0);
}

static enum btz_err with_mark(struct machine *m,
                              enum btz_err (*what)(struct machine *, size_t, size_t))
{
    size_t from = 0;

    BTZ_TRY(to_mark(m, &from));
    return what(m, from, 1);
}

static enum btz_err number(struct machine *m, uint8_t code)
{
    uint64_t bits;

    BTZ_TRY(little(m, code == 'J' ? 4 : code == 'K' ? 1 : 2, &bits));
    return push_new(m, BTZ_PICKLE_INT, code == 'J' ? (int32_t)bits : (int64_t)bits,
                    btz_slice_of(NULL, 0));
}

/* The instructions without operands that push something. */
static enum btz_err constant(struct machine *m, uint8_t code)
{
    const enum btz_pickle_kind kind = code == 'N'   ? BTZ_PICKLE_NONE
                                      : code == '}' ? BTZ_PICKLE_DICT
                                      : code == ']' ? BTZ_PICKLE_LIST
                                      : code == ')' ? BTZ_PICKLE_TUPLE
                                      : code == '(' ? BTZ_PICKLE_MARK
                                                    : BTZ_PICKLE_BOOL;

    return push_new(m, kind, code == 0x88, btz_slice_of(NULL, 0));
}

static enum btz_err step(struct machine *m, uint8_t code)
{
    uint64_t ignored;

    switch (code) {
    case 0x80: /* PROTO */
        BTZ_TRY(little(m, 1, &ignored));
        return ignored == 2
                   ? BTZ_OK
                   : at_byte(m, BTZ_UNSUPPORTED, "protocol %" PRIu64 ", expected 2", ignored);
    case 'N':
    case '}':
    case ']':
    case ')':
    case '(':
    case 0x88:
    case 0x89:
        return constant(m, code);
    case 'J':
    case 'K':
    case 'M':
        return number(m, code);
    case 0x8a:
        return long1(m);
    case 'G': /* BINFLOAT: a learning rate beside the tensors */
        BTZ_TRY(little(m, 8, &ignored));
        return push_new(m, BTZ_PICKLE_FLOAT, 0, btz_slice_of(NULL, 0));
    case 'X':
        return text(m);
    case 'c':
        return name(m);
    case 't':
        return with_mark(m, tuple);
    case 0x85:
    case 0x86:
    case 0x87:
        return tuple_of(m, (size_t)code - 0x84);
    case 's':
        return m->depth < 3 ? at_byte(m, BTZ_INPUT, "nothing on the stack")
                            : set_items(m, m->depth - 2, 0);
    case 'u':
        return with_mark(m, set_items);
    case 'a':
        return m->depth < 2 ? at_byte(m, BTZ_INPUT, "nothing on the stack")
                            : append_items(m, m->depth - 1, 0);
    case 'e':
        return with_mark(m, append_items);
    case 'q':
    case 'r':
        return put_memo(m, code == 'q' ? 1 : 4);
    case 'h':
    case 'j':
        return get_memo(m, code == 'h' ? 1 : 4);
    case 'R':
        return reduce(m);
    case 'b':
        return build(m);
    case 'Q':
        return persistent(m);
    default:
        return refuse(m, code);
    }
}

static enum btz_err run(struct machine *m, struct btz_pickle_value **out)
{
    for (;;) {
        uint8_t code;

        m->at = m->in.at;
        BTZ_TRY(btz_read_u8(&m->in, &code));
        if (code == '.') {
            BTZ_TRY(pop(m, out));
            return m->depth == 0 ? BTZ_OK : at_byte(m, BTZ_INPUT, "values are left over");
        }
        BTZ_TRY(step(m, code));
    }
}

enum btz_err btz_pickle_run(const struct btz_pickle *p, struct btz_slice in, size_t *at,
                            struct btz_pickle_value **out)
{
    struct machine m = { .p = p, .in = { .in = in, .at = *at, .what = p->what } };
    enum btz_err err = run(&m, out);

    free(m.stack);
    free(m.memo);
    *at = m.in.at;
    return err;
}

const struct btz_pickle_value *btz_pickle_at(const struct btz_pickle_value *v, size_t i)
{
    const struct btz_pickle_item *item = v->first;

    while (item && i-- > 0)
        item = item->next;
    return item ? item->value : NULL;
}

const struct btz_pickle_value *btz_pickle_get(const struct btz_pickle_value *dict, const char *key)
{
    const struct btz_pickle_value *found = NULL;

    for (const struct btz_pickle_item *i = dict->first; i; i = i->next)
        if (i->key && i->key->kind == BTZ_PICKLE_TEXT && btz_slice_is(i->key->text, key))
            found = i->value;
    return found;
}
