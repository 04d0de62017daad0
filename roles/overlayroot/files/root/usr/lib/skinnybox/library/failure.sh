# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# What happens when the root file system cannot be joined. Nothing here boots the plain master.

# give_up: report, then do as the policy says. Never returns.
give_up() {
	announce_failure
	report_failure
	if [ "$(read_key vm-data/skinnybox/on_failure)" = shell ]; then
		. /scripts/functions
		panic "skinnybox: $failure_sentence"
	fi
	power_off
}

# power_off: by the kernel, which needs no tool; the disks are unmounted first where they are mounted.
power_off() {
	umount "$overlay_directory" 2>/dev/null
	sync
	# The console is slow and the last thing that a person sees.
	sleep 1
	echo o >/proc/sysrq-trigger
	while :; do
		sleep 60
	done
}

# volatile_allowed: whether the VM may run without its overlay disk, forgetting everything when it stops.
volatile_allowed() {
	[ "$(read_key vm-data/skinnybox/on_failure)" = volatile ]
}
