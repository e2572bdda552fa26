/*
 * The injection classifier on sources it never saw: recall and false positives of each source, with exact 95 % intervals,
 * by weights that were trained without it and a threshold that was set without it, by weights that saw neither it nor the
 * sources that it was set on; the guard as a whole, which is that classifier and all other detectors as built in; patterns
 * alone; the same attacks disguised, through the whole guard; attacks within
 * long documents; time. One line of JSON a figure, fixed seeds.
 * guard_quality [SOURCE [DATA [FOLDS [HEAD]]]], folders as in the tests; HEAD is direct or indirect; 0 folds: thresholds from weights that saw the source,
 * without disguises, six times as fast.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <bartizan/stats.h>

#include "gate/guard/train.h"
#include "text/text.h"

enum {
    SAMPLE = 40, /* texts of a source that are disguised */
    FOLDS = 6    /* of the other sources, to set a threshold by */
};

struct tally {
    size_t hits, n;
};

static void print_share(const char *part, const char *source, const char *what, struct tally t)
{
    struct btz_interval i;

    if (t.n == 0 || btz_exact_interval(t.hits, t.n, 0.95, BTZ_SIDE_TWO, &i) != BTZ_OK)
        return;
    printf("{\"name\":\"guard.%s.%s.%s\",\"value\":%.4f,\"unit\":\"share\",\"low\":%.4f,"
           "\"high\":%.4f,\"n\":%zu}\n",
           part, source, what, (double)t.hits / (double)t.n, i.low, i.high, t.n);
}

static void count(struct tally *t, bool hit)
{
    t->n++;
    t->hits += hit;
}

/* ---- the phrases, as they were when this was written ------------------------------------------------------------------ */

/*
 * Pattern lists do not learn, but their authors do: of sources that were there before the list nothing was left out. So
 * each list has a date and the hash of its strings. The sources "late-*" were written after both and before any change
 * to them: on these alone the share of the patterns is one of texts that their author had not seen.
 */
static const struct {
    const char *file, *since,
        *hash; /* hash: first 16 hex digits of SHA-256 over all strings of the list */
} lists[] = {
    { "injection-order.c", "2026-11-28", "6792f00b91156a9b" },
    { "injection-pattern.c", "2026-11-28", "d384f15f54955c30" },
};

/* What stands between quotation marks, between "phrases[]" and the end of that list. */
static enum btz_err strings_of(struct btz_slice text, struct btz_buf *out)
{
    size_t at = btz_slice_find(text, btz_str("phrases[] = {"), 0);
    size_t end = at == SIZE_MAX ? at : btz_slice_find(text, btz_str("\n};"), at);
    bool inside = false;

    if (end == SIZE_MAX)
        return btz_fail(BTZ_INPUT, "no list of phrases");
    for (; at < end; at++) {
        if (text.ptr[at] == '"' && text.ptr[at - 1] != '\\')
            inside = !inside;
        else if (inside)
            BTZ_TRY(btz_buf_add_byte(out, text.ptr[at]));
    }
    return BTZ_OK;
}

static enum btz_err frozen(const char *source)
{
    for (size_t i = 0; i < BTZ_COUNT(lists); i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
        BTZ_BUF_RELEASE struct btz_buf strings = BTZ_BUF(1 << 20);
        uint8_t digest[BTZ_SHA256_LEN];
        char path[4096], hex[2 * BTZ_SHA256_LEN + 1];

        snprintf(path, sizeof path, "%s/src/gate/guard/detectors/%s", source, lists[i].file);
        BTZ_TRY(btz_file_read(path, text.max, &text));
        BTZ_TRY(strings_of(btz_buf_slice(&text), &strings));
        btz_sha256(btz_buf_slice(&strings), digest);
        btz_hex(digest, sizeof digest, hex);
        hex[16] = 0;
        printf(
            "{\"name\":\"guard.phrases.%s\",\"hash\":\"%s\",\"since\":\"%s\",\"unchanged\":%s}\n",
            lists[i].file, hex, lists[i].since, strcmp(hex, lists[i].hash) == 0 ? "true" : "false");
    }
    return BTZ_OK;
}

