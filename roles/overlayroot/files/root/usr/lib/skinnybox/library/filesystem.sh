# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# The overlay disk's ext4: checked, grown to its disk, and mounted.

# check_filesystem DEVICE [-f]: repair what can be repaired without loss; refuses what cannot.
check_filesystem() {
	e2fsck -p $2 "$1" >"$state_directory/e2fsck.log" 2>&1
	# 1 and 2 say that something was repaired (e2fsck(8)).
	[ $? -lt 4 ] && return
	refuse corrupt "the file system of the overlay disk $1 is damaged; e2fsck -p gave up on it"
}

# grow_filesystem DEVICE: fill a disk that has grown. Offline, because the kernel does not resize a file system
# without spread-out superblocks (sparse_super2) while it is mounted.
grow_filesystem() {
	local size
	grown=
	size=$(blockdev --getsize64 "$1")
	# A few blocks at the end may be too small for a block group of their own.
	[ $((size - $(filesystem_size "$1"))) -ge 4194304 ] || return 0
	check_filesystem "$1" -f || return 1
	if ! resize2fs "$1" >"$state_directory/resize2fs.log" 2>&1; then
		refuse grow "the file system of the overlay disk $1 could not be grown to $size bytes"
		return
	fi
	grown=$size
}

# filesystem_size DEVICE: print the bytes that the superblock counts.
filesystem_size() {
	local name value blocks=0 block_size=0
	debugfs -R 'stats -h' "$1" 2>/dev/null >"$state_directory/superblock"
	while IFS=: read -r name value; do
		case $name in
		'Block count') blocks=$((value)) ;;
		'Block size') block_size=$((value)) ;;
		esac
	done <"$state_directory/superblock"
	echo $((blocks * block_size))
}

# mount_overlay_disk DEVICE DIRECTORY
mount_overlay_disk() {
	mount -t ext4 -o rw,noatime,nodev,nosuid "$1" "$2" && return
	refuse corrupt "the file system of the overlay disk $1 cannot be mounted"
}
