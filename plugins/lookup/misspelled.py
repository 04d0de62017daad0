# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: misspelled
short_description: Variables of the command line that are nearly called as others
version_added: 0.1.0
author: Skinnybox contributors (@skinnybox)
description:
  - Compares the names of the variables that were given on the command line (option C(-e)) with names that a playbook
    knows. Ansible takes a variable that no playbook knows for none, which is dangerous where a variable says what is
    left alone.
options:
  _terms:
    description: Names that the playbook knows.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check the names of variables
  ansible.builtin.assert:
    that: lookup('skinnybox.xenserver.misspelled', ['pool', 'instance']) == {}
"""

RETURN = r"""
_raw:
  description: By each variable that is misspelled, the name that is much like it.
  type: list
  elements: dict
  sample: [{instances: instance}]
"""

from difflib import get_close_matches
from typing import Any, Iterable

from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

#: How alike two names must be, from 0 to 1: ``polo`` and ``pool`` are, ``vm_name`` and ``pool`` are not.
_ALIKE = 0.7


def misspelled(given: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Names that were given, are not known, and are much like one that is: that one, by each."""
    names = list(known)
    alike = {name: get_close_matches(name, names, 1, _ALIKE) for name in given if name not in names}
    return {name: found[0] for name, found in alike.items() if found}


class LookupModule(LookupBase):
    """What Ansible looks for."""

    def run(self, terms: list[Any], variables: Any = None, **_options: Any) -> list[dict[str, str]]:
        """The answer as a list of one."""
        known = [name for term in terms for name in (term if isinstance(term, list) else [term])]
        return [misspelled(load_extra_vars(self._loader), known)]
