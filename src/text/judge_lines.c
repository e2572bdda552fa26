#include "base/json.h"
#include "text/text.h"

enum { LINE_BYTES = 16 << 20 };

enum btz_err btz_judge_line(struct btz_slice line, const struct btz_refusal_bank *bank,
                            struct btz_buf *out)
{
    BTZ_JSON json_t *item = NULL;
    struct btz_slice prompt, response;
    struct btz_verdict verdict;
    const json_t *id;

    BTZ_TRY(btz_json_parse(line, LINE_BYTES, "pair", &item));
    if (!json_is_object(item))
        return btz_fail(BTZ_INPUT, "expected an object with \"prompt\" and \"response\"");
    if (!btz_json_get_text(item, "prompt", &prompt) && json_object_get(item, "prompt"))
        return btz_fail(BTZ_INPUT, "\"prompt\" is not a string");
    /* null is what APIs send for an answer without text */
    if (!btz_json_get_text(item, "response", &response) &&
        !json_is_null(json_object_get(item, "response")))
        return btz_fail(BTZ_INPUT, "\"response\" is missing or not a string");
    btz_judge(prompt, response, bank, &verdict);
    /* By hand: numbers with four digits, which is more than the judge knows. */
    BTZ_TRY(btz_buf_printf(out, "{\"outcome\":\"%s\",\"probability\":%.4f",
                           btz_judged_name(verdict.outcome), verdict.refusal));
    id = json_object_get(item, "id");
    if (id) {
        BTZ_TRY(btz_buf_add_str(out, ",\"id\":"));
        BTZ_TRY(btz_json_write(id, false, out));
    }
    return btz_buf_add_str(out, "}\n");
}
