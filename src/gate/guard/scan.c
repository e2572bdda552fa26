/*
 * All detectors over a piece of text: as it is, without its escapes, decoded where it holds encoded text, and what its
 * invisible characters say. Hits come back in offsets of the piece, however deep they were found.
 */
#include <stdlib.h>

#include "gate/guard/inside.h"

enum { KEPT_MAX = 8192, KEPT_HITS_MAX = 256 };

struct btz_found {
    struct btz_scan *scan;
    const struct btz_view *view;
    unsigned detector;
    bool acts, in_run;
    size_t run_from, run_to; /* the place that all of the view stands for */
};

static struct btz_scanning *new_scanning(void)
{
    struct btz_scanning *s = calloc(1, sizeof *s);

    for (size_t i = 0; s && i < BTZ_COUNT(s->rooms); i++)
        btz_view_room_init(&s->rooms[i]);
    return s;
}

void btz_scanning_free(struct btz_scanning *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < BTZ_COUNT(s->rooms); i++)
        btz_view_room_release(&s->rooms[i]);
    for (size_t i = 0; i < BTZ_DETECTORS_MAX; i++)
        free(s->marks[i].at);
    free(s->hits);
    free(s->pieces);
    free(s);
}

/* Gives back what a large text took. */
static void trim(struct btz_scanning *s)
{
    for (size_t i = 0; i < BTZ_COUNT(s->rooms); i++)
        if (s->rooms[i].folded.cap > KEPT_MAX || s->rooms[i].map_cap > KEPT_MAX)
            btz_view_room_release(&s->rooms[i]);
    if (s->hit_cap > KEPT_HITS_MAX) {
        free(s->hits);
        s->hits = NULL;
        s->hit_cap = 0;
    }
    s->hit_count = s->piece_count = 0;
    for (size_t i = 0; i < BTZ_DETECTORS_MAX; i++)
        if (s->marks[i].cap > KEPT_HITS_MAX) {
            free(s->marks[i].at);
            s->marks[i] = (struct btz_marks){ NULL, 0, 0 };
        }
}

enum btz_err btz_scanning_take(struct btz_guard_session *s)
{
    s->scanning = atomic_exchange(&s->guard->spare->scanning, NULL);
    if (!s->scanning)
        s->scanning = new_scanning();
    return s->scanning ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a scan");
}

void btz_scanning_give(struct btz_guard_session *s)
{
    struct btz_scanning *none = NULL;

    if (!s->scanning)
        return;
    trim(s->scanning);
    if (!atomic_compare_exchange_strong(&s->guard->spare->scanning, &none, s->scanning))
        btz_scanning_free(s->scanning);
    s->scanning = NULL;
}

static const struct btz_guard_way *way_of(const struct btz_scan *scan, unsigned detector)
{
    return btz_session_way(scan->session, detector, scan->channel);
}

static bool acts(const struct btz_scan *scan, unsigned detector)
{
    return !scan->only_watch && btz_guard_acts(way_of(scan, detector)->action);
}

static size_t place(const struct btz_view *view, size_t i)
{
    return view->at ? view->at[i] : i;
}

static size_t place_end(const struct btz_view *view, size_t end)
{
    return view->till ? view->till[end - 1] : end;
}

static void wait_at(struct btz_scan *scan, bool acting, size_t at)
{
    size_t *wait = acting ? &scan->wait : &scan->wait_watch;

    *wait = at < *wait ? at : *wait;
}

void btz_found_wait(struct btz_found *f, size_t from)
{
    if (!f->view->final && from < f->view->text.len)
        wait_at(f->scan, f->acts, place(f->view, from));
}

static enum btz_err add(struct btz_found *f, size_t from, size_t to, const char *kind, double score)
{
    struct btz_scanning *room = f->scan->session->scanning;
    const struct btz_guard_way *way = way_of(f->scan, f->detector);

