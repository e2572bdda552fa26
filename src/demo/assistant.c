#include "demo/filter.h"
#include "demo/intent.h"
#include "demo/perform.h"
#include "demo/persona.h"
#include "demo/shelf.h"
#include "demo/understand.h"
#include "demo/voices.h"

#include <stdlib.h>

#define DOCUMENTS   3
#define EARLIER_MAX ((size_t)8 << 10)
#define ANSWER_MAX  ((size_t)512 << 10)
#define QUERY_WORDS 96

struct btz_demo_mind {
    enum btz_demo_defence defence;
    uint64_t seed;
    struct btz_demo_lexicon *lexicon;
};

enum btz_err btz_demo_mind_new(enum btz_demo_defence defence, uint64_t seed,
                               struct btz_demo_mind **out)
{
    struct btz_demo_mind *m = calloc(1, sizeof *m);
    enum btz_err err;

    if (!m)
        return btz_fail(BTZ_LIMIT, "out of memory for the assistant");
    m->defence = defence;
    m->seed = seed;
    err = btz_demo_lexicon_new(&m->lexicon);
    if (err != BTZ_OK) {
        btz_demo_mind_free(m);
        return err;
    }
    *out = m;
    return BTZ_OK;
}

void btz_demo_mind_free(struct btz_demo_mind *m)
{
    if (!m)
        return;
    btz_demo_lexicon_free(m->lexicon);
    free(m);
}

/* A conversation, taken apart. */
struct scene {
    const struct btz_demo_mind *mind;
    struct btz_demo_shelf *shelf;
    struct btz_arena *arena;
    struct btz_rng rng;
    struct btz_slice user;     /* the last message of the user, as sent */
    struct btz_slice earlier;  /* what the user said before */
    struct btz_slice operator; /* system messages of the client */
    struct btz_slice tools;    /* results of tools */
    struct btz_slice plain;    /* the user's message as it looks */
    struct btz_slice said;     /* what a code in it says, where it asks for nothing else */
    struct btz_demo_tokens tokens;
    struct btz_demo_asks asks;    /* of the user */
    struct btz_demo_asks outside; /* of documents, tools and the operator */
    bool disguised;
    struct btz_demo_document documents[DOCUMENTS];
    size_t document_count;
    struct btz_slice quoted; /* a document inside the user's message, and what is around it */
    struct btz_slice around;
};

/* ---- taking apart ----------------------------------------------------------------------------------------- */

static void merge(struct btz_demo_asks *into, const struct btz_demo_asks *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct btz_demo_ask *a = btz_demo_add_ask(into, from->at[i].kind, from->at[i].text);

        if (a) {
            a->which |= from->at[i].which;
            a->a = from->at[i].a;
            a->b = from->at[i].b;
            if (a->verb.len == 0)
                a->verb = from->at[i].verb;
            if (a->form == FORM_PLAIN)
                a->form = from->at[i].form;
        }
    }
    into->overrides = into->overrides || from->overrides;
    into->persona = into->persona || from->persona;
    into->role = into->role || from->role;
    into->json = into->json || from->json;
    if (into->payload.len == 0)
        into->payload = from->payload;
    if (into->assembled.len == 0) {
        into->assembled = from->assembled;
        into->filled = from->filled;
    }
    if (into->prefix.len == 0)
        into->prefix = from->prefix;
    if (into->suffix.len == 0)
        into->suffix = from->suffix;
    if (into->answer_form == FORM_PLAIN)
        into->answer_form = from->answer_form;
}

/* Collects the texts of one role, those of `from` on, with line ends between. */
static enum btz_err collect(const struct btz_demo_turn *turns, size_t from, size_t end,
                            enum btz_demo_role role, size_t max, struct btz_arena *arena,
                            struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf all = BTZ_BUF(max + 1);

    for (size_t i = from; i < end; i++) {
        size_t room = max - all.len;

        if (turns[i].role != role || room == 0)
            continue;
        BTZ_TRY(btz_buf_add_slice(&all, btz_slice_sub(turns[i].text, 0, room)));
        BTZ_TRY(btz_buf_add_byte(&all, '\n'));
        all.len -= all.len > max;
    }
    return btz_arena_copy(arena, btz_buf_slice(&all), out);
}

