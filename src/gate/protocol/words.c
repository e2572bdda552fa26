/* What a response says where no text is, and log probabilities, which say a text once more. */
#include "gate/protocol/shape.h"

#define TOKEN_MAX 128
#define RANKS_MAX 32 /* alternatives of one token; OpenAI gives 20 at most */

void btz_words_release(struct btz_words *w)
{
    btz_buf_release(&w->values);
    btz_buf_release(&w->names);
}

void btz_words_clear(struct btz_words *w)
{
    btz_buf_clear(&w->values);
    btz_buf_clear(&w->names);
    w->coded = false;
}

static enum btz_err line(struct btz_buf *out, struct btz_slice s)
{
    if (s.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_slice(out, s));
    return btz_buf_add_byte(out, '\n');
}

enum btz_err btz_words_value(struct btz_words *w, struct btz_slice value)
{
    return w ? line(&w->values, value) : BTZ_OK;
}

enum btz_err btz_words_name(struct btz_words *w, struct btz_slice name)
{
    return w ? line(&w->names, name) : BTZ_OK;
}

enum btz_err btz_words_coded(struct btz_words *w, struct btz_slice value)
{
    if (value.len <= BTZ_WORD_MAX)
        return btz_words_value(w, value);
    if (w)
        w->coded = true;
    return BTZ_OK;
}

enum btz_err btz_words_all(struct btz_words *w, const json_t *value)
{
    const json_t *one;
    const char *key;
    size_t i;

    if (!w)
        return BTZ_OK;
    switch (json_typeof(value)) {
    case JSON_STRING:
        return btz_words_value(w, btz_text_of(value));
    case JSON_ARRAY:
        json_array_foreach(value, i, one)
        {
            BTZ_TRY(btz_words_all(w, one));
        }
        return BTZ_OK;
    case JSON_OBJECT:
        json_object_foreach((json_t *)(uintptr_t)value, key, one)
        {
            BTZ_TRY(btz_words_name(w, btz_str(key)));
            BTZ_TRY(btz_words_all(w, one));
        }
        return BTZ_OK;
    default:
        return BTZ_OK;
    }
}

enum btz_err btz_words_text(const struct btz_words *w, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&w->values)));
    return btz_buf_add_slice(out, btz_buf_slice(&w->names));
}

bool btz_words_hide(const struct btz_words *w, struct btz_slice json)
{
    return w->coded && btz_slice_has(json, "\\u");
}

/* ---- log probabilities ---- */

static bool is_number(const json_t *v)
{
    return !v || json_is_null(v) || json_is_number(v);
}

static bool is_list(const json_t *v)
{
    return !v || json_is_null(v) || json_is_array(v);
}

/* The bytes of a token; false: no such list. */
static bool bytes_of(const json_t *list, uint8_t out[TOKEN_MAX], size_t *len)
{
    const json_t *one;
    size_t i;

    *len = 0;
    if (!is_list(list) || json_array_size(list) > TOKEN_MAX)
        return false;
    json_array_foreach(list, i, one)
    {
        if (!json_is_integer(one) || json_integer_value(one) < 0 || json_integer_value(one) > 255)
            return false;
        out[(*len)++] = (uint8_t)json_integer_value(one);
    }
    return true;
}

/* {token, logprob, bytes, top_logprobs} and nothing else that could carry a text. */
static bool plain_token(const json_t *one, bool alternative)
{
    static const char *const known[] = { "token", "logprob", "bytes", "top_logprobs" };
    const json_t *top = json_object_get(one, "top_logprobs"), *bytes, *other;
    struct btz_slice token = btz_text_of(json_object_get(one, "token"));
    uint8_t raw[TOKEN_MAX];
    size_t have = 0, len, i;

    for (i = 0; i < BTZ_COUNT(known); i++)
        have += json_object_get(one, known[i]) ? 1 : 0;
    bytes = json_object_get(one, "bytes");
    if (have != json_object_size(one) || token.len > TOKEN_MAX || !is_list(top) ||
        json_array_size(top) > RANKS_MAX || !is_number(json_object_get(one, "logprob")) ||
        !bytes_of(bytes, raw, &len))
        return false;
    /* Of an alternative that is no whole character the bytes say more than the token. */
    if (!alternative && json_is_array(bytes) && !btz_slice_equal(btz_slice_of(raw, len), token))
        return false;
    json_array_foreach(top, i, other)
    {
        if (alternative || !json_is_object(other) || !plain_token(other, true))
            return false;
    }
    return !(alternative && top);
}

