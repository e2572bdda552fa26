#include <errno.h>
#include <unistd.h>

#include "watch/settings.h"

#define FILE_MAX_      (16u << 20)
#define FORMAT_VERSION 1
#define HEAD_KEYS      2 /* version, title */

/* ---- the common keys ---- */

struct report {
    int format;
    const char *path;
};

struct common {
    int64_t version, seed, threads;
    const char *title, *state;
    int fail_on;
    double risk_threshold;
    struct btz_conf_list suppressions, reports, datasets, audits;
};

/* In the order of enum btz_severity, and one behind it. */
static const char *const fail_on_names[] = { "info",     "low",   "medium", "high",
                                             "critical", "never", NULL };
static const char *const format_names[] = { "text",  "json", "jsonl", "sarif",
                                            "junit", "html", "md",    NULL };

static const struct btz_conf_key report_keys[] = {
    { .name = "format",
      .kind = BTZ_CONF_ENUM,
      .offset = offsetof(struct report, format),
      .help = "What to write.",
      .choices = format_names,
      .required = true },
    { .name = "path",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct report, path),
      .help = "File to write; without it the report is printed." },
};
static const struct btz_conf_struct report_conf = { "report", sizeof(struct report), report_keys,
                                                    BTZ_COUNT(report_keys) };

static const struct btz_conf_key asset_keys[] = {
    { .name = "name",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_asset_conf, name),
      .help = "How reports call it.",
      .required = true },
    { .name = "path",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_asset_conf, path),
      .help = "File or folder." },
    { .name = "url",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_asset_conf, url),
      .help = "Address, where it is not a file." },
};
static const struct btz_conf_struct dataset_conf = { "dataset", sizeof(struct btz_asset_conf),
                                                     asset_keys, BTZ_COUNT(asset_keys) };
static const struct btz_conf_struct audit_conf = { "audit", sizeof(struct btz_asset_conf),
                                                   asset_keys, BTZ_COUNT(asset_keys) };

static const struct btz_conf_key common_keys[] = {
    { .name = "version",
      .kind = BTZ_CONF_INT,
      .offset = offsetof(struct common, version),
      .fallback = "1",
      .help = "Version of this file's format; 1 is the only one." },
    { .name = "title",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct common, title),
      .fallback = "AI system",
      .help = "Name of the protected system, the title of reports." },
    { .name = "state",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct common, state),
      .fallback = ".bartizan",
      .help = "Folder for ledger, evidence, keys and checkpoints; a relative one stands beside "
              "this file." },
    { .name = "seed",
      .kind = BTZ_CONF_INT,
      .offset = offsetof(struct common, seed),
      .fallback = "1",
      .min = 0,
      .max = 9007199254740992.0,
      .help = "Seed of everything random: the same seed gives the same run." },
    { .name = "threads",
      .kind = BTZ_CONF_INT,
      .offset = offsetof(struct common, threads),
      .fallback = "0",
      .min = 0,
      .max = 1024,
      .help = "Worker threads; 0 is one for each processor. Results do not depend on it." },
    { .name = "fail_on",
      .kind = BTZ_CONF_ENUM,
      .offset = offsetof(struct common, fail_on),
      .fallback = "high",
      .choices = fail_on_names,
      .help = "Severity from which an open finding makes `bartizan scan` exit with 1." },
    { .name = "risk_threshold",
      .kind = BTZ_CONF_REAL,
      .offset = offsetof(struct common, risk_threshold),
      .fallback = "-1",
      .min = -1,
      .max = 100,
      .help = "Risk score above which `bartizan scan` exits with 1; -1 is never." },
    { .name = "suppressions",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct common, suppressions),
      .of = &btz_suppression_conf,
      .help = "Findings that are accepted, with a reason and a last day." },
    { .name = "reports",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct common, reports),
      .of = &report_conf,
      .help = "Reports that every scan writes." },
    { .name = "datasets",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct common, datasets),
      .of = &dataset_conf,
      .help = "Data sets." },
    { .name = "audits",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct common, audits),
      .of = &audit_conf,
      .help = "Hosts, configurations and logs." },
};

/* Lists of assets: who would look at them, and what findings call them. */
static const struct {
    const char *key, *kind;
    enum btz_practice practice;
} asset_kinds[] = {
    { "models", "model", BTZ_PRACTICE_REDTEAM },
    { "datasets", "dataset", BTZ_PRACTICE_DATA },
    { "audits", "configuration", BTZ_PRACTICE_AUDIT },
    { "targets", "endpoint", BTZ_PRACTICE_REDTEAM },
};

