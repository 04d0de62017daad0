# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# An instance that was pointed at another version of its master: its changes are carried from the layer of the old
# version into a new one. The old version's disk is attached for this boot; its layer is only read, and stays what it
# was, so that the way back is to boot it again.

# rebase_is_wanted MASTER_ID: whether the hypervisor asks for a rebase to this master that has not been made yet. Sets
# rebase_from and rebase_request.
rebase_is_wanted() {
	[ "$new_layer" = rebase ] || return 1
	rebase_from=$(read_key vm-data/skinnybox/rebase_from)
	rebase_request=$(read_key vm-data/skinnybox/rebase_request)
	# Keys of an upgrade *from* this master are left from before a rollback.
	[ "$rebase_from" != "$1" ] || return 1
	[ -d "$layer_directory" ] || return 0
	# A layer that another request made is what a rollback abandoned.
	[ -n "$rebase_request" ] && [ "$(origin_of_layer request)" != "$rebase_request" ]
}

# origin_of_layer NAME: print what the rebase that made this layer noted about itself: from, request.
origin_of_layer() {
	local line
	[ -r "$layer_directory/origin" ] || return 0
	while read -r line; do
		[ "${line%%=*}" != "$1" ] || echo "${line#*=}"
	done <"$layer_directory/origin"
}

# rebase_layer MASTER_ID: make the layer of this master from that of rebase_from. Sets rebase_result.
rebase_layer() {
	local old_layer=$overlay_directory/layers/$rebase_from status
	layer=rebased
	[ -n "$rebase_from" ] && [ -d "$old_layer/upper" ] ||
		refuse rebase-base "the overlay disk has no layer of master ${rebase_from:-(none is named)}, from which the one of $1 is to be made" || return 1
	if ! wait_until "$device_timeout" look_for_old_master "$rebase_from"; then
		refuse rebase-base "no disk holds master $rebase_from, from which the layer of $1 is to be made; attach its root disk for this boot"
		return
	fi
	announce "carrying the changes of this instance from master $rebase_from to $1"
	open_workshop && mount -t ext4 -o ro "$old_master_device" "$master_directory/run/skinnybox/old-master" ||
		refuse rebase-base "master $rebase_from on $old_master_device cannot be mounted beside $1" || { close_workshop; return 1; }
	run_rebase "$1"
	status=$?
	close_workshop
	return $status
}

# run_rebase MASTER_ID: the tool itself. It makes the layer completely or not at all.
run_rebase() {
	local status begun answer=$state_directory/rebase
	begun=$(seconds_since_boot)
	run_python skinnybox.rebase --from "$rebase_from" --to "$1" --request "${rebase_request:-none}" \
		--overlay /run/skinnybox/overlay --old-master /run/skinnybox/old-master \
		--new-master /run/skinnybox/new-master >"$answer"
	status=$?
	if [ $status != 0 ]; then
		refuse rebase "$(last_complaint $status)"
		return
	fi
	[ -d "$layer_directory/upper" ] || refuse rebase "the tool ended well, but there is no layer of $1" || return 1
	read -r rebase_result <"$answer"
	announce "carried in $(($(seconds_since_boot) - begun)) seconds: $rebase_result"
}

# look_for_old_master ID: set old_master_device. Disks are only read: there may be data disks among them.
look_for_old_master() {
	local device id
	for device in $(disks_and_partitions); do
		[ "$device" != "$master_device" ] && [ "$device" != "$overlay_device" ] || continue
		[ "$(tag "$device" TYPE)" = ext4 ] || continue
		[ "$(debugfs -c -R 'cat /etc/skinnybox/master-id' "$device" 2>/dev/null)" = "$1" ] || continue
		forbid_writes "$device"
		old_master_device=$device
		return
	done
	return 1
}

# rebase_is_unfinished: whether the layer of this boot comes from a rebase after which it was not yet booted.
rebase_is_unfinished() {
	[ -e "$layer_directory/origin" ] && [ ! -e "$layer_directory/finished" ]
}

# fstab_before_rebase: print the file in which the instance had its /etc/fstab, if it is still to be looked at.
fstab_before_rebase() {
	rebase_is_unfinished || return 0
	local fstab
	fstab=$overlay_directory/layers/$(origin_of_layer from)/upper/etc/fstab
	if [ -f "$fstab" ]; then echo "$fstab"; else echo /dev/null; fi
}

# finish_rebase ROOT: what can only be done once the layers are joined. After a power failure it is done again.
finish_rebase() {
	rebase_is_unfinished || return 0
	layer=rebased
	# Libraries may have come from both sides, and neither side's cache knows all of them.
	chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/ldconfig \
		</dev/null 2>"$state_directory/complaints" || note "ldconfig: $(last_complaint $?)"
	sync -f "$layer_directory"
	: >"$layer_directory/finished"
}

# vacuum_layer MASTER_ID: free what the layer no longer needs, when the guest has asked for it. Never fatal.
vacuum_layer() {
	local answer=$state_directory/vacuum
	[ -e "$layer_directory/vacuum" ] || return 0
	announce "vacuuming the layer of master $1"
	if open_workshop && run_python skinnybox.rebase.vacuum --id "$1" --overlay /run/skinnybox/overlay \
		--master /run/skinnybox/new-master >"$answer"; then
		announce "vacuumed: $(cat "$answer")"
	else
		announce "no vacuum: $(last_complaint $?)"
	fi
	close_workshop
}
