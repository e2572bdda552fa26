/* Commands that destroy, open a way in or run what they fetch. Assistants write commands: only written down unless a rule
 * says so. */
#include "gate/guard/detectors/charset.h"
#include "gate/guard/detectors/phrases.h"

enum { LINE_MAX = 400 };

static const struct btz_phrase phrases[] = {
    { "curl|wget|fetch|iwr", "fetch", 0 }, /* looked at closer */
    { "=rm -rf", "delete-all", 0.8 },
    { "=rm -fr", "delete-all", 0.8 },
    { "=rm -r -f", "delete-all", 0.8 },
    { "=rm --recursive", "delete-all", 0.8 },
    { "=--no-preserve-root", "delete-all", 1 },
    { "=mkfs.", "format", 0.8 },
    { "=of=/dev/sd", "overwrite-disk", 1 },
    { "=of=/dev/nvme", "overwrite-disk", 1 },
    { "=> /dev/sd", "overwrite-disk", 1 },
    { "=>/dev/sd", "overwrite-disk", 1 },
    { "=:(){", "fork-bomb", 1 },
    { "=:() {", "fork-bomb", 1 },
    { "=/dev/tcp/", "reverse-shell", 1 },
    { "=/dev/udp/", "reverse-shell", 1 },
    { "=nc -e", "reverse-shell", 1 },
    { "=ncat -e", "reverse-shell", 1 },
    { "=bash -i >&", "reverse-shell", 1 },
    { "=base64 -d |", "decode-and-run", 0.8 },
    { "=base64 --decode |", "decode-and-run", 0.8 },
    { "=chmod 777", "permissions", 0.6 },
    { "=chmod -r 777", "permissions", 0.7 },
    { "=chmod u+s", "permissions", 0.8 },
    { "=invoke-expression", "run-text", 0.8 },
    { "=iex(", "run-text", 0.8 },
    { "=iex (", "run-text", 0.8 },
    { "=-encodedcommand", "run-text", 0.9 },
    { "=downloadstring(", "fetch-and-run", 0.9 },
    { "=certutil -urlcache", "fetch-and-run", 0.9 },
    { "=os.system(", "run-text", 0.5 },
    { "=subprocess.popen(", "run-text", 0.4 },
    { "=authorized_keys", "way-in", 0.6 },
    { "=/etc/shadow", "passwords", 0.8 },
    { "=/etc/sudoers", "way-in", 0.8 },
    { "=ld_preload=", "way-in", 0.7 },
    { "=history -c", "hide-traces", 0.7 },
};

BTZ_PHRASES(compile, phrases)

/* curl ... | sh, on one line */
static enum btz_err fetch(const struct btz_view *v, const struct btz_mark *m,
                          struct btz_found *found)
{
    static const char *const shells[] = { "sudo", "sh",     "bash", "zsh",  "dash", "ash",
                                          "env",  "python", "perl", "node", "ruby", "python3" };
    const uint8_t *p = v->folded;
    size_t at = m->at + m->len, len = v->text.len, from;

    if (at < len && (btz_is_alnum(p[at]) || p[at] == '_'))
        return BTZ_OK;
    while (at < len && at - m->at < LINE_MAX && p[at] != '\n' && p[at] != '|' && p[at] != '<')
        at++;
    if (at < len && (at - m->at == LINE_MAX || p[at] != '|'))
        return BTZ_OK;
    for (from = at < len ? at + 1 : at;
         from < len && p[from] == ' ' && from - m->at < LINE_MAX + 8;)
        from++;
    for (at = from; at < len && btz_is_alnum(p[at]) && at - from < 16;)
        at++;
    if (at == len)
        btz_found_wait(found, m->at);
    for (size_t i = 0; i < BTZ_COUNT(shells); i++)
        if (strlen(shells[i]) == at - from && memcmp(shells[i], p + from, at - from) == 0)
            return btz_found_hit(found, m->at, at, "fetch-and-run", 1);
    return BTZ_OK;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    struct btz_view one = *view;

    for (size_t i = 0; i < view->mark_count; i++) {
        one.marks = &view->marks[i];
        one.mark_count = 1;
        if (one.marks->id == 0)
            BTZ_TRY(fetch(view, one.marks, found));
        else
            BTZ_TRY(btz_phrases_detect(setup, &one, session, found));
    }
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_shell = {
    .id = "shell",
    .summary = "Commands that destroy, open a way in or run what they fetch.",
    .mask = "command",
    .channels = 1u << BTZ_CHANNEL_OUTPUT | 1u << BTZ_CHANNEL_TOOL_ARGUMENTS,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .triggers = btz_phrases_wake,
    .scan = scan,
    .compile = compile,
    .release = btz_phrases_release,
};
