/* A strict reader of the Prometheus text exposition format 0.0.4, written from its description
 * (prometheus.io/docs/instrumenting/exposition_formats), with the conditions on histograms and on groups of lines. */
#ifndef BTZ_TEST_PROMETHEUS_CHECK_H
#define BTZ_TEST_PROMETHEUS_CHECK_H

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"

struct prometheus {
    json_t *types;   /* name: type */
    json_t *closed;  /* names whose group of lines has ended */
    json_t *samples; /* "name{sorted labels}": value */
    char group[128]; /* metric whose lines these are */
    /* of the histogram at hand */
    char series[4096];
    double last_le, last_count, inf;
};

static inline bool prometheus_name(const char *s, size_t n, bool colon)
{
    for (size_t i = 0; i < n; i++)
        if (!isalpha((unsigned char)s[i]) && s[i] != '_' && !(colon && s[i] == ':') &&
            !(i > 0 && isdigit((unsigned char)s[i])))
            return false;
    return n > 0;
}

/* The metric a sample belongs to: of histograms without its end. */
static inline void prometheus_base(const struct prometheus *p, const char *name, char out[128])
{
    static const char *const ends[] = { "_bucket", "_sum", "_count" };

    snprintf(out, 128, "%s", name);
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(out), e = strlen(ends[i]);

        if (n > e && strcmp(out + n - e, ends[i]) == 0) {
            char base[128];
            const char *type;

            snprintf(base, sizeof base, "%.*s", (int)(n - e), out);
            type = json_string_value(json_object_get(p->types, base));
            if (type && strcmp(type, "histogram") == 0) {
                memcpy(out, base, sizeof base);
                return;
            }
        }
    }
}

static inline void prometheus_enter(struct prometheus *p, const char *base)
{
    if (strcmp(p->group, base) == 0)
        return;
    if (json_object_get(p->closed, base))
        fail_msg("lines of %s are not in one group", base);
    if (p->group[0])
        json_object_set_new(p->closed, p->group, json_true());
    snprintf(p->group, sizeof p->group, "%s", base);
}

static inline void prometheus_comment(struct prometheus *p, const char *line)
{
    static const char *const types[] = { "counter", "gauge", "histogram", "summary", "untyped" };
    char name[128], type[32];
    bool known = false;

    if (strncmp(line, "# HELP ", 7) == 0) {
        assert_int_equal(sscanf(line + 7, "%127s", name), 1);
        assert_true(prometheus_name(name, strlen(name), true));
        prometheus_enter(p, name);
        return;
    }
    if (strncmp(line, "# TYPE ", 7) != 0)
        return;
    assert_int_equal(sscanf(line + 7, "%127s %31s", name, type), 2);
    for (size_t i = 0; i < 5; i++)
        known = known || strcmp(types[i], type) == 0;
    if (!known || json_object_get(p->types, name))
        fail_msg("second or unknown type: %s", line);
    prometheus_enter(p, name);
    json_object_set_new(p->types, name, json_string(type));
}

/* Labels of a sample into a sorted object; the text behind them. */
static inline const char *prometheus_labels(const char *at, json_t *labels)
{
    if (*at != '{')
        return at;
    at++;
    while (*at != '}') {
        const char *name = at;
        char key[128], value[1024];
        size_t n = 0;

        at += strcspn(at, "=");
        assert_true(prometheus_name(name, (size_t)(at - name), false));
        snprintf(key, sizeof key, "%.*s", (int)(at - name), name);
        assert_true(at[0] == '=' && at[1] == '"');
        for (at += 2; *at != '"'; at++) {
            assert_true(*at != '\0' && *at != '\n' && n < sizeof value - 2);
            if (*at == '\\') {
                at++;
                assert_true(*at == '\\' || *at == '"' || *at == 'n');
                value[n++] = *at == 'n' ? '\n' : *at;
            } else {
                value[n++] = *at;
            }
        }
        value[n] = '\0';
        assert_true(btz_is_utf8(btz_str(value)));
        if (json_object_get(labels, key))
            fail_msg("label %s twice", key);
        json_object_set_new(labels, key, json_string(value));
        at++;
        assert_true(*at == ',' || *at == '}');
        at += *at == ',';
    }
    return at + 1;
}

