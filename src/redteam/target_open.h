/* An open target, for target.c, target_document.c and target_ping.c. */
#ifndef BTZ_REDTEAM_TARGET_OPEN_H
#define BTZ_REDTEAM_TARGET_OPEN_H

#include "redteam/target.h"

struct btz_target {
    struct btz_target_conf conf; /* a copy; what it points to is the caller's */
    const struct btz_preset *preset;
    struct btz_log *log;
    struct btz_arena arena;
    const char *request_text; /* of raw */
    struct btz_http_opts http_opts;
    struct btz_http *http;      /* presets that speak HTTP */
    struct btz_runner *runner;  /* those that block */
    struct btz_http *documents; /* its own engine: documents are put from inside callbacks, too */
    /* Sees each HTTP reply before it is judged; for ping. */
    void (*watch)(void *user, const struct btz_http_reply *reply, const struct btz_slice *events,
                  size_t event_count);
    void *watch_user;
};

#endif
