#include <math.h>

#include "finding/html.h"

#define BINS 101 /* one per percent: any number of checks draws as many ticks */

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

/* ---- whiskers: a column of them shares one scale of 200 units ---- */

#define SCALE_BOX "viewBox=\"-6 0 212 16\""

enum btz_err btz_chart_scale(struct btz_buf *out, const char *unit)
{
    ADDF("<svg class=\"scale\" " SCALE_BOX
         " role=\"img\" aria-label=\"scale of 0 to 100%s\"><g class=\"tick\">",
         unit);
    for (int tick = 0; tick <= 100; tick += 25)
        ADDF("<text x=\"%d\" y=\"12\"%s>%d%s</text>", 2 * tick,
             tick == 0     ? " class=\"start\""
             : tick == 100 ? " class=\"end\""
                           : "",
             tick, tick == 100 ? unit : "");
    return btz_buf_add_str(out, "</g></svg>");
}

static enum btz_err axis(struct btz_buf *out)
{
    return btz_buf_add_str(
        out, "<path class=\"axis\" d=\"M0 8H200M0 4V12M50 5V11M100 5V11M150 5V11M200 4V12\"/>");
}

static enum btz_err whisker(struct btz_buf *out, double value, double low, double high)
{
    double v = 2 * clamp(value), l = 2 * clamp(low), h = 2 * clamp(high);

    if (!isnan(low) && !isnan(high))
        ADDF("<path class=\"range\" d=\"M%.1f 8H%.1fM%.1f 4V12M%.1f 4V12\"/>", l, h, l, h);
    return btz_buf_printf(out, "<circle class=\"point\" cx=\"%.1f\" cy=\"8\" r=\"4\"/>", v);
}

/* Opens a whisker of a rate and says it in words; the label is left open for more. */
static enum btz_err open_rate(struct btz_buf *out, const struct btz_finding *f, const char *css)
{
    ADDF("<svg class=\"whisker %s\" " SCALE_BOX " role=\"img\" aria-label=\"", css);
    ADDF("%" PRIu64 " of %" PRIu64, f->k, f->n);
    if (isnan(f->ci_low))
        return BTZ_OK;
    ADD(", 95 percent interval ");
    BTZ_TRY(btz_report_percent(f->ci_low, false, out));
    ADD(" to ");
    BTZ_TRY(btz_report_percent(f->ci_high, false, out));
    return btz_buf_add_str(out, " percent");
}

static enum btz_err close_rate(struct btz_buf *out, const struct btz_finding *f)
{
    BTZ_TRY(whisker(out, 100 * (double)f->k / (double)f->n, 100 * f->ci_low, 100 * f->ci_high));
    return btz_buf_add_str(out, "</svg>");
}

enum btz_err btz_chart_rate(struct btz_buf *out, const struct btz_finding *f, const char *css)
{
    BTZ_TRY(open_rate(out, f, css));
    ADD("\">");
    BTZ_TRY(axis(out));
    return close_rate(out, f);
}

enum btz_err btz_chart_rates(struct btz_buf *out, const struct btz_html *p,
                             const struct btz_html_rule *rule)
{
    const struct btz_finding *worst = &rule->worst->finding;
    bool bins[BINS] = { false };
    size_t others = 0;

    for (size_t i = 0; i < p->count; i++) {
        const struct btz_finding *f = &p->records[i].finding;

        if (strcmp(f->rule->id, rule->rule->id) != 0 || &p->records[i] == rule->worst ||
            f->n == 0 || f->outcome == BTZ_OUTCOME_NOT_EVALUATED ||
            p->records[i].status == BTZ_STATUS_SUPPRESSED)
            continue;
        bins[(size_t)lround(100 * (double)f->k / (double)f->n)] = true;
        others++;
    }
    BTZ_TRY(open_rate(out, worst, rule->failed > 0 ? btz_severity_name(worst->severity) : "none"));
    if (others > 0)
        ADDF("; %zu other checks drawn as ticks", others);
    ADD("\">");
    BTZ_TRY(axis(out));
    if (others > 0) {
        ADD("<path class=\"others\" d=\"");
        for (int i = 0; i < BINS; i++)
            if (bins[i])
                ADDF("M%d 2V14", 2 * i);
        ADD("\"/>");
    }
    return close_rate(out, worst);
}

static enum btz_err score_words(struct btz_buf *out, const struct btz_risk *risk)
{
    ADD("risk ");
    BTZ_TRY(btz_report_percent(risk->score / 100, false, out));
    ADD(" of 100, between ");
    BTZ_TRY(btz_report_percent(risk->low / 100, false, out));
    ADD(" and ");
    return btz_report_percent(risk->high / 100, false, out);
}

enum btz_err btz_chart_score(struct btz_buf *out, const struct btz_risk *risk)
{
    ADDF("<svg class=\"whisker %s\" " SCALE_BOX " role=\"img\" aria-label=\"",
         btz_risk_band(risk->score));
    BTZ_TRY(score_words(out, risk));
    ADD("\">");
    BTZ_TRY(axis(out));
    BTZ_TRY(whisker(out, risk->score, risk->low, risk->high));
    return btz_buf_add_str(out, "</svg>");
}

