#include "demo/shelf.h"

#include <pthread.h>
#include <stdlib.h>

#include "demo/persona.h"

#define DOCUMENT_MAX ((size_t)256 << 10)
#define READ_MAX     ((size_t)32 << 10) /* of a document, at answering */
#define ADDED_MAX    1024
#define BYTES_MAX    ((size_t)64 << 20)
#define NAME_MAX_LEN 128
#define NAME_WORDS   8
#define WORDS        64

struct entry {
    char *name;
    uint8_t *text;
    size_t len;
    uint64_t number; /* in the order of adding */
    bool own;
    uint32_t name_words[NAME_WORDS], words[WORDS];
    size_t name_word_count, word_count;
    uint64_t sieve[8]; /* a bit for each hash: most words of a question are not here */
};

struct btz_demo_shelf {
    pthread_rwlock_t lock;
    struct entry *entries;
    size_t count, room, bytes;
    uint64_t next;
};

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

uint32_t btz_demo_word_hash(struct btz_slice word)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < word.len; i++) {
        uint8_t c = word.ptr[i];

        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
    }
    return h;
}

static bool has_hash(const uint32_t *words, size_t count, uint32_t hash)
{
    for (size_t i = 0; i < count; i++)
        if (words[i] == hash)
            return true;
    return false;
}

/* Distinct words of `text`, at least `min_len` bytes long, up to `max`. */
static size_t hash_words(struct btz_slice text, size_t min_len, uint32_t *out, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len && count < max;) {
        size_t start = i;

        while (i < text.len && is_word_byte(text.ptr[i]))
            i++;
        if (i - start >= min_len) {
            uint32_t h = btz_demo_word_hash(btz_slice_sub(text, start, i - start));

            if (!has_hash(out, count, h))
                out[count++] = h;
        }
        i += i == start;
    }
    return count;
}

static enum btz_err check_name(struct btz_slice name)
{
    bool ok = name.len > 0 && name.len <= NAME_MAX_LEN && name.ptr[0] != '.';

    for (size_t i = 0; ok && i < name.len; i++) {
        uint8_t c = name.ptr[i];

        ok = c < 0x80 && (is_word_byte(c) || c == '.' || c == '_' || c == '-');
    }
    if (!ok)
        return btz_fail(BTZ_INPUT,
                        "document name: expected 1 to %d letters, digits, dots, dashes or "
                        "underscores, not starting with a dot",
                        NAME_MAX_LEN);
    return BTZ_OK;
}

static void drop(struct btz_demo_shelf *s, size_t at)
{
    s->bytes -= s->entries[at].len;
    free(s->entries[at].name);
    free(s->entries[at].text);
    memmove(&s->entries[at], &s->entries[at + 1], (s->count - at - 1) * sizeof *s->entries);
    s->count--;
}

/* The oldest added document goes; the entries are in the order of adding. */
static void drop_oldest(struct btz_demo_shelf *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->entries[i].own) {
            drop(s, i);
            return;
        }
    }
}

static enum btz_err make_entry(struct btz_slice name, struct btz_slice text, bool own,
                               struct entry *out)
{
    struct entry e = { .own = own, .len = text.len };
    struct btz_slice stem = name;
    size_t dot = btz_slice_find(name, btz_str("."), 1);

    if (dot != SIZE_MAX)
        stem = btz_slice_sub(name, 0, dot);
    e.name = strndup((const char *)name.ptr, name.len);
    e.text = malloc(text.len + 1);
    if (!e.name || !e.text) {
        free(e.name);
        free(e.text);
        return btz_fail(BTZ_LIMIT, "out of memory for a document");
    }
    if (text.len > 0)
        memcpy(e.text, text.ptr, text.len);
    e.name_word_count = hash_words(stem, 1, e.name_words, NAME_WORDS);
    e.word_count = hash_words(text, 5, e.words, WORDS);
    for (size_t i = 0; i < e.word_count; i++)
        e.sieve[e.words[i] >> 6 & 7] |= UINT64_C(1) << (e.words[i] & 63);
    *out = e;
    return BTZ_OK;
}

static enum btz_err put(struct btz_demo_shelf *s, struct btz_slice name, struct btz_slice text,
                        bool own)
{
    struct entry e;

    if (text.len > DOCUMENT_MAX)
        return btz_fail(BTZ_LIMIT, "document: larger than %zu bytes", DOCUMENT_MAX);
    BTZ_TRY(check_name(name));
    BTZ_TRY(make_entry(name, text, own, &e));
    pthread_rwlock_wrlock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->entries[i].name, e.name) == 0) {
            drop(s, i);
            break;
        }
    }
    while (s->count == s->room || (s->bytes + text.len > BYTES_MAX && s->count > 0))
        drop_oldest(s);
    e.number = s->next++;
    s->bytes += e.len;
    s->entries[s->count++] = e;
    pthread_rwlock_unlock(&s->lock);
    return BTZ_OK;
}

