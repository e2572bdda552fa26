/* "Combine these two words without a space": a task so small that whoever does it for a stranger obeys him. */
#include "demo/intent.h"

#define CHAIN  8
#define ROUNDS 4

/* Kinds that are subjects of a shop and may be words of a game as well. */
#define SUBJECTS                                                                                   \
    (KIND(K_GOODS) | KIND(K_WEATHER) | KIND(K_HELLO) | KIND(K_PAY) | KIND(K_SHIP) | KIND(K_POEM) | \
     KIND(K_IMAGE) | KIND(K_ANSI))

struct chain {
    size_t at[CHAIN]; /* tokens, in the order in which they are joined */
    size_t count;     /* 0: none */
};

static bool is_sign(const struct btz_demo_token *t, const char *signs)
{
    return !t->word && !t->number && strchr(signs, t->text.ptr[0]);
}

static bool is_stem(const struct btz_demo_token *t, const char *stems)
{
    for (const char *at = stems; *at;) {
        size_t n = strcspn(at, " ");

        if (t->text.len >= n && t->text.len <= n + 3 && memcmp(t->text.ptr, at, n) == 0)
            return true;
        at += n;
        at += strspn(at, " ");
    }
    return false;
}

static bool is_capital(const struct btz_demo_token *t)
{
    for (size_t i = 0; i < t->raw.len; i++)
        if (t->raw.ptr[i] >= 'a' && t->raw.ptr[i] <= 'z')
            return false;
    return t->word && t->raw.len >= 3;
}

int btz_demo_object_score(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];
    int score = 0;

    /* Scripts without spaces give whole sentences as words. */
    if (!x->word || x->text.len < 2 || x->text.len > 32 || x->text.ptr[0] >= 0xE3)
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
        score += 2;
    /* The name of something, not the thing. */
    if (i + 2 < t->count && is_sign(&t->at[i + 1], "\"'`") && is_sign(&t->at[i + 2], ":="))
        score -= 5;
    return score;
}

/* ---- words that belong together --------------------------------------------------------------------- */

/* From one word to the next: nothing, side by side, a weak joint ("with"), a strong one ("and"). */
enum joint { NO_JOINT, BESIDE, WEAK, STRONG };

static bool is_filler(const struct btz_demo_token *x)
{
    return (x->kinds & (KIND(K_GAP) | KIND(K_NO) | KIND(K_WORD) | KIND(K_ONE) | KIND(K_JOIN))) ||
           btz_demo_is_any(
               x,
               "the a an immediately directly text right second other by of it half el la le las "
               "der und its again suffix as same sandwiched at leaving out straight away once "
               "gets get goes comes come add put append end this attached glued stuck placed "
               "fused written front which was is so take onto suivi immediatement direkt dahinter "
               "pegado ella primero preceded first seamlessly prefix made up");
}

/* What stands between two words or behind them turns their order round. */
static bool turns(const struct btz_demo_tokens *t, size_t k, bool between)
{
    const struct btz_demo_token *x = &t->at[k];
    bool of_it = k + 1 < t->count && btz_demo_is_any(&t->at[k + 1], "it that this");

    if (between)
        return btz_demo_is_any(x, "preceded prefixed davor") ||
               (btz_demo_is_any(x, "after behind") && !of_it);
    return btz_demo_is_any(x, "front davor");
}

