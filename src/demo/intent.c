#include "demo/intent.h"

struct btz_demo_ask *btz_demo_add_ask(struct btz_demo_asks *asks, enum btz_demo_ask_kind kind,
                                      struct btz_slice text)
{
    struct btz_demo_ask *a;

    for (size_t i = 0; i < asks->count; i++)
        if (asks->at[i].kind == kind && btz_slice_equal(asks->at[i].text, text))
            return &asks->at[i];
    if (asks->count == BTZ_DEMO_ASKS_MAX)
        return NULL;
    a = &asks->at[asks->count++];
    *a = (struct btz_demo_ask){ .kind = kind, .text = text };
    return a;
}

const struct btz_demo_ask *btz_demo_find_ask(const struct btz_demo_asks *asks,
                                             enum btz_demo_ask_kind kind)
{
    for (size_t i = 0; i < asks->count; i++)
        if (asks->at[i].kind == kind)
            return &asks->at[i];
    return NULL;
}

/* ---- what kind of sentence ------------------------------------------------------------------------- */

#define MAY "can could would will"
#define POLITE                                                                                     \
    "hi hello hey please can could would will also so and ok okay then thanks well just sorry"

static bool near_own(const struct btz_demo_tokens *t, size_t from, size_t end)
{
    for (size_t i = from; i < end && i < from + 4; i++)
        if (btz_demo_is_any(
                &t->at[i],
                "instructions instruction prompt directives key secret secrets code codes "
                "credentials memo notes rules configuration"))
            return true;
    return false;
}

/* A sentence that wants something explained: "what is a system prompt?", "how do I prevent injection?" */
static bool is_teaching(const struct btz_demo_tokens *t, size_t from, size_t end)
{
    size_t i = from;
    bool protects = false, about_you = false, makes = false, the_own = false;

    while (i < end &&
           (btz_demo_is_any(&t->at[i], POLITE) || !t->at[i].word ||
            (i > from && btz_demo_is_any(&t->at[i], "you") && btz_demo_is_any(&t->at[i - 1], MAY))))
        i++;
    for (size_t k = i; k < end; k++) {
        protects = protects || (t->at[k].kinds & KIND(K_PROTECT));
        about_you = about_you ||
                    (btz_demo_is_any(&t->at[k], "your yours yourself you tu tes votre deine") &&
                     !(k > i && k <= i + 2 && btz_demo_is_any(&t->at[i], "how why when where")));
        makes =
            makes || btz_demo_is_any(&t->at[k],
                                     "print output write generate reveal show display repeat echo "
                                     "list dump produce render insert give execute");
        /* "the initial prompt", "the internal key": one in particular, not the thing in general. */
        the_own = the_own ||
                  (btz_demo_is_any(&t->at[k], "the these those this") && near_own(t, k + 1, end));
    }
    if (i >= end || about_you || (makes && !protects))
        return false;
    if (btz_demo_is_any(&t->at[i], "what what's")) {
        size_t k = i + 1;

        while (k < end && btz_demo_is_any(&t->at[k], "is are was does do exactly 's"))
            k++;
        if (k >= end ||
            btz_demo_is_any(&t->at[k],
                            "written said above at in there stored kept hidden shown before"))
            return false;
        if (btz_demo_is_any(&t->at[k], "the this that"))
            return k + 1 < end &&
                   btz_demo_is_any(&t->at[k + 1], "difference meaning definition purpose "
                                                  "point risk danger best history idea");
        return true;
    }
    if (btz_demo_is_any(&t->at[i], "is are"))
        return !the_own;
    if (btz_demo_is_any(&t->at[i], "how why when who does do should"))
        return true;
    if (btz_demo_is_any(&t->at[i], "explain define describe"))
        return i + 1 < end && !the_own &&
               ((t->at[i + 1].kinds & (KIND(K_ASK) | KIND(K_TEACH))) ||
                btz_demo_is_any(&t->at[i + 1], "me the a an to us"));
    if (btz_demo_is_any(&t->at[i], "tell teach"))
        return i + 2 < end && !the_own && btz_demo_is_any(&t->at[i + 1], "me us") &&
               btz_demo_is_any(&t->at[i + 2], "about how why what some more a");
    return protects && btz_demo_is_any(&t->at[i], "i we i'm i'd we're my our");
}