struct btz_settings_section {
    const struct btz_practice_ops *ops;
    const void *conf; /* NULL: not in the file */
};

/* ---- one table for the whole file ---- */

static size_t aligned(size_t size)
{
    size_t unit = _Alignof(max_align_t);

    return (size + unit - 1) / unit * unit;
}

static enum btz_err add_keys(struct btz_conf_key *keys, size_t *count,
                             const struct btz_conf_key *more, size_t more_count, size_t base)
{
    for (size_t i = 0; i < more_count; i++) {
        for (size_t k = 0; k < *count; k++)
            if (strcmp(keys[k].name, more[i].name) == 0)
                return btz_fail(BTZ_INTERNAL, "the key `%s` is in two tables", more[i].name);
        keys[*count] = more[i];
        keys[*count].offset += base;
        (*count)++;
    }
    return BTZ_OK;
}

enum btz_err btz_settings_table(const struct btz_practice_ops *const *practices,
                                struct btz_arena *arena, const struct btz_conf_struct **out)
{
    size_t room = BTZ_COUNT(common_keys), count = 0, size = aligned(sizeof(struct common));
    struct btz_conf_struct *table = btz_arena_alloc(arena, sizeof *table);
    struct btz_conf_key *keys;

    for (size_t i = 0; practices[i]; i++)
        room += practices[i]->key_count;
    for (size_t i = 0; btz_sections[i]; i++)
        room++;
    keys = btz_arena_array(arena, room, sizeof *keys);
    if (!table || !keys)
        return BTZ_LIMIT;
    /* What practices bring comes early: it is what people look for in the file. */
    BTZ_TRY(add_keys(keys, &count, common_keys, HEAD_KEYS, 0));
    for (size_t i = 0; practices[i]; i++) {
        BTZ_TRY(add_keys(keys, &count, practices[i]->keys, practices[i]->key_count, size));
        size += aligned(practices[i]->conf_size);
    }
    for (size_t i = 0; btz_sections[i]; i++) {
        const struct btz_conf_key key = { .name = btz_sections[i]->name,
                                          .kind = BTZ_CONF_STRUCT,
                                          .help = btz_sections[i]->help,
                                          .of = btz_sections[i]->of };

        BTZ_TRY(add_keys(keys, &count, &key, 1, size));
        size += aligned(btz_sections[i]->of->size);
    }
    BTZ_TRY(add_keys(keys, &count, common_keys + HEAD_KEYS, BTZ_COUNT(common_keys) - HEAD_KEYS, 0));
    *table = (struct btz_conf_struct){ .name = "", .size = size, .keys = keys, .count = count };
    *out = table;
    return BTZ_OK;
}

/* ---- checks that tables cannot say ---- */

static enum btz_err check_version(const struct btz_yaml *root, const char *file, int64_t version)
{
    const struct btz_yaml *node = btz_yaml_get(root, "version");

    if (version == FORMAT_VERSION)
        return BTZ_OK;
    return btz_fail(version > FORMAT_VERSION ? BTZ_UNSUPPORTED : BTZ_USAGE,
                    "%s:%u: `version`: this bartizan reads version %d, found %" PRId64 "%s", file,
                    node ? node->line : 1, FORMAT_VERSION, version,
                    version > FORMAT_VERSION ? "; use a newer bartizan" : "");
}

static enum btz_err check_assets(const struct btz_yaml *root, const char *file, const char *key,
                                 const struct btz_conf_list *list)
{
    const struct btz_yaml *nodes = btz_yaml_get(root, key);
    const struct btz_yaml *node = nodes ? nodes->first : NULL;
    const struct btz_asset_conf *assets = list->items;

    for (size_t i = 0; i < list->count; i++) {
        if (!assets[i].path && !assets[i].url)
            return btz_fail(BTZ_USAGE, "%s:%u: `%s` in %s needs a `path` or a `url`", file,
                            node ? node->line : 1, assets[i].name, key);
        node = node ? node->next : NULL;
    }
    return BTZ_OK;
}

/* ---- what nobody looks at ---- */

static const char *text_of(const struct btz_yaml *map, const char *key)
{
    const struct btz_yaml *node = btz_yaml_get(map, key);

    return node && node->kind == BTZ_YAML_SCALAR ? node->text : NULL;
}

