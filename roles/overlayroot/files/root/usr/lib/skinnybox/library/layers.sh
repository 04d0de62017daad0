# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=dash disable=SC1007,SC2013,SC2015,SC2016,SC2034,SC2059,SC2086,SC2154,SC2174
# (the files of this library share their variables; words are split where the hook means it)

# The layers of the root file system: upper : identity : personality : master.

# Below /run/initramfs, because systemd leaves that tree mounted until the very end and then makes it read-only;
# elsewhere the overlay disk's journal would stay open at power-off.
base_directory=/run/initramfs/skinnybox
master_directory=$base_directory/master
overlay_directory=$base_directory/overlay

# prepare_layer MASTER_ID: make sure that the overlay disk has a writable layer for this master version.
prepare_layer() {
	layer_directory=$overlay_directory/layers/$1
	layer=kept
	# What to do when there is none: create, rebase or fail.
	new_layer=$(read_key vm-data/skinnybox/new_layer)
	if may_begin_anew; then
		[ -d "$layer_directory" ] || create_layer "$1"
	elif rebase_is_wanted "$1"; then
		rebase_layer "$1"
	elif [ ! -d "$layer_directory" ]; then
		refuse no-layer "the overlay disk has no layer of master $1, only of others, and vm-data/skinnybox/new_layer is not create"
	fi || return 1
	vacuum_layer "$1"
}

# may_begin_anew: whether a layer that is missing may be an empty one: when the administrator says so, and by default
# where nothing can be lost, on a disk that has no layer yet and in memory.
may_begin_anew() {
	[ "$state" != degraded ] || return 0
	[ "$new_layer" != create ] || return 0
	[ "$new_layer" != fail ] && ! has_layers
}

# has_layers: whether the overlay disk has the layer of any master version. Those that were not finished do not count.
has_layers() {
	local directory
	for directory in "$overlay_directory/layers/"*; do
		[ -d "$directory" ] && [ "${directory%.new}" = "$directory" ] && return
	done
	return 1
}

# create_layer MASTER_ID: an empty layer. Files that only instances have are part of it from its beginning.
create_layer() {
	local unfinished=$layer_directory.new
	layer=new
	rm -rf "$unfinished"
	mkdir -p "$unfinished/upper" "$unfinished/work" &&
		chmod 0755 "$unfinished/upper" &&
		cp -a "$master_directory/usr/lib/skinnybox/instance/." "$unfinished/upper/" &&
		mv "$unfinished" "$layer_directory" && return
	refuse layer "the layer of master $1 could not be made on the overlay disk (is it full?)"
}

# lower_directories: print overlayfs's lowerdir, the topmost first.
lower_directories() {
	local directory
	for directory in identity personality; do
		[ ! -d "$overlay_directory/$directory" ] || printf '%s:' "$overlay_directory/$directory"
	done
	echo "$master_directory"
}

# mount_layers DIRECTORY: the root file system. The features that are off would tie the upper layer to the exact
# lower files, and a layer must outlive the master version that it began with.
mount_layers() {
	local options
	options="lowerdir=$(lower_directories),upperdir=$layer_directory/upper,workdir=$layer_directory/work"
	options="$options,index=off,metacopy=off,redirect_dir=off,xino=auto"
	modprobe -q overlay
	mount -t overlay -o "$options" skinnybox "$1" && return
	refuse overlay "overlayfs refused to join the layers"
}
