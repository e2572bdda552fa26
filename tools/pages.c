/*
 * pages OUT PAGE...: turns the pages of docs/rules/ into the C table btz_rules, sorted by id. A page that is wrong in
 * any way stops the build with its file, line and reason.
 */
#include <stdlib.h>

#include "finding/page.h"

struct entry {
    struct btz_page page;
    char *text;
};

static bool read_page(const char *path, struct entry *out)
{
    FILE *file = fopen(path, "rb");
    unsigned line = 0;
    char why[BTZ_PAGE_WHY];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n;

    out->text = malloc(BTZ_PAGE_MAX + 1);
    if (!file || !out->text) {
        fprintf(stderr, "%s: cannot be read\n", path);
        if (file)
            fclose(file);
        return false;
    }
    n = fread(out->text, 1, BTZ_PAGE_MAX + 1, file);
    fclose(file);
    if (!btz_page_parse((struct btz_slice){ .ptr = (const uint8_t *)out->text, .len = n },
                        &out->page, &line, why)) {
        fprintf(stderr, "%s:%u: %s\n", path, line, why);
        return false;
    }
    if (strlen(name) != out->page.id.len + 3 ||
        memcmp(name, out->page.id.ptr, out->page.id.len) != 0 ||
        strcmp(name + out->page.id.len, ".md") != 0) {
        fprintf(stderr, "%s: the file must be named for its id, %.*s.md\n", path,
                (int)out->page.id.len, (const char *)out->page.id.ptr);
        return false;
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct btz_page *x = &((const struct entry *)a)->page,
                          *y = &((const struct entry *)b)->page;
    size_t n = x->id.len < y->id.len ? x->id.len : y->id.len;
    int order = memcmp(x->id.ptr, y->id.ptr, n);

    return order ? order : (x->id.len > y->id.len) - (x->id.len < y->id.len);
}

static void write_string(FILE *out, struct btz_slice s)
{
    fputc('"', out);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            fputc('\\', out);
        fputc(s.ptr[i], out);
    }
    fputc('"', out);
}

/* An array: string literals over 4,095 bytes are beyond what C promises. */
static void write_page(FILE *out, size_t index, const struct btz_page *page)
{
    fprintf(out, "static const char page_%zu[] = {", index);
    for (size_t i = 0; i < page->body.len; i++)
        fprintf(out, "%s%d,", i % 24 == 0 ? "\n    " : "", page->body.ptr[i]);
    fprintf(out, "0\n};\nstatic const char *const refs_%zu[] = { ", index);
    for (size_t i = 0; i < page->reference_count; i++) {
        write_string(out, page->references[i]);
        fputs(", ", out);
    }
    fprintf(out, "NULL };\nstatic const struct btz_rule rule_%zu = { ", index);
    write_string(out, page->id);
    fputs(", ", out);
    write_string(out, page->title);
    fprintf(out, ", (enum btz_practice)%d, (enum btz_severity)%d, refs_%zu, page_%zu };\n",
            (int)page->practice, (int)page->severity, index, index);
}

static bool write_table(const char *path, const struct entry *entries, size_t count)
{
    FILE *out = fopen(path, "w");
    bool ok;

    if (!out) {
        fprintf(stderr, "%s: cannot be written\n", path);
        return false;
    }
    fputs("/* Generated from docs/rules/. */\n#include \"finding/finding.h\"\n", out);
    for (size_t i = 0; i < count; i++)
        write_page(out, i, &entries[i].page);
    fputs("const struct btz_rule *const btz_rules[] = {\n", out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "    &rule_%zu,\n", i);
    fputs("    NULL\n};\n", out);
    ok = !ferror(out);
    return fclose(out) == 0 && ok;
}

int main(int argc, char **argv)
{
    size_t count = argc > 2 ? (size_t)argc - 2 : 0;
    struct entry *entries = calloc(count + 1, sizeof *entries);
    bool ok = entries && argc > 1;

    for (size_t i = 0; ok && i < count; i++)
        ok = read_page(argv[i + 2], &entries[i]);
    if (ok) {
        qsort(entries, count, sizeof *entries, by_id);
        for (size_t i = 1; ok && i < count; i++)
            if (by_id(&entries[i - 1], &entries[i]) == 0) {
                fprintf(stderr, "two pages have the id %.*s\n", (int)entries[i].page.id.len,
                        (const char *)entries[i].page.id.ptr);
                ok = false;
            }
    }
    ok = ok && write_table(argv[1], entries, count);
    for (size_t i = 0; entries && i < count; i++)
        free(entries[i].text);
    free(entries);
    return ok ? 0 : 1;
}
