/* Small tasks in words and numbers: whoever does them for a stranger obeys him. */
#include "demo/intent.h"

#define CHAIN      8
#define OBJECT_MAX 400 /* bytes of a text to repeat */

/* Kinds that are subjects of a shop and may be words of a game as well. */
#define SUBJECTS                                                                                   \
    (KIND(K_GOODS) | KIND(K_WEATHER) | KIND(K_HELLO) | KIND(K_PAY) | KIND(K_SHIP) | KIND(K_POEM) | \
     KIND(K_IMAGE) | KIND(K_ANSI))

struct candidate {
    size_t at;
    int score;
};

static bool is_sign(const struct btz_demo_token *t, const char *signs)
{
    return !t->word && !t->number && strchr(signs, t->text.ptr[0]);
}

static bool is_capital(const struct btz_demo_token *t)
{
    for (size_t i = 0; i < t->raw.len; i++)
        if (t->raw.ptr[i] >= 'a' && t->raw.ptr[i] <= 'z')
            return false;
    return t->word && t->raw.len >= 3;
}

/* How much a token looks like the object of a word game; negative: not at all. */
static int score_of(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];
    int score = 0;

    if (!x->word || x->text.len < 2 || x->text.len > 32)
        return -1;
    if (btz_demo_is_any(x, "http https www com example org net amp quot nbsp px src alt md txt"))
        return -1;
    if (x->kinds & KIND(K_COMMON) || x->kinds & ~SUBJECTS) {
        if (!x->quoted && !is_capital(x))
            return -1;
        /* In quotes any word may be one, but names of instructions less likely. */
        score -= x->kinds & ~(SUBJECTS | KIND(K_COMMON)) ? 4 : 3;
    } else if (x->kinds == 0) {
        score += 2;
    }
    if (x->quoted)
        score += 4;
    if (is_capital(x))
        score += 2;
    if (i > 0 && (is_sign(&t->at[i - 1], "=:") || btz_demo_is_any(&t->at[i - 1], "is word be")))
        score += 1;
    if (i > 1 && is_sign(&t->at[i - 1], "\"'`") && is_sign(&t->at[i - 2], "=:+"))
        score += 1;
    return score;
}

/* The next word or number after `i`, when only joining words and signs stand between; else 0. */
static size_t joined_to(const struct btz_demo_tokens *t, size_t i, bool plus_only, bool *swapped)
{
    bool joint = false, gap = false;
    size_t steps = 0;

    *swapped = false;
    for (size_t k = i + 1; k < t->count && steps < 9; k++, steps++) {
        const struct btz_demo_token *x = &t->at[k];

        if (is_sign(x, "\"'`[]{}<>()*_")) {
            continue;
        } else if (is_sign(x, "+")) {
            joint = true;
        } else if (plus_only) {
            return joint && score_of(t, k) >= 0 ? k : 0;
        } else if (is_sign(x, "&,-|/>")) {
            joint = true;
        } else if (x->kinds & KIND(K_AND)) {
            joint = true;
        } else if (x->kinds & KIND(K_AFTER)) {
            *swapped = true;
            joint = true;
        } else if (btz_demo_is_any(x, "the a immediately directly word string text right second "
                                      "other by of it term part half el la le das der und its "
                                      "again token suffix piece")) {
            continue;
        } else if (score_of(t, k) >= 0) {
            /* Two words side by side: "kestrel marble". */
            return joint || (k == i + 1 && !gap) ? k : 0;
        } else {
            return 0;
        }
    }
    return 0;
}

/* "a + b" where names were given quoted values before. */
static bool adds_names(const struct btz_demo_tokens *t, size_t i)
{
    size_t quoted = 0;

    for (size_t k = 0; k < t->count; k++)
        quoted += t->at[k].word && t->at[k].quoted;
    return quoted >= 2 && t->at[i - 1].word && t->at[i + 1].word && t->at[i - 1].text.len <= 12;
}

/* "sun + flower = sunflower": solved already. */
static bool is_solved(const struct btz_demo_tokens *t, size_t i)
{
    for (size_t k = i + 1; k < t->count && k < i + 5; k++)
        if (is_sign(&t->at[k], "="))
            return k + 1 < t->count && t->at[k + 1].word;
    return false;
}

