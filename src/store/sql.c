#include <ctype.h>
#include <strings.h>

#include "store/engine.h"

static size_t until(const char *at, char quote)
{
    size_t n = 1;

    for (; at[n]; n++) {
        if (at[n] != quote)
            continue;
        if (at[n + 1] != quote)
            return n + 1;
        n++;
    }
    return n;
}

size_t btz_sql_quoted(const char *at)
{
    const char *end;

    if (*at == '\'' || *at == '"')
        return until(at, *at);
    if (at[0] == '-' && at[1] == '-') {
        end = strchr(at, '\n');
        return end ? (size_t)(end - at) + 1 : strlen(at);
    }
    if (at[0] == '/' && at[1] == '*') {
        end = strstr(at + 2, "*/");
        return end ? (size_t)(end - at) + 2 : strlen(at);
    }
    return 0;
}

static bool is_comment(const char *at)
{
    return at[0] == '-' || at[0] == '/';
}

/* White space and comments. */
static const char *skip_blank(const char *at)
{
    for (;;) {
        size_t n = isspace((unsigned char)*at) ? 1 : btz_sql_quoted(at);

        if (n == 0 || (!isspace((unsigned char)*at) && !is_comment(at)))
            return at;
        at += n;
    }
}

bool btz_sql_is(struct btz_slice statement, const char *word)
{
    size_t n = strlen(word);

    return statement.len >= n && strncasecmp((const char *)statement.ptr, word, n) == 0 &&
           (statement.len == n || !isalnum(statement.ptr[n]));
}

bool btz_sql_next(const char **at, struct btz_slice *statement)
{
    const char *start = *at, *end;

    do {
        while (*start == ';' || skip_blank(start) != start)
            start = *start == ';' ? start + 1 : skip_blank(start);
        for (end = start; *end && *end != ';';) {
            size_t n = btz_sql_quoted(end);

            end += n ? n : 1;
        }
        *at = *end ? end + 1 : end;
        *statement = btz_slice_trim(btz_slice_of(start, (size_t)(end - start)));
        start = *at;
    } while (statement->len == 0 && *start);
    return statement->len > 0;
}

static const char *type_at(const struct btz_dialect *d, const char *at, size_t *len)
{
    const struct {
        const char *word, *type;
    } types[] = { { "{int}", d->int_type },
                  { "{real}", d->real_type },
                  { "{text}", d->text_type },
                  { "{blob}", d->blob_type },
                  { "{id}", d->id_type } };

    for (size_t i = 0; i < BTZ_COUNT(types); i++) {
        *len = strlen(types[i].word);
        if (strncmp(at, types[i].word, *len) == 0)
            return types[i].type;
    }
    return NULL;
}

/* PostgreSQL cannot tell the type of a value that is only compared with NULL. */
static bool is_null_test(const char *at)
{
    at = skip_blank(at);
    return strncasecmp(at, "IS", 2) == 0 && isspace((unsigned char)at[2]);
}

static enum btz_err add_value(const struct btz_dialect *d, const char *behind, size_t number,
                              struct btz_buf *out)
{
    if (isdigit((unsigned char)*behind) || *behind == '?')
        return btz_fail(BTZ_INTERNAL, "SQL: values are written `?`, without a number");
    if (!d->numbered)
        return btz_buf_add_byte(out, '?');
    return btz_buf_printf(out, "$%zu%s", number, is_null_test(behind) ? "::text" : "");
}

/* *solid: length of `out` up to the last byte that is neither white space nor comment. */
static enum btz_err translate(const struct btz_dialect *d, const char *at, struct btz_buf *out,
                              size_t *values, size_t *solid)
{
    while (*at) {
        size_t len = btz_sql_quoted(at);
        bool blank = isspace((unsigned char)*at) || (len > 0 && is_comment(at));
        const char *type = len == 0 && *at == '{' ? type_at(d, at, &len) : NULL;

        if (type) {
            BTZ_TRY(btz_buf_add_str(out, type));
        } else if (*at == '{') {
            return btz_fail(BTZ_INTERNAL, "SQL: unknown type at \"%.20s\"", at);
        } else if (*at == '?') {
            len = 1;
            BTZ_TRY(add_value(d, at + 1, ++*values, out));
        } else {
            len = len ? len : 1;
            BTZ_TRY(btz_buf_add(out, at, len));
        }
        if (!blank)
            *solid = out->len;
        at += len;
    }
    return BTZ_OK;
}

static bool makes_table(struct btz_slice sql)
{
    const char *what;

    if (!btz_sql_is(sql, "CREATE"))
        return false;
    what = skip_blank((const char *)sql.ptr + strlen("CREATE"));
    return btz_sql_is(btz_str(what), "TABLE");
}

enum btz_err btz_sql_translate(const struct btz_dialect *d, struct btz_slice sql,
                               struct btz_buf *out, size_t *values)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_STORE_SQL_MAX);
    size_t solid = 0;
    const char *at;

    *values = 0;
    BTZ_TRY(btz_buf_add_slice(&text, sql));
    BTZ_TRY(btz_buf_cstr(&text, &at));
    at = skip_blank(at);
    BTZ_TRY(translate(d, at, out, values, &solid));
    if (makes_table(btz_str(at)) && out->ptr[solid - 1] == ')') {
        out->len = solid;
        BTZ_TRY(btz_buf_add_str(out, d->table_end));
    }
    return btz_buf_cstr(out, &at);
}