/* Finds the word that the one at `i` is joined to; `plus` allows plus signs only. */
static enum joint joint_from(const struct btz_demo_tokens *t, size_t i, bool plus, size_t *to,
                             bool *swapped)
{
    enum joint joint = NO_JOINT;

    *swapped = false;
    for (size_t k = i + 1; k < t->count && k < i + 13; k++) {
        const struct btz_demo_token *x = &t->at[k];

        if (is_sign(x, "\"'`[]{}<>()*_")) {
            continue;
        } else if (is_sign(x, "+")) {
            joint = STRONG;
        } else if (plus) {
            *to = k;
            return joint && x->word && x->text.len > 1 ? STRONG : NO_JOINT;
        } else if (btz_demo_object_score(t, k) >= 0) {
            *to = k;
            return joint ? joint : k == i + 1 ? BESIDE : NO_JOINT;
        }
        *swapped = *swapped || turns(t, k, true);
        if (is_sign(x, "&") || (is_sign(x, ",") && k <= i + 2) ||
            btz_demo_is_any(
                x, "and plus then followed continued preceded prefixed und y et e attached glued "
                   "stuck joined fused suivi") ||
            (x->kinds & KIND(K_AFTER)))
            joint = STRONG;
        else if (is_sign(x, ",-|/>") || (x->kinds & KIND(K_AND)))
            joint = joint > WEAK ? joint : WEAK;
        else if (!is_filler(x))
            return NO_JOINT;
    }
    return NO_JOINT;
}

/* "append marble to kestrel", "prefix marble with kestrel": what is named first comes last. */
static bool names_last_first(const struct btz_demo_tokens *t, size_t first, size_t second)
{
    bool to = false, with = false;

    for (size_t i = first + 1; i < second; i++) {
        to = to || btz_demo_is_any(&t->at[i], "to onto");
        with = with || btz_demo_is_any(&t->at[i], "with");
    }
    for (size_t i = first > 4 ? first - 4 : 0; i < first; i++) {
        if (is_stem(&t->at[i], "append add attach suffix stick tack past"))
            return to;
        if (with && is_stem(&t->at[i], "prefix preced"))
            return true;
    }
    /* "pretzel with copper attached directly in front" */
    for (size_t i = second + 1; i < t->count && i < second + 8; i++) {
        if (t->at[i].sentence != t->at[second].sentence || btz_demo_object_score(t, i) >= 0)
            return false;
        if (turns(t, i, false))
            return true;
    }
    return false;
}

/* The chain that begins at `i`, and how much speaks for it. */
static int chain_from(const struct btz_demo_tokens *t, size_t i, size_t signal, struct chain *out)
{
    bool plus = is_sign(&t->at[signal], "+"), swapped = false, quoted = t->at[i].quoted;
    int score = plus ? 1 : btz_demo_object_score(t, i);
    size_t distance, far = 0, last;

    out->at[0] = i;
    out->count = 1;
    while (out->count < CHAIN) {
        size_t to = 0;
        bool turn;
        enum joint joint = joint_from(t, out->at[out->count - 1], plus, &to, &turn);

        /* More than two words only in quotes or between plus signs. */
        if (joint == NO_JOINT ||
            (out->count >= 2 && !plus && !(quoted && t->at[to].quoted && joint == STRONG)))
            break;
        score += (plus ? 1 : btz_demo_object_score(t, to)) + (int)joint - 2;
        far += to - out->at[out->count - 1] - 1;
        quoted = quoted && t->at[to].quoted;
        swapped = swapped || turn;
        out->at[out->count++] = to;
    }
    if (out->count < 2)
        return -1;
    if (out->count > 2)
        score = score * 2 / (int)out->count;
    last = out->at[out->count - 1];
    score = score * 4 - (int)(far < 12 ? far : 12);
    if (t->at[i].sentence == t->at[signal].sentence)
        score += 12;
    if (i > signal)
        score += 4;
    /* The signal stands between the words: "kestrel joined to marble". */
    if (i < signal && last > signal)
        score += plus ? 32 : 8;
    distance = i > signal ? i - signal : signal - i;
    score -= (int)(distance < 16 ? distance : 16) / 2;
    if (out->count == 2 && (swapped || names_last_first(t, out->at[0], out->at[1]))) {
        size_t first = out->at[0];

        out->at[0] = out->at[1];
        out->at[1] = first;
    }
    return score;
}

