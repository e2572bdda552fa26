#include "store/dump.h"

#define FLUSH_AT 65536

static enum btz_err flush(struct btz_dump_writer *w)
{
    crypto_auth_hmacsha256_update(&w->mac, w->pending.ptr, w->pending.len);
    BTZ_TRY(w->out(w->user, btz_buf_slice(&w->pending)));
    btz_buf_clear(&w->pending);
    return BTZ_OK;
}

static enum btz_err add_number(struct btz_buf *b, uint64_t value, size_t bytes)
{
    uint8_t out[8];

    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return btz_buf_add(b, out, bytes);
}

static enum btz_err add_name(struct btz_buf *b, const char *name)
{
    BTZ_TRY(btz_buf_add_byte(b, (uint8_t)strlen(name)));
    return btz_buf_add_str(b, name);
}

enum btz_err btz_dump_begin(struct btz_dump_writer *w, const uint8_t *key)
{
    static const uint8_t zeros[32];

    w->pending = BTZ_BUF(BTZ_DUMP_ROW_MAX + (1u << 20));
    w->rows = 0;
    crypto_auth_hmacsha256_init(&w->mac, key ? key : zeros, 32);
    BTZ_TRY(btz_buf_add_str(&w->pending, "bartizan store backup 1\n"));
    return btz_buf_add_byte(&w->pending, key != NULL);
}

enum btz_err btz_dump_part(struct btz_dump_writer *w, const struct btz_dump_part *p)
{
    BTZ_TRY(btz_buf_add_byte(&w->pending, 'P'));
    BTZ_TRY(add_name(&w->pending, p->name));
    BTZ_TRY(add_number(&w->pending, p->version, 4));
    return btz_buf_add(&w->pending, p->digest, sizeof p->digest);
}

enum btz_err btz_dump_table(struct btz_dump_writer *w, const struct btz_dump_table *t)
{
    BTZ_TRY(btz_buf_add_byte(&w->pending, 'T'));
    BTZ_TRY(add_name(&w->pending, t->name));
    BTZ_TRY(add_number(&w->pending, t->next, 8));
    BTZ_TRY(btz_buf_add_byte(&w->pending, (uint8_t)t->count));
    for (size_t i = 0; i < t->count; i++) {
        BTZ_TRY(add_name(&w->pending, t->column[i].name));
        BTZ_TRY(btz_buf_add_byte(&w->pending, (uint8_t)t->column[i].kind));
    }
    return BTZ_OK;
}

static enum btz_err add_value(struct btz_buf *b, const struct btz_value *v)
{
    uint64_t bits = (uint64_t)v->i;

    BTZ_TRY(btz_buf_add_byte(b, (uint8_t)v->kind));
    switch (v->kind) {
    case BTZ_VALUE_REAL:
        memcpy(&bits, &v->real, sizeof bits);
        return add_number(b, bits, 8);
    case BTZ_VALUE_INT:
        return add_number(b, bits, 8);
    case BTZ_VALUE_TEXT:
    case BTZ_VALUE_BLOB:
        BTZ_TRY(add_number(b, v->bytes.len, 4));
        return btz_buf_add_slice(b, v->bytes);
    case BTZ_VALUE_NULL:
        break;
    }
    return BTZ_OK;
}

enum btz_err btz_dump_row(struct btz_dump_writer *w, const struct btz_value *values, size_t count)
{
    BTZ_TRY(btz_buf_add_byte(&w->pending, 'R'));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(add_value(&w->pending, &values[i]));
    w->rows++;
    return w->pending.len < FLUSH_AT ? BTZ_OK : flush(w);
}

enum btz_err btz_dump_end(struct btz_dump_writer *w)
{
    uint8_t mac[BTZ_SHA256_LEN];

    BTZ_TRY(btz_buf_add_byte(&w->pending, 'E'));
    BTZ_TRY(add_number(&w->pending, w->rows, 8));
    BTZ_TRY(flush(w));
    crypto_auth_hmacsha256_final(&w->mac, mac);
    return w->out(w->user, btz_slice_of(mac, sizeof mac));
}
