#include <math.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/progress.h"

#define SECOND      UINT64_C(1000000000)
#define BAR_MAX     30
#define LINE_MAX_   512
#define FIRST_NS    (2 * SECOND)
#define TERMINAL_NS (SECOND / 10)
#define PLAIN_NS    (5 * SECOND)

static enum btz_err duration(double seconds, struct btz_buf *out)
{
    uint64_t s = seconds < 0 ? 0 : seconds > 8640000 ? 8640000 : (uint64_t)(seconds + 0.5);

    if (s >= 3600)
        return btz_buf_printf(out, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60,
                              s % 60);
    return btz_buf_printf(out, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
}

static enum btz_err numbers(const struct btz_progress *p, struct btz_buf *out)
{
    if (p->total > 0)
        BTZ_TRY(btz_buf_printf(out, "%3.0f%% %" PRIu64 "/%" PRIu64,
                               100.0 * (double)(p->done < p->total ? p->done : p->total) /
                                   (double)p->total,
                               p->done, p->total));
    else
        BTZ_TRY(btz_buf_printf(out, "%" PRIu64, p->done));
    if (isfinite(p->per_second) && p->per_second > 0)
        BTZ_TRY(btz_buf_printf(out, "  %.*f/s", p->per_second < 100 ? 1 : 0, p->per_second));
    if (p->total > 0 && isfinite(p->eta_s)) {
        BTZ_TRY(btz_buf_add_str(out, "  ETA "));
        BTZ_TRY(duration(p->eta_s, out));
    }
    return BTZ_OK;
}

static enum btz_err bar(const struct btz_progress *p, size_t width, struct btz_buf *out)
{
    double part = p->done < p->total ? (double)p->done / (double)p->total : 1;
    size_t full = (size_t)(part * (double)width);

    BTZ_TRY(btz_buf_add_byte(out, '['));
    for (size_t i = 0; i < width; i++)
        BTZ_TRY(btz_buf_add_byte(out, i < full ? '#' : '.'));
    return btz_buf_add_str(out, "] ");
}

/* At most `columns` characters of a line, cut between characters. */
static void clip(struct btz_buf *line, unsigned columns)
{
    size_t at = 0;
    uint32_t c;

    for (unsigned i = 0; i < columns; i++)
        if (!btz_utf8_next(btz_buf_slice(line), &at, &c))
            return;
    line->len = at;
}

enum btz_err btz_progress_render(const struct btz_progress *p, unsigned columns,
                                 struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf line = BTZ_BUF(LINE_MAX_), tail = BTZ_BUF(LINE_MAX_);
    struct btz_slice said;

    BTZ_TRY(btz_utf8_printable(btz_slice_sub(btz_str(p->stage ? p->stage : "working"), 0, 80),
                               false, &line));
    BTZ_TRY(numbers(p, &tail));
    said = btz_slice_trim(btz_buf_slice(&tail));
    BTZ_TRY(btz_buf_add_str(&line, columns ? "  " : ": "));
    if (columns && p->total > 0) {
        size_t used = line.len + said.len + 3, room = columns > used ? columns - used : 0;

        if (room >= 8)
            BTZ_TRY(bar(p, room > BAR_MAX ? BAR_MAX : room, &line));
    }
    BTZ_TRY(btz_buf_add_slice(&line, said));
    if (columns)
        clip(&line, columns);
    return btz_buf_add_slice(out, btz_buf_slice(&line));
}

static enum btz_err see_finding(struct btz_sink *sink, const struct btz_finding *finding)
{
    (void)sink;
    (void)finding;
    return BTZ_OK;
}

static enum btz_err see_coverage(struct btz_sink *sink, const struct btz_coverage *coverage)
{
    (void)sink;
    (void)coverage;
    return BTZ_OK;
}

static unsigned current_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void see_progress(struct btz_sink *sink, const struct btz_progress *p)
{
    struct btz_progress_view *v = (struct btz_progress_view *)sink;
    BTZ_BUF_RELEASE struct btz_buf line = BTZ_BUF(LINE_MAX_);
    bool bar_wanted = v->cli->terminal;
    uint64_t now = v->now_ns(), pause = bar_wanted ? TERMINAL_NS : PLAIN_NS;

    if (v->cli->quiet || now - v->started < FIRST_NS || (v->shown && now - v->shown < pause))
        return;
    v->shown = now;
    /* The last column stays free: a full line would wrap. */
    if (btz_progress_render(p, bar_wanted ? v->columns - 1 : 0, &line) != BTZ_OK)
        return;
    if (bar_wanted)
        fprintf(v->cli->err, "\r%.*s\033[K", BTZ_SLICE_ARG(btz_buf_slice(&line)));
    else
        fprintf(v->cli->err, "bartizan: %.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&line)));
    fflush(v->cli->err);
    v->cli->progress_shown = bar_wanted;
}

void btz_progress_open(struct btz_progress_view *v, struct btz_cli *cli)
{
    *v = (struct btz_progress_view){ .sink = { see_finding, see_coverage, see_progress },
                                     .cli = cli,
                                     .now_ns = btz_clock_ns,
                                     .columns = cli->terminal ? current_columns() : 80 };
    v->started = v->now_ns();
}

void btz_progress_close(struct btz_progress_view *v)
{
    if (v->cli->progress_shown) {
        fputs("\r\033[K", v->cli->err);
        fflush(v->cli->err);
    }
    v->cli->progress_shown = false;
}
