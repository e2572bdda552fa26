/*
 * Figures that practices attach as evidence of type BTZ_FIGURE_TYPE: curves as inline SVG, tables, tables of counts.
 * The JSON may be anybody's: what does not fit is left out and said.
 */
#include <math.h>

#include "base/json.h"
#include "finding/html.h"

#define SERIES_MAX  6
#define POINTS_MAX  500
#define MARKS_MAX   4
#define LISTED_MAX  150 /* rows of the numbers of a curve */
#define COLUMNS_MAX 40
#define ROWS_MAX    200

/* ---- curves ----------------------------------------------------------------------------------------------------------- */

#define LEFT           52.0
#define RIGHT          440.0
#define TOP            12.0
#define BOTTOM         190.0
#define NAME_MAX_SHOWN 28 /* bytes beside the end of a line */

struct scale {
    double low, high;
    bool log, percent, whole;
};
struct plot {
    struct scale x, y;
    const json_t *series;
    size_t count;
};

static bool point_of(const json_t *points, size_t i, double *x, double *y)
{
    const json_t *p = json_array_get(points, i), *a = json_array_get(p, 0),
                 *b = json_array_get(p, 1);

    *x = json_is_number(a) ? json_number_value(a) : NAN;
    *y = json_is_number(b) ? json_number_value(b) : NAN;
    return isfinite(*x) && isfinite(*y);
}

static size_t point_count(const struct plot *p, size_t series, const json_t **points)
{
    size_t n;

    *points = json_object_get(json_array_get(p->series, series), "points");
    n = json_array_size(*points);
    return n < POINTS_MAX ? n : POINTS_MAX;
}

static double along(const struct scale *s, double v)
{
    double low = s->low, high = s->high;

    if (s->log) {
        v = log10(fmax(v, 1e-300));
        low = log10(low);
        high = log10(high);
    }
    return high > low ? fmin(fmax((v - low) / (high - low), 0), 1) : 0.5;
}

static double at_x(const struct plot *p, double x)
{
    return LEFT + along(&p->x, x) * (RIGHT - LEFT);
}

static double at_y(const struct plot *p, double y)
{
    return BOTTOM - along(&p->y, y) * (BOTTOM - TOP);
}

/* The least top of an axis whose quarters are short numbers. */
static double round_top(double top)
{
    static const double steps[] = { 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 };
    double unit = pow(10, floor(log10(top / 4)));

    for (size_t i = 0; i < BTZ_COUNT(steps); i++)
        if (4 * steps[i] * unit >= top)
            return 4 * steps[i] * unit;
    return 40 * unit;
}

static void measure(struct plot *p)
{
    double low = INFINITY, high = -INFINITY, top = 0, positive = INFINITY, x, y;

    for (size_t s = 0; s < p->count; s++) {
        const json_t *points;
        size_t n = point_count(p, s, &points);

        for (size_t i = 0; i < n; i++) {
            bool here = point_of(points, i, &x, &y);

            /* A gap belongs to the axis, too. */
            low = isfinite(x) ? fmin(low, x) : low;
            high = isfinite(x) ? fmax(high, x) : high;
            positive = x > 0 && isfinite(x) ? fmin(positive, x) : positive;
            top = here ? fmax(top, y) : top;
        }
    }
    p->x.low = isfinite(low) ? low : 0;
    p->x.high = isfinite(high) ? high : 1;
    if (p->x.log) {
        p->x.low = isfinite(positive) ? positive : 1;
        p->x.high = fmax(p->x.high, p->x.low * 10);
    }
    p->y.low = 0;
    p->y.high = p->y.percent || top <= 0 ? 1 : round_top(top);
}

static enum btz_err tick(struct btz_buf *out, double x, double v)
{
    return btz_buf_printf(
        out, "<path class=\"axis\" d=\"M%.1f %.0fv4\"/><text x=\"%.1f\" y=\"%.0f\">%.*g</text>", x,
        BOTTOM, x, BOTTOM + 17, v >= 1000 ? 6 : 3, v);
}

