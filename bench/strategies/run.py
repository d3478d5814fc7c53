#!/usr/bin/python3
"""What each strategy costs and does, and the figures it is to reach.

  script/bench strategies [--out bench/results/] [--only LABEL] [--quick]

bench_strategies measures and prints JSON; this renders its tables and judges the figures. With --out also a table and the
JSON are written there, as strategies-DATE-MACHINE.{md,json}. A time is the fastest of many runs by the thread's own
processor clock, because the machine may have other things to do; the median stands in the JSON.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def processor():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return model.group(1) if model else platform.machine()


# ---- rendering -------------------------------------------------------------------------------------------------------

def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
                     + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def ns(value):
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def share(value):
    """A share of all keys, in percent."""
    return "-" if value is None else "0" if value == 0 else f"{value * 100:.4f} %" if value < 1e-4 else f"{value * 100:.2f} %"


def over_mean(value):
    return "-" if value is None else f"{value:.3f}"


COST = ["strategy", "members", "pick", "+ ready", "+ hash, in flight", "whole", "build ms", "bytes"]
KEYS = ["strategy", "members", "keys", "max/mean", "by chance", "exact", "dies", "returns", "removed", "added", "again"]


def cost_rows(found):
    for strategy in found["strategies"]:
        for row in strategy["rows"]:
            yield [strategy["label"], f"{row['members']:,}",
                   *[ns(row[name]["least"]) for name in ("pick_ns", "live_ns", "full_ns", "whole_ns")],
                   f"{row['build_ms']['least']:.3f}", f"{row['bytes']:,}"]


def key_rows(found):
    for strategy in found["strategies"]:
        for row in strategy["rows"]:
            again = row.get("same_again")
            yield [strategy["label"], f"{row['members']:,}", f"{row['keys']:,}", over_mean(row["max_over_mean"]),
                   over_mean(row["chance_over_mean"]), over_mean(row.get("exact_over_mean")),
                   *[share(row.get(name)) for name in ("died", "returned", "removed", "added")],
                   "-" if again is None else "same" if again else "DIFFERS"]


# ---- figures to reach ------------------------------------------------------------------------------------------------

class Figures:
    """Rows: what is measured, what is to be reached, what was measured, what noise alone would show, the verdict."""

    HEAD = ["figure", "reach", "measured", "noise floor", "verdict"]

    def __init__(self, found):
        self.found = found
        self.rows = []
        self.missed = []

    def row(self, label, members):
        for strategy in self.found["strategies"]:
            if strategy["label"] == label:
                return next(row for row in strategy["rows"] if row["members"] == members)
        raise KeyError(label)

    def judge(self, what, reach, measured, floor, met, why=""):
        self.rows.append([what, reach, measured, floor, "met" if met else "missed" + (f": {why}" if why else "")])
        if not met:
            self.missed.append(what)

    def note(self, what, measured, floor, why):
        """Printed with its reason; nothing is to be reached."""
        self.rows.append([what, "-", measured, floor, why])

    def time(self, what, label, members, name, limit):
        took = self.row(label, members)[name]
        empty = self.found["empty_call_ns"]["least"]
        self.judge(what, f"≤ {limit:,} ns", f"{ns(took['least'])} ns (median {ns(took['median'])})",
                   f"{empty:.1f} ns, an empty call", took["least"] <= limit)


LANES = "all that the processor has"


def judge_times(f):
    f.time("Maglev pick, N = 1,000, 65,537 slots, liveness in", "maglev, 65,537 slots", 1000, "live_ns", 5)
    f.time("- with key hash and in-flight count", "maglev, 65,537 slots", 1000, "full_ns", 15)
    for label, limit in (("maglev, 65,537 slots", 1.8), ("maglev, 655,373 slots", 22.9)):
        took = f.row(label, 1000)["build_ms"]
        f.judge(f"Maglev build, N = 1,000, {label.split(', ')[1]}", f"≤ {limit} ms",
                f"{took['least']:.2f} ms (median {took['median']:.2f})", "-", took["least"] <= limit)
    for label in ("maglev, 65,537 slots", "maglev, 655,373 slots"):
        apart = max(f.row(label, n)["slots_apart"] for n in (10, 100, 1000, 10000))
        f.judge(f"Maglev slots per member, max - min, N = 10 to 10,000, {label.split(', ')[1]}", "≤ 1", apart, "-", apart <= 1)
    f.time("ring pick, K = 160, N = 1,000", "ring, 160 virtual nodes", 1000, "live_ns", 50)
    f.time("ring pick, dense 512 slots, N = 100, with the hash", "ring of 512 slots, 3 virtual nodes", 100, "full_ns", 10)
    f.time("jump, N = 1,000", "jump", 1000, "live_ns", 60)
    f.time("rendezvous, N = 1,000, scalar", "rendezvous, scalar", 1000, "live_ns", 1150)
    f.time(f"rendezvous, N = 1,000, {LANES}", "rendezvous", 1000, "live_ns", 350)
    f.time("anchor, N = 1,000", "anchor", 1000, "live_ns", 15)


EXACT = ["rendezvous", "multiprobe", "ketama", "ring, "]
REASONS = {
    "ring of": "virtual nodes that had collided with the leaver's go home",
    "jump": "buckets are numbered: all behind the leaver move up",
    "modulo": "the modulus changes for every key",
    "anchor": "in the instance that saw the order of events",
}


def judge_moves(f):
    keyed = [s for s in f.found["strategies"] if "died" in s["rows"][0]]
    for name, what in (("died", "dies"), ("returned", "returns")):
        moved = {s["label"]: max(row[name] for row in s["rows"]) for s in keyed}
        worst = max(moved.values())
        f.judge(f"keys moved beyond the minimum, one replica {what}, all {len(keyed)} key strategies", "0", share(worst),
                "exact", worst == 0)
    for s in keyed:
        moved = f"{share(next(row for row in s['rows'] if row['members'] == min(1000, s['rows'][-1]['members']))['removed'])}"
        n = min(1000, s["rows"][-1]["members"])
        what = f"keys moved beyond the minimum, one of {n:,} removed, {s['label']}"
        row = f.row(s["label"], n)
        if s["label"].startswith("maglev"):
            f.judge(what, "≤ 0.60 %", moved, "exact", row["removed"] <= 0.006)
        elif any(s["label"].startswith(start) for start in EXACT) and not s["label"].startswith("ring of"):
            f.judge(what, "0", moved, "exact", row["removed"] == 0)
        else:
            f.note(what, moved, "exact", next(why for start, why in REASONS.items() if s["label"].startswith(start)))
    again = [s for s in keyed if all(row["same_again"] for row in s["rows"])]
    f.judge("remove and re-add, key strategies: same digest", f"{len(keyed)} of {len(keyed)}",
            f"{len(again)} of {len(keyed)}", "exact", len(again) == len(keyed))


def judge_orders(f):
    orders = f.found["figures"]["orders"]
    free = [o for o in orders if o["label"] != "anchor"]
    worst = min(free, key=lambda o: o["same"])
    f.judge(f"3 instances fed in random order, {len(free)} order-free strategies: same digest",
            f"{worst['rounds']:,} of {worst['rounds']:,}", f"{worst['same']:,} of {worst['rounds']:,}", "exact",
            worst["same"] == worst["rounds"])
    anchor = next(o for o in orders if o["label"] == "anchor")
    f.note("- anchor", f"{anchor['same']:,} of {anchor['rounds']:,}", "exact", "knows the order of events by design")


def zipf_walk(n):
    """Mean checks that the bound itself costs under Zipf(1): see docs/strategies.md."""
    harmonic = sum(1 / k for k in range(1, 100001))
    return 1 + n / 2.5 * sum((1 / k / harmonic) ** 2 for k in range(1, 100001) if n / 1.25 / k / harmonic > 1)


def judge_bounded(f):
    bounded = f.found["figures"]["bounded"]
    worst = sum(b["exceeded"] for b in bounded)
    f.judge("bounded load c = 1.25: picks beyond the bound", "0", f"{worst} of {sum(b['picks'] for b in bounded):,}", "exact",
            worst == 0)
    counted = [b["allocations"] for b in bounded if b["allocations"] is not None]
    f.judge("bounded load: allocations", "0", sum(counted), "exact", counted and sum(counted) == 0)
    for b in bounded:
        if b["load"] != 64:
            continue
        limit = 2.2 if b["zipf"] else 1.1
        floor = f"{zipf_walk(b['members']):.2f}, the bound's own" if b["zipf"] else "1"
        f.judge(f"bounded load: mean checks, {'Zipf(1)' if b['zipf'] else 'uniform'}, N = {b['members']:,}", f"≤ {limit}",
                f"{b['checks']:.2f}", floor, b["checks"] <= limit,
                f"the hottest key alone fills {b['hot_members']:.0f} members" if b["zipf"] else "")


def judge_rest(f):
    figures = f.found["figures"]
    apart = figures["p2c"]["apart"]
    chance = figures["random"]["apart"][0]
    f.judge("P2C, N = 1,000, 1e6 balls, max - mean", "≤ 3", f"{apart[len(apart) // 2]:.0f} (worst of {len(apart)}: {apart[-1]:.0f})",
            f"+{chance:.0f}, one choice", apart[-1] <= 3)
    chosen = figures["chosen"]
    f.judge(f"{chosen['keys']:,} keys chosen to collide for hash_xxh3, asked of hash_siphash, N = {chosen['members']}: max/mean",
            "≤ 1.1", f"{chosen['keyed_over_mean']:.3f} (of hash_xxh3: {chosen['open_over_mean']:.1f})",
            f"{chosen['chance_over_mean']:.3f}, chance", chosen["keyed_over_mean"] <= 1.1)


def judge(found):
    f = Figures(found)
    judge_times(f)
    judge_moves(f)
    judge_orders(f)
    judge_bounded(f)
    judge_rest(f)
    return f


# ---- the report ------------------------------------------------------------------------------------------------------

def report(found, f):
    lines = [f"# What strategies cost and do, {found['date']}", "",
             f"`script/bench strategies` on {found['machine']}, {found['cores']} cores, {found['kernel']}; load average "
             f"{found['load']:.1f}." + (" With --quick: these figures mean nothing." if found["quick"] else "")
             + (" More work than cores: times are too high, by up to half." if found["load"] > found["cores"] else ""), "",
             "Nanoseconds and milliseconds are the fastest of many runs, by the thread's processor clock; an empty call in the same "
             f"loop takes {found['empty_call_ns']['least']:.1f} ns. Keys are hashed by hash_xxh3.", ""]
    if f:
        lines += ["## Figures to reach", "", table(f.HEAD, f.rows), "",
                  f"{len(f.missed)} missed" + "".join(f"; {what}" for what in f.missed) + ". Why: docs/strategies.md.", ""]
    lines += ["## Cost", "", "pick: through the .so, the hash being there, ns; + ready: and the look at the member's live block; "
              "+ hash, in flight: and the key hashed, and the in-flight count raised; whole: hash_key, pick_member and the place given back.",
              "", table(COST, cost_rows(found)), "",
              "## Keys", "", "max/mean of the keys asked, beside what equal chances show, and exactly by the table; then keys that moved beyond "
              "the minimum, of all, when one member dies, returns, is removed (means of three victims) or added; and whether removing and "
              "adding it again restores the digest.", "", table(KEYS, key_rows(found))]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    parser.add_argument("--out", type=pathlib.Path, help="a folder for the table and the JSON")
    parser.add_argument("--only", help="strategies whose label begins so; no figures")
    parser.add_argument("--quick", action="store_true", help="everything once, so little of it that it means nothing")
    parser.add_argument("--again", type=pathlib.Path, help="measure nothing: render this JSON")
    arguments = parser.parse_args()
    if arguments.again:
        found = json.loads(arguments.again.read_text(encoding="utf-8"))
    else:
        command = [arguments.build / "bench" / "bench_strategies"]
        command += ["--quick"] if arguments.quick else []
        command += ["--only", arguments.only] if arguments.only else []
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        found.update(date=datetime.date.today().isoformat(), machine=processor(), cores=os.cpu_count(),
                     kernel=f"Linux {platform.release()}", load=os.getloadavg()[1])
    f = judge(found) if "figures" in found else None
    text = report(found, f)
    print(text, end="")
    if f:
        found["reach"] = [dict(zip(f.HEAD, row)) for row in f.rows]
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        machine = re.sub(r"[^a-z0-9]+", "-", processor().lower()).strip("-")
        name = arguments.out / f"strategies-{found['date']}-{machine}"
        name.with_suffix(".md").write_text(text, encoding="utf-8")
        name.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
