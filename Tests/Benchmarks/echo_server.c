// An echo server on 127.0.0.1 for both candidates of the benchmark.
//
//   echo_server [--rfc2217 [--lines]] [--delay-ms N] PORT
//
// Plain: sends back what comes. With --rfc2217 it is the smallest honest server
// of that protocol around the same loop: it accepts COM-PORT, binary and
// suppress-go-ahead, answers every command of the client and echoes the data
// with its escapes. It has no line, so FLOWCONTROL-SUSPEND and -RESUME mean
// nothing to it. --delay-ms delays each direction's bytes by N ms: answers leave
// 2 N ms after what they answer, whatever else is on its way meanwhile. (It
// cannot delay the TCP handshake.) With --lines it echoes nothing: from the first
// byte of data on it sends lines of 80 bytes until the connection ends, and
// drops what comes. One thread per connection, and one that sends lines.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 64 << 10, OUTPUT_MAX = 4 * CHUNK + 256 };
enum { SE = 240, SB = 250, WILL, WONT, DO, DONT, IAC };
enum { BINARY = 0, SGA = 3, COM_PORT = 44, FROM_SERVER = 100 };
enum { SIGNATURE, SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL };
enum { NOTIFY_MODEMSTATE = 7, SET_LINESTATE_MASK = 10, SET_MODEMSTATE_MASK, PURGE_DATA };

static bool rfc2217, lines;
static int64_t delay_ns; // of one direction

struct delayed {
    struct delayed *next;
    int64_t due; // CLOCK_MONOTONIC, ns
    size_t count;
    unsigned char bytes[];
};

struct connection {
    int sock;
    enum { DATA, COMMAND, OPTION, SUBNEGOTIATION, SUBNEGOTIATION_COMMAND } state;
    unsigned char verb; // of the option that comes next
    unsigned char sub[64];
    size_t sub_count;
    bool we_will[256], they_will[256];
    unsigned char baud[4], size[3];  // data size, parity, stop size
    unsigned char control[5];        // flow, break, DTR, RTS, inbound flow
    struct delayed *first, **last;
    pthread_t sender; // of lines, once has_sender
    bool has_sender;
};

// MARK: output

struct output {
    unsigned char *bytes;
    size_t count;
};

static void put(struct output *out, const void *bytes, size_t count)
{
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

static void put_option(struct output *out, unsigned char verb, unsigned char option)
{
    put(out, (unsigned char[]){IAC, verb, option}, 3);
}

static void put_com_port(struct output *out, unsigned char command, const unsigned char *value, size_t count)
{
    put(out, (unsigned char[]){IAC, SB, COM_PORT, command + FROM_SERVER}, 4);
    for (size_t i = 0; i < count; i++) {
        put(out, value + i, 1);
        if (value[i] == IAC)
            put(out, value + i, 1);
    }
    put(out, (unsigned char[]){IAC, SE}, 2);
}

// MARK: the server role

static bool supported(unsigned char option)
{
    return option == BINARY || option == SGA || option == COM_PORT;
}

// Answers only what changes something, so that two sides cannot loop (RFC 854).
static void negotiate(struct connection *c, unsigned char verb, unsigned char option, struct output *out)
{
    bool on = verb == WILL || verb == DO;
    bool theirs = verb == WILL || verb == WONT;
    bool *state = theirs ? &c->they_will[option] : &c->we_will[option];
    if (on == *state)
        return;
    if (on && (!supported(option) || (option == COM_PORT && !theirs))) {
        put_option(out, theirs ? DONT : WONT, option);
        return;
    }
    *state = on;
    put_option(out, theirs ? (on ? DO : DONT) : (on ? WILL : WONT), option);
    if (on && option == COM_PORT) // CD, DSR and CTS are on, as with a connected port
        put_com_port(out, NOTIFY_MODEMSTATE, (unsigned char[]){0xB0}, 1);
}

// SET-CONTROL: the five things it sets and the value that asks for each (RFC 2217, section 3).
static unsigned char control(struct connection *c, unsigned char value)
{
    static const signed char thing_of[20] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 0, 4, 0};
    if (value >= sizeof thing_of)
        return value;
    unsigned char *thing = &c->control[(int)thing_of[value]];
    if (value != 0 && value != 4 && value != 7 && value != 10 && value != 13)
        *thing = value;
    return *thing;
}

