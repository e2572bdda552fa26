/*
 * web: pages and their files, embedded in the program. The server gives them out as they are, with a strict
 * Content-Security-Policy: no inline script, no inline style, nothing from another host.
 */
#ifndef BTZ_WATCH_WEB_H
#define BTZ_WATCH_WEB_H

#include <stddef.h>

/* `path` is what the browser asks for: "/sign-in", "/admin/people", "/assets/app.js". */
struct btz_web_file {
    const char *path, *media_type; /* "text/html; charset=utf-8" */
    const unsigned char *bytes;
    size_t len;
};
/* Ends with an entry whose path is NULL. "/" leads to the entry "/account". */
extern const struct btz_web_file btz_web_files[];

#endif