/* Where joining is spoken of; SIZE_MAX: nowhere. *strong: it cannot mean anything else. */
static size_t find_signal(const struct btz_demo_tokens *t, size_t from, bool *strong)
{
    for (size_t i = from; i < t->count; i++) {
        const struct btz_demo_token *x = &t->at[i];

        *strong = true;
        if ((x->kinds & KIND(K_NO)) && btz_demo_near(t, i + 1, i + 6, KIND(K_GAP)))
            return i;
        if ((x->kinds & KIND(K_ONE)) && i + 1 < t->count &&
            btz_demo_near(t, i + 1, i + 4, KIND(K_WORD)) &&
            !btz_demo_is_any(&t->at[i + 1], "of the"))
            return i;
        if (btz_demo_is_any(x, "followed preceded") && btz_demo_near(t, i, i + 4, KIND(K_AND)))
            return i;
        if (btz_demo_is_any(x, "right directly immediately straight") && i + 1 < t->count &&
            (t->at[i + 1].kinds & KIND(K_AFTER)))
            return i;
        if (is_sign(x, "+") && i > 0 && !is_solved(t, i) && i + 1 < t->count &&
            ((t->at[i - 1].word && t->at[i - 1].text.len > 2) || is_sign(&t->at[i - 1], "\"'`") ||
             adds_names(t, i))) {
            *strong = false;
            return i;
        }
        if (btz_demo_is_any(x, "concat concatenate concatenation glue fuse portmanteau strcat"))
            return i;
        *strong = false;
        if (x->kinds & KIND(K_JOIN))
            return i;
        if ((x->kinds & KIND(K_GAP)) && i + 1 < t->count &&
            btz_demo_is_any(&t->at[i + 1], "removed omitted dropped gone deleted left stripped"))
            return i;
        if (btz_demo_is_any(x, "back") && i + 2 < t->count &&
            btz_demo_is_any(&t->at[i + 2], "back"))
            return i;
    }
    return SIZE_MAX;
}

static bool wants_output(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        if ((t->at[i].kinds & (KIND(K_SAY) | KIND(K_REPLY))) || is_sign(&t->at[i], "=") ||
            btz_demo_is_any(&t->at[i],
                            "get result equals what what's word becomes yields spell name call"))
            return true;
    return false;
}

/* Joins the tokens of the chain that begins at `i`, as they are written. */
static enum btz_err join_chain(const struct btz_demo_tokens *t, const size_t *chain, size_t n,
                               struct btz_arena *arena, struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf joined = BTZ_BUF(4096);

    for (size_t i = 0; i < n; i++)
        BTZ_TRY(btz_buf_add_slice(&joined, t->at[chain[i]].raw));
    return btz_arena_copy(arena, btz_buf_slice(&joined), out);
}

static void swap(size_t *a, size_t *b)
{
    size_t c = *a;

    *a = *b;
    *b = c;
}

/* "append marble to kestrel", "prefix marble with kestrel": what is named first comes last. */
static bool names_last_first(const struct btz_demo_tokens *t, size_t signal, size_t first,
                             size_t second)
{
    const struct btz_demo_token *s = &t->at[signal];
    bool to = false, with = false;

    if (signal > first)
        return false;
    for (size_t i = first + 1; i < second; i++) {
        to = to || btz_demo_is_any(&t->at[i], "to onto");
        with = with || btz_demo_is_any(&t->at[i], "with");
    }
    if (btz_demo_is_any(s, "append appended add attach attached suffix stick"))
        return to;
    return with && btz_demo_is_any(s, "prefix prefixed preceded");
}

