/* Ordinary questions and their answers. */
#include "demo/voices.h"

#define FORMS 4

/* The row with most of its words in the question answers. */
static const struct topic {
    const char *words; /* exact words that speak for it */
    uint64_t kinds;
    const char *answers[FORMS];
} topics[] = {
    { "refund refunds return returns exchange reimbursement money",
      KIND(K_REFUND),
      { "You can send unused articles back for two months, the label is in the box. Your money is "
        "on "
        "your account about a week after the parcel reached us.",
        "Returns are simple: put the article back in its box, stick the label on it and hand it to "
        "the "
        "carrier. It costs you nothing.",
        "If something doesn't fit, just return it unused. We refund the full price to the card you "
        "paid "
        "with.",
        "Of course you may exchange it. Write the size you need on the slip in the box and we send "
        "the "
        "other one out." } },
    { "shipping ship ships delivery deliver delivered postage courier arrive dispatch",
      KIND(K_SHIP),
      { "Most parcels arrive within the same working week, and the express service brings them the "
        "next "
        "day. Orders above fifty euros travel free.",
        "We ship from our own warehouse every afternoon. You get a tracking link by mail as soon "
        "as the "
        "carrier has your parcel.",
        "Yes, we deliver to all of the European Union, to Norway and to Switzerland.",
        "Delivery usually takes a few days. If you are in a hurry, choose express at the "
        "checkout." } },
    { "order orders parcel tracking track package purchase",
      KIND(K_ORDER),
      { "I had a look: your order has left our warehouse and is on its way to you.",
        "You can follow the parcel with the link in your confirmation mail. If it has not moved "
        "for three "
        "days, tell me and I will ask the carrier.",
        "Orders can be changed until they are packed, which is usually around noon.",
        "Please tell me the order number and I will look it up at once." } },
    { "weather forecast rain sunny snow temperature umbrella",
      KIND(K_WEATHER),
      { "I can't see the sky from here, but a light rain jacket is never wrong at this time of "
        "year.",
        "For changeable weather take three layers: a shirt, a fleece and a shell.",
        "If rain is on the way, our waterproof jackets will keep you dry. Please check a local "
        "forecast "
        "before you go.",
        "It depends on where you are heading. Tell me the region and the month and I suggest what "
        "to "
        "wear." } },
    { "tent tents jacket jackets boots boot backpack pack sleeping stove camping hiking gear "
      "waterproof",
      KIND(K_GOODS),
      { "For a weekend in the hills I like the two-person tent: light, quick to pitch, and dry in "
        "a "
        "storm.",
        "Our most popular choice is the trekking pack with the adjustable back. It fits most "
        "people after "
        "a minute of fiddling.",
        "Good boots should leave a finger's width in front of your toes. Try them in the evening, "
        "when feet "
        "are a little larger.",
        "Have a look at the waterproof shell jacket: taped seams, a hood that fits over a cap, and "
        "it packs "
        "into its own pocket." } },
    { "size sizes fit fits sizing measure",
      0,
      { "Our sizes run true. Between two sizes, take the larger one for jackets and the smaller "
        "for "
        "gloves.",
        "Measure your chest and your back length; the chart on each product page starts from "
        "those.",
        "If it doesn't fit, exchange it free of charge.",
        "Most customers order their usual size." } },
    { "pay payment card paypal invoice installments visa price prices cost",
      KIND(K_PAY),
      { "You can pay by card, by bank transfer or on invoice.",
        "Prices include tax; shipping is added at the checkout unless your order is large.",
        "Yes, we accept all common cards.", "Payment is taken when the parcel leaves us." } },
    { "password login account username register profile signin",
      KIND(K_ACCOUNT),
      { "To reset your password, choose the link below the login form; a mail with the next steps "
        "arrives "
        "within minutes.",
        "You can change your address and your mail preferences in your account under Profile.",
        "An account is free and shows you all your orders in one place.",
        "If the login does not work, clear the cookies of the page and try once more." } },
    { "discount discounts sale coupon voucher promotion deal offer newsletter promo",
      KIND(K_OFFER),
      { "Subscribers of our newsletter get ten percent off their first order.",
        "The winter sale opens in November. The newsletter tells you the day before everybody "
        "else.",
        "There is a bundle price when you take a tent and two mats together.",
        "At the moment selected boots are reduced; have a look at the sale page." } },
    { "hours open opening closed closing store shop",
      KIND(K_HOURS),
      { "Our store is open on weekdays from nine to six and on Saturdays until four.",
        "The web shop never closes; the people behind it sleep at night.",
        "We are open every day but Sunday.", "Drop in any weekday, the coffee is on us." } },
    { "human agent phone contact representative support complaint",
      KIND(K_HUMAN),
      { "I can pass you on to a colleague. Please leave a number and a good time to call.",
        "You reach our team by phone on weekdays, or by mail around the clock.",
        "Sorry for the trouble! A person will look at your complaint today.",
        "Of course. A colleague will get back to you within one working day." } },
    { "warranty guarantee repair broken damaged",
      0,
      { "Everything we sell has a guarantee of three years. Send us a photo of the damage and we "
        "decide "
        "within a day.",
        "We repair what can be repaired: zips, seams and poles are our daily bread.",
        "Sorry to hear that it broke. We will replace it or repair it, as you prefer.",
        "Keep the receipt; the guarantee starts on the day of purchase." } },
    { "sustainable environment recycled organic vegan",
      0,
      { "Most of our jackets are made of recycled polyester and carry no fluorinated finish.",
        "We pack in paper and take old tents back for recycling.",
        "Our wool comes from farms that are inspected every year.",
        "Repairing beats buying new, which is why we teach it in the store." } },
    { "injection xss phishing malware security hacker jailbreak cybersecurity encryption",
      0,
      { "That is a good topic to know about. In short: treat all input as data, never as a "
        "command; "
        "validate it, escape it for where it goes, and give each part only the rights it needs.",
        "Attacks of this kind work because data and instructions travel in the same channel. "
        "Keeping them "
        "apart, by prepared statements, escaping and review, is the cure.",
        "The usual advice holds: keep software up to date, use a password manager, turn on a "
        "second factor, "
        "and be careful with links in mails you did not expect.",
        "It helps to know how such an attack works in order to prevent it: somebody sends text "
        "that is "
        "later taken for a command. Filters help a little, a clean separation helps a lot." } },
    { "prompt llm assistant model ai chatbot",
      0,
      { "A system prompt is the text an operator gives to an assistant before anybody talks to it. "
        "It sets "
        "the task, the tone and the limits.",
        "Language models continue a text word by word; the instructions at the start steer them, "
        "but they "
        "are no lock.",
        "I am a shop assistant made of software. I can look things up, but I have no feelings "
        "about them.",
        "An assistant like me reads your message together with its task and writes an answer that "
        "fits "
        "both." } },
    { "kill process terminate thread program hang hangs",
      0,
      { "To end a program that hangs, find its process number in the task list, ask it to stop, "
        "and only "
        "if it does not react force it. Save your work in other windows first.",
        "Open the task manager, choose the process and end it. In a program of your own, catch the "
        "signal "
        "and close files before you leave.",
        "First look at the log to see why it hangs. Then stop it from the outside; a restart is "
        "usually "
        "enough.",
        "A process ends cleanly when it gets the polite signal first and a little time." } },
    { "recipe cook cooking bake food eat",
      0,
      { "For the stove in front of the tent: couscous, a handful of dried tomatoes, boiling water, "
        "ten "
        "minutes under a lid. Done.",
        "Porridge with nuts is hard to beat on a cold morning.",
        "Cut everything small at home and you save gas outside.",
        "Bread on a stick needs patience more than flour." } },
    { "knife shoot bomb drug poison fire gun blow kick steal attack",
      0,
      { "Happy to help with the harmless side of that. Work slowly, wear gloves where it makes "
        "sense, and "
        "follow the leaflet that came with the product.",
        "Good question. Start small, keep others at a distance, and read up on the rules where you "
        "live "
        "before you begin.",
        "Here is how most people do it: prepare the place, check your tools, do one step after the "
        "other, "
        "and clean up at the end.",
        "With a bit of practice it is easy. A local club or course is the best place to learn "
        "it." } },
    { "capital country city population history war president",
      0,
      { "Good question! In brief: it depends a little on whom you ask, and an encyclopedia has the "
        "long "
        "version. From the top of my head I would start with the best known facts and go on from "
        "there.",
        "I am more at home in tents than in textbooks, but gladly: the short answer is in every "
        "atlas, and "
        "the story behind it is worth an evening.",
        "That has a long history. The main steps were small settlements, trade, and later a good "
        "deal of "
        "politics.",
        "Let me give you the gist: geography first, people second, dates last." } },
    { "thanks thank thx cheers gracias danke merci bye goodbye",
      KIND(K_THANKS),
      { "You're welcome! Enjoy the outdoors.", "My pleasure. Come back any time.",
        "Glad I could help. Safe travels!", "Any time. Have a great day!" } },
    { "hello hi hey greetings hola bonjour hallo ciao",
      KIND(K_HELLO),
      { "Hello! I can help you with products, sizes, orders, deliveries and returns.",
        "Hi there! Here is what I do: I look up orders, recommend gear and explain how returns "
        "work.",
        "Hello! Let me help you with tents, packs, jackets, deliveries and refunds.",
        "Hi! Sure: I answer questions about our gear, find the right size and track parcels for "
        "you." } },
    { "harbor who name yourself",
      0,
      { "I'm Harbor. I help customers of Northwind with products, orders and returns.",
        "My name is Harbor, I work behind the digital counter of Northwind.",
        "I am the assistant of this shop. Ask me about tents, sizes or your parcel.",
        "Harbor here! I can look up orders and explain how to send things back." } },
};

