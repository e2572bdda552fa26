/*
 * scim: provisioning by RFC 7643 and 7644, over the operations user.* and group.*. Filters, paths and patches are pure
 * functions over JSON; scim.c asks and changes through btz_access_call like everybody else.
 */
#ifndef BTZ_WATCH_SCIM_H
#define BTZ_WATCH_SCIM_H

#include "watch/api/exchange.h"

#define BTZ_SCIM_FILTER_MAX 4096 /* bytes */
#define BTZ_SCIM_NODES      64
#define BTZ_SCIM_DEPTH      16
#define BTZ_SCIM_OPERATIONS 200   /* of one PATCH */
#define BTZ_SCIM_VALUES     10000 /* of one attribute */
#define BTZ_SCIM_PAGE       200

/* ---- filters (scim_filter.c): RFC 7644 s.3.4.2.2 ------------------------------------------------------------------ */

enum btz_scim_test {
    BTZ_SCIM_AND,
    BTZ_SCIM_OR,
    BTZ_SCIM_NOT, /* of `a` */
    BTZ_SCIM_HAS, /* some value of `attribute` meets `a`: emails[type eq "work"] */
    BTZ_SCIM_PR,
    BTZ_SCIM_EQ,
    BTZ_SCIM_NE,
    BTZ_SCIM_CO,
    BTZ_SCIM_SW,
    BTZ_SCIM_EW,
    BTZ_SCIM_GT,
    BTZ_SCIM_GE,
    BTZ_SCIM_LT,
    BTZ_SCIM_LE
};
enum btz_scim_kind { BTZ_SCIM_NULL, BTZ_SCIM_BOOL, BTZ_SCIM_NUMBER, BTZ_SCIM_TEXT };
struct btz_scim_filter {
    enum btz_scim_test test;
    const struct btz_scim_filter *a, *b;
    const char *attribute, *sub; /* without the URN of a schema; sub NULL: none */
    enum btz_scim_kind kind;     /* of the value compared with */
    const char *text;
    double number;
    bool yes;
};
/* What a path of PATCH leads to: attribute[filter].sub, each but the first optional. */
struct btz_scim_path {
    const char *attribute, *sub;
    const struct btz_scim_filter *filter;
};
/* In the arena. Errors: INPUT with the byte where it went wrong, LIMIT. */
BTZ_CHECKED enum btz_err btz_scim_filter_parse(struct btz_slice text, struct btz_arena *arena,
                                               const struct btz_scim_filter **out);
BTZ_CHECKED enum btz_err btz_scim_path_parse(struct btz_slice text, struct btz_arena *arena,
                                             struct btz_scim_path *out);

/* ---- matching (scim_match.c) -------------------------------------------------------------------------------------- */

bool btz_scim_match(const struct btz_scim_filter *f, const json_t *resource);
/* Names of attributes compare without case; the key as the object has it, NULL when absent. */
const char *btz_scim_key(const json_t *object, const char *name);
json_t *btz_scim_get(const json_t *object, const char *name);

/* ---- patches (scim_patch.c): RFC 7644 s.3.5.2 --------------------------------------------------------------------- */

/* Applies "Operations" to the resource, in order. `why` gets the scimType of an error. Errors: INPUT, LIMIT; the resource
 * is then of no use. */
BTZ_CHECKED enum btz_err btz_scim_patch(json_t *resource, const json_t *operations,
                                        struct btz_arena *arena, const char **why);

/* ---- resources (scim_resource.c) ---------------------------------------------------------------------------------- */

enum btz_scim_type { BTZ_SCIM_USER, BTZ_SCIM_GROUP };
/* Our object as a resource. NULL without memory. `base`: "https://host/scim/v2". */
json_t *btz_scim_resource(enum btz_scim_type type, const json_t *object, const char *base);
/* What an operation needs so that a resource becomes `wanted`: fields of user.create, user.update, group.* but for
 * members. `now` NULL: it is to be made. Values that are the same are left out. INPUT: an attribute of a wrong kind. */
BTZ_CHECKED enum btz_err btz_scim_fields(enum btz_scim_type type, const json_t *now,
                                         const json_t *wanted, json_t **out);
/* Keeps or leaves out attributes by the lists of a query. */
void btz_scim_select(json_t *resource, const char *attributes, const char *excluded);
/* "ServiceProviderConfig", "ResourceTypes", "Schemas"; NULL: no such. `id` (may be NULL) picks one of a list. */
json_t *btz_scim_discovery(const char *name, const char *id, const char *base);

/* ---- over HTTP (scim.c) ------------------------------------------------------------------------------------------- */
BTZ_CHECKED enum btz_err btz_scim_answer(struct btz_api_exchange *x);

#endif
