#include "demo/intent.h"

#define SENTENCE_WORDS_QUOTED 3

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

struct lexer {
    const struct btz_demo_lexicon *lexicon;
    struct btz_slice in;
    uint8_t *lower;
    size_t at;
    unsigned sentence;
    struct btz_demo_token *out;
    size_t count;
};

static void push(struct lexer *x, size_t from, size_t len, bool word, bool number)
{
    struct btz_demo_token *t = &x->out[x->count++];

    *t = (struct btz_demo_token){ .text = btz_slice_of(x->lower + from, len),
                                  .raw = btz_slice_sub(x->in, from, len),
                                  .word = word,
                                  .number = number,
                                  .sentence = x->sentence };
    t->kinds = btz_demo_kinds(x->lexicon, t->text);
    if (number) {
        for (size_t i = from; i < from + len && t->value < UINT64_C(1) << 40; i++)
            if (is_digit(x->lower[i]))
                t->value = t->value * 10 + (uint64_t)(x->lower[i] - '0');
    }
}

/* "it's", "don't": an apostrophe between letters belongs to the word. */
static size_t word_end(struct btz_slice in, size_t at)
{
    while (at < in.len &&
           (is_word_byte(in.ptr[at]) ||
            (in.ptr[at] == '\'' && at + 1 < in.len && (in.ptr[at + 1] | 32) >= 'a' &&
             (in.ptr[at + 1] | 32) <= 'z' && at > 0 && (in.ptr[at - 1] | 32) >= 'a' &&
             (at + 2 >= in.len || !is_word_byte(in.ptr[at + 2]) || at + 3 >= in.len ||
              !is_word_byte(in.ptr[at + 3])))))
        at++;
    return at;
}

/* Digits with thousands commas; 0 when what starts here is no number ("7q4"). */
static size_t number_end(struct btz_slice in, size_t at)
{
    while (at < in.len && (is_digit(in.ptr[at]) ||
                           (in.ptr[at] == ',' && at + 3 < in.len && is_digit(in.ptr[at + 1]) &&
                            is_digit(in.ptr[at + 2]) && is_digit(in.ptr[at + 3]) && at > 0 &&
                            is_digit(in.ptr[at - 1]))))
        at++;
    if (at < in.len && is_word_byte(in.ptr[at])) {
        /* "12x34" is a product. */
        if ((in.ptr[at] | 32) == 'x' && at + 1 < in.len && is_digit(in.ptr[at + 1]))
            return at;
        return 0;
    }
    return at;
}

static bool ends_sentence(struct btz_slice in, size_t at)
{
    uint8_t c = in.ptr[at];
    uint8_t next = at + 1 < in.len ? in.ptr[at + 1] : '\n';

    return c == '\n' || ((c == '.' || c == '!' || c == '?' || c == ';') &&
                         (next <= ' ' || next == '"' || next == '\''));
}

static void lex(struct lexer *x)
{
    while (x->at < x->in.len && x->count < BTZ_DEMO_TOKENS_MAX) {
        uint8_t c = x->in.ptr[x->at];
        size_t end;

        if (is_digit(c) && (end = number_end(x->in, x->at)) > 0) {
            push(x, x->at, end - x->at, false, true);
            if (end < x->in.len && (x->in.ptr[end] | 32) == 'x' && end + 1 < x->in.len &&
                is_digit(x->in.ptr[end + 1]))
                push(x, end++, 1, false, false);
            x->at = end;
        } else if (is_word_byte(c)) {
            end = word_end(x->in, x->at);
            push(x, x->at, end - x->at, true, false);
            x->at = end;
        } else {
            if (c > ' ')
                push(x, x->at, 1, false, false);
            x->sentence += ends_sentence(x->in, x->at);
            x->at++;
        }
    }
}

