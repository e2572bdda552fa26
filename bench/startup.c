/*
 * Time from fork to exit of `bartizan version` and of reading a configuration: median of 101. Floor: the same for
 * /bin/true.
 *
 *   bench/startup
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

#define RUNS 101

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Milliseconds, or -1 when the program failed. */
static double once(char *const argv[])
{
    uint64_t start = btz_clock_ns();
    pid_t child = fork();
    int status;

    if (child == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        return -1;
    return (double)(btz_clock_ns() - start) / 1e6;
}

static double median(char *const argv[])
{
    double ms[RUNS];

    for (size_t i = 0; i < RUNS; i++) {
        ms[i] = once(argv);
        if (ms[i] < 0) {
            fprintf(stderr, "%s failed\n", argv[0]);
            exit(70);
        }
    }
    qsort(ms, RUNS, sizeof *ms, by_value);
    return ms[RUNS / 2];
}

static void print(const char *name, double ms, double floor_ms)
{
    printf("{\"name\":\"startup.%s\",\"value\":%.2f,\"unit\":\"ms\",\"peer\":%.2f,"
           "\"ratio\":%.2f,\"peer_is\":\"/bin/true\"}\n",
           name, ms, floor_ms, ms / floor_ms);
}

int main(void)
{
    char self[4096], program[4200], config[] = "/tmp/btz-startup-XXXXXX";
    char truth[] = "/bin/true", version[] = "version", flag[] = "--config", noun[] = "config",
         verb[] = "check";
    char *floor_argv[] = { truth, NULL }, *version_argv[] = { program, version, NULL };
    char *check_argv[] = { program, flag, config, noun, verb, NULL };
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    int fd = mkstemp(config);
    double floor_ms;

    if (n < 0 || fd < 0)
        return 70;
    self[n] = '\0';
    /* bench/startup and bartizan lie in the same build. */
    for (int i = 0; i < 2 && strrchr(self, '/'); i++)
        *strrchr(self, '/') = '\0';
    snprintf(program, sizeof program, "%s/bartizan", self);
    if (write(fd, "version: 1\n", 11) != 11)
        return 70;
    floor_ms = median(floor_argv);
    print("version", median(version_argv), floor_ms);
    print("config_check", median(check_argv), floor_ms);
    close(fd);
    unlink(config);
    return 0;
}