/* {tokens, token_logprobs, top_logprobs, text_offset} of /v1/completions. */
static bool plain_lists(const json_t *object)
{
    static const char *const known[] = { "tokens", "token_logprobs", "text_offset",
                                         "top_logprobs" };
    const json_t *top = json_object_get(object, "top_logprobs"), *one;
    size_t have = 0, i, k;

    for (i = 0; i < BTZ_COUNT(known); i++) {
        const json_t *list = json_object_get(object, known[i]);

        have += list ? 1 : 0;
        if (!is_list(list))
            return false;
        json_array_foreach(i == 1 || i == 2 ? list : NULL, k, one)
        {
            if (!is_number(one))
                return false;
        }
    }
    json_array_foreach(top, i, one)
    {
        if ((!json_is_null(one) && !json_is_object(one)) || json_object_size(one) > RANKS_MAX)
            return false;
        for (void *it = json_object_iter((json_t *)(uintptr_t)one); it;
             it = json_object_iter_next((json_t *)(uintptr_t)one, it))
            if (!is_number(json_object_iter_value(it)))
                return false;
    }
    return have == json_object_size(object);
}

static bool follows(struct btz_slice text, size_t *at, struct btz_slice token)
{
    if (token.len > text.len - *at || (token.len && memcmp(text.ptr + *at, token.ptr, token.len)))
        return false;
    *at += token.len;
    return true;
}

bool btz_logprobs_repeat(const json_t *logprobs, struct btz_slice text)
{
    const json_t *tokens =
        json_is_object(logprobs) ? json_object_get(logprobs, "tokens") : logprobs;
    const json_t *one;
    size_t at = 0, i;

    if (!json_is_array(tokens) || (json_is_object(logprobs) && !plain_lists(logprobs)))
        return false;
    json_array_foreach(tokens, i, one)
    {
        struct btz_slice token =
            btz_text_of(json_is_object(one) ? json_object_get(one, "token") : one);

        if (!follows(text, &at, token) ||
            (json_is_object(one) ? !plain_token(one, false) : !json_is_string(one)))
            return false;
    }
    return at == text.len;
}

bool btz_logprobs_fit(const json_t *logprobs, struct btz_slice text)
{
    return !logprobs || json_is_null(logprobs) ||
           (json_is_array(logprobs) && json_array_size(logprobs) == 0) ||
           btz_logprobs_repeat(logprobs, text);
}

enum btz_err btz_logprobs_check(struct btz_walk *w, json_t *object, struct btz_slice text)
{
    if (btz_logprobs_fit(json_object_get(object, "logprobs"), text))
        return BTZ_OK;
    if (json_object_set_new(object, "logprobs", json_array()) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    *w->changed = true;
    return BTZ_OK;
}

/* One of the alternatives at a place: an object with a token, or the name of a member. */
static enum btz_err alternative(struct btz_buf *out, const json_t *top, size_t rank)
{
    const json_t *one = json_array_get(top, rank);
    uint8_t raw[TOKEN_MAX];
    size_t len, i = 0;

    if (json_is_object(top)) {
        void *it = json_object_iter((json_t *)(uintptr_t)top);

        for (; it && i < rank; i++)
            it = json_object_iter_next((json_t *)(uintptr_t)top, it);
        return it ? btz_buf_add_str(out, json_object_iter_key(it)) : BTZ_OK;
    }
    BTZ_TRY(btz_buf_add_slice(out, btz_text_of(json_object_get(one, "token"))));
    if (!bytes_of(json_object_get(one, "bytes"), raw, &len) ||
        btz_slice_equal(btz_slice_of(raw, len), btz_text_of(json_object_get(one, "token"))))
        return BTZ_OK;
    return btz_buf_add(out, raw, len);
}

/* Those of the first rank, then of the second: `tops` has them, or each of `tokens` has its own. */
static enum btz_err ranks(struct btz_words *w, const json_t *tokens, const json_t *tops)
{
    size_t count = json_array_size(tops ? tops : tokens), before = SIZE_MAX;

    for (size_t rank = 0; rank < RANKS_MAX && before != w->values.len; rank++) {
        before = w->values.len;
        for (size_t i = 0; i < count; i++) {
            const json_t *at = json_array_get(tops ? tops : tokens, i);

            BTZ_TRY(alternative(&w->values, tops ? at : json_object_get(at, "top_logprobs"), rank));
        }
        if (before != w->values.len)
            BTZ_TRY(btz_buf_add_byte(&w->values, '\n'));
    }
    return BTZ_OK;
}

enum btz_err btz_words_tokens(struct btz_words *w, const json_t *logprobs)
{
    if (!w || !logprobs)
        return BTZ_OK;
    if (json_is_array(logprobs))
        return ranks(w, logprobs, NULL);
    BTZ_TRY(ranks(w, json_object_get(logprobs, "content"), NULL));
    BTZ_TRY(ranks(w, json_object_get(logprobs, "refusal"), NULL));
    return ranks(w, NULL, json_object_get(logprobs, "top_logprobs"));
}
