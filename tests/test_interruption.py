"""Ctrl-C in a training: it waits for the end of an update, and the same call ends alike."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from neuro_metarl.agents import training
from neuro_metarl.agents.interruption import hold_interrupts
from neuro_metarl.agents.learning import Learner
from neuro_metarl.agents.recipes import Recipe, make_recipe
from neuro_metarl.agents.training import train
from neuro_metarl.agents.zoo import load_agents
from neuro_metarl.errors import InputError

HOME = Path(__file__).parents[1]
RECIPE = make_recipe("two-step", changes={"n_updates": 40, "n_episodes": 4, "n_units": 16})

# presses Ctrl-C after random times, once or twice, and calls train again until it ends; times are
# of work done (a timer of the process's own time), so that a busy machine changes nothing, and a
# press that comes before or after train finds nobody to stop
PRESSING = """
import random, signal, sys, time
from pathlib import Path
import torch
import neuro_metarl as nm
from neuro_metarl.agents import training

folder, twice, save = Path(sys.argv[1]), sys.argv[2] == "twice", float(sys.argv[3])
training.SECONDS_BETWEEN_SAVES = save
task = nm.make_task("two-step", n_trials=20)
changes = {"n_updates": 40, "n_episodes": 4, "n_units": 16}
recipe = nm.make_recipe("two-step", changes=changes)
call = dict(task=task, recipe=recipe, n_agents=2, seed=1, progress=False)
whole = nm.train(**call).population.flat
start = time.process_time()
nm.train(**call)
took = time.process_time() - start
rng, stopped, resumed, left = random.Random(0), 0, 0, 0

def press(number, frame):
    global left
    left -= 1
    if left > 0:
        signal.setitimer(signal.ITIMER_PROF, 1e-6 + rng.random() * 0.004)
    signal.raise_signal(signal.SIGINT)

def stop_training(number, frame):
    while frame is not None:
        if frame.f_code is nm.train.__code__:
            raise KeyboardInterrupt
        frame = frame.f_back

signal.signal(signal.SIGPROF, press)
signal.signal(signal.SIGINT, stop_training)
for number in range(40):
    out = folder / str(number)
    for attempt in range(200):
        left = (2 if twice else 1) if attempt < 3 else 0
        if left:
            signal.setitimer(signal.ITIMER_PROF, 1e-6 + rng.random() * took)
        try:
            agents = nm.train(**call, out=out)
        except KeyboardInterrupt:
            stopped += 1
            resumed += out.with_name(out.name + ".partial").exists()
        else:
            break
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    assert torch.equal(agents.population.flat, whole), number
    assert torch.equal(nm.load_agents(out).population.flat, whole), number
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(str(number))), number
print(stopped, resumed)
"""


@pytest.mark.parametrize(("presses", "save"), [("once", 15.0), ("twice", -1.0)])
def test_a_training_that_is_interrupted_anywhere_ends_with_the_same_weights(
    presses: str, save: float, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRESSING, tmp_path, presses, str(save)],
        cwd=HOME, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stopped, resumed = map(int, done.stdout.split())
    assert stopped > 20
    assert resumed > 10
    assert not list(tmp_path.glob(".writing-*"))
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_command_is_interrupted_and_taken_up_again(name: str, tmp_path: Path) -> None:
    updates = 300
    command = [
        sys.executable, "-m", "neuro_metarl.cli", "train", "two-step", "--agents", "2", "--change",
        f"n_updates={updates}", "n_episodes=4", "n_units=16", "--set", "n_trials=20", "--out",
    ]  # fmt: skip
    partial, rng = tmp_path / "a.partial", random.Random(name)
    for _ in range(3):
        with subprocess.Popen([*command, tmp_path / "a"], stderr=subprocess.PIPE) as process:
            wait_for_signals_to_be_held(process)
            time.sleep(rng.random() * 0.3)
            process.send_signal(getattr(signal, name))
            error = process.communicate()[1].decode()
        if process.returncode == 0:
            break
        assert process.returncode == (130 if name == "SIGINT" else -signal.SIGTERM), error
        assert partial.exists()
        assert "Traceback" not in error
    else:
        subprocess.run([*command, tmp_path / "a"], check=True, capture_output=True)
    changes = {"n_updates": updates, "n_episodes": 4, "n_units": 16}
    whole = train(
        make(20), recipe=make_recipe("two-step", changes=changes), n_agents=2, progress=False
    )
    assert torch.equal(load_agents(tmp_path / "a").population.flat, whole.population.flat)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def make(n_trials: int) -> training.Task:
    return training.make_task("two-step", n_trials=n_trials)


def wait_for_signals_to_be_held(process: subprocess.Popen[bytes]) -> None:
    """Wait until the process catches SIGTERM, which it does from the first update on."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc to see which signals a process catches")
    caught = 0
    while not caught and process.poll() is None:
        line = next(x for x in status.read_text().splitlines() if x.startswith("SigCgt"))
        caught = int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
        time.sleep(0.005)


