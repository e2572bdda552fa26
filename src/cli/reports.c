#include "cli/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_MAX ((size_t)64 << 20)

static enum btz_err wish_of(const char *wish, struct btz_arena *arena, struct btz_report_wish *out)
{
    const char *equals = strchr(wish, '=');

    if (!equals || equals[1] == '\0')
        return btz_fail(BTZ_USAGE, "--report %s: expected FORMAT=FILE, such as html=report.html",
                        wish);
    out->format = btz_arena_str(arena, btz_slice_of(wish, (size_t)(equals - wish)));
    out->path = equals + 1;
    if (!out->format)
        return BTZ_LIMIT;
    if (!btz_report_format_find(out->format))
        return btz_fail(
            BTZ_USAGE,
            "--report %s: unknown format; one of text, json, jsonl, sarif, junit, html, md", wish);
    return BTZ_OK;
}

/* Files are written beside and renamed, so that the folder is what must allow it; a device is opened. */
enum btz_err btz_cli_can_write(const char *option, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    BTZ_FREE char *folder =
        slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    struct stat st;

    if (!path || strcmp(path, "-") == 0)
        return BTZ_OK;
    if (!folder)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (!path[0] || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return btz_fail(BTZ_IO, "%s: \"%s\" is a folder; name a file in it", option, path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return access(path, W_OK) ? btz_fail_errno(BTZ_IO, "%s: write %s", option, path) : BTZ_OK;
    if (stat(folder, &st) == 0 && !S_ISDIR(st.st_mode))
        return btz_fail(BTZ_IO, "%s %s: %s is no folder", option, path, folder);
    if (access(folder, W_OK | X_OK))
        return btz_fail_errno(BTZ_IO, "%s %s: its folder cannot be written to", option, path);
    return BTZ_OK;
}

enum btz_err btz_cli_report_wishes(const struct btz_option_list *list, bool writes,
                                   struct btz_arena *arena, struct btz_report_wish **out)
{
    struct btz_report_wish *wishes = btz_arena_array(arena, list->count + 1, sizeof *wishes);

    if (!wishes)
        return BTZ_LIMIT;
    for (size_t i = 0; i < list->count; i++) {
        BTZ_TRY(wish_of(list->items[i], arena, &wishes[i]));
        if (writes)
            BTZ_TRY(btz_cli_can_write("--report", wishes[i].path));
    }
    *out = wishes;
    return BTZ_OK;
}

static enum btz_err write_one(struct btz_cli *cli, const struct btz_report_wish *wish,
                              const struct btz_run *run)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(REPORT_MAX);

    BTZ_TRY(btz_report_format_find(wish->format)->write(run, &text));
    if (strcmp(wish->path, "-") != 0)
        return btz_file_write(wish->path, btz_buf_slice(&text), 0644);
    return fwrite(text.ptr, 1, text.len, cli->out) == text.len
               ? BTZ_OK
               : btz_fail_errno(BTZ_IO, "write the report");
}

enum btz_err btz_cli_report_write(struct btz_cli *cli, const struct btz_report_wish *wishes,
                                  size_t count, const struct btz_run *run)
{
    enum btz_err first = BTZ_OK;
    char detail[1024] = "";

    for (size_t i = 0; i < count; i++) {
        enum btz_err err = write_one(cli, &wishes[i], run);

        if (err == BTZ_OK || first != BTZ_OK)
            continue;
        first = err;
        snprintf(detail, sizeof detail, "%s", btz_error_detail());
    }
    return first == BTZ_OK ? BTZ_OK : btz_fail(first, "%s", detail);
}