static bool brings(const struct btz_practice_ops *ops, const char *key)
{
    for (size_t k = 0; k < ops->key_count; k++)
        if (strcmp(ops->keys[k].name, key) == 0)
            return true;
    return false;
}

/* Who would look at the list `key`: the practice that brings it, else one of that kind. NULL: nobody. */
static const struct btz_settings_section *owner(const struct btz_settings *s, const char *key,
                                                enum btz_practice practice)
{
    for (size_t i = 0; i < s->section_count; i++)
        if (brings(s->sections[i].ops, key))
            return &s->sections[i];
    for (size_t i = 0; i < s->section_count; i++)
        if (s->sections[i].ops->practice == practice)
            return &s->sections[i];
    return NULL;
}

static enum btz_err find_uncovered(const struct btz_yaml *root, struct btz_arena *arena,
                                   struct btz_settings *s)
{
    struct btz_uncovered *list;
    size_t room = 0, count = 0;

    for (size_t i = 0; i < BTZ_COUNT(asset_kinds); i++) {
        const struct btz_yaml *nodes = btz_yaml_get(root, asset_kinds[i].key);

        for (const struct btz_yaml *n = nodes ? nodes->first : NULL; n; n = n->next)
            room++;
    }
    list = btz_arena_array(arena, room ? room : 1, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < BTZ_COUNT(asset_kinds); i++) {
        const struct btz_yaml *nodes = btz_yaml_get(root, asset_kinds[i].key);
        const char *reason = "no practice of this build looks at it";
        const struct btz_settings_section *who =
            owner(s, asset_kinds[i].key, asset_kinds[i].practice);

        if (!nodes || (who && who->conf && brings(who->ops, asset_kinds[i].key)))
            continue;
        if (who)
            reason =
                btz_arena_printf(arena, "the section `%s` is not in %s", who->ops->name, s->file);
        if (!reason)
            return BTZ_LIMIT;
        for (const struct btz_yaml *n = nodes->first; n; n = n->next) {
            const char *address = text_of(n, "url");
            const struct btz_asset asset = { .kind = asset_kinds[i].kind,
                                             .name = text_of(n, "name"),
                                             .address = address ? address : text_of(n, "path") };

            list[count++] = (struct btz_uncovered){ .practice = asset_kinds[i].practice,
                                                    .asset = asset,
                                                    .reason = reason,
                                                    .line = n->line };
        }
    }
    s->uncovered = list;
    s->uncovered_count = count;
    return BTZ_OK;
}

/* ---- from the raw struct to settings ---- */

static enum btz_err set_sections(const struct btz_yaml *root,
                                 const struct btz_practice_ops *const *practices, const char *raw,
                                 struct btz_arena *arena, struct btz_settings *s)
{
    struct btz_settings_section *sections;
    size_t at = aligned(sizeof(struct common)), count = 0;
    const void **others;

    while (practices[s->section_count])
        s->section_count++;
    while (btz_sections[count])
        count++;
    sections = btz_arena_array(arena, s->section_count + 1, sizeof *sections);
    others = btz_arena_array(arena, count + 1, sizeof *others);
    if (!sections || !others)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->section_count; i++) {
        sections[i].ops = practices[i];
        sections[i].conf = btz_yaml_get(root, practices[i]->name) ? raw + at : NULL;
        at += aligned(practices[i]->conf_size);
    }
    for (size_t i = 0; i < count; i++) {
        enum btz_err err = BTZ_OK;

        others[i] = raw + at;
        if (btz_sections[i]->check)
            err = btz_sections[i]->check(others[i]);
        if (err != BTZ_OK)
            return btz_fail_context(err, "%s", s->file);
        at += aligned(btz_sections[i]->of->size);
        /* A practice without keys has those of the section of its name. */
        for (size_t k = 0; k < s->section_count; k++)
            if (sections[k].conf && practices[k]->key_count == 0 &&
                strcmp(practices[k]->name, btz_sections[i]->name) == 0)
                sections[k].conf = others[i];
    }
    s->others = others;
    s->sections = sections;
    return BTZ_OK;
}

static enum btz_err set_reports(const struct btz_conf_list *raw, struct btz_arena *arena,
                                struct btz_conf_list *out)
{
    const struct report *from = raw->items;
    struct btz_report_conf *to = btz_arena_array(arena, raw->count + 1, sizeof *to);

    if (!to)
        return BTZ_LIMIT;
    for (size_t i = 0; i < raw->count; i++)
        to[i] = (struct btz_report_conf){ .format = format_names[from[i].format],
                                          .path = from[i].path };
    *out = (struct btz_conf_list){ .items = to, .count = raw->count };
    return BTZ_OK;
}

