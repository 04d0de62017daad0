# Copyright (c) 2026 Skinnybox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating and starting many instances, against the time that XAPI's own serialisation costs at least.

python bench/create_start.py [number of instances; 1000 unless told otherwise]

The host pool is one that people have for a thousand small VMs: eight hosts and four shared NFS SRs, over which the
overlays are spread; the master is on one of them. Operations take as long as bench/support/latencies.py says. The
module is run by the command ``ansible``; its time counts from there to the end, with all that Ansible does.

The lower bound is the longer of two ways through which all must go, without a moment's idleness:

- an SR makes its share of the overlays one after another, and the last of them must still be started;
- a host starts its share of the instances, four at a time, and the first cannot be started before its VM was cloned
  and its overlay made.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from support import Figure, report
from support.latencies import SECONDS

from tests.support.ansible import ENVIRONMENT, run_module
from tests.support.golden import make_golden
from tests.support.lab import PASSWORD, Lab, new_lab

HOSTS, SRS = 8, 4
#: VM operations that a host does at a time.
WORKERS = 4
#: How many times the lower bound it may take.
GOAL = 1.10


def bound(count: int) -> float:
    """Seconds that creating and starting so many instances takes at least."""
    create, clone, start = (SECONDS[name] for name in ("SR.vdi_create", "VM.clone", "VM.start"))
    through_sr = math.ceil(count / SRS) * create + start
    through_host = clone + create + math.ceil(math.ceil(count / HOSTS) / WORKERS) * start
    return max(through_sr, through_host)


def prepare(lab: Lab) -> list[str]:
    """Make the SRs and publish a master on the first of them; the names of the SRs."""
    xapi = lab.xapi
    (pool,) = xapi.pool.get_all_records().values()
    names = [f"NFS {number}" for number in range(1, SRS + 1)]
    for name in names:
        device = {"server": "10.0.0.250", "serverpath": f"/export/{name[-1]}"}
        sr = xapi.SR.create(pool["master"], device, "0", name, "", "nfs", "", True, {})
        xapi.SR.scan(sr)
    xapi.pool.set_default_SR(next(iter(xapi.pool.get_all())), xapi.SR.get_by_name_label(names[0])[0])
    golden = make_golden(lab)
    published = run_module(lab, "master_image", name="noble", golden_vm=golden.name)
    if published.failed:
        raise SystemExit(published.msg)
    return names


def declaration(lab: Lab, count: int, srs: list[str]) -> dict[str, Any]:
    """Instances whose overlays are spread over the SRs, and which are spread over the hosts."""
    return {
        "hostname": lab.url,
        "password": PASSWORD,
        "name": "web",
        "size": count,
        "master": "noble",
        "hardware": {"vcpus": 1, "memory": "512 MiB"},
        "overlay": {"size": "1 GiB", "sr": srs},
        "placement": {"spread": "host"},
        "instance_name": "{pool}-{number:04d}",
    }


def apply(options: dict[str, Any]) -> float:
    """Seconds of the command with which somebody applies the declaration."""
    module = "skinnybox.xenserver.vm_pool"
    command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", module, "-a", json.dumps(options)]
    began = time.monotonic()
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return time.monotonic() - began


def check(lab: Lab, count: int, srs: list[str]) -> None:
    """Raise SystemExit unless all instances run, each on its own overlay and the master's disks, spread evenly."""
    xapi = lab.xapi
    vms, vdis = xapi.VM.get_all_records(), xapi.VDI.get_all_records()
    attached: dict[str, dict[str, dict[str, Any]]] = {}
    for vbd in xapi.VBD.get_all_records().values():
        attached.setdefault(vbd["VM"], {})[vbd["userdevice"]] = vbd
    instances = {ref: vm for ref, vm in vms.items() if vm["other_config"].get("skinnybox:kind") == "instance"}
    running = [vm["name_label"] for vm in instances.values() if vm["power_state"] == "Running"]
    overlays = {ref: attached[ref]["1"] for ref in instances}
    own = {vbd["VDI"] for ref, vbd in overlays.items() if vbd["mode"] == "RW" and vbd["currently_attached"]
           and vdis[vbd["VDI"]]["other_config"]["skinnybox:vm"] == vms[ref]["uuid"]}  # fmt: skip
    roots = {(attached[ref]["0"]["VDI"], attached[ref]["0"]["mode"], attached[ref]["0"]["type"]) for ref in instances}
    names = {ref: sr["name_label"] for ref, sr in xapi.SR.get_all_records().items()}
    per_sr = [sum(names[vdis[vdi]["SR"]] == name for vdi in own) for name in srs]
    per_host = [sum(vm["resident_on"] == host for vm in instances.values()) for host in xapi.host.get_all()]
    right = (
        sorted(running) == [f"web-{number:04d}" for number in range(1, count + 1)]
        and len(own) == count
        and len(roots) == 1
        and next(iter(roots))[1:] == ("RO", "Disk")
        and max(per_sr) - min(per_sr) <= 1
        and max(per_host) - min(per_host) <= 1
    )
    if not right:
        raise SystemExit(
            f"not what was declared: {len(running)} run, {len(own)} have an overlay of their own, roots {roots}, "
            f"overlays on SRs {per_sr}, instances on hosts {per_host}"
        )


def stages(log: list[dict[str, Any]], began: float, seconds: float) -> list[Figure]:
    """Where the time went: before, while and after the SRs make overlays. ``began`` is epoch seconds."""
    asked = [entry["time"] - began for entry in log if entry["method"] == "Async.VDI.create"]
    return [
        Figure("... before the first overlay is asked for", asked[0], "s"),
        Figure("... from there to the last", asked[-1] - asked[0], "s"),
        Figure("... from there to the end", seconds - asked[-1], "s"),
    ]


def processor_time(process: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("instances", type=int, nargs="?", default=1000)
    count = parser.parse_args().instances
    with new_lab("--hosts", str(HOSTS), "--memory", "192") as lab:
        srs = prepare(lab)
        lab.pace(**SECONDS)
        lab.reset_calls()
        before, children, began = processor_time(lab.process.pid), os.times(), time.time()
        seconds = apply(declaration(lab, count, srs))
        calls, lab_time = lab.calls(), processor_time(lab.process.pid) - before
        controller = os.times().children_user + os.times().children_system
        controller -= children.children_user + children.children_system
        lab.pace()
        check(lab, count, srs)
    least = bound(count)
    holds = report(
        f"Creating and starting {count} instances ({HOSTS} hosts, {SRS} SRs)",
        [
            Figure("lower bound of XAPI's own serialisation", least, "s"),
            Figure("wall time", seconds, "s"),
            Figure("wall time, as multiple of the lower bound", seconds / least, "times", GOAL),
            *stages(calls["log"], began, seconds),
            Figure("calls an instance", calls["total"] / count),
            Figure("processor time of the controller an instance", 1000 * controller / count, "ms"),
            Figure("processor time of the lab an instance", 1000 * lab_time / count, "ms"),
        ],
    )
    raise SystemExit(not holds)


if __name__ == "__main__":
    main()