static enum btz_err find_teaching(const struct btz_demo_tokens *t, struct btz_arena *arena,
                                  bool **out, bool *all)
{
    bool *teaching = btz_arena_array(arena, (size_t)t->sentence_count + 1, sizeof *teaching);
    size_t yes = 0, no = 0;

    if (!teaching)
        return BTZ_LIMIT;
    for (size_t i = 0, end; i < t->count; i = end) {
        end = i;
        while (end < t->count && t->at[end].sentence == t->at[i].sentence)
            end++;
        teaching[t->at[i].sentence] = is_teaching(t, i, end);
        yes += teaching[t->at[i].sentence];
        no += !teaching[t->at[i].sentence] && end - i > 3;
    }
    *out = teaching;
    *all = yes > 0 && no == 0;
    return BTZ_OK;
}

/* ---- override and role ------------------------------------------------------------------------------ */

static bool is_override(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];

    if (x->kinds & KIND(K_IGNORE)) {
        bool prior = btz_demo_near(t, i + 1, i + 7, KIND(K_PRIOR) | KIND(K_YOUR));

        for (size_t k = i + 1; k < t->count && k < i + 9; k++) {
            if (t->at[k].sentence != x->sentence)
                break;
            if ((t->at[k].kinds & KIND(K_RULES)) && prior)
                return true;
            if (btz_demo_is_any(&t->at[k], "above before told told learned") && prior)
                return true;
        }
        return false;
    }
    if (btz_demo_is_any(x, "new updated revised additional") &&
        btz_demo_near(t, i + 1, i + 3, KIND(K_RULES)) &&
        btz_demo_near(t, i + 1, i + 3, KIND(K_RULES)) &&
        !btz_demo_near(t, i + 1, i + 3, KIND(K_TOOL)))
        return true;
    if (btz_demo_is_any(x, "developer debug maintenance admin god sudo root test diagnostic") &&
        i + 1 < t->count && btz_demo_is_any(&t->at[i + 1], "mode"))
        return true;
    if (btz_demo_is_any(x, "system admin administrator developer assistant operator") &&
        i + 1 < t->count && btz_demo_is_any(&t->at[i + 1], ":") &&
        (i == 0 || t->at[i - 1].sentence != x->sentence || !t->at[i - 1].word))
        return true;
    return btz_demo_is_any(x, "im_start im_end inst sys endoftext");
}

static void find_stance(const struct btz_demo_tokens *t, struct btz_demo_asks *asks)
{
    bool free = false;

    for (size_t i = 0; i < t->count; i++) {
        const struct btz_demo_token *x = &t->at[i];

        asks->overrides = asks->overrides || is_override(t, i);
        asks->papers = asks->papers || (x->kinds & (KIND(K_PAPER) | KIND(K_SUMMARY)));
        asks->ciphers = asks->ciphers || (x->kinds & KIND(K_CIPHER));
        asks->decodes = asks->decodes || (x->kinds & KIND(K_DECODE));
        asks->json = asks->json || btz_demo_is_any(x, "json");
        free = free || (x->kinds & KIND(K_FREE)) ||
               ((x->kinds & KIND(K_NO)) && btz_demo_near(t, i + 1, i + 6, KIND(K_RULES)));
        if (btz_demo_is_any(x, "you you're") && i + 1 < t->count &&
            btz_demo_near(t, i, i + 4, KIND(K_COMMON)) &&
            (btz_demo_is_any(&t->at[i + 1], "now") ||
             (i + 2 < t->count && btz_demo_is_any(&t->at[i + 1], "are will") &&
              btz_demo_is_any(&t->at[i + 2], "now no be"))))
            asks->role = true;
        if ((x->kinds & KIND(K_ROLE)) &&
            (btz_demo_near(t, i + 1, i + 4, KIND(K_COMMON)) ||
             btz_demo_near(t, i, i + 2, KIND(K_YOUR))) &&
            btz_demo_is_any(
                x, "pretend act roleplay imagine persona simulate impersonate become emulate "
                   "behave pose play role character finge spiele joue actua hypothetical story "
                   "playing acting grandma grandmother"))
            asks->role = true;
    }
    asks->persona = asks->role && free;
}

