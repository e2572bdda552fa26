/* Any bytes as YAML: a tree within its limits, or an error with its place. */
#include <stdlib.h>

#include "base/conf.h"

static void walk(const struct btz_yaml *node, unsigned depth)
{
    if (depth > 64 || (node->kind == BTZ_YAML_SCALAR) != (node->text != NULL) || node->line == 0)
        abort();
    for (const struct btz_yaml *child = node->first; child; child = child->next) {
        if ((node->kind == BTZ_YAML_MAP) != (child->key != NULL))
            abort();
        /* Equal keys are refused: the first child of that key is this child. */
        if (child->key && depth < 2 && btz_yaml_get(node, child->key) != child)
            abort();
        walk(child, depth + 1);
    }
}

/* What is written as a scalar reads back as itself. */
static void check_text(struct btz_slice in)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    const struct btz_yaml *root;
    const char *text;

    btz_arena_init(&arena, 1 << 20);
    if (in.len > 4096 || !btz_is_utf8(in) || (in.len && memchr(in.ptr, 0, in.len)))
        return;
    text = btz_arena_str(&arena, in);
    if (!text || btz_yaml_write_text(text, &out) != BTZ_OK)
        abort();
    if (btz_yaml_parse(btz_buf_slice(&out), "f", &arena, &root) != BTZ_OK ||
        root->kind != BTZ_YAML_SCALAR || strcmp(root->text, text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_yaml *root;

    btz_arena_init(&arena, 32 << 20);
    if (btz_yaml_parse(btz_slice_of(data, size), "f", &arena, &root) == BTZ_OK)
        walk(root, 0);
    else if (btz_error_detail()[0] == '\0')
        abort();
    check_text(btz_slice_of(data, size));
    return 0;
}
