/*
 * Streams of declared routes: what they say is not known. Strings of JSON events are whole texts; but where the route says
 * that pieces of a text stand (options.texts), they go through a lane. Strings that follow each other at one place elsewhere may
 * be pieces, too: what they spell across a seam cannot be masked any more, so a canary or a key there cuts the stream. Data
 * that is no JSON is one text through all events.
 */
#include <stdlib.h>

#include "gate/protocol/stream.h"

#define PLACES_MAX  256  /* the one that was not seen for longest makes room */
#define POINTER_MAX 4096 /* bytes; deeper nobody looks at seams */
#define TAIL_MAX    1024 /* bytes in front of a seam, as many as keys are long */
#define AHEAD_MAX   4096 /* behind it */
#define KEPT_EVENTS 2 /* as many of the largest may be kept for what is held at places of pieces */
#define SAME_MIN    8 /* a string so long that comes again is said again, not said on */

/* Where strings stand, by their pointer. Last seen first. */
struct place {
    char *path;
    uint64_t key;
    struct btz_buf tail;
    size_t last;  /* bytes of the string that came last */
    json_t *like; /* pieces: the event that the last one came in, its name, and where in it */
    char *name;
    size_t weight; /* bytes of that event */
    struct btz_part part;
    struct place *next;
};
struct btz_places {
    struct btz_buf path;
    struct place *first;
    size_t count;
};

static void place_free(struct place *p)
{
    btz_buf_release(&p->tail);
    json_decref(p->like);
    free(p->name);
    free(p->path);
    free(p);
}

void btz_places_free(struct btz_places *p)
{
    if (!p)
        return;
    while (p->first) {
        struct place *next = p->first->next;

        place_free(p->first);
        p->first = next;
    }
    btz_buf_release(&p->path);
    free(p);
}

static enum btz_err open_places(struct btz_protocol_stream *s)
{
    if (s->places)
        return BTZ_OK;
    s->places = calloc(1, sizeof *s->places);
    if (!s->places)
        return btz_fail(BTZ_LIMIT, "out of memory for a stream");
    s->places->path = BTZ_BUF(SIZE_MAX / 4);
    return BTZ_OK;
}

/* FNV-1a; lane 0 is that of data without JSON. */
static uint64_t key_of(struct btz_slice path)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < path.len; i++)
        key = (key ^ path.ptr[i]) * UINT64_C(0x100000001b3);
    return key ? key : 1;
}

/* Makes room; places of pieces stay, their lanes may hold something. */
static void forget_oldest(struct btz_places *all)
{
    struct place **at, **oldest = NULL, *p;

    for (at = &all->first; *at; at = &(*at)->next)
        oldest = (*at)->like ? oldest : at;
    if (!oldest)
        return;
    p = *oldest;
    *oldest = p->next;
    place_free(p);
    all->count--;
}

static struct place *add_place(struct btz_places *all, struct btz_slice path, uint64_t key)
{
    struct place *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->path = strndup(path.len ? (const char *)path.ptr : "", path.len);
    if (!p->path) {
        free(p);
        return NULL;
    }
    p->key = key;
    p->tail = BTZ_BUF(TAIL_MAX + AHEAD_MAX);
    if (all->count >= PLACES_MAX)
        forget_oldest(all);
    all->count++;
    return p;
}

static enum btz_err find_place(struct btz_places *all, struct place **out)
{
    struct btz_slice path = btz_buf_slice(&all->path);
    uint64_t key = key_of(path);
    struct place **at = &all->first, *p;

    while (*at && ((*at)->key != key || !btz_slice_is(path, (*at)->path)))
        at = &(*at)->next;
    p = *at;
    if (p)
        *at = p->next;
    else
        p = add_place(all, path, key);
    if (!p)
        return btz_fail(BTZ_LIMIT, "out of memory for a stream");
    p->next = all->first;
    all->first = p;
    *out = p;
    return BTZ_OK;
}

/* ---- strings of which nobody said that they are pieces ---- */

