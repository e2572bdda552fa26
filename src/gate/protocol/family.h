/* What sets one protocol apart from another: a row of the table in message.c. */
#ifndef BTZ_GATE_FAMILY_H
#define BTZ_GATE_FAMILY_H

#include "gate/protocol/shape.h"

struct btz_stream_family;
struct btz_family {
    const char *name;
    enum btz_dialect dialect;
    const struct btz_shape *request, *response; /* of a JSON object */
    /* After the walk: what the shape alone does not say. */
    enum btz_err (*request_done)(struct btz_message *m);
    enum btz_err (*response_done)(struct btz_message *m);
    /* Before a text of a response is replaced: what repeats it is taken away. */
    void (*forget)(struct btz_message *m, const struct btz_part *part);
    const struct btz_stream_family *stream;
    const char *required;     /* member a request must have */
    const char *max_tokens;   /* members that bound the output, separated by spaces */
    bool multipart;           /* requests may be forms */
    bool bytes_in, bytes_out; /* requests, responses may be other things than JSON */
    bool streams;             /* unless a request says otherwise */
    bool strings;             /* no shape: every string is text of the raw channel */
};
const struct btz_family *btz_family_of(enum btz_protocol p);

extern const struct btz_shape btz_shape_chat_request, btz_shape_chat_response;
extern const struct btz_shape btz_shape_completions_request, btz_shape_completions_response;
extern const struct btz_shape btz_shape_responses_request, btz_shape_responses_response;
extern const struct btz_shape btz_responses_item, btz_responses_part, btz_responses_annotation;
extern const struct btz_shape btz_shape_embeddings_request, btz_shape_embeddings_response;
extern const struct btz_shape btz_shape_images_request, btz_shape_images_response;
extern const struct btz_shape btz_shape_speech_request;
extern const struct btz_shape btz_shape_transcribe_response;
extern const struct btz_shape btz_shape_moderations_request, btz_shape_moderations_response;
extern const struct btz_shape btz_shape_files_response, btz_shape_batches_request,
    btz_shape_batches_response;
extern const struct btz_shape btz_shape_models_response;
extern const struct btz_shape btz_shape_messages_request, btz_shape_messages_response;
extern const struct btz_shape btz_shape_ollama_chat_request, btz_shape_ollama_chat_response;
extern const struct btz_shape btz_shape_ollama_generate_request, btz_shape_ollama_generate_response;
extern const struct btz_shape btz_shape_ollama_embed_request, btz_shape_ollama_embed_response;
extern const struct btz_shape btz_shape_ollama_show_request, btz_shape_ollama_tags_response;
extern const struct btz_shape btz_mcp_message;
/* Members that more than one family has. */
extern const struct btz_shape btz_nothing, btz_openai_error, btz_openai_usage, btz_cache_control,
    btz_chat_annotation;

extern const struct btz_shape btz_openai_failure; /* {"error": {...}} */

enum btz_err btz_chat_response_done(struct btz_message *m);
enum btz_err btz_openai_response_done(struct btz_message *m); /* model and usage */
enum btz_err btz_responses_response_done(struct btz_message *m);
enum btz_err btz_messages_response_done(struct btz_message *m);
enum btz_err btz_ollama_response_done(struct btz_message *m);
enum btz_err btz_mcp_request_done(struct btz_message *m);
enum btz_err btz_ollama_request_done(struct btz_message *m);
/* Nothing beside the lists for the two texts of a message, which are judged on their own. */
bool btz_chat_logprobs_plain(const json_t *logprobs);
void btz_chat_forget(struct btz_message *m, const struct btz_part *part);
void btz_transcribe_forget(struct btz_message *m, const struct btz_part *part);
void btz_responses_forget(struct btz_message *m, const struct btz_part *part);
void btz_messages_forget(struct btz_message *m, const struct btz_part *part);
void btz_ollama_forget(struct btz_message *m, const struct btz_part *part);

/* Usage as OpenAI, Anthropic and Ollama report it; what is there is taken over. */
void btz_usage_openai(const json_t *usage, struct btz_usage *out);
void btz_usage_anthropic(const json_t *usage, struct btz_usage *out);
void btz_usage_ollama(const json_t *root, struct btz_usage *out);
uint64_t btz_count_of(const json_t *object, const char *key); /* 0 when it is no count */

/* ---- forms (multipart.c): RFC 7578 ---- */

struct btz_form_field {
    struct btz_slice name, filename, type, value; /* borrowed from the body */
    bool file;                                    /* has a file name */
};
/* `boundary` from the content type; INPUT when there is none. */
BTZ_CHECKED enum btz_err btz_form_boundary(struct btz_slice content_type, struct btz_slice *out);
/* Calls `field` for each. Strict: what two readers could take differently is refused. Errors: INPUT, LIMIT. */
BTZ_CHECKED enum btz_err
btz_form_read(struct btz_slice body, struct btz_slice boundary,
              enum btz_err (*field)(void *user, const struct btz_form_field *f), void *user);
/* A form as a request. */
BTZ_CHECKED enum btz_err btz_form_request(struct btz_slice content_type, struct btz_walk *w);

#endif
