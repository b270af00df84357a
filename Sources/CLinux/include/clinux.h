// Kernel and glibc declarations that Swift's Glibc module leaves out.
#ifndef CLINUX_H
#define CLINUX_H

#include "clinux_gnu.h"

#include <linux/serial.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <sys/eventfd.h>

// The kernel's own termios structures. The names in <asm/termbits.h> clash with glibc's <termios.h>, so the
// structures are repeated here; clinux.c asserts that they match the kernel's.

#define CLINUX_NCCS 19

struct clinux_termios {
    uint32_t c_iflag;
    uint32_t c_oflag;
    uint32_t c_cflag;
    uint32_t c_lflag;
    uint8_t c_line;
    uint8_t c_cc[CLINUX_NCCS];
};

struct clinux_termios2 {
    uint32_t c_iflag;
    uint32_t c_oflag;
    uint32_t c_cflag;
    uint32_t c_lflag;
    uint8_t c_line;
    uint8_t c_cc[CLINUX_NCCS];
    uint32_t c_ispeed;
    uint32_t c_ospeed;
};

// ioctl(2) is variadic, which Swift cannot call.
int clinux_ioctl_value(int fd, unsigned long request, unsigned long value);
int clinux_ioctl_pointer(int fd, unsigned long request, void *_Nonnull argument);

// The processor's cycle counter, which runs at the same constant rate on all processors; 0 if programs cannot read
// one.
static inline uint64_t clinux_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

// prctl(2) is variadic too. From now on execve(2) grants no privileges to the calling thread, nor to threads that it
// starts.
int clinux_no_new_privileges(void);

// Calls prctl(2). Other processes without privileges, even of the same user, cannot read this process's memory and
// environment.
int clinux_not_dumpable(void);

// Calls prctl(2). The calling thread keeps its permitted capabilities when it becomes another user.
int clinux_keep_capabilities(void);

// Calls prctl(2). Names the calling thread.
void clinux_name_thread(const char *_Nonnull name);

/// The TCP_INFO of a connection. glibc's struct tcp_info lacks the window, and <linux/tcp.h> clashes with
/// <netinet/tcp.h>.
struct clinux_tcp_state {
    /// Segments sent and not acknowledged.
    uint32_t unacked_segments;
    /// Milliseconds since the last acknowledgement.
    uint32_t since_last_ack_ms;
    /// Window and keepalive probes without an answer.
    uint32_t probes;
    /// The peer's receive window in bytes, if this kernel reports it.
    uint32_t window;
    int has_window;
    /// Bytes that the peer has acknowledged, if this kernel counts them.
    uint64_t acknowledged;
    int has_acknowledged;
};

int clinux_tcp_state(int fd, struct clinux_tcp_state *_Nonnull state);

/// One of the kernel's tty ioctl numbers or structure sizes, with its name in the header.
struct clinux_constant {
    const char *_Nonnull name;
    uint32_t value;
};

/// All constants that Swift's tables repeat, for the test that compares them with the kernel's headers. `count`
/// receives their number.
const struct clinux_constant *_Nonnull clinux_constants(int *_Nonnull count);

#endif
