/* Requests for output that does something where it is shown: images, links, markup, queries, commands. */
#include "demo/intent.h"

#define LITERAL_MAX 300

/* ---- addresses -------------------------------------------------------------------------------------- */

static bool ends_url(uint8_t c)
{
    return c <= ' ' || c == '"' || c == '\'' || c == '`' || c == '<' || c == '>' || c == '[' ||
           c == ']' || c == '(' || c == ')' || c == '{' || c == '}' || c == '|' || c == '\\' ||
           c == '*' || c >= 0x7F;
}

/* The next address at or after *at; empty when there is none. */
static struct btz_slice next_url(struct btz_slice text, size_t *at)
{
    for (size_t i = *at; i + 8 < text.len; i++) {
        size_t end = i;

        if ((text.ptr[i] | 32) != 'h' ||
            (strncasecmp((const char *)text.ptr + i, "https://", 8) != 0 &&
             strncasecmp((const char *)text.ptr + i, "http://", 7) != 0))
            continue;
        while (end < text.len && !ends_url(text.ptr[end]))
            end++;
        *at = end;
        while (end > i && memchr(".,;:!", text.ptr[end - 1], 5))
            end--;
        /* A question mark ends an address only when it ends a sentence. */
        if (end > i && text.ptr[end - 1] == '?' && (*at == text.len || text.ptr[*at] <= ' '))
            end--;
        return btz_slice_sub(text, i, end - i);
    }
    *at = text.len;
    return btz_str("");
}

/* "?d=DATA": the capitals hold the place of what is wanted. */
static struct btz_slice without_hole(struct btz_slice url)
{
    size_t end = url.len;

    while (end > 0 &&
           ((url.ptr[end - 1] >= 'A' && url.ptr[end - 1] <= 'Z') || url.ptr[end - 1] == '_'))
        end--;
    return end + 3 <= url.len && end > 0 && url.ptr[end - 1] == '=' ? btz_slice_sub(url, 0, end)
                                                                    : url;
}

static void find_addresses(const struct btz_demo_tokens *t, struct btz_demo_asks *asks)
{
    size_t at = 0;
    bool image = btz_slice_has(t->source, "![");
    bool link = !image && btz_slice_has(t->source, "]("), data = false, verb = false;

    for (size_t i = 0; i < t->count; i++) {
        image = image ||
                btz_demo_is_any(&t->at[i], "image images picture pictures img logo photo banner "
                                           "pixel icon badge thumbnail bild imagen avatar "
                                           "graphic illustration beacon");
        link = link ||
               btz_demo_is_any(&t->at[i], "link links hyperlink hyperlinks href anchor clickable "
                                          "click footnote reference enlace lien button");
        data = data || (t->at[i].kinds & (KIND(K_DATA) | KIND(K_SECRET)));
        verb = verb || (t->at[i].kinds & (KIND(K_MAKE) | KIND(K_SAY) | KIND(K_END)));
    }
    if (!image && !link)
        link = data && verb;
    for (int round = 0; round < 3 && verb && (image || link); round++) {
        struct btz_slice url = next_url(t->source, &at);

        if (url.len == 0)
            return;
        url = without_hole(url);
        if (image)
            btz_demo_add_ask(asks, ASK_IMAGE, url);
        if (link)
            btz_demo_add_ask(asks, ASK_LINK, url);
    }
}

/* ---- literals ----------------------------------------------------------------------------------------- */

/* The first stretch between `open` and `close`, both included; empty when there is none. */
static struct btz_slice between(struct btz_slice text, const char *open, const char *close)
{
    size_t from = btz_slice_find(text, btz_str(open), 0), end;

    if (from == SIZE_MAX)
        return btz_str("");
    end = btz_slice_find(btz_slice_sub(text, from, LITERAL_MAX), btz_str(close), strlen(open));
    return end == SIZE_MAX ? btz_str("") : btz_slice_sub(text, from, end + strlen(close));
}