    if (score < way->threshold || from < (f->acts ? f->scan->released : f->scan->context))
        return BTZ_OK;
    if (room->hit_count == room->hit_cap) {
        size_t cap = room->hit_cap ? room->hit_cap * 2 : 64;
        struct btz_hit *grown =
            cap > BTZ_GUARD_HITS_MAX ? NULL : realloc(room->hits, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "more than %zu hits in one text", room->hit_cap);
        room->hits = grown;
        room->hit_cap = cap;
    }
    room->hits[room->hit_count++] =
        (struct btz_hit){ .detector = btz_guard_detectors[f->detector],
                          .from = from,
                          .to = to,
                          .score = score,
                          .kind = kind,
                          .how = f->view->how,
                          .action = f->scan->only_watch ? BTZ_GUARD_OBSERVE : way->action };
    return BTZ_OK;
}

enum btz_err btz_found_hit(struct btz_found *f, size_t from, size_t to, const char *kind,
                           double score)
{
    if (to > f->view->text.len || from >= to)
        return btz_fail(BTZ_INTERNAL, "a hit from %zu to %zu of %zu bytes", from, to,
                        f->view->text.len);
    if (f->in_run)
        return add(f, f->run_from, f->run_to, kind, score);
    return add(f, place(f->view, from), place_end(f->view, to), kind, score);
}

enum btz_err btz_found_invisible(struct btz_found *f, const struct btz_invisible *run,
                                 const char *kind)
{
    return add(f, run->from, run->to, kind, 1);
}

/* The range that a decoded view as a whole stands for. */
struct span {
    bool is;
    size_t from, to;
};

static enum btz_err detect(struct btz_scan *scan, struct btz_view *view, unsigned layer,
                           struct span span)
{
    const struct btz_guard *g = scan->session->guard;
    struct btz_marks *marks = scan->session->scanning->marks;
    struct btz_found found = {
        .scan = scan, .view = view, .in_run = span.is, .run_from = span.from, .run_to = span.to
    };
    size_t tail[BTZ_DETECTORS_MAX];

    for (unsigned d = 0; d < g->count; d++)
        tail[d] = SIZE_MAX;
    BTZ_TRY(btz_triggers_scan(g->triggers, btz_slice_of(view->folded, view->text.len), marks));
    if (!view->final)
        btz_triggers_tail(g->triggers, btz_slice_of(view->folded, view->text.len), view->text.ptr,
                          tail);
    for (unsigned d = 0; d < g->count; d++) {
        const struct btz_guard_detector *detector = btz_guard_detectors[d];
        enum btz_err err;

        if (!way_of(scan, d)->on || (layer > 0 && !detector->decoded) ||
            (detector->whole && !scan->with_whole) || (scan->only_words && !detector->words))
            continue;
        found.detector = d;
        found.acts = acts(scan, d);
        scan->ran |= 1u << d;
        if (tail[d] != SIZE_MAX)
            btz_found_wait(&found, tail[d]);
        if (marks[d].count == 0 && !detector->always && btz_triggers_has(g->triggers, d))
            continue;
        view->marks = marks[d].at;
        view->mark_count = marks[d].count;
        err = detector->scan(g->setup[d], view, scan->session, &found);
        if (err != BTZ_OK) {
            scan->failed |= 1u << d;
            if (found.acts)
                return btz_fail_context(err, "detector %s", detector->id);
        }
    }
    return BTZ_OK;
}

static enum btz_err layers(struct btz_scan *scan, struct btz_view *view, unsigned layer,
                           struct span span);

static bool decoded_acts(const struct btz_scan *scan)
{
    const struct btz_guard *g = scan->session->guard;

    for (unsigned d = 0; d < g->count; d++)
        if (btz_guard_detectors[d]->decoded && way_of(scan, d)->on && acts(scan, d))
            return true;
    return false;
}

static enum btz_err runs(struct btz_scan *scan, const struct btz_view *view, unsigned layer,
                         struct span span);

/*
 * An escape at the end that is not finished makes a text of its own: what stands in front of it, which may go on otherwise than
 * the view does. In each layer one more may follow; what could begin in front of the first is seen when the text ends there.
 */
static enum btz_err cut_escapes(struct btz_scan *scan, const struct btz_view *view, size_t at,
                                unsigned layer, struct span span)
{
    struct btz_view shorter = *view;
    bool changed;

    shorter.text.len = at;
    shorter.before = view->before < at ? view->before : at;
    for (unsigned l = layer + 1; l < BTZ_GUARD_LAYERS; l++) {
        struct btz_view ignored;

        BTZ_TRY(btz_view_unescape(&scan->session->scanning->rooms[layer + 1], &shorter, &ignored,
                                  &changed, &at));
        if (changed || at == shorter.text.len)
            break;
        shorter.text.len = at;
    }
    wait_at(scan, decoded_acts(scan), place(view, shorter.text.len));
    BTZ_TRY(detect(scan, &shorter, layer + 1, span));
    return layer + 1 < BTZ_GUARD_LAYERS ? runs(scan, &shorter, layer + 1, span) : BTZ_OK;
}