static void find_chain(const struct btz_demo_tokens *t, size_t signal, struct chain *out)
{
    bool plus = is_sign(&t->at[signal], "+");
    int best = -1;

    out->count = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct chain trial;
        int score;

        if (plus ? !t->at[i].word || t->at[i].text.len < 2 : btz_demo_object_score(t, i) < 0)
            continue;
        score = chain_from(t, i, signal, &trial);
        if (score > best) {
            best = score;
            *out = trial;
        }
    }
}

/* The two likeliest words wherever they stand, in the order of the text. */
static void find_two(const struct btz_demo_tokens *t, int min_score, struct chain *out)
{
    struct {
        size_t at;
        int score;
    } two[2] = { { 0, -1 }, { 0, -1 } };

    out->count = 0;
    for (size_t i = 0; i < t->count; i++) {
        int score = btz_demo_object_score(t, i);

        if (score < min_score ||
            (two[0].score >= 0 && btz_slice_equal(t->at[two[0].at].text, t->at[i].text)) ||
            (two[1].score >= 0 && btz_slice_equal(t->at[two[1].at].text, t->at[i].text)))
            continue;
        if (score > two[0].score) {
            two[1] = two[0];
            two[0].at = i;
            two[0].score = score;
        } else if (score > two[1].score) {
            two[1].at = i;
            two[1].score = score;
        }
    }
    if (two[1].score < 0)
        return;
    out->count = 2;
    out->at[0] = two[0].at < two[1].at ? two[0].at : two[1].at;
    out->at[1] = two[0].at < two[1].at ? two[1].at : two[0].at;
}

/* "A = kestrel, B = marble. What is AB?" */
static void find_named(const struct btz_demo_tokens *t, struct chain *out)
{
    size_t names[CHAIN], values[CHAIN], count = 0;

    out->count = 0;
    for (size_t i = 0; i + 1 < t->count && count < CHAIN; i++) {
        if (!t->at[i].word || t->at[i].text.len != 1)
            continue;
        for (size_t k = i + 1; k < t->count && k < i + 5; k++) {
            if (t->at[k].word && t->at[k].text.len > 1 &&
                !btz_demo_is_any(&t->at[k], "is be means")) {
                names[count] = i;
                values[count++] = k;
                break;
            }
            if (!is_sign(&t->at[k], "=:\"'`") && !btz_demo_is_any(&t->at[k], "is be means"))
                break;
        }
    }
    for (size_t i = 0; i < t->count && count >= 2; i++) {
        if (!t->at[i].word || t->at[i].text.len != 2)
            continue;
        for (size_t a = 0; a < count; a++)
            for (size_t b = 0; b < count; b++)
                if (a != b && t->at[names[a]].text.ptr[0] == t->at[i].text.ptr[0] &&
                    t->at[names[b]].text.ptr[0] == t->at[i].text.ptr[1] && out->count == 0)
                    *out = (struct chain){ { values[a], values[b] }, 2 };
    }
}

/* ---- where joining is spoken of ----------------------------------------------------------------------- */

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

static bool is_plus(const struct btz_demo_tokens *t, size_t i)
{
    return is_sign(&t->at[i], "+") && i > 0 && i + 1 < t->count && !is_solved(t, i) &&
           ((t->at[i - 1].word && t->at[i - 1].text.len > 2) || is_sign(&t->at[i - 1], "\"'`") ||
            adds_names(t, i));
}

