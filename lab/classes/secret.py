# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""secret: texts that only operators may read, such as passwords of storage."""

from __future__ import annotations

from lab.errors import internal
from lab.registry import implements
from lab.world import Call

#: The end of keys under which a configuration has the uuid of a secret.
REFERRING = "password_secret"


@implements("secret.introduce")
def introduce(call: Call, uuid: str, value: str, other_config: dict[str, str]) -> str:
    """A secret with a uuid of the client's choosing."""
    if uuid in call.db.tables["secret"].by_uuid:
        raise internal(f'Db_exn.Uniqueness_constraint_violation("secret", "uuid", "{uuid}")')
    return call.db.create("secret", {"uuid": uuid, "value": value, "other_config": other_config})


def duplicated(call: Call, config: dict[str, str]) -> dict[str, str]:
    """The configuration with secrets of its own, of the same values. Raises UUID_INVALID for a secret not there."""

    def copy(uuid: str) -> str:
        value = call.db.get("secret", call.db.by_uuid("secret", uuid))["value"]
        return str(call.db.get("secret", call.db.create("secret", {"value": value}))["uuid"])

    return {key: copy(value) if key.endswith(REFERRING) else value for key, value in config.items()}


def remove_all(call: Call, config: dict[str, str]) -> None:
    """Remove the secrets that the configuration refers to, as far as they exist."""
    for key, value in config.items():
        found = call.db.tables["secret"].by_uuid.get(value)
        if key.endswith(REFERRING) and found:
            call.db.delete("secret", found)