static enum btz_err ticks(struct btz_buf *out, const struct plot *p)
{
    for (int i = 0; i <= 4; i++) {
        double t = i / 4.0;

        BTZ_TRY(tick(out, LEFT + (RIGHT - LEFT) * t,
                     p->x.log ? p->x.low * pow(p->x.high / p->x.low, t)
                              : p->x.low + (p->x.high - p->x.low) * t));
    }
    return BTZ_OK;
}

/* Epochs are counted: there is no epoch 1.5. */
static enum btz_err whole_ticks(struct btz_buf *out, const struct plot *p)
{
    double step = fmax(1, ceil((p->x.high - p->x.low) / 8));

    for (int i = 0; i <= 8 && p->x.low + i * step <= p->x.high; i++)
        BTZ_TRY(tick(out, at_x(p, p->x.low + i * step), p->x.low + i * step));
    return BTZ_OK;
}

static enum btz_err frame(struct btz_buf *out, const struct plot *p)
{
    for (int i = 0; i <= 4; i++) {
        double v = p->y.high * i / 4, y = BOTTOM - (BOTTOM - TOP) * i / 4;

        ADDF("<path class=\"axis\" d=\"M%.0f %.1fH%.0f\"/><text class=\"end\" x=\"%.0f\" "
             "y=\"%.1f\">",
             LEFT, y, RIGHT, LEFT - 6, y + 4);
        if (p->y.percent)
            ADDF("%.0f%%</text>", 100 * v);
        else
            ADDF("%.3g</text>", v);
    }
    return p->x.whole ? whole_ticks(out, p) : ticks(out, p);
}

static struct btz_slice text_of(const json_t *object, const char *key)
{
    struct btz_slice text = btz_str("");

    return btz_json_get_text(object, key, &text) ? text : btz_str("");
}

/* A point without a number is a gap: nothing is drawn across it, least of all a line to 0. */
static enum btz_err line(struct btz_buf *out, const struct plot *p, size_t s, double *end)
{
    const json_t *points;
    size_t n = point_count(p, s, &points), drawn = 0;
    bool before = false;
    double x, y;

    ADDF("<path class=\"curve s%zu\" d=\"", s);
    for (size_t i = 0; i < n; i++) {
        bool here = point_of(points, i, &x, &y);

        if (here) {
            ADDF("%s%.1f %.1f", before ? "L" : "M", at_x(p, x), at_y(p, y));
            *end = at_y(p, y);
            drawn++;
        }
        before = here;
    }
    ADD("\"/>");
    for (size_t i = 0; i < n; i++) {
        /* Where there are too many dots, those that no line reaches. */
        bool alone = !(i && point_of(points, i - 1, &x, &y)) &&
                     !(i + 1 < n && point_of(points, i + 1, &x, &y));

        if (point_of(points, i, &x, &y) && (drawn <= 25 || alone))
            ADDF("<circle class=\"dot s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", s, at_x(p, x),
                 at_y(p, y));
    }
    return BTZ_OK;
}

/* What happened at a place along the axis. */
static enum btz_err marks(struct btz_buf *out, const struct plot *p, const json_t *list)
{
    size_t n = json_array_size(list);

    for (size_t i = 0; i < n && i < MARKS_MAX; i++) {
        const json_t *mark = json_array_get(list, i), *at = json_object_get(mark, "x");
        double v = json_is_number(at) ? json_number_value(at) : NAN, x;

        if (!(v >= p->x.low && v <= p->x.high))
            continue;
        x = at_x(p, v);
        ADDF("<path class=\"mark\" d=\"M%.1f %.0fV%.0f\"/><text class=\"%s\" x=\"%.1f\" "
             "y=\"%.0f\">",
             x, TOP, BOTTOM, x > (LEFT + RIGHT) / 2 ? "end" : "start",
             x > (LEFT + RIGHT) / 2 ? x - 4 : x + 4, BOTTOM - 6 - 13 * (double)i);
        BTZ_TRY(btz_html_short(out, text_of(mark, "text"), 40));
        ADD("</text>");
    }
    return BTZ_OK;
}

