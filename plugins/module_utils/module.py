# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that knows AnsibleModule: connection options, one way to run, one way to fail."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Callable, Iterable, Mapping

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .apply import bring_about as engine
from .apply.lock import locked
from .apply.ownership import NotOurs
from .apply.stopping import Stopped, stop_on_signals
from .model.records import HostPool
from .plan.plan import Plan
from .plan.query import select
from .plan.refusal import Refused
from .seed.tools import ToolError
from .xapi.client import Client
from .xapi.errors import XapiError
from .xapi.read import read_host_pool
from .xapi.tls import Endpoint, endpoint_url

CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "hostname": {"type": "str", "required": True, "fallback": (env_fallback, ["XENSERVER_HOST"])},
    "username": {"type": "str", "default": "root", "fallback": (env_fallback, ["XENSERVER_USER"])},
    "password": {
        "type": "str",
        "required": True,
        "no_log": True,
        "fallback": (env_fallback, ["XENSERVER_PASSWORD"]),
    },
    "validate_certs": {
        "type": "bool",
        "default": True,
        "fallback": (env_fallback, ["XENSERVER_VALIDATE_CERTS"]),
    },
    "ca_path": {"type": "path", "fallback": (env_fallback, ["XENSERVER_CA_PATH"])},
    "fingerprint": {"type": "str", "fallback": (env_fallback, ["XENSERVER_FINGERPRINT"])},
    "timeout": {"type": "int", "default": 60},
}
#: of modules that write: they take turns
LOCK_OPTIONS: dict[str, dict[str, Any]] = {"lock_timeout": {"type": "int", "default": 300}}
#: of modules that start guests
WAIT_OPTIONS: dict[str, dict[str, Any]] = {
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 600},
}
#: of modules that only look
QUERY_OPTIONS: dict[str, dict[str, Any]] = {"query": {"type": "str"}}


def endpoint(options: Mapping[str, Any]) -> Endpoint:
    """The endpoint that connection options describe. Raises Unreachable for a hostname that is none."""
    return Endpoint(
        url=endpoint_url(options["hostname"]),
        username=options["username"],
        password=options["password"],
        validate_certs=options["validate_certs"],
        ca_path=options.get("ca_path"),
        fingerprint=options.get("fingerprint"),
        timeout=float(options.get("timeout") or 60),
    )


class Run:
    """One run of a module: its options, its client, its result."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.params: Mapping[str, Any] = module.params
        self.check_mode: bool = module.check_mode
        self.client = client
        self.warn: Callable[[str], None] = module.warn

    def name_of(self, pool: HostPool) -> str:
        """What people call the host pool: its XAPI name, or the address that they gave where it has none."""
        return pool.name or self.params["hostname"].rpartition("://")[2]

    def read(self) -> HostPool:
        """Read the whole host pool anew."""
        return read_host_pool(self.client)

    def locked(self, pool: HostPool, *what: str) -> AbstractContextManager[None]:
        """Hold locks, see apply.lock; for modules with LOCK_OPTIONS."""
        return locked(self.client, pool, what, self.params["lock_timeout"])


class Failed(Exception):
    """The work was done as far as it went and not all of it succeeded; ``result`` goes to the user."""

    def __init__(self, msg: str, **result: Any) -> None:
        super().__init__(msg)
        self.result = result


def run_module(
    work: Callable[[Run], dict[str, Any]],
    options: Mapping[str, Any],
    read_only: bool = False,
    check: Callable[[Mapping[str, Any]], object] | None = None,
    **specification: Any,
) -> None:
    """Run a module: ``work`` gets a :class:`Run` with an open session and returns the result.

    ``check`` looks at the options before anybody is called, and raises Refused.

    In check mode and for ``read_only`` modules the session refuses every call that writes.
    """
    module = AnsibleModule(argument_spec={**CONNECTION_OPTIONS, **options}, supports_check_mode=True, **specification)
    try:
        _check_given(module.params, {**CONNECTION_OPTIONS, **options}, specification.get("required_if", ()))
        if check:
            check(module.params)
        client = Client(endpoint(module.params), read_only=read_only or module.check_mode)
        with client, stop_on_signals(client.stopping):
            result = work(Run(module, client))
    except Failed as failure:
        module.fail_json(msg=str(failure), **failure.result)
    except Stopped:
        module.fail_json(msg="Stopped by a signal. What was begun is finished or removed by the next run.")
    except (Refused, NotOurs, ToolError, XapiError, OSError) as problem:
        module.fail_json(msg=str(problem))
    else:
        module.exit_json(**{"changed": False, **result})


def bring_about(
    run: Run,
    vm_pools: Iterable[str] | None,
    make_plan: Callable[[HostPool], Plan],
    keep: Callable[[Plan], dict[str, Any]] | None = None,
    show: Callable[[HostPool], dict[str, Any]] | None = None,
    instance: str = "",
) -> dict[str, Any]:
    """Make a plan for these VM pools (None: those that it is for), carry it out, in check mode only make it.

    With ``instance`` it is for that one only, and runs beside those for others of its VM pool.

    Returns the module's result. In check mode it has what ``keep`` makes of the plan as ``saved_plan``. It has what
    ``show`` makes of the host pool after the run, by default all instances of the VM pools. Raises Failed, with all
    that failed in one message, and what is raised before anything is written.
    """
    order = engine.Order(
        vm_pools=None if vm_pools is None else tuple(vm_pools),
        make_plan=make_plan,
        check_mode=run.check_mode,
        lock_timeout=run.params["lock_timeout"],
        wait_timeout=run.params["wait_timeout"] if run.params["wait"] else None,
        instance=instance,
    )
    report = engine.bring_about(run.client, order)
    for warning in report.plan.warnings:
        run.warn(warning)
    result = report.as_data(show)
    if keep and run.check_mode:
        result["saved_plan"] = keep(report.plan)
    if not report.is_whole:
        raise Failed(report.failure_message(), **result)
    return result


def run_info_module(look: Callable[[Run], dict[str, Any]], options: Mapping[str, Any]) -> None:
    """Run a module that only looks; what its option ``query`` selects is returned as ``result``."""

    def look_and_select(run: Run) -> dict[str, Any]:
        found = look(run)
        expression = run.params["query"]
        return found if expression is None else {**found, "result": select(expression, found, "query")}

    run_module(look_and_select, {**QUERY_OPTIONS, **options}, read_only=True)


def _check_given(
    params: Mapping[str, Any], options: Mapping[str, Any], required_if: Iterable[tuple[str, Any, list[str]]]
) -> None:
    """Refuse required options without a value (``size:``), which AnsibleModule takes for given."""
    required = [name for name, option in options.items() if option.get("required")]
    for name, value, others in required_if:
        required += others if params[name] == value else []
    if missing := [name for name in required if params[name] is None]:
        raise Refused(f"Options without a value: {', '.join(missing)}.")


def check_entry(entry: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Check a dictionary that users wrote as AnsibleModule checks options; the dictionary with all defaults.

    Raises Refused.
    """
    given = {word: value for word, value in entry.items() if value is not None}
    result = ArgumentSpecValidator(dict(options)).validate(given)
    if result.unsupported_parameters:
        words = sorted(".".join(word) if isinstance(word, tuple) else word for word in result.unsupported_parameters)
        raise Refused(f"{', '.join(words)}: no such option. Options: {', '.join(sorted(options))}.")
    if result.error_messages:
        raise Refused("; ".join(result.error_messages))
    return result.validated_parameters
