/* What the tables of keys say to people: the commented file and the reference page. */
#include <strings.h>

#include "base/conf.h"

#define ENV_NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

/* ---- YAML text ---- */

/* Words that YAML or we would read as something else, or that a reader would. */
static bool is_plain_safe(const char *text)
{
    static const char *const words[] = { "null", "~", "true", "false", "yes", "no", "on", "off" };
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "_./+";

    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    /* Not ".": a line "..." ends the document. */
    if (text[0] == '\0' || text[0] == '.' || !strchr(safe, text[0]))
        return false;
    for (const char *p = text + 1; *p; p++) {
        if (*p == ':' && p[1] != ' ' && p[1] != '\0')
            continue;
        if (!strchr(safe, *p) && *p != '-' && *p != '@' && *p != '=')
            return false;
    }
    return true;
}

enum btz_err btz_yaml_write_text(const char *text, struct btz_buf *out)
{
    struct btz_slice in = btz_str(text);
    size_t at = 0;
    uint32_t c;

    if (is_plain_safe(text))
        return btz_buf_add_str(out, text);
    BTZ_TRY(btz_buf_add_byte(out, '"'));
    while (btz_utf8_next(in, &at, &c)) {
        if (c == '"' || c == '\\')
            BTZ_TRY(btz_buf_printf(out, "\\%c", (char)c));
        else if (c == '\n')
            BTZ_TRY(btz_buf_add_str(out, "\\n"));
        else if (c == '\t')
            BTZ_TRY(btz_buf_add_str(out, "\\t"));
        else if (c < 0x20 || (c >= 0x7F && c < 0xA0))
            BTZ_TRY(btz_buf_printf(out, "\\x%02x", c));
        else if (c == 0x2028 || c == 0x2029 || c == 0xFEFF || c >= 0xFFFE)
            BTZ_TRY(btz_buf_printf(out, "\\U%08x", c));
        else
            BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return btz_buf_add_byte(out, '"');
}

/* ---- the commented file ---- */

struct example {
    struct btz_buf *out;
    const char *dash; /* "- " for the first key of a list's element */
};

static enum btz_err indent(struct btz_buf *out, unsigned depth, const char *mark)
{
    for (unsigned i = 0; i < depth; i++)
        BTZ_TRY(btz_buf_add_str(out, "  "));
    return btz_buf_add_str(out, mark);
}

/* Sentences at most 96 columns wide. */
static enum btz_err comment(const char *text, unsigned depth, struct btz_buf *out)
{
    size_t column = 0, width = 94 - 2 * depth;

    for (const char *p = text; *p;) {
        size_t word = strcspn(p, " ");

        if (column > 0 && column + 1 + word > width) {
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
            column = 0;
        }
        if (column == 0)
            BTZ_TRY(indent(out, depth, "# "));
        else
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        BTZ_TRY(btz_buf_add(out, p, word));
        column += word + 1;
        p += word;
        p += strspn(p, " ");
    }
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err choices(const struct btz_conf_key *key, const char *mark, struct btz_buf *out)
{
    for (size_t i = 0; key->choices[i]; i++)
        BTZ_TRY(btz_buf_printf(out, "%s%s%s%s", i ? ", " : "", mark, key->choices[i], mark));
    return BTZ_OK;
}

static enum btz_err range(const struct btz_conf_key *key, struct btz_buf *out)
{
    const char *unit = key->kind == BTZ_CONF_DURATION ? "ms" : "";
    char min[BTZ_NUMBER_TEXT], max[BTZ_NUMBER_TEXT];

