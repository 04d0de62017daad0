# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# The master's root file system: found by what it says of itself, because during an upgrade two disks with the
# same UUID may be attached.

# find_master ID UUID: set master_device; refuses when no disk is the master of this ID.
find_master() {
	wanted_master=$1
	wanted_uuid=$2
	master_unreadable=
	[ -n "$wanted_uuid" ] || refuse master-missing "the kernel command line has no root=UUID=" || return 1
	wait_until "$device_timeout" look_for_master && return
	if [ -n "$master_unreadable" ]; then
		refuse master-unclean "the root file system on $master_unreadable cannot be mounted read-only; its master was not shut down cleanly"
		return
	fi
	refuse master-missing "no disk holds master $wanted_master (file system $wanted_uuid) after $device_timeout seconds"
}

look_for_master() {
	local device
	for device in $(disks_and_partitions); do
		[ "$(tag "$device" TYPE)" = ext4 ] && [ "$(tag "$device" UUID)" = "$wanted_uuid" ] || continue
		# Before the first mount: even a read-only one would replay the journal of a writable disk.
		forbid_writes "$device"
		holds_master "$device" || continue
		master_device=$device
		return
	done
	return 1
}

# holds_master DEVICE: whether the file system says that it is the master that is wanted.
holds_master() {
	local id= point=$state_directory/look
	mkdir -p "$point"
	if ! mount -t ext4 -o ro "$1" "$point" 2>/dev/null; then
		master_unreadable=$1
		return 1
	fi
	[ ! -r "$point/etc/skinnybox/master-id" ] || read -r id <"$point/etc/skinnybox/master-id"
	umount "$point"
	[ "$id" = "$wanted_master" ]
}
