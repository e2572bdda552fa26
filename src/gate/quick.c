/* Settings for the front and its module: what `--upstream URL` stands for, and the one word of `access:` they need. */
#include <strings.h>

#include "base/yaml.h"
#include "gate/front.h"

#define NAME "default"

/* What people start with is known by its address; whoever has something else writes it down. */
static const char *dialect_of(const char *url)
{
    if (strstr(url, "anthropic"))
        return "anthropic";
    return strstr(url, ":11434") ? "ollama" : "openai";
}

enum btz_err btz_gate_conf_quick(struct btz_gate_conf *conf, const char *url,
                                 const struct btz_conf_env *env, struct btz_arena *arena)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(8192);
    struct btz_gate_conf *made = btz_arena_alloc(arena, sizeof *made);
    const char *dialect = dialect_of(url);
    const char *key = env->get(env->user, "BARTIZAN_UPSTREAM_KEY");
    const struct btz_yaml *root;
    bool is_anthropic = strcmp(dialect, "anthropic") == 0;

    if (!made)
        return BTZ_LIMIT;
    if (conf->upstreams.count > 0)
        return btz_fail(BTZ_USAGE,
                        "--upstream: bartizan.yaml names upstreams already; leave the option out");
    if (strpbrk(url, "\"\\${}\n\r"))
        return btz_fail(BTZ_USAGE, "--upstream: \"%.100s\" is no address", url);
    BTZ_TRY(btz_buf_printf(&text,
                           "upstreams:\n"
                           "  - name: " NAME "\n"
                           "    url: \"%s\"\n"
                           "    dialect: %s\n"
                           "    credential_as: %s\n",
                           url, dialect, is_anthropic ? "x-api-key" : "bearer"));
    if (key && *key)
        BTZ_TRY(btz_buf_add_str(&text, "    credential: ${BARTIZAN_UPSTREAM_KEY}\n"));
    BTZ_TRY(btz_yaml_parse(btz_buf_slice(&text), "--upstream", arena, &root));
    BTZ_TRY(btz_conf_load(root, &btz_gate_conf_struct, "--upstream", env, arena, made));
    conf->upstreams = made->upstreams;
    return btz_gate_conf_check(conf);
}

enum btz_err btz_gate_seal_key(const char *yaml, const struct btz_conf_env *env,
                               struct btz_arena *arena, const char **out)
{
    static const struct btz_conf_key keys[] = {
        { .name = "seal_key", .kind = BTZ_CONF_SECRET, .fallback = "\"\"" }
    };
    static const struct btz_conf_struct of = { "access", sizeof(const char *), keys, 1 };
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)8 << 20);
    const struct btz_yaml *root, *section, *node;
    struct btz_yaml alone, map = { .kind = BTZ_YAML_MAP, .line = 1 };

    BTZ_TRY(btz_file_read(yaml, (size_t)4 << 20, &text));
    BTZ_TRY(btz_yaml_parse(btz_buf_slice(&text), yaml, arena, &root));
    section = btz_yaml_get(root, "access");
    node = section ? btz_yaml_get(section, "seal_key") : NULL;
    if (node) {
        alone = *node;
        alone.next = NULL;
        map.first = &alone;
    }
    return btz_conf_load(&map, &of, yaml, env, arena, out);
}