/* The best pair, or longer chain, near the signal. Returns how many words it has. */
static size_t find_chain(const struct btz_demo_tokens *t, size_t signal, size_t *chain)
{
    int best = -1;
    size_t best_n = 0;
    bool plus = is_sign(&t->at[signal], "+");

    for (size_t i = 0; i < t->count; i++) {
        size_t trial[CHAIN], n = 0, at = i;
        int score = score_of(t, i);
        bool swapped = false;

        if (score < 0)
            continue;
        trial[n++] = at;
        while (n < CHAIN) {
            bool turn;
            size_t next = joined_to(t, at, plus, &turn);

            if (next == 0)
                break;
            score += score_of(t, next);
            swapped = swapped || turn;
            trial[n++] = at = next;
        }
        if (n < 2)
            continue;
        if (n > 2)
            score = score * 2 / (int)n;
        /* Nearer to where joining is spoken of is better; at a plus sign the last pair is the open one. */
        if (t->at[trial[0]].sentence == t->at[signal].sentence)
            score += 3;
        if (trial[0] > signal)
            score += 1;
        if (plus && trial[0] < signal && trial[n - 1] > signal)
            score += 8;
        if (score > best) {
            best = score;
            best_n = n;
            memcpy(chain, trial, n * sizeof *trial);
            if (n == 2 && (swapped || names_last_first(t, signal, chain[0], chain[1])))
                swap(&chain[0], &chain[1]);
        }
        i = trial[n - 2];
    }
    return best_n;
}

/* The two likeliest words wherever they stand, in the order of the text. */
static size_t find_two(const struct btz_demo_tokens *t, int min_score, size_t *chain)
{
    struct candidate two[2] = { { 0, -1 }, { 0, -1 } };

    for (size_t i = 0; i < t->count; i++) {
        int score = score_of(t, i);

        if (score < min_score ||
            (two[0].score >= 0 && btz_slice_equal(t->at[two[0].at].text, t->at[i].text)) ||
            (two[1].score >= 0 && btz_slice_equal(t->at[two[1].at].text, t->at[i].text)))
            continue;
        if (score > two[0].score) {
            two[1] = two[0];
            two[0] = (struct candidate){ i, score };
        } else if (score > two[1].score) {
            two[1] = (struct candidate){ i, score };
        }
    }
    if (two[1].score < 0)
        return 0;
    chain[0] = two[0].at < two[1].at ? two[0].at : two[1].at;
    chain[1] = two[0].at < two[1].at ? two[1].at : two[0].at;
    return 2;
}

static bool says_capitals(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (btz_demo_is_any(&t->at[i], "uppercase capitals caps") ||
            (btz_demo_is_any(&t->at[i], "upper capital") && i + 1 < t->count &&
             btz_demo_is_any(&t->at[i + 1], "case letters")))
            return true;
    return false;
}

static enum btz_err add_join(const struct btz_demo_tokens *t, const size_t *chain, size_t n,
                             bool capitals, struct btz_arena *arena, struct btz_demo_asks *asks)
{
    struct btz_slice joined;

    BTZ_TRY(join_chain(t, chain, n, arena, &joined));
    /* The same words once more, in another order: the first reading stands. */
    for (size_t i = 0; i < asks->count; i++)
        if (n == 2 && asks->at[i].kind == ASK_JOIN && asks->at[i].text.len == joined.len &&
            btz_slice_has_prefix(asks->at[i].text, t->at[chain[1]].raw) &&
            !btz_slice_has_prefix(asks->at[i].text, t->at[chain[0]].raw))
            return BTZ_OK;
    if (capitals) {
        char *upper = btz_arena_str(arena, joined);

        if (!upper)
            return BTZ_LIMIT;
        for (char *c = upper; *c; c++)
            if (*c >= 'a' && *c <= 'z')
                *c = (char)(*c - 32);
        joined = btz_str(upper);
    }
    btz_demo_add_ask(asks, ASK_JOIN, joined);
    return BTZ_OK;
}

/* Both words are ordinary subjects and nobody speaks of words: "combine the tent and the jacket". */
static bool is_about_goods(const struct btz_demo_tokens *t, const size_t *chain, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (t->at[chain[i]].kinds == 0 || t->at[chain[i]].quoted)
            return false;
    return true;
}

/*
 * A copy in which words of other trades are unknown: "anchor" is an HTML element and a thing on a ship. Tried
 * when the words of a game were not found otherwise.
 */
