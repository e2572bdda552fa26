#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "report_sample.h"

static void write_html(const struct btz_run *run, struct btz_buf *out)
{
    if (btz_report_format_find("html")->write(run, out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

/* BTZ_SAMPLE=FILE writes the page for a look at it in a browser. */
static void test_sample(void **state)
{
    struct btz_results *r = sample_results();
    struct btz_run run = sample_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20);
    (void)state;
    write_html(&run, &out);
    if (getenv("BTZ_SAMPLE"))
        assert_int_equal(btz_file_write(getenv("BTZ_SAMPLE"), btz_buf_slice(&out), 0644), BTZ_OK);
    btz_results_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