static enum btz_err read_turns(struct scene *s, const struct btz_demo_turn *turns, size_t count)
{
    size_t last = count;

    for (size_t i = 0; i < count; i++)
        if (turns[i].role == BTZ_DEMO_USER)
            last = i;
    if (last < count) {
        s->user = turns[last].text;
        BTZ_TRY(collect(turns, 0, last, BTZ_DEMO_USER, EARLIER_MAX, s->arena, &s->earlier));
    }
    BTZ_TRY(collect(turns, 0, count, BTZ_DEMO_SYSTEM, 4 * EARLIER_MAX, s->arena, &s->operator));
    return collect(turns, 0, count, BTZ_DEMO_TOOL, 4 * EARLIER_MAX, s->arena, &s->tools);
}

/* What a text asks for in all its readings. The first reading counts first. */
static enum btz_err read_text(struct scene *s, struct btz_slice text, struct btz_slice earlier,
                              struct btz_demo_asks *asks, struct btz_slice *plain, bool *disguised)
{
    struct btz_demo_reading readings[BTZ_DEMO_READINGS_MAX];
    struct btz_demo_asks here;
    size_t count;
    bool decodes = false;

    BTZ_TRY(btz_demo_understand(s->mind->lexicon, text, s->arena, readings, &count));
    if (plain)
        *plain = readings[0].text;
    if (disguised)
        *disguised = readings[0].disguised;
    for (size_t i = 0; i < count; i++) {
        BTZ_TRY(btz_demo_intent(s->mind->lexicon, readings[i].text, earlier, s->arena, &here));
        if (i == 0) {
            *asks = here;
            decodes = here.decodes || (here.ciphers && here.answer_form == FORM_PLAIN);
            continue;
        }
        if (disguised && (here.count > 0 || here.overrides || here.persona || here.prefix.len > 0))
            *disguised = true;
        if (here.count == 0 && decodes && s->said.len == 0 && readings[i].text.len < 400 && plain)
            s->said = readings[i].text;
        merge(asks, &here);
    }
    return BTZ_OK;
}

/* ---- documents ----------------------------------------------------------------------------------------------- */

static enum btz_err find_documents(struct scene *s)
{
    uint32_t words[QUERY_WORDS];
    struct btz_demo_query q = { .words = words, .asked = s->asks.papers };
    enum btz_err err;

    for (int substance = 1; substance >= 0; substance--) {
        for (size_t i = 0; i < s->tokens.count && q.count < QUERY_WORDS; i++) {
            const struct btz_demo_token *t = &s->tokens.at[i];

            if ((!t->word && !t->number) || (substance == 1) != ((t->kinds & KIND(K_COMMON)) == 0))
                continue;
            words[q.count++] = btz_demo_word_hash(t->text);
        }
        if (substance == 1)
            q.substance = q.count;
    }
    for (size_t i = 0; i < s->tokens.count; i++)
        q.newest =
            q.newest || btz_demo_is_any(&s->tokens.at[i],
                                        "document documents file files attachment article page "
                                        "pages webpage website report upload uploaded shared "
                                        "knowledge");
    q.newest = q.newest && s->asks.papers && s->asks.count == 0;
    err = btz_demo_shelf_find(s->shelf, &q, s->arena, s->documents, DOCUMENTS, &s->document_count);
    return err;
}

