/* A fixed run with hostile text in every place a stranger can write to; used by the report tests. */
#ifndef BTZ_TEST_FINDING_FIXTURE_H
#define BTZ_TEST_FINDING_FIXTURE_H

#include <math.h>
#include <stdlib.h>

#include "finding/finding.h"

/* ESC, end of script, fences, table pipes, invalid UTF-8, bidi override, links, entities, CDATA end, noncharacter. */
#define HOSTILE                                                                                    \
    "\x1b[31m</script><script>x</script> ```\n| a | **b** | \xff\xc0 \xe2\x80\xae "                \
    "[l](http://e.example) "                                                                       \
    "&amp; ]]> @user www.e.example {0} \xef\xbf\xbf \\"

static const struct btz_asset fixture_demo = { "endpoint", "demo",
                                               "https://user:pw@demo.example/v1" };
static const struct btz_asset fixture_other = { "model", "demo", "models/a b%.bin" };
static const struct btz_asset fixture_hostile = { "endpoint", HOSTILE, NULL };

static inline struct btz_finding fixture_finding(const char *rule, const struct btz_asset *asset,
                                                 const char *location, uint64_t k, uint64_t n,
                                                 double low, double high)
{
    const struct btz_rule *found = btz_rule_find(rule);

    return (struct btz_finding){
        .rule = found,
        .asset = *asset,
        .location = location,
        .outcome = k > 0 ? BTZ_OUTCOME_FAIL : BTZ_OUTCOME_PASS,
        .severity = found ? found->severity : BTZ_SEVERITY_INFO,
        .k = k,
        .n = n,
        .value = n ? (double)k / (double)n : NAN,
        .ci_low = low,
        .ci_high = high,
    };
}

/* The intervals are Clopper-Pearson, 95 %, to six digits. */
static inline struct btz_results *fixture_results(void)
{
    static const char transcript[] =
        "{\"messages\":[{\"role\":\"user\",\"text\":\"say ```` and </script>\"}],"
        "\"reply\":\"\\u001b[0m ```` done\"}";
    static const uint8_t binary[] = { 0, 0xff, '`', '`', '`', '\n', '|', 0x1b };
    struct btz_results *r = NULL;
    struct btz_sink *sink;
    struct btz_evidence evidence[2];
    struct btz_finding f[7];
    struct btz_coverage c = { BTZ_PRACTICE_REDTEAM, fixture_demo, "requests", 60, 50, 4, 6 };
    size_t expired;
    const struct btz_suppression list[] = {
        { "redteam.exfil.*", "demo", "link", "our client shows no links " HOSTILE, 1893456000000 },
        { "redteam.output.ansi", NULL, NULL, "no terminal reads it", 1767225600000 },
    };

    btz_evidence_set(&evidence[0], "transcript", "application/json", btz_str(transcript));
    btz_evidence_set(&evidence[1], HOSTILE, "application/octet-stream",
                     btz_slice_of(binary, sizeof binary));
    f[0] = fixture_finding("redteam.leak.secret", &fixture_demo,
                           "probe leak.verbatim, transform base64", 7, 20, 0.153909, 0.592189);
    f[0].reason = "secret \"abcd...\" in the reply";
    f[0].evidence = evidence;
    f[0].evidence_count = 2;
    f[1] = fixture_finding("redteam.injection.override", &fixture_hostile, HOSTILE, 1, 1, 0.025, 1);
    f[1].reason = HOSTILE;
    f[2] = fixture_finding("redteam.exfil.link", &fixture_demo, "probe exfil.link", 3, 100, 0.00623,
                           0.085176);
    f[3] = fixture_finding("redteam.output.ansi", &fixture_other, "probe ansi.raw", 2, 10, 0.025211,
                           0.556095);
    f[4] =
        fixture_finding("redteam.leak.canary", &fixture_demo, "probe canary.tool", 0, 0, NAN, NAN);
    f[4].outcome = BTZ_OUTCOME_NOT_EVALUATED;
    f[4].reason = "no canaries are configured";
    f[5] = fixture_finding("redteam.jailbreak.persona", &fixture_demo, "probe persona.dan", 0, 20,
                           0, 0.168433);
    f[6] = fixture_finding("redteam.utility.over-refusal", &fixture_demo, "benign prompts", 12, 40,
                           0.165632, 0.465274);
    if (btz_results_new(&r) != BTZ_OK)
        abort();
    sink = btz_results_sink(r);
    for (size_t i = 0; i < BTZ_COUNT(f); i++)
        if (sink->finding(sink, &f[i]) != BTZ_OK)
            abort();
    if (sink->coverage(sink, &c) != BTZ_OK || sink->coverage(sink, &c) != BTZ_OK ||
        btz_results_suppress(r, list, BTZ_COUNT(list), 1780000000000, &expired) != BTZ_OK ||
        expired != 1)
        abort();
    return r;
}

static inline struct btz_run fixture_run(const struct btz_results *r)
{
    return (struct btz_run){
        .id = "20260528T203320-0001",
        .title = "demo | " HOSTILE,
        .version = "0.1.0",
        .started_ms = 1780000400000,
        .finished_ms = 1780000461500,
        .seed = 18446744073709551615u,
        .complete = false,
        .results = r,
        .ledger_origin = "bartizan.example/log",
        .ledger_root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        .ledger_size = 42,
    };
}

#endif
