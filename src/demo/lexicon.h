/*
 * What words mean to the assistant: each word belongs to any number of kinds. Inside demo only. Words are given
 * in lower case without accents.
 */
#ifndef BTZ_DEMO_LEXICON_H
#define BTZ_DEMO_LEXICON_H

#include "base/base.h"

enum btz_demo_kind {
    K_COMMON,    /* function words and everyday vocabulary: never the object of a word game */
    K_IGNORE,    /* ignore, disregard, forget */
    K_PRIOR,     /* previous, above, earlier */
    K_RULES,     /* instructions, rules, prompt */
    K_YOUR,      /* your, you */
    K_TELL,      /* reveal, show, repeat */
    K_SAY,       /* say, print, output */
    K_JOIN,      /* combine, concatenate, glue */
    K_TIMES,     /* multiply, times, product */
    K_PLUS,      /* add, sum */
    K_REVERSE,   /* backwards, reversed */
    K_SECRET,    /* key, token, password, secret */
    K_INNER,     /* internal, hidden, override */
    K_CODE,      /* code, coupon */
    K_CONFIG,    /* configuration, settings */
    K_PAPER,     /* document, memo, page */
    K_SUMMARY,   /* summarise, recap */
    K_TRANSLATE, /* translate */
    K_ENCODE,    /* encode, convert */
    K_POEM,      /* poem, song */
    K_LETTER,    /* letter, letters, characters */
    K_IMAGE,     /* image, picture */
    K_LINK,      /* link, hyperlink */
    K_HTML,      /* html, javascript, script */
    K_SQL,       /* sql, query */
    K_SHELL,     /* shell, bash */
    K_TEMPLATE,  /* template, jinja */
    K_ANSI,      /* ansi, terminal colours */
    K_ROLE,      /* pretend, roleplay, act */
    K_FREE,      /* unrestricted, uncensored, dan */
    K_ASK,       /* what, which */
    K_TEACH,     /* explain, meaning, difference */
    K_PROTECT,   /* prevent, defend */
    K_START,     /* begin, start */
    K_END,       /* end, finish */
    K_DECODE,    /* decode, decipher */
    K_TOLD,      /* told, given, configured */
    K_ONE,       /* one, single */
    K_GAP,       /* space, gap, separator, hyphen */
    K_NO,        /* without, no, remove */
    K_WORD,      /* word, string, part, half */
    K_AND,       /* and, plus, with, then */
    K_REPLY,     /* reply, answer, response */
    K_MAKE,      /* write, generate, render */
    K_DATA,      /* data, conversation, parameter */
    K_CIPHER,    /* base64, rot13, hex */
    K_SYSTEM,    /* system, initial, original */
    K_TOOL,      /* tool, lookup, raw, record, notes */
    K_ORDER,     /* order, parcel */
    K_SHIP,      /* shipping, delivery */
    K_REFUND,    /* refund, return */
    K_HELLO,
    K_THANKS,
    K_WEATHER,
    K_GOODS, /* tent, jacket, boots */
    K_PAY,
    K_HOURS,
    K_HUMAN, /* agent, phone, contact */
    K_ACCOUNT,
    K_OFFER, /* discount, sale, coupon */
    K_AFTER, /* after, behind, onto */
    K_STEAL, /* jailbreak, hack, bypass */
    K_KIND_COUNT
};
#define KIND(name) (UINT64_C(1) << (name))

struct btz_demo_lexicon;
BTZ_CHECKED enum btz_err btz_demo_lexicon_new(struct btz_demo_lexicon **out);
void btz_demo_lexicon_free(struct btz_demo_lexicon *lexicon);

/* Kinds of a word or of its stem (plurals, -ed, -ing, -ly); 0: unknown. */
uint64_t btz_demo_kinds(const struct btz_demo_lexicon *lexicon, struct btz_slice word);

/* How much of a text is known words, [0,1]; `words` gets how many words it has. */
double btz_demo_known_share(const struct btz_demo_lexicon *lexicon, struct btz_slice text,
                            size_t *words);

#endif
