/* detect: which model servers listen on this machine. Nothing is contacted unless the person asks for it. */
#ifndef BTZ_CLI_DETECT_H
#define BTZ_CLI_DETECT_H

#include "base/base.h"

struct btz_detected {
    const char *preset; /* "ollama", "llamacpp" */
    const char *url;    /* base URL as the preset wants it */
    const char *model;  /* the first one it offers; NULL: none */
};

/* Asks http://127.0.0.1:PORT whether it is Ollama or llama.cpp; false when it is neither. Strings in the arena. */
bool btz_detect_ollama(unsigned port, struct btz_arena *arena, struct btz_detected *out);
bool btz_detect_llamacpp(unsigned port, struct btz_arena *arena, struct btz_detected *out);

/* Both on their usual ports, 11434 and 8080; the first that answers. */
bool btz_cli_detect(struct btz_arena *arena, struct btz_detected *out);

#endif