enum btz_err btz_demo_shelf_put(struct btz_demo_shelf *s, struct btz_slice name,
                                struct btz_slice text)
{
    return put(s, name, text, false);
}

enum btz_err btz_demo_shelf_new(struct btz_demo_shelf **out)
{
    struct btz_demo_shelf *s = calloc(1, sizeof *s);
    size_t count;
    const struct btz_demo_paper *papers = btz_demo_papers(&count);

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory for the shelf");
    pthread_rwlock_init(&s->lock, NULL);
    s->room = ADDED_MAX + count;
    s->entries = calloc(s->room, sizeof *s->entries);
    if (!s->entries) {
        btz_demo_shelf_free(s);
        return btz_fail(BTZ_LIMIT, "out of memory for the shelf");
    }
    for (size_t i = 0; i < count; i++) {
        enum btz_err err = put(s, btz_str(papers[i].name), btz_str(papers[i].text), true);

        if (err != BTZ_OK) {
            btz_demo_shelf_free(s);
            return err;
        }
    }
    *out = s;
    return BTZ_OK;
}

void btz_demo_shelf_free(struct btz_demo_shelf *s)
{
    if (!s)
        return;
    while (s->count > 0)
        drop(s, s->count - 1);
    free(s->entries);
    pthread_rwlock_destroy(&s->lock);
    free(s);
}

struct rank {
    size_t at;
    unsigned score;
    bool named;
};

static unsigned shared_in_name(const struct entry *e, const uint32_t *words, size_t count)
{
    unsigned n = 0;

    for (size_t i = 0; i < e->name_word_count; i++)
        n += has_hash(words, count, e->name_words[i]);
    return n;
}

static unsigned shared_in_text(const struct entry *e, const uint32_t *words, size_t count)
{
    unsigned n = 0;

    for (size_t i = 0; i < count; i++)
        n += (e->sieve[words[i] >> 6 & 7] >> (words[i] & 63) & 1) &&
             has_hash(e->words, e->word_count, words[i]);
    return n;
}

static struct rank rank_of(const struct entry *e, size_t at, const struct btz_demo_query *q)
{
    unsigned in_name = shared_in_name(e, q->words, q->count);
    unsigned in_text = shared_in_text(e, q->words, q->substance);
    struct rank r = { .at = at };

    r.named = e->name_word_count > 0 && in_name == e->name_word_count;
    if (r.named)
        r.score = 1000 + in_name;
    else if (in_text >= 3 || (q->asked && in_name + in_text > 2))
        r.score = 4 * in_name + in_text;
    return r;
}

/* Keeps the best ranks in order; equal scores: the newer document first. */
static void keep(struct rank *best, size_t *count, size_t max, struct rank r)
{
    size_t at = *count;

    while (at > 0 && best[at - 1].score <= r.score)
        at--;
    if (at >= max)
        return;
    if (*count < max)
        (*count)++;
    memmove(&best[at + 1], &best[at], (*count - at - 1) * sizeof *best);
    best[at] = r;
}

static enum btz_err copy_out(const struct entry *e, bool named, struct btz_arena *arena,
                             struct btz_demo_document *out)
{
    struct btz_slice text = btz_slice_of(e->text, e->len);

    BTZ_TRY(btz_arena_copy(arena, btz_str(e->name), &out->name));
    BTZ_TRY(btz_arena_copy(arena, btz_slice_sub(text, 0, READ_MAX), &out->text));
    out->own = e->own;
    out->named = named;
    return BTZ_OK;
}

enum btz_err btz_demo_shelf_find(struct btz_demo_shelf *s, const struct btz_demo_query *query,
                                 struct btz_arena *arena, struct btz_demo_document *out, size_t max,
                                 size_t *count)
{
    struct rank best[4];
    size_t n = 0, newest = SIZE_MAX;
    enum btz_err err = BTZ_OK;

    if (max > BTZ_COUNT(best))
        max = BTZ_COUNT(best);
    pthread_rwlock_rdlock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        struct rank r = rank_of(&s->entries[i], i, query);

        if (r.score > 0)
            keep(best, &n, max, r);
        if (!s->entries[i].own)
            newest = i;
    }
    /* What is named is meant, and nothing else. */
    for (size_t i = 0; i < n; i++)
        if (best[0].named && !best[i].named)
            n = i;
    if (n == 0 && query->newest && newest != SIZE_MAX)
        best[n++] = (struct rank){ .at = newest };
    for (size_t i = 0; i < n && err == BTZ_OK; i++)
        err = copy_out(&s->entries[best[i].at], best[i].named, arena, &out[i]);
    pthread_rwlock_unlock(&s->lock);
    if (err == BTZ_OK)
        *count = n;
    return err;
}