/* Names stand at the ends of their lines, moved apart where they would lie on each other. */
static void spread(double *ends, size_t count)
{
    for (size_t round = 0; round < count; round++)
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < count; k++)
                if (i != k && (ends[k] > ends[i] || (ends[k] >= ends[i] && k > i)) &&
                    ends[k] < ends[i] + 13)
                    ends[k] = ends[i] + 13;
}

static enum btz_err number_cell(struct btz_buf *out, bool percent, double v, const json_t *series)
{
    ADD("<td class=\"n\"");
    if (series) {
        ADD(" data-t=\"");
        BTZ_TRY(btz_html_short(out, text_of(series, "name"), 60));
        ADD("\"");
    }
    ADD(">");
    if (!isfinite(v))
        ADD("&ndash;");
    else if (percent)
        ADDF("%.2f %%", 100 * v);
    else
        ADDF("%.4g", v);
    return btz_buf_add_str(out, "</td>");
}

/* Have all series the same places along the axis, so that one row can hold all of them? */
static bool is_grid(const struct plot *p)
{
    const json_t *first, *other;
    size_t n = p->count ? point_count(p, 0, &first) : 0;

    for (size_t s = 1; s < p->count; s++) {
        if (point_count(p, s, &other) != n)
            return false;
        for (size_t i = 0; i < n; i++)
            if (!json_equal(json_array_get(json_array_get(first, i), 0),
                            json_array_get(json_array_get(other, i), 0)))
                return false;
    }
    return n > 0;
}

static enum btz_err grid_numbers(struct btz_buf *out, const struct plot *p)
{
    const json_t *points;
    size_t n = point_count(p, 0, &points), step = n / LISTED_MAX + 1;
    double x, y;

    for (size_t s = 0; s < p->count; s++) {
        ADD("<th scope=\"col\" class=\"n\">");
        BTZ_TRY(btz_html_line(out, text_of(json_array_get(p->series, s), "name"), 60));
        ADD("</th>");
    }
    ADD("</tr></thead><tbody>");
    for (size_t i = 0; i < n; i += step) {
        point_count(p, 0, &points);
        point_of(points, i, &x, &y);
        if (!isfinite(x))
            continue;
        ADDF("<tr><th scope=\"row\">%.6g</th>", x);
        for (size_t s = 0; s < p->count; s++) {
            point_count(p, s, &points);
            point_of(points, i, &x, &y);
            BTZ_TRY(number_cell(out, p->y.percent, y, json_array_get(p->series, s)));
        }
        ADD("</tr>");
    }
    return BTZ_OK;
}

static enum btz_err series_numbers(struct btz_buf *out, const struct plot *p, const json_t *figure)
{
    ADD("<th scope=\"col\">Series</th><th scope=\"col\" class=\"n\">");
    BTZ_TRY(btz_html_line(out, text_of(figure, "y"), 60));
    ADD("</th></tr></thead><tbody>");
    for (size_t s = 0; s < p->count; s++) {
        const json_t *points;
        size_t n = point_count(p, s, &points), step = n / 25 + 1;
        double x, y;

        for (size_t i = 0; i < n; i += step) {
            point_of(points, i, &x, &y);
            if (!isfinite(x))
                continue;
            ADDF("<tr><th scope=\"row\">%.4g</th><td>", x);
            BTZ_TRY(btz_html_line(out, text_of(json_array_get(p->series, s), "name"), 60));
            ADD("</td>");
            BTZ_TRY(number_cell(out, p->y.percent, y, NULL));
            ADD("</tr>");
        }
    }
    return BTZ_OK;
}

/* The numbers of a curve: a row for each place along the axis where all series share them, else one for each point. */
static enum btz_err curve_numbers(struct btz_buf *out, const struct plot *p, const json_t *figure)
{
    ADD("<details><summary>Numbers</summary><div class=\"wide numbers\"><table><caption>");
    BTZ_TRY(btz_html_line(out, text_of(figure, "title"), BTZ_HTML_TEXT));
    ADD("</caption><thead><tr><th scope=\"col\">");
    BTZ_TRY(btz_html_line(out, text_of(figure, "x"), 60));
    ADD("</th>");
    BTZ_TRY(is_grid(p) ? grid_numbers(out, p) : series_numbers(out, p, figure));
    return btz_buf_add_str(out, "</tbody></table></div></details>\n");
}