static enum btz_err keep_tail(struct place *p, struct btz_slice text)
{
    size_t from;

    BTZ_TRY(btz_buf_add_slice(&p->tail, text));
    from = p->tail.len > TAIL_MAX ? p->tail.len - TAIL_MAX : 0;
    while (from > 0 && from < p->tail.len && (p->tail.ptr[from] & 0xC0) == 0x80)
        from++;
    memmove(p->tail.ptr, p->tail.ptr + from, p->tail.len - from);
    p->tail.len -= from;
    return BTZ_OK;
}

static struct btz_slice end_of(struct btz_slice text, size_t most)
{
    return text.len > most ? btz_slice_sub(text, text.len - most, most) : text;
}

static enum btz_err look_at_seam(struct btz_protocol_stream *s, struct btz_slice text)
{
    size_t ahead = text.len < AHEAD_MAX ? text.len : AHEAD_MAX, before;
    struct place *p;
    bool again;

    /* More of one event than there are places would only push each other out. */
    if (text.len == 0 || s->places->path.len > POINTER_MAX || !s->ops->words ||
        s->seams++ >= PLACES_MAX)
        return BTZ_OK;
    BTZ_TRY(find_place(s->places, &p));
    again = text.len >= SAME_MIN && text.len == p->last &&
            btz_slice_equal(end_of(btz_buf_slice(&p->tail), text.len), text);
    p->last = text.len;
    if (again)
        return BTZ_OK;
    before = p->tail.len;
    if (before > 0) {
        BTZ_TRY(btz_buf_add(&p->tail, text.ptr, ahead));
        BTZ_TRY(s->ops->words(s->user, btz_buf_slice(&p->tail)));
        p->tail.len = before;
    }
    return keep_tail(p, end_of(text, TAIL_MAX));
}

static enum btz_err take_unnamed(struct btz_walk *w, const struct btz_part *part)
{
    return part->holder ? look_at_seam(w->user, part->text) : BTZ_OK;
}

/* In streams of models: what no table names a vendor may have begun to say lately, in pieces like all else. */
enum btz_err btz_stream_unnamed(struct btz_walk *w, const char *key, json_t *value)
{
    struct btz_protocol_stream *s = w->user;
    struct btz_walk within = { .part = take_unnamed, .user = s };

    if (!json_is_string(value) && !json_is_object(value) && !json_is_array(value))
        return BTZ_OK;
    BTZ_TRY(open_places(s));
    within.path = &s->places->path;
    btz_buf_clear(within.path);
    BTZ_TRY(btz_buf_printf(within.path, "/%s", key ? key : ""));
    if (json_is_string(value))
        return look_at_seam(s, btz_text_of(value));
    return btz_walk_strings(&within, NULL, NULL, 0, value, BTZ_CHANNEL_RAW);
}

enum btz_err btz_protocol_stream_message(struct btz_protocol_stream *s, struct btz_slice text)
{
    struct btz_walk w = { .part = take_unnamed, .user = s };
    json_t *root = NULL;
    enum btz_err err = BTZ_OK;

    BTZ_TRY(open_places(s));
    btz_buf_clear(&s->places->path);
    s->seams = 0;
    if (btz_begins_json(text))
        err = btz_json_parse(text, SIZE_MAX, "message", &root);
    if (err != BTZ_OK && btz_json_is_alike(text))
        return err;
    if (!root || json_is_string(root)) {
        err = look_at_seam(s, root ? btz_text_of(root) : text);
    } else {
        w.path = &s->places->path;
        err = btz_walk_strings(&w, NULL, NULL, 0, root, BTZ_CHANNEL_RAW);
    }
    json_decref(root);
    return err;
}

/* ---- pieces ---- */

static struct btz_slice next_step(struct btz_slice *pointer)
{
    size_t end = btz_slice_find(btz_slice_sub(*pointer, 1, SIZE_MAX), btz_str("/"), 0);
    struct btz_slice step = btz_slice_sub(*pointer, 1, end);