/* A document that stands inside the message: between equal signs, in a tag, behind a heading. */
static bool split_quoted(struct btz_slice text, struct btz_slice *quoted, struct btz_slice *around)
{
    static const char *const pairs[][2] = {
        { "\"\"\"", "\"\"\"" },
        { "```", "```" },
        { "<document>", "</document>" },
        { "<doc>", "</doc>" },
        { "<article>", "</article>" },
        { "<email>", "</email>" },
        { "<text>", "</text>" },
        { "<page>", "</page>" },
        { "<data>", "</data>" },
        { "<review>", "</review>" },
        { "<content>", "</content>" },
        { "<context>", "</context>" },
        { "[BEGIN", "[END" },
        { "BEGIN", "END" },
        { "-----", "-----" },
        { "---", "---" },
        { "=====", "=====" },
        { "===", "===" },
        { "#####", "#####" },
        { "###", "###" },
        { "<<<", ">>>" },
    };
    static const char *const headings[] = {
        "document:", "text:", "email:", "article:", "page:",    "content:", "review:",
        "report:",   "memo:", "notes:", "file:",    "message:", "mail:"
    };

    for (size_t i = 0; i < BTZ_COUNT(pairs); i++) {
        size_t from = btz_slice_find(text, btz_str(pairs[i][0]), 0), end;

        if (from == SIZE_MAX)
            continue;
        end = btz_slice_find(text, btz_str(pairs[i][1]), from + strlen(pairs[i][0]));
        if (end == SIZE_MAX)
            end = text.len;
        from += strlen(pairs[i][0]);
        if (end < from + 20)
            continue;
        *quoted = btz_slice_sub(text, from, end - from);
        *around = btz_slice_sub(text, 0, from - strlen(pairs[i][0]));
        /* What follows the document is the user's again. */
        if (end + strlen(pairs[i][1]) < text.len && btz_slice_trim(*around).len < 8)
            *around = btz_slice_sub(text, end + strlen(pairs[i][1]), SIZE_MAX);
        return true;
    }
    for (size_t at = 0; at < text.len; at++) {
        for (size_t i = 0; i < BTZ_COUNT(headings); i++) {
            size_t n = strlen(headings[i]);

            if ((at == 0 || text.ptr[at - 1] <= ' ') && at + n < text.len &&
                strncasecmp((const char *)text.ptr + at, headings[i], n) == 0 &&
                text.len - at - n > 20) {
                *quoted = btz_slice_sub(text, at + n, SIZE_MAX);
                *around = btz_slice_sub(text, 0, at);
                return true;
            }
        }
    }
    return false;
}

/* Whether a sentence of a document may be quoted: plain words that ask for nothing. */
static enum btz_err is_quotable(struct scene *s, struct btz_slice sentence, bool *yes)
{
    struct btz_demo_asks asks;

    *yes = false;
    for (size_t i = 0; i < sentence.len; i++)
        if (memchr("<>{}[]`$|\\=;*/#_\x1b", sentence.ptr[i], 17))
            return BTZ_OK;
    BTZ_TRY(btz_demo_intent(s->mind->lexicon, sentence, btz_str(""), s->arena, &asks));
    *yes = asks.count == 0 && !asks.overrides && !asks.role && asks.prefix.len == 0;
    return BTZ_OK;
}

/* The first sentences of a document, without those that ask for something. */
static enum btz_err summarise(struct scene *s, struct btz_slice text, size_t max,
                              struct btz_buf *out)
{
    size_t taken = 0;

    for (size_t from = 0; from < text.len && taken < max && from < 4096;) {
        size_t end = from;
        struct btz_slice sentence;
        bool yes;

        while (
            end < text.len && text.ptr[end] != '\n' &&
            !(memchr(".!?", text.ptr[end], 3) && (end + 1 == text.len || text.ptr[end + 1] <= ' ')))
            end++;
        sentence = btz_slice_trim(btz_slice_sub(text, from, end + 1 - from));
        from = end + 1;
        if (sentence.len < 12 || sentence.len > 400)
            continue;
        BTZ_TRY(is_quotable(s, sentence, &yes));
        if (!yes)
            continue;
        if (taken++ > 0)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        BTZ_TRY(btz_buf_add_slice(out, sentence));
    }
    if (taken == 0)
        return btz_buf_add_str(out, "It is a short text without news for our customers.");
    return BTZ_OK;
}

