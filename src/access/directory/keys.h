/* keys: what the operations on one's own keys and on those of others share. */
#ifndef BTZ_DIRECTORY_KEYS_H
#define BTZ_DIRECTORY_KEYS_H

#include "access/directory/directory.h"

#define BTZ_KEY_NAME_MAX_ 128

/* c->out becomes a page of keys; `principal` (id) NULL: of everybody; `key` NULL: all of them. */
BTZ_CHECKED enum btz_err btz_keys_list(struct btz_call *c, const char *principal, const char *key);
/* A key of `owner`; others are not told from none when `owner` is given. */
BTZ_CHECKED enum btz_err btz_keys_get(struct btz_call *c, const char *owner, json_t **out);
/* From the fields name, scopes, expires. The secret is in c->out alone. */
BTZ_CHECKED enum btz_err btz_keys_create(struct btz_call *c, const struct btz_principal *owner);
/* A new secret with the same rights; the old key goes on for `overlap`. */
BTZ_CHECKED enum btz_err btz_keys_rotate(struct btz_call *c, const char *owner);
BTZ_CHECKED enum btz_err btz_keys_revoke(struct btz_call *c, const char *owner);

#define BTZ_KEY_PATH_FIELD                                                                         \
    {                                                                                              \
        .name = "key", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,             \
        .help = "Id of the key."                                                                   \
    }
#define BTZ_KEY_OVERLAP_FIELD                                                                      \
    {                                                                                              \
        .name = "overlap", .kind = BTZ_FIELD_DURATION, .place = BTZ_IN_BODY,                       \
        .help = "How long the old key goes on; 24h when not given, 0 stops it at once."            \
    }
#define BTZ_KEY_NEW_FIELDS                                                                         \
    { .name = "scopes",                                                                            \
      .kind = BTZ_FIELD_TEXTS,                                                                     \
      .place = BTZ_IN_BODY,                                                                        \
      .help = "What it may do, such as \"model.invoke model/gpt-*\"; without: all that its owner " \
              "may, but for administrative actions.",                                              \
      .max = 64 },                                                                                 \
        { .name = "expires", .kind = BTZ_FIELD_TIME, .place = BTZ_IN_BODY, .help = "Not after." }, \
    {                                                                                              \
        .name = "life", .kind = BTZ_FIELD_DURATION, .place = BTZ_IN_BODY,                          \
        .help = "The same as a duration from now, such as 90d."                                    \
    }

#endif