def test_a_first_signal_waits_and_a_second_acts_at_once() -> None:
    reached = []

    def work() -> None:
        with hold_interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            reached.append(interrupts.waiting)
            with interrupts.whole():
                signal.raise_signal(signal.SIGINT)
                reached.append("written")
            reached.append("too far")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [True, "written"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_ones_own_is_called_and_what_is_ignored_stays_ignored() -> None:
    called = []
    before = signal.signal(signal.SIGINT, lambda number, frame: called.append(number))
    ignored = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with hold_interrupts() as interrupts:
            signal.raise_signal(signal.SIGTERM)
            assert not interrupts.waiting
            signal.raise_signal(signal.SIGINT)
            assert (interrupts.waiting, called) == (True, [])
            interrupts.answer()
            assert (interrupts.waiting, called) == (False, [signal.SIGINT])
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, ignored)


def test_outside_the_main_thread_nothing_is_held() -> None:
    found = []

    def work() -> None:
        found.append(train("two-step", recipe=RECIPE, progress=False))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert torch.equal(
        found[0].population.flat, train("two-step", recipe=RECIPE, progress=False).population.flat
    )


def test_a_handler_that_goes_on_lets_the_training_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Learner.update

    def pressed(self: Learner) -> torch.Tensor:
        if self.n_done == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return update(self)

    called: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: called.append(number))
    monkeypatch.setattr(Learner, "update", pressed)
    try:
        agents = train("two-step", recipe=RECIPE, out=tmp_path / "a", progress=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert called == [signal.SIGINT]
    assert agents.n_updates_done == RECIPE.n_updates


@pytest.mark.parametrize("place", [100, 2000, -10])
def test_a_damaged_partial_is_refused(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Learner.update

    def pressed(self: Learner) -> torch.Tensor:
        if self.n_done == 2:
            signal.raise_signal(signal.SIGINT)
        return update(self)

    monkeypatch.setattr(Learner, "update", pressed)
    with pytest.raises(KeyboardInterrupt):
        train("two-step", recipe=RECIPE, out=tmp_path / "a", progress=False)
    partial = tmp_path / "a.partial"
    content = bytearray(partial.read_bytes())
    content[place] ^= 1
    partial.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.partial"):
        train("two-step", recipe=RECIPE, out=tmp_path / "a", progress=False)


@pytest.mark.parametrize("kind", ["file", "foreign", "hidden", "here"])
def test_what_is_in_the_way_is_said_before_the_work(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "update", lambda self: pytest.fail("began to train"))
    out = tmp_path / "a"
    if kind == "file":
        out.write_text("thesis")
    elif kind == "here":
        monkeypatch.chdir(tmp_path)
        out = Path()
    else:
        out.mkdir()
        (out / (".keys" if kind == "hidden" else "thesis.txt")).write_text("precious")
    with pytest.raises(InputError, match=r"is a file|holds other files|working directory"):
        train("two-step", recipe=Recipe(n_updates=1, learning_rate=0.1), out=out, progress=False)