    *pointer = btz_slice_sub(*pointer, step.len + 1, SIZE_MAX);
    return step;
}

static bool fits(const char *pattern, struct btz_slice path)
{
    struct btz_slice shape = btz_str(pattern);

    while (shape.len > 0 && path.len > 0) {
        struct btz_slice wanted = next_step(&shape), step = next_step(&path);

        if (!btz_slice_is(wanted, "*") && !btz_slice_equal(wanted, step))
            return false;
    }
    return shape.len == 0 && path.len == 0;
}

static bool is_piece(const struct btz_protocol_stream *s)
{
    struct btz_slice path = btz_buf_slice(&s->places->path);

    for (size_t i = 0; path.len <= POINTER_MAX && i < s->o.text_count; i++)
        if (fits(s->o.texts[i], path))
            return true;
    return false;
}

/* Events that are kept beside those of `p` and `root`. Places of one event follow each other. */
static size_t kept(const struct btz_places *all, const struct place *p, const json_t *root)
{
    const json_t *before = root;
    size_t sum = 0;

    for (const struct place *one = all->first; one; one = one->next) {
        if (one == p || !one->like)
            continue;
        sum += one->like != before && one->like != root ? one->weight : 0;
        before = one->like;
    }
    return sum;
}

static enum btz_err remember(const struct btz_protocol_stream *s, struct place *p,
                             const struct btz_event *e, const struct btz_part *part)
{
    if (kept(s->places, p, e->root) + e->data.len > KEPT_EVENTS * s->o.event_max)
        return btz_fail(BTZ_LIMIT, "pieces of texts stand in too many large events");
    json_decref(p->like);
    p->weight = e->data.len;
    p->like = json_incref(e->root);
    p->part = *part;
    if (btz_slice_is(e->name, p->name ? p->name : ""))
        return BTZ_OK;
    free(p->name);
    p->name = strndup((const char *)e->name.ptr, e->name.len);
    return p->name ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a stream");
}

/* An event that is nothing but a string is one. */
static enum btz_err put(struct btz_event *e, struct btz_slice text)
{
    json_t *value = btz_json_text(text);

    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    json_decref(e->root);
    e->root = value;
    e->changed = true;
    return BTZ_OK;
}

static enum btz_err take_piece(struct btz_protocol_stream *s, const struct btz_part *part)
{
    struct btz_lane_state *l;
    struct place *p;

    BTZ_TRY(find_place(s->places, &p));
    BTZ_TRY(remember(s, p, s->at, part));
    BTZ_TRY(btz_lane_open(s, p->key, BTZ_CHANNEL_OUTPUT, &l));
    BTZ_TRY(btz_lane_piece(s, l, part->text, false));
    if (btz_slice_equal(part->text, btz_buf_slice(&s->scratch)))
        return BTZ_OK;
    return part->holder ? btz_stream_put(s, part, btz_buf_slice(&s->scratch))
                        : put(s->at, btz_buf_slice(&s->scratch));
}

static enum btz_err take_away(struct btz_walk *w, const struct btz_part *part)
{
    struct btz_protocol_stream *s = w->user;

    return part->holder && is_piece(s) ? btz_stream_put(s, part, btz_str("")) : BTZ_OK;
}

/* What it still held is in s->scratch; nothing where there is no such lane, or it ended before. */
static enum btz_err end_lane(struct btz_protocol_stream *s, uint64_t key)
{
    struct btz_lane_state *l = btz_lane_find(s, key);

    btz_buf_clear(&s->scratch);
    return l && !l->ended ? btz_lane_piece(s, l, btz_str(""), true) : BTZ_OK;
}

/* What is held comes out in the event that its last piece came in, once more, with nothing else at the places of pieces. */
static enum btz_err flush_place(struct btz_protocol_stream *s, struct place *p)
{
    struct btz_walk w = { .part = take_away, .user = s, .path = &s->places->path };
    struct btz_event e = { .root = p->like };
    enum btz_err err;

