// The floor that ttynvt-swift is compared with: what a CUSE device in front of
// one TCP connection costs when it does nothing else. No tty semantics, no
// protocol, no allocation per byte.
//
//   cuse_tcp_reference -S host:port -n name [-M major] [-m minor]
//
// Threads: libfuse's single-threaded loop sends what is written; the receive
// thread answers a parked read itself, without waking the loop.
#define FUSE_USE_VERSION 312
#include <asm/termbits.h> // the kernel's struct termios; <termios.h> has another
#include <cuse_lowlevel.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_opt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// Larger than all that a sender can have under way on the path, so that the
// receive thread never stops and the loop's blocking send cannot deadlock with
// it. Only pages that are used cost memory: it starts over whenever it is empty.
enum { RECEIVED_MAX = 32 << 20, CHUNK = 128 << 10, PARKED_MAX = 16 };

struct parked_read {
    fuse_req_t req;
    size_t size;
};

static struct {
    char *host, *port;
    int sock;
    unsigned opens; // touched by the CUSE thread only, as are sock and receiver
    pthread_t receiver;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t room;
    char *received; // bytes first..<end wait for a reader
    size_t first, end;
    bool ended;
    struct parked_read parked[PARKED_MAX];
    unsigned parked_count;
    struct fuse_pollhandle *poller;
    struct termios termios;
} port = {
    .sock = -1,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .room = PTHREAD_COND_INITIALIZER,
    .termios = {.c_cflag = B9600 | CS8 | CREAD | HUPCL | CLOCAL},
};

static int connect_to_remote(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(port.host, port.port, &hints, &found) != 0)
        return -EHOSTUNREACH;
    int error = EHOSTUNREACH, sock = -1;
    for (struct addrinfo *a = found; a && sock < 0; a = a->ai_next) {
        sock = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (sock >= 0 && connect(sock, a->ai_addr, a->ai_addrlen) < 0) {
            error = errno;
            close(sock);
            sock = -1;
        }
    }
    freeaddrinfo(found);
    if (sock < 0)
        return -error;
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return sock;
}

// Takes the oldest parked read, if there is one.
static struct parked_read unpark(void)
{
    struct parked_read oldest = {0};
    if (port.parked_count > 0) {
        oldest = port.parked[0];
        port.parked_count--;
        memmove(port.parked, port.parked + 1, port.parked_count * sizeof oldest);
    }
    return oldest;
}

static void keep(const char *bytes, size_t count)
{
    while (RECEIVED_MAX - port.end < count) {
        if (port.first >= CHUNK) {
            memmove(port.received, port.received + port.first, port.end - port.first);
            port.end -= port.first;
            port.first = 0;
        } else
            pthread_cond_wait(&port.room, &port.lock);
    }
    memcpy(port.received + port.end, bytes, count);
    port.end += count;
}

static void notify(struct fuse_pollhandle *poller)
{
    if (poller) {
        fuse_lowlevel_notify_poll(poller);
        fuse_pollhandle_destroy(poller);
    }
}

static void *receive(void *unused)
{
    (void)unused;
    static char chunk[CHUNK];
    for (;;) {
        ssize_t count = recv(port.sock, chunk, sizeof chunk, 0);
        if (count < 0 && errno == EINTR)
            continue;
        size_t taken = 0;
        struct parked_read reader = {0};
        pthread_mutex_lock(&port.lock);
        if (count <= 0)
            port.ended = true;
        else {
            reader = unpark(); // a read is parked only while nothing is kept
            if (reader.req)
                taken = (size_t)count < reader.size ? (size_t)count : reader.size;
            if (taken < (size_t)count)
                keep(chunk + taken, (size_t)count - taken);
        }
        struct fuse_pollhandle *poller = port.poller;
        port.poller = NULL;
        pthread_mutex_unlock(&port.lock);

        if (reader.req)
            fuse_reply_buf(reader.req, chunk, taken);
        notify(poller);
        if (count <= 0)
            break;
    }
    for (;;) {
        pthread_mutex_lock(&port.lock);
        struct parked_read reader = unpark();
        pthread_mutex_unlock(&port.lock);
        if (!reader.req)
            return NULL;
        fuse_reply_buf(reader.req, NULL, 0);
    }
}

static void port_open(fuse_req_t req, struct fuse_file_info *fi)
{
    if (port.opens == 0) {
        int sock = connect_to_remote();
        if (sock < 0) {
            fuse_reply_err(req, -sock);
            return;
        }
        port.sock = sock;
        port.first = port.end = 0;
        port.ended = false;
        if (pthread_create(&port.receiver, NULL, receive, NULL) != 0) {
            close(sock);
            fuse_reply_err(req, EAGAIN);
            return;
        }
    }
    port.opens++;
    fi->direct_io = 1;
    fi->nonseekable = 1;
    fuse_reply_open(req, fi);
}

static void port_release(fuse_req_t req, struct fuse_file_info *fi)
{
    (void)fi;
    if (--port.opens == 0) {
        shutdown(port.sock, SHUT_RDWR);
        // The receive thread may wait for room that no program will make.
        pthread_mutex_lock(&port.lock);
        port.first = port.end = 0;
        pthread_cond_signal(&port.room);
        pthread_mutex_unlock(&port.lock);
        pthread_join(port.receiver, NULL);
        close(port.sock);
        port.sock = -1;
    }
    fuse_reply_err(req, 0);
}