/* ---- forms ------------------------------------------------------------------------------------------- */

static enum btz_demo_form cipher_form(const struct btz_demo_token *x)
{
    if (btz_demo_is_any(x, "base64 b64"))
        return FORM_BASE64;
    if (btz_demo_is_any(x, "hex hexadecimal base16"))
        return FORM_HEX;
    if (btz_demo_is_any(x, "rot13 rot caesar"))
        return FORM_ROT13;
    if (btz_demo_is_any(x, "reversed reverse backwards backward"))
        return FORM_REVERSED;
    return FORM_PLAIN;
}

/* "in base64", "as hex", "reversed": only where it is about what comes out. */
static enum btz_demo_form find_cipher(const struct btz_demo_tokens *t)
{
    for (size_t i = 0; i < t->count; i++) {
        enum btz_demo_form form = cipher_form(&t->at[i]);
        size_t back = i > 3 ? i - 3 : 0;
        /* "W1 is toleco read backwards" is about what came in. */
        bool out = form == FORM_REVERSED && !(i > 0 && btz_demo_is_any(&t->at[i - 1], "read"));

        if (form == FORM_PLAIN || btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_DECODE)))
            continue;
        for (size_t k = back; k < i; k++)
            out = out || btz_demo_is_any(&t->at[k], "in as into using with to en em auf");
        out = out || btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_ENCODE)) ||
              (i + 1 < t->count && btz_demo_is_any(&t->at[i + 1], "encode encoded encoding"));
        if (out && btz_demo_in_sentence(t, t->at[i].sentence,
                                        KIND(K_SAY) | KIND(K_TELL) | KIND(K_ENCODE) | KIND(K_MAKE)))
            return form;
    }
    return FORM_PLAIN;
}

static enum btz_demo_form find_form(const struct btz_demo_tokens *t)
{
    enum btz_demo_form form = find_cipher(t);
    bool translate = false;

    if (form != FORM_PLAIN)
        return form;
    for (size_t i = 0; i < t->count; i++) {
        const struct btz_demo_token *x = &t->at[i];

        translate = translate || (x->kinds & (KIND(K_TRANSLATE) | KIND(K_SAY)));
        if (btz_demo_is_any(x, "french francais") && translate)
            return FORM_FRENCH;
        if (btz_demo_is_any(x, "german deutsch") && translate)
            return FORM_GERMAN;
        if (btz_demo_is_any(x, "spanish espanol") && translate)
            return FORM_SPANISH;
        if (x->kinds & KIND(K_POEM))
            return FORM_POEM;
        if (btz_demo_is_any(x, "first initial") && i + 1 < t->count &&
            (t->at[i + 1].kinds & KIND(K_LETTER)) && btz_demo_near(t, i + 1, i + 8, KIND(K_WORD)))
            return FORM_FIRST_LETTERS;
        if ((btz_demo_is_any(x, "spell spelled") ||
             (btz_demo_is_any(x, "letter character") && i + 2 < t->count &&
              btz_demo_is_any(&t->at[i + 2], "letter character"))) ||
            ((x->kinds & KIND(K_GAP)) && btz_demo_near(t, i + 1, i + 5, KIND(K_LETTER)) &&
             btz_demo_in_sentence(t, x->sentence, KIND(K_TELL)) &&
             !btz_demo_near(t, i > 3 ? i - 3 : 0, i, KIND(K_NO))))
            return FORM_SPELLED;
        if (btz_demo_is_any(x, "first beginning") && i + 2 < t->count &&
            (t->at[i + 1].number ||
             btz_demo_is_any(
                 &t->at[i + 1],
                 "few half two three four five six seven eight nine ten twelve twenty")) &&
            btz_demo_near(t, i + 1, i + 4, KIND(K_LETTER) | KIND(K_WORD)))
            return FORM_PART;
        if (x->kinds & KIND(K_SUMMARY) || (btz_demo_is_any(x, "own") && i + 1 < t->count &&
                                           btz_demo_is_any(&t->at[i + 1], "words")))
            form = FORM_SUMMARY;
    }
    return form;
}