/* ---- what the other detectors do ------------------------------------------------------------------------------------- */

/* `acts`: masks or blocks, for its own reasons (a key that stands in an attack is one). `order`: does so because somebody
 * gives orders or hides them. */
struct others {
    bool acts, order;
};

static bool is_about_orders(const char *id)
{
    static const char *const ids[] = { "injection-pattern", "injection-order", "hidden", "ansi" };

    for (size_t i = 0; i < BTZ_COUNT(ids); i++)
        if (strcmp(id, ids[i]) == 0)
            return true;
    return false;
}

static enum btz_err ask_others(const struct btz_guard *g, const struct btz_train_text *t,
                               struct others *o)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 24);
    const struct btz_guard_record *records;
    struct btz_guard_session *s;
    size_t n;
    bool changed;
    enum btz_err err;

    BTZ_TRY(btz_guard_session_new(g, &s));
    err = btz_guard_text(s, t->channel, t->raw, &changed, &out);
    records = btz_guard_records(s, &n);
    for (size_t i = 0; i < n; i++) {
        bool acts = records[i].hit.action >= BTZ_GUARD_MASK;

        o->acts = o->acts || acts;
        o->order = o->order || (acts && is_about_orders(records[i].hit.detector->id));
    }
    btz_guard_session_free(s);
    return err == BTZ_DENIED ? BTZ_OK : err;
}

/* Every text through a guard whose classifier only writes down. */
static enum btz_err all_others(const struct btz_train_set *s, struct others *others)
{
    struct btz_guard_rule_conf rule = { .detector = "injection",
                                        .action = BTZ_GUARD_OBSERVE,
                                        .threshold = 1 };
    struct btz_guard_conf conf = { .enabled = true,
                                   .classifier = "",
                                   .calibration = "",
                                   .rules = { &rule, 1 },
                                   .hold_max = 1 << 20 };
    struct btz_guard *g;
    enum btz_err err;

    BTZ_TRY(btz_guard_new(&conf, &g));
    err = BTZ_OK;
    for (size_t i = 0; err == BTZ_OK && i < s->count; i++)
        err = ask_others(g, &s->texts[i], &others[i]);
    btz_guard_free(g);
    return err;
}

/* ---- each source left out ------------------------------------------------------------------------------------------- */

enum pool {
    POOL_OWN,
    POOL_PUBLIC,
    POOL_ALL,
    POOL_LATE,
    POOL_PLAIN,
    POOL_TRIGGER,
    POOL_LATE_TRIGGER,
    POOLS
};
static const char *const pool_names[POOLS] = { "own-injections",    "public-injections",
                                               "all-injections",    "late-injections",
                                               "ordinary",          "trigger-words",
                                               "late-trigger-words" };
enum { CLASSIFIER, GUARD, PATTERNS, JUDGES };
static const char *const judge_names[JUDGES] = { "", "guard-", "patterns-" };

