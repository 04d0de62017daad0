# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# The two steps of a boot. The generator's wrappers call them: find_root before the root file system is mounted,
# join_root after it.

. /usr/lib/skinnybox/library/messages.sh
. /usr/lib/skinnybox/library/hypervisor.sh
. /usr/lib/skinnybox/library/devices.sh
. /usr/lib/skinnybox/library/master.sh
. /usr/lib/skinnybox/library/overlay.sh
. /usr/lib/skinnybox/library/filesystem.sh
. /usr/lib/skinnybox/library/layers.sh
. /usr/lib/skinnybox/library/tools.sh
. /usr/lib/skinnybox/library/rebase.sh
. /usr/lib/skinnybox/library/fstab.sh
. /usr/lib/skinnybox/library/report.sh
. /usr/lib/skinnybox/library/failure.sh

# Real tools first: those of busybox and klibc know few options.
PATH=/usr/lib/skinnybox/bin:$PATH
export PATH

# read_command_line: set master_id, root_uuid and device_timeout; fails when this is no boot of an instance.
read_command_line() {
	local word
	master_id=
	root_uuid=
	device_timeout=20
	for word in $(cat /proc/cmdline); do
		case $word in
		skinnybox.master=*) master_id=${word#*=} ;;
		skinnybox.timeout=*) device_timeout=${word#*=} ;;
		root=UUID=*) root_uuid=${word#root=UUID=} ;;
		esac
	done
	[ -n "$master_id" ]
}

# find_root: set master_device, with the master write-protected.
find_root() {
	prepare_hypervisor
	instance=$(read_key vm-data/skinnybox/instance)
	find_master "$master_id" "$root_uuid" || give_up
}

# join_root DEVICE DIRECTORY: the master DEVICE is mounted at DIRECTORY; put the instance's root there instead.
join_root() {
	master_device=$1
	prepare_hypervisor
	instance=$(read_key vm-data/skinnybox/instance)
	mkdir -p -m 0700 "$base_directory"
	mkdir -p "$master_directory" "$overlay_directory"
	state=running
	rebase_result=
	if ! prepare_overlay; then
		volatile_allowed || give_up
		prepare_volatile || give_up
	fi
	mount -o move "$2" "$master_directory" || refuse overlay "the master cannot be moved" || give_up
	prepare_layer "$master_id" || give_up
	run_site_hooks before "$2" || give_up
	mount_layers "$2" || give_up
	adapt_fstab "$2" "$(fstab_before_rebase)"
	finish_rebase "$2"
	run_site_hooks after "$2" || give_up
	report "$state" "layer=$layer" ${rebase_result:+"$rebase_result"} ${grown:+"grown=$grown"} ${failure_code:+"code=$failure_code"}
	echo "$instance" >"$state_directory/instance"
}

# prepare_overlay: the overlay disk, identified, healthy and mounted.
prepare_overlay() {
	[ -n "$instance" ] || refuse no-instance "the hypervisor does not say which instance this VM is" || return 1
	find_overlay "$instance" || return 1
	check_filesystem "$overlay_device" || return 1
	grow_filesystem "$overlay_device" || return 1
	mount_overlay_disk "$overlay_device" "$overlay_directory" || return 1
	check_identity
}

# prepare_volatile: memory instead of the overlay disk.
prepare_volatile() {
	echo "<1>skinnybox: DEGRADED $failure_code: $failure_sentence; nothing will be kept" >/dev/kmsg
	state=degraded
	mount -t tmpfs -o mode=0755 skinnybox "$overlay_directory" ||
		refuse overlay "there is no memory for a volatile overlay"
}

# run_site_hooks WHEN ROOT: the administrator's own steps, from /etc/skinnybox/WHEN.d of the golden VM.
run_site_hooks() {
	local hook
	for hook in "/usr/lib/skinnybox/$1.d/"*; do
		[ -x "$hook" ] || continue
		SKINNYBOX_MASTER=$master_directory SKINNYBOX_OVERLAY=$overlay_directory SKINNYBOX_ROOT=$2 "$hook" && continue
		refuse site-hook "the site's hook $1.d/${hook##*/} failed" || return 1
	done
}