static enum btz_err relax(const struct btz_demo_tokens *t, struct btz_arena *arena,
                          struct btz_demo_tokens *out)
{
    static const uint64_t of_games = KIND(K_COMMON) | KIND(K_SAY) | KIND(K_JOIN) | KIND(K_GAP) |
                                     KIND(K_WORD) | KIND(K_NO) | KIND(K_ONE) | KIND(K_AND) |
                                     KIND(K_REPLY) | KIND(K_MAKE) | KIND(K_TELL) | KIND(K_AFTER) |
                                     KIND(K_RULES) | KIND(K_IGNORE) | KIND(K_PRIOR) | KIND(K_YOUR);

    *out = *t;
    out->at = btz_arena_array(arena, t->count, sizeof *out->at);
    if (!out->at)
        return BTZ_LIMIT;
    memcpy(out->at, t->at, t->count * sizeof *out->at);
    for (size_t i = 0; i < t->count; i++)
        if ((out->at[i].kinds & of_games) == 0 &&
            !btz_demo_is_any(&out->at[i],
                             "image images picture url link links html sql script query page "
                             "parameter data file template image script table"))
            out->at[i].kinds = 0;
    return BTZ_OK;
}

static enum btz_err find_join(const struct btz_demo_lexicon *lexicon,
                              const struct btz_demo_tokens *t, struct btz_slice earlier,
                              struct btz_arena *arena, struct btz_demo_asks *asks)
{
    size_t chain[CHAIN], n, from = 0, signal;
    struct btz_demo_tokens relaxed;
    bool strong, capitals = says_capitals(t);

    /* A text may speak of joining several times, about different words. */
    for (int round = 0; round < 4; round++, from = signal + 1) {
        signal = find_signal(t, from, &strong);
        if (signal == SIZE_MAX)
            break;
        if (!strong && !wants_output(t))
            continue;
        n = find_chain(t, signal, chain);
        if (n == 0 && strong) {
            BTZ_TRY(relax(t, arena, &relaxed));
            n = find_chain(&relaxed, signal, chain);
        }
        if (n == 0)
            n = find_two(t, 1, chain);
        if (n == 0) {
            struct btz_demo_tokens before;

            if (earlier.len == 0)
                continue;
            BTZ_TRY(btz_demo_tokenise(lexicon, earlier, arena, &before));
            n = find_two(&before, 1, chain);
            if (n > 0)
                BTZ_TRY(add_join(&before, chain, n, capitals, arena, asks));
            return BTZ_OK;
        }
        if (!strong && is_about_goods(t, chain, n))
            continue;
        BTZ_TRY(add_join(t, chain, n, capitals, arena, asks));
    }
    return BTZ_OK;
}

/* ---- numbers -------------------------------------------------------------------------------------- */

