/* Values as schemas compare them: numbers by what they are, not by how they are written. */
#include <math.h>
#include <stdlib.h>

#include "text/schema_inside.h"

static enum btz_err pay(uint64_t *steps, uint64_t n)
{
    if (*steps < n) {
        *steps = 0;
        return btz_fail(BTZ_LIMIT, "more than %d steps", BTZ_SCHEMA_STEPS_MAX);
    }
    *steps -= n;
    return BTZ_OK;
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------- */

bool btz_schema_is_integer(const json_t *number)
{
    return json_is_integer(number) ||
           (json_is_real(number) && floor(json_real_value(number)) == json_real_value(number));
}

#define TWO_63 9223372036854775808.0

static int compare_mixed(json_int_t i, double d)
{
    json_int_t whole;
    double rest;

    if (d >= TWO_63)
        return -1;
    if (d < -TWO_63)
        return 1;
    whole = (json_int_t)d;
    if (i != whole)
        return i < whole ? -1 : 1;
    rest = d - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

int btz_schema_compare(const json_t *a, const json_t *b)
{
    json_int_t i, j;
    double x, y;

    if (json_is_integer(a) && json_is_integer(b)) {
        i = json_integer_value(a);
        j = json_integer_value(b);
        return i < j ? -1 : i > j;
    }
    if (json_is_integer(a))
        return compare_mixed(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_mixed(json_integer_value(b), json_real_value(a));
    x = json_real_value(a);
    y = json_real_value(b);
    return x < y ? -1 : x > y;
}

/* |number| = digits * 10^power */
struct decimal {
    uint64_t digits;
    int power;
};

static struct decimal decimal_of(const json_t *number)
{
    struct decimal d = { 0, 0 };
    char text[40];
    double x;
    int point = -1, precision = 14;

    if (json_is_integer(number)) {
        json_int_t i = json_integer_value(number);

        d.digits = i < 0 ? (uint64_t)0 - (uint64_t)i : (uint64_t)i;
        return d;
    }
    x = fabs(json_real_value(number));
    do /* the shortest that is read as the same number: what was written, but for spellings of it */
        snprintf(text, sizeof text, "%.*e", precision, x);
    while (precision++ < 16 && strtod(text, NULL) != x);
    for (const char *c = text; *c; c++) {
        if (*c >= '0' && *c <= '9') {
            d.digits = d.digits * 10 + (uint64_t)(*c - '0');
            d.power -= point >= 0;
        } else if (*c == 'e') {
            d.power += (int)strtol(c + 1, NULL, 10);
            break;
        } else {
            point = 0; /* whatever the locale takes for it */
        }
    }
    for (; d.digits > 0 && d.digits % 10 == 0; d.power++)
        d.digits /= 10;
    return d;
}

static uint64_t times_mod(uint64_t a, uint64_t b, uint64_t m)
{
    __extension__ typedef unsigned __int128 wide;

    return (uint64_t)((wide)a * b % m);
}

bool btz_schema_is_multiple(const json_t *a, const json_t *of)
{
    struct decimal x = decimal_of(a), y = decimal_of(of);
    int power = x.power - y.power;
    uint64_t left, ten;

    if (x.digits == 0 || y.digits == 0)
        return x.digits == 0;
    /* x.digits * 10^power has to be a multiple of y.digits. */
    for (; power < 0; power++) {
        if (x.digits % 10 != 0)
            break;
        x.digits /= 10;
    }
    for (; power < 0; power++) { /* x.digits of y.digits * 10^-power */
        if (y.digits > UINT64_MAX / 10)
            return false;
        y.digits *= 10;
    }
    left = x.digits % y.digits;
    ten = 10 % y.digits;
    for (; power > 0; power >>= 1) {
        if (power & 1)
            left = times_mod(left, ten, y.digits);
        ten = times_mod(ten, ten, y.digits);
    }
    return left == 0;
}

/* ---- equality ----------------------------------------------------------------------------------------------------------- */

static enum btz_err equal_arrays(const json_t *a, const json_t *b, uint64_t *steps, bool *equal)
{
    size_t n = json_array_size(a);

    *equal = n == json_array_size(b);
    for (size_t i = 0; *equal && i < n; i++)
        BTZ_TRY(btz_schema_equal(json_array_get(a, i), json_array_get(b, i), steps, equal));
    return BTZ_OK;
}

/* An iterator over an object does not change it, though jansson's takes it as if it did. */
static json_t *loose(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

static enum btz_err equal_objects(const json_t *a, const json_t *b, uint64_t *steps, bool *equal)
{
    const char *key;
    json_t *value;

    *equal = json_object_size(a) == json_object_size(b);
    if (!*equal)
        return BTZ_OK;
    json_object_foreach(loose(a), key, value)
    {
        const json_t *other = json_object_get(b, key);

        *equal = other != NULL;
        if (other)
            BTZ_TRY(btz_schema_equal(value, other, steps, equal));
        if (!*equal)
            return BTZ_OK;
    }
    return BTZ_OK;
}

enum btz_err btz_schema_equal(const json_t *a, const json_t *b, uint64_t *steps, bool *equal)
{
    BTZ_TRY(pay(steps, 1));
    if (json_is_number(a) && json_is_number(b)) {
        *equal = btz_schema_compare(a, b) == 0;
        return BTZ_OK;
    }
    *equal = json_typeof(a) == json_typeof(b);
    if (!*equal)
        return BTZ_OK;
    switch (json_typeof(a)) {
    case JSON_STRING:
        *equal = json_string_length(a) == json_string_length(b) &&
                 memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
        return pay(steps, json_string_length(a) / 64);
    case JSON_ARRAY:
        return equal_arrays(a, b, steps, equal);
    case JSON_OBJECT:
        return equal_objects(a, b, steps, equal);
    default:
        return BTZ_OK;
    }
}

/* ---- uniqueness: equal values have equal hashes, so only those of the same hash are compared ------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static uint64_t hash_bytes(const char *text, size_t n)
{
    uint64_t h = n + 1;

    for (size_t i = 0; i < n; i++)
        h = mix(h, (uint8_t)text[i]);
    return h;
}

static uint64_t hash_number(const json_t *v)
{
    double x = json_number_value(v);
    uint64_t bits;

    if (btz_schema_is_integer(v) && x >= -TWO_63 && x < TWO_63)
        return mix(3,
                   json_is_integer(v) ? (uint64_t)json_integer_value(v) : (uint64_t)(json_int_t)x);
    memcpy(&bits, &x, sizeof bits);
    return mix(4, bits);
}

static enum btz_err hash(const json_t *v, uint64_t *steps, uint64_t *out)
{
    uint64_t h = json_is_array(v) ? 5 : 6, inner;
    const char *key;
    json_t *value;
    size_t i;

    BTZ_TRY(pay(steps, 1));
    if (json_is_string(v)) {
        BTZ_TRY(pay(steps, json_string_length(v) / 64));
        *out = hash_bytes(json_string_value(v), json_string_length(v));
        return BTZ_OK;
    }
    if (!json_is_array(v) && !json_is_object(v)) {
        *out = json_is_number(v) ? hash_number(v) : mix(7, (uint64_t)json_typeof(v));
        return BTZ_OK;
    }
    json_array_foreach(v, i, value)
    {
        BTZ_TRY(hash(value, steps, &inner));
        h = mix(h, inner);
    }
    json_object_foreach(loose(v), key, value)
    {
        BTZ_TRY(hash(value, steps, &inner));
        h += mix(hash_bytes(key, strlen(key)), inner); /* in any order */
    }
    *out = h;
    return BTZ_OK;
}

struct hashed {
    uint64_t hash;
    size_t at;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static enum btz_err alike(const json_t *array, const struct hashed *list, size_t n, uint64_t *steps,
                          size_t *first, size_t *second, bool *unique)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && list[k].hash == list[i].hash; k++) {
            bool equal;

            BTZ_TRY(btz_schema_equal(json_array_get(array, list[i].at),
                                     json_array_get(array, list[k].at), steps, &equal));
            if (equal) {
                *unique = false;
                *first = list[i].at;
                *second = list[k].at;
                return BTZ_OK;
            }
        }
    return BTZ_OK;
}

enum btz_err btz_schema_unique(const json_t *array, uint64_t *steps, size_t *first, size_t *second,
                               bool *unique)
{
    size_t n = json_array_size(array);
    BTZ_FREE struct hashed *list = NULL;

    *unique = true;
    if (n < 2)
        return BTZ_OK;
    BTZ_TRY(pay(steps, n));
    list = calloc(n, sizeof *list);
    if (!list)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu items", n);
    for (size_t i = 0; i < n; i++) {
        list[i].at = i;
        BTZ_TRY(hash(json_array_get(array, i), steps, &list[i].hash));
    }
    qsort(list, n, sizeof *list, by_hash);
    return alike(array, list, n, steps, first, second, unique);
}
