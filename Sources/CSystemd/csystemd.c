#include "csystemd.h"

// The location of the caller is the Swift one's to give, not this file's.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <errno.h>
#include <string.h>
#include <systemd/sd-journal.h>

int csystemd_journal_send(const char *const *fields, int count) {
    struct iovec entries[16];
    if (count > (int)(sizeof entries / sizeof *entries)) return -E2BIG;
    for (int index = 0; index < count; index++)
        entries[index] = (struct iovec){(void *)fields[index], strlen(fields[index])};
    return sd_journal_sendv(entries, count);
}