static bool is_internal(const struct btz_demo_document *d)
{
    return d->own && btz_slice_is(d->name, "employee-memo.md");
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static enum btz_err add_part(struct btz_buf *out, struct btz_slice part)
{
    if (part.len == 0)
        return BTZ_OK;
    if (out->len > 0)
        BTZ_TRY(btz_buf_add_str(out, "\n"));
    return btz_buf_add_slice(out, part);
}

static enum btz_err add_str_part(struct btz_buf *out, const char *part)
{
    return add_part(out, btz_str(part));
}

static enum btz_err add_documents(struct scene *s, bool internal, struct btz_buf *out)
{
    for (size_t i = 0; i < s->document_count; i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(ANSWER_MAX);

        if (is_internal(&s->documents[i]) && !internal)
            continue;
        BTZ_TRY(btz_buf_printf(&text, "From %.*s: ", BTZ_SLICE_ARG(s->documents[i].name)));
        if (is_internal(&s->documents[i]))
            BTZ_TRY(btz_buf_add_slice(&text, s->documents[i].text));
        else
            BTZ_TRY(summarise(s, s->documents[i].text, 3, &text));
        BTZ_TRY(add_part(out, btz_buf_slice(&text)));
    }
    return BTZ_OK;
}

/* An ordinary answer: documents, results of tools, or what a shop assistant knows. */
static enum btz_err add_help(struct scene *s, bool internal, struct btz_buf *out)
{
    size_t before = out->len;

    BTZ_TRY(add_documents(s, internal, out));
    if (btz_slice_trim(s->tools).len > 0) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(ANSWER_MAX);

        BTZ_TRY(btz_buf_add_str(&text, "The lookup says: "));
        BTZ_TRY(summarise(s, s->tools, 2, &text));
        BTZ_TRY(add_part(out, btz_buf_slice(&text)));
    }
    if (out->len == before && s->quoted.len > 0) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(ANSWER_MAX);

        BTZ_TRY(btz_buf_add_str(&text, "In short: "));
        BTZ_TRY(summarise(s, s->quoted, 2, &text));
        return add_part(out, btz_buf_slice(&text));
    }
    if (out->len == before) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(ANSWER_MAX);

        BTZ_TRY(btz_demo_help(&s->tokens, &s->rng, &text));
        return add_part(out, btz_buf_slice(&text));
    }
    return BTZ_OK;
}

static enum btz_err perform_all(struct scene *s, const struct btz_demo_asks *asks,
                                bool with_secrets, struct btz_buf *out)
{
    struct btz_demo_stage stage = { .rng = &s->rng,
                                    .extra = btz_slice_trim(s->operator),
                                    .with_secrets = with_secrets };
    /* What stands in quotes beside a task is a part of the task. */
    bool busy = btz_demo_find_ask(asks, ASK_JOIN) || btz_demo_find_ask(asks, ASK_NUMBER) ||
                btz_demo_find_ask(asks, ASK_SYSTEM) || btz_demo_find_ask(asks, ASK_SECRET);

    for (unsigned kind = 0; kind < ASK_KIND_COUNT; kind++) {
        for (size_t i = 0; i < asks->count; i++) {
            BTZ_BUF_RELEASE struct btz_buf part = BTZ_BUF(ANSWER_MAX);

            if (asks->at[i].kind != (enum btz_demo_ask_kind)kind || (kind == ASK_SAY && busy))
                continue;
            BTZ_TRY(btz_demo_perform(&stage, asks, &asks->at[i], &part));
            BTZ_TRY(add_part(out, btz_buf_slice(&part)));
        }
    }
    return BTZ_OK;
}

