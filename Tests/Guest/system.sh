# shellcheck shell=sh
# Sourced by init: a whole system. This host's root with a layer of its own above it, where all changes go,
# becomes the root, and systemd its first process. If there is a disk, the layer is on it, and a second
# run is the next start of the same machine. Its last unit runs the job and powers off.
# shellcheck disable=SC2154

new=/mnt # not below /run, which moves there
mkdir -p /run/lower /run/layer
mount -t hostfs -o / none /run/lower
if [ -n "$guest_disk" ]; then
    mount -t ext4 /dev/ubda /run/layer
else
    mount -t tmpfs tmpfs /run/layer
fi
first_start=
[ -d /run/layer/upper ] || first_start=yes
mkdir -p /run/layer/upper /run/layer/work
mount -t overlay -o lowerdir=/run/lower,upperdir=/run/layer/upper,workdir=/run/layer/work none "$new"

# The guest does not inherit units, mounts and restrictions of this host.
if [ -n "$first_start" ]; then
    etc=$new/etc
    units=$etc/systemd/system
    rm -rf "$units" "$etc"/rc?.d "$etc"/cron.* "$new/usr/sbin/policy-rc.d" "$etc"/dpkg/dpkg.cfg.d "$new/usr/lib/modules"
    mkdir -p "$units/multi-user.target.wants" "$units/sockets.target.wants" "$etc"/dpkg/dpkg.cfg.d \
        "$etc"/systemd/system.conf.d "$etc"/systemd/journald.conf.d "$etc"/avahi
    : >"$etc/fstab"
    echo ttynvt-guest >"$etc/hostname"
    echo 5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e >"$etc/machine-id" # without one systemd would enable all that there is
    echo force-unsafe-io >"$etc/dpkg/dpkg.cfg.d/guest"
    ln -s uml/modules "$new/usr/lib/modules"
    printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >"$etc/systemd/system.conf.d/guest.conf"
    # Every message counts in tests; on a disk they outlive the machine's end.
    storage=volatile
    [ -z "$guest_disk" ] || storage=persistent
    printf '[Journal]\nStorage=%s\nRateLimitIntervalSec=0\n' "$storage" >"$etc/systemd/journald.conf.d/guest.conf"
    printf '[server]\nallow-interfaces=lo,dummy0\n[publish]\npublish-hinfo=no\npublish-workstation=no\n' \
        >"$etc/avahi/avahi-daemon.conf"
    ln -s /lib/systemd/system/multi-user.target "$units/default.target"
    ln -s /lib/systemd/system/avahi-daemon.service "$units/multi-user.target.wants/"
    ln -s /lib/systemd/system/avahi-daemon.service "$units/dbus-org.freedesktop.Avahi.service"
    ln -s /lib/systemd/system/avahi-daemon.socket "$units/sockets.target.wants/"
    # Units are stopped as ever. Then systemd would look for mounts to write back, and not see the overlay's disk.
    cat >"$units/systemd-poweroff.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Requires=shutdown.target umount.target final.target
After=shutdown.target umount.target final.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sync; echo o >/proc/sysrq-trigger'
UNIT
    # What takes time at every start and is of no use here.
    for unit in getty.target cryptsetup.target integritysetup.target veritysetup.target remote-fs.target \
        systemd-ask-password-console.path systemd-ask-password-wall.path systemd-tmpfiles-clean.timer \
        proc-sys-fs-binfmt_misc.automount systemd-binfmt.service sys-kernel-config.mount sys-kernel-debug.mount \
        sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount systemd-update-utmp.service \
        systemd-update-utmp-runlevel.service systemd-initctl.socket systemd-pstore.service systemd-random-seed.service \
        systemd-firstboot.service systemd-repart.service systemd-machine-id-commit.service; do
        ln -s /dev/null "$units/$unit"
    done
    cat >"$units/guest-job.service" <<'UNIT'
[Unit]
Description=The job of this guest
After=multi-user.target
[Service]
Type=exec
ExecStart=/bin/sh /run/work/job-on-consoles
ExecStopPost=/bin/sh /run/work/power-off
EnvironmentFile=/run/work/environment
UNIT
    ln -s ../guest-job.service "$units/multi-user.target.wants/"
fi

{
    echo "guest_system=$guest_system"
    echo "guest_one_stream=$guest_one_stream"
} >/run/work/environment
# A disk wants a proper end; without one there is nothing to save.
if [ -n "$guest_disk" ]; then
    echo 'exec systemctl --no-block poweroff' >/run/work/power-off
else
    echo 'echo o >/proc/sysrq-trigger' >/run/work/power-off
fi

umount /run/lower /run/layer # the overlay goes on using them
mount_temporary "$new"
/run/modules/modprobe ipv6
echo /sbin/modprobe >/proc/sys/kernel/modprobe
exec switch_root "$new" /lib/systemd/systemd