/* Marks short spans between matching signs. */
static void mark_quotes(struct btz_demo_tokens *t)
{
    static const char opening[] = "\"'`[{<(", closing[] = "\"'`]}>)";

    for (size_t i = 0; i < t->count; i++) {
        const char *sign;

        if (t->at[i].word || t->at[i].number)
            continue;
        sign = strchr(opening, t->at[i].text.ptr[0]);
        if (!sign)
            continue;
        for (size_t k = i + 1; k < t->count && k <= i + SENTENCE_WORDS_QUOTED + 1; k++) {
            if (!t->at[k].word && !t->at[k].number &&
                t->at[k].text.ptr[0] == (uint8_t)closing[sign - opening]) {
                /* Parentheses hold remarks more often than objects. */
                for (size_t m = i + 1; m < k && *sign != '('; m++)
                    t->at[m].quoted = true;
                if (k > i + 1 && *sign != '(')
                    i = k;
                break;
            }
        }
    }
}

static enum btz_err index_sentences(struct btz_demo_tokens *t, struct btz_arena *arena)
{
    unsigned next = 0;

    t->sentence_count = t->count ? t->at[t->count - 1].sentence + 1 : 0;
    t->sentences = btz_arena_array(arena, (size_t)t->sentence_count + 1, sizeof *t->sentences);
    if (!t->sentences)
        return BTZ_LIMIT;
    for (size_t i = 0; i < t->count; i++)
        while (next <= t->at[i].sentence)
            t->sentences[next++] = i;
    t->sentences[t->sentence_count] = t->count;
    return BTZ_OK;
}

enum btz_err btz_demo_tokenise(const struct btz_demo_lexicon *lexicon, struct btz_slice text,
                               struct btz_arena *arena, struct btz_demo_tokens *out)
{
    struct lexer x = { .lexicon = lexicon, .in = text };

    x.lower = btz_arena_alloc(arena, text.len + 1);
    x.out = btz_arena_array(arena,
                            (text.len < BTZ_DEMO_TOKENS_MAX ? text.len : BTZ_DEMO_TOKENS_MAX) + 2,
                            sizeof *x.out);
    if (!x.lower || !x.out)
        return BTZ_LIMIT;
    for (size_t i = 0; i < text.len; i++)
        x.lower[i] =
            text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (uint8_t)(text.ptr[i] | 32) : text.ptr[i];
    lex(&x);
    *out = (struct btz_demo_tokens){ .source = text, .at = x.out, .count = x.count };
    mark_quotes(out);
    return index_sentences(out, arena);
}

bool btz_demo_near(const struct btz_demo_tokens *t, size_t from, size_t to, uint64_t kinds)
{
    for (size_t i = from; i < to && i < t->count; i++)
        if (t->at[i].sentence == t->at[from].sentence && (t->at[i].kinds & kinds))
            return true;
    return false;
}

bool btz_demo_in_sentence(const struct btz_demo_tokens *t, unsigned sentence, uint64_t kinds)
{
    if (sentence >= t->sentence_count)
        return false;
    for (size_t i = t->sentences[sentence]; i < t->sentences[sentence + 1]; i++)
        if (t->at[i].kinds & kinds)
            return true;
    return false;
}

bool btz_demo_is_any(const struct btz_demo_token *token, const char *words)
{
    size_t len = token->text.len;

    for (const char *at = words; *at;) {
        const char *start = at;

        while (*at && *at != ' ')
            at++;
        if ((size_t)(at - start) == len && memcmp(start, token->text.ptr, len) == 0)
            return true;
        while (*at == ' ')
            at++;
    }
    return false;
}

bool btz_demo_says(struct btz_slice text, const char *phrase)
{
    size_t n = strlen(phrase);

    for (size_t i = 0; i + n <= text.len; i++)
        if ((text.ptr[i] | 32) == ((uint8_t)phrase[0] | 32) &&
            strncasecmp((const char *)text.ptr + i, phrase, n) == 0)
            return true;
    return false;
}
