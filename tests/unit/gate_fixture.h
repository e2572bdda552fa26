/* A gate of a folder of its own: people, keys and a policy, without daemon and transport. */
#ifndef GATE_FIXTURE_H
#define GATE_FIXTURE_H

#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/identity.h"
#include "gate/gate.h"

static const uint8_t gate_secret[32] = { 1 }, gate_pepper[32] = { 2 };

struct gate_place {
    char folder[64], yaml[96];
    struct btz_arena arena;
    struct btz_gate_conf *conf;
    struct btz_gate *gate;
    uint64_t now_ms, generation;
};

/* Keys: of alice, of alice for one model only, expired, of carol (disabled), of bob (no role). */
enum { KEY_ALICE, KEY_SCOPED, KEY_EXPIRED, KEY_DISABLED, KEY_NO_ROLE, KEY_COUNT };

static inline const char *gate_key(unsigned which)
{
    static char text[KEY_COUNT][BTZ_KEY_TEXT];
    uint8_t bits[32] = { (uint8_t)(which + 1), 77 };

    btz_key_from(bits, text[which]);
    return text[which];
}

static inline void gate_publish(struct gate_place *p, const char *policy, bool revoked)
{
    static const char *const scopes[] = { "model.invoke model/small", NULL };
    static const char *const owners[] = { "usr_a", "usr_a", "usr_a", "usr_c", "usr_b" };
    static const struct btz_principal_model people[] = { { "usr_a", "alice", 0, false },
                                                         { "usr_b", "bob", 0, false },
                                                         { "usr_c", "carol", 0, true } };
    static const char *const staff[] = { "usr_a", NULL };
    static const struct btz_group_model groups[] = { { "grp_s", "staff", staff } };
    static const struct btz_binding_model bindings[] = {
        { .id = "bnd_1", .role = "caller", .subject = "usr_a" },
        { .id = "bnd_2", .role = "caller", .subject = "usr_c" },
        { .id = "bnd_3", .role = "second", .subject = "usr_b" }
    };
    static const char *const ids[] = { "key_1", "key_2", "key_3", "key_4", "key_5" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model m = { 0 };
    struct btz_key_model keys[KEY_COUNT] = { 0 };
    char path[128];

    btz_arena_init(&arena, 4 << 20);
    if (btz_policy_parse(btz_str(policy), "policy.yaml", &arena, &m) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        keys[i] = (struct btz_key_model){ .id = ids[i], .principal = owners[i] };
        btz_key_hash(btz_str(gate_key(i)), gate_pepper, keys[i].hash);
    }
    keys[KEY_SCOPED].scopes = scopes;
    keys[KEY_EXPIRED].until_s = 1000;
    m.principals = people;
    m.principal_count = BTZ_COUNT(people);
    m.groups = groups;
    m.group_count = BTZ_COUNT(groups);
    m.bindings = bindings;
    m.binding_count = strstr(policy, "  second:") ? 3 : 2;
    m.keys = revoked ? keys + 1 : keys;
    m.key_count = revoked ? KEY_COUNT - 1 : KEY_COUNT;
    snprintf(path, sizeof path, "%s/access/snapshot", p->folder);
    if (btz_snapshot_write(&m, ++p->generation, gate_secret, path) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

static const char gate_policy[] =
    "policy: p\n"
    "roles:\n"
    "  caller:\n"
    "    rules:\n"
    "      - id: all\n"
    "        effect: allow\n"
    "        actions: [model.invoke, model.list, endpoint.use, tool.call]\n"
    "        resources: ['*']\n"
    "      - id: no-secret-model\n"
    "        effect: deny\n"
    "        actions: [model.invoke]\n"
    "        resources: [model/secret*]\n"
    "      - id: no-shell\n"
    "        effect: deny\n"
    "        actions: [tool.call]\n"
    "        resources: [tool/shell]\n";

/* To be added to it: bob may do the same as alice. */
#define GATE_SECOND                                                                                \
    "  second:\n"                                                                                  \
    "    inherits: [caller]\n"

static inline uint64_t gate_clock(void *user)
{
    return ((struct gate_place *)user)->now_ms;
}

static inline void gate_open(struct gate_place *p, const char *yaml)
{
    struct btz_gate_options o = {
        .snapshot_secret = gate_secret, .pepper = gate_pepper, .now_ms = gate_clock, .clock_user = p
    };
    const char *state;
    char path[128];
    FILE *f;

    memset(p, 0, sizeof *p);
    p->now_ms = 1700000000000;
    snprintf(p->folder, sizeof p->folder, "/tmp/btz-exchange-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(path, sizeof path, "%s/access", p->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(p->yaml, sizeof p->yaml, "%s/bartizan.yaml", p->folder);
    f = fopen(p->yaml, "w");
    assert_non_null(f);
    assert_true(fputs(yaml, f) >= 0);
    assert_int_equal(fclose(f), 0);
    btz_arena_init(&p->arena, 4 << 20);
    if (btz_gate_conf_load(p->yaml, NULL, &p->arena, &p->conf, &state) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    gate_publish(p, gate_policy, false);
    o.conf = p->conf;
    o.state_dir = p->folder;
    if (btz_gate_open(&o, &p->gate) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

/* The body, whether it is large or small. */
static inline enum btz_step gate_body(struct btz_exchange *x, struct btz_slice body)
{
    enum btz_step step = btz_exchange_body(x, body);

    while (step == BTZ_STEP_WORK) {
        btz_exchange_work(x);
        step = btz_exchange_worked(x);
    }
    return step;
}

/* A piece of the answer, whether that is large or small. */
static inline enum btz_step gate_pieces(struct btz_exchange *x, struct btz_slice piece, bool final,
                                        struct btz_buf *out)
{
    enum btz_step step = btz_exchange_pieces(x, piece, final, out);

    if (step != BTZ_STEP_WORK)
        return step;
    btz_exchange_work(x);
    return btz_exchange_answered(x, out);
}

static inline int gate_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void gate_close(struct gate_place *p)
{
    btz_gate_close(p->gate);
    btz_arena_release(&p->arena);
    nftw(p->folder, gate_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