    if (key->min >= key->max)
        return BTZ_OK;
    return btz_buf_printf(out, " from %s%s to %s%s", btz_conf_number(key->min, min), unit,
                          btz_conf_number(key->max, max), unit);
}

static enum btz_err explain(const struct btz_conf_key *key, unsigned depth, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(8192);
    const char *said;

    BTZ_TRY(btz_buf_add_str(&text, key->help ? key->help : key->name));
    if (key->required)
        BTZ_TRY(btz_buf_add_str(&text, " Required."));
    if (key->kind == BTZ_CONF_ENUM) {
        BTZ_TRY(btz_buf_add_str(&text, " One of "));
        BTZ_TRY(choices(key, "", &text));
        BTZ_TRY(btz_buf_add_byte(&text, '.'));
    } else if (key->min < key->max) {
        BTZ_TRY(btz_buf_add_str(&text, " A value"));
        BTZ_TRY(range(key, &text));
        BTZ_TRY(btz_buf_add_byte(&text, '.'));
    }
    BTZ_TRY(btz_buf_cstr(&text, &said));
    return comment(said, depth, out);
}

/* What stands behind a key that is not set; where there is no default, something that loads. */
static enum btz_err sample(const struct btz_conf_key *key, struct btz_buf *out)
{
    if (key->fallback)
        return btz_buf_add_str(out, key->fallback);
    if (key->example)
        return btz_buf_add_str(out, key->example);
    switch (key->kind) {
    case BTZ_CONF_BOOL:
        return btz_buf_add_str(out, "false");
    case BTZ_CONF_INT:
    case BTZ_CONF_REAL:
        return btz_buf_printf(out, "%.15g", key->min > 0 ? key->min : 0);
    case BTZ_CONF_DURATION:
        return btz_buf_printf(out, "%.15gms", key->min > 0 ? key->min : 0);
    case BTZ_CONF_ENUM:
        return btz_buf_add_str(out, key->choices[0]);
    case BTZ_CONF_DATE:
        return btz_buf_add_str(out, key->required ? "2027-01-31" : "");
    case BTZ_CONF_STRINGS:
    case BTZ_CONF_SECRETS:
        return btz_buf_add_str(out, "[]");
    case BTZ_CONF_PAIRS:
        return btz_buf_add_str(out, "{}");
    default:
        return btz_buf_add_str(out, key->required ? key->name : "");
    }
}

static enum btz_err write_keys(struct example e, const struct btz_conf_struct *of,
                               const struct btz_yaml *given, unsigned depth);

/* The key itself, with its "#" or its dash. */
static enum btz_err write_name(struct example *e, const struct btz_conf_key *key, bool enabled,
                               unsigned depth)
{
    if (e->dash) {
        BTZ_TRY(indent(e->out, depth - 1, enabled ? "" : "#"));
        BTZ_TRY(btz_buf_add_str(e->out, e->dash));
        e->dash = NULL;
    } else {
        BTZ_TRY(indent(e->out, depth, enabled ? "" : "#"));
    }
    return btz_buf_printf(e->out, "%s:", key->name);
}

/* Null, a boolean, a number or a replacement: means something else in quotes, or reads better without. */
static bool is_typed(const struct btz_yaml *node)
{
    static const char *const words[] = { "", "~", "null", "true", "false" };
    const char *text = node->text, *end;

    if (!node->plain)
        return false;
    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    if (strspn(text, "0123456789+-.eE") == strlen(text))
        return strcspn(text, "0123456789") <= 2 && strpbrk(text, "0123456789") != NULL;
    end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
    return end && end[1] == '\0' && strspn(text + 2, ENV_NAME) == (size_t)(end - text) - 2;
}

static enum btz_err write_node(struct btz_buf *out, const struct btz_yaml *node)
{
    if (node->kind == BTZ_YAML_SCALAR)
        return is_typed(node) ? btz_buf_add_str(out, node->text)
                              : btz_yaml_write_text(node->text, out);
    BTZ_TRY(btz_buf_add_byte(out, node->kind == BTZ_YAML_LIST ? '[' : '{'));
    for (const struct btz_yaml *child = node->first; child; child = child->next) {
        if (child != node->first)
            BTZ_TRY(btz_buf_add_str(out, ", "));
        if (child->key) {
            BTZ_TRY(btz_yaml_write_text(child->key, out));
            BTZ_TRY(btz_buf_add_str(out, ": "));
        }
        /* Braces and commas of a plain scalar would be read as part of the flow. */
        BTZ_TRY(child->kind == BTZ_YAML_SCALAR ? btz_yaml_write_text(child->text, out)
                                               : write_node(out, child));
    }
    return btz_buf_add_byte(out, node->kind == BTZ_YAML_LIST ? ']' : '}');
}

static enum btz_err write_nested(struct example e, const struct btz_conf_key *key,
                                 const struct btz_yaml *given, unsigned depth)
{
    BTZ_TRY(btz_buf_add_byte(e.out, '\n'));
    if (key->kind == BTZ_CONF_STRUCT)
        return write_keys(e, key->of, given, depth + 1);
    e.dash = "- ";
    if (!given)
        return write_keys(e, key->of, NULL, depth + 2);
    for (const struct btz_yaml *child = given->first; child; child = child->next)
        BTZ_TRY(write_keys(e, key->of, child, depth + 2));
    return BTZ_OK;
}

static enum btz_err write_key(struct example *e, const struct btz_conf_key *key,
                              const struct btz_yaml *given, unsigned depth)
{
    bool nested = key->kind == BTZ_CONF_STRUCT || key->kind == BTZ_CONF_STRUCTS;

    BTZ_TRY(explain(key, e->dash ? depth - 1 : depth, e->out));
    BTZ_TRY(write_name(e, key, given != NULL, depth));
    if (nested && (!given || given->first || key->kind == BTZ_CONF_STRUCT))
        return write_nested(*e, key, given, depth);
    BTZ_TRY(btz_buf_add_byte(e->out, ' '));
    BTZ_TRY(given ? write_node(e->out, given) : sample(key, e->out));
    while (e->out->len > 0 && e->out->ptr[e->out->len - 1] == ' ')
        e->out->len--;
    return btz_buf_add_byte(e->out, '\n');
}

static enum btz_err write_keys(struct example e, const struct btz_conf_struct *of,
                               const struct btz_yaml *given, unsigned depth)
{
    /* The dash of an element that is set must stand before a key that is set: those come first. */
    int passes = given && e.dash ? 2 : 1;

    for (int pass = 0; pass < passes; pass++) {
        for (size_t i = 0; i < of->count; i++) {
            const struct btz_yaml *child = given ? btz_yaml_get(given, of->keys[i].name) : NULL;

            if (passes == 2 && (pass == 0) != (child != NULL))
                continue;
            if (depth == 0 && i > 0)
                BTZ_TRY(btz_buf_add_byte(e.out, '\n'));
            BTZ_TRY(write_key(&e, &of->keys[i], child, depth));
        }
    }
    return BTZ_OK;
}

enum btz_err btz_conf_example(const struct btz_conf_struct *of, const struct btz_yaml *given,
                              struct btz_buf *out)
{
    return write_keys((struct example){ .out = out }, of, given, 0);
}

/* ---- the reference ---- */

static enum btz_err type_words(const struct btz_conf_key *key, struct btz_buf *out)
{
    static const char *const words[] = {
        [BTZ_CONF_STRING] = "text",
        [BTZ_CONF_SECRET] = "secret",
        [BTZ_CONF_BOOL] = "true or false",
        [BTZ_CONF_INT] = "whole number",
        [BTZ_CONF_REAL] = "number",
        [BTZ_CONF_DURATION] = "duration",
        [BTZ_CONF_ENUM] = "one of ",
        [BTZ_CONF_DATE] = "date",
        [BTZ_CONF_STRINGS] = "list of text",
        [BTZ_CONF_PAIRS] = "map of names to text",
        [BTZ_CONF_STRUCT] = "section",
        [BTZ_CONF_STRUCTS] = "list of sections",
        [BTZ_CONF_SECRETS] = "list of secrets",
    };

