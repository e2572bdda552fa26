/* Any YAML against a table of every kind: loads or is refused; what is shown never holds a secret. */
#include <stdlib.h>

#include "base/conf.h"

struct item {
    const char *name, *key;
    struct btz_conf_list command, headers, secrets;
};
struct all {
    bool flag;
    int64_t whole, wait;
    double real;
    int choice;
    uint64_t day;
    struct item one;
    struct btz_conf_list many;
};

static const char *const choices[] = { "fast", "careful", NULL };

#define ITEM(field) offsetof(struct item, field)
#define ALL(field)  offsetof(struct all, field)
static const struct btz_conf_key item_keys[] = {
    { "name", BTZ_CONF_STRING, ITEM(name), .required = true },
    { "key", BTZ_CONF_SECRET, ITEM(key), .fallback = NULL },
    { "command", BTZ_CONF_STRINGS, ITEM(command), .fallback = "[a, b]" },
    { "headers", BTZ_CONF_PAIRS, ITEM(headers), .fallback = NULL },
    { "secrets", BTZ_CONF_SECRETS, ITEM(secrets), .fallback = NULL },
};
static const struct btz_conf_struct item_conf = { "item", sizeof(struct item), item_keys,
                                                  BTZ_COUNT(item_keys) };
static const struct btz_conf_key all_keys[] = {
    { "flag", BTZ_CONF_BOOL, ALL(flag), .fallback = "true" },
    { "whole", BTZ_CONF_INT, ALL(whole), .fallback = "1", .min = -5, .max = 5 },
    { "wait", BTZ_CONF_DURATION, ALL(wait), .fallback = "1s" },
    { "real", BTZ_CONF_REAL, ALL(real), .fallback = "0.5" },
    { "choice", BTZ_CONF_ENUM, ALL(choice), .choices = choices },
    { "day", BTZ_CONF_DATE, ALL(day), .fallback = "2027-01-31" },
    { "one", BTZ_CONF_STRUCT, ALL(one), .of = &item_conf },
    { "many", BTZ_CONF_STRUCTS, ALL(many), .of = &item_conf },
};
static const struct btz_conf_struct all_conf = { "", sizeof(struct all), all_keys,
                                                 BTZ_COUNT(all_keys) };

static const char *get(void *user, const char *name)
{
    (void)user;
    return name[0] == 'U' ? NULL : "VALUE-OF-ENVIRONMENT";
}

static void check(const struct all *all)
{
    const struct item *items = all->many.items;

    if (all->whole < -5 || all->whole > 5 || all->choice < 0 || all->choice > 1 || all->wait < 0)
        abort();
    for (size_t i = 0; i < all->many.count; i++) {
        const char *const *words = items[i].command.items;

        if (!items[i].name)
            abort();
        for (size_t k = 0; k < items[i].command.count; k++)
            if (!words[k])
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct btz_conf_env env = { .get = get };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(64 << 20), example = BTZ_BUF(64 << 20);
    const struct btz_yaml *root;
    struct all all;
    enum btz_err err;

    btz_arena_init(&arena, 32 << 20);
    if (btz_slice_has(btz_slice_of(data, size), "VALUE-OF-ENVIRONMENT"))
        return 0;
    if (btz_yaml_parse(btz_slice_of(data, size), "f", &arena, &root) != BTZ_OK)
        return 0;
    err = btz_conf_load(root, &all_conf, "f", &env, &arena, &all);
    if (err == BTZ_OK)
        check(&all);
    else if (strstr(btz_error_detail(), "VALUE-OF-ENVIRONMENT"))
        abort();
    btz_conf_warn(root, &all_conf, "f", NULL);
    if (btz_conf_show(root, &all_conf, "f", true, &shown) == BTZ_OK &&
        btz_slice_has(btz_buf_slice(&shown), "VALUE-OF-ENVIRONMENT"))
        abort();
    if (err != BTZ_OK || size > 4096)
        return 0;
    /* A file that loads is written as one that loads. */
    if (btz_conf_example(&all_conf, root, &example) != BTZ_OK ||
        btz_yaml_parse(btz_buf_slice(&example), "e", &arena, &root) != BTZ_OK ||
        btz_conf_load(root, &all_conf, "e", &env, &arena, &all) != BTZ_OK)
        abort();
    return 0;
}
