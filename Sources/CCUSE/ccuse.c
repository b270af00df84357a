#include "ccuse.h"

#include <stdio.h>

struct fuse_session *ccuse_session_new(const char *name, unsigned major, unsigned minor,
                                       const struct cuse_lowlevel_ops *ops, void *userdata) {
    char device_name[256];
    if ((size_t)snprintf(device_name, sizeof device_name, "DEVNAME=%s", name) >= sizeof device_name) return NULL;
    const char *info_arguments[] = {device_name};
    const struct cuse_info info = {
        .dev_major = major,
        .dev_minor = minor,
        .dev_info_argc = 1,
        .dev_info_argv = info_arguments,
        .flags = CUSE_UNRESTRICTED_IOCTL,
    };
    // libfuse wants a program name, and copies what it keeps.
    char program[] = "ttynvt-swift";
    char *arguments[] = {program, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    struct fuse_session *session = cuse_lowlevel_new(&args, &info, ops, userdata);
    fuse_opt_free_args(&args);
    return session;
}

int ccuse_session_attach(struct fuse_session *session, int fd) {
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    return fuse_session_mount(session, path);
}

uint64_t ccuse_file_handle(const struct fuse_file_info *info) { return info->fh; }

void ccuse_file_set_handle(struct fuse_file_info *info, uint64_t handle) { info->fh = handle; }

int ccuse_file_flags(const struct fuse_file_info *info) { return info->flags; }

uint32_t ccuse_file_poll_events(const struct fuse_file_info *info) { return info->poll_events; }

uint32_t ccuse_caller_uid(fuse_req_t request) { return fuse_req_ctx(request)->uid; }

int32_t ccuse_caller_pid(fuse_req_t request) { return fuse_req_ctx(request)->pid; }

int ccuse_reply_ioctl_retry(fuse_req_t request, uint64_t address, size_t copy_in, size_t copy_out) {
    struct iovec in = {(void *)(uintptr_t)address, copy_in};
    struct iovec out = {(void *)(uintptr_t)address, copy_out};
    return fuse_reply_ioctl_retry(request, &in, copy_in > 0, &out, copy_out > 0);
}

void ccuse_request_on_interrupt(fuse_req_t request, ccuse_interrupt_function function, void *data) {
    fuse_req_interrupt_func(request, function, data);
}