static enum btz_err escapes(struct btz_scan *scan, const struct btz_view *view, unsigned layer,
                            struct span span)
{
    struct btz_view plain;
    size_t wait;
    bool changed;

    BTZ_TRY(btz_view_unescape(&scan->session->scanning->rooms[layer + 1], view, &plain, &changed,
                              &wait));
    if (!view->final && wait < view->text.len)
        wait_at(scan, decoded_acts(scan), place(view, wait));
    if (changed)
        return layers(scan, &plain, layer + 1, span);
    return view->final || wait == view->text.len ? BTZ_OK
                                                 : cut_escapes(scan, view, wait, layer, span);
}

/* Was part of the run made by taking off escapes? If not, the view above had it too. */
static bool is_new(const struct btz_view *view, const struct btz_run *run)
{
    if (!view->at || strcmp(view->how, "plain") == 0)
        return true;
    for (size_t i = run->from; i < run->to; i++)
        if (view->till[i] - view->at[i] > 1)
            return true;
    return false;
}

static enum btz_err one_run(struct btz_scan *scan, const struct btz_view *view,
                            const struct btz_run *run, unsigned layer, struct span span)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_GUARD_TEXT_MAX);
    struct btz_view inner;
    bool is_text;

    BTZ_TRY(btz_run_decode(view, run, &text, &is_text));
    if (!is_text)
        return BTZ_OK;
    BTZ_TRY(btz_view_whole(&scan->session->scanning->rooms[layer + 1], btz_buf_slice(&text),
                           run->hex ? "hex" : "base64", scan->channel, &inner));
    if (!span.is)
        span = (struct span){ true, place(view, run->shown_from), place_end(view, run->to) };
    return layers(scan, &inner, layer + 1, span);
}