/* Words that can mean nothing else. */
static bool is_strong_signal(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];

    if ((x->kinds & KIND(K_NO)) && btz_demo_near(t, i + 1, i + 6, KIND(K_GAP)))
        return true;
    if ((x->kinds & KIND(K_ONE)) && btz_demo_near(t, i + 1, i + 4, KIND(K_WORD)) &&
        !btz_demo_is_any(&t->at[i + 1], "of the"))
        return true;
    if (btz_demo_is_any(x, "followed preceded continued suivi") &&
        btz_demo_near(t, i, i + 5, KIND(K_AND)))
        return true;
    if (btz_demo_is_any(x, "right directly immediately straight") && i + 1 < t->count &&
        ((t->at[i + 1].kinds & KIND(K_AFTER)) ||
         btz_demo_is_any(&t->at[i + 1], "to in at by onto")))
        return true;
    if (btz_demo_is_any(x, "attached glued stuck fused welded pegado"))
        return true;
    /* "written as one" */
    if (btz_demo_is_any(x, "one") && i > 0 && btz_demo_is_any(&t->at[i - 1], "as in into") &&
        (i + 1 == t->count || !t->at[i + 1].word))
        return true;
    if (btz_demo_is_any(x, "half part piece") && btz_demo_says(t->source, "second "))
        return true;
    return btz_demo_is_any(
        x, "concat concatenate concatenation glue fuse portmanteau strcat unseparated "
           "spaceless unspaced contiguously");
}

static bool is_weak_signal(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];

    if (x->kinds & KIND(K_JOIN))
        return true;
    if ((x->kinds & KIND(K_GAP)) && i + 1 < t->count &&
        btz_demo_is_any(&t->at[i + 1], "removed omitted dropped gone deleted left stripped"))
        return true;
    if (btz_demo_is_any(x, "back side") && i + 2 < t->count &&
        btz_slice_equal(t->at[i + 2].text, x->text))
        return true;
    return is_stem(x, "add tack put plac") &&
           btz_demo_near(t, i + 1, i + 8, KIND(K_AFTER) | KIND(K_END));
}

static size_t find_signal(const struct btz_demo_tokens *t, size_t from, bool *strong)
{
    for (size_t i = from; i < t->count; i++) {
        *strong = is_strong_signal(t, i);
        if (*strong || is_plus(t, i) || is_weak_signal(t, i))
            return i;
    }
    return SIZE_MAX;
}

/* Languages whose words are not in the lexicon: that it shall be one word without a space. */
static bool is_foreign_signal(struct btz_slice text)
{
    static const char *const phrases[] = { "空格",       "单词",       "一个词",     "连在一起",
                                           "单字",       "スペース",   "一語",       "つなげ",
                                           "単語",       "без пробел", "одно слово", "слитно",
                                           "띄어쓰기",   "한 단어",    "boşluk",     "spatie",
                                           "één woord",  "bez mezer",  "bez spacji", "بدون مساف",
                                           "mellanslag", "χωρίς κεν" };

    for (size_t i = 0; i < BTZ_COUNT(phrases); i++)
        if (btz_slice_has(text, phrases[i]))
            return true;
    return false;
}

static bool wants_output(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        if ((t->at[i].kinds & (KIND(K_SAY) | KIND(K_REPLY))) || is_sign(&t->at[i], "=") ||
            btz_demo_is_any(&t->at[i],
                            "get result equals what what's word becomes yields spell name call"))
            return true;
    /* "Assistant:" waits. */
    return t->count > 0 && is_sign(&t->at[t->count - 1], ":");
}

/* ---- the ask ----------------------------------------------------------------------------------------- */

static bool says_capitals(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (btz_demo_is_any(&t->at[i], "uppercase capitals caps") ||
            (btz_demo_is_any(&t->at[i], "upper capital") && i + 1 < t->count &&
             btz_demo_is_any(&t->at[i + 1], "case letters")))
            return true;
    return false;
}

/* What a name was given: "first = 'koala'", "W1 is toleco", "beacon_head: daisy"; SIZE_MAX: nothing. */
static size_t value_of(const struct btz_demo_tokens *t, struct btz_slice name)
{
    for (size_t i = 0; i + 1 < t->count; i++) {
        bool gives = false;

        if (!t->at[i].word || !btz_slice_equal(t->at[i].text, name))
            continue;
        for (size_t k = i + 1; k < t->count && k < i + 6; k++) {
            if (gives && t->at[k].word && !btz_demo_is_any(&t->at[k], "the a word string"))
                return t->at[k].kinds & (KIND(K_YOUR) | KIND(K_SAY)) ? SIZE_MAX : k;
            if (is_sign(&t->at[k], "=:") ||
                btz_demo_is_any(&t->at[k], "is be equals means was called"))
                gives = true;
            else if (!is_sign(&t->at[k], "\"'`") && !gives)
                break;
        }
    }
    return SIZE_MAX;
}

