// Measures the time from starting a program to its device node being there.
//
//   start_time [-n RUNS] NODE COMMAND [ARG...]     prints "start_ms MEDIAN"
//
// Each run ends the program by SIGTERM and waits until the node is gone.
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RUNS_MAX = 100, LIMIT_MS = 10000, LOOK_AGAIN_MS = 20 };

static const char *node;
static int watch;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool present(void)
{
    struct stat s;
    return stat(node, &s) == 0;
}

// Sleeps until the folder changes: looking in a loop would take the one CPU
// from the program that is measured.
static bool wait_until(bool there, pid_t child)
{
    double limit = now_ms() + LIMIT_MS;
    while (present() != there) {
        struct pollfd p = {.fd = watch, .events = POLLIN};
        char events[4096];
        if (poll(&p, 1, LOOK_AGAIN_MS) > 0 && read(watch, events, sizeof events) < 0)
            return false;
        if (now_ms() > limit || (child && waitpid(child, NULL, WNOHANG) == child))
            return false;
    }
    return true;
}

static int fail(const char *what)
{
    fprintf(stderr, "start_time: %s: %s\n", node, what);
    return 1;
}

static void end(pid_t child)
{
    kill(child, SIGTERM);
    for (double limit = now_ms() + LIMIT_MS; waitpid(child, NULL, WNOHANG) == 0; usleep(5000))
        if (now_ms() > limit)
            kill(child, SIGKILL);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    double times[RUNS_MAX];
    int runs = 5;
    for (int option; (option = getopt(argc, argv, "+n:")) != -1;)
        runs = option == 'n' ? atoi(optarg) : 0;
    if (argc - optind < 2 || runs < 1 || runs > RUNS_MAX) {
        fputs("usage: start_time [-n runs] node command [arg...]\n", stderr);
        return 2;
    }
    node = argv[optind];
    watch = inotify_init1(IN_CLOEXEC);
    char *folder = dirname(strdup(node));
    if (watch < 0 || inotify_add_watch(watch, folder, IN_CREATE | IN_DELETE | IN_MOVED_TO) < 0)
        return fail(strerror(errno));
    if (present())
        return fail("is there already");
    for (int i = 0; i < runs; i++) {
        double start = now_ms();
        pid_t child = fork();
        if (child == 0) {
            execvp(argv[optind + 1], argv + optind + 1);
            fprintf(stderr, "start_time: %s: %s\n", argv[optind + 1], strerror(errno));
            _exit(127);
        }
        bool there = wait_until(true, child);
        times[i] = now_ms() - start;
        if (!there) {
            kill(child, SIGKILL);
            return fail("did not appear; the program ended or took too long");
        }
        end(child);
        if (!wait_until(false, 0))
            return fail("is still there after the program ended");
    }
    qsort(times, (size_t)runs, sizeof *times, ascending);
    printf("start_ms %.2f\n", times[runs / 2]);
    return 0;
}
