/* Inside of translation between OpenAI's chat and Anthropic's messages. */
#ifndef BTZ_GATE_TRANSLATE_H
#define BTZ_GATE_TRANSLATE_H

#include "gate/protocol/family.h"

/* Appends or sets, and takes `value`. NULL: INPUT, something it was to be made of is missing. LIMIT: no memory. */
BTZ_CHECKED enum btz_err btz_tr_add(json_t *list, json_t *value);
BTZ_CHECKED enum btz_err btz_tr_set(json_t *object, const char *key, json_t *value);
/* INPUT naming a member: what cannot be translated is refused, never left out. */
BTZ_CHECKED enum btz_err btz_tr_refuse(const char *where, const char *what);
/* Every member of `object` must be one of `known` (NULL-terminated) or null. */
BTZ_CHECKED enum btz_err btz_tr_only(const json_t *object, const char *const *known,
                                     const char *where);
/* JSON text of arguments, which must be an object; "" is an empty one. */
BTZ_CHECKED enum btz_err btz_tr_arguments(struct btz_slice text, json_t **out);
/* "data:TYPE;base64,DATA" taken apart. */
bool btz_tr_data_url(struct btz_slice url, struct btz_slice *type, struct btz_slice *data);
/* The other way: the input of a call as compact JSON text; one that is missing or null is an empty object. */
json_t *btz_tr_input(const json_t *value);

const char *btz_tr_finish(struct btz_slice stop_reason);  /* of Anthropic, as OpenAI says it */
const char *btz_tr_stop_reason(struct btz_slice finish);  /* the other way */
json_t *btz_tr_usage_chat(const struct btz_usage *usage); /* as OpenAI's chat reports it */
json_t *btz_tr_usage_messages(const struct btz_usage *usage);

BTZ_CHECKED enum btz_err btz_tr_chat_request(const json_t *from, uint64_t max_tokens, json_t *out);
BTZ_CHECKED enum btz_err btz_tr_messages_request(const json_t *from, json_t *out);

#endif
