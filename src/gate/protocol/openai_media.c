/* OpenAI: embeddings, images, speech, transcription, moderations, files, batches, models. */
#include "gate/protocol/members.h"

#define ERROR                                                                                      \
    {                                                                                              \
        "error", BTZ_SHAPE_TEXT, BTZ_CHANNEL_OUTPUT, &btz_openai_error                             \
    }

/* ---- embeddings ---- */

static const struct btz_shape_member embed_members[] = { ID("model"),
                                                         TEXT("input", BTZ_CHANNEL_USER),
                                                         ID("encoding_format"),
                                                         TEXT("user", BTZ_CHANNEL_RAW), LAST };
const struct btz_shape btz_shape_embeddings_request = { embed_members, NULL, NULL };
static const struct btz_shape_member vector_members[] = { ID("object"), ID("index"),
                                                          OPAQUE("embedding"), LAST };
static const struct btz_shape vector = { vector_members, NULL, NULL };
static const struct btz_shape_member embedded_members[] = {
    ID("object"), ID("model"), OBJECT("data", vector), OBJECT("usage", btz_openai_usage),
    ERROR,        LAST
};
const struct btz_shape btz_shape_embeddings_response = { embedded_members, NULL, NULL };

/* ---- images ---- */

static const struct btz_shape_member draw_members[] = { ID("model"),
                                                        TEXT("prompt", BTZ_CHANNEL_USER),
                                                        ID("size"),
                                                        ID("quality"),
                                                        ID("style"),
                                                        ID("response_format"),
                                                        ID("output_format"),
                                                        ID("background"),
                                                        ID("moderation"),
                                                        TEXT("user", BTZ_CHANNEL_RAW),
                                                        TEXT("negative_prompt", BTZ_CHANNEL_USER),
                                                        { "image", BTZ_SHAPE_IMAGE,
                                                          BTZ_CHANNEL_USER, NULL },
                                                        LAST };
const struct btz_shape btz_shape_images_request = { draw_members, NULL, NULL };
static const struct btz_shape_member drawn_members[] = {
    { "b64_json", BTZ_SHAPE_IMAGE, BTZ_CHANNEL_OUTPUT, NULL },
    { "url", BTZ_SHAPE_IMAGE, BTZ_CHANNEL_OUTPUT, NULL },
    TEXT("revised_prompt", BTZ_CHANNEL_OUTPUT),
    LAST
};
static const struct btz_shape drawn = { drawn_members, NULL, NULL };
static const struct btz_shape_member drawing_members[] = { OBJECT("data", drawn),
                                                           OBJECT("usage", btz_openai_usage),
                                                           ID("size"),
                                                           ID("quality"),
                                                           ID("background"),
                                                           ID("output_format"),
                                                           ERROR,
                                                           LAST };
const struct btz_shape btz_shape_images_response = { drawing_members, NULL, NULL };

/* ---- speech, transcription ---- */

static const struct btz_shape_member speak_members[] = {
    ID("model"), TEXT("input", BTZ_CHANNEL_USER), TEXT("instructions", BTZ_CHANNEL_SYSTEM),
    ID("voice"), ID("response_format"),           ID("stream_format"),
    LAST
};
const struct btz_shape btz_shape_speech_request = { speak_members, NULL, NULL };

static const struct btz_shape_member spoken_members[] = { TEXT("text", BTZ_CHANNEL_OUTPUT),
                                                          TEXT("word", BTZ_CHANNEL_OUTPUT),
                                                          ID("speaker"),
                                                          ID("id"),
                                                          ID("type"),
                                                          TEXT("token", BTZ_CHANNEL_OUTPUT),
                                                          LAST };
static const struct btz_shape spoken = { spoken_members, NULL, NULL };
static const struct btz_shape_member heard_usage_members[] = { ID("type"), LAST };
static const struct btz_shape heard_usage = { heard_usage_members, NULL, NULL };
static enum btz_err enter_heard(struct btz_walk *w, json_t *object, int *channel)
{
    (void)channel;
    return btz_logprobs_check(w, object, btz_text_of(json_object_get(object, "text")));
}
static const struct btz_shape_member heard_members[] = { ID("task"),
                                                         ID("language"),
                                                         TEXT("text", BTZ_CHANNEL_OUTPUT),
                                                         OBJECT("words", spoken),
                                                         OBJECT("segments", spoken),
                                                         LOGPROBS,
                                                         OBJECT("usage", heard_usage),
                                                         ERROR,
                                                         LAST };
const struct btz_shape btz_shape_transcribe_response = { heard_members, NULL, enter_heard };

/* ---- moderations ---- */

