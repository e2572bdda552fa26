/*
 * snapshot: the file that decisions are made from. A header, then sections of fixed-size records at offsets that are
 * multiples of 8, in the machine's byte order, then a MAC (BLAKE2b-256 under the installation's secret) over all before it.
 * compile*.c write it, snapshot_check.c proves every index and range in it once, decide.c trusts it.
 */
#ifndef BTZ_ACCESS_POLICY_SNAPSHOT_H
#define BTZ_ACCESS_POLICY_SNAPSHOT_H

#include "access/policy/pattern.h"

#define BTZ_SNAP_MAGIC   0x3150414e535a5442ULL /* "BTZSNAP1" */
#define BTZ_SNAP_VERSION 2
#define BTZ_SNAP_MAC     32
#define BTZ_SNAP_MAX     ((uint64_t)4 << 30)
#define BTZ_SNAP_PREFIX  0x80000000u /* in pattern lengths: anything may follow */

enum btz_snap_section {
    BTZ_SNAP_STRINGS,     /* bytes, NUL-terminated texts */
    BTZ_SNAP_SETS,        /* u64: sets of roles, `words` each */
    BTZ_SNAP_PRINCIPALS,  /* by id */
    BTZ_SNAP_NAMES,       /* u32 slots: principal + 1 by hash of its id and of its name */
    BTZ_SNAP_GRANT_LISTS, /* u32: grants of a principal */
    BTZ_SNAP_GRANTS,
    BTZ_SNAP_RULES, /* by role, then id */
    BTZ_SNAP_CONDITIONS,
    BTZ_SNAP_PATTERNS,
    BTZ_SNAP_NETS,
    BTZ_SNAP_WINDOWS,
    BTZ_SNAP_ZONES,
    BTZ_SNAP_TRANSITIONS,
    BTZ_SNAP_ACTIONS,    /* of each action: lengths of its prefix patterns */
    BTZ_SNAP_LENGTHS,    /* u32, ascending within an action */
    BTZ_SNAP_SLOTS,      /* hash table of buckets */
    BTZ_SNAP_BUCKETS,    /* one (action, pattern): who has rules for it */
    BTZ_SNAP_ROLE_WORDS, /* of a bucket: 64 roles at a time */
    BTZ_SNAP_STARTS,     /* u32: first entry of each (bucket, role), and one behind the last */
    BTZ_SNAP_ENTRIES,    /* u32: rules */
    BTZ_SNAP_KEYS,       /* by id */
    BTZ_SNAP_KEY_SLOTS,  /* hash table of keys by their hash */
    BTZ_SNAP_SCOPES,
    BTZ_SNAP_GROUPS,      /* texts: names, ascending */
    BTZ_SNAP_GROUP_LISTS, /* u32: groups of a principal, ascending */
    BTZ_SNAP_SECTIONS
};

struct btz_snap_range {
    uint32_t at, count;
};
struct btz_snap_text {
    uint32_t at, len;
};
struct btz_snap_pattern {
    uint32_t at, len; /* len | BTZ_SNAP_PREFIX */
};
struct btz_snap_header {
    uint64_t magic;
    uint32_t version, words;      /* words of a set of roles */
    uint64_t generation, actions; /* digest of the table of actions */
    uint64_t size;                /* of the file without the MAC */
    struct {
        uint64_t at, count;
    } section[BTZ_SNAP_SECTIONS];
};
struct btz_snap_principal {
    struct btz_snap_text id, name;
    uint32_t kind, disabled;
    uint32_t set; /* roles held always and for everything */
    uint32_t zero;
    struct btz_snap_range grants; /* of GRANT_LISTS: roles held for some resources or for a while */
    struct btz_snap_range groups; /* of GROUP_LISTS */
};
struct btz_snap_grant {
    uint32_t set, zero;
    struct btz_snap_pattern resource;
    uint64_t from, until; /* until 0: open */
};
struct btz_snap_rule {
    struct btz_snap_text id;
    uint32_t effect, condition; /* condition BTZ_NOBODY: none */
};
struct btz_snap_condition {
    struct btz_snap_range models, endpoints, tools; /* PATTERNS; count 0: no condition */
    struct btz_snap_range nets, windows;
    uint32_t mfa_within, client_cert, has_cost, zone;
    double cost_max;
    uint64_t from, until;
};
struct btz_snap_net {
    uint8_t b[16];
    uint32_t bits, v4;
};
struct btz_snap_window {
    uint32_t days, from, to;
};
struct btz_snap_zone {
    struct btz_snap_range transitions;
    int32_t offset;
    uint32_t zero;
};
struct btz_snap_slot {
    uint32_t tag, index; /* index + 1; 0: free */
};
struct btz_snap_bucket {
    struct btz_snap_pattern pattern;
    uint32_t action, zero;
    struct btz_snap_range words; /* ROLE_WORDS */
};
struct btz_snap_role_word {
    uint64_t mask;
    uint32_t word, base; /* of STARTS for the lowest role of the mask */
};
struct btz_snap_key {
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_snap_text id;
    uint32_t principal, everything; /* everything: no scopes, all but administrative actions */
    struct btz_snap_range scopes;
    uint64_t from, until;
};
struct btz_snap_scope {
    uint64_t actions[4]; /* set of action indices */
    struct btz_snap_pattern resource;
};

