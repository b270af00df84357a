// libsystemd for Swift: calls whose structures or variadic arguments Swift cannot make.
#ifndef CSYSTEMD_H
#define CSYSTEMD_H

// Sends one entry to the journal: `fields` are count strings "NAME=value". sd_journal_sendv wants iovecs.
int csystemd_journal_send(const char *_Nonnull const *_Nonnull fields, int count);

#endif