static inline void prometheus_histogram(struct prometheus *p, const char *name, json_t *labels,
                                        double value)
{
    const char *le = json_string_value(json_object_get(labels, "le"));
    double bound = le ? strtod(le, NULL) : 0;
    char *without, series[4096];

    assert_true((le != NULL) == (strstr(name, "_bucket") != NULL));
    json_object_del(labels, "le");
    without = json_dumps(labels, JSON_SORT_KEYS | JSON_COMPACT);
    snprintf(series, sizeof series, "%s%s", p->group, without);
    free(without);
    if (strcmp(series, p->series) != 0) {
        snprintf(p->series, sizeof p->series, "%s", series);
        p->last_le = -INFINITY;
        p->last_count = 0;
        p->inf = -1;
    }
    if (le) {
        assert_true(bound > p->last_le && value >= p->last_count);
        p->last_le = bound;
        p->last_count = value;
        if (isinf(bound))
            p->inf = value;
    } else {
        assert_true(p->inf >= 0); /* "+Inf" must be there */
        if (strstr(name, "_count"))
            assert_true(value == p->inf);
    }
}

static inline void prometheus_sample(struct prometheus *p, const char *line)
{
    json_t *labels = json_object();
    size_t n = strcspn(line, "{ ");
    char name[128], base[128], key[4400], *text, *end;
    const char *at, *type;
    double value;

    assert_true(n < sizeof name && prometheus_name(line, n, true));
    snprintf(name, sizeof name, "%.*s", (int)n, line);
    at = prometheus_labels(line + n, labels);
    assert_true(*at == ' ');
    value = strtod(at + 1, &end);
    assert_true(end > at + 1 && *end == '\0');
    prometheus_base(p, name, base);
    type = json_string_value(json_object_get(p->types, base));
    if (!type)
        fail_msg("no type before %s", line);
    prometheus_enter(p, base);
    text = json_dumps(labels, JSON_SORT_KEYS | JSON_COMPACT);
    snprintf(key, sizeof key, "%s%s", name, text);
    free(text);
    if (json_object_get(p->samples, key))
        fail_msg("twice: %s", line);
    json_object_set_new(p->samples, key, json_real(value));
    if (strcmp(type, "counter") == 0)
        assert_true(value >= 0);
    if (strcmp(type, "histogram") == 0)
        prometheus_histogram(p, name, labels, value);
    json_decref(labels);
}

/* All samples as {"name{\"label\":\"value\"}": number}; fails the test where the text is not of the format. */
static inline json_t *prometheus_read(struct btz_slice text)
{
    struct prometheus p = { json_object(), json_object(), json_object(), "", "", 0, 0, 0 };
    char *copy = malloc(text.len + 1), *line, *next;

    assert_non_null(copy);
    assert_true(text.len > 0 && text.ptr[text.len - 1] == '\n');
    assert_true(btz_is_utf8(text));
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    assert_int_equal(strlen(copy), text.len);
    for (line = copy; *line; line = next) {
        char *end = strchr(line, '\n');

        *end = '\0';
        next = end + 1;
        if (*line == '#')
            prometheus_comment(&p, line);
        else if (*line)
            prometheus_sample(&p, line);
    }
    free(copy);
    json_decref(p.types);
    json_decref(p.closed);
    return p.samples;
}

static inline double prometheus_value(const json_t *samples, const char *key)
{
    const json_t *v = json_object_get(samples, key);

    if (!v)
        fail_msg("no sample %s", key);
    return json_real_value(v);
}

#endif
