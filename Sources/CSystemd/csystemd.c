#include "csystemd.h"

// Swift code supplies the source location, not this file.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>

_Static_assert(sizeof(struct csystemd_bus_error) == sizeof(sd_bus_error), "sd_bus_error");
_Static_assert(offsetof(struct csystemd_bus_error, message) == offsetof(sd_bus_error, message), "sd_bus_error.message");

static void *library;
static pthread_once_t is_loaded = PTHREAD_ONCE_INIT;

static void load(void) { library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL); }

// libsystemd loads six more libraries, which would take a third of a port's start. Only processes that systemd
// started, or that use the bus, need it, so it is loaded at the first call.
static void *symbol(const char *name) {
    pthread_once(&is_loaded, load);
    return library == NULL ? NULL : dlsym(library, name);
}

// Looks a function of libsystemd up, once for each use.
#define FUNCTION(name)                                                                                                 \
    ({                                                                                                                 \
        static void *found;                                                                                            \
        void *address = __atomic_load_n(&found, __ATOMIC_ACQUIRE);                                                     \
        if (address == NULL) __atomic_store_n(&found, address = symbol(#name), __ATOMIC_RELEASE);                      \
        (__typeof__(&name))address;                                                                                    \
    })

// Calls the function; `absent` is the result if the library is missing.
#define CALL(absent, name, ...)                                                                                        \
    ({                                                                                                                 \
        __typeof__(&name) function = FUNCTION(name);                                                                   \
        function == NULL ? absent : function(__VA_ARGS__);                                                             \
    })

int csystemd_journal_send(const char *const *fields, int count) {
    struct iovec entries[16];
    if (count > (int)(sizeof entries / sizeof *entries)) return -E2BIG;
    for (int index = 0; index < count; index++)
        entries[index] = (struct iovec){(void *)fields[index], strlen(fields[index])};
    return CALL(-ENOSYS, sd_journal_sendv, entries, count);
}

int csystemd_bus_open_system(sd_bus **bus) { return CALL(-ENOSYS, sd_bus_open_system, bus); }

sd_bus *csystemd_bus_close_unref(sd_bus *bus) { return CALL(NULL, sd_bus_close_unref, bus); }

int csystemd_bus_get_fd(sd_bus *bus) { return CALL(-ENOSYS, sd_bus_get_fd, bus); }

int csystemd_bus_get_events(sd_bus *bus) { return CALL(-ENOSYS, sd_bus_get_events, bus); }

int csystemd_bus_get_timeout(sd_bus *bus, uint64_t *microseconds) {
    return CALL(-ENOSYS, sd_bus_get_timeout, bus, microseconds);
}

int csystemd_bus_process(sd_bus *bus) { return CALL(-ENOSYS, sd_bus_process, bus, NULL); }

int csystemd_bus_flush(sd_bus *bus) { return CALL(-ENOSYS, sd_bus_flush, bus); }

int csystemd_bus_add_match_async(sd_bus *bus, sd_bus_slot **slot, const char *rule, csystemd_bus_handler handler,
                                 void *userdata) {
    return CALL(-ENOSYS, sd_bus_add_match_async, bus, slot, rule, (sd_bus_message_handler_t)handler, NULL, userdata);
}

int csystemd_bus_call(sd_bus *bus, sd_bus_message *message, uint64_t microseconds, struct csystemd_bus_error *error,
                      sd_bus_message **reply) {
    return CALL(-ENOSYS, sd_bus_call, bus, message, microseconds, (sd_bus_error *)error, reply);
}

int csystemd_bus_call_async(sd_bus *bus, sd_bus_slot **slot, sd_bus_message *message, csystemd_bus_handler handler,
                            void *userdata, uint64_t microseconds) {
    return CALL(-ENOSYS, sd_bus_call_async, bus, slot, message, (sd_bus_message_handler_t)handler, userdata,
                microseconds);
}

int csystemd_bus_send(sd_bus *bus, sd_bus_message *message) { return CALL(-ENOSYS, sd_bus_send, bus, message, NULL); }

void csystemd_bus_error_free(struct csystemd_bus_error *error) {
    void (*function)(sd_bus_error *) = FUNCTION(sd_bus_error_free);
    if (function != NULL) function((sd_bus_error *)error);
}

sd_bus_slot *csystemd_bus_slot_unref(sd_bus_slot *slot) { return CALL(NULL, sd_bus_slot_unref, slot); }

int csystemd_bus_message_new_method_call(sd_bus *bus, sd_bus_message **message, const char *destination,
                                         const char *path, const char *interface, const char *member) {
    return CALL(-ENOSYS, sd_bus_message_new_method_call, bus, message, destination, path, interface, member);
}

int csystemd_bus_message_set_auto_start(sd_bus_message *message, int on) {
    return CALL(-ENOSYS, sd_bus_message_set_auto_start, message, on);
}

int csystemd_bus_message_set_expect_reply(sd_bus_message *message, int on) {
    return CALL(-ENOSYS, sd_bus_message_set_expect_reply, message, on);
}

sd_bus_message *csystemd_bus_message_unref(sd_bus_message *message) {
    return CALL(NULL, sd_bus_message_unref, message);
}

const struct csystemd_bus_error *csystemd_bus_message_get_error(sd_bus_message *message) {
    return (const struct csystemd_bus_error *)CALL(NULL, sd_bus_message_get_error, message);
}

const char *csystemd_bus_message_get_sender(sd_bus_message *message) {
    return CALL(NULL, sd_bus_message_get_sender, message);
}

const char *csystemd_bus_message_get_path(sd_bus_message *message) {
    return CALL(NULL, sd_bus_message_get_path, message);
}

const char *csystemd_bus_message_get_interface(sd_bus_message *message) {
    return CALL(NULL, sd_bus_message_get_interface, message);
}

const char *csystemd_bus_message_get_member(sd_bus_message *message) {
    return CALL(NULL, sd_bus_message_get_member, message);
}

int csystemd_bus_message_append_basic(sd_bus_message *message, char type, const void *value) {
    return CALL(-ENOSYS, sd_bus_message_append_basic, message, type, value);
}

int csystemd_bus_message_append_array(sd_bus_message *message, char type, const void *items, size_t size) {
    return CALL(-ENOSYS, sd_bus_message_append_array, message, type, items, size);
}

int csystemd_bus_message_open_container(sd_bus_message *message, char type, const char *contents) {
    return CALL(-ENOSYS, sd_bus_message_open_container, message, type, contents);
}

int csystemd_bus_message_close_container(sd_bus_message *message) {
    return CALL(-ENOSYS, sd_bus_message_close_container, message);
}

int csystemd_bus_message_peek_type(sd_bus_message *message, char *type, const char **contents) {
    return CALL(-ENOSYS, sd_bus_message_peek_type, message, type, contents);
}

int csystemd_bus_message_read_basic(sd_bus_message *message, char type, void *value) {
    return CALL(-ENOSYS, sd_bus_message_read_basic, message, type, value);
}

int csystemd_bus_message_read_array(sd_bus_message *message, char type, const void **items, size_t *size) {
    return CALL(-ENOSYS, sd_bus_message_read_array, message, type, items, size);
}

int csystemd_bus_message_enter_container(sd_bus_message *message, char type, const char *contents) {
    return CALL(-ENOSYS, sd_bus_message_enter_container, message, type, contents);
}

int csystemd_bus_message_exit_container(sd_bus_message *message) {
    return CALL(-ENOSYS, sd_bus_message_exit_container, message);
}
