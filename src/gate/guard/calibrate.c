#include "gate/guard/calibrate.h"

#include <math.h>
#include <stdlib.h>

#include <bartizan/stats.h>

#include "base/json.h"

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

uint64_t btz_calibrate_needed(double rate, double confidence)
{
    double n = ceil(log1p(-confidence) / log1p(-rate));

    return n < 1 ? 1 : (uint64_t)n;
}

static enum btz_err upper_bound(uint64_t k, uint64_t n, double confidence, double *out)
{
    struct btz_interval i;

    BTZ_TRY(btz_exact_interval(k, n, confidence, BTZ_SIDE_UPPER, &i));
    *out = i.high;
    return BTZ_OK;
}

enum btz_err btz_calibrate(double *scores, size_t n, double rate, double confidence,
                           struct btz_calibrated *out)
{
    uint64_t low = 0, high = n;
    double upper;

    if (!(rate > 0 && rate < 1) || !(confidence > 0 && confidence < 1))
        return btz_fail(BTZ_USAGE, "rate and confidence lie between 0 and 1");
    BTZ_TRY(upper_bound(0, n, confidence, &upper));
    if (n == 0 || upper > rate)
        return btz_fail(BTZ_INPUT,
                        "%zu lines are too few: a rate of %g with confidence %g needs at least "
                        "%" PRIu64,
                        n, rate, confidence, btz_calibrate_needed(rate, confidence));
    /* The bound rises with k. */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        BTZ_TRY(upper_bound(middle, n, confidence, &upper));
        if (upper <= rate)
            low = middle;
        else
            high = middle;
    }
    qsort(scores, n, sizeof *scores, falling);
    if (!(scores[low] < 1))
        return btz_fail(BTZ_INPUT,
                        "more than %" PRIu64 " of %zu lines have the highest score: "
                        "are they benign?",
                        low, n);
    out->threshold = nextafter(fmax(scores[low], 0), 2);
    out->lines = n;
    out->above = 0;
    while (out->above < n && scores[out->above] >= out->threshold)
        out->above++;
    return upper_bound(low, n, confidence, &out->upper);
}

static enum btz_err add_item(json_t *list, const struct btz_calibrated *c)
{
    /* 17 digits: the double itself. */
    json_t *item =
        json_pack("{s:s, s:s, s:f, s:I, s:I, s:f}", "detector", c->detector, "channel",
                  btz_channel_name(c->channel), "threshold", c->threshold, "lines",
                  (json_int_t)c->lines, "above", (json_int_t)c->above, "upper", c->upper);

    return item && json_array_append_new(list, item) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "out of memory for a calibration");
}

enum btz_err btz_calibration_write(const struct btz_calibrated *items, size_t count,
                                   const uint8_t digest[BTZ_SHA256_LEN], double rate,
                                   double confidence, struct btz_buf *out)
{
    char hex[2 * BTZ_SHA256_LEN + 1];
    BTZ_JSON json_t *list = json_array();
    BTZ_JSON json_t *all = NULL;

    btz_hex(digest, BTZ_SHA256_LEN, hex);
    if (!list)
        return btz_fail(BTZ_LIMIT, "out of memory for a calibration");
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(add_item(list, &items[i]));
    all = json_pack("{s:s, s:i, s:s, s:f, s:f, s:O}", "format", BTZ_CALIBRATION_FORMAT, "version",
                    BTZ_CALIBRATION_VERSION, "classifier", hex, "fpr", rate, "confidence",
                    confidence, "thresholds", list);
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory for a calibration");
    BTZ_TRY(btz_json_write(all, true, out));
    return btz_buf_add_byte(out, '\n');
}
