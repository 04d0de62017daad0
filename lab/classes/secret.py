# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""secret: texts that only operators may read, such as passwords of storage."""

from __future__ import annotations

from lab.errors import internal
from lab.registry import implements
from lab.world import Call


@implements("secret.introduce")
def introduce(call: Call, uuid: str, value: str, other_config: dict[str, str]) -> str:
    """A secret with a uuid of the client's choosing."""
    if uuid in call.db.tables["secret"].by_uuid:
        raise internal(f'Db_exn.Uniqueness_constraint_violation("secret", "uuid", "{uuid}")')
    return call.db.create("secret", {"uuid": uuid, "value": value, "other_config": other_config})
