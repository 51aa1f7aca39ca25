"""`python -m bench`: runs every side in turn, several times, and writes a table and a picture."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from bench import report
from bench.report import PROCESSOR, SLOWER, Growth, Results
from bench.sides import STOCK, Running, Side, redis, running, sides
from bench.world import Times, World
from connectors.settings import LOOPBACK, ROOT, VAR
from local.parts import child_environ

FOLDER = VAR / "bench"
STOCK_MODEL = FOLDER / "stock.tar.gz"
MODEL_SECONDS = 0.2
TWILIO_SECONDS = 0.1  # what its REST API takes over a good network


@dataclass(frozen=True)
class Plan:
    """How long for each thing; `load` is seconds by number of customers."""

    rounds: int
    load: dict[int, float]
    turns: int
    growth_seconds: float


FULL = Plan(rounds=3, load={1: 12.0, 20: 10.0, 100: 15.0}, turns=1000, growth_seconds=90.0)
QUICK = Plan(rounds=1, load={1: 4.0, 20: 4.0, 100: 8.0}, turns=100, growth_seconds=12.0)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes; written to var/bench/")
    parser.add_argument("--only", default="", help="ours, settling, stock, floor; comma separated")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else FULL
    out = FOLDER if given.quick or given.only else ROOT / "docs"
    os.chdir(ROOT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    train_stock()
    chosen = sides(STOCK_MODEL)
    wanted = given.only.split(",") if given.only else list(chosen)
    results = Results()
    with World() as world:
        for number in range(1, plan.rounds + 1):
            for name in wanted:
                say(f"round {number} of {plan.rounds}: {chosen[name].name}")
                measure(name, chosen[name], world, plan, results, first=number == 1)
    table = report.table(results, plan.rounds)
    print(f"\n{table}")
    (out / "bench.md").write_text(table)
    report.picture(results, out / "bench.svg")
    say(f"written to {out / 'bench.md'} and {out / 'bench.svg'}")


def train_stock() -> None:
    """Unless there is a model that is newer than its sources."""
    newest = max(path.stat().st_mtime for path in STOCK.rglob("*.yml"))
    if STOCK_MODEL.exists() and STOCK_MODEL.stat().st_mtime > newest:
        return
    say("training stock Rasa's model")
    files = ["--domain", STOCK / "domain.yml", "--data", STOCK / "data"]
    files += ["--config", STOCK / "config.yml", "--out", FOLDER, "--fixed-model-name", "stock"]
    command = [sys.executable, "-m", "local.quietly", "rasa", "train", *map(str, files)]
    with (FOLDER / "train.log").open("w") as log:
        subprocess.run(  # noqa: S603
            command, env=child_environ(os.environ), stdout=log, stderr=log, check=True
        )


def measure(
    name: str, side: Side, world: World, plan: Plan, results: Results, *, first: bool
) -> None:
    log = FOLDER / f"{name}.log"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder) / "valkey") as port:
        with running(side, world, port, log) as started:
            results.add(name, "ready_s", started.started_seconds)
            world.model_takes = MODEL_SECONDS
            world.run(world.load(20, 2.0))  # what is only done once is done now
            for customers, seconds in plan.load.items():
                before = processor_seconds(started, port)
                times = world.run(world.load(customers, seconds))
                note(name, str(customers), times, results)
                for part, seconds_used in processor_seconds(started, port).items():
                    spent = 1000 * (seconds_used - before.get(part, 0.0))
                    results.add(
                        name, f"{PROCESSOR}{customers} {part}", spent / max(len(times.answered), 1)
                    )
            world.twilio_takes = TWILIO_SECONDS
            note(name, SLOWER, world.run(world.load(*max(plan.load.items()))), results)
            world.twilio_takes = 0.0
            results.add(name, "memory_mb", started.memory_mb())
            results.add(name, "write_ms", write_ms(port))
        if first and name != "settling":
            grow(name, side, world, plan, results)


def processor_seconds(started: Running, port: int) -> dict[str, float]:
    """What everybody used so far: the side's processes, Valkey, and the world around them."""
    with Redis(host=LOOPBACK, port=port) as client:
        info = client.info("cpu")
    return {
        **started.processor_seconds(),
        report.VALKEY: float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
        report.WORLD: time.process_time(),
    }


def write_ms(port: int) -> float:
    """What it takes until a write is on the disk, half of the time."""
    client, took = Redis(host=LOOPBACK, port=port), []
    for _ in range(50):
        began = time.perf_counter()
        client.set("bench", "x" * 300)
        took.append(1000 * (time.perf_counter() - began))
    client.close()
    return report.percentile(took, 50)


def note(name: str, customers: str, times: Times, results: Results) -> None:
    acknowledged = [1000 * seconds for seconds in times.acknowledged]
    over = [1000 * (seconds - MODEL_SECONDS) for seconds in times.answered]
    found = {
        "rate": times.per_second(),
        "ack_p50": report.percentile(acknowledged, 50),
        "ack_p99": report.percentile(acknowledged, 99),
        "over_p50": report.percentile(over, 50),
        "over_p99": report.percentile(over, 99),
        "lost": float(times.lost),
    }
    for metric, value in found.items():
        results.add(name, f"{metric}_{customers}", value)
    said = "  ".join(f"{metric} {value:.1f}" for metric, value in found.items())
    say(f"  {customers:>7} customers: {said}")


def grow(name: str, side: Side, world: World, plan: Plan, results: Results) -> None:
    """One long conversation on a side and a Valkey of its own, with a model that takes no time."""
    growth = Growth()
    with tempfile.TemporaryDirectory() as folder, redis(Path(folder) / "valkey") as port:
        client = Redis(host=LOOPBACK, port=port)

        def written() -> int:
            return int(client.info("stats")["total_net_input_bytes"])

        def after_each(times: Times) -> None:
            total = written()
            growth.add(1000 * times.answered[-1], total)
            if growth.turns % 100 == 0:
                say(f"  turn {growth.turns}: {growth.overhead_ms[-1]:.0f} ms")

        with running(side, world, port, FOLDER / f"{name}.log"):
            world.model_takes = 0.0
            growth.start(written())
            world.run(world.conversation(plan.turns, plan.growth_seconds, after_each))
        client.close()
    results.growth[name] = growth


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


if __name__ == "__main__":
    main()
