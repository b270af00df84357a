# shellcheck shell=bash
# Sourced by run. The job is a script and not a list of arguments, because the
# kernel's command line keeps neither blanks nor more than a few hundred bytes.

# write_job COMMAND [ARG...]: a script for bash on stdout. TMPDIR and
# GUEST_RESULTS are set by the host or the guest that runs it.
write_job() {
    local name
    printf 'cd -- %q || exit 126\nexec env -i' "$PWD"
    # shellcheck disable=SC2016
    printf ' %s' 'HOME="$TMPDIR"' 'TMPDIR="$TMPDIR"' 'GUEST_RESULTS="$GUEST_RESULTS"' \
        '${MODPROBE_OPTIONS:+MODPROBE_OPTIONS="$MODPROBE_OPTIONS"}'
    printf ' %q' PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=C.UTF-8 TERM=dumb USER=root LOGNAME=root SHELL=/bin/sh
    # Its output is a pipe; Python would hold lines back.
    printf ' %q' PYTHONUNBUFFERED=1
    for name in "${!TTYNVT_@}"; do
        printf ' %q' "$name=${!name}"
    done
    printf ' %q' "$@"
    printf '\n'
}