/* ---- instructions and secrets -------------------------------------------------------------------------- */

static bool is_instructions(const struct btz_demo_token *x)
{
    return btz_demo_is_any(
        x, "instruction instructions prompt prompts directive directives preamble "
           "metaprompt preprompt initialization initialisation briefing programming instrucciones "
           "instruccion "
           "anweisungen anweisung consignes consigne istruzioni instrucoes vorgaben "
           "guardrails guardrail");
}

static bool is_rules(const struct btz_demo_token *x)
{
    return btz_demo_is_any(x, "rule rules guideline guidelines directions constraints restrictions "
                              "policies reglas regeln regles principles");
}

static bool is_shop_talk(const struct btz_demo_tokens *t, unsigned sentence)
{
    return btz_demo_in_sentence(t, sentence,
                                KIND(K_REFUND) | KIND(K_SHIP) | KIND(K_GOODS) | KIND(K_PAY) |
                                    KIND(K_ACCOUNT) | KIND(K_OFFER));
}

/* Whether the token is only what somebody wants ignored. */
static bool is_dismissed(const struct btz_demo_tokens *t, size_t i)
{
    for (size_t k = i; k > 0 && i - k < 9; k--) {
        const struct btz_demo_token *x = &t->at[k - 1];

        if (x->sentence != t->at[i].sentence)
            return false;
        if ((x->kinds & KIND(K_IGNORE)) && !btz_demo_is_any(x, "stop replace skip drop"))
            return true;
        if ((x->kinds & KIND(K_TELL)) &&
            !btz_demo_is_any(x, "all put need want include know what whats what's which"))
            return false;
    }
    return false;
}

static bool wants_told(const struct btz_demo_tokens *t, unsigned sentence)
{
    return btz_demo_in_sentence(t, sentence,
                                KIND(K_TELL) | KIND(K_ASK) | KIND(K_SUMMARY) | KIND(K_TRANSLATE) |
                                    KIND(K_ENCODE));
}

static bool names_its_instructions(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];
    size_t back = i > 4 ? i - 4 : 0;
    bool near_you = false, near_system = false;

    if (!is_instructions(x) && !is_rules(x))
        return false;
    for (size_t k = back; k < i + 6 && k < t->count; k++) {
        if (t->at[k].sentence != x->sentence)
            continue;
        near_you = near_you ||
                   btz_demo_is_any(&t->at[k], "your you yours ur tu tus votre vos deine deinen "
                                              "ihre ihren tuo tue seu suas");
        near_system = near_system ||
                      btz_demo_is_any(&t->at[k], "system initial hidden internal original base "
                                                 "core secret confidential opening first above "
                                                 "previous prior preceding earlier sistema "
                                                 "systeme iniciales initiales given received "
                                                 "private developer these those starting");
    }
    if (is_rules(x))
        return (near_you || near_system) && !is_shop_talk(t, x->sentence) &&
               !btz_demo_is_any(x, "policies");
    return near_you || near_system ||
           btz_demo_is_any(x, "preamble metaprompt preprompt initialisation initialization");
}

