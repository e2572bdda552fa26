/*
 * posture: what the settings of the gateway, the front it last wrote and the files of its state say about how well it
 * protects. Gathered once (posture.c), then looked at by rules: one function, one word each. For its files and tests.
 */
#ifndef BTZ_GATE_POSTURE_H
#define BTZ_GATE_POSTURE_H

#include "finding/finding.h"
#include "gate/gate.h"

#define BTZ_POSTURE_PLACES 32

struct btz_posture_place { /* somewhere that something is wrong */
    char what[256];
};
struct btz_posture {
    const struct btz_gate_conf *conf;
    /* bartizan.yaml: secrets of `gate:` that stand in it as they are */
    bool file_known, file_is_open; /* open: others than its owner can read it */
    struct btz_posture_place clear[BTZ_POSTURE_PLACES];
    size_t clear_count;
    /* <state>/gate/nginx.conf, of the last `gate run` */
    bool front_known, beyond_loopback, self_signed, asks_certificates, works_as_root;
    struct btz_posture_place
        plain[BTZ_POSTURE_PLACES]; /* listeners without TLS beyond this machine */
    size_t plain_count;
    /* the state folder */
    bool state_known;
    struct btz_posture_place loose[BTZ_POSTURE_PLACES]; /* what others can read or write */
    size_t loose_count;
};

struct btz_posture_out {
    struct btz_sink *sink;
    const struct btz_rule *rule;
    uint64_t looked_at, failed;
    bool skipped;
};
struct btz_posture_rule {
    const char *word; /* of access.gate.WORD */
    enum btz_err (*check)(const struct btz_posture *p, struct btz_posture_out *out);
};
extern const struct btz_posture_rule btz_posture_settings_rules[],
    btz_posture_place_rules[]; /* last
                                                                                      * has no word */

/* `location` stays the same from run to run; severity -1: the rule's. */
BTZ_CHECKED enum btz_err btz_posture_fail(struct btz_posture_out *out, int severity,
                                          const char *location, const char *fmt, ...)
    BTZ_PRINTF(4, 5);
BTZ_CHECKED enum btz_err btz_posture_skip(struct btz_posture_out *out, const char *reason);
/* Runs all rules: each gives findings, or one that passed, or one not evaluated. */
BTZ_CHECKED enum btz_err btz_posture_run(const struct btz_posture *p, struct btz_sink *sink);

/* ---- gathering; files that are not there are not known ------------------------------------------------------------- */

BTZ_CHECKED enum btz_err btz_posture_gather(const struct btz_gate_conf *conf, const char *file,
                                            const char *state_dir, struct btz_posture *out);
/* Parts of it, over text: for tests. */
void btz_posture_read_front(struct btz_slice conf, bool started_by_root, struct btz_posture *out);
BTZ_CHECKED enum btz_err btz_posture_read_settings(struct btz_slice yaml, struct btz_posture *out);
/* Is the host of "http://HOST..." (or HOST:PORT, "redis://...") this machine? */
bool btz_posture_is_local(const char *address);

#endif
