/* Prompt and response apart by a NUL; then the same text as a line of JSON, as a control reply and as CSV. */
#include <stdlib.h>

#include "text/judge_train.h"
#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct btz_verdict *v)
{
    if (!(v->refusal >= 0 && v->refusal <= 1) || (unsigned)v->outcome >= BTZ_JUDGED_COUNT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t cut = nul ? (size_t)(nul - data) : 0, n;
    struct btz_slice prompt = btz_slice_of(data, cut);
    struct btz_slice response = btz_slice_sub(btz_slice_of(data, size), nul ? cut + 1 : 0, size);
    struct btz_reader csv = { .in = response, .what = "fuzz" };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_slice fields[8];
    struct btz_refusal_bank *bank;
    struct btz_verdict v;
    bool more = true;

    btz_judge(prompt, response, NULL, &v);
    check(&v);
    if (btz_refusal_bank_new(&bank) != BTZ_OK)
        return 0;
    if (btz_refusal_bank_add(bank, prompt, true) == BTZ_OK &&
        btz_refusal_bank_add(bank, prompt, true) == BTZ_OK &&
        btz_refusal_bank_add(bank, response, false) == BTZ_OK) {
        btz_judge(prompt, response, bank, &v);
        check(&v);
    }
    btz_refusal_bank_free(bank);
    if (btz_judge_line(response, NULL, &out) == BTZ_OK && out.len == 0)
        abort();
    btz_arena_init(&arena, 1 << 22);
    while (more && btz_csv_record(&csv, &arena, fields, 8, &n, &more) == BTZ_OK)
        continue;
    return 0;
}
