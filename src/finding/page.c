#include "finding/page.h"

static const char *const sections[] = {
    "What it proves",  "Why it matters", "How bartizan decides",
    "False positives", "Remedy",         "References",
};
enum { KEY_ID, KEY_TITLE, KEY_PRACTICE, KEY_SEVERITY, KEY_REFERENCES, KEY_COUNT };
static const char *const keys[KEY_COUNT] = { "id", "title", "practice", "severity", "references" };

struct parser {
    struct btz_slice text;
    size_t at;
    unsigned line;
    char *why;
    struct btz_page *page;
};

static bool bad(struct parser *p, const char *fmt, ...) BTZ_PRINTF(2, 3);
static bool bad(struct parser *p, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(p->why, BTZ_PAGE_WHY, fmt, args);
    va_end(args);
    return false;
}

static bool is(struct btz_slice s, const char *word)
{
    size_t n = strlen(word);

    return s.len == n && memcmp(s.ptr, word, n) == 0;
}

static struct btz_slice cut(struct btz_slice s, size_t from, size_t to)
{
    return (struct btz_slice){ .ptr = s.ptr + from, .len = to - from };
}

static struct btz_slice trim(struct btz_slice s)
{
    size_t from = 0, to = s.len;

    while (from < to && s.ptr[from] == ' ')
        from++;
    while (to > from && s.ptr[to - 1] == ' ')
        to--;
    return cut(s, from, to);
}

static bool next_line(struct parser *p, struct btz_slice *line)
{
    size_t start = p->at, end = start;

    if (p->at >= p->text.len)
        return false;
    while (end < p->text.len && p->text.ptr[end] != '\n')
        end++;
    *line = cut(p->text, start, end);
    p->at = end < p->text.len ? end + 1 : end;
    p->line++;
    return true;
}

/* The word as a string, or NULL when it is too long to be one of ours. */
static const char *word_of(struct btz_slice s, char out[64])
{
    if (s.len == 0 || s.len >= 64)
        return NULL;
    memcpy(out, s.ptr, s.len);
    out[s.len] = '\0';
    return out;
}

static bool check_id(struct parser *p, struct btz_slice id)
{
    bool dot = false;

    if (id.len == 0 || id.len >= 64)
        return bad(p, "id has %zu characters, expected 1 to 63", id.len);
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.ptr[i];
        bool edge = i == 0 || i + 1 == id.len || id.ptr[i - 1] == '.' || id.ptr[i + 1] == '.';

        if ((c == '.' || c == '-') && edge)
            return bad(p, "id has an empty part");
        if (c != '.' && c != '-' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            return bad(p, "id may hold only a-z, 0-9, dots and dashes");
        dot |= c == '.';
    }
    return dot || bad(p, "id needs at least two parts, such as practice.name");
}

/* "[A, B]" */
static bool parse_references(struct parser *p, struct btz_slice value)
{
    size_t start = 1;

    if (value.len < 3 || value.ptr[0] != '[' || value.ptr[value.len - 1] != ']')
        return bad(p, "references must be a list such as [CWE-79, AML.T0054]");
    for (size_t i = 1; i < value.len; i++) {
        struct btz_slice item;
        struct btz_reference known;
        char word[64];

        if (value.ptr[i] != ',' && i + 1 != value.len)
            continue;
        item = trim(cut(value, start, i));
        start = i + 1;
        if (!word_of(item, word) || !btz_reference_find(word, &known))
            return bad(p, "unknown reference \"%.*s\"; add it to src/finding/reference.c",
                       (int)(item.len < 40 ? item.len : 40), (const char *)item.ptr);
        for (size_t k = 0; k < p->page->reference_count; k++)
            if (is(p->page->references[k], word))
                return bad(p, "reference %s is named twice", word);
        if (p->page->reference_count == BTZ_PAGE_REFERENCES)
            return bad(p, "more than %d references", BTZ_PAGE_REFERENCES);
        p->page->references[p->page->reference_count++] = item;
    }
    return true;
}

static bool parse_value(struct parser *p, int key, struct btz_slice value)
{
    char word[64];

    switch (key) {
    case KEY_ID:
        p->page->id = value;
        return check_id(p, value);
    case KEY_TITLE:
        p->page->title = value;
        return value.len <= 100 || bad(p, "title is longer than 100 characters");
    case KEY_PRACTICE:
        return (word_of(value, word) && btz_practice_parse(word, &p->page->practice)) ||
               bad(p, "unknown practice; expected redteam, watermark, data, access or audit");
    case KEY_SEVERITY:
        return (word_of(value, word) && btz_severity_parse(word, &p->page->severity)) ||
               bad(p, "unknown severity; expected info, low, medium, high or critical");
    default:
        return parse_references(p, value);
    }
}

