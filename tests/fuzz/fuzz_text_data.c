/* Files of labelled texts, lists of synonyms, and texts that attacks on them run through to the verified end. */
#include "robust/text.h"

static void attack(const struct btz_text_data *d, const struct btz_synonyms *s)
{
    static const struct btz_text_weight weights[] = { { "good", 1 }, { "bad", -1 } };
    static const struct btz_text_limits limits = { .words = 0.3, .edits = 1, .least = 2 };
    BTZ_BUF_RELEASE struct btz_buf adv = BTZ_BUF((size_t)1 << 20);
    const struct btz_text_attack *a = btz_text_attack_find("textbugger");
    struct btz_text_oracle *o;
    struct btz_text_job job = { .attack = a,
                                .limits = &limits,
                                .synonyms = s,
                                .text = d->text[0],
                                .label = 1,
                                .query_max = 60,
                                .adv = &adv };
    size_t words;
    char why[160];
    bool kept = true;

    if (btz_text_known_oracle(weights, BTZ_COUNT(weights), 0.5F, &o) != BTZ_OK)
        return;
    job.oracle = o;
    if (a->run(&job) == BTZ_OK && job.broken &&
        btz_text_verify(&limits, s, job.text, btz_buf_slice(&adv), &kept, &words, why) == BTZ_OK &&
        !kept)
        __builtin_trap();
    btz_text_oracle_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data + (size ? 1 : 0), size ? size - 1 : 0);
    struct btz_text_data d;
    struct btz_synonyms *s = NULL;

    if (btz_synonyms_parse(in, "fuzz", &s) == BTZ_OK)
        btz_synonyms_free(s);
    if (btz_text_data_parse(in, size && data[0] % 2, "fuzz", NULL, &d) != BTZ_OK)
        return 0;
    for (size_t i = 0; i < d.count; i++)
        if (d.label[i] >= d.classes)
            __builtin_trap();
    if (btz_synonyms_read(NULL, &s) == BTZ_OK)
        attack(&d, s);
    btz_synonyms_free(s);
    btz_text_data_release(&d);
    return 0;
}
