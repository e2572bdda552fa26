/* What a request's texts said so far. */
#include <stdlib.h>

#include "gate/guard/inside.h"

enum { PSEUDONYMS_MAX = 4096 };

bool btz_channel_is_output(enum btz_channel c)
{
    return c == BTZ_CHANNEL_OUTPUT || c == BTZ_CHANNEL_REASONING || c == BTZ_CHANNEL_TOOL_ARGUMENTS;
}

enum btz_err btz_guard_session_new(const struct btz_guard *g, struct btz_guard_session **out)
{
    struct btz_guard_session *s = calloc(1, sizeof *s);

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory for a session of the guard");
    s->guard = g;
    *out = s;
    return BTZ_OK;
}

void btz_guard_session_free(struct btz_guard_session *s)
{
    if (!s)
        return;
    btz_scanning_give(s);
    for (size_t i = 0; i < s->pseudonym_count; i++) {
        btz_wipe(s->pseudonyms[i].value, s->pseudonyms[i].value_len);
        free(s->pseudonyms[i].value);
    }
    free(s->pseudonyms);
    free(s->records);
    btz_atoms_free(s->atoms);
    free(s);
}

const struct btz_guard_count *btz_guard_counts(const struct btz_guard_session *s)
{
    return s->counts;
}

enum btz_guard_action btz_guard_verdict(const struct btz_guard_session *s)
{
    return s->verdict;
}

const char *btz_guard_route(const struct btz_guard_session *s)
{
    return s->route;
}

const struct btz_guard_record *btz_guard_records(const struct btz_guard_session *s, size_t *count)
{
    *count = s->record_count;
    return s->records;
}

static unsigned index_of(const struct btz_guard_detector *d)
{
    unsigned i = 0;

    while (btz_guard_detectors[i] != d)
        i++;
    return i;
}

void btz_session_note(struct btz_guard_session *s, const struct btz_hit *hit,
                      enum btz_channel channel, uint32_t text)
{
    unsigned d = index_of(hit->detector);

    s->counts[d].hits++;
    s->verdict = hit->action > s->verdict ? hit->action : s->verdict;
    if (hit->action == BTZ_GUARD_ROUTE && !s->route)
        s->route = btz_session_way(s, d, channel)->route;
    if (s->record_count == s->record_cap && s->record_cap < BTZ_GUARD_RECORDS_MAX) {
        size_t cap = s->record_cap ? s->record_cap * 4 : 4;
        struct btz_guard_record *grown = realloc(s->records, cap * sizeof *grown);

        if (grown) { /* else it is counted, and not kept */
            s->records = grown;
            s->record_cap = cap;
        }
    }
    if (s->record_count < s->record_cap)
        s->records[s->record_count++] = (struct btz_guard_record){ *hit, channel, text };
}

/* "[EMAIL_1]" of "email": upper case, what is no letter or digit becomes "-". */
static void name_it(struct btz_pseudonym *p, const char *kind, size_t number)
{
    char word[24];
    size_t n = 0;

    for (; kind[n] && n < sizeof word - 1; n++)
        word[n] = kind[n] >= 'a' && kind[n] <= 'z'   ? (char)(kind[n] - 32)
                  : kind[n] >= '0' && kind[n] <= '9' ? kind[n]
                                                     : '-';
    word[n] = 0;
    snprintf(p->name, sizeof p->name, "[%s_%zu]", word, number);
}

enum btz_err btz_session_pseudonym(struct btz_guard_session *s, const char *kind,
                                   struct btz_slice value, const char **name)
{
    struct btz_pseudonym *p;

    for (size_t i = 0; i < s->pseudonym_count; i++) {
        p = &s->pseudonyms[i];
        if (btz_slice_equal(btz_slice_of(p->value, p->value_len), value)) {
            *name = p->name;
            return BTZ_OK;
        }
    }
    if (s->pseudonym_count == PSEUDONYMS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d pseudonyms in one request", PSEUDONYMS_MAX);
    if (s->pseudonym_count == s->pseudonym_cap) {
        size_t cap = s->pseudonym_cap ? s->pseudonym_cap * 2 : 16;

        p = realloc(s->pseudonyms, cap * sizeof *p);
        if (!p)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu pseudonyms", cap);
        s->pseudonyms = p;
        s->pseudonym_cap = cap;
    }
    p = &s->pseudonyms[s->pseudonym_count];
    p->value = malloc(value.len + 1);
    if (!p->value)
        return btz_fail(BTZ_LIMIT, "out of memory for a pseudonym");
    memcpy(p->value, value.ptr, value.len);
    p->value_len = value.len;
    name_it(p, kind, ++s->pseudonym_count);
    *name = p->name;
    return BTZ_OK;
}

const struct btz_pseudonym *btz_session_known(const struct btz_guard_session *s,
                                              struct btz_slice text, bool *cut)
{
    size_t i = 1, number = 0;

    *cut = false;
    if (s->pseudonym_count == 0 || text.len == 0 || text.ptr[0] != '[')
        return NULL;
    while (i < text.len && i < 26 &&
           ((text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') || text.ptr[i] == '-' ||
            (text.ptr[i] >= '0' && text.ptr[i] <= '9')))
        i++;
    if (i < text.len && text.ptr[i] != '_')
        return NULL;
    for (i++; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9' && number < PSEUDONYMS_MAX;
         i++)
        number = number * 10 + (text.ptr[i] - '0');
    if (i >= text.len) {
        *cut = true;
        return NULL;
    }
    if (text.ptr[i] != ']' || number == 0 || number > s->pseudonym_count ||
        !btz_slice_has_prefix(text, btz_str(s->pseudonyms[number - 1].name)))
        return NULL;
    return &s->pseudonyms[number - 1];
}