static void interrupted(fuse_req_t req, void *unused)
{
    (void)unused;
    bool found = false;
    pthread_mutex_lock(&port.lock);
    for (unsigned i = 0; i < port.parked_count && !found; i++)
        if (port.parked[i].req == req) {
            found = true;
            port.parked_count--;
            memmove(port.parked + i, port.parked + i + 1, (port.parked_count - i) * sizeof *port.parked);
        }
    pthread_mutex_unlock(&port.lock);
    if (found)
        fuse_reply_err(req, EINTR);
}

static void port_read(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)offset;
    pthread_mutex_lock(&port.lock);
    size_t count = port.end - port.first;
    if (count > 0 || port.ended) {
        if (count > size)
            count = size;
        fuse_reply_buf(req, port.received + port.first, count);
        port.first += count;
        if (port.first == port.end)
            port.first = port.end = 0;
        pthread_cond_signal(&port.room);
    } else if (fi->flags & O_NONBLOCK)
        fuse_reply_err(req, EAGAIN);
    else if (port.parked_count == PARKED_MAX)
        fuse_reply_err(req, EBUSY);
    else {
        // Interrupts are handled by this thread, so none can be under way here.
        fuse_req_interrupt_func(req, interrupted, NULL);
        port.parked[port.parked_count++] = (struct parked_read){req, size};
    }
    pthread_mutex_unlock(&port.lock);
}

static void port_write(fuse_req_t req, const char *bytes, size_t size, off_t offset, struct fuse_file_info *fi)
{
    (void)offset;
    (void)fi;
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(port.sock, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (count >= 0)
            sent += (size_t)count;
        else if (errno != EINTR) {
            fuse_reply_err(req, EIO);
            return;
        }
    }
    fuse_reply_write(req, size);
}

static void port_poll(fuse_req_t req, struct fuse_file_info *fi, struct fuse_pollhandle *poller)
{
    (void)fi;
    unsigned events = POLLOUT | POLLWRNORM;
    pthread_mutex_lock(&port.lock);
    if (port.end > port.first || port.ended)
        events |= POLLIN | POLLRDNORM;
    if (port.ended)
        events |= POLLHUP;
    struct fuse_pollhandle *previous = NULL;
    if (poller) {
        previous = port.poller;
        port.poller = poller;
    }
    pthread_mutex_unlock(&port.lock);
    if (previous)
        fuse_pollhandle_destroy(previous);
    fuse_reply_poll(req, events);
}

// Unrestricted ioctls come twice: the first pass says which memory of the
// caller is wanted, the second has room for it.
static void ioctl_out(fuse_req_t req, void *arg, size_t room, const void *value, size_t size)
{
    struct iovec out = {arg, size};
    if (room < size)
        fuse_reply_ioctl_retry(req, NULL, 0, &out, 1);
    else
        fuse_reply_ioctl(req, 0, value, size);
}

static void port_ioctl(fuse_req_t req, int command, void *arg, struct fuse_file_info *fi, unsigned flags,
                       const void *in, size_t in_size, size_t out_size)
{
    (void)fi;
    (void)flags;
    struct iovec wanted = {arg, sizeof port.termios};
    switch ((unsigned)command) {
    case TCGETS:
        ioctl_out(req, arg, out_size, &port.termios, sizeof port.termios);
        break;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        if (in_size < sizeof port.termios) {
            fuse_reply_ioctl_retry(req, &wanted, 1, NULL, 0);
            break;
        }
        memcpy(&port.termios, in, sizeof port.termios);
        fuse_reply_ioctl(req, 0, NULL, 0);
        break;
    case FIONREAD: {
        pthread_mutex_lock(&port.lock);
        int count = (int)(port.end - port.first);
        pthread_mutex_unlock(&port.lock);
        ioctl_out(req, arg, out_size, &count, sizeof count);
        break;
    }
    case TCFLSH:
        if ((long)arg != TCOFLUSH) {
            pthread_mutex_lock(&port.lock);
            port.first = port.end = 0;
            pthread_cond_signal(&port.room);
            pthread_mutex_unlock(&port.lock);
        }
        fuse_reply_ioctl(req, 0, NULL, 0);
        break;
    default:
        fuse_reply_err(req, ENOTTY);
    }
}

static const struct cuse_lowlevel_ops operations = {
    .open = port_open,
    .release = port_release,
    .read = port_read,
    .write = port_write,
    .poll = port_poll,
    .ioctl = port_ioctl,
};

static int usage(void)
{
    fputs("usage: cuse_tcp_reference -S host:port -n name [-M major] [-m minor]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    char *name = NULL, *remote = NULL;
    unsigned major = 0, minor = 0;
    for (int option; (option = getopt(argc, argv, "S:n:M:m:f")) != -1;)
        switch (option) {
        case 'S': remote = optarg; break;
        case 'n': name = optarg; break;
        case 'M': major = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'm': minor = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'f': break;
        default: return usage();
        }
    char *colon = remote ? strrchr(remote, ':') : NULL;
    if (!name || !colon || optind != argc)
        return usage();
    *colon = '\0';
    port.host = remote;
    port.port = colon + 1;
    port.received = malloc(RECEIVED_MAX);
    if (!port.received)
        return 1;

    char dev_name[300];
    snprintf(dev_name, sizeof dev_name, "DEVNAME=%s", name);
    const char *dev_info[] = {dev_name};
    struct cuse_info info = {
        .dev_major = major,
        .dev_minor = minor,
        .dev_info_argc = 1,
        .dev_info_argv = dev_info,
        .flags = CUSE_UNRESTRICTED_IOCTL,
    };
    char *loop_arguments[] = {argv[0], "-f", "-s", NULL};
    return cuse_lowlevel_main(3, loop_arguments, &info, &operations, NULL);
}