static bool starts(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static void pool_add(struct tally *pool, const struct btz_train_set *s,
                     const struct btz_train_text *t, enum btz_class_head h, bool hit)
{
    const char *name = s->source[t->source].name;
    bool trigger = s->source[t->source].kind == BTZ_TRAIN_TRIGGER;

    if (btz_class_head_of(t->channel) != h)
        return; /* attacks of users in documents, and pasted documents: in the table only */
    if (starts(name, "late-")) {
        count(&pool[t->injection ? POOL_LATE : trigger ? POOL_LATE_TRIGGER : POOL_PLAIN], hit);
    } else if (t->injection) {
        bool own = starts(name, "direct-") || starts(name, "indirect-");

        count(&pool[own ? POOL_OWN : POOL_PUBLIC], hit);
        count(&pool[POOL_ALL], hit);
    } else {
        count(&pool[trigger ? POOL_TRIGGER : POOL_PLAIN], hit);
    }
}

static void print_judged(enum btz_class_head h, const char *source, int judge, const char *what,
                         struct tally t)
{
    char name[64];

    snprintf(name, sizeof name, "%s%s", judge_names[judge], what);
    print_share(btz_class_head_name(h), source, name, t);
}

/* The guard judges a text in the channel that it came in, so there are no figures of it for texts of the other head. */
static void report(const struct btz_train_set *s, enum btz_class_head h, const char *how,
                   const double *margin, const double *threshold, const struct others *others)
{
    struct tally pool[JUDGES][POOLS] = { { { 0 } } };

    for (size_t k = 0; k < s->sources; k++) {
        struct tally tally[JUDGES][2] = { { { 0 } } };

        for (size_t i = 0; i < s->count; i++) {
            const struct btz_train_text *t = &s->texts[i];
            bool hit[JUDGES] = { margin[i] >= threshold[k], false, others[i].order };

            if (t->source != k || isnan(margin[i]))
                continue;
            hit[GUARD] = hit[CLASSIFIER] || (t->injection ? others[i].order : others[i].acts);
            for (int j = 0; j < JUDGES; j++) {
                if (j == CLASSIFIER || btz_class_head_of(t->channel) == h)
                    count(&tally[j][t->injection], hit[j]);
                pool_add(pool[j], s, t, h, hit[j]);
            }
        }
        for (int j = 0; j < JUDGES && !*how; j++) {
            print_judged(h, s->source[k].name, j, "recall", tally[j][1]);
            print_judged(h, s->source[k].name, j, "false-positives", tally[j][0]);
        }
    }
    for (int j = 0; j < JUDGES; j++)
        for (int p = 0; p < POOLS; p++) {
            char name[64];

            snprintf(name, sizeof name, "%s%s", how, pool_names[p]);
            print_judged(h, "pooled", j, name, pool[j][p]);
        }
    fflush(stdout);
}

/* ---- disguises, through the guard ------------------------------------------------------------------------------------ */

enum { CHARACTERS = 6, ENCODINGS = 6, DISGUISES = 1 + CHARACTERS + ENCODINGS };
static const char *const characters[CHARACTERS] = { "zero-width",   "homoglyph",  "fullwidth",
                                                    "math-letters", "diacritics", "soft-hyphen" };
static const enum btz_encoding encodings[ENCODINGS] = { BTZ_ENC_TAGS, BTZ_ENC_BASE64,
                                                        BTZ_ENC_HEX,  BTZ_ENC_URL,
                                                        BTZ_ENC_HTML, BTZ_ENC_UNICODE_ESCAPE };

static const char *disguise_name(size_t d)
{
    if (d == 0)
        return "plain";
    return d <= CHARACTERS ? characters[d - 1] : btz_encoding_name(encodings[d - 1 - CHARACTERS]);
}

/* Cyrillic and Greek letters that look like these. */
static uint32_t twin_of(uint32_t c)
{
    static const char ours[] = "aceiopsxyABEHIKMOPTX";
    static const uint16_t theirs[] = { 0x430, 0x441, 0x435, 0x456, 0x43E, 0x440, 0x455,
                                       0x445, 0x443, 0x410, 0x412, 0x415, 0x41D, 0x406,
                                       0x41A, 0x41C, 0x41E, 0x420, 0x422, 0x425 };
    const char *at = c > 0 && c < 0x80 ? strchr(ours, (int)c) : NULL;

    return at ? theirs[at - ours] : c;
}

static enum btz_err disguise_character(size_t how, uint32_t c, struct btz_buf *out)
{
    bool small = c >= 'a' && c <= 'z', letter = small || (c >= 'A' && c <= 'Z');

    if (how == 1)
        c = twin_of(c);
    else if (how == 2 && c > ' ' && c < 0x7F)
        c += 0xFEE0;
    else if (how == 3 && letter)
        c = small ? 0x1D41A + c - 'a' : 0x1D400 + c - 'A'; /* mathematical bold */
    BTZ_TRY(btz_buf_add_utf8(out, c));
    if (how == 0)
        return btz_buf_add_utf8(out, 0x200B);
    if (how == 4 && letter)
        return btz_buf_add_utf8(out, 0x301);
    return how == 5 && letter ? btz_buf_add_utf8(out, 0xAD) : BTZ_OK;
}

static enum btz_err disguise(size_t d, struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    if (d == 0)
        return btz_buf_add_slice(out, in);
    if (d > CHARACTERS)
        return btz_text_encode(encodings[d - 1 - CHARACTERS], in, out);
    while (btz_utf8_next(in, &at, &c))
        BTZ_TRY(disguise_character(d - 1, c, out));
    return BTZ_OK;
}

struct disguised {
    struct tally classifier[DISGUISES], guard[DISGUISES];
    struct tally ascii; /* undisguised, of texts that tags can hide: they exist for ASCII alone */
    struct tally benign_classifier, benign_guard;
};

static enum btz_err judge(const struct btz_guard *g, struct btz_slice text, bool *classifier,
                          bool *guard)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 24);
    const struct btz_guard_record *records;
    struct btz_guard_session *s;
    size_t n;
    bool changed;
    enum btz_err err;

    BTZ_TRY(btz_guard_session_new(g, &s));
    err = btz_guard_text(s, BTZ_CHANNEL_USER, text, &changed, &out);
    records = btz_guard_records(s, &n);
    *classifier = false;
    for (size_t i = 0; i < n; i++)
        *classifier = *classifier || strcmp(records[i].hit.detector->id, "injection") == 0;
    *guard = btz_guard_verdict(s) >= BTZ_GUARD_STEP_UP;
    btz_guard_session_free(s);
    return err == BTZ_DENIED ? BTZ_OK : err;
}