static enum btz_err curve(struct btz_buf *out, const json_t *figure)
{
    struct plot p = { .series = json_object_get(figure, "series"),
                      .x.log = json_is_true(json_object_get(figure, "log")),
                      .x.whole = json_is_true(json_object_get(figure, "whole")),
                      .y.percent = json_is_true(json_object_get(figure, "percent")) };
    double ends[SERIES_MAX];

    p.count = json_array_size(p.series);
    if (p.count > SERIES_MAX)
        p.count = SERIES_MAX;
    measure(&p);
    ADD("<svg class=\"plot\" viewBox=\"0 0 620 232\" role=\"img\" aria-label=\"");
    BTZ_TRY(btz_html_short(out, text_of(figure, "title"), BTZ_HTML_TEXT));
    ADD("; the table below has the numbers\">");
    BTZ_TRY(frame(out, &p));
    BTZ_TRY(marks(out, &p, json_object_get(figure, "marks")));
    for (size_t s = 0; s < p.count; s++) {
        ends[s] = NAN; /* nothing drawn, nothing named */
        BTZ_TRY(line(out, &p, s, &ends[s]));
    }
    spread(ends, p.count);
    for (size_t s = 0; s < p.count; s++) {
        if (!isfinite(ends[s]))
            continue;
        ADDF("<text class=\"name s%zu\" x=\"%.0f\" y=\"%.1f\">", s, RIGHT + 8, ends[s] + 4);
        BTZ_TRY(btz_html_short(out, text_of(json_array_get(p.series, s), "name"), NAME_MAX_SHOWN));
        ADD("</text>");
    }
    ADDF("<text x=\"%.0f\" y=\"%.0f\">", (LEFT + RIGHT) / 2, BOTTOM + 36);
    BTZ_TRY(btz_html_short(out, text_of(figure, "x"), 60));
    ADD("</text></svg>\n");
    return curve_numbers(out, &p, figure);
}

/* ---- tables ----------------------------------------------------------------------------------------------------------- */

static enum btz_err cell(struct btz_buf *out, const json_t *value)
{
    struct btz_slice text;

    if (json_is_integer(value))
        return btz_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_number(value))
        return btz_buf_printf(out, "%.4g", json_number_value(value));
    if (!json_is_string(value))
        return btz_buf_add_str(out, "&ndash;");
    text = btz_slice_of(json_string_value(value), json_string_length(value));
    return btz_html_line(out, text, 120);
}

/* How dark a count is among the others of its row, 0 to 9. */
static int shade(const json_t *row, size_t i)
{
    double sum = 0;

    for (size_t k = 1; k < json_array_size(row); k++)
        sum += json_number_value(json_array_get(row, k));
    return sum > 0 ? (int)fmin(9, 10 * json_number_value(json_array_get(row, i)) / sum) : 0;
}

/* The name of the column stands before a cell on a phone. */
static enum btz_err open_cell(struct btz_buf *out, const json_t *name, bool number)
{
    ADD(number ? "<td class=\"n\"" : "<td");
    if (json_is_string(name)) {
        ADD(" data-t=\"");
        BTZ_TRY(btz_html_short(out, btz_slice_of(json_string_value(name), json_string_length(name)),
                               60));
        ADD("\"");
    }
    return btz_buf_add_byte(out, '>');
}

/* Numbers stand at the right, but not among words. */
static uint64_t number_columns(const json_t *rows)
{
    uint64_t words = 0, numbers = 0;

    for (size_t r = 0; r < json_array_size(rows) && r < ROWS_MAX; r++)
        for (size_t i = 1; i < COLUMNS_MAX; i++) {
            const json_t *value = json_array_get(json_array_get(rows, r), i);

            words |= (uint64_t)json_is_string(value) << i;
            numbers |= (uint64_t)json_is_number(value) << i;
        }
    return numbers & ~words;
}

