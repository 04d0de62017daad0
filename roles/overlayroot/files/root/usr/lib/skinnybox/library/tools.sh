# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# The master's own programs, run from the initramfs before there is a root file system to run them in.
#
# They run in the read-only master, with memory where a program wants to write, and see below /run/skinnybox what
# they work on: overlay (the overlay disk), new-master (the master without what is mounted here), old-master.

# open_workshop: mount all that the master's programs need.
open_workshop() {
	local root=$master_directory
	: >"$state_directory/complaints"
	# The bind mount comes first: it shows the master without those that follow.
	mount -t tmpfs -o mode=0755,nosuid,nodev skinnybox "$root/run" &&
		mkdir -p "$root/run/skinnybox/overlay" "$root/run/skinnybox/new-master" "$root/run/skinnybox/old-master" &&
		mount -o bind "$root" "$root/run/skinnybox/new-master" &&
		mount -o bind "$overlay_directory" "$root/run/skinnybox/overlay" &&
		mount -t tmpfs -o mode=1777,nosuid,nodev skinnybox "$root/tmp" &&
		mount -o bind /proc "$root/proc" &&
		mount -o bind /dev "$root/dev"
}

# close_workshop: undo open_workshop, however far it came. Nothing of it may stay: the hypervisor could not take the
# old master's disk away, and the overlay disk would not be unmounted at power-off.
close_workshop() {
	local directory
	for directory in dev proc tmp run/skinnybox/old-master run/skinnybox/new-master run/skinnybox/overlay run; do
		umount "$master_directory/$directory" 2>/dev/null ||
			umount -l "$master_directory/$directory" 2>/dev/null
	done
	return 0
}

# run_python MODULE ARGUMENT...: a module of the collection that the master brings, with the master's Python. What
# it prints is the answer; what it complains about is left in $state_directory/complaints.
# The working directory is where Python looks first, and -S keeps it away from what the site has installed.
run_python() {
	chroot "$master_directory" /usr/bin/env -i -C /usr/lib/skinnybox/python \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TMPDIR=/tmp PYTHONHASHSEED=0 \
		/usr/bin/python3 -B -S -m "$@" </dev/null 2>"$state_directory/complaints"
}

# last_complaint STATUS: print the sentence with which run_python ended.
last_complaint() {
	local line sentence="it ended with status $1 and said nothing"
	# The shell itself says something then.
	[ "$1" -le 128 ] || echo "it was killed by signal $(($1 - 128)); the VM may have too little memory" >"$state_directory/complaints"
	while IFS= read -r line || [ -n "$line" ]; do
		[ -z "$line" ] || sentence=$line
	done <"$state_directory/complaints"
	echo "$sentence"
}
