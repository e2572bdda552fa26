/* SQL translated for PostgreSQL: literals, quoted names and comments stay as they are, and the statements of a text are
 * the text without what stands between them. */
#include <stdlib.h>

#include "store/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static size_t count_of(struct btz_slice s, const char *what)
{
    size_t n = 0;

    for (size_t at = 0; (at = btz_slice_find(s, btz_str(what), at)) != SIZE_MAX; at++)
        n++;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_FREE char *text = strndup((const char *)data, size);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4u << 20);
    struct btz_slice statement;
    const char *at = text;
    size_t values, total = 0;

    if (!text)
        return 0;
    while (btz_sql_next(&at, &statement)) {
        check(statement.ptr >= (const uint8_t *)text &&
              statement.ptr + statement.len <= (const uint8_t *)text + strlen(text));
        check(statement.ptr[0] != ';');
        total += statement.len;
    }
    check(total <= strlen(text));
    if (btz_sql_translate(&btz_engine_postgres.dialect, btz_str(text), &out, &values) != BTZ_OK)
        return 0;
    check(values <= count_of(btz_str(text), "?"));
    /* What is inside quotes is all there; comments around a statement may go. */
    if (!strstr(text, "--") && !strstr(text, "/*"))
        check(count_of(btz_buf_slice(&out), "'") == count_of(btz_str(text), "'"));
    return 0;
}