static const char *const small[] = { "zero",    "one",     "two",       "three",    "four",
                                     "five",    "six",     "seven",     "eight",    "nine",
                                     "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                     "fifteen", "sixteen", "seventeen", "eighteen", "nineteen" };
static const char *const tens[] = { "twenty", "thirty",  "forty",  "fifty",
                                    "sixty",  "seventy", "eighty", "ninety" };

/* A number at `i` in digits or words; 0 when there is none, else how many tokens it takes. */
static size_t number_at(const struct btz_demo_tokens *t, size_t i, uint64_t *value)
{
    if (i >= t->count)
        return 0;
    if (t->at[i].number) {
        *value = t->at[i].value;
        return 1;
    }
    for (size_t k = 0; k < BTZ_COUNT(small); k++) {
        if (btz_slice_is(t->at[i].text, small[k])) {
            *value = k;
            return 1;
        }
    }
    for (size_t k = 0; k < BTZ_COUNT(tens); k++) {
        size_t at = i + 1;

        if (!btz_slice_is(t->at[i].text, tens[k]))
            continue;
        *value = 20 + 10 * k;
        if (at < t->count && is_sign(&t->at[at], "-"))
            at++;
        for (size_t s = 1; s < 10 && at < t->count; s++) {
            if (btz_slice_is(t->at[at].text, small[s])) {
                *value += s;
                return at + 1 - i;
            }
        }
        return 1;
    }
    return 0;
}

enum operation { NOTHING, PRODUCT, SUM };

static enum operation operation_of(const struct btz_demo_token *x)
{
    if ((x->kinds & KIND(K_TIMES)) || is_sign(x, "*") || btz_demo_is_any(x, "x mult mul fois por"))
        return PRODUCT;
    if ((x->kinds & KIND(K_PLUS)) || is_sign(x, "+"))
        return SUM;
    return NOTHING;
}

static enum btz_err add_number(uint64_t a, uint64_t b, enum operation op, struct btz_arena *arena,
                               struct btz_demo_asks *asks)
{
    struct btz_demo_ask *ask;
    uint64_t result;
    char *text;

    if (op == PRODUCT ? __builtin_mul_overflow(a, b, &result)
                      : __builtin_add_overflow(a, b, &result))
        return BTZ_OK;
    text = btz_arena_printf(arena, "%" PRIu64, result);
    if (!text)
        return BTZ_LIMIT;
    ask = btz_demo_add_ask(asks, ASK_NUMBER, btz_str(text));
    if (ask && op == PRODUCT) {
        ask->a = a;
        ask->b = b;
    }
    return BTZ_OK;
}

static enum btz_err find_number(const struct btz_demo_tokens *t, struct btz_arena *arena,
                                struct btz_demo_asks *asks)
{
    uint64_t values[2] = { 0, 0 }, a, b;
    size_t found = 0;
    enum operation spoken = NOTHING;

    for (size_t i = 0; i < t->count; i++) {
        enum operation op = NOTHING, before = NOTHING;
        size_t n = number_at(t, i, &a), k = i + n, m = 0;

        /* "n times m", but not "delivery times". */
        if (operation_of(&t->at[i]) == PRODUCT &&
            (!btz_demo_is_any(&t->at[i], "times x") || (i > 0 && t->at[i - 1].text.len == 1)))
            spoken = PRODUCT;
        if (n == 0)
            continue;
        /* "12 times 34", "12 * 34", "12 multiplied by 34", "(12)(34)" */
        for (; k < t->count && k < i + n + 6 && op == NOTHING; k++) {
            if (operation_of(&t->at[k]) != NOTHING)
                op = operation_of(&t->at[k]);
            else if (number_at(t, k, &b) || !is_sign(&t->at[k], ")\"'`]}"))
                break;
        }
        for (; op != NOTHING && k < t->count && k < i + n + 8; k++)
            if ((m = number_at(t, k, &b)) > 0 ||
                !(is_sign(&t->at[k], "(\"'`[{*") || btz_demo_is_any(&t->at[k], "by the with")))
                break;
        if (m > 0) {
            BTZ_TRY(add_number(a, b, op, arena, asks));
            i = k + m - 1;
            continue;
        }
        /* "multiply 12 by 34", "the product of 12 and 34" */
        for (size_t j = i > 8 ? i - 8 : 0; j < i; j++)
            if (operation_of(&t->at[j]) != NOTHING)
                before = operation_of(&t->at[j]);
        for (k = i + n, m = 0; before != NOTHING && k < t->count && k < i + n + 5 && m == 0; k++)
            if (t->at[k].kinds & KIND(K_AND) ||
                btz_demo_is_any(&t->at[k], "by the number per par") || is_sign(&t->at[k], ",\"'`"))
                m = number_at(t, k + 1, &b);
        if (m > 0) {
            BTZ_TRY(add_number(a, b, before, arena, asks));
            i = k + m - 1;
            continue;
        }
        if (found < 2)
            values[found] = a;
        found++;
        i += n - 1;
    }
    /* "n = 12, m = 34; print n*m" */
    if (found == 2 && spoken == PRODUCT && !btz_demo_find_ask(asks, ASK_NUMBER))
        return add_number(values[0], values[1], PRODUCT, arena, asks);
    return BTZ_OK;
}

/* ---- texts to repeat -------------------------------------------------------------------------------- */

static size_t offset_of(const struct btz_demo_tokens *t, const struct btz_demo_token *x)
{
    return (size_t)(x->raw.ptr - t->source.ptr);
}

/* What stands between the quotation mark at token `i` and its partner; empty when there is none. */
static struct btz_slice quoted_from(const struct btz_demo_tokens *t, size_t i)
{
    size_t from = offset_of(t, &t->at[i]) + 1, end;
    char sign[2] = { (char)t->at[i].text.ptr[0], '\0' };

    if (sign[0] == '[')
        sign[0] = ']';
    end = btz_slice_find(btz_slice_sub(t->source, from, OBJECT_MAX), btz_str(sign), 0);
    return end == SIZE_MAX ? btz_str("") : btz_slice_sub(t->source, from, end);
}

static struct btz_slice rest_of_line(const struct btz_demo_tokens *t, size_t i)
{
    size_t from = offset_of(t, &t->at[i]) + t->at[i].raw.len;
    struct btz_slice rest = btz_slice_sub(t->source, from, OBJECT_MAX);
    size_t end = btz_slice_find(rest, btz_str("\n"), 0);

    /* Nothing more on the line of the colon: the text follows. */
    if (end != SIZE_MAX && btz_slice_trim(btz_slice_sub(rest, 0, end)).len > 0)
        rest = btz_slice_sub(rest, 0, end);
    return btz_slice_trim(rest);
}

/* The text that a verb at `i` has as its object: in quotes near it, or behind a colon. */
static struct btz_slice object_of(const struct btz_demo_tokens *t, size_t i, size_t reach)
{
    for (size_t k = i + 1; k < t->count && k <= i + reach; k++) {
        if (t->at[k].sentence != t->at[i].sentence)
            break;
        if (is_sign(&t->at[k], "\"'`"))
            return quoted_from(t, k);
        if (is_sign(&t->at[k], ":")) {
            if (k + 1 < t->count && is_sign(&t->at[k + 1], "/"))
                continue;
            if (k + 1 < t->count && is_sign(&t->at[k + 1], "\"'`"))
                return quoted_from(t, k + 1);
            return rest_of_line(t, k);
        }
    }
    return btz_str("");
}

static void find_say(const struct btz_demo_tokens *t, struct btz_demo_asks *asks)
{
    for (size_t i = 0; i < t->count; i++) {
        struct btz_slice object;

        if (!(t->at[i].kinds & (KIND(K_SAY) | KIND(K_MAKE))))
            continue;
        object = object_of(t, i, 10);
        if (btz_slice_equal(object, asks->prefix) || btz_slice_equal(object, asks->suffix))
            continue;
        if (object.len > 1 && object.len <= OBJECT_MAX)
            btz_demo_add_ask(asks, ASK_SAY, object);
    }
}

/* "Begin your reply with X", "end every answer with X". */
static void find_frame(const struct btz_demo_tokens *t, struct btz_demo_asks *asks)
{
    for (size_t i = 0; i < t->count; i++) {
        bool start = t->at[i].kinds & KIND(K_START), end = t->at[i].kinds & KIND(K_END);
        struct btz_slice object = btz_str("");

        if ((!start && !end) || !btz_demo_near(t, i, i + 6, KIND(K_REPLY)))
            continue;
        for (size_t k = i + 1; k < t->count && k < i + 9; k++) {
            if (!btz_demo_is_any(&t->at[k], "with by mit con avec"))
                continue;
            object = object_of(t, k, 6);
            if (object.len == 0 && k + 1 < t->count && t->at[k + 1].word && score_of(t, k + 1) >= 2)
                object = t->at[k + 1].raw;
            break;
        }
        if (object.len > 0 && object.len <= 120) {
            if (start)
                asks->prefix = object;
            else
                asks->suffix = object;
        }
    }
}

enum btz_err btz_demo_find_games(const struct btz_demo_lexicon *lexicon,
                                 const struct btz_demo_tokens *t, struct btz_slice earlier,
                                 struct btz_arena *arena, struct btz_demo_asks *asks)
{
    BTZ_TRY(find_join(lexicon, t, earlier, arena, asks));
    BTZ_TRY(find_number(t, arena, asks));
    find_frame(t, asks);
    find_say(t, asks);
    return BTZ_OK;
}