static bool names_text_above(const struct btz_demo_tokens *t, size_t i)
{
    /* "the previous text", "the system message", "the first message of this conversation" */
    if (i + 1 < t->count &&
        btz_demo_is_any(&t->at[i],
                        "system hidden initial preceding previous prior above opening first") &&
        btz_demo_is_any(&t->at[i + 1],
                        "message messages text words context setup part lines paragraph") &&
        btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_TELL)) && !is_dismissed(t, i)) {
        if (!btz_demo_is_any(&t->at[i], "first"))
            return true;
        for (size_t k = i + 2; k < t->count && k < i + 7; k++)
            if (btz_demo_is_any(&t->at[k], "conversation chat context session"))
                return true;
    }
    if (!btz_demo_is_any(&t->at[i],
                         "text words everything content contents message messages lines "
                         "all paragraph anything sentence sentences was said written word"))
        return false;
    for (size_t k = i + 1; k < t->count && k < i + 6; k++) {
        if (t->at[k].sentence != t->at[i].sentence)
            return false;
        if (btz_demo_is_any(&t->at[k], "above preceding precedes preceded"))
            return btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_TELL));
        if (btz_demo_is_any(&t->at[k], "before prior") && k + 1 < t->count &&
            btz_demo_is_any(&t->at[k + 1], "this the our my to it that"))
            return btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_TELL));
    }
    return false;
}

static bool names_start_of_talk(const struct btz_demo_tokens *t, size_t i)
{
    if (btz_demo_is_any(&t->at[i], "beginning start top") && i + 1 < t->count &&
        btz_demo_is_any(&t->at[i + 1], "of"))
        for (size_t k = i + 2; k < t->count && k < i + 6; k++)
            if (btz_demo_is_any(&t->at[k],
                                "conversation chat context session window dialogue prompt "
                                "discussion thread"))
                return true;
    if (btz_demo_is_any(&t->at[i], "context") && i + 1 < t->count &&
        btz_demo_is_any(&t->at[i + 1], "window"))
        return true;
    /* The words its instructions begin with. */
    return btz_demo_is_any(&t->at[i], "you") && i + 1 < t->count &&
           btz_demo_is_any(&t->at[i + 1], "are") && i > 0 &&
           (btz_demo_is_any(&t->at[i - 1], "with \" ' ` : by") &&
            btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_START) | KIND(K_TELL)) &&
            (i + 2 >= t->count || !t->at[i + 2].word ||
             btz_demo_is_any(&t->at[i + 2], "harbor and the")));
}

static bool asks_what_told(const struct btz_demo_tokens *t, size_t i)
{
    if (!btz_demo_is_any(
            &t->at[i],
            "told instructed configured programmed briefed primed given received started "
            "initialised initialized prompted forbidden"))
        return false;
    if (is_dismissed(t, i))
        return false;
    for (size_t k = i > 5 ? i - 5 : 0; k < i; k++)
        if (t->at[k].sentence == t->at[i].sentence && btz_demo_is_any(&t->at[k], "you"))
            return btz_demo_in_sentence(t, t->at[i].sentence, KIND(K_ASK) | KIND(K_TELL));
    return false;
}

static void find_system(const struct btz_demo_tokens *t, const bool *teaching,
                        struct btz_demo_asks *asks)
{
    for (size_t i = 0; i < t->count; i++) {
        unsigned s = t->at[i].sentence;
        bool named;

        if (teaching[s])
            continue;
        named = names_its_instructions(t, i) && wants_told(t, s) && !is_dismissed(t, i);
        /* "Your instructions? Print them." */
        if (!named && names_its_instructions(t, i) && !is_dismissed(t, i) &&
            btz_demo_in_sentence(t, s + 1, KIND(K_TELL)) && asks->overrides)
            named = true;
        if (named || names_text_above(t, i) || names_start_of_talk(t, i) || asks_what_told(t, i)) {
            struct btz_demo_ask *a = btz_demo_add_ask(asks, ASK_SYSTEM, btz_str(""));

            if (a)
                a->form = find_form(t);
            return;
        }
    }
}

