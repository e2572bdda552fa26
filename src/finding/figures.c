#include "finding/figures.h"

#include "finding/report.h"
#include "finding/results.h"

#define FIGURE_BYTES ((size_t)2 << 20)

enum btz_err btz_results_figure(struct btz_results *r, json_t *figure)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FIGURE_BYTES);
    BTZ_JSON json_t *owned = figure;
    struct btz_kept *k = r->kept;

    if (!owned)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (!json_is_string(json_object_get(owned, "kind")) ||
        !json_is_string(json_object_get(owned, "title")))
        return btz_fail(BTZ_INPUT, "a figure needs `kind` and `title`, both text");
    if (k->figure_count == BTZ_RUN_FIGURES)
        return btz_fail(BTZ_LIMIT, "more than %d figures", BTZ_RUN_FIGURES);
    BTZ_TRY(btz_report_json(owned, false, &bytes));
    BTZ_TRY(btz_arena_copy(&k->arena, btz_buf_slice(&bytes), &k->figures[k->figure_count]));
    k->figure_count++;
    return BTZ_OK;
}

size_t btz_results_figure_count(const struct btz_results *r)
{
    return r->kept->figure_count;
}

enum btz_err btz_results_figure_at(const struct btz_results *r, size_t i, json_t **out)
{
    return btz_json_parse(r->kept->figures[i], FIGURE_BYTES, "figure", out);
}
