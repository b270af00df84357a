# shellcheck shell=bash
# Sourced by bench.sh. A measurement of WHO (reference, candidate, or a peer) appends
# "key value" lines to $work/WHO; the table is made of their medians.

declare -A node_of=([reference]=ttyBenchR [candidate]=ttyBenchS)
declare -A minor_of=([reference]=1 [candidate]=2)
declare -A tcp_of=([reference]=4001 [candidate]=4002)

die() {
    echo "bench.sh: $*" >&2
    find "$logs" -name "*.log" -size +0 -exec tail -v -n 5 {} + >&2
    exit 2
}

program_of() { if [ "$1" = reference ]; then echo "$reference"; else echo "$candidate"; fi; }

# server TCP-PORT [OPTION...]
server() {
    local tcp=$1
    shift
    "$bin/echo_server" "$@" "$tcp" >"$work/server.$tcp" 2>"$logs/server.$tcp.log" &
    servers+=($!)
    for _ in {1..100}; do
        grep -qs listening "$work/server.$tcp" && return
        sleep 0.05
    done
    die "no echo server on port $tcp"
}

# port WHO NAME MINOR TCP-PORT: returns when its node is there.
port() {
    "$(program_of "$1")" -S "127.0.0.1:$4" -n "$2" -M 199 -m "$3" </dev/null >"$logs/$2.log" 2>&1 &
    ports+=($!)
    for _ in {1..200}; do
        [ -c "/dev/$2" ] && return
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done
    die "$1: no /dev/$2"
}

stop() { # PID...
    local left=100
    kill "$@" 2>/dev/null
    while kill -0 "$@" 2>/dev/null && [ $((left -= 1)) -gt 0 ]; do sleep 0.05; done
    kill -KILL "$@" 2>/dev/null
    wait "$@" 2>/dev/null
}