static bool is_ascii(struct btz_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= 0x80)
            return false;
    return true;
}

static enum btz_err judge_source(const struct btz_train_set *s, size_t source,
                                 const struct btz_guard *g, struct disguised *d)
{
    size_t taken = 0;
    bool classifier, guard;

    for (size_t i = 0; i < s->count && taken < SAMPLE; i++) {
        const struct btz_train_text *t = &s->texts[i];

        if (t->source != source || t->channel != BTZ_CHANNEL_USER)
            continue;
        taken++;
        for (size_t k = 0; k < (t->injection ? (size_t)DISGUISES : 1); k++) {
            BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 22);

            if (strcmp(disguise_name(k), "tags") == 0 && !is_ascii(t->raw))
                continue;
            BTZ_TRY(disguise(k, t->raw, &text));
            BTZ_TRY(judge(g, btz_buf_slice(&text), &classifier, &guard));
            count(t->injection ? &d->classifier[k] : &d->benign_classifier, classifier);
            if (t->injection && k == 0 && is_ascii(t->raw))
                count(&d->ascii, classifier);
            count(t->injection ? &d->guard[k] : &d->benign_guard, guard);
        }
    }
    return BTZ_OK;
}

/* A guard whose classifier never saw the source. */
static enum btz_err guard_without(const struct btz_train_set *s, size_t source, double threshold,
                                  struct btz_guard **out)
{
    static struct btz_train_judge j;
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(BTZ_CLASS_FILE_MAX);
    char path[] = "/tmp/guard_quality.XXXXXX";
    struct btz_guard_conf conf = {
        .enabled = true, .classifier = path, .calibration = "", .hold_max = 1 << 20
    };
    int fd = mkstemp(path);
    enum btz_err err;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    close(fd);
    j.weights = btz_class_weights; /* of the other head, which is not asked */
    err = btz_train_judge_fit(s, BTZ_CLASS_DIRECT, btz_train_family(s, source), &btz_train_defaults,
                              &j);
    if (err == BTZ_OK) {
        j.weights.bias[BTZ_CLASS_DIRECT] -= threshold;
        err = btz_class_encode(&j.weights, &file);
    }
    if (err == BTZ_OK)
        err = btz_file_write(path, btz_buf_slice(&file), 0600);
    if (err == BTZ_OK)
        err = btz_guard_new(&conf, out);
    unlink(path);
    return err;
}

static enum btz_err disguises(const struct btz_train_set *s, const double *threshold)
{
    struct disguised d = { 0 };

