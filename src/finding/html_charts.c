#include <math.h>

#include "finding/html.h"

static double clamp(double x)
{
    return isnan(x) || x < 0 ? 0 : x > 100 ? 100 : x;
}

const char *btz_risk_band(double score)
{
    return score >= 75   ? "critical"
           : score >= 50 ? "high"
           : score >= 25 ? "medium"
           : score > 0   ? "low"
                         : "none";
}

/* A horizontal scale 0 to 100 with a point and its interval. */
static enum btz_err whisker(struct btz_buf *out, double value, double low, double high,
                            const char *css, const char *label)
{
    double v = clamp(value), l = clamp(low), h = clamp(high);

    BTZ_TRY(btz_buf_printf(
        out,
        "<svg class=\"whisker %s\" viewBox=\"-4 0 208 16\" role=\"img\" aria-label=\"%s\">"
        "<line class=\"axis\" x1=\"0\" y1=\"8\" x2=\"200\" y2=\"8\"/>",
        css, label));
    for (int tick = 0; tick <= 100; tick += 25)
        BTZ_TRY(btz_buf_printf(out, "<line class=\"axis\" x1=\"%d\" y1=\"6\" x2=\"%d\" y2=\"10\"/>",
                               2 * tick, 2 * tick));
    return btz_buf_printf(
        out,
        "<rect class=\"range\" x=\"%.1f\" y=\"4\" width=\"%.1f\" height=\"8\" rx=\"4\"/>"
        "<circle class=\"point\" cx=\"%.1f\" cy=\"8\" r=\"4.5\"/></svg>",
        2 * l, 2 * (h - l) < 1 ? 1 : 2 * (h - l), 2 * v);
}

enum btz_err btz_chart_rate(struct btz_buf *out, double value, double low, double high,
                            const char *css)
{
    char label[128];

    snprintf(label, sizeof label, "%.0f percent, 95 percent interval %.0f to %.0f", 100 * value,
             100 * low, 100 * high);
    return whisker(out, 100 * value, 100 * low, 100 * high, css, label);
}

enum btz_err btz_chart_score(struct btz_buf *out, const struct btz_risk *risk)
{
    char label[128];

    snprintf(label, sizeof label, "risk %.0f of 100, between %.0f and %.0f", risk->score, risk->low,
             risk->high);
    return whisker(out, risk->score, risk->low, risk->high, btz_risk_band(risk->score), label);
}

/* A point of the half circle: 0 on the left, 100 on the right. */
static void on_arc(double score, double radius, double *x, double *y)
{
    double angle = acos(-1) * (1 - clamp(score) / 100);

    *x = 100 + radius * cos(angle);
    *y = 100 - radius * sin(angle);
}

static enum btz_err arc(struct btz_buf *out, const char *css, double from, double to, double radius)
{
    double x1, y1, x2, y2;

    on_arc(from, radius, &x1, &y1);
    on_arc(to, radius, &x2, &y2);
    return btz_buf_printf(out, "<path class=\"%s\" d=\"M%.2f %.2f A%.1f %.1f 0 0 1 %.2f %.2f\"/>",
                          css, x1, y1, radius, radius, x2, y2);
}

enum btz_err btz_chart_gauge(struct btz_buf *out, const struct btz_risk *risk)
{
    const char *band = btz_risk_band(risk->score);

    BTZ_TRY(btz_buf_printf(out,
                           "<svg class=\"gauge %s\" viewBox=\"0 0 200 118\" role=\"img\" "
                           "aria-label=\"Risk score %.0f of "
                           "100, %s; the findings' own intervals allow %.0f to %.0f\">",
                           band, risk->score, band, risk->low, risk->high));
    BTZ_TRY(arc(out, "track", 0, 100, 84));
    if (risk->score > 0.5)
        BTZ_TRY(arc(out, "value", 0, risk->score, 84));
    if (risk->high > risk->low)
        BTZ_TRY(arc(out, "spread", risk->low, risk->high, 70));
    return btz_buf_printf(out,
                          "<text x=\"100\" y=\"86\" class=\"number\">%.0f</text>"
                          "<text x=\"100\" y=\"106\" class=\"band\">%s</text></svg>",
                          risk->score, band);
}

static enum btz_err trend_frame(struct btz_buf *out)
{
    for (int score = 0; score <= 100; score += 25) {
        double y = 130 - 1.2 * score;

        BTZ_TRY(btz_buf_printf(out,
                               "<line class=\"axis\" x1=\"34\" y1=\"%.0f\" x2=\"590\" "
                               "y2=\"%.0f\"/><text class=\"tick\" "
                               "x=\"28\" y=\"%.0f\">%d</text>",
                               y, y, y + 4, score));
    }
    return BTZ_OK;
}

enum btz_err btz_chart_trend(struct btz_buf *out, const struct btz_past_run *past, size_t count,
                             const struct btz_past_run *now)
{
    double step = count > 0 ? 520.0 / (double)count : 0;
    char when[BTZ_TIME_TEXT];

    BTZ_TRY(btz_buf_printf(out,
                           "<svg class=\"trend\" viewBox=\"0 0 600 156\" role=\"img\" "
                           "aria-label=\"Risk score of %zu runs, "
                           "from %.0f to %.0f\">",
                           count + 1, count > 0 ? past[0].risk.score : now->risk.score,
                           now->risk.score));
    BTZ_TRY(trend_frame(out));
    BTZ_TRY(btz_buf_add_str(out, "<polyline class=\"line\" points=\""));
    for (size_t i = 0; i <= count; i++)
        BTZ_TRY(btz_buf_printf(out, "%.1f,%.1f ", 50 + step * (double)i,
                               130 - 1.2 * clamp((i < count ? &past[i] : now)->risk.score)));
    BTZ_TRY(btz_buf_add_str(out, "\"/>"));
    for (size_t i = 0; i <= count; i++) {
        const struct btz_past_run *run = i < count ? &past[i] : now;
        double x = 50 + step * (double)i;

        btz_time_format(run->finished_ms, when);
        BTZ_TRY(btz_buf_printf(
            out,
            "<line class=\"spread\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
            "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"><title>%.10s: "
            "%.0f</title></circle>",
            x, 130 - 1.2 * clamp(run->risk.low), x, 130 - 1.2 * clamp(run->risk.high),
            btz_risk_band(run->risk.score), x, 130 - 1.2 * clamp(run->risk.score), when,
            run->risk.score));
        if (i == 0 || i == count)
            BTZ_TRY(btz_buf_printf(out, "<text class=\"day\" x=\"%.1f\" y=\"150\">%.10s</text>",
                                   i == 0 ? 62 : x - 12, when));
    }
    return btz_buf_add_str(out, "</svg>");
}