static bool parse_front_matter(struct parser *p)
{
    bool seen[KEY_COUNT] = { false };
    struct btz_slice line;

    if (!next_line(p, &line) || !is(line, "---"))
        return bad(p, "expected \"---\", the start of the front matter");
    while (next_line(p, &line)) {
        size_t colon = 0;
        struct btz_slice name, value;
        int key = 0;

        if (is(line, "---")) {
            for (int i = 0; i < KEY_COUNT; i++)
                if (!seen[i])
                    return bad(p, "front matter has no \"%s\"", keys[i]);
            return true;
        }
        while (colon < line.len && line.ptr[colon] != ':')
            colon++;
        if (colon == line.len)
            return bad(p, "expected \"key: value\"");
        name = cut(line, 0, colon);
        value = trim(cut(line, colon + 1, line.len));
        while (key < KEY_COUNT && !is(name, keys[key]))
            key++;
        if (key == KEY_COUNT)
            return bad(p,
                       "unknown key \"%.*s\"; expected id, title, practice, severity, references",
                       (int)(name.len < 40 ? name.len : 40), (const char *)name.ptr);
        if (seen[key])
            return bad(p, "\"%s\" is given twice", keys[key]);
        seen[key] = true;
        if (value.len == 0)
            return bad(p, "\"%s\" is empty", keys[key]);
        if (!parse_value(p, key, value))
            return false;
    }
    return bad(p, "the front matter has no closing \"---\"");
}

/* "practice." must begin the id: ids are found by their practice. */
static bool check_prefix(struct parser *p)
{
    const char *practice = btz_practice_name(p->page->practice);
    size_t n = strlen(practice);

    if (p->page->id.len <= n || memcmp(p->page->id.ptr, practice, n) != 0 ||
        p->page->id.ptr[n] != '.')
        return bad(p, "id must begin with \"%s.\"", practice);
    return true;
}

static bool has_word(struct btz_slice in, struct btz_slice word)
{
    return word.len > 0 && in.len >= word.len && memmem(in.ptr, in.len, word.ptr, word.len);
}

static bool parse_body(struct parser *p)
{
    struct btz_slice line, last;
    size_t section = 0, last_at = 0;
    bool filled = true;

    p->page->body = cut(p->text, p->at, p->text.len);
    while (next_line(p, &line)) {
        bool heading = line.len > 0 && line.ptr[0] == '#';

        if (!heading) {
            if (section == 0 && line.len > 0)
                return bad(p, "text before the first section \"## %s\"", sections[0]);
            filled |= trim(line).len > 0;
            continue;
        }
        if (!filled)
            return bad(p, "section \"%s\" is empty", sections[section - 1]);
        if (section == BTZ_COUNT(sections))
            return bad(p, "heading after the last section \"%s\"", sections[section - 1]);
        if (line.len < 4 || memcmp(line.ptr, "## ", 3) != 0 ||
            !is(cut(line, 3, line.len), sections[section]))
            return bad(p, "expected the section \"## %s\"", sections[section]);
        section++;
        filled = false;
        last_at = p->at;
    }
    if (section < BTZ_COUNT(sections))
        return bad(p, "section \"## %s\" is missing", sections[section]);
    if (!filled)
        return bad(p, "section \"%s\" is empty", sections[section - 1]);
    last = cut(p->text, last_at, p->text.len);
    for (size_t i = 0; i < p->page->reference_count; i++)
        if (!has_word(last, p->page->references[i]))
            return bad(p, "reference %.*s is not explained in the section \"References\"",
                       (int)p->page->references[i].len, (const char *)p->page->references[i].ptr);
    return true;
}

static bool check_characters(struct parser *p)
{
    size_t column = 0;

    if (p->text.len > BTZ_PAGE_MAX)
        return bad(p, "page is larger than %d bytes", BTZ_PAGE_MAX);
    p->line = 1;
    for (size_t i = 0; i < p->text.len; i++) {
        uint8_t c = p->text.ptr[i];

        if (c == '\n') {
            p->line++;
            column = 0;
            continue;
        }
        /* Terminals, manual pages and reports take these pages as they are. */
        if (c < 0x20 || c > 0x7E)
            return bad(p, "byte 0x%02x: pages are printable ASCII", c);
        if (++column > BTZ_PAGE_LINE_MAX)
            return bad(p, "line is longer than %d characters", BTZ_PAGE_LINE_MAX);
    }
    if (p->text.len == 0 || p->text.ptr[p->text.len - 1] != '\n')
        return bad(p, "the last line has no end");
    p->line = 0;
    return true;
}

bool btz_page_parse(struct btz_slice text, struct btz_page *out, unsigned *line,
                    char why[BTZ_PAGE_WHY])
{
    struct btz_page page = { 0 };
    struct parser p = { .text = text, .why = why, .page = &page };

    why[0] = '\0';
    if (!check_characters(&p) || !parse_front_matter(&p) || !check_prefix(&p) || !parse_body(&p)) {
        *line = p.line;
        return false;
    }
    *out = page;
    return true;
}
