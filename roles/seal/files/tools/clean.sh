# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash

# Remove what makes the golden VM one particular machine. Runs when the VM shuts down, as the last that writes to
# its disk: until then the running system would make half of it again, and sshd needs its keys.
#
# clean.sh FILE: the file has two lines, the boot disk and whether apt's lists are kept (yes or no).
#
# When anything fails the boot CD is taken away, so that nobody publishes a master that is not clean.
{
	read -r boot_disk
	read -r keep_apt_lists
} <"$1"
PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin

# empty_directory DIRECTORY...: remove what is in them.
empty_directory() {
	for directory in "$@"; do
		[ ! -d "$directory" ] || find "$directory" -xdev -mindepth 1 -delete
	done
}

identity() {
	: >/etc/machine-id
	[ ! -d /var/lib/dbus ] || ln -sf /etc/machine-id /var/lib/dbus/machine-id
	rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
	rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /boot/grub/grubenv.seed
}

state() {
	# Timers without a stamp wait for their next date; with an old one they all run in an instance's first minute.
	empty_directory /var/lib/systemd/timers /var/lib/dhcp /var/lib/dhcpcd /var/lib/NetworkManager /var/lib/cloud
	rm -rf /run/systemd/netif/leases
	# The services that rebuild caches when /usr is newer than these have nothing to do in an instance.
	touch -r /usr /etc/.updated /var/.updated
}

logs() {
	# journald goes on in memory, and leaves the disk alone.
	journalctl --relinquish-var
	empty_directory /var/log/journal
	find /var/log -xdev -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' \) -delete
	find /var/log -xdev -type f -exec truncate -s 0 {} +
}

leftovers() {
	empty_directory /tmp /var/tmp /root/.ansible /var/cache/apt/archives/partial
	rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
	[ "$keep_apt_lists" = yes ] || empty_directory /var/lib/apt/lists
	rm -f /root/.bash_history /root/.python_history /root/.lesshst /root/.viminfo /home/*/.bash_history
}

set -e
trap '[ $? = 0 ] || { echo "skinnybox: sealing failed; the boot CD is withdrawn" >/dev/console
	dd if=/dev/zero of="$boot_disk" bs=2048 seek=16 count=1 conv=notrunc,fsync 2>/dev/null; }' EXIT
identity
state
logs
leftovers
sync
