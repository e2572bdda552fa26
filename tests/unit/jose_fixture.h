/* Keys, golden files and rules for the tests of JOSE, tokens and OpenID Connect. */
#ifndef BTZ_TEST_JOSE_FIXTURE_H
#define BTZ_TEST_JOSE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "access/jose.h"

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        enum btz_err assert_ok_err_ = (call);                                                      \
        if (assert_ok_err_ != BTZ_OK)                                                              \
            fail_msg("%s: %s: %s", #call, btz_err_name(assert_ok_err_), btz_error_detail());       \
    } while (0)

/* Below $BTZ_SOURCE. */
static inline json_t *golden(const char *name)
{
    struct btz_buf text = BTZ_BUF(1 << 20);
    char path[512];
    json_t *out = NULL;

    snprintf(path, sizeof path, "%s/tests/golden/%s",
             getenv("BTZ_SOURCE") ? getenv("BTZ_SOURCE") : ".", name);
    assert_ok(btz_file_read(path, 1 << 20, &text));
    assert_ok(btz_json_parse(btz_buf_slice(&text), 1 << 20, name, &out));
    btz_buf_release(&text);
    return out;
}

/* Below $BTZ_DATA or ../shared/data; NULL when it is not there. */
static inline json_t *shared(const char *name)
{
    const char *data = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE");
    struct btz_buf text = BTZ_BUF(1 << 20);
    char path[512];
    struct stat st;
    json_t *out = NULL;

    if (data)
        snprintf(path, sizeof path, "%s/%s", data, name);
    else
        snprintf(path, sizeof path, "%s/../shared/data/%s", source ? source : ".", name);
    if (stat(path, &st) != 0)
        return NULL;
    assert_ok(btz_file_read(path, 1 << 20, &text));
    assert_ok(btz_json_parse(btz_buf_slice(&text), 1 << 20, name, &out));
    btz_buf_release(&text);
    return out;
}

static inline struct btz_jwk *jwk_of(const json_t *object)
{
    struct btz_jwk *key = NULL;

    assert_ok(btz_jwk_of_json(object, &key));
    return key;
}

static inline struct btz_jwk *jwk_text(const char *text)
{
    struct btz_jwk *key = NULL;

    assert_ok(btz_jwk_parse(btz_str(text), &key));
    return key;
}

/* One key, and the algorithms named by their bits. `set` must outlive the rules. */
static inline struct btz_jws_rules rules_of(struct btz_jwks *set, struct btz_jwk *key,
                                            unsigned algs)
{
    *set = (struct btz_jwks){ .count = 1 };
    set->keys[0] = key;
    return (struct btz_jws_rules){ .keys = set, .algorithms = algs };
}

static inline unsigned alg_bit(const char *name)
{
    enum btz_jose_alg alg;

    assert_ok(btz_jose_alg_find(name, &alg));
    return BTZ_JOSE_BIT(alg);
}

static inline const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

/* base64url of a text, in the arena. */
static inline char *b64(struct btz_arena *arena, struct btz_slice bytes)
{
    struct btz_buf out = BTZ_BUF(1 << 20);
    char *text;

    assert_ok(btz_base64url_encode(bytes, &out));
    text = btz_arena_str(arena, btz_buf_slice(&out));
    assert_non_null(text);
    btz_buf_release(&out);
    return text;
}

#endif
