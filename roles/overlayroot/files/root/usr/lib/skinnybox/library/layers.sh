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
	[ ! -d "$layer_directory" ] || return 0
	layer=new
	local unfinished=$layer_directory.new
	rm -rf "$unfinished"
	# Files that only instances have are part of a layer from its beginning.
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
