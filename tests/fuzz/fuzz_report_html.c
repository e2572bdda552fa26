/*
 * The HTML report over arbitrary text and evidence: whatever a target said, the page is what our strict reader accepts.
 * Input: one byte of choices, then texts that end with a NUL (asset, location, reason, title, status), then evidence.
 */
#include <math.h>

#include "../unit/html_check.h"
#include "finding/finding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASSET, LOCATION, REASON, TITLE, STATUS, TEXTS };

static const char *take(struct btz_reader *r, struct btz_arena *arena)
{
    const uint8_t *from = r->in.ptr + r->at;
    size_t left = r->in.len - r->at, len = strnlen((const char *)from, left);

    r->at += len < left ? len + 1 : left;
    return btz_arena_str(arena, btz_slice_of(from, len));
}

static struct btz_finding finding_of(uint8_t choice, const char *const *texts,
                                     const struct btz_evidence *evidence)
{
    static const char *const rules[] = { "redteam.leak.secret", "redteam.output.xss",
                                         "redteam.exfil.link", "redteam.leak.canary" };
    struct btz_finding f = {
        .rule = btz_rule_find(rules[choice & 3]),
        .asset = { texts[ASSET], texts[ASSET], texts[ASSET] },
        .location = texts[LOCATION],
        .outcome = (enum btz_outcome)((choice >> 2 & 3) % BTZ_OUTCOME_COUNT),
        .severity = (enum btz_severity)(choice >> 4 & 3),
        .reason = texts[REASON],
        .k = choice & 7,
        .n = 8,
        .value = (choice & 7) / 8.0,
        .ci_low = NAN,
        .ci_high = NAN,
        .evidence = evidence,
        .evidence_count = 1,
    };

    if (choice & 0x40) {
        f.ci_low = f.value / 2;
        f.ci_high = f.value;
    }
    if (choice & 0x80)
        f.k = f.n = 0;
    return f;
}

static void write_page(const struct btz_finding *f, const char *const *texts)
{
    const struct btz_suppression list[] = { { "redteam.exfil.*", NULL, NULL, texts[STATUS],
                                              2000 } };
    const struct btz_past_run past = { 1000, { .score = 50, .low = 10, .high = 90 } };
    struct btz_buf out = BTZ_BUF((size_t)16 << 20);
    struct btz_results *results = NULL;
    struct btz_run run = { .id = texts[REASON],
                           .title = texts[TITLE],
                           .version = texts[TITLE],
                           .past = &past,
                           .past_count = f->k & 1,
                           .complete = f->k & 2,
                           .ledger_origin = texts[STATUS],
                           .ledger_root = texts[STATUS] };
    static struct html_check check;
    size_t expired;

    if (btz_results_new(&results) == BTZ_OK &&
        btz_results_sink(results)->finding(btz_results_sink(results), f) == BTZ_OK &&
        (texts[STATUS][0] == '\0' ||
         btz_results_suppress(results, list, 1, 1000, &expired) == BTZ_OK)) {
        run.results = results;
        if (btz_report_format_find("html")->write(&run, &out) != BTZ_OK)
            abort();
        if (!html_check(btz_buf_slice(&out), &check)) {
            fprintf(stderr, "%s\n", check.why);
            abort();
        }
    }
    btz_results_free(results);
    btz_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_reader r = { .in = btz_slice_of(data, size), .at = 1, .what = "fuzz" };
    const char *texts[TEXTS];
    struct btz_evidence evidence;
    struct btz_finding f;
    struct btz_arena arena;

    if (size < 1)
        return 0;
    btz_arena_init(&arena, (size_t)16 << 20);
    for (int i = 0; i < TEXTS; i++)
        texts[i] = take(&r, &arena);
    btz_evidence_set(&evidence, texts[REASON], texts[TITLE], btz_slice_sub(r.in, r.at, SIZE_MAX));
    f = finding_of(data[0], texts, &evidence);
    write_page(&f, texts);
    btz_arena_release(&arena);
    return 0;
}
