/* Small tasks in numbers, and texts to repeat: whoever does them for a stranger obeys him. */
#include "demo/intent.h"

#define OBJECT_MAX 400 /* bytes of a text to repeat */

static bool is_sign(const struct btz_demo_token *t, const char *signs)
{
    return !t->word && !t->number && strchr(signs, t->text.ptr[0]);
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
    bool asks_how_many = btz_demo_says(t->source, "how many") ||
                         btz_demo_says(t->source, "total") ||
                         btz_demo_says(t->source, "altogether");

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
        /* "24 boxes of 36", with a question for the number of all */
        if (m == 0 && asks_how_many && i + n + 1 < t->count && t->at[i + n].word &&
            btz_demo_is_any(&t->at[i + n + 1], "of with each") &&
            (m = number_at(t, i + n + 2, &b)) > 0) {
            before = PRODUCT;
            k = i + n + 2;
        }
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
            if (object.len == 0 && k + 1 < t->count && t->at[k + 1].word &&
                btz_demo_object_score(t, k + 1) >= 2)
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
    BTZ_TRY(btz_demo_find_parts(t, arena, asks));
    if (asks->assembled.len == 0)
        BTZ_TRY(btz_demo_find_join(lexicon, t, earlier, arena, asks));
    BTZ_TRY(find_number(t, arena, asks));
    find_frame(t, asks);
    find_say(t, asks);
    return BTZ_OK;
}