extern const uint8_t btz_snap_sizes[BTZ_SNAP_SECTIONS]; /* of one record of each section */

/* What a mapped file looks like from inside. */
struct btz_snap_view {
    const struct btz_snap_header *header;
    const uint8_t *base;
    uint64_t size;
};
static inline const void *btz_snap_at(const struct btz_snap_view *v, enum btz_snap_section s)
{
    return v->base + v->header->section[s].at;
}
static inline uint64_t btz_snap_count(const struct btz_snap_view *v, enum btz_snap_section s)
{
    return v->header->section[s].count;
}

/* Proves that every offset, range and index of hostile bytes is within bounds; the MAC is not looked at. `bytes` must be
 * aligned to 8. INPUT. */
BTZ_CHECKED enum btz_err btz_snap_check(struct btz_slice bytes, const char *what,
                                        struct btz_snap_view *out);
uint64_t btz_snap_actions_digest(void);
/* The bytes of a snapshot, MAC and all. Equal models give equal bytes. */
BTZ_CHECKED enum btz_err btz_snapshot_compile(const struct btz_policy_model *model,
                                              uint64_t generation, const uint8_t secret[32],
                                              struct btz_buf *out);
/* A reader over bytes in memory that the caller keeps and that need no MAC: tests, fuzzing, comparisons. */
BTZ_CHECKED enum btz_err btz_snapshot_of(struct btz_slice bytes, struct btz_snapshot **out);

struct btz_snapshot {
    struct btz_snap_view view;
    bool broken; /* a newer file is there and cannot be read */
    /* of files */
    char *path, *word_path;
    uint8_t secret[32];
    void *map; /* memory of its own, as large as the file */
    size_t map_len;
    const uint64_t *word; /* mapped, shared with the writer */
    struct btz_cover *word_cover;
    uint64_t seen;      /* its value before the file was opened */
    uint64_t looked_ns; /* when the file was last looked at by name */
    uint64_t device, inode, word_device, word_inode;
};

#define BTZ_SNAP_HASH 0xcbf29ce484222325ULL
static inline uint64_t btz_snap_step(uint64_t h, uint8_t byte)
{
    return (h ^ byte) * 0x100000001b3ULL;
}
/* Of the bytes so far as a pattern of an action. */
static inline uint64_t btz_snap_mix(uint64_t h, uint32_t action, bool prefix)
{
    h ^= ((uint64_t)action << 1 | prefix) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    return h ^ h >> 32;
}
static inline uint64_t btz_snap_hash(struct btz_slice s)
{
    uint64_t h = BTZ_SNAP_HASH;

    for (size_t i = 0; i < s.len; i++)
        h = btz_snap_step(h, s.ptr[i]);
    return h;
}
/* "user" of "user/self", "service" of "service/self", "key" of "key/own"; NULL otherwise. */
const char *btz_own_kind(struct btz_slice pattern);

#endif