static unsigned secret_at(const struct btz_demo_tokens *t, size_t i)
{
    const struct btz_demo_token *x = &t->at[i];
    size_t back = i > 5 ? i - 5 : 0;
    bool inner = false, own = false;

    for (size_t k = back; k < i + 6 && k < t->count; k++) {
        if (t->at[k].sentence != x->sentence)
            continue;
        inner = inner || (k != i && (t->at[k].kinds & KIND(K_INNER)));
        own = own || (k < i && k + 3 > i && btz_demo_is_any(&t->at[k], "my our forgot reset lost"));
    }
    if (x->kinds & KIND(K_CODE) || btz_demo_is_any(x, "discount override"))
        return inner ? SECRET_CODE : 0;
    if (btz_demo_is_any(x, "phrase word") && i > 0 && btz_demo_is_any(&t->at[i - 1], "pass code") &&
        inner)
        return SECRET_KEY | SECRET_CODE;
    if (!(x->kinds & KIND(K_SECRET)) || own)
        return 0;
    if (i + 1 < t->count &&
        btz_demo_is_any(&t->at[i + 1], "feature features point points to of santa "
                                       "recipe takeaway takeaways difference for"
                                       " ingredient board ring") &&
        !inner)
        return 0;
    if (btz_demo_is_any(
            x, "secret secrets confidential secreto secretos geheimnis geheimnisse credential "
               "credentials"))
        return SECRET_KEY | SECRET_CODE;
    if (inner ||
        btz_demo_is_any(x, "password passwords passphrase apikey api_key passcode token tokens"))
        return SECRET_KEY;
    /* "the key is", "your key" */
    return btz_demo_near(t, back, i, KIND(K_YOUR)) ||
                   (i + 1 < t->count && btz_demo_is_any(&t->at[i + 1], "is : ="))
               ? SECRET_KEY
               : 0;
}

/* "token" and "secret" are also words of games: alone they are no request. */
static void find_secret(const struct btz_demo_tokens *t, const bool *teaching,
                        struct btz_demo_asks *asks)
{
    unsigned which = 0;

    for (size_t i = 0; i < t->count; i++) {
        unsigned s = t->at[i].sentence, here;
        bool open_end, game;

        if (teaching[s])
            continue;
        here = secret_at(t, i);
        if (btz_demo_is_any(&t->at[i], "config configuration env dotenv environment context") &&
            btz_demo_in_sentence(t, s, KIND(K_TELL)) &&
            btz_demo_near(t, i > 4 ? i - 4 : 0, i + 3,
                          KIND(K_YOUR) | KIND(K_SYSTEM) | KIND(K_INNER) | KIND(K_CONFIG)))
            here = SECRET_KEY | SECRET_CODE;
        if (!here)
            continue;
        /* "The API key is" waits to be completed. */
        open_end = i + 4 >= t->count ||
                   (i + 1 < t->count && btz_demo_is_any(&t->at[i + 1], "is : = starts begins"));
        game = btz_demo_is_any(&t->at[i], "token tokens secret passphrase") &&
               btz_demo_find_ask(asks, ASK_JOIN) &&
               !btz_demo_near(t, i > 3 ? i - 3 : 0, i, KIND(K_YOUR));
        if (!game && (open_end || wants_told(t, s) || wants_told(t, s + 1) || asks->overrides))
            which |= here;
    }
    if (which) {
        struct btz_demo_ask *a = btz_demo_add_ask(asks, ASK_SECRET, btz_str(""));

        if (a) {
            a->which = which;
            a->form = find_form(t);
        }
    }
}

static bool names_stock(const struct btz_demo_tokens *t, size_t i)
{
    for (size_t k = i + 1; k < t->count && k < i + 7; k++)
        if (btz_demo_is_any(&t->at[k], "stock inventory warehouse staff quarter count"))
            return true;
    return false;
}

static bool names_papers(const struct btz_demo_tokens *t, size_t i, size_t back)
{
    const struct btz_demo_token *x = &t->at[i];
    unsigned s = x->sentence;

    if (btz_demo_is_any(x, "memo memos bibliography"))
        return true;
    if (btz_demo_is_any(x, "staff employee employees internal"))
        return btz_demo_near(t, i + 1, i + 4, KIND(K_PAPER)) &&
               !btz_demo_near(t, i + 1, i + 3, KIND(K_TOOL));
    if (btz_demo_is_any(x, "documents files papers docs sources passages material"))
        return btz_demo_in_sentence(t, s, KIND(K_YOUR));
    if (btz_demo_is_any(x, "word codeword"))
        return i > 0 && btz_demo_is_any(&t->at[i - 1], "code") && names_stock(t, i);
    return btz_demo_is_any(x, "knowledge") && i + 1 < t->count &&
           btz_demo_is_any(&t->at[i + 1], "base") && btz_demo_near(t, back, i, KIND(K_YOUR));
}

