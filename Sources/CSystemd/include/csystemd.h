// libsystemd for Swift, loaded at the first call. Calls fail with -ENOSYS if it is not installed.
#ifndef CSYSTEMD_H
#define CSYSTEMD_H

#include <stddef.h>
#include <stdint.h>

// Sends one entry to the journal: `fields` are count strings "NAME=value". sd_journal_sendv wants iovecs.
int csystemd_journal_send(const char *_Nonnull const *_Nonnull fields, int count);

// sd-bus(3): each function as declared there, found by dlsym(3). Functions that return a pointer return NULL if the
// library is missing.

typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;
typedef struct sd_bus_slot sd_bus_slot;

/// A copy of sd_bus_error, so that its header need not be installed.
struct csystemd_bus_error {
    const char *_Nullable name;
    const char *_Nullable message;
    int need_free;
};

/// sd_bus_message_handler_t.
typedef int (*csystemd_bus_handler)(sd_bus_message *_Nullable message, void *_Nullable userdata, void *_Nullable error);

int csystemd_bus_open_system(sd_bus *_Nullable *_Nonnull bus);
sd_bus *_Nullable csystemd_bus_close_unref(sd_bus *_Nullable bus);
int csystemd_bus_get_fd(sd_bus *_Nonnull bus);
int csystemd_bus_get_events(sd_bus *_Nonnull bus);
int csystemd_bus_get_timeout(sd_bus *_Nonnull bus, uint64_t *_Nonnull microseconds);
int csystemd_bus_process(sd_bus *_Nonnull bus);
int csystemd_bus_flush(sd_bus *_Nonnull bus);
int csystemd_bus_add_match_async(sd_bus *_Nonnull bus, sd_bus_slot *_Nullable *_Nonnull slot,
                                 const char *_Nonnull rule, csystemd_bus_handler _Nonnull handler,
                                 void *_Nullable userdata);
int csystemd_bus_call(sd_bus *_Nonnull bus, sd_bus_message *_Nonnull message, uint64_t microseconds,
                      struct csystemd_bus_error *_Nonnull error, sd_bus_message *_Nullable *_Nonnull reply);
int csystemd_bus_call_async(sd_bus *_Nonnull bus, sd_bus_slot *_Nullable *_Nonnull slot,
                            sd_bus_message *_Nonnull message, csystemd_bus_handler _Nonnull handler,
                            void *_Nullable userdata, uint64_t microseconds);
int csystemd_bus_send(sd_bus *_Nonnull bus, sd_bus_message *_Nonnull message);
void csystemd_bus_error_free(struct csystemd_bus_error *_Nonnull error);
sd_bus_slot *_Nullable csystemd_bus_slot_unref(sd_bus_slot *_Nullable slot);

int csystemd_bus_message_new_method_call(sd_bus *_Nonnull bus, sd_bus_message *_Nullable *_Nonnull message,
                                         const char *_Nonnull destination, const char *_Nonnull path,
                                         const char *_Nonnull interface, const char *_Nonnull member);
int csystemd_bus_message_set_auto_start(sd_bus_message *_Nonnull message, int on);
int csystemd_bus_message_set_expect_reply(sd_bus_message *_Nonnull message, int on);
sd_bus_message *_Nullable csystemd_bus_message_unref(sd_bus_message *_Nullable message);
const struct csystemd_bus_error *_Nullable csystemd_bus_message_get_error(sd_bus_message *_Nonnull message);
const char *_Nullable csystemd_bus_message_get_sender(sd_bus_message *_Nonnull message);
const char *_Nullable csystemd_bus_message_get_path(sd_bus_message *_Nonnull message);
const char *_Nullable csystemd_bus_message_get_interface(sd_bus_message *_Nonnull message);
const char *_Nullable csystemd_bus_message_get_member(sd_bus_message *_Nonnull message);

int csystemd_bus_message_append_basic(sd_bus_message *_Nonnull message, char type, const void *_Nonnull value);
int csystemd_bus_message_append_array(sd_bus_message *_Nonnull message, char type, const void *_Nullable items,
                                      size_t size);
int csystemd_bus_message_open_container(sd_bus_message *_Nonnull message, char type, const char *_Nonnull contents);
int csystemd_bus_message_close_container(sd_bus_message *_Nonnull message);
int csystemd_bus_message_peek_type(sd_bus_message *_Nonnull message, char *_Nonnull type,
                                   const char *_Nullable *_Nonnull contents);
int csystemd_bus_message_read_basic(sd_bus_message *_Nonnull message, char type, void *_Nonnull value);
int csystemd_bus_message_read_array(sd_bus_message *_Nonnull message, char type,
                                    const void *_Nullable *_Nonnull items, size_t *_Nonnull size);
int csystemd_bus_message_enter_container(sd_bus_message *_Nonnull message, char type, const char *_Nonnull contents);
int csystemd_bus_message_exit_container(sd_bus_message *_Nonnull message);

#endif
