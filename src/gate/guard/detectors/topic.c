/* What is not talked about: the words and phrases of `topics`. */
#include <stdlib.h>

#include "gate/guard/detectors/phrases.h"

enum { WORDS_MAX = 4096 };

static void release(void *setup)
{
    btz_phrases_free(setup);
}

/* Scripts without spaces between words are looked for anywhere. */
static bool without_spaces(struct btz_slice word)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(word, &at, &c))
        if ((c >= 0x2E80 && c <= 0x9FFF) || (c >= 0x0E00 && c <= 0x0EFF) ||
            (c >= 0x20000 && c <= 0x3FFFF))
            return true;
    return false;
}

/* A word may hold what phrases give a meaning to: only letters and digits are compared. */
static enum btz_err pattern(struct btz_slice word, struct btz_buf *out)
{
    if (without_spaces(word))
        BTZ_TRY(btz_buf_add_byte(out, '='));
    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];
        bool letter = c >= 0x80 || (c >= '0' && c <= '9') ||
                      ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';

        BTZ_TRY(btz_buf_add_byte(out, letter ? c : ' '));
    }
    return btz_buf_add_byte(out, 0);
}

static enum btz_err collect(const struct btz_guard_conf *conf, struct btz_buf *text,
                            struct btz_phrase *list, size_t *count)
{
    const struct btz_guard_topic_conf *topic = conf->topics.items;
    size_t at[WORDS_MAX];

    for (size_t i = 0; i < conf->topics.count; i++) {
        const char *const *words = topic[i].words.items;

        for (size_t w = 0; w < topic[i].words.count; w++) {
            if (*count == WORDS_MAX)
                return btz_fail(BTZ_LIMIT, "more than %d words of topics", WORDS_MAX);
            at[*count] = text->len;
            list[*count] = (struct btz_phrase){ NULL, topic[i].name, 1 };
            BTZ_TRY(pattern(btz_str(words[w]), text));
            (*count)++;
        }
    }
    for (size_t i = 0; i < *count; i++)
        list[i].pattern = (const char *)text->ptr + at[i];
    return BTZ_OK;
}

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    BTZ_FREE struct btz_phrase *list = NULL;
    struct btz_phrases *phrases;
    size_t count = 0;
    enum btz_err err;

    *out = NULL;
    if (conf->topics.count == 0)
        return BTZ_OK;
    list = calloc(WORDS_MAX, sizeof *list);
    if (!list)
        return btz_fail(BTZ_LIMIT, "out of memory for topics");
    err = collect(conf, &text, list, &count);
    if (err == BTZ_OK)
        err = btz_phrases_new(list, count, &phrases);
    if (err != BTZ_OK)
        return btz_fail_context(err, "guard topics");
    *out = phrases;
    return BTZ_OK;
}

static enum btz_err triggers(const void *setup, struct btz_triggers *t)
{
    return btz_phrases_triggers(setup, t);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    (void)session;
    return btz_phrases_scan(setup, view, found);
}

const struct btz_guard_detector btz_guard_detector_topic = {
    .id = "topic",
    .summary = "Words and phrases of `topics`, in any spelling.",
    .mask = "topic",
    .channels = ((1u << BTZ_CHANNEL_COUNT) - 1) & ~(1u << BTZ_CHANNEL_SYSTEM),
    .user = BTZ_GUARD_BLOCK,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_BLOCK,
    .decoded = true,
    .triggers = triggers,
    .scan = scan,
    .compile = compile,
    .release = release,
};
