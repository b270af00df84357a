// Declarations that need _GNU_SOURCE, which Swift's Glibc module does not define.
#ifndef CLINUX_SOCKET_H
#define CLINUX_SOCKET_H

#include <sys/types.h>

/// POLLRDHUP: the peer has closed its side.
extern const int clinux_pollrdhup;

// accept4(2), non-blocking and close-on-exec.
int clinux_accept(int listener);

// pidfd_open(2) has no declaration that all glibc versions share.
int clinux_pidfd_open(pid_t pid);

#endif
