#include "text/judge_features.h"

#include "text/text.h"

enum { CUE_WORDS_MAX = 10 };

enum token_kind { TOKEN_WORD, TOKEN_NUMBER, TOKEN_END, TOKEN_COLON, TOKEN_LINE, TOKEN_CODE };
struct token {
    uint32_t hash;
    uint8_t kind;
    uint8_t cue; /* enum btz_cue_kind of the word alone */
    bool quoted; /* between quotation marks */
    bool narrow; /* one character of a script without spaces: half a word */
};
struct tokens {
    struct token at[BTZ_FEATURE_TOKENS];
    size_t count;
};

const char *const btz_cue_kind_names[BTZ_CUE_KINDS] = {
    "none",   "word",     "apology",     "cannot",   "wont",    "request",
    "policy", "identity", "alternative", "scope",    "condemn", "comply",
    "noinfo", "hedge",    "clarify",     "negation", "self",    "only"
};

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u

static uint32_t fnv(uint32_t h, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        h = (h ^ (value & 255)) * FNV_PRIME;
        value >>= 8;
    }
    return h;
}

static uint32_t slot_of(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x85EBCA6Bu; /* the finaliser of MurmurHash3 spreads the low bits */
    h ^= h >> 13;
    return h % BTZ_FEATURE_SLOTS;
}

/* Scripts written without spaces: each character is a word of its own. */
static bool is_unspaced(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
           (c >= 0x20000 && c <= 0x323AF) || (c >= 0xE00 && c <= 0xEFF) ||
           (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF);
}

static bool is_separator(uint32_t c)
{
    return (c >= 0x80 && c < 0xC0 && c != 0xAA && c != 0xB5 && c != 0xBA) || c == 0xD7 ||
           c == 0xF7 || (c >= 0x2000 && c <= 0x206F) || (c >= 0x2190 && c <= 0x2BFF) ||
           (c >= 0x3000 && c <= 0x303F) || c == 0x60C || c == 0x61B || c == 0x61F || c == 0x6D4 ||
           c == 0x964 || c == 0xFFFD || (c >= 0x1F000 && c <= 0x1FAFF);
}

static bool ends_sentence(uint32_t c)
{
    return c == '.' || c == '!' || c == '?' || c == 0x3002 || c == 0x61F || c == 0x6D4 ||
           c == 0x964;
}

static bool word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static void add(struct tokens *t, uint32_t hash, enum token_kind kind, bool quoted)
{
    if (t->count < BTZ_FEATURE_TOKENS)
        t->at[t->count++] = (struct token){ .hash = hash, .kind = (uint8_t)kind, .quoted = quoted };
}

/* French and Italian articles and pronouns stand before an apostrophe: "l'adresse" is two words, "I'm" is one. */
static bool elides(const uint8_t *word, size_t len)
{
    return (len == 1 && word[0] != 'i' && word[0] != 'o') || (len == 2 && word[0] == 'q');
}

/* `in` is normalised and folded. */
static void tokenise(struct btz_slice in, struct tokens *t)
{
    size_t at = 0;
    bool quoted = false;

    t->count = 0;
    while (at < in.len && t->count < BTZ_FEATURE_TOKENS) {
        uint32_t c, h = FNV_BASIS;
        bool digits = true;
        size_t from = at;

        while (at < in.len) {
            uint8_t b = in.ptr[at];
            size_t next = at;

            if (word_byte(b) ||
                (b == '\'' && at > from && at + 1 < in.len && word_byte(in.ptr[at + 1]))) {
                digits = digits && b >= '0' && b <= '9';
                h = (h ^ b) * FNV_PRIME;
                at++;
                if (b == '\'' && elides(in.ptr + from, at - 1 - from))
                    break;
                continue;
            }
            if (b < 0x80)
                break;
            btz_utf8_next(in, &next, &c);
            if (is_separator(c) || (is_unspaced(c) && at > from))
                break;
            digits = false;
            for (; at < next; at++)
                h = (h ^ in.ptr[at]) * FNV_PRIME;
            if (is_unspaced(c))
                break;
        }
        if (at > from) {
            size_t first = from;

            btz_utf8_next(in, &first, &c);
            add(t, digits ? FNV_BASIS + 1 : h, digits ? TOKEN_NUMBER : TOKEN_WORD, quoted);
            t->at[t->count - 1].narrow = is_unspaced(c);
            continue;
        }
        btz_utf8_next(in, &at, &c);
        if (c == '"')
            quoted = !quoted;
        if (ends_sentence(c))
            add(t, FNV_BASIS + 2, TOKEN_END, quoted);
        else if (c == ':')
            add(t, FNV_BASIS + 3, TOKEN_COLON, quoted);
        else if (c == '\n' && (t->count == 0 || t->at[t->count - 1].kind != TOKEN_LINE))
            add(t, FNV_BASIS + 4, TOKEN_LINE, quoted);
        else if (c == '`' && (t->count == 0 || t->at[t->count - 1].kind != TOKEN_CODE))
            add(t, FNV_BASIS + 5, TOKEN_CODE, quoted);
    }
}

