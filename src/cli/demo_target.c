#include "cli/cli.h"
#include "demo/demo.h"

#include <time.h>

struct args {
    int64_t port, latency, seed;
    int defence;
    double faults;
    const char *key, *manifest, *config, *gate;
};

/* In the order of enum btz_demo_defence. */
static const char *const defences[] = { "none", "filter", "strict", "ideal", NULL };

static const struct btz_option options[] = {
    { .name = "port",
      .letter = 'p',
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, port),
      .metavar = "PORT",
      .help = "Port on 127.0.0.1; 0 takes a free one.",
      .fallback = "8088",
      .min = 0,
      .max = 65535 },
    { .name = "defence",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, defence),
      .metavar = "LEVEL",
      .help = "How well the assistant is defended: none, filter, strict or ideal.",
      .fallback = "none",
      .choices = defences },
    { .name = "latency",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, latency),
      .metavar = "MS",
      .help = "Milliseconds every chat answer waits.",
      .fallback = "0",
      .min = 0,
      .max = 600000 },
    { .name = "faults",
      .kind = BTZ_OPTION_REAL,
      .offset = offsetof(struct args, faults),
      .metavar = "SHARE",
      .help = "Share of chat requests that fail, each in one of ten ways a vendor's API fails.",
      .fallback = "0",
      .min = 0,
      .max = 1 },
    { .name = "seed",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, seed),
      .metavar = "N",
      .help = "Seed of wording and faults: the same seed, the same answers.",
      .fallback = "1",
      .min = 0,
      .max = 9007199254740991 },
    { .name = "key",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, key),
      .metavar = "KEY",
      .help = "API key that clients must send; none is asked for otherwise." },
    { .name = "manifest",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, manifest),
      .metavar = "FILE",
      .help = "Write what a scan must find, rule by rule, as JSON." },
    { .name = "write-config",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, config),
      .metavar = "FILE",
      .help = "Write a configuration whose only target is this assistant." },
    { .name = "write-gate",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, gate),
      .metavar = "FILE",
      .help = "Write a configuration of a gateway in front of this assistant." },
};

static enum btz_err write_manifest(const char *path, enum btz_demo_defence defence)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 20);

    BTZ_TRY(btz_demo_manifest(defence, &text));
    return btz_file_write(path, btz_buf_slice(&text), 0644);
}

/* The key may stand in it: for the owner only. */
static enum btz_err write_config(const char *path, const struct btz_demo *demo,
                                 enum btz_err (*write)(const struct btz_demo *, struct btz_buf *))
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 20);

    BTZ_TRY(write(demo, &text));
    return btz_file_write(path, btz_buf_slice(&text), 0600);
}

static enum btz_err serve(struct btz_cli *cli, const struct args *args, struct btz_demo *demo)
{
    const struct timespec pause = { .tv_nsec = 50000000 };

    if (args->manifest)
        BTZ_TRY(write_manifest(args->manifest, (enum btz_demo_defence)args->defence));
    if (args->config)
        BTZ_TRY(write_config(args->config, demo, btz_demo_config));
    if (args->gate)
        BTZ_TRY(write_config(args->gate, demo, btz_demo_gate_config));
    if (fprintf(cli->out, "%s\n", btz_demo_url(demo)) < 0 || fflush(cli->out) != 0)
        return btz_fail_errno(BTZ_IO, "write the address");
    while (!*cli->stop)
        nanosleep(&pause, NULL);
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *given, const char *const *operands,
               size_t operand_count)
{
    const struct args *args = given;
    struct btz_demo_conf conf = { .defence = (enum btz_demo_defence)args->defence,
                                  .port = (uint16_t)args->port,
                                  .latency_ms = args->latency,
                                  .faults = args->faults,
                                  .seed = (uint64_t)args->seed,
                                  .key = args->key };
    struct btz_demo *demo;
    enum btz_err err = btz_demo_start(&conf, &demo);

    (void)operands;
    (void)operand_count;
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    err = serve(cli, args, demo);
    btz_demo_stop(demo);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_demo_target = {
    .noun = "demo",
    .verb = "target",
    .summary = "Serve a demonstration assistant with known weaknesses.",
    .details =
        "An assistant of a made-up shop that speaks the API of an OpenAI-compatible vendor on "
        "127.0.0.1. Its weaknesses follow from written rules and a seed, so a scan of it can be "
        "checked against its manifest. Prints its address when it is ready and stops on SIGINT or "
        "SIGTERM.\n\n"
        "Defences: none obeys everybody; filter looks for keywords and takes verbatim secrets out; "
        "strict reads through disguises and keeps a few subtle weaknesses; ideal has none and "
        "refuses in many voices.\n\n"
        "Examples:\n"
        "  bartizan demo target --write-config bartizan.yaml\n"
        "  bartizan demo target --port 0 --defence filter --manifest truth.json\n"
        "  bartizan demo target --faults 0.2 --seed 7",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
