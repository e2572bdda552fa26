#include <stdlib.h>

#include "cli/cli.h"
#include "demo/digits.h"
#include "sample/sample.h"

struct args {
    const char *out;
    int64_t train, test, seed;
};

#define ARG(member) offsetof(struct args, member)
static const struct btz_option options[] = {
    { .name = "out",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(out),
      .metavar = "FOLDER",
      .required = true,
      .help = "Folder for train-images, train-labels, test-images and test-labels (.idx)." },
    { .name = "train",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(train),
      .metavar = "N",
      .fallback = "6000",
      .min = 10,
      .max = 1000000,
      .help = "Digits to learn from." },
    { .name = "test",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(test),
      .metavar = "N",
      .fallback = "1000",
      .min = 10,
      .max = 1000000,
      .help = "Digits to test with, of other hands." },
    { .name = "seed",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(seed),
      .metavar = "N",
      .fallback = "1",
      .min = 0,
      .max = 9007199254740992.0,
      .help = "Same seed, same digits." },
};

static enum btz_err put(const char *folder, const char *name, const struct btz_sample_array *array)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF((size_t)1 << 30);
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/%s.idx", folder, name) >= sizeof path)
        return btz_fail(BTZ_USAGE, "%s: the path is too long", folder);
    BTZ_TRY(btz_idx_encode(array, &bytes));
    return btz_file_write(path, btz_buf_slice(&bytes), 0644);
}

/* Classes take turns. Each digit has a stream of its own, `part` tells the two sets apart. */
static enum btz_err write_set(const char *folder, const char *images_name, const char *labels_name,
                              uint64_t seed, uint64_t part, size_t count)
{
    BTZ_FREE uint8_t *pixels = calloc(count, BTZ_DIGIT_PIXELS);
    BTZ_FREE uint8_t *labels = calloc(count, 1);
    const struct btz_sample_array images = { .type = BTZ_SAMPLE_U8,
                                             .rank = 3,
                                             .dim = { count, BTZ_DIGIT_SIDE, BTZ_DIGIT_SIDE },
                                             .data = pixels };
    const struct btz_sample_array answers = {
        .type = BTZ_SAMPLE_U8, .rank = 1, .dim = { count }, .data = labels
    };
    struct btz_rng rng;

    if (!pixels || !labels)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < count; i++) {
        labels[i] = (uint8_t)(i % 10);
        btz_rng_init(&rng, seed, 2 * i + part);
        btz_demo_digit(labels[i], &rng, pixels + i * BTZ_DIGIT_PIXELS);
    }
    BTZ_TRY(put(folder, images_name, &images));
    return put(folder, labels_name, &answers);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    enum btz_err err = btz_file_mkdirs(a->out, 0755);

    (void)operands;
    (void)operand_count;
    if (!err)
        err = write_set(a->out, "train-images", "train-labels", (uint64_t)a->seed, 0,
                        (size_t)a->train);
    if (!err)
        err =
            write_set(a->out, "test-images", "test-labels", (uint64_t)a->seed, 1, (size_t)a->test);
    return err ? btz_cli_fail(cli, err) : 0;
}

const struct btz_command btz_command_demo_digits = {
    .noun = "demo",
    .verb = "digits",
    .summary = "Draw a set of digits to train and attack a classifier with.",
    .details = "Pictures of 16 by 16 pixels, ten classes, drawn with a pen that turns, slants and "
               "shakes: enough for a demonstration of `bartizan harden` and `bartizan robust`.\n\n"
               "  bartizan demo digits -o digits",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