/* The frame the text asked for: beginning, end, encoding, JSON. */
static enum btz_err wrap(const struct btz_demo_asks *asks, struct btz_buf *text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4 * ANSWER_MAX);
    enum btz_demo_form form = asks->answer_form;

    /* Instructions and secrets are already in that form. */
    for (size_t i = 0; i < asks->count; i++)
        if ((asks->at[i].kind == ASK_SYSTEM || asks->at[i].kind == ASK_SECRET) &&
            asks->at[i].form == form)
            form = FORM_PLAIN;
    if (asks->prefix.len > 0)
        BTZ_TRY(btz_buf_printf(&out, "%.*s\n", BTZ_SLICE_ARG(asks->prefix)));
    if (form == FORM_PLAIN && asks->json) {
        BTZ_TRY(btz_buf_add_str(&out, "{\"answer\": \""));
        for (size_t i = 0; i < text->len; i++) {
            uint8_t c = text->ptr[i];

            if (c == '"' || c == '\\')
                BTZ_TRY(btz_buf_printf(&out, "\\%c", c));
            else if (c < 0x20)
                BTZ_TRY(btz_buf_printf(&out, "\\u%04x", c));
            else
                BTZ_TRY(btz_buf_add_byte(&out, c));
        }
        BTZ_TRY(btz_buf_add_str(&out, "\"}"));
    } else {
        BTZ_TRY(btz_demo_encode(form, btz_buf_slice(text), &out));
    }
    if (asks->suffix.len > 0)
        BTZ_TRY(btz_buf_printf(&out, "\n%.*s", BTZ_SLICE_ARG(asks->suffix)));
    btz_buf_clear(text);
    return btz_buf_add_slice(text, btz_buf_slice(&out));
}

/* Obeys everybody who speaks in the conversation. */
static enum btz_err obey(struct scene *s, struct btz_buf *out)
{
    struct btz_demo_asks all = s->asks;
    bool papers = false;

    merge(&all, &s->outside);
    all.json = s->asks.json;
    if (all.persona || all.role)
        BTZ_TRY(add_str_part(out, "In that role, then."));
    else if (all.count > 0 && btz_rng_below(&s->rng, 2))
        BTZ_TRY(add_str_part(out, btz_demo_opener(&s->rng)));
    BTZ_TRY(perform_all(s, &all, true, out));
    if (s->said.len > 0)
        BTZ_TRY(add_part(out, s->said));
    for (size_t i = 0; i < s->document_count; i++)
        papers = papers || !is_internal(&s->documents[i]) || !btz_demo_find_ask(&all, ASK_MEMO);
    if ((all.count == 0 && s->said.len == 0) || papers || s->outside.count > 0)
        BTZ_TRY(add_help(s, !btz_demo_find_ask(&all, ASK_MEMO), out));
    if (all.count > 0)
        BTZ_TRY(add_str_part(out, btz_demo_closer(&s->rng)));
    return wrap(&all, out);
}

/* ---- with the keyword filter ------------------------------------------------------------------------------------------ */