    BTZ_TRY(btz_buf_add_str(out, words[key->kind]));
    if (key->kind == BTZ_CONF_ENUM)
        return choices(key, "`", out);
    return range(key, out);
}

/* A cell of a table: no bars, no line ends. */
static enum btz_err cell(const char *text, struct btz_buf *out)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            BTZ_TRY(btz_buf_add_byte(out, '\\'));
        BTZ_TRY(btz_buf_add_byte(out, *p == '\n' ? ' ' : (uint8_t)*p));
    }
    return BTZ_OK;
}

static enum btz_err row(const struct btz_conf_key *key, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "| `%s` | ", key->name));
    BTZ_TRY(type_words(key, out));
    BTZ_TRY(btz_buf_add_str(out, " | "));
    if (key->required) {
        BTZ_TRY(btz_buf_add_str(out, "required"));
    } else if (key->fallback && key->fallback[0]) {
        BTZ_TRY(btz_buf_add_byte(out, '`'));
        BTZ_TRY(cell(key->fallback, out));
        BTZ_TRY(btz_buf_add_byte(out, '`'));
    }
    BTZ_TRY(btz_buf_add_str(out, " | "));
    BTZ_TRY(cell(key->help ? key->help : "", out));
    return btz_buf_add_str(out, " |\n");
}

static enum btz_err reference(const struct btz_conf_struct *of, const char *path,
                              struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "| key | value | default | meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < of->count; i++)
        BTZ_TRY(row(&of->keys[i], out));
    for (size_t i = 0; i < of->count; i++) {
        const struct btz_conf_key *key = &of->keys[i];
        char below[256];

        if (key->kind != BTZ_CONF_STRUCT && key->kind != BTZ_CONF_STRUCTS)
            continue;
        snprintf(below, sizeof below, "%.120s%s%.100s%s", path, path[0] ? "." : "", key->name,
                 key->kind == BTZ_CONF_STRUCTS ? "[]" : "");
        BTZ_TRY(btz_buf_printf(out, "\n### `%s`\n\n%s\n\n", below, key->help ? key->help : ""));
        BTZ_TRY(reference(key->of, below, out));
    }
    return BTZ_OK;
}

enum btz_err btz_conf_reference(const struct btz_conf_struct *of, struct btz_buf *out)
{
    return reference(of, "", out);
}
