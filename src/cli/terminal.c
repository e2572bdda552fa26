#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/terminal.h"

static volatile int stop_wanted;

static void on_signal(int signal_number)
{
    static const char note[] = "\nbartizan: finishing what is at hand; again to end now\n";
    int saved = errno;

    if (stop_wanted && signal_number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    if (!stop_wanted && signal_number == SIGINT && isatty(STDERR_FILENO)) {
        ssize_t ignored = write(STDERR_FILENO, note, sizeof note - 1);

        (void)ignored;
    }
    stop_wanted = 1;
    errno = saved;
}

/* A descriptor 0, 1 or 2 that came closed would be handed to the next file that is opened. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* A signal that the parent had ignored (nohup, a job in the background) stays ignored. */
static void handle(int signal_number, const struct sigaction *action)
{
    struct sigaction before;

    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(signal_number, action, NULL);
}

static void handle_signals(void)
{
    /* No SA_RESTART: a prompt that waits for the keyboard ends. */
    struct sigaction action = { .sa_handler = on_signal };

    sigemptyset(&action.sa_mask);
    handle(SIGINT, &action);
    handle(SIGTERM, &action);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    /* A file over `ulimit -f` is an error like a full disk, and not the end with half a file left behind. */
    sigaction(SIGXFSZ, &action, NULL);
}

static unsigned columns_of(int fd)
{
    const char *set = getenv("COLUMNS");
    uint64_t columns = 0;
    struct winsize size;

    if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0)
        columns = size.ws_col;
    if (set && btz_parse_u64(btz_str(set), &columns) != BTZ_OK)
        columns = 0;
    if (columns == 0)
        return 80;
    return columns < 40 ? 40 : columns > 120 ? 120 : (unsigned)columns;
}

static bool wants_color(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fd) && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}

void btz_cli_say(struct btz_cli *cli, const char *prefix, const char *line)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 16);
    enum btz_err err = btz_buf_add_str(&text, cli->progress_shown ? "\r\033[K" : "");

    /* One write, so that lines of several threads do not mix. */
    if (err == BTZ_OK)
        err = btz_buf_add_str(&text, prefix);
    if (err == BTZ_OK)
        err = btz_utf8_printable(btz_str(line), false, &text);
    if (err == BTZ_OK)
        err = btz_buf_add_byte(&text, '\n');
    if (err == BTZ_OK)
        fwrite(text.ptr, 1, text.len, cli->err);
    cli->progress_shown = false;
}

static void write_log(struct btz_log *log, enum btz_log_level level, const char *line)
{
    static const char *const plain[] = { "bartizan: error: ", "bartizan: warning: ", "bartizan: ",
                                         "bartizan: debug: " };
    static const char *const colored[] = { "bartizan: \033[31merror\033[0m: ",
                                           "bartizan: \033[33mwarning\033[0m: ", "bartizan: ",
                                           "bartizan: \033[2mdebug\033[0m: " };
    struct btz_cli *cli = log->user;

    btz_cli_say(cli, cli->color_err ? colored[level] : plain[level], line);
}

void btz_cli_open(struct btz_cli *cli)
{
    hold_standard_streams();
    handle_signals();
    *cli = (struct btz_cli){ .out = stdout,
                             .err = stderr,
                             .color = wants_color(STDOUT_FILENO),
                             .color_err = wants_color(STDERR_FILENO),
                             .terminal = isatty(STDERR_FILENO) != 0,
                             .stop = &stop_wanted,
                             .columns = columns_of(STDOUT_FILENO) };
    cli->log = (struct btz_log){ .level = BTZ_LOG_INFO, .write = write_log, .user = cli };
}

void btz_cli_apply(struct btz_cli *cli, const struct btz_common_args *common)
{
    cli->config_path = common->config;
    cli->state_dir = common->state;
    cli->quiet = common->quiet;
    cli->verbose = common->verbose;
    if (common->no_color)
        cli->color = cli->color_err = false;
    cli->log.level = common->quiet ? BTZ_LOG_ERROR : common->verbose ? BTZ_LOG_DEBUG : BTZ_LOG_INFO;
}

static const char *get_env(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

const struct btz_conf_env *btz_cli_env(void)
{
    static const struct btz_conf_env env = { .get = get_env };

    return &env;
}
