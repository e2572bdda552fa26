/* Short forms for the tables of probes. */
#ifndef BTZ_PROBE_H
#define BTZ_PROBE_H

#include "redteam/redteam.h"

#define BTZ_USER(text)                                                                             \
    {                                                                                              \
        BTZ_ROLE_USER, text                                                                        \
    }
#define BTZ_TOOL(text)                                                                             \
    {                                                                                              \
        BTZ_ROLE_TOOL, text                                                                        \
    }

/* A conversation: the target answers after each user turn, its answers are not in the table. */
#define BTZ_TURNS(...)                                                                             \
    .turns = (const struct btz_turn[]){ __VA_ARGS__ },                                             \
    .count = sizeof((const struct btz_turn[]){ __VA_ARGS__ }) / sizeof(struct btz_turn)

#define BTZ_SAY(text) BTZ_TURNS(BTZ_USER(text))

#define BTZ_DETECT(...)                                                                            \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

#define BTZ_PROMPTS(table) .prompts = table, .prompt_count = BTZ_COUNT(table)

#endif
