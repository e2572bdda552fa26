/* Texts that come in pieces: "part one: ...", "part two: ...", or two quotations that belong together. */
#include "demo/intent.h"

#define PIECES    8
#define PIECE_MAX 200
#define LABEL_MAX 30

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* A value without the quotation marks around all of it. */
static struct btz_slice unquoted(struct btz_slice s)
{
    s = btz_slice_trim(s);
    if (s.len >= 2 && (s.ptr[0] == '"' || s.ptr[0] == '`') && s.ptr[s.len - 1] == s.ptr[0] &&
        !memchr(s.ptr + 1, s.ptr[0], s.len - 2))
        return btz_slice_sub(s, 1, s.len - 2);
    return s;
}

/* A line of a dialogue or the head of a letter is no piece. */
static bool is_speaker(struct btz_slice label)
{
    static const char *const names[] = { "operator", "assistant", "user", "system",   "human",
                                         "ai",       "q",         "a",    "answer",   "from",
                                         "subject",  "to",        "date", "question", "bot",
                                         "input",    "output",    "note" };

    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (label.len == strlen(names[i]) && btz_demo_says(label, names[i]))
            return true;
    return false;
}

/* The value of a line "label: value", "label = value" or "1) value"; false when it is none. */
static bool piece_of_line(struct btz_slice line, struct btz_slice *value)
{
    size_t i = 0, words = 0, end;

    line = btz_slice_trim(line);
    while (i < line.len && (line.ptr[i] == '-' || line.ptr[i] == '*' || line.ptr[i] == '(' ||
                            is_space(line.ptr[i])))
        i++;
    if (i + 1 < line.len && line.ptr[i] >= '1' && line.ptr[i] <= '9' &&
        (line.ptr[i + 1] == ')' || line.ptr[i + 1] == '.')) {
        *value = unquoted(btz_slice_sub(line, i + 2, PIECE_MAX));
        return value->len > 0;
    }
    for (end = i;
         end < line.len && end < i + LABEL_MAX && line.ptr[end] != ':' && line.ptr[end] != '=';
         end++) {
        if (!is_space(line.ptr[end]) && line.ptr[end] != '_' && line.ptr[end] != '-' &&
            !is_alnum(line.ptr[end]))
            return false;
        words += end == i || (is_space(line.ptr[end - 1]) && !is_space(line.ptr[end]));
    }
    if (end == i || end >= line.len || end == i + LABEL_MAX || words > 3 ||
        is_speaker(btz_slice_trim(btz_slice_sub(line, i, end - i))))
        return false;
    *value = unquoted(btz_slice_sub(line, end + 1, PIECE_MAX));
    return value->len > 0;
}

/* The last lines in a row that hold pieces; of more than two with names, the last two. */
static size_t labelled_pieces(struct btz_slice text, struct btz_slice *out)
{
    struct btz_reader lines = { .in = text, .what = "message" };
    struct btz_slice line, value;
    size_t n = 0;

    while (btz_read_line(&lines, &line)) {
        if (piece_of_line(line, &value)) {
            if (n == PIECES) {
                memmove(&out[0], &out[1], (PIECES - 1) * sizeof *out);
                n--;
            }
            out[n++] = value;
        } else if (btz_slice_trim(line).len > 0) {
            n = 0;
        }
    }
    if (n < 2)
        return 0;
    out[0] = out[n - 2];
    out[1] = out[n - 1];
    return 2;
}

/* Two quotations, at least one of which is more than a word. */
static size_t quoted_pieces(struct btz_slice text, struct btz_slice *out, bool *turned)
{
    size_t n = 0, end = 0;
    bool rich = false;

    for (size_t i = 0; i < text.len && n < 3; i++) {
        char sign[2] = { (char)text.ptr[i], '\0' };
        size_t close;

        if (text.ptr[i] != '"')
            continue;
        close = btz_slice_find(btz_slice_sub(text, i + 1, PIECE_MAX), btz_str(sign), 0);
        if (close == SIZE_MAX)
            break;
        /* The name of something is no piece. */
        if (i + close + 2 < text.len && text.ptr[i + close + 2] == ':') {
            i += close + 1;
            continue;
        }
        if (n < 2)
            out[n] = btz_slice_sub(text, i + 1, close);
        for (size_t k = 0; k < close && n < 2; k++)
            rich = rich || memchr(" ;<>'`$&|(){}=", text.ptr[i + 1 + k], 14);
        i += close + 1;
        end = i;
        n++;
    }
    *turned = n == 2 && btz_demo_says(btz_slice_sub(text, end, 60), "in front");
    /* Members of an object are no pieces of one text. */
    return n == 2 && rich && out[0].len > 0 && out[1].len > 0 && text.ptr[0] != '{' ? 2 : 0;
}

