#!/bin/bash
# Compares ttynvt-swift with the C reference, both in front of the same echo
# server, and prints a table with DESIGN.md's limits. Runs as root where
# /dev/cuse is, so through Tests/Guest/run:
#
#   make -C Tests/Benchmarks OUT=DIR
#   Tests/Guest/run --timeout 900 Tests/Benchmarks/bench.sh DIR PATH-OF-ttynvt-swift
#
# The medians and quartiles go to bench.csv in the results directory; draw.py draws
# them. socat and gensiot are measured beside, if they are installed.
#
# Both paths must be visible in the guest: not under /tmp. Exit status: 0 all
# limits kept, 1 one is missed, 2 something did not work.
#
#   TTYNVT_BENCH_RUNS=9    rounds
#   TTYNVT_BENCH_BYTES=N   bytes of one throughput run (16 MiB)
#   TTYNVT_BENCH_PORTS="1 2 5"  numbers of ports whose memory is measured
#   TTYNVT_BENCH_PLAIN=1   the program speaks plain TCP: the reference can stand in for it
set -u

here=$(cd -- "$(dirname -- "$0")" && pwd -P) || exit 2
[ $# = 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
bin=$(cd -- "$1" && pwd -P) || exit 2
candidate=$(realpath -- "$2") || exit 2
reference=$bin/cuse_tcp_reference
runs=${TTYNVT_BENCH_RUNS:-9}
bytes=${TTYNVT_BENCH_BYTES:-$((16 << 20))}
many=${TTYNVT_BENCH_PORTS:-1 2 5 10 20 50 100}
protocol=--rfc2217
[ -z "${TTYNVT_BENCH_PLAIN:-}" ] || protocol=

work=$(mktemp -d) || exit 2
logs=${GUEST_RESULTS:-$work}
servers=() ports=() peers=() peer_processes=()
# shellcheck source-path=SCRIPTDIR source=bench-lib.sh
. "$here/bench-lib.sh"

cleanup() {
    stop_ports
    [ ${#peer_processes[@]} = 0 ] || stop "${peer_processes[@]}"
    [ ${#servers[@]} = 0 ] || stop "${servers[@]}"
    tc qdisc del dev lo root 2>/dev/null
    rm -rf -- "$work"
}
trap cleanup EXIT
trap 'exit 2' INT TERM HUP

for program in "$reference" "$candidate" "$bin"/{tty_bench,echo_server,start_time}; do
    [ -x "$program" ] || die "$program: no such program"
done

server 4001
server 4002 $protocol
server 4003 --delay-ms 25
server 4006
server 4007 --rfc2217
server 4004 $protocol --delay-ms 25
[ -z "$protocol" ] || server 4005 $protocol --lines

# Freshly written program files count as private memory until they are on disk.
sync

echo "# start to node"
for ((i = 0; i < runs; i++)); do
    both measure_start $((i % 2))
done

echo "# memory"
both measure_memory 0
both measure_many 0

echo "# round trips, throughput, ioctl: $runs rounds"
port reference ttyBenchR 1 4001
port candidate ttyBenchS 2 4002
peer socat socat pty,link=/tmp/socat,raw,echo=0 tcp:127.0.0.1:4006,nodelay
peer gensiot gensiot -i 'pty(link=/tmp/gensiot,raw)' 'telnet(rfc2217),tcp,127.0.0.1,4007'
order=0
for ((i = 0; i < runs; i++)); do
    # Each measurement of the two directly after one another: the host's load drifts.
    # The short ones with a close limit come more often.
    for what in open rtt echo tcgets poll rtt tcgets echo tcgets rtt echo; do
        both measure_tty $((order ^= 1)) "$what"
    done
    for who in "${peers[@]}"; do
        for what in rtt tcgets echo; do measure_peer "$who" "$what"; done
    done
done

if [ -n "$protocol" ]; then
    echo "# lines"
    port candidate ttyBenchSC 5 4005
    tty_bench candidate -t 120 -b "$((bytes / 4))" -o lines /dev/ttyBenchSC
fi

echo "# idle, open"
both measure_idle 0

echo "# long path"
port reference ttyBenchRL 3 4003
port candidate ttyBenchSL 4 4004
both measure_late_answers 0
modprobe sch_netem 2>/dev/null
if tc qdisc add dev lo root netem delay 25ms limit 10000 2>/dev/null; then
    both measure_long_path 0
    tc qdisc del dev lo root
fi

report
