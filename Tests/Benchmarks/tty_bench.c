// Measures one serial port that has an echo behind it, in raw mode, and prints
// "key value" lines.
//
//   tty_bench [-n ITERATIONS] [-b BYTES] [-c CHUNK] [-t SECONDS] [-w MS] [-o NAME[,NAME...]] DEVICE
//
// -w is the pause between two opens that are measured.
// -o chooses among open, rtt, poll, echo, tcgets and lines; all but the last by
// default. lines wants a server that sends lines of 80 bytes once it has been
// sent a byte, and drops the rest: it reads them one at a time, in raw mode and
// in canonical mode with echo.
// It never hangs: a parent process keeps the time, and exits even when the
// measuring one is stuck in the kernel.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { OPENS = 20, BATCHES = 21, BATCH = 100, WARM_UP = 50, CHUNK_MAX = 1 << 20 };
enum { LINE = 80, LINE_ROUNDS = 5 };
enum { PATTERN = 65521 }; // a prime: a block that is lost or doubled shows

static const char *device;
static size_t iterations = 2000, total = 8 << 20, chunk = 4096;
static unsigned seconds = 60, pause_ms;
static unsigned char pattern[PATTERN + CHUNK_MAX];

static _Noreturn void fail(const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "tty_bench: %s: %s\n", device ? device : "?", text);
    _exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Sorts in place.
static double percentile(double *values, size_t count, unsigned percent)
{
    qsort(values, count, sizeof *values, ascending);
    return values[(count - 1) * percent / 100];
}

static void report(const char *key, double value)
{
    printf("%s %.3f\n", key, value);
    fflush(stdout);
}

static int open_device(void)
{
    int fd = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        fail("open: %s", strerror(errno));
    return fd;
}

static int open_raw(void)
{
    int fd = open_device();
    struct termios t;
    if (tcgetattr(fd, &t) < 0)
        fail("tcgetattr: %s", strerror(errno));
    cfmakeraw(&t);
    cfsetspeed(&t, B4000000); // no modelled line time in the way
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSANOW, &t) < 0 || tcflush(fd, TCIOFLUSH) < 0)
        fail("raw mode: %s", strerror(errno));
    return fd;
}

// As a terminal is by default: lines, echo, CR NL on output.
static int open_canonical(void)
{
    int fd = open_device();
    struct termios t;
    if (tcgetattr(fd, &t) < 0)
        fail("tcgetattr: %s", strerror(errno));
    t.c_iflag |= ICRNL | IXON;
    t.c_oflag |= OPOST | ONLCR;
    t.c_lflag |= ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
    cfsetspeed(&t, B4000000);
    if (tcsetattr(fd, TCSANOW, &t) < 0)
        fail("canonical mode: %s", strerror(errno));
    return fd;
}

static bool is_canonical(int fd)
{
    struct termios t;
    return tcgetattr(fd, &t) == 0 && (t.c_lflag & ICANON);
}

static void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
        fail("fcntl: %s", strerror(errno));
}

// MARK: measurements

static void measure_open(void)
{
    double usable[OPENS], both[OPENS];
    for (int i = 0; i < OPENS; i++) {
        double start = now_us();
        int fd = open_device();
        usable[i] = now_us() - start;
        if (close(fd) < 0)
            fail("close: %s", strerror(errno));
        both[i] = now_us() - start;
        // The pause keeps the end of a slow connection out of the next open's time.
        usleep(pause_ms * 1000);
    }
    report("open_only_us", percentile(usable, OPENS, 50));
    report("open_us", percentile(both, OPENS, 50));
}

static void write_one(int fd, unsigned char byte)
{
    if (write(fd, &byte, 1) != 1)
        fail("write: %s", strerror(errno));
}

static void expect(ssize_t count, unsigned char byte, unsigned char expected)
{
    if (count != 1)
        fail("read: %s", count < 0 ? strerror(errno) : "end of file");
    if (byte != expected)
        fail("sent 0x%02x, got 0x%02x back", expected, byte);
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)('0' + i % 64);
}

static void measure_rtt(int fd)
{
    double *times = calloc(iterations, sizeof *times);
    for (size_t i = 0; times && i < WARM_UP + iterations; i++) {
        unsigned char byte = 0;
        double start = now_us();
        write_one(fd, byte_at(i));
        ssize_t count = read(fd, &byte, 1);
        if (i >= WARM_UP)
            times[i - WARM_UP] = now_us() - start;
        expect(count, byte, byte_at(i));
    }
    static const unsigned percents[] = {1, 5, 10, 25, 50, 75, 90, 95, 99};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        char key[32];
        snprintf(key, sizeof key, "rtt1_p%u_us", percents[i]);
        report(key, percentile(times, iterations, percents[i]));
    }
    free(times);
}

static ssize_t poll_and_read(int fd, unsigned char *byte)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 5000) <= 0)
            fail("poll: nothing within 5 s");
        ssize_t count = read(fd, byte, 1);
        if (count >= 0 || errno != EAGAIN)
            return count;
    }
}

static void measure_poll(int fd)
{
    double *times = calloc(iterations, sizeof *times);
    set_nonblocking(fd, true);
    for (size_t i = 0; times && i < WARM_UP + iterations; i++) {
        unsigned char byte = 0;
        double start = now_us();
        write_one(fd, byte_at(i));
        ssize_t count = poll_and_read(fd, &byte);
        if (i >= WARM_UP)
            times[i - WARM_UP] = now_us() - start;
        expect(count, byte, byte_at(i));
    }
    set_nonblocking(fd, false);
    report("poll_rtt_p50_us", percentile(times, iterations, 50));
    free(times);
}