static enum btz_err table_row(struct btz_buf *out, const json_t *columns, const json_t *row,
                              bool counts, uint64_t numbers)
{
    size_t n = json_array_size(row);

    ADD("<tr>");
    for (size_t i = 0; i < n && i < COLUMNS_MAX; i++) {
        const json_t *value = json_array_get(row, i);

        if (i == 0)
            ADD("<th scope=\"row\">");
        else if (counts)
            ADDF("<td class=\"n heat%d\">", shade(row, i));
        else
            BTZ_TRY(open_cell(out, json_array_get(columns, i), numbers >> i & 1));
        BTZ_TRY(cell(out, value));
        BTZ_TRY(btz_buf_add_str(out, i == 0 ? "</th>" : "</td>"));
    }
    return btz_buf_add_str(out, "</tr>\n");
}

static enum btz_err table(struct btz_buf *out, const json_t *figure, bool counts)
{
    const json_t *columns = json_object_get(figure, "columns"),
                 *rows = json_object_get(figure, "rows");
    size_t n = json_array_size(columns), m = json_array_size(rows);
    uint64_t numbers = number_columns(rows);

    ADDF("<div class=\"wide\"><table%s><caption>", counts   ? " class=\"counts\""
                                                   : n == 2 ? " class=\"pairs\""
                                                            : "");
    BTZ_TRY(btz_html_line(out, text_of(figure, "title"), BTZ_HTML_TEXT));
    ADD("</caption><thead><tr>");
    for (size_t i = 0; i < n && i < COLUMNS_MAX; i++) {
        ADDF("<th scope=\"col\"%s>", numbers >> i & 1 ? " class=\"n\"" : "");
        BTZ_TRY(cell(out, json_array_get(columns, i)));
        ADD("</th>");
    }
    ADD("</tr></thead><tbody>\n");
    for (size_t i = 0; i < m && i < ROWS_MAX; i++)
        BTZ_TRY(table_row(out, columns, json_array_get(rows, i), counts, numbers));
    ADD("</tbody></table></div>\n");
    if (m > ROWS_MAX || n > COLUMNS_MAX)
        ADD("<p class=\"soft\">The whole table is in the evidence file.</p>\n");
    return BTZ_OK;
}

enum btz_err btz_html_figure(struct btz_buf *out, const json_t *figure, bool *known)
{
    struct btz_slice kind = text_of(figure, "kind"), note = text_of(figure, "note");

    *known = true;
    if (btz_slice_is(kind, "curve"))
        BTZ_TRY(curve(out, figure));
    else if (btz_slice_is(kind, "table"))
        BTZ_TRY(table(out, figure, false));
    else if (btz_slice_is(kind, "counts"))
        BTZ_TRY(table(out, figure, true));
    else
        *known = false;
    if (!*known || note.len == 0)
        return BTZ_OK;
    ADD("<p class=\"soft\">");
    BTZ_TRY(btz_html_line(out, note, BTZ_HTML_TEXT));
    return btz_buf_add_str(out, "</p>\n");
}

enum btz_err btz_html_figures(struct btz_buf *out, const struct btz_html *p)
{
    for (size_t i = 0; i < btz_results_figure_count(p->run->results); i++) {
        BTZ_JSON json_t *figure = NULL;
        bool known;

        BTZ_TRY(btz_results_figure_at(p->run->results, i, &figure));
        ADD("<div class=\"card\"><h3>");
        BTZ_TRY(btz_html_line(out, text_of(figure, "title"), BTZ_HTML_TEXT));
        ADD("</h3>\n");
        BTZ_TRY(btz_html_figure(out, figure, &known));
        if (!known)
            ADD("<p class=\"soft\">A figure that this version cannot draw; it is in the JSON "
                "report.</p>\n");
        ADD("</div>\n");
    }
    return BTZ_OK;
}
