# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared hardware, on its own or by a named profile, out of options."""

from __future__ import annotations

from typing import Any, Mapping

from .refusal import Refused
from .sizes import MIB, parse_size_at_least
from .spec import Hardware

SMALLEST_MEMORY = 128 * MIB

#: Words with the least that XAPI takes for them (weights and caps: Xen's credit scheduler).
_LEAST = {"vcpus": 1, "vcpus_max": 1, "cores_per_socket": 1, "cpu_weight": 1, "cpu_cap": 0}
_SIZES = ("memory", "memory_max")
_MOST = {"cpu_weight": 65535}


def parse_hardware(options: Mapping[str, Any], profiles: Mapping[str, Mapping[str, Any]]) -> Hardware:
    """Check the hardware of a VM pool and make a spec of it. What is given itself goes before its profile's.

    Raises Refused.
    """
    profile = options.get("profile")
    if profile is not None and profile not in profiles:
        names = ", ".join(sorted(profiles)) or "none"
        raise Refused(f"hardware.profile: there is no hardware profile {profile!r}. There are: {names}.")
    given = {**(_profile(profile, profiles[profile]) if profile is not None else {}), **_without_empty(options)}
    numbers = {word: _number(given.get(word), word) for word in _LEAST}
    hardware = Hardware(**numbers, memory=_memory(given, "memory"), memory_max=_memory(given, "memory_max"))
    _check(hardware)
    return hardware


def _profile(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A profile's values. It is a plain dictionary of the user's, so nothing has checked its words yet."""
    words = {*_LEAST, *_SIZES}
    if not isinstance(values, Mapping) or (unknown := sorted(set(values) - words)):
        what = f"no such word: {', '.join(unknown)}" if isinstance(values, Mapping) else "it is no dictionary"
        raise Refused(f"hardware_profiles.{name}: {what}. Words: {', '.join(sorted(words))}.")
    try:
        return {word: value if word in _SIZES else int(value) for word, value in values.items() if value is not None}
    except (TypeError, ValueError):
        raise Refused(f"hardware_profiles.{name}: only memory sizes are texts, all else are whole numbers.") from None


def _without_empty(options: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in options.items() if value is not None and word != "profile"}


def _number(value: int | None, word: str) -> int | None:
    if value is None:
        return None
    least, most = _LEAST[word], _MOST.get(word)
    if value < least:
        raise Refused(f"hardware.{word}: {value} is not possible; at least {least}.")
    if most is not None and value > most:
        raise Refused(f"hardware.{word}: {value} is not possible; at most {most}.")
    return value


def _memory(given: Mapping[str, Any], word: str) -> int | None:
    text = given.get(word)
    return None if text is None else parse_size_at_least(text, SMALLEST_MEMORY, f"hardware.{word}")


def _check(hardware: Hardware) -> None:
    """XAPI takes all of these at VM.create and fails at VM.start."""
    for word, value, most in (
        ("vcpus", hardware.vcpus, hardware.vcpus_max),
        ("memory", hardware.memory, hardware.memory_max),
    ):
        if most is not None and value is None:
            raise Refused(f"hardware.{word}_max: give hardware.{word}, too.")
        if value is not None and most is not None and value > most:
            raise Refused(f"hardware.{word}_max: it is less than hardware.{word}.")
    vcpus = hardware.vcpus_max or hardware.vcpus
    if vcpus and hardware.cores_per_socket and vcpus % hardware.cores_per_socket:
        raise Refused(
            f"hardware.cores_per_socket: {vcpus} vCPUs do not make whole sockets of {hardware.cores_per_socket} cores."
        )