    BTZ_TRY(end_lane(s, p->key));
    if (s->scratch.len == 0)
        return BTZ_OK;
    if (!p->part.holder)
        return btz_stream_emit_new(s, p->name ? p->name : "",
                                   btz_json_text(btz_buf_slice(&s->scratch)));
    s->places->path.len = 0;
    s->at = &e;
    err = btz_walk_strings(&w, NULL, NULL, 0, e.root, BTZ_CHANNEL_RAW);
    if (err == BTZ_OK)
        err = btz_stream_put(s, &p->part, btz_buf_slice(&s->scratch));
    s->at = NULL;
    return err == BTZ_OK ? btz_stream_emit_new(s, p->name ? p->name : "", json_incref(e.root))
                         : err;
}

static enum btz_err flush_pieces(struct btz_protocol_stream *s)
{
    for (struct place *p = s->places ? s->places->first : NULL; p; p = p->next)
        if (p->like)
            BTZ_TRY(flush_place(s, p));
    return BTZ_OK;
}

/* ---- events ---- */

static enum btz_err take_string(struct btz_walk *w, const struct btz_part *part)
{
    struct btz_protocol_stream *s = w->user;

    if (part->holder && is_piece(s))
        return take_piece(s, part);
    BTZ_TRY(btz_stream_whole(s, part, btz_str("")));
    return part->holder ? look_at_seam(s, btz_buf_slice(&s->scratch)) : BTZ_OK;
}

static enum btz_err take_json(struct btz_protocol_stream *s, struct btz_event *e)
{
    struct btz_walk w = btz_stream_walker(s, take_string);

    BTZ_TRY(open_places(s));
    s->places->path.len = 0;
    w.path = &s->places->path;
    if (json_is_string(e->root))
        BTZ_TRY(take_piece(s, &(struct btz_part){ .text = btz_text_of(e->root) }));
    else
        BTZ_TRY(btz_walk_strings(&w, NULL, NULL, 0, e->root, BTZ_CHANNEL_RAW));
    return btz_stream_emit(s, e);
}

static enum btz_err flush_text(struct btz_protocol_stream *s)
{
    struct btz_event e = { .changed = false };
    struct btz_buf held = BTZ_BUF(SIZE_MAX / 4);
    enum btz_err err;

    BTZ_TRY(end_lane(s, 0));
    if (s->scratch.len == 0)
        return BTZ_OK;
    err = btz_buf_add_slice(&held, btz_buf_slice(&s->scratch));
    e.data = btz_buf_slice(&held);
    if (err == BTZ_OK)
        err = btz_stream_emit(s, &e);
    btz_buf_release(&held);
    return err;
}

static enum btz_err pass_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    struct btz_buf out = BTZ_BUF(SIZE_MAX / 4);
    struct btz_lane_state *l;
    enum btz_err err;

    if (e->root)
        return take_json(s, e);
    BTZ_TRY(btz_lane_open(s, 0, BTZ_CHANNEL_RAW, &l));
    if (!btz_is_utf8(e->data))
        return btz_fail(BTZ_INPUT, "event: text was expected");
    BTZ_TRY(btz_lane_piece(s, l, e->data, false));
    err = btz_buf_add_slice(&out, btz_buf_slice(&s->scratch));
    e->data = btz_buf_slice(&out);
    if (err == BTZ_OK)
        err = btz_stream_emit(s, e);
    btz_buf_release(&out);
    return err;
}

static enum btz_err flush(struct btz_protocol_stream *s)
{
    BTZ_TRY(flush_pieces(s));
    return flush_text(s);
}

static enum btz_err pass_done(struct btz_protocol_stream *s)
{
    BTZ_TRY(flush(s));
    return btz_stream_done(s);
}

static enum btz_err pass_end(struct btz_protocol_stream *s, bool *proper)
{
    *proper = true;
    return flush(s);
}

const struct btz_stream_family btz_pass_stream = {
    .any = true, .keeps = true, .event = pass_event, .done = pass_done, .end = pass_end
};