stop_ports() {
    [ ${#ports[@]} = 0 ] || stop "${ports[@]}"
    ports=()
}

# both FUNCTION ORDER [ARG...]: for the reference and the candidate; ORDER 1 turns them round.
both() {
    local function=$1 order=$2
    shift 2
    if [ "$order" = 0 ]; then
        "$function" reference "$@" && "$function" candidate "$@"
    else
        "$function" candidate "$@" && "$function" reference "$@"
    fi
}

measure_start() { # WHO
    "$bin/start_time" -n 1 "/dev/${node_of[$1]}" "$(program_of "$1")" \
        -S "127.0.0.1:${tcp_of[$1]}" -n "${node_of[$1]}" -M 199 -m "${minor_of[$1]}" \
        >>"$work/$1" 2>"$logs/start.$1.log" || die "$1: start"
}

memory() { # FIELD PID...: the sum in kB
    local field=$1
    shift
    (cd /proc && awk -v field="$field:" '$1 == field { sum += $2 } END { print sum }' "${@/%//smaps_rollup}")
}

# One port, then eight more, then those open.
measure_memory() { # WHO
    local one all i holders=()
    port "$1" "${node_of[$1]}" "${minor_of[$1]}" "${tcp_of[$1]}"
    sleep 0.5
    one=$(memory Pss "${ports[@]}")
    echo "rss_kB $(memory Rss "${ports[@]}")" >>"$work/$1"
    echo "pss_kB $one" >>"$work/$1"
    for ((i = 0; i < 8; i++)); do
        port "$1" "${node_of[$1]}$i" $((10 + i)) "${tcp_of[$1]}"
    done
    sleep 0.5
    all=$(memory Pss "${ports[@]}")
    echo "further_pss_kB $(((all - one) / 8))" >>"$work/$1"
    for ((i = 0; i < 8; i++)); do
        sleep 60 <"/dev/${node_of[$1]}$i" &
        holders+=($!)
    done
    sleep 2
    all=$(memory Pss "${ports[@]}")
    echo "further_open_pss_kB $(((all - one) / 8))" >>"$work/$1"
    stop "${holders[@]}"
    stop_ports
}

# Memory against the number of ports: "ports_N_pss_kB" for each N.
measure_many() { # WHO
    local number=0 step
    for step in $many; do
        for (( ; number < step; number++)); do
            port "$1" "${node_of[$1]}M$number" $((100 + number)) "${tcp_of[$1]}"
        done
        sleep 0.5
        echo "ports_${step}_pss_kB $(memory Pss "${ports[@]}")" >>"$work/$1"
    done
    stop_ports
}

# peer WHO COMMAND...: a program that makes a pseudo-terminal at /tmp/WHO; it is held open, so that the program goes on
# between two measurements. A peer that is not installed is left out.
peer() {
    local who=$1
    shift
    command -v "$1" >/dev/null || return 0
    "$@" </dev/null >"$logs/$who.log" 2>&1 &
    peer_processes+=($!)
    for _ in {1..100}; do
        if [ -c "/tmp/$who" ]; then
            sleep 600 <>"/tmp/$who" &
            peer_processes+=($!)
            peers+=("$who")
            return
        fi
        sleep 0.05
    done
    die "$who: no pseudo-terminal"
}

measure_peer() { # WHO WHAT
    tty_bench "$1" -t 120 -n 1000 -b "$((bytes / 4))" -o "$2" "/tmp/$1"
}

tty_bench() { # WHO OPTION... DEVICE
    local who=$1
    shift
    "$bin/tty_bench" "$@" >>"$work/$who" 2>"$logs/tty_bench.$who.log" || die "$who: tty_bench $*"
}

measure_tty() { # WHO WHAT
    tty_bench "$1" -t 60 -n 1000 -b "$bytes" -o "$2" "/dev/${node_of[$1]}"
}

# How often any thread of the port went to sleep and so was woken before.
switches() { awk '/^voluntary/ { sum += $2 } END { print sum }' /proc/"$1"/task/*/status; }

measure_idle() { # WHO
    local pid before after
    if [ "$1" = reference ]; then pid=${ports[0]}; else pid=${ports[1]}; fi
    exec 5<"/dev/${node_of[$1]}" || die "$1: open"
    sleep 2
    before=$(switches "$pid")
    sleep 5
    after=$(switches "$pid")
    exec 5<&-
    echo "idle_wakeups $(awk "BEGIN { print ($after - $before) / 5 }")" >>"$work/$1"
}

# open_in PREFIX WHO DEVICE: the time of open(2) alone, in round trips of 50 ms.
open_in() {
    "$bin/tty_bench" -t 60 -w 200 -o open "$3" >"$work/open" 2>"$logs/tty_bench.$2.log" || die "$2: open of $3"
    awk -v key="$1" '/^open_only_us/ { print key, $2 / 50000 }' "$work/open" >>"$work/$2"
}
measure_late_answers() { open_in late_round_trips "$1" "/dev/${node_of[$1]}L"; }
measure_long_path() { open_in path_round_trips "$1" "/dev/${node_of[$1]}"; }

quantile() { # PERCENT KEY FILE
    awk -v key="$2" '$1 == key { print $2 }' "$3" | sort -n |
        awk -v p="$1" '{ value[NR] = $1 } END { if (NR) print value[1 + int((NR - 1) * p / 100 + 0.5)] }'
}
median() { quantile 50 "$@"; } # KEY FILE

# ratios KEY: of each pair of measurements made directly after one another; the host's drifting
# load disturbs their median less than it does the ratio of the medians.
ratios() {
    paste <(awk -v key="$1" '$1 == key { print $2 }' "$work/reference") \
        <(awk -v key="$1" '$1 == key { print $2 }' "$work/candidate") |
        awk -v key="$1" '$1 > 0 { print key, $2 / $1 }' >"$work/ratios"
}

# csv_rows KEY [LIMIT VERDICT]: one line for each program that was measured; a limit is the candidate's.
csv_rows() {
    local who count verdict
    for who in reference candidate "${peers[@]}"; do
        count=$(grep -c "^$1 " "$work/$who")
        [ "$count" != 0 ] || continue
        verdict=,
        [ "$who" != candidate ] || verdict="${2:-},${3:-}"
        echo "$1,$who,$(quantile 50 "$1" "$work/$who"),$(quantile 25 "$1" "$work/$who"),$(
            quantile 75 "$1" "$work/$who"),$count,$verdict" >>"$logs/bench.csv"
    done
}

missed=0
# row TEXT KEY LIMIT: prints a row. LIMIT is 'none', or: ratio|value|over COMPARISON NUMBER
row() {
    local text=$1 key=$2 kind=${3%% *} limit=${3#* } ours theirs by got verdict=
    theirs=$(median "$key" "$work/reference")
    ours=$(median "$key" "$work/candidate")
    ratios "$key"
    by=$(median "$key" "$work/ratios")
    case $kind in
    ratio) got=$by; kind="$limit ×" ;;
    over) got=$(awk "BEGIN { print $ours - $theirs }"); kind="$limit over" ;;
    value) got=$ours; kind=$limit ;;
    *) got=; kind= ;;
    esac
    if [ -n "$kind" ]; then
        verdict=$(awk "BEGIN { print ($got $limit) ? \"pass\" : \"MISS\" }")
        [ "$verdict" = pass ] || missed=$((missed + 1))
    fi
    printf '%-42s %11.2f %13.2f %6s %11s   %-12s %s\n' "$text" "$theirs" "$ours" \
        "$([ -z "$by" ] || printf '%.2f' "$by")" \
        "$([ -z "$by" ] || printf '%.2f-%.2f' "$(quantile 25 "$key" "$work/ratios")" \
            "$(quantile 75 "$key" "$work/ratios")")" "$kind" "$verdict"
    csv_rows "$key" "$kind" "$verdict"
}

report() {
    local key who
    echo
    printf '%-42s %11s %13s %6s %11s   %s\n' measurement reference ttynvt-swift ratio quartiles limit
    echo "measurement,program,median,quartile1,quartile3,runs,limit,verdict" >"$logs/bench.csv"
    row "1-byte round trip, p50 (us)" rtt1_p50_us "ratio <= 1.05"
    row "1-byte round trip, p99 (us)" rtt1_p99_us none
    row "1-byte round trip with poll, p50 (us)" poll_rtt_p50_us none
    row "echo throughput (MB/s)" echo_MBps "ratio >= 0.95"
    row "TCGETS (us)" tcgets_us "ratio <= 1.05"
    if grep -q lines_ratio "$work/candidate"; then
        # The reference has no line discipline: the port beside itself.
        row "lines of 80, one a read, raw (MB/s)" lines_raw_MBps none
        row "the same, canonical with echo (MB/s)" lines_echo_MBps none
        row "canonical with echo / raw" lines_ratio "value >= 0.7"
    fi
    row "open (us)" open_only_us none
    row "open and close (us)" open_us none
    row "start to node present (ms)" start_ms "over <= 30"
    row "memory of one port, RSS (kB)" rss_kB none
    row "memory of one port, PSS (kB)" pss_kB none
    row "memory of each further port, PSS (kB)" further_pss_kB "value <= 700"
    row "the same with those open, PSS (kB)" further_open_pss_kB none
    # An open may take two round trips. If only the answers are late, connecting takes no round trip.
    row "open, answers 50 ms late (x 50 ms)" late_round_trips "value <= 1.2"
    if grep -q path_round_trips "$work/candidate"; then
        row "open, 50 ms path (round trips)" path_round_trips "value <= 2.2"
    fi
    row "wake-ups of an idle open port (1/s)" idle_wakeups "value == 0"
    for key in rtt1_p{1,5,10,25,75,90,95}_us $(printf 'ports_%s_pss_kB ' $many); do csv_rows "$key"; done
    if [ ${#peers[@]} != 0 ]; then
        echo
        echo "Programs that make a pseudo-terminal, which is no serial port, behind the same server:"
        for key in rtt1_p50_us echo_MBps tcgets_us; do
            printf '%-18s' "$key"
            for who in "${peers[@]}"; do
                printf '%14s %10.2f (%.2f-%.2f)' "$who" "$(median "$key" "$work/$who")" \
                    "$(quantile 25 "$key" "$work/$who")" "$(quantile 75 "$key" "$work/$who")"
            done
            echo
        done
    fi
    echo
    echo "Medians; a ratio is the median of the ratios of neighbouring measurements. $(nproc) CPU, kernel $(uname -r)."
    cp "$work/reference" "$logs/reference.txt"
    cp "$work/candidate" "$logs/candidate.txt"
    if [ "$missed" = 0 ]; then echo "every limit is kept"; else echo "$missed of the limits missed"; fi
    [ "$missed" = 0 ]
}
