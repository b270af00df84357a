// Declarations that need _GNU_SOURCE, which Swift's Glibc module does not define.
#ifndef CLINUX_GNU_H
#define CLINUX_GNU_H

#include <stdint.h>
#include <sys/types.h>

/// POLLRDHUP: the peer has closed its side.
extern const int clinux_pollrdhup;

// accept4(2), non-blocking and close-on-exec.
int clinux_accept(int listener);

// pidfd_open(2) has no declaration that all glibc versions share.
int clinux_pidfd_open(pid_t pid);

// capget(2) and capset(2) have no declaration in glibc. The arguments are bit sets of the calling thread; nothing is
// inheritable.
int clinux_capget(uint64_t *_Nonnull permitted, uint64_t *_Nonnull effective);
int clinux_capset(uint64_t permitted, uint64_t effective);

// rename(2) that fails with EEXIST instead of replacing a file.
int clinux_rename_new(const char *_Nonnull from, const char *_Nonnull to);

// pipe2(2), close-on-exec.
int clinux_pipe(int descriptors[_Nonnull 2]);

// Uses one heap for all threads (mallopt(3)). Must be called before other threads start.
void clinux_one_heap(void);

// Swift treats `environ` as shared mutable state. The caller passes the result directly to posix_spawn(3).
char *_Nullable *_Nonnull clinux_environment(void);

#endif
