# shellcheck shell=bash
# Sourced by run, and by ../run: starts one command in a process-id namespace of its own, so
# that ending its first process ends every process it has led to, whatever
# group, session or tracer those have. User-mode Linux needs that: its guest
# processes are traced processes of the host.

contained= # process id of unshare, until it was waited for
# An option of unshare for users other than root: they appear as root inside.
contained_as=--map-root-user

# contained_start COMMAND [ARG...]: in the background, with the caller's redirections.
contained_start() {
    local as=
    [ "$(id -u)" = 0 ] || as=$contained_as
    # pdeathsig: even when run is killed by SIGKILL, nothing stays behind.
    # The shell is the namespace's first process and so the one that reaps orphans;
    # "exit" keeps it from replacing itself by its last command.
    # shellcheck disable=SC2016
    exec setpriv --pdeathsig KILL setsid \
        unshare $as --pid --fork --kill-child --mount-proc \
        sh -c '"$@"; exit $?' sh "$@"
}

# The namespace's first process is killed and not unshare: unshare then returns
# when the kernel has taken the whole namespace down, and not before.
contained_stop() {
    local first=
    [ -n "$contained" ] || return 0
    read -r first _ 2>/dev/null <"/proc/$contained/task/$contained/children"
    kill -KILL "${first:-$contained}" 2>/dev/null
}

# contained_wait: returns the status; a trap interrupts wait, not us.
contained_wait() {
    local status
    while :; do
        wait "$contained"
        status=$?
        kill -0 "$contained" 2>/dev/null || break
    done
    contained=
    return "$status"
}

# one_cpu [INDEX]: the number of one of the CPUs we may run on, another one for another index. Without an index,
# another one in another run.
one_cpu() {
    local list range cpus=()
    list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
    for range in ${list//,/ }; do
        mapfile -t -O "${#cpus[@]}" cpus < <(seq "${range%-*}" "${range#*-}")
    done
    echo "${cpus[${1:-$$} % ${#cpus[@]}]}"
}
