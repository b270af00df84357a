// libfuse's cuse_lowlevel for Swift: the variadic functions, macros, bit-fields and structures that Swift cannot use.
// No policy: every function is one call.
#ifndef CCUSE_H
#define CCUSE_H

#define FUSE_USE_VERSION 312
#include <fuse3/cuse_lowlevel.h>
#include <stdint.h>

// A session for one device. `cuse_lowlevel_new` wants argument vectors and a structure of its own.
struct fuse_session *_Nullable ccuse_session_new(const char *_Nonnull name, unsigned major, unsigned minor,
                                                 const struct cuse_lowlevel_ops *_Nonnull ops,
                                                 void *_Nullable userdata);

// Gives the session its channel: an open /dev/cuse, or a socket on which a test plays the kernel.
// `fuse_session_mount` takes the descriptor as a path, "/dev/fd/N". The session closes it.
int ccuse_session_attach(struct fuse_session *_Nonnull session, int fd);

// struct fuse_file_info has bit-fields; these are its members that matter.
uint64_t ccuse_file_handle(const struct fuse_file_info *_Nonnull info);
void ccuse_file_set_handle(struct fuse_file_info *_Nonnull info, uint64_t handle);
int ccuse_file_flags(const struct fuse_file_info *_Nonnull info);
uint32_t ccuse_file_poll_events(const struct fuse_file_info *_Nonnull info);

// The caller, from the request's header.
uint32_t ccuse_caller_uid(fuse_req_t _Nonnull request);
int32_t ccuse_caller_pid(fuse_req_t _Nonnull request);

// Answers an ioctl with a retry: the kernel copies `copy_in` bytes from `address`, calls again, and may copy
// `copy_out` bytes out.
int ccuse_reply_ioctl_retry(fuse_req_t _Nonnull request, uint64_t address, size_t copy_in, size_t copy_out);

// Called with a request as `data` when the kernel interrupts that request.
typedef void (*ccuse_interrupt_function)(fuse_req_t _Nonnull request, void *_Nullable data);
void ccuse_request_on_interrupt(fuse_req_t _Nonnull request, ccuse_interrupt_function _Nonnull function,
                                void *_Nullable data);

#endif
