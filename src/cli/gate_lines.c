#include "cli/gate_lines.h"

#include "base/json.h"
#include "gate/guard/train.h"

enum { LINE_BYTES = 64 << 20, NAMED_MAX = 20 /* more bad lines are only counted */ };

static bool is_verdict(struct btz_slice word)
{
    static const char *const verdicts[] = { "pass",  "observe", "mask",  "pseudonymise",
                                            "route", "step-up", "block", "not-evaluated" };

    for (size_t i = 0; i < BTZ_COUNT(verdicts); i++)
        if (btz_slice_is(word, verdicts[i]))
            return true;
    return false;
}

static enum btz_err parse(struct btz_slice text, struct btz_gate_line *line, json_t **holder,
                          char number[32])
{
    const json_t *id;
    struct btz_slice channel;

    BTZ_TRY(btz_json_parse(text, LINE_BYTES, "the line", holder));
    if (!json_is_object(*holder) || !btz_json_get_text(*holder, "text", &line->text))
        return btz_fail(BTZ_INPUT, "expected an object with `text`, such as {\"text\": \"Hello\"}");
    if (json_object_get(*holder, "channel") && (!btz_json_get_text(*holder, "channel", &channel) ||
                                                !btz_channel_find(channel, &line->channel)))
        return btz_fail(BTZ_INPUT,
                        "unknown channel: expected user, system, assistant, tool-result, document, "
                        "image-text, tool-description, output, reasoning, tool-arguments or raw");
    if (json_object_get(*holder, "expected") &&
        (!btz_json_get_text(*holder, "expected", &line->expected) || !is_verdict(line->expected)))
        return btz_fail(BTZ_INPUT, "`expected` is no verdict: expected pass, observe, mask, "
                                   "pseudonymise, route, step-up, block or not-evaluated");
    line->schema = json_object_get(*holder, "schema");
    id = json_object_get(*holder, "id");
    if (json_is_integer(id)) {
        snprintf(number, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
        line->id = btz_str(number);
    } else {
        btz_json_get_text(*holder, "id", &line->id);
    }
    return BTZ_OK;
}

enum btz_err btz_gate_lines(struct btz_cli *cli, const char *path,
                            enum btz_err (*take)(void *user, const struct btz_gate_line *line),
                            void *user)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 30);
    struct btz_reader lines = { .what = path };
    struct btz_slice each;
    size_t number = 0, bad = 0, taken = 0;

    BTZ_TRY(btz_file_read(path, text.max, &text));
    lines.in = btz_train_lines(btz_buf_slice(&text));
    while (btz_read_line(&lines, &each)) {
        struct btz_gate_line line = { .number = ++number, .channel = BTZ_CHANNEL_USER };
        BTZ_JSON json_t *holder = NULL;
        char id[32];
        enum btz_err err;

        if (cli->stop && *cli->stop)
            return btz_fail(BTZ_IO, "%s: stopped after line %zu", path, number - 1);
        if (btz_slice_trim(each).len == 0)
            continue;
        err = parse(each, &line, &holder, id);
        if (err == BTZ_INPUT || err == BTZ_LIMIT) {
            if (bad++ < NAMED_MAX)
                fprintf(cli->err, "bartizan: %s:%zu: %s\n", path, number, btz_error_detail());
            continue;
        }
        BTZ_TRY(err);
        BTZ_TRY(take(user, &line));
        taken++;
    }
    if (bad > 0)
        return btz_fail(BTZ_INPUT, "%s: %zu of %zu lines could not be read", path, bad, number);
    if (taken == 0)
        return btz_fail(BTZ_INPUT, "%s: no texts: expected one JSON object a line", path);
    return BTZ_OK;
}
