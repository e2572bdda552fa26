#include <strings.h>

#include "base/conf.h"

#define PATH_MAX_ 512

struct show {
    const char *file;
    bool origin;
    struct btz_buf *out;
};

bool btz_conf_is_secret(enum btz_conf_kind kind, const char *name)
{
    static const char *const words[] = { "secret", "password", "passwd" };
    static const char *const in_headers[] = { "auth", "key", "token", "cookie" };

    if (kind == BTZ_CONF_SECRET || kind == BTZ_CONF_SECRETS)
        return true;
    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (strcasestr(name, words[i]))
            return kind == BTZ_CONF_STRING || kind == BTZ_CONF_STRINGS || kind == BTZ_CONF_PAIRS;
    for (size_t i = 0; i < BTZ_COUNT(in_headers) && kind == BTZ_CONF_PAIRS; i++)
        if (strcasestr(name, in_headers[i]))
            return true;
    return false;
}

/* Nothing but replacements and blanks: `${NAME}`; what stands beside one may be part of the secret. */
static bool is_only_env(const char *text)
{
    while (*text) {
        const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;

        if (!end)
            return false;
        text = end + 1;
    }
    return true;
}

/* A header may say which scheme comes first: "Bearer ${TOKEN}". */
static bool is_scheme_and_env(const char *text)
{
    const char *space = strchr(text, ' ');

    return space && space - text <= 10 && is_only_env(space + 1) && space[1] &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
               (size_t)(space - text);
}

/* "https://user:password@host": what stands before the @ of a URL. */
static bool find_user_part(const char *text, size_t *from, size_t *to)
{
    const char *start = strstr(text, "://"), *end, *at = NULL;

    if (!start)
        return false;
    start += 3;
    end = start + strcspn(start, "/?# \t\n");
    for (const char *p = start; p < end; p++)
        if (*p == '@')
            at = p;
    if (!at)
        return false;
    *from = (size_t)(start - text);
    *to = (size_t)(at - text);
    return true;
}

static bool needs_quotes(const char *text)
{
    return text[0] == '\0' || strpbrk(text, " \t\r\n#\"'\\") != NULL;
}

static enum btz_err add_shown(const char *text, size_t len, struct btz_buf *out)
{
    return btz_utf8_printable(btz_slice_of(text, len), false, out);
}

static enum btz_err add_text(const char *text, struct btz_buf *out)
{
    const char *quote = needs_quotes(text) ? "\"" : "";
    size_t from, to;

    BTZ_TRY(btz_buf_add_str(out, quote));
    if (find_user_part(text, &from, &to)) {
        BTZ_TRY(add_shown(text, from, out));
        BTZ_TRY(btz_buf_add_str(out, "(hidden)"));
        text += to;
    }
    BTZ_TRY(add_shown(text, strlen(text), out));
    return btz_buf_add_str(out, quote);
}

static enum btz_err add_value(const struct btz_conf_key *key, const char *name, const char *text,
                              struct btz_buf *out)
{
    if (btz_conf_is_secret(key->kind, name) && text[0] && !is_only_env(text) &&
        !(key->kind == BTZ_CONF_PAIRS && is_scheme_and_env(text)))
        return btz_buf_add_str(out, "(hidden)");
    return add_text(text, out);
}

/* The first `${NAME}` of a text. */
static struct btz_slice env_name(const char *text)
{
    const char *p = text, *end;

    while ((p = strstr(p, "${")) != NULL && p > text && p[-1] == '$')
        p += 2;
    end = p ? strchr(p, '}') : NULL;
    return end ? btz_slice_of(p, (size_t)(end - p) + 1) : btz_str("");
}

static enum btz_err end_line(const struct show *s, const struct btz_yaml *node)
{
    bool from_env = node && node->kind == BTZ_YAML_SCALAR && btz_conf_is_from_env(node->text);

    if (s->origin && from_env) {
        BTZ_TRY(btz_buf_add_str(s->out, "  # "));
        BTZ_TRY(btz_utf8_printable(env_name(node->text), false, s->out));
        BTZ_TRY(btz_buf_printf(s->out, " (%s:%u)", s->file, node->line));
    } else if (s->origin && node) {
        BTZ_TRY(btz_buf_printf(s->out, "  # %s:%u", s->file, node->line));
    } else if (s->origin) {
        BTZ_TRY(btz_buf_add_str(s->out, "  # default"));
    }
    return btz_buf_add_byte(s->out, '\n');
}

static enum btz_err line(const struct show *s, const struct btz_conf_key *key, const char *path,
                         const char *name, const struct btz_yaml *node)
{
    BTZ_TRY(add_shown(path, strlen(path), s->out));
    BTZ_TRY(btz_buf_add_str(s->out, " = "));
    BTZ_TRY(add_value(key, name, node->text, s->out));
    return end_line(s, node);
}

