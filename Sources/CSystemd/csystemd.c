#include "csystemd.h"

// The location of the caller is the Swift one's to give, not this file's.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <systemd/sd-journal.h>

// libsystemd brings six more libraries along, a third of the time a port takes to start, and only a process that
// systemd started needs it: it is loaded when it is first called for.
static void *symbol(const char *name) {
    static void *library;
    if (library == NULL) library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    return library == NULL ? NULL : dlsym(library, name);
}

int csystemd_journal_send(const char *const *fields, int count) {
    struct iovec entries[16];
    if (count > (int)(sizeof entries / sizeof *entries)) return -E2BIG;
    for (int index = 0; index < count; index++)
        entries[index] = (struct iovec){(void *)fields[index], strlen(fields[index])};
    static __typeof__(&sd_journal_sendv) send;
    if (send == NULL) send = (__typeof__(send))symbol("sd_journal_sendv");
    return send == NULL ? -ENOSYS : send(entries, count);
}
