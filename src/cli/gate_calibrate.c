/* bartizan gate calibrate: thresholds of scoring detectors from the user's own benign traffic. */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/gate_guard.h"
#include "cli/gate_lines.h"
#include "gate/guard/calibrate.h"

struct args {
    const char *benign, *out, *classifier;
    double fpr, confidence;
};

static const struct btz_option options[] = {
    { .name = "benign",
      .letter = 'b',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, benign),
      .metavar = "FILE",
      .help = "Benign traffic: one JSON object a line with text and channel (user when absent); - "
              "is standard input.",
      .required = true },
    { .name = "fpr",
      .kind = BTZ_OPTION_REAL,
      .offset = offsetof(struct args, fpr),
      .metavar = "RATE",
      .fallback = "0.01",
      .min = 0.00001,
      .max = 0.5,
      .help = "Rate of false positives that must not be exceeded." },
    { .name = "confidence",
      .kind = BTZ_OPTION_REAL,
      .offset = offsetof(struct args, confidence),
      .metavar = "LEVEL",
      .fallback = "0.95",
      .min = 0.5,
      .max = 0.99999,
      .help = "How sure that must be, for each channel." },
    { .name = "classifier",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, classifier),
      .metavar = "FILE",
      .help = "Classifier of `bartizan gate train`, instead of what the configuration names." },
    { .name = "out",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, out),
      .metavar = "FILE",
      .help = "Where the calibration goes, for guard.calibration; without it thresholds are only "
              "shown." },
};

struct sample {
    double *scores;
    size_t count, cap;
};
struct calibrating {
    const struct args *args;
    struct btz_guard_classifier *classifier;
    struct btz_guard *guard; /* only watches, and writes every score down */
    struct sample channel[BTZ_CHANNEL_COUNT];
    struct btz_calibrated made[BTZ_CHANNEL_COUNT];
    size_t made_count;
};

static enum btz_err add_score(struct sample *s, double score)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1024;
        double *grown = realloc(s->scores, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu scores", cap);
        s->scores = grown;
        s->cap = cap;
    }
    s->scores[s->count++] = score;
    return BTZ_OK;
}

/* The highest score of the detector over all views of the text, as the guard sees them. */
static double score_of(const struct btz_guard_session *session)
{
    size_t count;
    const struct btz_guard_record *records = btz_guard_records(session, &count);
    double score = 0;

    for (size_t i = 0; i < count; i++)
        if (strcmp(records[i].hit.detector->id, BTZ_CALIBRATE_DETECTOR) == 0 &&
            records[i].hit.score > score)
            score = records[i].hit.score;
    return score;
}

static enum btz_err take_line(void *user, const struct btz_gate_line *line)
{
    struct calibrating *c = user;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 30);
    struct btz_guard_session *session;
    bool changed;
    enum btz_err err;

    BTZ_TRY(btz_guard_session_new(c->guard, &session));
    err = btz_guard_text(session, line->channel, line->text, &changed, &out);
    if (err == BTZ_OK || err == BTZ_DENIED)
        err = add_score(&c->channel[line->channel], score_of(session));
    btz_guard_session_free(session);
    return err;
}

/* A channel without enough lines keeps the built-in threshold, and is named. */
static enum btz_err make(struct btz_cli *cli, struct calibrating *c)
{
    const struct args *a = c->args;

    for (int k = 0; k < BTZ_CHANNEL_COUNT; k++) {
        struct btz_calibrated *made = &c->made[c->made_count];
        struct sample *s = &c->channel[k];

        if (s->count == 0)
            continue;
        if (btz_calibrate(s->scores, s->count, a->fpr, a->confidence, made) != BTZ_OK) {
            fprintf(cli->err, "bartizan: channel %s is left as it is: %s\n",
                    btz_channel_name((enum btz_channel)k), btz_error_detail());
            continue;
        }
        snprintf(made->detector, sizeof made->detector, "%s", BTZ_CALIBRATE_DETECTOR);
        made->channel = (enum btz_channel)k;
        c->made_count++;
        fprintf(cli->out,
                "%-12s %-16s threshold %.6f   %" PRIu64 " of %" PRIu64
                " lines above; at most %.4f %% with confidence %g\n",
                made->detector, btz_channel_name(made->channel), made->threshold, made->above,
                made->lines, 100 * made->upper, a->confidence);
    }
    if (c->made_count == 0)
        return btz_fail(
            BTZ_INPUT,
            "no channel has enough lines: a rate of %g with confidence %g needs %" PRIu64
            " lines of it",
            a->fpr, a->confidence, btz_calibrate_needed(a->fpr, a->confidence));
    return BTZ_OK;
}

static enum btz_err score_all(struct btz_cli *cli, struct calibrating *c)
{
    BTZ_TRY(btz_gate_lines(cli, c->args->benign, take_line, c));
    return make(cli, c);
}

static enum btz_err calibrate(struct btz_cli *cli, struct calibrating *c)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_CALIBRATION_MAX);
    uint8_t digest[BTZ_SHA256_LEN];

    struct btz_guard_rule_conf every = { .detector = BTZ_CALIBRATE_DETECTOR,
                                         .action = BTZ_GUARD_OBSERVE,
                                         .route = "" };
    struct btz_guard_rule_conf rest = {
        .detector = "*", .action = BTZ_GUARD_OBSERVE, .threshold = -1, .route = ""
    };
    struct btz_guard_rule_conf rules[] = { every, rest };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_guard_conf conf;
    enum btz_err err;

    btz_arena_init(&arena, 64 << 20);
    BTZ_TRY(btz_cli_guard_conf(cli, &arena, &conf));
    if (c->args->classifier)
        conf.classifier = c->args->classifier;
    conf.enabled = true;
    conf.calibration = "";
    conf.rules = (struct btz_conf_list){ rules, BTZ_COUNT(rules) };
    BTZ_TRY(btz_guard_classifier_open(conf.classifier, &c->classifier));
    BTZ_TRY(btz_guard_new(&conf, &c->guard));
    err = score_all(cli, c);
    btz_guard_free(c->guard); /* it borrows from the arena */
    BTZ_TRY(err);
    if (!c->args->out)
        return BTZ_OK;
    btz_guard_classifier_digest(c->classifier, digest);
    BTZ_TRY(btz_calibration_write(c->made, c->made_count, digest, c->args->fpr, c->args->confidence,
                                  &out));
    return btz_file_write(c->args->out, btz_buf_slice(&out), 0644);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    struct calibrating c = { .args = args };
    enum btz_err err = calibrate(cli, &c);

    (void)operands;
    (void)operand_count;
    for (int k = 0; k < BTZ_CHANNEL_COUNT; k++)
        free(c.channel[k].scores);
    btz_guard_classifier_free(c.classifier);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_gate_calibrate = {
    .noun = "gate",
    .verb = "calibrate",
    .summary = "Set the guard's thresholds from your own benign traffic.",
    .details =
        "Scores benign texts and sets, for each channel, the lowest threshold that keeps a stated "
        "rate of false positives. What is promised: if the lines are a random sample of the benign "
        "traffic to come, then with the given confidence (95 % if nothing is said), for each "
        "channel, at most the given rate of it will be held suspicious. It is an exact bound for "
        "any distribution of scores, and it says nothing of traffic of another kind.\n\n"
        "For 1 % with 95 % at least 299 lines of a channel are needed; a channel with fewer keeps "
        "its threshold and is named. The file is for guard.calibration, and only for the "
        "classifier "
        "that it was made with.\n\n"
        "    bartizan gate calibrate --benign tickets.jsonl --fpr 0.01 --out calibration.json",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
