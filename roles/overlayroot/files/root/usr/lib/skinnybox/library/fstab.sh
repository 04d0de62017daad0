# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# /etc/fstab of an instance: what the golden VM's installer wrote about root, boot and swap is not true there.

fstab_marker='# skinnybox: the lines above that an instance does not have are commented out'

# adapt_fstab ROOT [BEFORE]: once per layer; a person's later changes stay. After a rebase the new master may have
# brought new lines: BEFORE is then the instance's file from before, whose lines stay as they were.
adapt_fstab() {
	local fstab=$1/etc/fstab
	[ -e "$fstab" ] || : >"$fstab"
	if [ -n "$2" ] || ! contains_line "$fstab" "$fstab_marker"; then
		rewrite_fstab "${2:-/dev/null}" <"$fstab" >"$fstab.skinnybox" && mv "$fstab.skinnybox" "$fstab"
	fi
	swap_line="LABEL=$swap_label none swap sw,nofail 0 0"
	if [ -n "$(find_swap)" ] && ! contains_line "$fstab" "$swap_line"; then
		echo "$swap_line" >>"$fstab"
	fi
}

# contains_line FILE LINE
contains_line() {
	local line
	while IFS= read -r line || [ -n "$line" ]; do
		[ "$line" != "$2" ] || return 0
	done <"$1"
	return 1
}

# rewrite_fstab KNOWN: a filter; the lines of file KNOWN are let through. A swap file cannot live on an overlay, so
# those lines go too.
rewrite_fstab() {
	local line what where type
	while IFS= read -r line || [ -n "$line" ]; do
		[ "$line" != "$fstab_marker" ] || continue
		read -r what where type _ <<-LINE
			$line
		LINE
		case $what:$where:$type in
		'#'* | ::) ;;
		*:/:* | *:/boot:* | *:/boot/*:* | *:swap) contains_line "$1" "$line" || line="# $line" ;;
		esac
		printf '%s\n' "$line"
	done
	echo "$fstab_marker"
}

find_swap() {
	local device
	for device in $(whole_disks); do
		[ "$(tag "$device" TYPE)" != swap ] || [ "$(tag "$device" LABEL)" != "$swap_label" ] || echo "$device"
	done
}
