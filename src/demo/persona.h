/* The assistant's person: its instructions, its documents, its tools' data. Inside demo only. */
#ifndef BTZ_DEMO_PERSONA_H
#define BTZ_DEMO_PERSONA_H

#include "demo/demo.h"

struct btz_demo_paper {
    const char *name, *text;
};
/* Papers the shop put on the shelf; `count` of them. */
const struct btz_demo_paper *btz_demo_papers(size_t *count);

/* The instructions as sentences; those with `secret` hold one. */
struct btz_demo_sentence {
    const char *text;
    bool secret;
};
const struct btz_demo_sentence *btz_demo_sentences(size_t *count);

/* The instructions in another language, or NULL: "fr", "de", "es". */
const char *btz_demo_system_prompt_in(const char *language);

#define BTZ_DEMO_KEY_SECRET  "nwo-live-7Q4ZK2M9XW83RTPL"
#define BTZ_DEMO_CODE_SECRET "TRAILHEAD-OVERRIDE-4417"
#define BTZ_DEMO_MEMO_CANARY "tamarack-lantern-5821"
#define BTZ_DEMO_TOOL_CANARY "REVIEW-TAG-osprey-7719"

#endif
