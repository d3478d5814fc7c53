"""machines.py - the rows of a swarm: a machine that is lost, tasks that are killed, with engines of the measurement's own.

Owns     nothing: the machines, the swarm and the stack on it are those of tests/docker/nodes.py and stack.py.
Used by  run.py.

Swarm's own time is when the engine has started the last successor (its container's StartedAt). The manager calls a task
running only after the first health check of its image, up to 5 s later: that is printed beside it.
"""

import os
import signal
import statistics
import time

from containers import OwnEngine
from harness import until
from load import Wrk
from watch import LIMIT_S, ROOT  # the path of stack.py: containers.py

from house import TRAFFIC
from stack import IMAGES, WHOLE, lose, stack_on

ROWS = ["snode2", "snode3", "sleader", "sload"]
KEYS = 10_000


# ---- a machine is lost

def settled(stack):
    """Waits until a machine's loss is over: all nodes are there, each with a replica that its health check has found well."""
    stack.ready()
    stack.whole()
    stack.spread()

    def states():
        found = stack.tasks()
        return sorted(found) == WHOLE and {state for state, _ in found.values()} == {"running"} and found
    return until(states, LIMIT_S, "tasks that run")


def running_since(stack, names):
    """When the manager's tasks of these names had begun to run, the last one; seconds since the epoch."""
    def states():
        found = stack.tasks()
        return all(found[name][0] == "running" for name in names) and found
    return max(until(states, LIMIT_S, "successors that run")[name][1] for name in names)


def strike(stack, victim):
    """(what became of the loss, when the manager said so of the last successor)"""
    if stack.manager is victim:
        stack.manager = next(node for node in stack.nodes if node is not victim)
    clock = time.time()
    loss = lose(stack, victim, KEYS)
    running = running_since(stack, loss.gone) - clock
    victim.power_on()
    victim.wait_up()
    stack.alive = list(stack.nodes)
    settled(stack)
    return loss, running


def report_losses(report, what, losses, runnings):
    runs = len(losses)

    def times(of, values, reach="-"):
        report.row(f"{what} → {of}", reach, values, "s", 2)
    times("out of rotation at every balancer left", [loss.out for loss in losses])
    times("Swarm has started the last successor", [loss.started for loss in losses])
    times("N in rotation at every balancer left", [loss.back for loss in losses], "Swarm's + 2 s")
    times("N, later than Swarm's start", [loss.back - loss.started for loss in losses], "≤ 2 s")
    times("the manager calls it running", runnings)
    report.say(f"| {what}: keys of the others that moved, of {KEYS} at every balancer left | 0 | "
               f"{statistics.median(loss.moved for loss in losses):.0f} | {max(loss.moved for loss in losses)} | {runs} |")
    failed = [problem for loss in losses for problem in loss.failed]
    report.say(f"| {what}: failed GETs after it was out of rotation | 0 | {len(failed)} | "
               f"of {sum(loss.asked for loss in losses)} requests | {runs} |")
    report.say(f"| {what}: failed GETs before | - | {sum(loss.early_failed for loss in losses)} | "
               f"of {sum(loss.early_asked for loss in losses)} requests | {runs} |")
    if failed:
        print(f"failed: {failed[:10]}", flush=True)


def losses_of(report, stack, what, runs, choose):
    settled(stack)
    losses, runnings, began = [], [], time.monotonic()
    for number in range(runs):
        loss, running = strike(stack, choose(stack, number))
        losses.append(loss)
        runnings.append(running)
        print(f"    run {number + 1} at {time.monotonic() - began:.0f} s: {len(loss.gone)} gone, out {loss.out:.2f} s, started "
              f"{loss.started:.2f} s, N {loss.back:.2f} s, runs {running:.2f} s, {loss.moved} keys moved, "
              f"{len(loss.failed)} of {loss.asked} failed, before {loss.early_failed} of {loss.early_asked}", flush=True)
    report_losses(report, what, losses, runnings)


def followers(stack):
    stack.manager = stack.leader()
    return [node for node in stack.nodes if node is not stack.manager]


def snode2(report, stack, arguments):
    losses_of(report, stack, "one of two machines lost, the worker", arguments.runs, lambda stack, _: stack.nodes[1])


def snode3(report, stack, arguments):
    losses_of(report, stack, "one of three machines lost, a manager", arguments.runs,
              lambda stack, number: followers(stack)[number % 2])


def sleader(report, stack, arguments):
    losses_of(report, stack, "one of three machines lost, the leader", arguments.runs, lambda stack, _: stack.leader())


# ---- tasks are killed

def sload(report, stack, arguments):
    """Kills at full load, asked of both balancers, each kill as soon as N is whole."""
    settled(stack)
    times, started = [], time.monotonic()
    with Wrk(TRAFFIC, connections=32, host=stack.nodes[0].address) as one, \
            Wrk(TRAFFIC, connections=32, host=stack.nodes[1].address) as other:
        for number in range(arguments.kills):
            victim = WHOLE[number % 3]
            node, container = stack.containers()[victim]
            pid = int(node.docker("inspect", "-f", "{{.State.Pid}}", container))
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            until(lambda victim=victim: all(victim not in stack.rep(each) for each in stack.alive), LIMIT_S, "it out of rotation")
            stack.whole()
            times.append((time.monotonic() - began) * 1000)
        took = time.monotonic() - started
    failed = sum(load.failed + sum(load.socket_errors.values()) for load in (one, other))
    report.row("a task killed (-9) at full load → N in rotation at both balancers", "-", times)
    report.say(f"| failed GETs at full load, {arguments.kills} tasks killed in {took:.1f} s | 0 | {failed} | "
               f"of {one.requests + other.requests} requests | 1 |")


# ---- all of them

def measure_machines(report, rows, arguments):
    engine = OwnEngine()
    if engine.missing:
        report.say(f"\nMachines of a swarm are left out: {engine.missing}")
        return
    try:
        engine.build("ringmaster", IMAGES["RINGMASTER_IMAGE"])
        engine.build("backend", IMAGES["BACKEND_IMAGE"])
        engine.docker("build", "-q", "-t", IMAGES["SOCKET_PROXY_IMAGE"], str(ROOT / "deploy" / "socket-proxy"))
        for of_so_many, roles, here in ((2, ["worker"], ["snode2", "sload"]), (3, ["manager"] * 2, ["snode3", "sleader"])):
            if set(here) & set(rows):
                with stack_on(engine.docker, engine.directory / "nodes", of_so_many, roles) as stack:
                    for row in (row for row in here if row in rows):
                        try:
                            globals()[row](report, stack, arguments)
                        except AssertionError:
                            stack.log()
                            raise
    finally:
        engine.down()
