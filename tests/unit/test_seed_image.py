# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sparse images and XAPI's framing of them: nothing is lost and nothing is sent in vain."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.chunked import encode
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.image import ALIGNMENT, SeedImage, create_sparse
from ansible_collections.skinnybox.xenserver.plugins.module_utils.seed.swap import LABEL, build_swap

SIZE = 5 << 20
DISK = "7c9ce8f2-5f7b-4c4e-9d3e-0f3f4d8f1a03"

pieces = st.lists(
    st.tuples(
        st.integers(0, SIZE - 1),
        st.binary(min_size=1, max_size=50) | st.integers(1, 3 << 19).map(lambda n: b"\xa5" * n) | st.just(bytes(9000)),
    ),
    max_size=6,
)


def decode(stream: bytes) -> list[tuple[int, bytes]]:
    """Read the framing as vhd-tool does; anything behind the end mark is an error."""
    extents: list[tuple[int, bytes]] = []
    position = 0
    while True:
        offset, length = struct.unpack_from("<QI", stream, position)
        position += 12
        if (offset, length) == (0, 0):
            assert position == len(stream)
            return extents
        extents.append((offset, stream[position : position + length]))
        assert len(extents[-1][1]) == length
        position += length


def written(path: Path, contents: list[tuple[int, bytes]], size: int = SIZE) -> SeedImage:
    create_sparse(path, size)
    with path.open("r+b") as file:
        for offset, data in contents:
            file.seek(offset)
            file.write(data[: size - offset])
    return SeedImage(path, size)


@settings(deadline=None)
@given(pieces, st.sampled_from([SIZE, SIZE - 512]))
def test_extents_are_the_image(contents, size):
    with tempfile.TemporaryDirectory() as directory:
        contents = [(offset % size, data) for offset, data in contents]
        image = written(Path(directory, "image"), contents, size)
        extents = list(image.extents())
        copy = bytearray(size)
        end = 0
        for offset, data in extents:
            assert offset >= end
            assert offset % ALIGNMENT == 0
            end = offset + len(data)
            assert end % ALIGNMENT == 0 or end == size
            assert all(any(data[i : i + ALIGNMENT]) for i in range(0, len(data), ALIGNMENT))
            copy[offset:end] = data
        assert copy == image.path.read_bytes()
        assert decode(b"".join(encode(extents))) == extents


def test_neighbours_are_one_extent(tmp_path):
    image = written(tmp_path / "image", [(8192, b"x" * 4096), (12288, b"y" * 10)])
    assert [(offset, len(data)) for offset, data in image.extents()] == [(8192, 8192)]


def test_large_data_comes_in_pieces(tmp_path):
    image = written(tmp_path / "image", [(0, b"x" * (5 << 19))])
    assert [len(data) for _offset, data in image.extents()] == [1 << 20, 1 << 20, 1 << 19]


def test_empty_data_does_not_end_the_stream():
    assert decode(b"".join(encode([(0, b""), (4096, b"abc")]))) == [(4096, b"abc")]


def test_image_is_for_its_owner_only(tmp_path):
    image = written(tmp_path / "image", [])
    assert image.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_sparse(image.path, SIZE)


def test_swap(tmp_path):
    image = build_swap(DISK, 512 << 20, tmp_path)
    [(offset, header)] = image.extents()
    assert (offset, len(header)) == (0, 4096)
    # Layout: union swap_header of Linux's include/linux/swap.h.
    assert header[-10:] == b"SWAPSPACE2"
    version, last_page = struct.unpack_from("<II", header, 1024)
    assert (version, last_page) == (1, (512 << 20) // 4096 - 1)
    assert header[1036:1052].hex() == DISK.replace("-", "")
    assert header[1052:1068].rstrip(b"\0").decode() == LABEL


def test_swap_too_small(tmp_path):
    with pytest.raises(ValueError, match="too small"):
        build_swap(DISK, 4096, tmp_path)
    assert list(tmp_path.iterdir()) == []