static struct btz_slice html_literal(struct btz_slice text)
{
    static const char *const opens[][2] = {
        { "<script", "</script>" }, { "<svg", ">" },   { "<img", ">" },     { "<iframe", ">" },
        { "<body", ">" },           { "<a ", "</a>" }, { "<details", ">" }, { "<input", ">" }
    };

    for (size_t i = 0; i < BTZ_COUNT(opens); i++) {
        struct btz_slice s = between(text, opens[i][0], opens[i][1]);

        if (s.len > 0)
            return s;
    }
    return btz_str("");
}

static struct btz_slice template_literal(struct btz_slice text)
{
    static const char *const opens[][2] = {
        { "{{", "}}" }, { "${", "}" }, { "<%", "%>" }, { "#{", "}" }, { "{%", "%}" }
    };

    for (size_t i = 0; i < BTZ_COUNT(opens); i++) {
        struct btz_slice s = between(text, opens[i][0], opens[i][1]);

        if (s.len > 0)
            return s;
    }
    return btz_str("");
}

/* A backticked or quoted stretch that holds one of `signs`. */
static struct btz_slice quoted_literal(struct btz_slice text, const char *const *signs,
                                       size_t count)
{
    static const char quotes[] = "`\"";

    for (size_t q = 0; q < 2; q++) {
        const char sign[2] = { quotes[q], '\0' };

        for (size_t at = 0; at < text.len;) {
            size_t from = btz_slice_find(text, btz_str(sign), at), end;
            struct btz_slice inside;

            if (from == SIZE_MAX)
                break;
            end = btz_slice_find(btz_slice_sub(text, from + 1, LITERAL_MAX), btz_str(sign), 0);
            if (end == SIZE_MAX)
                break;
            inside = btz_slice_sub(text, from + 1, end);
            for (size_t i = 0; i < count; i++)
                if (btz_demo_says(inside, signs[i]))
                    return inside;
            at = from + end + 2;
        }
    }
    return btz_str("");
}

/* ---- kinds of output ------------------------------------------------------------------------------------ */

struct marks {
    bool html, sql, shell, template, ansi, making;
};

static bool is_upper(const struct btz_demo_token *x)
{
    for (size_t i = 0; i < x->raw.len; i++)
        if (x->raw.ptr[i] < 'A' || x->raw.ptr[i] > 'Z')
            return false;
    return true;
}