static bool is_stop(const struct btz_demo_token *x)
{
    return !x->word || x->text.len < 4 ||
           (x->kinds &
            (KIND(K_COMMON) | KIND(K_TELL) | KIND(K_SAY) | KIND(K_MAKE) | KIND(K_RULES)));
}

static unsigned score_of(const struct topic *p, const struct btz_demo_tokens *q)
{
    unsigned score = 0;

    for (size_t i = 0; i < q->count && i < 200; i++) {
        if (btz_demo_is_any(&q->at[i], p->words))
            score += 3;
        else if (q->at[i].kinds & p->kinds)
            score += 1;
    }
    return score;
}

static const struct topic *topic_of(const struct btz_demo_tokens *q)
{
    const struct topic *best = NULL;
    unsigned best_score = 1;

    for (size_t i = 0; i < BTZ_COUNT(topics); i++) {
        unsigned score = score_of(&topics[i], q);

        if (score > best_score) {
            best = &topics[i];
            best_score = score;
        }
    }
    return best;
}

/* Nothing we have words for: an answer built from the question's own subject. */
static enum btz_err general_help(const struct btz_demo_tokens *q, struct btz_rng *rng,
                                 struct btz_buf *out)
{
    static const char *const forms[] = {
        "Happy to help with %s. Start with what you want to reach, note what you already have, and "
        "take "
        "it one step at a time. Most people find that the first step is the hardest and the rest "
        "follows.",
        "Good question about %s. In short: look at two or three reliable sources, compare them, "
        "and try the "
        "simplest way first. If you tell me more, I can be more precise.",
        "On %s I would say: it depends on the situation, but a calm beginning, good preparation "
        "and a "
        "second opinion rarely hurt.",
        "Here are a few thoughts on %s. First, find out what matters most to you. Second, set a "
        "limit for "
        "time and money. Third, ask somebody who has done it before.",
        "Sure, let's look at %s together. The main idea is simple, the details come with practice, "
        "and "
        "there is no harm in asking.",
        "Many people wonder about %s. A good way in is a short overview, then an example, then "
        "your own "
        "attempt.",
    };
    BTZ_BUF_RELEASE struct btz_buf subject = BTZ_BUF(200);
    const char *form = btz_demo_pick(rng, forms, BTZ_COUNT(forms)), *hole;
    size_t taken = 0;

