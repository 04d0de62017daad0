# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception that becomes an XAPI error."""

from __future__ import annotations


class Failure(Exception):
    """An XAPI error: a code and its parameters, all text."""

    def __init__(self, code: str, *params: object) -> None:
        super().__init__(code, *params)
        self.description: list[str] = [code, *(str(param) for param in params)]

    @property
    def code(self) -> str:
        return self.description[0]


def internal(text: str) -> Failure:
    """What XAPI answers when an exception was not foreseen: the exception's text."""
    return Failure("INTERNAL_ERROR", text)


def ocaml_failure(text: str) -> Failure:
    """INTERNAL_ERROR in the form that a plain failure of XAPI's own code has."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return internal(f'Failure("{quoted}")')