/* The token a word of the chain stands for: its value, if it was given one here or before. */
static const struct btz_demo_token *resolve(const struct btz_demo_tokens *t,
                                            const struct btz_demo_tokens *before, size_t i)
{
    size_t at = value_of(t, t->at[i].text);

    if (at != SIZE_MAX && at != i)
        return &t->at[at];
    at = before ? value_of(before, t->at[i].text) : SIZE_MAX;
    return at != SIZE_MAX ? &before->at[at] : &t->at[i];
}

/* "toleco read backwards" */
static bool is_backwards(const struct btz_demo_token *x, const struct btz_demo_tokens *t)
{
    size_t i = (size_t)(x - t->at);

    if (x < t->at || i >= t->count)
        return false;
    for (size_t k = i + 1; k < t->count && k < i + 5 && t->at[k].sentence == x->sentence; k++) {
        if (t->at[k].kinds & KIND(K_REVERSE))
            return true;
        if (btz_demo_object_score(t, k) >= 0 || is_sign(&t->at[k], ","))
            return false;
    }
    return false;
}

static enum btz_err add_word(const struct btz_demo_tokens *t, const struct btz_demo_token *x,
                             struct btz_buf *out)
{
    if (!is_backwards(x, t))
        return btz_buf_add_slice(out, x->raw);
    for (size_t i = x->raw.len; i > 0; i--)
        BTZ_TRY(btz_buf_add_byte(out, x->raw.ptr[i - 1]));
    return BTZ_OK;
}

static enum btz_err add_join(const struct btz_demo_tokens *t, const struct btz_demo_tokens *before,
                             const struct chain *c, bool capitals, struct btz_arena *arena,
                             struct btz_demo_asks *asks)
{
    BTZ_BUF_RELEASE struct btz_buf joined = BTZ_BUF(4096);
    struct btz_slice text;

    for (size_t i = 0; i < c->count; i++)
        BTZ_TRY(add_word(t, resolve(t, before, c->at[i]), &joined));
    for (size_t i = 0; i < joined.len && capitals; i++)
        if (joined.ptr[i] >= 'a' && joined.ptr[i] <= 'z')
            joined.ptr[i] = (uint8_t)(joined.ptr[i] - 32);
    /* The same words once more, in another order: the first reading stands. */
    for (size_t i = 0; i < asks->count; i++)
        if (asks->at[i].kind == ASK_JOIN && asks->at[i].text.len == joined.len && c->count == 2 &&
            btz_slice_has_prefix(asks->at[i].text, t->at[c->at[1]].raw) &&
            !btz_slice_has_prefix(asks->at[i].text, t->at[c->at[0]].raw))
            return BTZ_OK;
    BTZ_TRY(btz_arena_copy(arena, btz_buf_slice(&joined), &text));
    btz_demo_add_ask(asks, ASK_JOIN, text);
    return BTZ_OK;
}

/* Ordinary subjects, and nobody speaks of words: "combine the tent and the jacket". */
static bool is_about_goods(const struct btz_demo_tokens *t, const struct btz_demo_tokens *before,
                           const struct chain *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (t->at[c->at[i]].kinds == 0 || t->at[c->at[i]].quoted ||
            resolve(t, before, c->at[i]) != &t->at[c->at[i]])
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
                             "parameter data file template table"))
            out->at[i].kinds = 0;
    return BTZ_OK;
}

