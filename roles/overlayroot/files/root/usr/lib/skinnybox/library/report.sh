# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# One line about this boot, for the hypervisor's users and for the guest's own.

# report STATE [NAME=VALUE]...: state is running, degraded (nothing is kept) or failed.
report() {
	local line="state=$1" word
	shift
	for word in "master=$master_id" "instance=$instance" "$@"; do
		line="$line;$word"
	done
	echo "$line" >"$state_directory/report"
	write_key vm-data/skinnybox/report "$line" || note "the hypervisor does not take reports"
}

# report_failure: what refuse remembered. A semicolon would end the sentence.
report_failure() {
	local sentence=
	local IFS=';'
	for part in $failure_sentence; do
		sentence="${sentence:+$sentence,}$part"
	done
	unset IFS
	# xenstore takes no more than 4096 bytes at a time.
	report failed "code=$failure_code" "reason=$(printf '%.2000s' "$sentence")"
}