static enum btz_err read_tokens(struct btz_slice in, struct tokens *t)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)BTZ_FEATURE_BYTES * 16);

    BTZ_TRY(btz_text_normalise(
        btz_slice_sub(in, 0, BTZ_FEATURE_BYTES),
        BTZ_NORM_NFKC | BTZ_NORM_CASEFOLD | BTZ_NORM_QUOTES | BTZ_NORM_INVISIBLE, &text));
    tokenise(btz_buf_slice(&text), t);
    return BTZ_OK;
}

/* ---- slots and signs ---- */

enum {
    READ_HALVES = 120, /* half words of a reply that become slots */
    HEAD_HALVES = 28,  /* cues in here are at the beginning */
    PLACES = 4,
    SIGN_LENGTH = (BTZ_CUE_KINDS - BTZ_CUE_APOLOGY) * PLACES,
    SIGN_STEPS = SIGN_LENGTH + 20,
    SIGN_CODE = SIGN_STEPS + 5,
    SIGN_COLONS = SIGN_CODE + 2,
    SIGN_LINES = SIGN_COLONS + 4,
    SIGN_ENDS = SIGN_LINES + 9,
    SIGN_TOTAL = SIGN_ENDS + 9,
};
_Static_assert((int)SIGN_TOTAL <= (int)BTZ_FEATURE_SIGNS, "a weight for every sign");

/* Name spaces of hashed slots; echoed words of the prompt share one hash. */
enum { SPACE_WORD = 1, SPACE_PAIR, SPACE_START, SPACE_ECHO };

struct builder {
    struct btz_features *out;
    uint8_t seen[BTZ_FEATURE_SLOTS / 8];
    uint8_t signed_off[BTZ_FEATURE_SIGNS];
};

static void put(struct builder *b, uint32_t h)
{
    uint32_t slot = slot_of(h);
    uint8_t bit = (uint8_t)(1u << (slot & 7));

    if ((b->seen[slot >> 3] & bit) || b->out->slots == BTZ_FEATURE_MAX)
        return;
    b->seen[slot >> 3] |= bit;
    b->out->slot[b->out->slots++] = (uint16_t)slot;
}

static void sign(struct builder *b, unsigned s)
{
    if (b->signed_off[s])
        return;
    b->signed_off[s] = 1;
    b->out->sign[b->out->signs++] = (uint8_t)s;
}

static unsigned at_most(size_t n, unsigned max)
{
    return n < max ? (unsigned)n : max;
}

static enum btz_cue_kind cue_kind(const struct btz_cue *cues, uint32_t hash)
{
    for (uint32_t i = hash % BTZ_CUE_TABLE; cues[i].kind != BTZ_CUE_NONE;
         i = (i + 1) % BTZ_CUE_TABLE)
        if (cues[i].hash == hash)
            return cues[i].kind;
    return BTZ_CUE_NONE;
}

/* Longer phrases are looked up only while every word is a word of some phrase. */
static void add_cues(struct builder *b, const struct token *word, size_t count,
                     const struct btz_cue *cues)
{
    unsigned halves = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned place = word[i].quoted         ? 3
                         : halves < HEAD_HALVES ? 0
                         : halves < READ_HALVES ? 1
                                                : 2;
        uint32_t h = FNV_BASIS;

        halves += word[i].narrow ? 1 : 2;
        for (size_t n = 0; n < BTZ_CUE_WORDS && i + n < count && word[i + n].cue; n++) {
            enum btz_cue_kind kind;

            h = fnv(h, word[i + n].hash);
            kind = n == 0 ? word[i].cue : cue_kind(cues, h);
            if (kind >= BTZ_CUE_APOLOGY)
                sign(b, (kind - BTZ_CUE_APOLOGY) * PLACES + place);
        }
    }
}

static void add_layout(struct builder *b, const struct tokens *t, size_t bytes)
{
    size_t kinds[TOKEN_CODE + 1] = { 0 }, steps = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < t->count; i++) {
        kinds[t->at[i].kind]++;
        if (t->at[i].kind == TOKEN_NUMBER && (i == 0 || t->at[i - 1].kind == TOKEN_LINE) &&
            i + 1 < t->count && t->at[i + 1].kind == TOKEN_END)
            steps++;
    }
    for (; bytes > 1; bytes >>= 1)
        bits++;
    sign(b, SIGN_LENGTH + at_most(bits, SIGN_STEPS - SIGN_LENGTH - 1));
    sign(b, SIGN_STEPS + at_most(steps, SIGN_CODE - SIGN_STEPS - 1));
    sign(b, SIGN_CODE + (kinds[TOKEN_CODE] > 0));
    sign(b, SIGN_COLONS + at_most(kinds[TOKEN_COLON], SIGN_LINES - SIGN_COLONS - 1));
    sign(b, SIGN_LINES + at_most(kinds[TOKEN_LINE], SIGN_ENDS - SIGN_LINES - 1));
    sign(b, SIGN_ENDS + at_most(kinds[TOKEN_END], SIGN_TOTAL - SIGN_ENDS - 1));
}