static void *write_pattern(void *argument)
{
    int fd = *(int *)argument;
    for (size_t done = 0; done < total;) {
        size_t size = total - done < chunk ? total - done : chunk;
        ssize_t count = write(fd, pattern + done % PATTERN, size);
        if (count <= 0)
            fail("write: %s", count < 0 ? strerror(errno) : "nothing written");
        done += (size_t)count;
    }
    return NULL;
}

static void measure_echo(int fd)
{
    unsigned char *got = malloc(chunk);
    pthread_t writer;
    double start = now_us();
    if (!got || pthread_create(&writer, NULL, write_pattern, &fd) != 0)
        fail("cannot start the writer");
    for (size_t done = 0; done < total;) {
        ssize_t count = read(fd, got, chunk);
        if (count <= 0)
            fail("read: %s", count < 0 ? strerror(errno) : "end of file");
        if (done + (size_t)count > total || memcmp(got, pattern + done % PATTERN, (size_t)count) != 0)
            fail("the echo differs within the %zd bytes from byte %zu on", count, done);
        done += (size_t)count;
    }
    report("echo_MBps", (double)total / (now_us() - start));
    pthread_join(writer, NULL);
    free(got);
}

static void measure_tcgets(int fd)
{
    double times[BATCHES];
    struct termios t;
    for (int i = 0; i < BATCHES; i++) {
        double start = now_us();
        for (int j = 0; j < BATCH; j++)
            if (tcgetattr(fd, &t) < 0)
                fail("tcgetattr: %s", strerror(errno));
        times[i] = (now_us() - start) / BATCH;
    }
    report("tcgets_us", percentile(times, BATCHES, 50));
}

// Reads lines, one with each read(2): MB/s.
static double read_lines(int fd)
{
    unsigned char got[4 * LINE];
    size_t want = is_canonical(fd) ? sizeof got : LINE;
    if (write(fd, "x", 1) != 1)
        fail("write: %s", strerror(errno));
    double start = 0;
    size_t done = 0;
    for (; done < total; done += LINE) {
        size_t count = 0;
        while (count < LINE) { // in raw mode a piece may end within a line
            ssize_t more = read(fd, got + count, want - count);
            if (more <= 0)
                fail("read: %s", more < 0 ? strerror(errno) : "end of file");
            count += (size_t)more;
        }
        if (count != LINE || got[LINE - 1] != '\n' || memchr(got, '\n', LINE - 1))
            fail("not a line of %d bytes: %zu", LINE, count);
        if (done == 0)
            start = now_us();
    }
    return (double)(done - LINE) / (now_us() - start);
}

static void measure_lines(void)
{
    double raw[LINE_ROUNDS], echoed[LINE_ROUNDS];
    for (int i = 0; i < LINE_ROUNDS; i++) {
        int fd = open_raw();
        raw[i] = read_lines(fd);
        close(fd);
        fd = open_canonical();
        echoed[i] = read_lines(fd);
        close(fd);
    }
    report("lines_raw_MBps", percentile(raw, LINE_ROUNDS, 50));
    report("lines_echo_MBps", percentile(echoed, LINE_ROUNDS, 50));
    report("lines_ratio", percentile(echoed, LINE_ROUNDS, 50) / percentile(raw, LINE_ROUNDS, 50));
}

// MARK: the two processes

static bool chosen(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
            return true;
    return false;
}

static void measure(const char *list)
{
    uint32_t random = 2463534242u;
    for (size_t i = 0; i < PATTERN; i++) {
        random ^= random << 13, random ^= random >> 17, random ^= random << 5;
        pattern[i] = (unsigned char)(random >> 11);
    }
    for (size_t i = PATTERN; i < sizeof pattern; i++)
        pattern[i] = pattern[i - PATTERN];

    if (chosen(list, "open"))
        measure_open();
    if (chosen(list, "lines"))
        return measure_lines();
    int fd = open_raw();
    if (chosen(list, "rtt"))
        measure_rtt(fd);
    if (chosen(list, "poll"))
        measure_poll(fd);
    if (chosen(list, "tcgets"))
        measure_tcgets(fd);
    if (chosen(list, "echo"))
        measure_echo(fd);
    tcflush(fd, TCIOFLUSH);
    close(fd);
}

// The signal only ends waitpid; there is no SA_RESTART.
static void on_alarm(int signal) { (void)signal; }

static int keep_time(pid_t child)
{
    int status;
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
    if (waitpid(child, &status, 0) == child)
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    kill(child, SIGKILL);
    fprintf(stderr, "tty_bench: %s: not done within %u s\n", device, seconds);
    return 1;
}

int main(int argc, char **argv)
{
    const char *list = "open,rtt,poll,tcgets,echo";
    for (int option; (option = getopt(argc, argv, "n:b:c:t:o:w:")) != -1;)
        switch (option) {
        case 'n': iterations = strtoul(optarg, NULL, 10); break;
        case 'b': total = strtoul(optarg, NULL, 10); break;
        case 'c': chunk = strtoul(optarg, NULL, 10); break;
        case 't': seconds = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'o': list = optarg; break;
        case 'w': pause_ms = (unsigned)strtoul(optarg, NULL, 10); break;
        default: optind = argc + 1; // usage
        }
    if (optind != argc - 1 || !iterations || !total || !chunk || chunk > CHUNK_MAX || !seconds) {
        fputs("usage: tty_bench [-n iterations] [-b bytes] [-c chunk] [-t seconds] [-w ms] [-o name,...] device\n", stderr);
        return 2;
    }
    device = argv[optind];
    pid_t child = fork();
    if (child < 0)
        fail("fork: %s", strerror(errno));
    if (child > 0)
        return keep_time(child);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    measure(list);
    return 0;
}