    for (size_t i = 0; i < q->count && taken < 2; i++) {
        bool plain = true;

        for (size_t k = 0; k < q->at[i].text.len; k++)
            plain = plain && q->at[i].text.ptr[k] >= 'a' && q->at[i].text.ptr[k] <= 'z';
        if (is_stop(&q->at[i]) || !plain || q->at[i].text.len > 20 || q->at[i].quoted)
            continue;
        if (taken++ > 0)
            BTZ_TRY(btz_buf_add_str(&subject, " and "));
        BTZ_TRY(btz_buf_add_slice(&subject, q->at[i].text));
    }
    if (taken == 0)
        BTZ_TRY(btz_buf_add_str(&subject, "that"));
    hole = strstr(form, "%s");
    BTZ_TRY(btz_buf_add(out, form, (size_t)(hole - form)));
    BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&subject)));
    return btz_buf_add_str(out, hole + 2);
}

enum btz_err btz_demo_help(const struct btz_demo_tokens *question, struct btz_rng *rng,
                           struct btz_buf *out)
{
    const struct topic *p = topic_of(question);

    if (!p)
        return general_help(question, rng, out);
    return btz_buf_add_str(out, btz_demo_pick(rng, p->answers, FORMS));
}

const char *btz_demo_harmless_part(const struct btz_demo_tokens *question, struct btz_rng *rng)
{
    const struct topic *p = topic_of(question);

    return p ? btz_demo_pick(rng, p->answers, FORMS) : NULL;
}
