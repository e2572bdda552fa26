/* A classifier file, a calibration, and a text for the classifier itself: all of them may be hostile. */
#include <math.h>
#include <stdlib.h>

#include "gate/guard/calibrate.h"
#include "gate/guard/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct btz_guard_classifier *built_in;
    static struct btz_class_weights weights;
    struct btz_slice in = btz_slice_of(data, size);
    struct btz_calibration *calibration;
    uint8_t digest[BTZ_SHA256_LEN];

    if (!built_in && btz_guard_classifier_open(NULL, &built_in) != BTZ_OK)
        abort();
    if (btz_class_decode(in, "fuzz", &weights) == BTZ_OK) {
        BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(BTZ_CLASS_FILE_MAX);

        if (btz_class_encode(&weights, &again) != BTZ_OK ||
            !btz_slice_equal(btz_buf_slice(&again), in))
            abort();
    }
    btz_guard_classifier_digest(built_in, digest);
    if (btz_calibration_parse(in, "fuzz", digest, &calibration) == BTZ_OK)
        btz_calibration_free(calibration);
    for (int c = 0; c < BTZ_CHANNEL_COUNT; c++) {
        size_t from = 0, to = 0;
        double score = btz_guard_classifier_score(built_in, (enum btz_channel)c, in, &from, &to);

        if (!(score >= 0 && score <= 1) || from > to || to > size)
            abort();
    }
    return 0;
}
