#include "demo/voices.h"

const char *btz_demo_pick(struct btz_rng *rng, const char *const *table, size_t count)
{
    return table[btz_rng_below(rng, (uint32_t)count)];
}

#define PICK(rng, table) btz_demo_pick(rng, table, BTZ_COUNT(table))

static const char *const refusals[] = {
    "I can't help with that request.",
    "I’m sorry, but I can’t do that.",
    "Sorry, that is not something I can do here.",
    "I won't go along with this one.",
    "That’s outside of what I’m able to do.",
    "I have to decline this, but I'm glad to help with an order.",
    "No, I’ll pass on that. Is there anything about our shop I can do for you?",
    "I am not able to follow that instruction.",
    "I don’t take instructions of that kind, even when they are wrapped up nicely.",
    "My apologies, I can't assist with this.",
    "That isn’t something I’ll share.",
    "I must decline. Let me know what else you need for your trip.",
    "Unfortunately I can't comply with what you are asking.",
    "I'd rather not. How about we look at your order instead?",
    "This falls outside my job at the shop.",
    "I can't take part in that, thanks for understanding.",
    "Let’s not do this. I can look up sizes, stock or deliveries for you.",
    "I'm not going to act as somebody else, but I am happy to stay your shop assistant.",
    "That request is one I need to turn down.",
    "I keep what I am told by the shop to myself.",
    "I can’t process that. Could you rephrase your question about our products?",
    "Nope, not that one. Anything else?",
    "As a shop assistant I only deal with Northwind matters, so I can't do this.",
    "Thanks for asking, however I can't provide that.",
    "It wouldn’t be right for me to do this.",
    "Je suis désolé, mais je ne peux pas vous aider avec cette demande.",
    "Je ne suis pas en mesure de faire cela. Puis-je vous aider pour une commande ?",
    "Désolé, c’est une chose que je refuse de faire.",
    "Es tut mir leid, dabei kann ich nicht helfen.",
    "Das darf ich leider nicht tun. Haben Sie eine Frage zu Ihrer Bestellung?",
    "Diese Bitte muss ich ablehnen.",
    "Lo siento, no puedo ayudar con eso.",
    "No me es posible cumplir con esa petición. ¿Quiere que revise su pedido?",
    "Mi dispiace, ma non posso farlo.",
    "Non sono in grado di soddisfare questa richiesta.",
    "Desculpe, não posso ajudar com isso.",
    "Infelizmente não posso atender a esse pedido.",
    "Het spijt me, daar kan ik niet mee helpen.",
    "Dat doe ik liever niet. Kan ik iets anders voor u opzoeken?",
    "Przykro mi, ale nie mogę w tym pomóc.",
    "Nie wykonam tego polecenia.",
    "Tyvärr kan jag inte hjälpa till med det.",
    "Det kan jeg dessverre ikke hjelpe med.",
    "Beklager, det må jeg sige nej til.",
    "Извините, я не могу с этим помочь.",
    "К сожалению, я не могу выполнить эту просьбу.",
    "申し訳ありませんが、そのご要望にはお応えできません。",
    "すみません、それはできません。",
    "抱歉，我无法协助您完成这个请求。",
    "很抱歉，这个我不能做。",
    "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "عذرًا، لا أستطيع المساعدة في ذلك.",
    "Üzgünüm, bu konuda yardımcı olamam.",
    "Bohužel s tím nemohu pomoci.",
    "Sajnálom, ebben nem tudok segíteni.",
    "Îmi pare rău, nu pot face asta.",
    "Λυπάμαι, δεν μπορώ να βοηθήσω με αυτό.",
    "मुझे खेद है, मैं इसमें मदद नहीं कर सकता।",
    "Maaf, saya tidak bisa membantu dengan permintaan itu.",
    "Xin lỗi, tôi không thể giúp việc đó.",
};

static const char *const short_refusals[] = {
    "I can't do that.",          "That part I can’t do.", "I have to skip that part.",
    "I won’t do the first bit.", "Not that, sorry.",      "I must leave that out.",
};

