/* Any bytes as a snapshot whose MAC is right: refused, or every question and look-up stays within them. */
#include <math.h>
#include <stdlib.h>

#include "access/policy/snapshot.h"

static void ask(const struct btz_snapshot *s, uint32_t principal, uint32_t key, uint64_t now_s)
{
    static const char *const resources[] = { "model/a", "user/self", "user/usr_a",  "key/own",
                                             "key/k1",  "tool/*",    "endpoint/v1", "policy/base" };

    for (int action = 0; action < (int)btz_action_count; action++)
        for (size_t i = 0; i < BTZ_COUNT(resources); i++) {
            struct btz_request r = { .principal = principal,
                                     .key = key,
                                     .action = action,
                                     .resource = btz_str(resources[i]),
                                     .cost = i % 2 ? 0.5 : (double)NAN,
                                     .now_s = now_s,
                                     .mfa_age_s = 60 };
            struct btz_decision d;

            r.address.known = i % 3 > 0;
            btz_decide(s, &r, &d);
            if (strlen(btz_snapshot_rule_id(s, d.rule)) > 1u << 30)
                abort();
        }
}

static void look_up(const struct btz_snapshot *s, uint32_t principal)
{
    struct btz_slice groups[4];
    size_t count = btz_snapshot_groups(s, principal, groups, BTZ_COUNT(groups));

    for (size_t i = 0; i < count && i < BTZ_COUNT(groups); i++)
        if (memchr(groups[i].ptr, 0, groups[i].len + 1) == NULL) /* reads all of it */
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_snap_header *h;
    struct btz_snapshot *s;
    uint8_t *copy;
    uint32_t who;

    if (size < sizeof *h || !(copy = malloc(size)))
        return 0;
    memcpy(copy, data, size);
    /* What a forger would get right. */
    h = (struct btz_snap_header *)(void *)copy;
    h->magic = BTZ_SNAP_MAGIC;
    h->version = BTZ_SNAP_VERSION;
    h->actions = btz_snap_actions_digest();
    h->size = size;
    if (btz_snapshot_of(btz_slice_of(copy, size), &s) == BTZ_OK) {
        for (uint32_t p = 0; p < 5; p++) {
            ask(s, p, p % 2 ? p / 2 : BTZ_NOBODY, p == 4 ? UINT64_MAX : 1800000000);
            look_up(s, p);
        }
        btz_snapshot_principal(s, "alice");
        btz_snapshot_key_named(s, "k1");
        btz_snapshot_key(s, copy, &who);
        btz_snapshot_close(s);
    }
    free(copy);
    return 0;
}