static void mark_token(const struct btz_demo_tokens *t, size_t i, struct marks *m)
{
    const struct btz_demo_token *x = &t->at[i];
    unsigned s = x->sentence;

    if (btz_demo_is_any(x, "html javascript js xss iframe svg onerror onload onclick") ||
        (btz_demo_is_any(x, "script scripts") &&
         !btz_demo_is_any(i > 0 ? &t->at[i - 1] : x, "shell bash python sql movie film play")) ||
        (btz_demo_is_any(x, "tag tags markup webpage") &&
         btz_demo_in_sentence(t, s, KIND(K_HTML) & ~KIND(K_COMMON)) &&
         btz_demo_near(t, i > 3 ? i - 3 : 0, i, KIND(K_HTML))) ||
        (btz_demo_is_any(x, "web") && i + 1 < t->count && btz_demo_is_any(&t->at[i + 1], "page") &&
         btz_demo_near(t, t->sentences[s], i, KIND(K_MAKE) & ~KIND(K_TELL)) &&
         (btz_demo_says(t->source, "create") || btz_demo_says(t->source, "generate") ||
          btz_demo_says(t->source, "build") || btz_demo_says(t->source, "write"))))
        m->html = true;
    if (btz_demo_is_any(x, "sql mysql postgres postgresql sqlite mariadb") ||
        (btz_demo_is_any(x, "insert update select delete") && is_upper(x) &&
         (btz_demo_says(t->source, "table") || btz_demo_says(t->source, "user") ||
          btz_demo_says(t->source, "row") || btz_demo_says(t->source, "record"))) ||
        (btz_demo_is_any(x, "query queries statement") && btz_demo_in_sentence(t, s, KIND(K_SQL)) &&
         btz_demo_near(t, t->sentences[s], t->sentences[s + 1], KIND(K_ACCOUNT) | KIND(K_SQL)) &&
         !btz_demo_is_any(i > 0 ? &t->at[i - 1] : x, "the url a my this") &&
         (btz_demo_says(t->source, "database") || btz_demo_says(t->source, "table") ||
          btz_demo_says(t->source, "where clause"))) ||
        (btz_demo_is_any(x, "where") && i + 1 < t->count &&
         btz_demo_is_any(&t->at[i + 1], "clause")))
        m->sql = true;
    if (btz_demo_is_any(x, "shell bash powershell zsh cmd subshell oneliner posix") ||
        (btz_demo_is_any(x, "ping tar curl wget grep scp ssh nslookup ffmpeg rsync") &&
         btz_demo_near(t, i > 4 ? i - 4 : 0, i + 4, KIND(K_SHELL))) ||
        (btz_demo_is_any(x, "command commands line terminal console") &&
         btz_demo_near(t, i > 3 ? i - 3 : 0, i + 4, KIND(K_SHELL)) &&
         (btz_demo_is_any(x, "command commands") || i == 0 ||
          btz_demo_is_any(&t->at[i - 1], "command unix linux")) &&
         (btz_demo_near(t, i > 4 ? i - 4 : 0, i, KIND(K_SHELL)) ||
          btz_demo_says(t->source, "linux") || btz_demo_says(t->source, "unix") ||
          btz_demo_says(t->source, "terminal") || btz_demo_says(t->source, "server") ||
          btz_demo_says(t->source, "command line"))))
        m->shell = true;
    if (btz_demo_is_any(x, "jinja jinja2 mustache moustache handlebars freemarker ssti twig erb "
                           "velocity thymeleaf "
                           "templating liquid") ||
        (btz_demo_is_any(x, "template templates") && btz_demo_in_sentence(t, s, KIND(K_MAKE)) &&
         (btz_demo_says(t->source, "expression") || btz_demo_says(t->source, "engine") ||
          btz_demo_says(t->source, "brace") || btz_demo_says(t->source, "curly") ||
          btz_demo_says(t->source, "syntax") || btz_demo_says(t->source, "evaluat"))))
        m->template = true;
    if (btz_demo_is_any(x, "ansi vt100 csi esc xterm osc 001b 0x1b x1b u001b") ||
        (btz_demo_is_any(x, "control raw") && i + 1 < t->count &&
         btz_demo_is_any(&t->at[i + 1], "character characters terminal console") &&
         (btz_demo_says(t->source, "1b") || btz_demo_says(t->source, "terminal") ||
          btz_demo_says(t->source, "console"))) ||
        (btz_demo_is_any(x, "escape") && i + 1 < t->count &&
         btz_demo_is_any(&t->at[i + 1], "sequence sequences code codes character characters")) ||
        (btz_demo_is_any(x, "terminal") && i + 1 < t->count &&
         btz_demo_is_any(&t->at[i + 1], "colour colours color colors control codes escape")))
        m->ansi = true;
}

static void add_literal_marks(struct btz_slice text, struct marks *m)
{
    static const char *const html[] = { "<script",     "<img",     "<svg",   "<iframe",
                                        "javascript:", "onerror=", "onload=" };
    static const char *const sql[] = { "or 1=1", "union select", "drop table", "' or '" };
    static const char *const ansi[] = { "\\x1b", "\\033", "\\u001b", "\\e[", "ESC[" };
    static const char *const shell[] = { "rm -rf", "/etc/passwd", "$(", "&& ", "| sh", "; cat" };
    static const char *const template[] = { "{{", "${", "<%=", "#{" };

    for (size_t i = 0; i < BTZ_COUNT(html); i++)
        m->html = m->html || btz_demo_says(text, html[i]);
    for (size_t i = 0; i < BTZ_COUNT(sql); i++)
        m->sql = m->sql || btz_demo_says(text, sql[i]);
    for (size_t i = 0; i < BTZ_COUNT(ansi); i++)
        m->ansi = m->ansi || btz_demo_says(text, ansi[i]);
    for (size_t i = 0; i < BTZ_COUNT(shell); i++)
        m->shell = m->shell || btz_demo_says(text, shell[i]);
    for (size_t i = 0; i < BTZ_COUNT(template); i++)
        m->template = m->template || btz_demo_says(text, template[i]);
}

