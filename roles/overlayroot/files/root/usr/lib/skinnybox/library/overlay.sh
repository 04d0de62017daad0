# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# The overlay disk: found by its label, and used only when its stamp names the instance that this VM must be.

overlay_label=skinny-overlay
swap_label=skinny-swap
stamp_format=1

# find_overlay INSTANCE: set overlay_device; refuses when no disk is the overlay of this instance.
find_overlay() {
	wanted_instance=$1
	if ! wait_until "$device_timeout" look_for_overlays; then
		explain_missing_overlay
		return
	fi
	local device
	for device in $overlay_candidates; do
		check_stamp "$device" || continue
		overlay_device=$device
		return
	done
	# Of several disks the last one's reason stands; there is never more than one in a healthy VM.
	return 1
}

look_for_overlays() {
	local device
	overlay_candidates=
	for device in $(whole_disks); do
		[ "$(tag "$device" TYPE)" = ext4 ] && [ "$(tag "$device" LABEL)" = "$overlay_label" ] || continue
		overlay_candidates="$overlay_candidates $device"
	done
	[ -n "$overlay_candidates" ]
}

# explain_missing_overlay: refuse with the reason that the other disks of the VM give.
explain_missing_overlay() {
	local device blank= unknown= foreign= label
	for device in $(whole_disks); do
		[ "$device" != "$(disk_of "$master_device")" ] || continue
		label=$(tag "$device" LABEL)
		[ "$label" != "$swap_label" ] || continue
		if has_signature "$device"; then
			foreign="$device (${label:-$(tag "$device" TYPE)$(tag "$device" PTTYPE)})"
		elif is_empty "$device"; then
			blank=$device
		else
			unknown=$device
		fi
	done
	if [ -n "$blank" ]; then
		refuse blank "the disk $blank is blank; the overlay disk should be a file system with the label $overlay_label"
	elif [ -n "$unknown" ]; then
		refuse unknown-content "the disk $unknown holds no file system that is known, so it is no overlay disk or a damaged one"
	elif [ -n "$foreign" ]; then
		refuse foreign "the disk $foreign is not an overlay disk, and there is no other"
	else
		refuse missing "no overlay disk appeared within $device_timeout seconds"
	fi
}

# check_stamp DEVICE: refuses unless the disk is this instance's. Reads only: the disk may be another VM's.
check_stamp() {
	local line stamp=$state_directory/stamp format= instance=
	debugfs -c -R 'cat /.skinnybox' "$1" >"$stamp" 2>/dev/null
	while read -r line; do
		case $line in
		format=*) format=${line#*=} ;;
		instance=*) instance=${line#*=} ;;
		esac
	done <"$stamp"
	if [ -z "$format" ]; then
		explain_missing_stamp "$1"
	elif [ "$format" != "$stamp_format" ]; then
		refuse stamp-format "the overlay disk $1 has format $format, this master knows $stamp_format"
	elif [ "$instance" != "$wanted_instance" ]; then
		refuse foreign "the overlay disk $1 belongs to instance $instance, but this VM is $wanted_instance"
	fi
}

explain_missing_stamp() {
	if e2fsck -f -n "$1" >/dev/null 2>&1; then
		refuse stamp-missing "the overlay disk $1 has no stamp (/.skinnybox), so nobody knows whose it is"
		return
	fi
	refuse corrupt "the file system of the overlay disk $1 is damaged, and its stamp cannot be read"
}

# check_identity: refuses when the identity layer cannot be read. e2fsck -p believes a file system that was
# unmounted cleanly, and without this layer the guest would boot as a nameless twin of all the others.
check_identity() {
	local machine_id=
	{ read -r machine_id <"$overlay_directory/identity/etc/machine-id"; } 2>/dev/null
	[ -z "$machine_id" ] || return 0
	refuse corrupt "the overlay disk $overlay_device has no identity layer that can be read"
}