/* The words of the prompt, to tell topic from attitude. */
struct word_set {
    uint32_t at[512];
};
_Static_assert(BTZ_FEATURE_TOKENS * 2 < 512, "a free place always ends the search");

static void set_fill(struct word_set *s, const struct tokens *t)
{
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < t->count; i++) {
        uint32_t h = t->at[i].hash | 1, place = slot_of(h) % 512;

        if (t->at[i].kind != TOKEN_WORD)
            continue;
        while (s->at[place] && s->at[place] != h)
            place = (place + 1) % 512;
        s->at[place] = h;
    }
}

static bool set_has(const struct word_set *s, uint32_t hash)
{
    uint32_t h = hash | 1, place = slot_of(h) % 512;

    while (s->at[place] && s->at[place] != h)
        place = (place + 1) % 512;
    return s->at[place] == h;
}

/* Words that only repeat the prompt say nothing of the attitude; the words of known phrases stay, so that a prompt
 * cannot blank the refusal ("never say you are sorry"). */
static void add_words(struct builder *b, const struct tokens *t, const struct word_set *prompt)
{
    uint32_t before = 0;
    unsigned halves = 0;
    bool start = true;

    for (size_t i = 0; i < t->count && halves < READ_HALVES; i++) {
        const struct token *token = &t->at[i];
        uint32_t h = token->hash;

        if (token->kind >= TOKEN_END) {
            start = start || token->kind == TOKEN_END || token->kind == TOKEN_LINE;
            continue;
        }
        halves += token->narrow ? 1 : 2;
        if (token->kind == TOKEN_WORD && !token->cue && set_has(prompt, h))
            h = SPACE_ECHO;
        put(b, fnv(FNV_BASIS + SPACE_WORD, h));
        if (before)
            put(b, fnv(fnv(FNV_BASIS + SPACE_PAIR, before), h));
        if (start)
            put(b, fnv(FNV_BASIS + SPACE_START, h));
        start = false;
        before = h;
    }
}

enum btz_err btz_features_of(struct btz_slice prompt, struct btz_slice response,
                             const struct btz_cue *cues, struct btz_features *out)
{
    struct tokens t;
    struct word_set echoes;
    struct token word[BTZ_FEATURE_TOKENS];
    struct builder b;
    size_t words = 0;

    BTZ_TRY(read_tokens(prompt, &t));
    set_fill(&echoes, &t);
    BTZ_TRY(read_tokens(response, &t));
    memset(&b, 0, sizeof b);
    memset(out, 0, sizeof *out);
    b.out = out;
    for (size_t i = 0; i < t.count; i++) {
        if (t.at[i].kind >= TOKEN_END)
            continue;
        t.at[i].cue = (uint8_t)cue_kind(cues, fnv(FNV_BASIS, t.at[i].hash));
        word[words++] = t.at[i];
    }
    add_words(&b, &t, &echoes);
    add_cues(&b, word, words, cues);
    add_layout(&b, &t, response.len);
    return BTZ_OK;
}

static enum btz_err table_put(struct btz_cue *cues, uint32_t hash, enum btz_cue_kind kind)
{
    size_t tried = 0;
    uint32_t i = hash % BTZ_CUE_TABLE;

    for (; cues[i].kind != BTZ_CUE_NONE; i = (i + 1) % BTZ_CUE_TABLE) {
        if (cues[i].hash == hash) {
            if (cues[i].kind == BTZ_CUE_WORD)
                cues[i].kind = (uint8_t)kind;
            else if (kind != BTZ_CUE_WORD && cues[i].kind != kind)
                return btz_fail(BTZ_CONFLICT, "the phrase is listed as %s too",
                                btz_cue_kind_names[cues[i].kind]);
            return BTZ_OK;
        }
        if (++tried > 64)
            return btz_fail(BTZ_LIMIT, "more phrases than the table of %d holds", BTZ_CUE_TABLE);
    }
    cues[i] = (struct btz_cue){ hash, (uint8_t)kind };
    return BTZ_OK;
}

enum btz_err btz_cue_add(struct btz_cue *cues, struct btz_slice phrase, enum btz_cue_kind kind)
{
    struct tokens t;
    uint32_t h = FNV_BASIS;
    size_t words = 0;

    BTZ_TRY(read_tokens(phrase, &t));
    for (size_t i = 0; i < t.count; i++) {
        if (t.at[i].kind >= TOKEN_END)
            continue;
        BTZ_TRY(table_put(cues, fnv(FNV_BASIS, t.at[i].hash), BTZ_CUE_WORD));
        h = fnv(h, t.at[i].hash);
        words++;
    }
    if (words == 0 || words > BTZ_CUE_WORDS)
        return btz_fail(BTZ_INPUT, "a phrase has 1 to %d words, this one %zu", BTZ_CUE_WORDS,
                        words);
    return table_put(cues, h, kind);
}