static void answer(struct connection *c, struct output *out)
{
    if (c->sub_count < 2 || c->sub[0] != COM_PORT)
        return;
    unsigned char command = c->sub[1], *value = c->sub + 2;
    size_t count = c->sub_count - 2;
    switch (command) {
    case SIGNATURE:
        if (count == 0)
            put_com_port(out, command, (const unsigned char *)"echo_server", 11);
        break;
    case SET_BAUDRATE:
        if (count != 4)
            break;
        if (value[0] | value[1] | value[2] | value[3]) // zero asks
            memcpy(c->baud, value, 4);
        put_com_port(out, command, c->baud, 4);
        break;
    case SET_DATASIZE:
    case SET_PARITY:
    case SET_STOPSIZE:
        if (count != 1)
            break;
        if (value[0])
            c->size[command - SET_DATASIZE] = value[0];
        put_com_port(out, command, &c->size[command - SET_DATASIZE], 1);
        break;
    case SET_CONTROL:
        if (count == 1)
            put_com_port(out, command, (unsigned char[]){control(c, value[0])}, 1);
        break;
    case SET_LINESTATE_MASK:
    case SET_MODEMSTATE_MASK:
    case PURGE_DATA:
        put_com_port(out, command, value, count);
        break;
    }
}

static void keep_sub(struct connection *c, unsigned char byte)
{
    if (c->sub_count < sizeof c->sub)
        c->sub[c->sub_count++] = byte;
}

// One byte outside the plain data; resumes at any split.
static void take(struct connection *c, unsigned char byte, struct output *out)
{
    switch (c->state) {
    case DATA: // the caller saw an IAC
        c->state = COMMAND;
        break;
    case COMMAND:
        c->state = byte == SB ? SUBNEGOTIATION : byte >= WILL && byte <= DONT ? OPTION : DATA;
        c->verb = byte;
        c->sub_count = 0;
        if (byte == IAC && !lines)
            put(out, (unsigned char[]){IAC, IAC}, 2);
        break;
    case OPTION:
        c->state = DATA;
        negotiate(c, c->verb, byte, out);
        break;
    case SUBNEGOTIATION:
        if (byte == IAC)
            c->state = SUBNEGOTIATION_COMMAND;
        else
            keep_sub(c, byte);
        break;
    case SUBNEGOTIATION_COMMAND:
        c->state = byte == IAC ? SUBNEGOTIATION : DATA;
        if (byte == IAC)
            keep_sub(c, byte);
        else if (byte == SE)
            answer(c, out);
        break;
    }
}

static bool send_all(int sock, const unsigned char *bytes, size_t count);

// Lines whose text says which one of the block it is.
static void *send_lines(void *argument)
{
    enum { LINE = 80, LINES = 200 };
    struct connection *c = argument;
    static const char text[] = "the quick brown fox jumps over the lazy dog, again and again and again, 0123456";
    unsigned char block[LINE * LINES];
    for (size_t i = 0; i < LINES; i++) {
        memcpy(block + i * LINE, text, LINE - 1);
        block[i * LINE + LINE - 1] = '\n';
    }
    while (send_all(c->sock, block, sizeof block))
        ;
    return NULL;
}

static void put_data(struct connection *c, struct output *out, const void *bytes, size_t count)
{
    if (!lines)
        put(out, bytes, count);
    else if (count > 0 && !c->has_sender)
        c->has_sender = pthread_create(&c->sender, NULL, send_lines, c) == 0;
}

static void serve_rfc2217(struct connection *c, const unsigned char *in, size_t count, struct output *out)
{
    for (const unsigned char *end = in + count; in < end;) {
        if (c->state == DATA) {
            const unsigned char *iac = memchr(in, IAC, (size_t)(end - in));
            size_t run = (size_t)((iac ? iac : end) - in);
            put_data(c, out, in, run);
            in += run;
            // The common case of an escaped byte, as cheap as in a plain echo.
            if (end - in >= 2 && in[1] == IAC) {
                put_data(c, out, in, 2);
                in += 2;
                continue;
            }
        }
        if (in < end)
            take(c, *in++, out);
    }
}

