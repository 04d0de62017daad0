# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# What the hook says. The kernel's log is used because it reaches every console of the command line.

# Where the master, the overlay disk and the answers of this boot are found, also after the boot.
state_directory=/run/skinnybox

# note SENTENCE: something that a person who looks at the console may want to know.
note() {
	echo "<6>skinnybox: $*" >/dev/kmsg
}

# announce SENTENCE: something that a person who waits for the boot should know: level 3 is shown in spite of `quiet`.
announce() {
	echo "<3>skinnybox: $*" >/dev/kmsg
}

# refuse CODE SENTENCE: remember why the boot cannot go on. Always answers 1, for `refuse ... || return 1`.
refuse() {
	failure_code=$1
	failure_sentence=$2
	return 1
}

# announce_failure: tell what refuse remembered. Level 1 is shown whatever `quiet` says.
announce_failure() {
	echo "<1>skinnybox: FATAL $failure_code: $failure_sentence" >/dev/kmsg
}

# seconds_since_boot: whole seconds by the clock that nobody sets.
seconds_since_boot() {
	local uptime
	read -r uptime _ </proc/uptime
	echo "${uptime%%.*}"
}

# wait_until SECONDS COMMAND...: run the command every quarter of a second until it succeeds.
wait_until() {
	local deadline
	deadline=$(($(seconds_since_boot) + $1))
	shift
	until "$@"; do
		[ "$(seconds_since_boot)" -lt "$deadline" ] || return 1
		sleep 0.25
	done
}
