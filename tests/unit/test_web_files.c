/* The embedded pages: byte for byte what the sources are, complete, and nothing in them that the CSP forbids. */
#include "base/base.h"
#include "watch/web/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include <cmocka.h>

static const struct btz_web_file *file_at(const char *path)
{
    for (const struct btz_web_file *f = btz_web_files; f->path; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text), w = strlen(with);

    return n >= w && strcmp(text + n - w, with) == 0;
}

static void source_of(const struct btz_web_file *f, char *out, size_t size)
{
    const char *base = strrchr(f->path, '/') + 1;

    snprintf(out, size, "%s/src/watch/web/%s%s", getenv("BTZ_SOURCE"), base,
             strchr(base, '.') ? "" : ".html");
}

static void test_bytes_are_the_sources(void **state)
{
    (void)state;
    size_t pages = 0;

    for (const struct btz_web_file *f = btz_web_files; f->path; f++, pages++) {
        char path[4096];
        FILE *in;
        unsigned char *bytes = malloc(f->len + 1);

        source_of(f, path, sizeof path);
        in = fopen(path, "rb");
        assert_non_null(in);
        assert_non_null(bytes);
        assert_int_equal(fread(bytes, 1, f->len + 1, in), f->len);
        assert_memory_equal(bytes, f->bytes, f->len);
        fclose(in);
        free(bytes);
    }
    assert_true(pages >= 30);
}

static void test_paths_are_unique_and_typed(void **state)
{
    (void)state;
    for (const struct btz_web_file *f = btz_web_files; f->path; f++) {
        assert_ptr_equal(file_at(f->path), f);
        assert_int_equal(f->path[0], '/');
        if (ends(f->path, ".js"))
            assert_string_equal(f->media_type, "text/javascript; charset=utf-8");
        else if (ends(f->path, ".css"))
            assert_string_equal(f->media_type, "text/css; charset=utf-8");
        else if (ends(f->path, ".svg"))
            assert_string_equal(f->media_type, "image/svg+xml");
        else
            assert_string_equal(f->media_type, "text/html; charset=utf-8");
    }
}

static void test_pages_of_the_contract(void **state)
{
    (void)state;
    static const char *const pages[] = { "/sign-in",      "/enrol",          "/account",
                                         "/admin/people", "/admin/groups",   "/admin/roles",
                                         "/admin/keys",   "/admin/policies", "/admin/approvals",
                                         "/admin/audit" };

    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        assert_non_null(file_at(pages[i]));
}

/* Each `mark"..."` or `mark'...'` leads to a file of the table. */
static void refers(const struct btz_web_file *f, const char *mark, const char *folder, char quote)
{
    const char *at = (const char *)f->bytes;

    while ((at = strstr(at, mark))) {
        char path[256];
        const char *end;

        at += strlen(mark);
        end = strchr(at, quote);
        assert_non_null(end);
        if (strncmp(at, "#", 1) == 0)
            continue;
        snprintf(path, sizeof path, "%s%.*s", folder, (int)(end - at), at);
        if (!file_at(path))
            fail_msg("%s refers to %s, which is not there", f->path, path);
    }
}

static void test_references_lead_somewhere(void **state)
{
    (void)state;
    for (const struct btz_web_file *f = btz_web_files; f->path; f++) {
        if (ends(f->path, ".js")) {
            refers(f, " from './", "/assets/", '\'');
            refers(f, "src: '", "", '\'');
        } else if (strncmp(f->media_type, "text/html", 9) == 0) {
            refers(f, " src=\"", "", '"');
            refers(f, " href=\"", "", '"');
        }
    }
}

/* The name of SVG's elements, which leads nowhere. */
static bool is_namespace(const char *text)
{
    static const char svg[] = "http://www.w3.org/2000/svg";

    return strncmp(text, svg, sizeof svg - 1) == 0 && !strstr(text + 1, "http://");
}

static void test_nothing_inline_nothing_foreign(void **state)
{
    (void)state;
    static const char *const never[] = { "innerHTML",      "outerHTML",      "insertAdjacentHTML",
                                         "document.write", "eval(",          "new Function",
                                         ".srcdoc",        "setHTML",        "DOMParser",
                                         "http://",        " style=",        "javascript:",
                                         "localStorage",   "sessionStorage", "document.cookie" };

    for (const struct btz_web_file *f = btz_web_files; f->path; f++) {
        const char *text = (const char *)f->bytes;

        if (ends(f->path, ".svg"))
            continue;
        for (size_t i = 0; i < sizeof never / sizeof *never; i++)
            if (strstr(text, never[i]) && !is_namespace(strstr(text, never[i])))
                fail_msg("%s has %s", f->path, never[i]);
        if (strncmp(f->media_type, "text/html", 9) != 0)
            continue;
        assert_null(strstr(text, "<style"));
        assert_null(strstr(text, " onload="));
        assert_null(strstr(text, " onclick="));
        assert_null(strstr(text, " onerror="));
        assert_null(strstr(text, "https:"));
        /* The one script has a source. */
        assert_ptr_equal(strstr(text, "<script"),
                         strstr(text, "<script type=\"module\" src=\"/assets/"));
        assert_null(strstr(strstr(text, "<script") + 7, "<script"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_the_sources),
        cmocka_unit_test(test_paths_are_unique_and_typed),
        cmocka_unit_test(test_pages_of_the_contract),
        cmocka_unit_test(test_references_lead_somewhere),
        cmocka_unit_test(test_nothing_inline_nothing_foreign),
    };

    return cmocka_run_group_tests_name("web_files", tests, NULL, NULL);
}
