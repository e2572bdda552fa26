/*
 * The text as detectors see it. Each character is mapped by itself, whatever its neighbours: so a view of a text that was
 * cut is the view of its parts, and every byte knows the character it came from. Accents are taken off rather than
 * composed for the same reason.
 */
#include <stdlib.h>

#include <unictype.h>
#include <uninorm.h>

#include "gate/guard/view.h"
#include "text/unicode.h"

enum { TEXT_MAX = 1 << 30, MAPPED_MAX = 32, EXPANDED_TIMES = 4 };

void btz_view_room_init(struct btz_view_room *room)
{
    memset(room, 0, sizeof *room);
    room->text.max = (size_t)TEXT_MAX * 2;
    room->folded.max = (size_t)TEXT_MAX * 2;
}

void btz_view_room_release(struct btz_view_room *room)
{
    btz_buf_release(&room->text);
    btz_buf_release(&room->folded);
    free(room->at);
    free(room->till);
    free(room->invisible);
    btz_view_room_init(room);
}

static enum btz_err map_reserve(struct btz_view_room *room, size_t len)
{
    size_t cap = room->map_cap ? room->map_cap : 1024;
    uint32_t *grown;

    if (len <= room->map_cap)
        return BTZ_OK;
    while (cap < len)
        cap *= 2;
    grown = realloc(room->at, cap * sizeof *grown);
    if (!grown)
        return btz_fail(BTZ_LIMIT, "out of memory for the map of %zu bytes of text", len);
    room->at = grown;
    grown = realloc(room->till, cap * sizeof *grown);
    if (!grown)
        return btz_fail(BTZ_LIMIT, "out of memory for the map of %zu bytes of text", len);
    room->till = grown;
    room->map_cap = cap;
    return BTZ_OK;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define EACH(c)   (UINT64_C(0x0101010101010101) * (uint64_t)(c))

/* Eight bytes at a time: the high bit of each says whether it is a capital, a quarter of that is the way to a small one. */
static inline uint64_t fold_eight(uint64_t w)
{
    uint64_t low = w & ~HIGH_BITS;
    uint64_t capital = (low + EACH(0x80 - 'A')) & ~(low + EACH(0x7F - 'Z')) & ~w & HIGH_BITS;

    return w | capital >> 2;
}

void btz_view_fold(const uint8_t *in, size_t n, uint8_t *out)
{
    uint64_t any = 0, word;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        memcpy(&word, in + i, 8);
        any |= word;
        word = fold_eight(word);
        memcpy(out + i, &word, 8);
    }
    for (; i < n; i++) {
        any |= in[i];
        out[i] = (uint8_t)(in[i] + ((uint8_t)(in[i] - 'A') < 26 ? 32 : 0));
    }
    if (!(any & HIGH_BITS))
        return;
    for (i = 0; i + 1 < n; i++) {
        uint8_t a = in[i], b = in[i + 1];

        if (a == 0xCE && b >= 0x91 && b <= 0x9F) {
            out[i + 1] = (uint8_t)(b + 0x20);
        } else if ((a == 0xCE && b >= 0xA0 && b <= 0xA9) || (a == 0xD0 && b >= 0xA0 && b <= 0xAF)) {
            out[i] = (uint8_t)(a + 1);
            out[i + 1] = (uint8_t)(b - 0x20);
        } else if (a == 0xD0 && b >= 0x90 && b <= 0x9F) {
            out[i + 1] = (uint8_t)(b + 0x20);
        } else if (a == 0xD0 && b >= 0x80 && b <= 0x8F) {
            out[i] = 0xD1;
            out[i + 1] = (uint8_t)(b + 0x10);
        }
    }
}

static enum btz_err fold_into(struct btz_view_room *room, struct btz_slice text,
                              struct btz_view *out)
{
    btz_buf_clear(&room->folded);
    BTZ_TRY(btz_buf_reserve(&room->folded, text.len + 1));
    if (text.len > 0)
        btz_view_fold(text.ptr, text.len, room->folded.ptr);
    room->folded.len = text.len;
    out->text = text;
    out->folded = room->folded.ptr;
    return BTZ_OK;
}

/* What stands for itself: scripts whose characters neither decompose nor look like ours. */
static bool is_plain(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x3096) || (c >= 0x4E00 && c <= 0x9FFF) ||
           (c >= 0xAC00 && c <= 0xD7A3) || c == 0x3001 || c == 0x3002;
}