static const struct btz_shape_member url_members[] = {
    { "url", BTZ_SHAPE_IMAGE, BTZ_CHANNEL_USER, NULL }, LAST
};
static const struct btz_shape url = { url_members, NULL, NULL };
static const struct btz_shape_member moderated_members[] = { ID("type"),
                                                             TEXT("text", BTZ_CHANNEL_USER),
                                                             { "image_url", BTZ_SHAPE_IMAGE,
                                                               BTZ_CHANNEL_USER, &url },
                                                             LAST };
static const struct btz_shape moderated = { moderated_members, NULL, NULL };
static const struct btz_shape_member moderate_members[] = {
    ID("model"), { "input", BTZ_SHAPE_TEXT, BTZ_CHANNEL_USER, &moderated }, LAST
};
const struct btz_shape btz_shape_moderations_request = { moderate_members, NULL, NULL };
static const struct btz_shape_member moderation_members[] = { ID("id"), ID("model"),
                                                              TEXT("results", BTZ_CHANNEL_RAW),
                                                              ERROR, LAST };
const struct btz_shape btz_shape_moderations_response = { moderation_members, NULL, NULL };

/* ---- files, batches, models: lists of objects ---- */

static const struct btz_shape_member problem_members[] = { ID("object"), ID("code"), ID("param"),
                                                           TEXT("message", BTZ_CHANNEL_OUTPUT),
                                                           LAST };
static const struct btz_shape problem = { problem_members, NULL, NULL };
static const struct btz_shape_member problems_members[] = { ID("object"), OBJECT("data", problem),
                                                            LAST };
static const struct btz_shape problems = { problems_members, NULL, NULL };
#define FILE_MEMBERS                                                                               \
    ID("id"), ID("object"), ID("purpose"), ID("status"), TEXT("filename", BTZ_CHANNEL_RAW),        \
        TEXT("status_details", BTZ_CHANNEL_OUTPUT)
static const struct btz_shape_member file_members[] = { FILE_MEMBERS, LAST };
static const struct btz_shape file = { file_members, NULL, NULL };
static const struct btz_shape_member file_list_members[] = { FILE_MEMBERS,   OBJECT("data", file),
                                                             ID("first_id"), ID("last_id"),
                                                             ERROR,          LAST };
const struct btz_shape btz_shape_files_response = { file_list_members, NULL, NULL };

#define BATCH_MEMBERS                                                                              \
    ID("id"), ID("object"), ID("endpoint"), ID("model"), ID("input_file_id"),                      \
        ID("completion_window"), ID("status"), ID("output_file_id"), ID("error_file_id"),          \
        TEXT("metadata", BTZ_CHANNEL_RAW), OBJECT("errors", problems),                             \
        OBJECT("request_counts", btz_nothing), OBJECT("usage", btz_openai_usage)
static const struct btz_shape_member batch_members[] = { BATCH_MEMBERS, LAST };
static const struct btz_shape batch = { batch_members, NULL, NULL };
static const struct btz_shape_member batch_request_members[] = {
    ID("input_file_id"), ID("endpoint"), ID("completion_window"), TEXT("metadata", BTZ_CHANNEL_RAW),
    LAST
};
const struct btz_shape btz_shape_batches_request = { batch_request_members, NULL, NULL };
static const struct btz_shape_member batch_list_members[] = { BATCH_MEMBERS,  OBJECT("data", batch),
                                                              ID("first_id"), ID("last_id"),
                                                              ERROR,          LAST };
const struct btz_shape btz_shape_batches_response = { batch_list_members, NULL, NULL };

static const struct btz_shape_member model_members[] = {
    ID("id"), ID("object"), ID("owned_by"), ID("type"), ID("display_name"), ID("created_at"), LAST
};
static const struct btz_shape model = { model_members, NULL, NULL };
static const struct btz_shape_member model_list_members[] = {
    ID("id"),       ID("object"),  ID("owned_by"), ID("type"), OBJECT("data", model),
    ID("first_id"), ID("last_id"), ERROR,          LAST
};
const struct btz_shape btz_shape_models_response = { model_list_members, NULL, NULL };

static const struct btz_shape_member failure_members[] = { ERROR, LAST };
const struct btz_shape btz_openai_failure = { failure_members, NULL, NULL };

enum btz_err btz_openai_response_done(struct btz_message *m)
{
    m->model = btz_text_of(json_object_get(m->root, "model"));
    btz_usage_openai(json_object_get(m->root, "usage"), &m->usage);
    return BTZ_OK;
}

void btz_transcribe_forget(struct btz_message *m, const struct btz_part *part)
{
    (void)part;
    if (json_object_get(m->root, "logprobs"))
        (void)json_object_set_new(m->root, "logprobs", json_array());
}