    for (size_t k = 0; k < s->sources; k++) {
        struct btz_guard *g;
        bool asked = false;
        enum btz_err err;

        for (size_t i = 0; i < s->count && !asked; i++)
            asked = s->texts[i].source == k && s->texts[i].channel == BTZ_CHANNEL_USER;
        if (!asked || s->source[k].kind == BTZ_TRAIN_MADE)
            continue;
        BTZ_TRY(guard_without(s, k, threshold[k], &g));
        err = judge_source(s, k, g, &d);
        btz_guard_free(g);
        BTZ_TRY(err);
    }
    for (size_t k = 0; k < DISGUISES; k++) {
        print_share("disguised", disguise_name(k), "classifier-recall", d.classifier[k]);
        print_share("disguised", disguise_name(k), "guard-recall", d.guard[k]);
    }
    print_share("disguised", "plain-ascii", "classifier-recall", d.ascii);
    print_share("disguised", "benign", "classifier-false-positives", d.benign_classifier);
    print_share("disguised", "benign", "guard-false-positives", d.benign_guard);
    return BTZ_OK;
}

/* ---- attacks in long documents ------------------------------------------------------------------------------------------ */

/* Each attack of `source` alone, and in the middle of a news article that is not suspicious by itself. */
static enum btz_err bury_source(const struct btz_train_set *s, size_t source, double threshold,
                                const struct btz_train_judge *j, struct tally *alone,
                                struct tally *buried)
{
    size_t article = 0;

    for (size_t i = 0; i < s->count; i++) {
        const struct btz_train_text *t = &s->texts[i], *a;
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);

        if (t->source != source || !t->injection)
            continue;
        do {
            article = (article + 1) % s->count;
            a = &s->texts[article];
        } while (strcmp(s->source[a->source].name, "cnn-dailymail") != 0 ||
                 btz_train_judge_margin(j, s->lexicon, a->text) >= threshold);
        BTZ_TRY(btz_buf_printf(
            &text, "%.*s\n%.*s\n%.*s", BTZ_SLICE_ARG(btz_slice_sub(a->text, 0, a->text.len / 2)),
            BTZ_SLICE_ARG(t->text),
            BTZ_SLICE_ARG(btz_slice_sub(a->text, a->text.len / 2, SIZE_MAX / 2))));
        count(alone, btz_train_judge_margin(j, s->lexicon, t->text) >= threshold);
        count(buried, btz_train_judge_margin(j, s->lexicon, btz_buf_slice(&text)) >= threshold);
    }
    return BTZ_OK;
}

static enum btz_err bury(const struct btz_train_set *s, const double *threshold)
{
    static struct btz_train_judge j;
    struct tally alone = { 0 }, buried = { 0 };

    for (size_t k = 0; k < s->sources; k++) {
        if (!starts(s->source[k].name, "indirect-"))
            continue;
        BTZ_TRY(btz_train_judge_fit(s, BTZ_CLASS_INDIRECT, btz_train_family(s, k),
                                    &btz_train_defaults, &j));
        BTZ_TRY(bury_source(s, k, threshold[k], &j, &alone, &buried));
    }
    print_share("indirect", "alone", "recall", alone);
    print_share("indirect", "in-an-article", "recall", buried);
    return BTZ_OK;
}

/* ---- time ------------------------------------------------------------------------------------------------------------- */

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Microseconds a KB of the built-in classifier, over all texts of at least 256 bytes; the best of five rounds each, as
 * others use the machine too. */
static enum btz_err cost_of(const struct btz_train_set *s)
{
    BTZ_FREE double *each = calloc(s->count + 1, sizeof *each);
    struct btz_guard_classifier *c;
    size_t n = 0;
    double sum = 0;

    if (!each)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_guard_classifier_open(NULL, &c));
    for (size_t i = 0; i < s->count; i++) {
        uint64_t best = UINT64_MAX;

        if (s->texts[i].text.len < 256)
            continue;
        for (int round = 0; round < 5; round++) {
            uint64_t start = btz_clock_ns(), took;

            sum += btz_guard_classifier_score(c, s->texts[i].channel, s->texts[i].text, NULL, NULL);
            took = btz_clock_ns() - start;
            best = took < best ? took : best;
        }
        each[n++] = (double)best / 1000 / ((double)s->texts[i].text.len / 1024);
    }
    btz_guard_classifier_free(c);
    if (n == 0 || !(sum > 0))
        return btz_fail(BTZ_INTERNAL, "nothing was scored");
    qsort(each, n, sizeof *each, rising);
    printf("{\"name\":\"guard.cost.median\",\"value\":%.2f,\"unit\":\"us/KB\",\"n\":%zu}\n",
           each[n / 2], n);
    printf("{\"name\":\"guard.cost.p99\",\"value\":%.2f,\"unit\":\"us/KB\",\"n\":%zu}\n",
           each[n * 99 / 100], n);
    return BTZ_OK;
}