/* Full decomposition, compatibility forms too; `depth` is more than Unicode needs. */
static size_t decompose(uint32_t c, uint32_t *out, size_t room, unsigned depth)
{
    ucs4_t part[UC_DECOMPOSITION_MAX_LENGTH];
    size_t len = 0;
    int tag, n = depth > 0 ? uc_decomposition(c, &tag, part) : -1;

    if (n <= 0) {
        out[0] = c;
        return 1;
    }
    for (int i = 0; i < n && len < room; i++)
        len += decompose(part[i], out + len, room - len, depth - 1);
    return len;
}

/* The characters that `c` stands for: at most MAPPED_MAX, none for a mark. */
static size_t map_character(uint32_t c, uint32_t out[MAPPED_MAX])
{
    size_t len, kept = 0;
    uint32_t twin;

    out[0] = c;
    if (c < 0x80 || is_plain(c))
        return 1;
    if (btz_unicode_is_space(c)) {
        out[0] = ' ';
        return 1;
    }
    twin = btz_unicode_plain_quote(c);
    if (twin == c)
        twin = btz_unicode_ascii_twin(c);
    if (twin < 0x80 || (twin >= 0x410 && twin <= 0x44F && twin != 0x419 && twin != 0x439)) {
        out[0] = twin;
        return 1;
    }
    len = decompose(c, out, MAPPED_MAX, 6);
    for (size_t i = 0; i < len; i++) {
        if (uc_is_general_category_withtable(out[i], UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Me) ||
            btz_unicode_is_invisible(out[i]))
            continue;
        twin = btz_unicode_plain_quote(out[i]);
        out[kept++] = twin == out[i] ? btz_unicode_ascii_twin(twin) : twin;
    }
    return kept;
}

/* U+1F3F4, some tag letters and U+E007F: the flag of a region. */
static bool is_flag(struct btz_slice text, size_t from, size_t to)
{
    static const uint8_t black_flag[] = { 0xF0, 0x9F, 0x8F, 0xB4 };
    static const uint8_t cancel[] = { 0xF3, 0xA0, 0x81, 0xBF };

    return from >= 4 && memcmp(text.ptr + from - 4, black_flag, 4) == 0 && to - from <= 28 &&
           to - from > 4 && memcmp(text.ptr + to - 4, cancel, 4) == 0;
}