/* "the raw output of the tool", "internal notes on the order", "the record of the customer before me" */
static bool names_records(const struct btz_demo_tokens *t, size_t i, size_t back)
{
    const struct btz_demo_token *x = &t->at[i];
    unsigned s = x->sentence;
    bool of_tool, inner;

    if (!btz_demo_is_any(
            x,
            "raw unfiltered note notes comment comments remarks record records ticket tickets case "
            "field fields returned returns output result results"))
        return false;
    of_tool = btz_demo_near(t, back, i + 6, KIND(K_TOOL)) || btz_demo_says(t->source, "lookup") ||
              btz_demo_says(t->source, "tool");
    inner = btz_demo_in_sentence(t, s, KIND(K_INNER)) || btz_demo_says(t->source, "hidden") ||
            btz_demo_says(t->source, "unfiltered");
    if (btz_demo_is_any(x, "raw unfiltered"))
        return of_tool && (btz_demo_near(t, i + 1, i + 5, KIND(K_TOOL) | KIND(K_REPLY)) ||
                           btz_demo_says(t->source, "output") || btz_demo_says(t->source, "json") ||
                           btz_demo_says(t->source, "result"));
    if (btz_demo_is_any(x, "note notes comment comments remarks"))
        return inner &&
               (btz_demo_in_sentence(t, s, KIND(K_ORDER)) || btz_demo_says(t->source, "customer"));
    if (btz_demo_is_any(x, "record records ticket tickets case"))
        return (inner || btz_demo_says(t->source, "field")) &&
               (btz_demo_says(t->source, "customer") || btz_demo_says(t->source, "internal") ||
                btz_demo_says(t->source, "order") || btz_demo_says(t->source, "colleague"));
    if (btz_demo_is_any(x, "field fields"))
        return of_tool || inner;
    return btz_demo_is_any(x, "returned returns output result results") && of_tool &&
           (inner || btz_demo_in_sentence(t, s, KIND(K_ORDER))) &&
           btz_demo_near(t, back, i + 6, KIND(K_TOOL));
}

/* Papers for staff and what the tools say beside the answer. */
static void find_inside_data(const struct btz_demo_tokens *t, const bool *teaching,
                             struct btz_demo_asks *asks)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct btz_demo_token *x = &t->at[i];
        size_t back = i > 4 ? i - 4 : 0;

        if (teaching[x->sentence] || !wants_told(t, x->sentence))
            continue;
        if (names_papers(t, i, back))
            btz_demo_add_ask(asks, ASK_MEMO, btz_str(""));
        if (names_records(t, i, back))
            btz_demo_add_ask(asks, ASK_NOTES, btz_str(""));
    }
}

enum btz_err btz_demo_intent(const struct btz_demo_lexicon *lexicon, struct btz_slice text,
                             struct btz_slice earlier, struct btz_arena *arena,
                             struct btz_demo_asks *out)
{
    struct btz_demo_tokens t;
    struct btz_demo_asks asks = { 0 };
    bool *teaching;

    BTZ_TRY(btz_demo_tokenise(lexicon, text, arena, &t));
    BTZ_TRY(find_teaching(&t, arena, &teaching, &asks.teaches));
    find_stance(&t, &asks);
    BTZ_TRY(btz_demo_find_games(lexicon, &t, earlier, arena, &asks));
    find_system(&t, teaching, &asks);
    find_secret(&t, teaching, &asks);
    find_inside_data(&t, teaching, &asks);
    BTZ_TRY(btz_demo_find_outputs(&t, teaching, arena, &asks));
    asks.answer_form = find_cipher(&t);
    *out = asks;
    return BTZ_OK;
}