// MARK: the loop

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool send_all(int sock, const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(sock, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

static bool send_later(struct connection *c, const struct output *out)
{
    struct delayed *d = malloc(sizeof *d + out->count);
    if (!d)
        return false;
    *d = (struct delayed){.due = now_ns() + 2 * delay_ns, .count = out->count};
    memcpy(d->bytes, out->bytes, out->count);
    *c->last = d;
    c->last = &d->next;
    return true;
}

// Sends what is due and waits for input; false when the connection is over.
static bool wait_for_input(struct connection *c)
{
    for (;;) {
        struct timespec pause = {0}, *timeout = NULL;
        if (c->first) {
            int64_t left = c->first->due - now_ns();
            if (left <= 0) {
                struct delayed *d = c->first;
                bool sent = send_all(c->sock, d->bytes, d->count);
                if (!(c->first = d->next))
                    c->last = &c->first;
                free(d);
                if (!sent)
                    return false;
                continue;
            }
            pause = (struct timespec){left / 1000000000, left % 1000000000};
            timeout = &pause;
        }
        struct pollfd p = {.fd = c->sock, .events = POLLIN};
        if (ppoll(&p, 1, timeout, NULL) > 0)
            return true;
    }
}

static void *serve(void *argument)
{
    struct connection *c = argument;
    unsigned char *in = malloc(CHUNK), *answers = malloc(OUTPUT_MAX);
    while (in && answers) {
        if (delay_ns > 0 && !wait_for_input(c))
            break;
        ssize_t count = recv(c->sock, in, CHUNK, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        struct output out = {in, (size_t)count};
        if (rfc2217) {
            out = (struct output){answers, 0};
            serve_rfc2217(c, in, (size_t)count, &out);
        }
        if (out.count > 0 && !(delay_ns > 0 ? send_later(c, &out) : send_all(c->sock, out.bytes, out.count)))
            break;
    }
    for (struct delayed *d = c->first, *next; d; d = next) {
        next = d->next;
        free(d);
    }
    shutdown(c->sock, SHUT_RDWR);
    if (c->has_sender)
        pthread_join(c->sender, NULL);
    close(c->sock);
    free(in);
    free(answers);
    free(c);
    return NULL;
}

static void start_serving(int sock)
{
    struct connection *c = malloc(sizeof *c);
    pthread_t thread;
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (c) {
        *c = (struct connection){
            .sock = sock,
            .baud = {0, 0, 0x25, 0x80}, // 9600
            .size = {8, 1, 1},          // 8 bits, no parity, 1 stop bit
            .control = {1, 6, 9, 12, 14},
        };
        c->last = &c->first;
        if (pthread_create(&thread, NULL, serve, c) == 0) {
            pthread_detach(thread);
            return;
        }
    }
    free(c);
    close(sock);
}

static int fail(const char *what)
{
    fprintf(stderr, "echo_server: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    int tcp_port = -1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rfc2217") == 0)
            rfc2217 = true;
        else if (strcmp(argv[i], "--lines") == 0)
            lines = true;
        else if (strcmp(argv[i], "--delay-ms") == 0 && i + 1 < argc)
            delay_ns = strtol(argv[++i], NULL, 10) * 1000000;
        else
            tcp_port = (int)strtol(argv[i], NULL, 10);
    }
    if (tcp_port < 1 || tcp_port > 65535 || delay_ns < 0) {
        fputs("usage: echo_server [--rfc2217 [--lines]] [--delay-ms N] PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)tcp_port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0)
        return fail("listen");
    printf("listening %d\n", tcp_port);
    fflush(stdout);
    for (;;) {
        int sock = accept(listener, NULL, NULL);
        if (sock >= 0)
            start_serving(sock);
        else if (errno != EINTR && errno != ECONNABORTED)
            return fail("accept");
    }
}
