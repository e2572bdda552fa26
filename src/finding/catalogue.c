#include "base/json.h"
#include "finding/report.h"

const struct btz_rule *btz_rule_find(const char *id)
{
    for (size_t i = 0; btz_rules[i]; i++)
        if (strcmp(btz_rules[i]->id, id) == 0)
            return btz_rules[i];
    return NULL;
}

static bool is_part_of(const char *id, const char *word)
{
    size_t n = strlen(word);

    return n > 2 && strstr(id, word) != NULL;
}

const char *btz_rule_nearest(const char *id)
{
    const char *best = NULL;
    unsigned best_distance = 0;

    for (size_t i = 0; btz_rules[i]; i++) {
        unsigned distance = btz_edit_distance(id, btz_rules[i]->id);

        if (!best || distance < best_distance) {
            best = btz_rules[i]->id;
            best_distance = distance;
        }
    }
    /* A third of the word may be wrong. */
    if (best && best_distance <= 1 + strlen(id) / 3)
        return best;
    /* "system-prompt" or "leak" are far from every id by edits, and yet plain. */
    for (size_t i = 0; btz_rules[i]; i++)
        if (is_part_of(btz_rules[i]->id, id))
            return btz_rules[i]->id;
    return NULL;
}

enum btz_err btz_rules_list_text(int practice, unsigned width, struct btz_buf *out)
{
    size_t widest = 0;

    for (size_t i = 0; btz_rules[i]; i++)
        if (strlen(btz_rules[i]->id) > widest)
            widest = strlen(btz_rules[i]->id);
    for (size_t i = 0; btz_rules[i]; i++) {
        const struct btz_rule *rule = btz_rules[i];

        if (practice >= 0 && (int)rule->practice != practice)
            continue;
        BTZ_TRY(btz_buf_printf(out, "%-*s  %-8s  ", (int)widest, rule->id,
                               btz_severity_name(rule->severity)));
        BTZ_TRY(btz_report_wrap(btz_str(rule->title), width, widest + 12, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

enum btz_err btz_rules_list_json(int practice, struct btz_buf *out)
{
    BTZ_JSON json_t *list = json_array();
    int bad = !list;

    for (size_t i = 0; btz_rules[i]; i++) {
        const struct btz_rule *rule = btz_rules[i];
        json_t *item, *refs;

        if (practice >= 0 && (int)rule->practice != practice)
            continue;
        item = json_object();
        refs = json_array();
        bad |= json_array_append_new(list, item);
        bad |= json_object_set_new(item, "id", json_string(rule->id));
        bad |= json_object_set_new(item, "title", json_string(rule->title));
        bad |=
            json_object_set_new(item, "practice", json_string(btz_practice_name(rule->practice)));
        bad |=
            json_object_set_new(item, "severity", json_string(btz_severity_name(rule->severity)));
        bad |= json_object_set_new(item, "references", refs);
        for (size_t k = 0; rule->refs[k]; k++)
            bad |= json_array_append_new(refs, json_string(rule->refs[k]));
    }
    if (bad)
        return btz_fail(BTZ_LIMIT, "out of memory for the list of rules");
    BTZ_TRY(btz_report_json(list, true, out));
    return btz_buf_add_byte(out, '\n');
}