static const char *zero_of(const struct btz_conf_key *key)
{
    switch (key->kind) {
    case BTZ_CONF_BOOL:
        return "false";
    case BTZ_CONF_INT:
    case BTZ_CONF_REAL:
    case BTZ_CONF_DURATION:
        return "0";
    case BTZ_CONF_ENUM:
        return key->choices[0];
    case BTZ_CONF_STRINGS:
    case BTZ_CONF_SECRETS:
    case BTZ_CONF_STRUCTS:
        return "[]";
    case BTZ_CONF_PAIRS:
        return "{}";
    default:
        return "(unset)";
    }
}

static enum btz_err show_struct(const struct show *s, const struct btz_yaml *map,
                                const struct btz_conf_struct *of, const char *prefix);

static enum btz_err show_children(const struct show *s, const struct btz_conf_key *key,
                                  const struct btz_yaml *node, const char *path)
{
    size_t index = 0;

    for (const struct btz_yaml *child = node->first; child; child = child->next, index++) {
        char below[PATH_MAX_];

        if (node->kind == BTZ_YAML_MAP)
            snprintf(below, sizeof below, "%.300s.%.100s", path, child->key);
        else
            snprintf(below, sizeof below, "%.400s[%zu]", path, index);
        if (key->kind == BTZ_CONF_STRUCTS) {
            BTZ_TRY(show_struct(s, child, key->of, below));
        } else if (child->kind == BTZ_YAML_SCALAR) {
            BTZ_TRY(line(s, key, below, child->key ? child->key : key->name, child));
        }
    }
    return BTZ_OK;
}

static enum btz_err show_key(const struct show *s, const struct btz_conf_key *key,
                             const struct btz_yaml *node, const char *path)
{
    if (node && btz_conf_is_null(node))
        node = NULL;
    if (key->kind == BTZ_CONF_STRUCT)
        return show_struct(s, node, key->of, path);
    if (node && node->kind != BTZ_YAML_SCALAR && node->first)
        return show_children(s, key, node, path);
    if (node && node->kind == BTZ_YAML_SCALAR)
        return line(s, key, path, key->name, node);
    BTZ_TRY(btz_buf_printf(s->out, "%s = ", path));
    if (!node && key->fallback && key->fallback[0])
        BTZ_TRY(add_shown(key->fallback, strlen(key->fallback), s->out));
    else
        BTZ_TRY(btz_buf_add_str(s->out, zero_of(key)));
    return end_line(s, node);
}

static enum btz_err show_struct(const struct show *s, const struct btz_yaml *map,
                                const struct btz_conf_struct *of, const char *prefix)
{
    for (size_t i = 0; i < of->count; i++) {
        char path[PATH_MAX_];

        snprintf(path, sizeof path, "%.400s%s%.100s", prefix, prefix[0] ? "." : "",
                 of->keys[i].name);
        BTZ_TRY(show_key(s, &of->keys[i], map ? btz_yaml_get(map, of->keys[i].name) : NULL, path));
    }
    return BTZ_OK;
}

enum btz_err btz_conf_show(const struct btz_yaml *map, const struct btz_conf_struct *of,
                           const char *file, bool origin, struct btz_buf *out)
{
    const struct show s = { .file = file, .origin = origin, .out = out };

    return show_struct(&s, map, of, "");
}

static void warn_key(const struct btz_conf_key *key, const struct btz_conf_struct *of,
                     const struct btz_yaml *node, const char *file, struct btz_log *log)
{
    if (key->kind == BTZ_CONF_STRUCT) {
        btz_conf_warn(node, key->of, file, log);
    } else if (key->kind == BTZ_CONF_STRUCTS) {
        for (const struct btz_yaml *child = node->first; child; child = child->next)
            btz_conf_warn(child, key->of, file, log);
    } else if (key->kind == BTZ_CONF_SECRET && node->kind == BTZ_YAML_SCALAR && node->text[0] &&
               !btz_conf_is_null(node) && !btz_conf_is_from_env(node->text)) {
        btz_log(log, BTZ_LOG_WARN,
                "%s:%u: `%s`%s%s holds a secret in clear; write ${NAME} instead and set NAME in "
                "the environment",
                file, node->line, key->name, of->name && of->name[0] ? " in " : "",
                of->name ? of->name : "");
    }
}

void btz_conf_warn(const struct btz_yaml *map, const struct btz_conf_struct *of, const char *file,
                   struct btz_log *log)
{
    for (size_t i = 0; i < of->count; i++) {
        const struct btz_yaml *node = btz_yaml_get(map, of->keys[i].name);

        if (node)
            warn_key(&of->keys[i], of, node, file, log);
    }
}