/* One head: margins of left-out sources, and thresholds that were set without them, at both confidences. */
static const double confidences[] = { BTZ_TRAIN_CONFIDENCE, 0.95 };

static enum btz_err leave_out(const struct btz_train_set *s, enum btz_class_head h, unsigned folds,
                              double *margin, double *threshold)
{
    BTZ_TRY(btz_train_leave_one_out(s, h, &btz_train_defaults, margin));
    if (folds > 0)
        BTZ_TRY(btz_train_nested(s, h, &btz_train_defaults, folds, confidences,
                                 BTZ_COUNT(confidences), threshold));
    for (size_t c = 0; c < BTZ_COUNT(confidences); c++)
        for (size_t k = 0; k < s->sources; k++)
            if (folds == 0 || isnan(threshold[c * s->sources + k]))
                threshold[c * s->sources + k] =
                    btz_train_threshold(s, h, margin, btz_train_family(s, k), confidences[c]);
    return BTZ_OK;
}

static enum btz_err judge_head(const struct btz_train_set *s, enum btz_class_head h, unsigned folds,
                               double *margin, double *threshold, const struct others *others)
{
    BTZ_TRY(leave_out(s, h, folds, margin, threshold));
    report(s, h, "", margin, threshold, others);
    report(s, h, "strict-", margin, threshold + s->sources, others);
    return BTZ_OK;
}

static enum btz_err measure(const struct btz_train_set *s, unsigned folds, const char *head)
{
    BTZ_FREE double *margin = calloc(s->count + 1, sizeof *margin);
    BTZ_FREE double *threshold = calloc(s->sources * BTZ_COUNT(confidences) + 1, sizeof *threshold);
    BTZ_FREE struct others *others = calloc(s->count + 1, sizeof *others);

    if (!margin || !threshold || !others)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(all_others(s, others));
    if (strcmp(head, "direct") != 0) {
        BTZ_TRY(judge_head(s, BTZ_CLASS_INDIRECT, folds, margin, threshold, others));
        BTZ_TRY(bury(s, threshold));
        fflush(stdout);
    }
    if (strcmp(head, "indirect") != 0) {
        BTZ_TRY(judge_head(s, BTZ_CLASS_DIRECT, folds, margin, threshold, others));
        if (folds > 0)
            BTZ_TRY(disguises(s, threshold));
    }
    return cost_of(s);
}

static enum btz_err bench(const char *source, const char *data, unsigned folds, const char *head)
{
    static struct btz_train_set set;
    enum btz_err err = btz_train_init(&set);

    if (err == BTZ_OK)
        err = btz_train_add_own(&set, source);
    if (err == BTZ_OK)
        err = btz_train_add_shared(&set, data);
    if (err == BTZ_OK)
        err = frozen(source);
    if (err == BTZ_OK)
        err = measure(&set, folds, head);
    btz_train_release(&set);
    return err;
}

int main(int argc, char **argv)
{
    const char *data = argc > 2 ? argv[2] : getenv("BTZ_DATA");
    const char *root = argc > 1 ? argv[1] : getenv("BTZ_SOURCE");
    unsigned folds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : FOLDS;
    char path[4096];
    enum btz_err err;

    snprintf(path, sizeof path, "%s/../shared/data", root ? root : ".");
    err = bench(root ? root : ".", data ? data : path, folds, argc > 4 ? argv[4] : "");
    if (err != BTZ_OK)
        fprintf(stderr, "guard_quality: %s\n", btz_error_detail());
    return btz_err_exit_status(err);
}