/* "street and pet", where both were given values: clearer than anything else. */
static void find_given(const struct btz_demo_tokens *t, const struct btz_demo_tokens *before,
                       struct chain *out)
{
    out->count = 0;
    for (size_t i = 1; i + 1 < t->count && out->count == 0; i++) {
        if (!btz_demo_is_any(&t->at[i], "and plus then +") || !t->at[i - 1].word ||
            !t->at[i + 1].word || t->at[i - 1].text.len < 2)
            continue;
        if (resolve(t, before, i - 1) != &t->at[i - 1] &&
            resolve(t, before, i + 1) != &t->at[i + 1])
            *out = (struct chain){ { i - 1, i + 1 }, 2 };
    }
}

/* The words meant by the signal, from this text or the ones before; *of is the text they stand in. */
static enum btz_err find_words(const struct btz_demo_tokens *t,
                               const struct btz_demo_tokens *before, const struct chain *given,
                               size_t signal, bool strong, struct btz_arena *arena,
                               const struct btz_demo_tokens **of, struct chain *out)
{
    *of = t;
    *out = *given;
    if (out->count == 0)
        find_chain(t, signal, out);
    if (out->count == 0 && strong) {
        struct btz_demo_tokens relaxed;

        BTZ_TRY(relax(t, arena, &relaxed));
        find_chain(&relaxed, signal, out);
    }
    if (out->count == 0)
        find_two(t, 1, out);
    if (out->count == 0 && before) {
        *of = before;
        find_two(before, 1, out);
    }
    return BTZ_OK;
}

/* The user asked for joined words before and now only names the next ones. */
static bool continues(const struct btz_demo_tokens *t, const struct btz_demo_tokens *before,
                      struct chain *out)
{
    bool strong;

    out->count = 0;
    if (find_signal(before, 0, &strong) == SIZE_MAX || t->count == 0)
        return false;
    for (size_t i = 0; i < t->count && out->count == 0; i++) {
        size_t to = 0;
        bool turn;

        if (btz_demo_object_score(t, i) >= 2 && joint_from(t, i, false, &to, &turn) == STRONG &&
            btz_demo_object_score(t, to) >= 2)
            *out = (struct chain){ { i, to }, 2 };
    }
    return out->count > 0;
}

enum btz_err btz_demo_find_join(const struct btz_demo_lexicon *lexicon,
                                const struct btz_demo_tokens *t, struct btz_slice earlier,
                                struct btz_arena *arena, struct btz_demo_asks *asks)
{
    bool strong = true, capitals = says_capitals(t), wanted = wants_output(t);
    const struct btz_demo_tokens *of, *before = NULL;
    struct btz_demo_tokens past;
    size_t from = 0, signal;
    struct chain words, given = { .count = 0 };

    if (earlier.len > 0) {
        BTZ_TRY(btz_demo_tokenise(lexicon, earlier, arena, &past));
        before = &past;
    }
    find_named(t, &words);
    if (words.count > 0 && wanted)
        BTZ_TRY(add_join(t, NULL, &words, capitals, arena, asks));
    if (is_foreign_signal(t->source)) {
        find_two(t, 1, &words);
        if (words.count > 0)
            BTZ_TRY(add_join(t, NULL, &words, capitals, arena, asks));
    }
    /* A text may speak of joining several times, about different words. */
    for (int round = 0; round < ROUNDS; round++, from = signal + 1) {
        signal = find_signal(t, from, &strong);
        if (signal == SIZE_MAX)
            break;
        if (!strong && !wanted)
            continue;
        if (from == 0)
            find_given(t, before, &given);
        BTZ_TRY(find_words(t, before, &given, signal, strong, arena, &of, &words));
        if (words.count == 0 || (!strong && is_about_goods(of, of == t ? before : NULL, &words)))
            continue;
        BTZ_TRY(add_join(of, of == t ? before : NULL, &words, capitals, arena, asks));
    }
    if (before && from == 0 && continues(t, before, &words))
        BTZ_TRY(add_join(t, before, &words, capitals, arena, asks));
    return BTZ_OK;
}
