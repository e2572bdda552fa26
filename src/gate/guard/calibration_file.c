#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "gate/guard/calibrate.h"

struct btz_calibration {
    size_t count;
    struct btz_calibrated item[BTZ_CALIBRATED_MAX];
};

static enum btz_err read_item(const json_t *json, const char *what, struct btz_calibrated *out)
{
    const json_t *threshold = json_object_get(json, "threshold");
    struct btz_slice detector, channel;

    if (!btz_json_get_text(json, "detector", &detector) || detector.len == 0 ||
        detector.len >= sizeof out->detector || memchr(detector.ptr, 0, detector.len))
        return btz_fail(BTZ_INPUT, "%s: a threshold without the id of its detector", what);
    if (!btz_json_get_text(json, "channel", &channel) || !btz_channel_find(channel, &out->channel))
        return btz_fail(BTZ_INPUT, "%s: a threshold without a known channel", what);
    if (!json_is_number(threshold))
        return btz_fail(BTZ_INPUT, "%s: a threshold that is no number", what);
    out->threshold = json_number_value(threshold);
    if (!(out->threshold >= 0 && out->threshold <= 1))
        return btz_fail(BTZ_INPUT, "%s: a threshold outside of 0 to 1", what);
    memcpy(out->detector, detector.ptr, detector.len);
    out->detector[detector.len] = 0;
    return BTZ_OK;
}

static enum btz_err read_items(const json_t *list, const char *what, struct btz_calibration *out)
{
    if (!json_is_array(list) || json_array_size(list) > BTZ_CALIBRATED_MAX)
        return btz_fail(BTZ_INPUT, "%s: `thresholds` is a list of at most %d", what,
                        BTZ_CALIBRATED_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct btz_calibrated *item = &out->item[i];

        BTZ_TRY(read_item(json_array_get(list, i), what, item));
        for (size_t k = 0; k < i; k++)
            if (out->item[k].channel == item->channel &&
                strcmp(out->item[k].detector, item->detector) == 0)
                return btz_fail(BTZ_INPUT, "%s: two thresholds for %s in channel %s", what,
                                item->detector, btz_channel_name(item->channel));
        out->count = i + 1;
    }
    return BTZ_OK;
}

static enum btz_err parse(struct btz_slice text, const char *what,
                          const uint8_t digest[BTZ_SHA256_LEN], struct btz_calibration *out)
{
    BTZ_JSON json_t *json = NULL;
    struct btz_slice word;
    uint8_t made_for[BTZ_SHA256_LEN];
    const json_t *version;

    BTZ_TRY(btz_json_parse(text, BTZ_CALIBRATION_MAX, what, &json));
    if (!json_is_object(json) || !btz_json_get_text(json, "format", &word) ||
        !btz_slice_is(word, BTZ_CALIBRATION_FORMAT))
        return btz_fail(BTZ_INPUT, "%s: not a calibration of `bartizan gate calibrate`", what);
    version = json_object_get(json, "version");
    if (!json_is_integer(version) || json_integer_value(version) != BTZ_CALIBRATION_VERSION)
        return btz_fail(BTZ_UNSUPPORTED,
                        "%s: this program reads version %d of the format: calibrate again", what,
                        BTZ_CALIBRATION_VERSION);
    if (!btz_json_get_text(json, "classifier", &word) ||
        btz_unhex(word, made_for, sizeof made_for) != BTZ_OK)
        return btz_fail(BTZ_INPUT, "%s: `classifier` is not a SHA-256", what);
    if (memcmp(made_for, digest, sizeof made_for) != 0)
        return btz_fail(BTZ_CONFLICT,
                        "%s: made for another classifier, its thresholds mean nothing for this "
                        "one: run `bartizan gate calibrate` again",
                        what);
    out->count = 0;
    return read_items(json_object_get(json, "thresholds"), what, out);
}

enum btz_err btz_calibration_parse(struct btz_slice text, const char *what,
                                   const uint8_t digest[BTZ_SHA256_LEN],
                                   struct btz_calibration **out)
{
    struct btz_calibration *made = calloc(1, sizeof *made);
    enum btz_err err;

    if (!made)
        return btz_fail(BTZ_LIMIT, "out of memory for a calibration");
    err = parse(text, what, digest, made);
    if (err != BTZ_OK) {
        free(made);
        return err;
    }
    *out = made;
    return BTZ_OK;
}

enum btz_err btz_calibration_open(const char *file, const struct btz_guard_classifier *c,
                                  struct btz_calibration **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_CALIBRATION_MAX);
    uint8_t digest[BTZ_SHA256_LEN];

    BTZ_TRY(btz_file_read(file, BTZ_CALIBRATION_MAX, &text));
    btz_guard_classifier_digest(c, digest);
    return btz_calibration_parse(btz_buf_slice(&text), file, digest, out);
}

void btz_calibration_free(struct btz_calibration *c)
{
    free(c);
}

double btz_calibration_threshold(const struct btz_calibration *c, const char *detector,
                                 enum btz_channel channel)
{
    for (size_t i = 0; c && i < c->count; i++)
        if (c->item[i].channel == channel && strcmp(c->item[i].detector, detector) == 0)
            return c->item[i].threshold;
    return -1;
}
