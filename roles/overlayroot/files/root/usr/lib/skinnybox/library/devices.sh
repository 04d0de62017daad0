# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# Disks, by what is on them: their names say nothing, they depend on the hypervisor and on the order of discovery.

# whole_disks: print the block devices that are hard disks of this VM.
whole_disks() {
	local disk
	for disk in /sys/class/block/*; do
		# A partition has a number; memory, loop devices and the like have no device behind them.
		[ ! -e "$disk/partition" ] && [ -e "$disk/device" ] || continue
		case ${disk##*/} in
		sr* | fd*) continue ;;
		esac
		[ "$(cat "$disk/size")" -gt 0 ] || continue
		echo "/dev/${disk##*/}"
	done
}

# disks_and_partitions: print the hard disks and their partitions.
disks_and_partitions() {
	local disk partition
	for disk in $(whole_disks); do
		echo "$disk"
		for partition in "/sys/class/block/${disk##*/}/${disk##*/}"*; do
			[ ! -e "$partition/partition" ] || echo "/dev/${partition##*/}"
		done
	done
}

# tag DEVICE NAME: print LABEL, UUID, TYPE, PTTYPE ... of what is on the device, nothing when it has none.
# -p asks the device itself and no cache.
tag() {
	blkid -p -o value -s "$2" "$1" 2>/dev/null
}

# has_signature DEVICE: whether any known file system, swap area or partition table is on it.
has_signature() {
	blkid -p "$1" >/dev/null 2>&1
}

# is_empty DEVICE: whether its first MiB is all zeros.
is_empty() {
	cmp -s -n 1048576 "$1" /dev/zero
}

# disk_of DEVICE: print the whole disk that a partition lies on, or the disk itself.
disk_of() {
	local name=${1##*/} path
	path=$(readlink -f "/sys/class/block/$name")
	[ ! -e "$path/partition" ] || path=${path%/*}
	echo "/dev/${path##*/}"
}

# forbid_writes DEVICE: let the kernel refuse every write to it and to the disk that it is a part of.
forbid_writes() {
	blockdev --setro "$(disk_of "$1")" && blockdev --setro "$1"
}