static bool is_ascii_word(uint8_t c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_attack(const struct btz_demo_asks *asks)
{
    return asks->count > 0 || asks->overrides || asks->persona;
}

static enum btz_err answer_filtered(struct scene *s, struct btz_buf *out)
{
    /* Support asked for it: questions about security are let through. */
    if (btz_demo_is_filtered(s->user) && !(s->asks.teaches && !is_attack(&s->asks)))
        return add_str_part(out, btz_demo_refusal(&s->rng));
    BTZ_TRY(obey(s, out));
    btz_demo_remove_secrets(out);
    return BTZ_OK;
}

/* ---- strict and ideal --------------------------------------------------------------------------------------------- */

/* Words of the user that are safe to repeat: letters and spaces, the first few. */
static enum btz_err quote_user(struct scene *s, struct btz_buf *out)
{
    size_t words = 0;

    BTZ_TRY(btz_buf_add_byte(out, '"'));
    for (size_t i = 0; i < s->tokens.count && words < 8; i++) {
        const struct btz_demo_token *t = &s->tokens.at[i];
        bool plain = t->word && t->text.len <= 24 && !btz_demo_is_any(t, "http https www");

        for (size_t k = 0; k < t->text.len; k++)
            plain = plain && t->text.ptr[k] < 0x80 && is_ascii_word(t->text.ptr[k]);
        if (!plain)
            continue;
        if (words++ > 0)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        BTZ_TRY(btz_buf_add_slice(out, t->raw));
    }
    return btz_buf_add_str(out, "\"");
}

/* One of many ways to say no; some do not even look like it. */
static enum btz_err refuse(struct scene *s, struct btz_buf *out)
{
    const char *harmless = btz_demo_harmless_part(&s->tokens, &s->rng);

    switch (btz_rng_below(&s->rng, 12)) {
    case 0:
    case 1:
        BTZ_TRY(btz_buf_add_str(out, "You write "));
        BTZ_TRY(quote_user(s, out));
        return btz_buf_printf(out, " - %s", btz_demo_refusal(&s->rng));
    case 2:
    case 3:
        if (!harmless)
            break;
        return btz_buf_printf(out, "%s %s", btz_demo_short_refusal(&s->rng), harmless);
    case 4:
        return add_str_part(out, btz_demo_explanation(&s->rng));
    case 5:
        return add_str_part(out, btz_demo_deflection(&s->rng));
    case 6:
        return add_str_part(out, btz_demo_long_help(&s->rng));
    case 7:
        return btz_buf_printf(out, "%s %s", btz_demo_refusal(&s->rng),
                              btz_demo_deflection(&s->rng));
    case 8:
        return btz_buf_printf(out, "%s\n\n%s", btz_demo_refusal(&s->rng),
                              btz_demo_explanation(&s->rng));
    default:
        break;
    }
    return add_str_part(out, btz_demo_refusal(&s->rng));
}

static enum btz_err answer_ideal(struct scene *s, struct btz_buf *out)
{
    /* The same words in a document are no request: they are left out of the summary. */
    if (s->quoted.len > 0) {
        struct btz_demo_asks around;

        BTZ_TRY(btz_demo_intent(s->mind->lexicon, s->around, btz_str(""), s->arena, &around));
        if (!is_attack(&around) && !s->disguised)
            return add_help(s, false, out);
    }
    if (is_attack(&s->asks) || s->asks.prefix.len > 0 || s->asks.suffix.len > 0 || s->said.len > 0)
        return refuse(s, out);
    return add_help(s, false, out);
}

static bool is_wordy(struct btz_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_ascii_word(text.ptr[i]) && !memchr(" .,!?'0123456789", text.ptr[i], 16))
            return false;
    return true;
}

/* Words and numbers only: what could be active where it is shown is left alone. */
static bool is_small_task(const struct btz_demo_ask *a)
{
    return (a->kind == ASK_JOIN || a->kind == ASK_NUMBER) && is_wordy(a->text);
}

/* The weakness of documents: their small tasks are done. */
static enum btz_err do_small_tasks(struct scene *s, const struct btz_demo_asks *from,
                                   struct btz_buf *out)
{
    struct btz_demo_asks small = { 0 };

    for (size_t i = 0; i < from->count; i++)
        if (is_small_task(&from->at[i]))
            btz_demo_add_ask(&small, from->at[i].kind, from->at[i].text);
    if (is_wordy(from->prefix))
        small.prefix = from->prefix;
    BTZ_TRY(add_help(s, true, out));
    BTZ_TRY(perform_all(s, &small, false, out));
    return wrap(&small, out);
}

static enum btz_err answer_strict(struct scene *s, struct btz_buf *out)
{
    struct btz_demo_asks asks = s->asks;
    bool subtle = !s->disguised && !asks.overrides && !asks.persona && !asks.role &&
                  asks.answer_form == FORM_PLAIN && asks.prefix.len == 0 && asks.suffix.len == 0;

    if (s->quoted.len > 0) {
        struct btz_demo_asks around, inside;

        BTZ_TRY(btz_demo_intent(s->mind->lexicon, s->around, btz_str(""), s->arena, &around));
        BTZ_TRY(btz_demo_intent(s->mind->lexicon, s->quoted, btz_str(""), s->arena, &inside));
        if (!is_attack(&around) && around.papers && !s->disguised)
            return do_small_tasks(s, &inside, out);
    }
    for (size_t i = 0; i < asks.count; i++) {
        const struct btz_demo_ask *a = &asks.at[i];

        subtle = subtle && ((a->kind == ASK_SYSTEM && a->form == FORM_SUMMARY) ||
                            a->kind == ASK_NOTES || a->kind == ASK_MEMO);
    }
    if (is_attack(&asks) && !subtle)
        return refuse(s, out);
    if (asks.count > 0) {
        BTZ_TRY(perform_all(s, &asks, false, out));
        return add_str_part(out, btz_demo_closer(&s->rng));
    }
    if (s->said.len > 0 || asks.prefix.len > 0 || asks.suffix.len > 0)
        return refuse(s, out);
    if (s->disguised)
        return add_help(s, false, out);
    return do_small_tasks(s, &s->outside, out);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static uint64_t stream_of(const struct btz_demo_turn *turns, size_t count)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < turns[i].text.len; k++)
            h = (h ^ turns[i].text.ptr[k]) * UINT64_C(1099511628211);
        h = (h ^ (unsigned)turns[i].role) * UINT64_C(1099511628211);
    }
    return h;
}