/* The first byte of the view from `from` on that stands for what is at or behind `at` of the original. */
static size_t first_at(const struct btz_view *view, size_t from, size_t at)
{
    size_t low = from, high = view->text.len;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (place(view, mid) < at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static enum btz_err note_piece(struct btz_scan *scan, const struct btz_view *view,
                               const struct btz_run *run, size_t from, unsigned layer,
                               size_t run_from)
{
    struct btz_scanning *s = scan->session->scanning;
    size_t look = from > BTZ_RUN_BACK ? from - BTZ_RUN_BACK : 0;

    if (s->piece_count == s->piece_cap) {
        size_t cap = s->piece_cap ? s->piece_cap * 2 : 8;
        struct btz_run_piece *grown = realloc(s->pieces, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu pieces of runs", cap);
        s->pieces = grown;
        s->piece_cap = cap;
    }
    s->pieces[s->piece_count++] = (struct btz_run_piece){ .at = place(view, from),
                                                          .look = place(view, look),
                                                          .run_from = run_from,
                                                          .layer = layer,
                                                          .paired = run->paired };
    return BTZ_OK;
}

/* A run from a beginning of a piece on; `first`: its own beginning. Lengths are of the original: that is what is held. */
static enum btz_err pieces(struct btz_scan *scan, const struct btz_view *view,
                           const struct btz_run *run, bool first, unsigned layer, struct span span)
{
    const struct btz_guard *g = scan->session->guard;
    size_t from = run->from, shown = run->shown_from;
    size_t run_from = first ? place(view, shown) : 0;

    for (;; first = false) {
        size_t next = run->to, to = run->to;
        struct btz_run part;

        if (!span.is && shown < run->to) {
            next = first_at(view, shown,
                            place(view, shown) + g->run_piece - (first ? g->run_overlap : 0));
            while (run->paired && next < run->to && (next - from) % 3 != 0)
                next++;
            to = next < run->to ? first_at(view, next, place(view, next) + g->run_overlap) : next;
        }
        if (!first && !view->final)
            BTZ_TRY(note_piece(scan, view, run, from, layer, run_from));
        if (to >= run->to && run->open) {
            size_t look = from > BTZ_RUN_BACK ? from - BTZ_RUN_BACK : 0;

            wait_at(scan, decoded_acts(scan), place(view, first ? shown : look));
            return BTZ_OK;
        }
        btz_run_part(view, run, from, to < run->to ? to : run->to, &part);
        if (shown >= view->before && is_new(view, &part))
            BTZ_TRY(one_run(scan, view, &part, layer, span));
        if (to >= run->to)
            return BTZ_OK;
        from = shown = next;
    }
}

/* A run whose beginning is gone. *at: behind it. */
static enum btz_err resume(struct btz_scan *scan, const struct btz_view *view, unsigned layer,
                           size_t *at)
{
    struct btz_run run;
    size_t from = first_at(view, 0, scan->resume[layer].at);

    *at = from;
    if (from == view->text.len)
        return BTZ_OK;
    btz_run_resume(view, from, scan->resume[layer].paired, &run);
    *at = run.to;
    return pieces(scan, view, &run, false, layer, (struct span){ false, 0, 0 });
}

static enum btz_err runs(struct btz_scan *scan, const struct btz_view *view, unsigned layer,
                         struct span span)
{
    struct btz_run run;
    size_t at = 0;

    if (!span.is && scan->resume[layer].is)
        BTZ_TRY(resume(scan, view, layer, &at));
    while (btz_run_next(view, &at, &run))
        if (run.open || run.shown_from >= view->before)
            BTZ_TRY(pieces(scan, view, &run, true, layer, span));
    return BTZ_OK;
}

/* Tag characters are ASCII, variation selectors are bytes. */
static void carried(struct btz_slice text, const struct btz_invisible *run, struct btz_buf *out)
{
    size_t at = run->from;
    uint32_t c;

    while (at < run->to && btz_utf8_next(text, &at, &c)) {
        uint32_t byte = c >= 0xE0020 && c <= 0xE007E   ? c - 0xE0000
                        : c >= 0xFE00 && c <= 0xFE0F   ? c - 0xFE00
                        : c >= 0xE0100 && c <= 0xE01EF ? c - 0xE0100 + 16
                                                       : 256;

        if (byte < 256)
            out->ptr[out->len++] = (uint8_t)byte;
    }
}

/* Two invisible characters are the bits of a text; any third stands between. `one` is the bit of the second. */
static void bits_of(struct btz_slice text, const struct btz_invisible *run, unsigned one,
                    struct btz_buf *out)
{
    uint32_t sign[2] = { 0, 0 }, c;
    size_t at = run->from;
    unsigned byte = 0, have = 0;

    while (at < run->to && btz_utf8_next(text, &at, &c)) {
        if (sign[0] == 0)
            sign[0] = c;
        else if (sign[1] == 0 && c != sign[0])
            sign[1] = c;
        if (c != sign[0] && c != sign[1])
            continue;
        byte = byte << 1 | (c == sign[1] ? one : 1 - one);
        if (++have % 8 == 0)
            out->ptr[out->len++] = (uint8_t)byte;
    }
}

static bool is_readable(struct btz_slice s)
{
    size_t good = 0;

    for (size_t i = 0; i < s.len; i++)
        good += s.ptr[i] == '\n' || (s.ptr[i] >= 0x20 && s.ptr[i] < 0x7F);
    return s.len >= 4 && good * 10 >= s.len * 9;
}

static enum btz_err hidden_text(struct btz_scan *scan, struct btz_slice text, const char *how,
                                struct span span)
{
    struct btz_view inner;

    BTZ_TRY(btz_view_whole(&scan->session->scanning->rooms[1], text, how, scan->channel, &inner));
    return layers(scan, &inner, 1, span);
}

static enum btz_err hidden(struct btz_scan *scan, const struct btz_view *view)
{
    BTZ_BUF_RELEASE struct btz_buf all = BTZ_BUF(BTZ_GUARD_TEXT_MAX);
    struct span around = { true, 0, 0 };
    size_t count = 0;

    for (size_t i = 0; i < view->invisible_count; i++) {
        const struct btz_invisible *run = &view->invisible[i];
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_GUARD_TEXT_MAX);
        struct span span = { true, run->from, run->to };

        if (!view->final && scan->wait <= run->from)
            continue;
        BTZ_TRY(btz_buf_reserve(&text, run->tags + run->selectors + run->others / 8 + 64));
        for (unsigned one = 0; run->others >= 32 && one < 2; one++) {
            btz_buf_clear(&text);
            bits_of(scan->text, run, one, &text);
            if (is_readable(btz_buf_slice(&text)))
                BTZ_TRY(hidden_text(scan, btz_buf_slice(&text), "zero-width", span));
        }
        btz_buf_clear(&text);
        carried(scan->text, run, &text);
        if (run->tags + run->selectors >= 4)
            BTZ_TRY(hidden_text(scan, btz_buf_slice(&text), "tags", span));
        if (run->tags > 0) {
            around.from = count++ == 0 ? run->from : around.from;
            around.to = run->to;
            BTZ_TRY(btz_buf_add(&all, text.ptr, text.len));
        }
    }
    /* Letter by letter between the words of somebody else: all of them together, where the text is seen whole. What models say
     * is read as it comes, and such letters are taken out. */
    if (count < 2 || all.len < 4 || !view->final || btz_channel_is_output(scan->channel))
        return BTZ_OK;
    return hidden_text(scan, btz_buf_slice(&all), "tags", around);
}

static enum btz_err layers(struct btz_scan *scan, struct btz_view *view, unsigned layer,
                           struct span span)
{
    if (layer > 0) {
        scan->decoded += view->text.len;
        if (scan->decoded > BTZ_GUARD_DECODED_FREE &&
            scan->decoded - BTZ_GUARD_DECODED_FREE >
                scan->text.len * (size_t)BTZ_GUARD_DECODED_TIMES)
            return btz_fail(BTZ_LIMIT, "a text of %zu bytes decodes to more than %d times as many",
                            scan->text.len, BTZ_GUARD_DECODED_TIMES);
    }
    BTZ_TRY(detect(scan, view, layer, span));
    if (layer == BTZ_GUARD_LAYERS || scan->session->guard->decoded[scan->channel] == 0)
        return BTZ_OK;
    BTZ_TRY(runs(scan, view, layer, span));
    return escapes(scan, view, layer, span);
}

static int by_place(const void *a, const void *b)
{
    const struct btz_hit *x = a, *y = b;
    int order;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to > y->to ? -1 : 1;
    if (x->detector != y->detector)
        return strcmp(x->detector->id, y->detector->id);
    order = strcmp(x->kind, y->kind);
    if (order == 0)
        order = (strcmp(x->how, "plain") != 0) - (strcmp(y->how, "plain") != 0);
    return order ? order : strcmp(x->how, y->how);
}

/* The same found in several views is one hit. */
static void in_order(struct btz_scanning *room)
{
    size_t kept = 0;

    if (room->hit_count > 1)
        qsort(room->hits, room->hit_count, sizeof *room->hits, by_place);
    for (size_t i = 0; i < room->hit_count; i++) {
        const struct btz_hit *h = &room->hits[i], *last = kept ? &room->hits[kept - 1] : NULL;

        if (last && last->from == h->from && last->to == h->to && last->detector == h->detector &&
            strcmp(last->kind, h->kind) == 0)
            continue;
        room->hits[kept++] = *h;
    }
    room->hit_count = kept;
}

enum btz_err btz_scan_run(struct btz_scan *scan)
{
    struct btz_scanning *room = scan->session->scanning;
    size_t wait;

    scan->ran = scan->failed = 0;
    scan->decoded = 0;
    room->hit_count = room->piece_count = 0;
    BTZ_TRY(btz_view_plain(&room->rooms[0], scan->text, scan->context, scan->final, &scan->plain,
                           &wait));
    scan->plain.channel = scan->channel;
    scan->wait = scan->wait_watch = wait;
    BTZ_TRY(layers(scan, &scan->plain, 0, (struct span){ false, 0, 0 }));
    if (room->rooms[0].invisible_count > 0 && scan->plain.at &&
        scan->session->guard->decoded[scan->channel] != 0)
        BTZ_TRY(hidden(scan, &scan->plain));
    in_order(room);
    return BTZ_OK;
}