static enum btz_err set_state(const char *state, const char *file, struct btz_arena *arena,
                              const char **out)
{
    const char *slash = strrchr(file, '/');

    *out = state;
    if (state[0] == '/' || !slash)
        return BTZ_OK;
    *out = btz_arena_printf(arena, "%.*s/%s", (int)(slash - file), file, state);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static unsigned thread_count(int64_t threads)
{
    long processors = threads > 0 ? (long)threads : sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 1 : processors > 1024 ? 1024 : (unsigned)processors;
}

enum btz_err btz_settings_parse(const struct btz_yaml *root, const char *file,
                                const struct btz_practice_ops *const *practices,
                                const struct btz_conf_env *env, struct btz_log *log,
                                struct btz_arena *arena, struct btz_settings *out)
{
    const struct btz_conf_struct *table;
    const struct common *c;
    struct btz_settings s;
    void *raw;

    BTZ_TRY(btz_settings_table(practices, arena, &table));
    raw = btz_arena_alloc(arena, table->size);
    if (!raw)
        return BTZ_LIMIT;
    BTZ_TRY(btz_conf_load(root, table, file, env, arena, raw));
    c = raw;
    BTZ_TRY(check_version(root, file, c->version));
    BTZ_TRY(check_assets(root, file, "datasets", &c->datasets));
    BTZ_TRY(check_assets(root, file, "audits", &c->audits));
    s = (struct btz_settings){ .file = file,
                               .title = c->title,
                               .seed = (uint64_t)c->seed,
                               .threads = thread_count(c->threads),
                               .fail_on = (enum btz_severity)c->fail_on,
                               .risk_threshold = c->risk_threshold,
                               .suppressions = c->suppressions,
                               .datasets = c->datasets,
                               .audits = c->audits };
    BTZ_TRY(set_state(c->state, file, arena, &s.state));
    BTZ_TRY(set_reports(&c->reports, arena, &s.reports));
    BTZ_TRY(set_sections(root, practices, raw, arena, &s));
    BTZ_TRY(find_uncovered(root, arena, &s));
    btz_conf_warn(root, table, file, log);
    *out = s;
    return BTZ_OK;
}

enum btz_err btz_settings_state(const struct btz_yaml *root, const char *file,
                                const struct btz_conf_env *env, struct btz_arena *arena,
                                const char **out)
{
    static const struct btz_conf_struct common = { "", sizeof(struct common), common_keys,
                                                   BTZ_COUNT(common_keys) };
    const struct btz_yaml *node = btz_yaml_get(root, "state");
    struct btz_yaml alone, map = { .kind = BTZ_YAML_MAP, .line = 1 };
    struct common c;

    if (node) {
        alone = *node;
        alone.next = NULL;
        map.first = &alone;
    }
    BTZ_TRY(btz_conf_load(&map, &common, file, env, arena, &c));
    return set_state(c.state, file, arena, out);
}

enum btz_err btz_settings_read(const char *path, struct btz_arena *arena,
                               const struct btz_yaml **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(FILE_MAX_ + 65536);

    if (strcmp(path, "-") != 0 && access(path, F_OK) < 0 && errno == ENOENT)
        return btz_fail(BTZ_USAGE, "%s: there is no such file; `bartizan init` writes one", path);
    BTZ_TRY(btz_file_read(path, FILE_MAX_, &text));
    return btz_yaml_parse(btz_buf_slice(&text), path, arena, out);
}

enum btz_err btz_settings_load(const char *path, const struct btz_practice_ops *const *practices,
                               const struct btz_conf_env *env, struct btz_log *log,
                               struct btz_arena *arena, struct btz_settings *out)
{
    const struct btz_yaml *root;

    BTZ_TRY(btz_settings_read(path, arena, &root));
    return btz_settings_parse(root, path, practices, env, log, arena, out);
}

const void *btz_settings_practice(const struct btz_settings *settings,
                                  const struct btz_practice_ops *practice)
{
    for (size_t i = 0; i < settings->section_count; i++)
        if (settings->sections[i].ops == practice)
            return settings->sections[i].conf;
    return NULL;
}

const void *btz_settings_of(const struct btz_settings *settings, const struct btz_section *section)
{
    for (size_t i = 0; btz_sections[i]; i++)
        if (btz_sections[i] == section)
            return settings->others[i];
    return NULL;
}
