# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# What the hypervisor says to this VM, and what the VM answers.
#
# A key is a path of xenstore, relative to the VM's own directory: XAPI's VM.xenstore_data holds it under the same
# name. Under QEMU the keys are files of the firmware configuration, and the answer goes to a virtio port.

xenbus=/dev/xen/xenbus

# read_key KEY: print the key's value; fails when the hypervisor does not give it.
read_key() {
	if [ -e "$xenbus" ]; then
		xenstore_request 2 "$1"
		return
	fi
	local file="/sys/firmware/qemu_fw_cfg/by_name/opt/xenstore/$1/raw"
	[ -r "$file" ] && cat "$file"
}

# write_key KEY VALUE: set the key; fails when nobody listens.
write_key() {
	if [ -e "$xenbus" ]; then
		xenstore_request 11 "$1" "$2" >/dev/null
		return
	fi
	local port
	port=$(virtio_port xenstore) || return 1
	# A port that nobody reads blocks its writer for good.
	timeout 5 sh -c 'echo "$1" >"$2"' sh "$1=$2" "$port"
}

# prepare_hypervisor: make the ways above usable.
prepare_hypervisor() {
	mkdir -p "$state_directory"
	[ -e "$xenbus" ] || modprobe -q qemu_fw_cfg
	return 0
}

# virtio_port NAME: print the device of the virtio-serial port with this name.
virtio_port() {
	local port name
	for port in /sys/class/virtio-ports/*; do
		[ -r "$port/name" ] || continue
		read -r name <"$port/name"
		[ "$name" = "$1" ] || continue
		echo "/dev/${port##*/}"
		return
	done
	return 1
}

# xenstore_request TYPE KEY [VALUE]: one request of xenstore's wire protocol (xen/include/public/io/xs_wire.h): a
# header of four 32-bit words (type, request, transaction, length), then the key, a NUL and the value.
# A guest needs no package of Xen's for it. An answer has the type of its request, or else it is an error.
xenstore_request() {
	local reply="$state_directory/xenstore-reply" length=$((${#2} + 1 + ${#3}))
	local zeros='\000\000\000'
	{
		printf "$(octal "$1")$zeros\\000$zeros\\000$zeros$(octal $((length % 256)))$(octal $((length / 256)))\\000\\000%s\\000%s" \
			"$2" "$3" >&3
		dd bs=4096 count=1 of="$reply" <&3 2>/dev/null
	} 3<>"$xenbus"
	[ "$(dd if="$reply" bs=1 count=1 2>/dev/null)" = "$(printf "$(octal "$1")")" ] || return 1
	dd if="$reply" bs=16 skip=1 2>/dev/null
}

# octal NUMBER: the byte as printf's format writes it.
octal() {
	printf '\\%03o' "$1"
}