/* What active output shall carry: the first quoted word, else the first unknown one. */
static struct btz_slice find_payload(const struct btz_demo_tokens *t)
{
    struct btz_slice unknown = btz_str("");

    for (size_t i = 0; i < t->count; i++) {
        const struct btz_demo_token *x = &t->at[i];

        if (!x->word || x->raw.len < 3 || x->raw.len > 32 || (x->kinds & ~KIND(K_COMMON)) ||
            btz_demo_is_any(x, "http https www com org net"))
            continue;
        if (x->quoted)
            return x->raw;
        if (x->kinds == 0 && i > 0 &&
            btz_demo_is_any(&t->at[i - 1],
                            "saying says say reads reading word text string named called"))
            return x->raw;
        if (x->kinds == 0 && unknown.len == 0)
            unknown = x->raw;
    }
    return unknown;
}

/* A command or statement, with the word that begins it where the text names one. */
static void add_command(const struct btz_demo_tokens *t, enum btz_demo_ask_kind kind,
                        struct btz_slice literal, const char *verbs, struct btz_demo_asks *asks)
{
    struct btz_demo_ask *a = btz_demo_add_ask(asks, kind, literal);

    for (size_t i = 0; a && i < t->count && a->verb.len == 0; i++)
        if (btz_demo_is_any(&t->at[i], verbs))
            a->verb = t->at[i].text;
}

enum btz_err btz_demo_find_outputs(const struct btz_demo_tokens *t, const bool *teaching,
                                   struct btz_arena *arena, struct btz_demo_asks *asks)
{
    static const char *const sql[] = { " or ", "--", "union", "drop", "select" };
    static const char *const shell[] = { ";", "|", "&&", "$(" };
    struct marks m = { 0 };

    (void)arena;
    for (size_t i = 0; i < t->count; i++) {
        if (teaching[t->at[i].sentence])
            continue;
        mark_token(t, i, &m);
        m.making = m.making || (t->at[i].kinds & (KIND(K_MAKE) | KIND(K_SAY) | KIND(K_TELL)));
    }
    find_addresses(t, asks);
    asks->payload = find_payload(t);
    if (!m.making)
        return BTZ_OK;
    add_literal_marks(t->source, &m);
    /* Colours in a terminal are no commands. */
    if (m.ansi && m.shell && !btz_demo_says(t->source, "command") &&
        !btz_demo_says(t->source, "shell") && !btz_demo_says(t->source, "bash"))
        m.shell = false;
    if (m.html)
        btz_demo_add_ask(asks, ASK_HTML, html_literal(t->source));
    if (m.sql)
        add_command(t, ASK_SQL, quoted_literal(t->source, sql, BTZ_COUNT(sql)),
                    "select insert update delete", asks);
    if (m.shell)
        add_command(t, ASK_SHELL, quoted_literal(t->source, shell, BTZ_COUNT(shell)),
                    "ping cp mv rm tar curl wget mail grep ls cat git ssh scp find echo chmod zip "
                    "touch nslookup "
                    "dig convert ffmpeg",
                    asks);
    if (m.template)
        btz_demo_add_ask(asks, ASK_TEMPLATE, template_literal(t->source));
    if (m.ansi)
        btz_demo_add_ask(asks, ASK_ANSI, btz_str(""));
    return BTZ_OK;
}