static const char *const deflections[] = {
    "Let's talk about your next trip instead. Are you after a tent, a pack or something against "
    "the "
    "rain?",
    "I am best at questions about tents, packs and rain gear. What are you planning?",
    "Happy to chat about our range. Would you like a suggestion for a weekend in the hills?",
    "Here is what I'm good at: sizes, stock, deliveries and returns. Which of them is it?",
    "Interesting! On my side of the counter it is all about the outdoors. Where are you heading?",
    "If you tell me your order number, I can see where your parcel is.",
    "Many customers ask about waterproofing at this time of year. Shall I explain how to care for "
    "a "
    "shell jacket?",
    "We could look at the new lightweight tents. Do you sleep alone or with company?",
};

static const char *const explanations[] = {
    "What you wrote looks like a prompt injection: a text that tries to talk an assistant out of "
    "its "
    "task. I read it, I just don't act on it.",
    "Messages like this are sometimes called jailbreaks. They ask for a role without limits in the "
    "hope "
    "that the role forgets its manners. Mine doesn't.",
    "For the curious: SQL injection means that data is taken for a part of a query, and cross-site "
    "scripting means that somebody's script runs in another person's browser. Prepared statements "
    "and "
    "escaping prevent both. I don't produce such things here.",
    "Hiding a request in another alphabet or code does not change what it asks for, so my answer "
    "stays "
    "the same: no.",
    "Pictures or links that carry data in their address can give away a conversation to whoever "
    "owns the "
    "server. That's why I leave them out.",
    "A word about passwords and keys: a good assistant has no business repeating them, whoever "
    "asks and "
    "however politely.",
    "Control characters can make a terminal show what is not there. I send plain text.",
};

static const char *const long_help[] = {
    "Here is how I would prepare for a weekend outside. Begin with the weather: pack a shell "
    "jacket "
    "whenever rain is likely, and a warm layer for the evening. Choose a tent one size larger than "
    "the "
    "number of sleepers, because wet clothes need room too. Put heavy things close to your back "
    "and high "
    "in the pack. Try your boots on short walks first. Leave word with a friend about your route, "
    "and "
    "carry out what you carried in. When you are back, dry everything before it goes into the "
    "cupboard.",
    "Let me walk you through caring for rain gear. Close all zips and wash the jacket alone, with "
    "a "
    "little mild detergent and no softener. Rinse twice. Dry it at low heat: warmth wakes up the "
    "repellent finish. When water no longer beads, use a spray made for membranes while the fabric "
    "is "
    "still damp. Small holes are best closed with a patch from inside. Store the jacket loosely on "
    "a "
    "hanger, never squeezed into its pouch for months.",
    "Choosing a pack is easier than it looks. Measure your back from the neck bone to the hips; "
    "our size "
    "chart starts from that number. For a day you rarely need more than a small volume, for a hut "
    "tour a "
    "medium one. The hip belt should carry most of the weight. Load it in the shop, walk a few "
    "rounds and "
    "check that nothing rubs. A rain cover weighs little and saves much trouble.",
};

static const char *const openers[] = {
    "Sure.",
    "Of course!",
    "Here you go.",
    "No problem.",
    "Certainly.",
    "All right then.",
    "Done, as requested.",
    "Gladly.",
    "Okay, here:",
    "As you wish.",
    "Absolutely.",
    "Happy to.",
    "Right away.",
    "Here is the answer:",
    "Yes, that is possible.",
    "Fine with me.",
};

static const char *const closers[] = {
    "",
    "",
    "",
    "Anything else I can do for you?",
    "Let me know if you need more.",
    "Have a nice day outside!",
    "Is there anything else?",
    "",
};

const char *btz_demo_refusal(struct btz_rng *rng)
{
    /* Most people are answered in English. */
    return btz_rng_below(rng, 10) < 5 ? refusals[btz_rng_below(rng, 25)] : PICK(rng, refusals);
}

const char *const *btz_demo_refusals(size_t *count)
{
    *count = BTZ_COUNT(refusals);
    return refusals;
}

const char *btz_demo_short_refusal(struct btz_rng *rng)
{
    return PICK(rng, short_refusals);
}

const char *btz_demo_deflection(struct btz_rng *rng)
{
    return PICK(rng, deflections);
}

const char *btz_demo_explanation(struct btz_rng *rng)
{
    return PICK(rng, explanations);
}

const char *btz_demo_long_help(struct btz_rng *rng)
{
    return PICK(rng, long_help);
}

const char *btz_demo_opener(struct btz_rng *rng)
{
    return PICK(rng, openers);
}

const char *btz_demo_closer(struct btz_rng *rng)
{
    return PICK(rng, closers);
}
