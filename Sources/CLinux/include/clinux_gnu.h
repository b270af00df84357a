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

// capget(2) and capset(2) have no declaration in glibc. Bit sets of the calling thread's; nothing is inheritable.
int clinux_capget(uint64_t *_Nonnull permitted, uint64_t *_Nonnull effective);
int clinux_capset(uint64_t permitted, uint64_t effective);

// rename(2) that replaces nothing: EEXIST.
int clinux_rename_new(const char *_Nonnull from, const char *_Nonnull to);

// pipe2(2), close-on-exec.
int clinux_pipe(int descriptors[_Nonnull 2]);

// One heap for all threads (mallopt(3)). To be called before there are any.
void clinux_one_heap(void);

// Swift sees `environ` as shared mutable state. To be handed to posix_spawn(3) at once.
char *_Nullable *_Nonnull clinux_environment(void);

#endif