enum btz_err btz_chart_bands(struct btz_buf *out, const struct btz_risk *risk)
{
    static const char *const bands[] = { "low", "medium", "high", "critical" };
    double v = 2 * clamp(risk->score), l = 2 * clamp(risk->low), h = 2 * clamp(risk->high);

    ADDF("<svg class=\"bands %s\" viewBox=\"-7 0 214 46\" role=\"img\" aria-label=\"",
         btz_risk_band(risk->score));
    BTZ_TRY(score_words(out, risk));
    ADD("\">");
    for (int i = 0; i < 4; i++)
        ADDF("<rect class=\"%s\" x=\"%d\" y=\"20\" width=\"49\" height=\"5\"/><text x=\"%d\" "
             "y=\"40\">%s</text>",
             bands[i], 50 * i, 50 * i + 25, bands[i]);
    ADDF("<path class=\"range\" d=\"M%.1f 9H%.1fM%.1f 4V14M%.1f 4V14\"/>", l, h, l, h);
    return btz_buf_printf(out,
                          "<path class=\"stem\" d=\"M%.1f 9V27\"/><circle class=\"point\" "
                          "cx=\"%.1f\" cy=\"9\" r=\"5.5\"/></svg>",
                          v, v);
}

enum btz_err btz_chart_points(struct btz_buf *out, const struct btz_record *r)
{
    ADDF("<svg class=\"whisker %s\" " SCALE_BOX " role=\"img\" aria-label=\"%.1f points, between "
         "%.1f and %.1f\">",
         btz_severity_name(r->finding.severity), r->risk, r->risk_low, r->risk_high);
    BTZ_TRY(axis(out));
    BTZ_TRY(whisker(out, r->risk, r->risk_low, r->risk_high));
    return btz_buf_add_str(out, "</svg>");
}

/* ---- trend ---- */

#define TREND_LEFT   30.0
#define TREND_RIGHT  580.0
#define TREND_BOTTOM 142.0

static double height(double score)
{
    return TREND_BOTTOM - 1.25 * clamp(score);
}

static double place(size_t i, size_t count)
{
    double step = count > 1 ? (TREND_RIGHT - TREND_LEFT - 40) / (double)(count - 1) : 0;

    return TREND_LEFT + 20 + step * (double)i;
}

static enum btz_err trend_frame(struct btz_buf *out)
{
    for (int score = 0; score <= 100; score += 25)
        ADDF("<path class=\"axis\" d=\"M%.0f %.2fH%.0f\"/><text class=\"end\" x=\"%.0f\" "
             "y=\"%.2f\">%d</text>",
             TREND_LEFT, height(score), TREND_RIGHT, TREND_LEFT - 6, height(score) + 4, score);
    return BTZ_OK;
}

static enum btz_err trend_run(struct btz_buf *out, const struct btz_past_run *run, double x,
                              bool last)
{
    double low = height(run->risk.low), high = height(run->risk.high);

    if (!isnan(run->risk.low) && !isnan(run->risk.high))
        ADDF("<path class=\"range\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8\"/>", x, low, high,
             x - 4, low, x - 4, high);
    return btz_buf_printf(out, "<circle class=\"point%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>",
                          last ? " now" : "", x, height(run->risk.score), last ? "6" : "4.5");
}

/* Scores beside their points, and the days below: all of them while there is room. */
static enum btz_err trend_labels(struct btz_buf *out, const struct btz_past_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double x = place(i, count);
        char when[BTZ_TIME_TEXT];

        if (count > 12 && i > 0 && i + 1 < count)
            continue;
        btz_time_format(runs[i].finished_ms, when);
        ADDF("<text class=\"value %s\" x=\"%.1f\" y=\"%.1f\">", i + 1 == count ? "now" : "between",
             x + 8, height(runs[i].risk.score) - 6);
        BTZ_TRY(btz_report_percent(runs[i].risk.score / 100, false, out));
        ADD("</text>");
        if (count <= 7 || i == 0 || i + 1 == count)
            ADDF("<text%s x=\"%.1f\" y=\"166\">%.10s</text>",
                 i == 0 || i + 1 == count ? "" : " class=\"between\"", x, when);
    }
    return BTZ_OK;
}

enum btz_err btz_chart_trend(struct btz_buf *out, const struct btz_past_run *runs, size_t count)
{
    ADDF("<svg class=\"trend\" viewBox=\"0 0 620 172\" role=\"img\" aria-label=\"Risk of %zu runs, "
         "first ",
         count);
    BTZ_TRY(btz_report_percent(runs[0].risk.score / 100, false, out));
    ADD(", now ");
    BTZ_TRY(btz_report_percent(runs[count - 1].risk.score / 100, false, out));
    ADD(" of 100; the table below has the numbers\">");
    BTZ_TRY(trend_frame(out));
    ADD("<path class=\"line\" d=\"M");
    for (size_t i = 0; i < count; i++)
        ADDF("%s%.1f %.1f", i > 0 ? "L" : "", place(i, count), height(runs[i].risk.score));
    ADD("\"/>");
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(trend_run(out, &runs[i], place(i, count), i + 1 == count));
    BTZ_TRY(trend_labels(out, runs, count));
    return btz_buf_add_str(out, "</svg>");
}
