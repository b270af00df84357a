#include "clinux.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

int clinux_tcp_state(int fd, struct clinux_tcp_state *state) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return -1;
    state->unacked_segments = info.tcpi_unacked;
    state->since_last_ack_ms = info.tcpi_last_ack_recv;
    state->probes = info.tcpi_probes;
    // Since Linux 4.1.
    state->has_acknowledged = length >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked;
    state->acknowledged = info.tcpi_bytes_acked;
    // Since Linux 5.4.
    state->has_window = length >= offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof info.tcpi_snd_wnd;
    state->window = info.tcpi_snd_wnd;
    return 0;
}