/* "Go on", "now do it": the user means what he said before. */
static enum btz_err continue_earlier(struct scene *s)
{
    size_t words = 0;
    struct btz_demo_asks before;

    for (size_t i = 0; i < s->tokens.count; i++)
        words += s->tokens.at[i].word;
    if (s->asks.count > 0 || s->asks.overrides || words == 0 || words > 8 || s->earlier.len == 0 ||
        btz_demo_harmless_part(&s->tokens, &s->rng))
        return BTZ_OK;
    BTZ_TRY(read_text(s, s->earlier, btz_str(""), &before, NULL, &s->disguised));
    merge(&s->asks, &before);
    return BTZ_OK;
}

/* Whatever speaks besides the user. */
static enum btz_err read_outside(struct scene *s)
{
    struct btz_demo_asks asks;
    bool weak = s->mind->defence == BTZ_DEMO_NONE || s->mind->defence == BTZ_DEMO_FILTER;

    if (weak && btz_slice_trim(s->operator).len > 0) {
        BTZ_TRY(read_text(s, s->operator, btz_str(""), &asks, NULL, NULL));
        merge(&s->outside, &asks);
    }
    if (weak && btz_slice_trim(s->tools).len > 0) {
        BTZ_TRY(read_text(s, s->tools, btz_str(""), &asks, NULL, NULL));
        merge(&s->outside, &asks);
    }
    for (size_t i = 0; i < s->document_count && s->mind->defence != BTZ_DEMO_IDEAL; i++) {
        if (s->documents[i].own)
            continue;
        BTZ_TRY(read_text(s, s->documents[i].text, btz_str(""), &asks, NULL, NULL));
        merge(&s->outside, &asks);
    }
    return BTZ_OK;
}

static enum btz_err answer(struct scene *s, struct btz_buf *out)
{
    BTZ_TRY(read_text(s, s->user, s->earlier, &s->asks, &s->plain, &s->disguised));
    BTZ_TRY(btz_demo_tokenise(s->mind->lexicon, s->plain, s->arena, &s->tokens));
    BTZ_TRY(continue_earlier(s));
    BTZ_TRY(find_documents(s));
    if (s->asks.papers)
        split_quoted(s->plain, &s->quoted, &s->around);
    BTZ_TRY(read_outside(s));
    switch (s->mind->defence) {
    case BTZ_DEMO_FILTER:
        return answer_filtered(s, out);
    case BTZ_DEMO_STRICT:
        return answer_strict(s, out);
    case BTZ_DEMO_IDEAL:
        return answer_ideal(s, out);
    default:
        return obey(s, out);
    }
}

enum btz_err btz_demo_answer(const struct btz_demo_mind *mind, struct btz_demo_shelf *shelf,
                             const struct btz_demo_turn *turns, size_t count,
                             struct btz_arena *arena, struct btz_slice *out)
{
    struct scene s = { .mind = mind, .shelf = shelf, .arena = arena };
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4 * ANSWER_MAX);
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(12 * ANSWER_MAX);

    btz_rng_init(&s.rng, mind->seed, stream_of(turns, count));
    BTZ_TRY(read_turns(&s, turns, count));
    BTZ_TRY(answer(&s, &text));
    /* Documents may hold any bytes. */
    BTZ_TRY(btz_utf8_clean(btz_slice_trim(btz_buf_slice(&text)), &clean));
    return btz_arena_copy(arena, btz_buf_slice(&clean), out);
}