static enum btz_err note_invisible(struct btz_view_room *room, struct btz_slice text, size_t from,
                                   size_t to)
{
    struct btz_invisible run = { .from = from, .to = to, .at = room->text.len };
    size_t at = from;
    uint32_t c;

    while (at < to && btz_utf8_next(text, &at, &c)) {
        if (c >= 0xE0000 && c <= 0xE007F)
            run.tags++;
        else if ((c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF))
            run.selectors++;
        else
            run.others++;
    }
    if (run.tags > 0 && is_flag(text, from, to))
        run.tags = 0;
    if (room->invisible_count == room->invisible_cap) {
        size_t cap = room->invisible_cap ? room->invisible_cap * 2 : 16;
        struct btz_invisible *grown = realloc(room->invisible, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu runs of invisible characters", cap);
        room->invisible = grown;
        room->invisible_cap = cap;
    }
    room->invisible[room->invisible_count++] = run;
    return BTZ_OK;
}

static enum btz_err put(struct btz_view_room *room, const uint32_t *c, size_t count, size_t from,
                        size_t to)
{
    size_t limit = room->text.len + (to - from) * EXPANDED_TIMES;

    /* One character can stand for eighteen: what they are beyond this is of no use to a detector. */
    for (size_t i = 0; i < count && room->text.len < limit; i++) {
        size_t start = room->text.len;

        BTZ_TRY(btz_buf_add_utf8(&room->text, c[i]));
        BTZ_TRY(map_reserve(room, room->text.len + 1));
        for (size_t k = start; k < room->text.len; k++) {
            room->at[k] = (uint32_t)from;
            room->till[k] = (uint32_t)to;
        }
    }
    return BTZ_OK;
}

/* Is what stands at `at` the beginning of a character whose end has not come yet? */
static bool is_cut(struct btz_slice text, size_t at)
{
    uint8_t c = text.ptr[at];
    size_t need = c >= 0xF0 && c <= 0xF4  ? 4
                  : c >= 0xE0 && c < 0xF0 ? 3
                  : c >= 0xC2 && c < 0xE0 ? 2
                                          : 1;

    if (text.len - at >= need)
        return false;
    for (size_t i = at + 1; i < text.len; i++)
        if ((text.ptr[i] & 0xC0) != 0x80)
            return false;
    return true;
}

/* Where the run of invisible characters that `at` is in ends; *open: more of it may follow. */
static size_t invisible_end(struct btz_slice text, size_t at, bool final, bool *open)
{
    size_t next = at;
    uint32_t c;

    while (next < text.len && (final || !is_cut(text, next))) {
        (void)btz_utf8_next(text, &next, &c);
        if (!btz_unicode_is_invisible(c)) {
            *open = false;
            return at;
        }
        at = next;
    }
    *open = !final;
    return at;
}

static enum btz_err normalise(struct btz_view_room *room, struct btz_slice text, size_t from,
                              bool final, size_t *wait)
{
    uint32_t mapped[MAPPED_MAX], c = 0;
    size_t at = from, start, count;
    bool open;

    while (at < text.len) {
        if (text.ptr[at] < 0x80) {
            start = at;
            while (at < text.len && text.ptr[at] < 0x80)
                at++;
            count = room->text.len;
            BTZ_TRY(btz_buf_add(&room->text, text.ptr + start, at - start));
            BTZ_TRY(map_reserve(room, room->text.len + 1));
            for (size_t k = 0; k < at - start; k++) {
                room->at[count + k] = (uint32_t)(start + k);
                room->till[count + k] = (uint32_t)(start + k + 1);
            }
            continue;
        }
        if (!final && is_cut(text, at)) {
            *wait = at < *wait ? at : *wait;
            return BTZ_OK;
        }
        start = at;
        (void)btz_utf8_next(text, &at, &c);
        if (btz_unicode_is_invisible(c)) {
            at = invisible_end(text, at, final, &open);
            if (open)
                *wait = start < *wait ? start : *wait;
            BTZ_TRY(note_invisible(room, text, start, at));
            continue;
        }
        BTZ_TRY(put(room, mapped, map_character(c, mapped), start, at));
    }
    return BTZ_OK;
}

static bool is_ascii(struct btz_slice s)
{
    uint64_t any = 0, word;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        any |= word;
    }
    for (; i < s.len; i++)
        any |= s.ptr[i];
    return (any & HIGH_BITS) == 0;
}

enum btz_err btz_view_plain(struct btz_view_room *room, struct btz_slice text, size_t context,
                            bool final, struct btz_view *out, size_t *wait)
{
    memset(out, 0, sizeof *out);
    if (text.len == 0)
        text = btz_str(""); /* an address to count from */
    if (text.len > TEXT_MAX)
        return btz_fail(BTZ_LIMIT, "a text of more than %d bytes", TEXT_MAX);
    *wait = text.len;
    out->before = context;
    out->final = final;
    out->how = "plain";
    room->invisible_count = 0;
    if (is_ascii(btz_slice_of(text.ptr + context, text.len - context)))
        return fold_into(room, text, out);
    btz_buf_clear(&room->text);
    BTZ_TRY(btz_buf_add(&room->text, text.ptr, context));
    BTZ_TRY(map_reserve(room, text.len + 1));
    for (size_t k = 0; k < context; k++) {
        room->at[k] = (uint32_t)k;
        room->till[k] = (uint32_t)(k + 1);
    }
    BTZ_TRY(normalise(room, text, context, final, wait));
    out->at = room->at;
    out->till = room->till;
    out->invisible = room->invisible;
    out->invisible_count = room->invisible_count;
    return fold_into(room, btz_buf_slice(&room->text), out);
}

enum btz_err btz_view_whole(struct btz_view_room *room, struct btz_slice text, const char *how,
                            enum btz_channel channel, struct btz_view *out)
{
    size_t wait;

    BTZ_TRY(btz_view_plain(room, text, 0, true, out, &wait));
    out->how = how;
    out->channel = channel;
    out->invisible = NULL;
    out->invisible_count = 0;
    return BTZ_OK;
}

enum btz_err btz_view_word(struct btz_slice word, struct btz_buf *out)
{
    struct btz_view_room room;
    struct btz_view view;
    size_t wait;
    enum btz_err err;

    btz_view_room_init(&room);
    err = btz_view_plain(&room, word, 0, true, &view, &wait);
    if (err == BTZ_OK && view.text.len > 0)
        err = btz_buf_add(out, view.folded, view.text.len);
    btz_view_room_release(&room);
    return err;
}
