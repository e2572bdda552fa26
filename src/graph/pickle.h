/*
 * A machine for the pickles of tensors: it knows the instructions and the names that torch.save writes for a dictionary of
 * tensors, and refuses every other. It builds values; it imports, calls and constructs nothing.
 */
#ifndef BTZ_GRAPH_PICKLE_H
#define BTZ_GRAPH_PICKLE_H

#include "base/base.h"

enum btz_pickle_kind {
    BTZ_PICKLE_NONE,
    BTZ_PICKLE_BOOL,
    BTZ_PICKLE_INT,
    BTZ_PICKLE_LONG,  /* of more than 8 bytes: `text` are its bytes */
    BTZ_PICKLE_FLOAT, /* of no interest: its value is not kept */
    BTZ_PICKLE_TEXT,
    BTZ_PICKLE_TUPLE,
    BTZ_PICKLE_LIST,
    BTZ_PICKLE_DICT,
    BTZ_PICKLE_NAME, /* an allowed one: `number` is its index */
    BTZ_PICKLE_STORAGE,
    BTZ_PICKLE_TENSOR,
    BTZ_PICKLE_MARK,
};
struct btz_pickle_value {
    enum btz_pickle_kind kind;
    int64_t number;
    struct btz_slice text;
    struct btz_pickle_item { /* of tuples and lists; of dictionaries key and value */
        struct btz_pickle_value *key, *value;
        struct btz_pickle_item *next;
    } * first, *last;
    size_t count;
    const struct btz_pickle_value *parts[4]; /* of tensors: storage, offset, size, stride */
};

/* Names that may be mentioned; the first three are taken apart by the machine, the rest are storages. */
enum btz_pickle_name {
    BTZ_PICKLE_ORDERED_DICT,
    BTZ_PICKLE_REBUILD_TENSOR,
    BTZ_PICKLE_REBUILD_PARAMETER,
    BTZ_PICKLE_STORAGES, /* here they begin: Double, Float, Half, BFloat16, Long, Int, Short, Char, Byte, Bool */
};

struct btz_pickle {
    struct btz_arena *arena; /* of the values, with a limit */
    const char *what;
    /* The tuple behind BINPERSID becomes a value of kind STORAGE; set by the caller. */
    enum btz_err (*storage)(void *user, const struct btz_pickle_value *tuple, size_t at,
                            struct btz_pickle_value *out);
    void *user;
};
/* One pickle of `in`, from *at, which moves behind it. Errors: INPUT, LIMIT, DENIED; with the byte. */
BTZ_CHECKED enum btz_err btz_pickle_run(const struct btz_pickle *p, struct btz_slice in, size_t *at,
                                        struct btz_pickle_value **out);
/* Item i of a tuple or list; NULL: there is none. */
const struct btz_pickle_value *btz_pickle_at(const struct btz_pickle_value *v, size_t i);
/* Value of a text key of a dictionary, the last of equals; NULL: none. */
const struct btz_pickle_value *btz_pickle_get(const struct btz_pickle_value *dict, const char *key);

#endif
