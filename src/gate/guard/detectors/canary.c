/*
 * Strings that must never be seen, in any spelling: whatever stands between their letters, in other case, backwards, in
 * ROT13 or encoded. Letters and digits alone are compared; three other characters at most may stand between two.
 */
#include <stdlib.h>

#include "gate/guard/detectors/charset.h"
#include "gate/guard/view.h"

enum { GAP_MAX = 3, LETTERS_MIN = 4, LETTERS_MAX = 128, CANARIES_MAX = 256 };

/* One spelling, as an automaton of Knuth, Morris and Pratt over its letters. */
struct spelling {
    const char *kind;
    size_t len;
    uint8_t letter[LETTERS_MAX];
    uint8_t back[LETTERS_MAX + 1];
};
struct canaries {
    size_t count;
    struct spelling *spelling;
};

static bool is_letter(uint8_t c)
{
    return btz_is_alnum(c) || c >= 0x80;
}

static void prepare(struct spelling *s)
{
    size_t k = 0;

    s->back[0] = s->back[1] = 0;
    for (size_t i = 1; i < s->len; i++) {
        while (k > 0 && s->letter[i] != s->letter[k])
            k = s->back[k];
        k += s->letter[i] == s->letter[k];
        s->back[i + 1] = (uint8_t)k;
    }
}

static void rot13(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (btz_is_lower(p[i]))
            p[i] = (uint8_t)('a' + (p[i] - 'a' + 13) % 26);
}

static void reverse(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t c = p[i];

        p[i] = p[n - 1 - i];
        p[n - 1 - i] = c;
    }
}

static enum btz_err add(struct canaries *all, const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf word = BTZ_BUF(4096);
    struct spelling *s = &all->spelling[all->count];

    BTZ_TRY(btz_view_word(btz_str(text), &word));
    s->kind = "canary";
    for (size_t i = 0; i < word.len && s->len < LETTERS_MAX - 1; i++)
        if (is_letter(word.ptr[i]))
            s->letter[s->len++] = word.ptr[i];
    if (s->len < LETTERS_MIN)
        return btz_fail(BTZ_USAGE, "guard canary: %zu letters and digits; at least %d", s->len,
                        LETTERS_MIN);
    s[1] = s[2] = *s;
    s[1].kind = "canary-reversed";
    reverse(s[1].letter, s->len);
    s[2].kind = "canary-rot13";
    rot13(s[2].letter, s->len);
    for (unsigned i = 0; i < 3; i++)
        prepare(&s[i]);
    all->count += 3;
    return BTZ_OK;
}

static void release(void *setup)
{
    struct canaries *all = setup;

    if (!all)
        return;
    btz_wipe(all->spelling, all->count * sizeof *all->spelling);
    free(all->spelling);
    free(all);
}

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
{
    const char *const *text = conf->canaries.items;
    struct canaries *all;
    enum btz_err err = BTZ_OK;

    *out = NULL;
    if (conf->canaries.count == 0)
        return BTZ_OK;
    if (conf->canaries.count > CANARIES_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d canaries", CANARIES_MAX);
    all = calloc(1, sizeof *all);
    if (!all || !(all->spelling = calloc(conf->canaries.count * 3, sizeof *all->spelling))) {
        free(all);
        return btz_fail(BTZ_LIMIT, "out of memory for canaries");
    }
    for (size_t i = 0; err == BTZ_OK && i < conf->canaries.count; i++)
        err = add(all, text[i]);
    if (err != BTZ_OK) {
        release(all);
        return err;
    }
    *out = all;
    return BTZ_OK;
}

/* `place[i % LETTERS_MAX]` is where the i-th letter that fits stands. */
static enum btz_err search(const struct spelling *s, const struct btz_view *view,
                           struct btz_found *found)
{
    const uint8_t *p = view->folded;
    size_t place[LETTERS_MAX], seen = 0, k = 0, gap = 0;

    for (size_t i = 0; i < view->text.len; i++) {
        if (k == 0) { /* nothing begun: on to the next beginning */
            const uint8_t *next = memchr(p + i, s->letter[0], view->text.len - i);

            if (!next)
                break;
            i = (size_t)(next - p);
        }
        if (!is_letter(p[i])) {
            if (++gap > GAP_MAX)
                k = 0;
            continue;
        }
        gap = 0;
        while (k > 0 && p[i] != s->letter[k])
            k = s->back[k];
        if (p[i] != s->letter[k])
            continue;
        place[seen++ % LETTERS_MAX] = i;
        if (++k == s->len) {
            BTZ_TRY(btz_found_hit(found, place[(seen - s->len) % LETTERS_MAX], i + 1, s->kind, 1));
            k = s->back[k];
        }
    }
    if (k > 0)
        btz_found_wait(found, place[(seen - k) % LETTERS_MAX]);
    return BTZ_OK;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    const struct canaries *all = setup;

    (void)session;
    for (size_t i = 0; i < all->count; i++)
        BTZ_TRY(search(&all->spelling[i], view, found));
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_canary = {
    .id = "canary",
    .summary = "Strings of `canaries` in any spelling: spaced, backwards, ROT13, encoded.",
    .mask = "canary",
    .channels = ((1u << BTZ_CHANNEL_COUNT) - 1) & ~(1u << BTZ_CHANNEL_SYSTEM),
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_BLOCK,
    .decoded = true,
    .scan = scan,
    .compile = compile,
    .release = release,
};