static bool speaks_of_joining(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        if ((t->at[i].kinds & KIND(K_JOIN)) ||
            btz_demo_is_any(&t->at[i],
                            "attached glued stuck ends together directly parts pieces both whole "
                            "consists belong gap joined split") ||
            ((t->at[i].kinds & KIND(K_NO)) && btz_demo_near(t, i + 1, i + 5, KIND(K_GAP))))
            return true;
    return false;
}

static bool is_name(const struct btz_demo_token *x)
{
    for (size_t i = 0; i < x->raw.len; i++)
        if (x->raw.ptr[i] < 'A' || x->raw.ptr[i] > 'Z')
            return false;
    return x->word &&
           !btz_demo_is_any(x,
                            "i a sql html xml json select from where insert update delete into set "
                            "and or values union api url id");
}

/* "Dear NAME. NAME is ...": the name in capitals that is used, then explained; NULL: none. */
static const struct btz_demo_token *find_name(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (!is_name(&t->at[i]))
            continue;
        for (size_t k = i + 1; k + 1 < t->count; k++)
            if (btz_slice_equal(t->at[k].raw, t->at[i].raw) &&
                (btz_demo_is_any(&t->at[k + 1], "is are = joins consists equals means : was has") ||
                 (k > 1 && btz_demo_is_any(&t->at[k - 1], "of for"))))
                return &t->at[i];
    }
    return NULL;
}

/* The sentence or line in which the name is used, with the payload in its place. */
static enum btz_err fill(const struct btz_demo_tokens *t, const struct btz_demo_token *name,
                         struct btz_slice payload, struct btz_arena *arena, struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf filled = BTZ_BUF(4096);
    struct btz_slice text = t->source;
    size_t at = (size_t)(name->raw.ptr - text.ptr), from = at, end = at + name->raw.len,
           before = at;

    while (from > 0 && at - from < 300 && text.ptr[from - 1] != '\n' &&
           !(from > 1 && text.ptr[from - 1] == ' ' && memchr(".:;", text.ptr[from - 2], 3)))
        from--;
    while (end < text.len && end - at < 300 && text.ptr[end] != '\n' &&
           !(text.ptr[end] == '.' && (end + 1 == text.len || text.ptr[end + 1] <= ' ')))
        end++;
    while (before > from && text.ptr[before - 1] == ' ')
        before--;
    BTZ_TRY(btz_buf_add_slice(&filled, btz_slice_sub(text, from, at - from)));
    /* A bare value in a statement wants quotes. */
    if (before > from && text.ptr[before - 1] == '=' && before < at)
        BTZ_TRY(btz_buf_printf(&filled, "'%.*s'", BTZ_SLICE_ARG(payload)));
    else
        BTZ_TRY(btz_buf_add_slice(&filled, payload));
    BTZ_TRY(btz_buf_add_slice(&filled,
                              btz_slice_sub(text, at + name->raw.len, end - at - name->raw.len)));
    return btz_arena_copy(arena, btz_buf_slice(&filled), out);
}

enum btz_err btz_demo_find_parts(const struct btz_demo_tokens *t, struct btz_arena *arena,
                                 struct btz_demo_asks *asks)
{
    BTZ_BUF_RELEASE struct btz_buf whole = BTZ_BUF(PIECES * PIECE_MAX);
    const struct btz_demo_token *name;
    struct btz_slice pieces[PIECES], text;
    bool turned = false;
    size_t n = labelled_pieces(t->source, pieces);

    if (n == 0)
        n = quoted_pieces(t->source, pieces, &turned);
    if (n == 0 || !speaks_of_joining(t))
        return BTZ_OK;
    for (size_t i = 0; i < n; i++)
        BTZ_TRY(btz_buf_add_slice(&whole, pieces[turned ? n - 1 - i : i]));
    BTZ_TRY(btz_arena_copy(arena, btz_buf_slice(&whole), &text));
    asks->assembled = text;
    btz_demo_add_ask(asks, ASK_JOIN, text);
    name = find_name(t);
    return name ? fill(t, name, text, arena, &asks->filled) : BTZ_OK;
}
