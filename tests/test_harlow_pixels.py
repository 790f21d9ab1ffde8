"""Learning sets on a screen: what is rendered, what is paid, what known players earn."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from neuro_metarl.agents.encoder import Encoder
from neuro_metarl.agents.zoo import load_agents, untrained
from neuro_metarl.errors import InputError
from neuro_metarl.recording import record
from neuro_metarl.tasks import make_task
from neuro_metarl.tasks.base import VisualTask
from neuro_metarl.tasks.gaze import BLANK, CROSS, PICTURES
from neuro_metarl.tasks.harlow_pixels import PIXEL_FORMS, GazeWorld, HarlowPixels
from neuro_metarl.tasks.pictures import load_pictures, make_pictures

FEW = {"n_pictures": 12}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def form(name: str, **parameters: object) -> HarlowPixels:
    task = make_task(name, **(FEW | parameters))
    assert isinstance(task, HarlowPixels)
    return task


def random_actions(task: HarlowPixels, n: int, seed: int) -> torch.Tensor:
    """Runs of one action in the gaze form, so that choices are made; dims (step, episode)."""
    g = generator(seed + 1000)
    if not task.gaze:
        return torch.randint(2, (task.n_steps, n), generator=g)
    drawn = torch.randint(3, (task.n_steps // 3 + 1, n), generator=g)
    return drawn.repeat_interleave(3, dim=0)[: task.n_steps]


def plain_view(world: GazeWorld, episode: int) -> np.ndarray:
    """Render one episode's view from its state, pixel by pixel, without fields."""
    task = world.task
    size, n = task.picture_size, task.n_pictures
    pictures = load_pictures("generated", size, n, held_out=False).numpy()
    view = np.zeros((3, task.height, task.width), np.float32)
    phase, gaze = int(world.phase[episode]), int(world.gaze[episode])
    trial = min(int(world.trial[episode]), task.n_trials - 1)
    side = int(world.side[trial, episode])

    def put(centre: float, patch: np.ndarray) -> None:
        _, rows, columns = patch.shape
        for y in range(rows):
            for x in range(columns):
                at = (y + (task.height - rows) // 2, int(centre - columns / 2) + x)
                if 0 <= at[1] < task.width:
                    view[:, at[0], at[1]] = patch[:, y, x]

    middle, unit = task.width / 2 - gaze * task.gaze_unit, task.gaze_unit
    if phase == CROSS:
        put(middle, np.full((3, 4 * unit, unit), 0.5))
        put(middle, np.full((3, unit, 4 * unit), 0.5))
    if phase == PICTURES:
        for k, number in enumerate(world.pair[:, episode].tolist()):
            left = (k == 0) == (side == 0)
            put(middle + (-6 if left else 6) * unit, pictures[number] / 255 - 0.5)
    return view


@pytest.mark.parametrize("name", ["harlow-pixels", "harlow-pixels-paper"])
@pytest.mark.parametrize("seed", [0, 1])
def test_views_show_what_the_state_says(name: str, seed: int) -> None:
    task = form(name)
    world = task.start(6, generator(seed))
    assert isinstance(world, GazeWorld)
    shown = set()
    for step, action in enumerate(random_actions(task, 6, seed)):
        if step % 4 == 0:
            for episode, frame in enumerate(world.frames().numpy()):
                assert np.abs(frame - plain_view(world, episode)).max() < 1e-6
                shown.add(int(world.phase[episode]))
        world.step(action)
    assert {BLANK, CROSS, PICTURES} <= shown


@pytest.mark.parametrize("name", PIXEL_FORMS)
def test_frames_are_views_of_the_bank(name: str) -> None:
    task = form(name)
    assert isinstance(task, VisualTask)
    assert task.name == name
    world = task.start(9, generator())
    views = world.bank.views()
    assert views.shape[1:] == task.image_shape
    for action in random_actions(task, 9, 0)[:30]:
        frames = world.frames()
        assert frames.dtype == torch.float32
        assert torch.equal(frames, views[world.seen()])
        world.step(action)


@pytest.mark.parametrize(
    ("name", "kind"), [("harlow-pixels", "small"), ("harlow-pixels-paper", "wide")]
)
def test_fields_convolved_once_give_the_features_of_every_view(name: str, kind: str) -> None:
    """Known to 1e-6 of the features' size; views one column further differ by far more."""
    task = form(name)
    encoder = Encoder(kind, task.image_shape, 16)
    tensors = {k: torch.zeros(shape) for k, shape in encoder.tensors().items()}
    encoder.initialise(tensors, generator())
    bank = task.start(4, generator(1)).bank
    once = encoder.encode_bank(tensors, bank)
    each = encoder.encode(tensors, bank.views())
    scale = float(each.abs().max())
    assert float((once - each).abs().max()) < 2e-6 * scale
    shifted = encoder.encode(tensors, bank.views().roll(1, -1))
    assert float((shifted - each).abs().max()) > 1e-3 * scale


@pytest.mark.parametrize("name", PIXEL_FORMS)
def test_same_seed_same_frames(name: str) -> None:
    task = form(name)
    actions = random_actions(task, 5, 3)[:25]

    def play(seed: int) -> torch.Tensor:
        world = task.start(5, generator(seed))
        frames = []
        for action in actions:
            frames.append(world.frames())
            world.step(action)
        return torch.stack(frames)

    assert torch.equal(play(1), play(1))
    assert not torch.equal(play(1), play(2))


def player(world: GazeWorld, choose: torch.Tensor) -> torch.Tensor:
    """Keep the gaze in the middle, at rest; with pictures, press towards the side to be chosen."""
    after = world.table[world.kind, world.state] // 4
    home = (10 * world.rules.gaze(after).abs() + world.rules.velocity(after).abs()).argmin(1)
    return torch.where(world.phase == PICTURES, choose, home)


def play_perfectly(task: HarlowPixels, n: int, seed: int = 0) -> tuple[GazeWorld, torch.Tensor]:
    """Choose by chance first, then what paid; return what was earned, dims (episode)."""
    world = task.start(n, generator(seed))
    assert isinstance(world, GazeWorld)
    guess = torch.randint(2, (n,), generator=generator(seed + 7))
    known = torch.full((n,), -1)
    total = torch.zeros(n)
    for _ in range(task.n_steps):
        side = world._side_now()
        before = world.trial.clone()
        total += world.step(player(world, torch.where(known < 0, guess, side)))
        known = torch.where(world.trial > before, 1, known)
    return world, total


@pytest.mark.parametrize("name", ["harlow-pixels", "harlow-pixels-paper"])
@pytest.mark.parametrize(("n_trials", "best"), [(10, 9.0), (6, 5.0)])
def test_a_perfect_player_earns_what_it_should(name: str, n_trials: int, best: float) -> None:
    """0 on average for the guess, 1 for each later trial, .2 for each fixation."""
    task = form(name, n_trials=n_trials)
    world, total = play_perfectly(task, 400)
    trials = world.trials()
    assert trials["valid"].eq(1).all()
    correct = trials["correct"].squeeze(1)
    assert correct[1:].eq(1).all()
    assert world.score() == 1
    right = correct[0].float().mean().item()
    assert right == pytest.approx(0.5, abs=4 * 0.5 / 20)
    truth = best - 1 + 2 * correct[0].float() + 0.2 * n_trials
    assert torch.allclose(total, truth, atol=1e-5)
    assert trials["reward"].sum((0, 1)).mean().item() == pytest.approx(best, abs=4 / 20)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scripted_and_random_players_make_this_many_trials(seed: int) -> None:
    """Eleven trials of seven decisions by script; a uniform player two."""
    task = form("harlow-pixels", n_trials=40)
    world, _ = play_perfectly(task, 50, seed)
    made = world.trials()["valid"].sum(0).float()
    assert 11 <= made.min() <= made.max() <= 13
    free = task.start(2000, generator(seed))
    g = generator(seed + 50)
    for _ in range(task.n_steps):
        free.step(torch.randint(3, (2000,), generator=g))
    trials = free.trials()
    assert trials["valid"].sum(0).float().mean().item() == pytest.approx(2.1, abs=0.1)
    n = int(trials["valid"].sum())
    right = (trials["correct"] == 1).sum().item() / n
    assert right == pytest.approx(0.5, abs=4 * 0.5 / n**0.5)


@pytest.mark.parametrize("seed", [0, 1])
def test_trials_and_events_retell_what_happened(seed: int) -> None:
    task = form("harlow-pixels", n_trials=4)
    n = 60
    world = task.start(n, generator(seed))
    assert isinstance(world, GazeWorld)
    phases, rewards = [], []
    for action in random_actions(task, n, seed):
        phases.append(world.phase.clone())
        rewards.append(world.step(action))
    phase, reward = torch.stack(phases), torch.stack(rewards)
    trials, events = world.trials(), world.event_steps()
    assert events.shape == (4, len(task.events), n)
    for episode in range(n):
        paid = [(t, r) for t, r in enumerate(reward[:, episode].tolist()) if abs(r) == 1]
        made = int(trials["valid"][:, 0, episode].sum())
        assert trials["valid"][:, 0, episode].tolist() == [1] * made + [0] * (4 - made)
        assert events[:made, 2, episode].tolist() == [t for t, _ in paid]
        assert trials["reward"][:made, 0, episode].tolist() == [r for _, r in paid]
        for trial, (cross, pictures, choice, outcome) in enumerate(events[..., episode].tolist()):
            for step, what in ((cross, CROSS), (pictures, PICTURES)):
                if step >= 0:
                    assert phase[step, episode] == what
                    assert phase[step - 1, episode] != what
            if trial < made:
                assert cross < pictures <= choice
                assert outcome == (choice + 1 if choice + 1 < task.n_steps else -1)
            else:
                assert choice == outcome == -1
    assert (events >= 0).any(2).all()
    padding = trials["valid"] == 0
    assert padding.any()
    assert trials["choice"][padding].eq(-1).all()
    assert trials["invalid_reason"][padding].eq(1).all()
    assert trials["correct"][~padding].ge(0).all()
    expected = trials["expected_reward"].gather(2, trials["choice"].clamp(min=0).unsqueeze(2))
    assert torch.equal(expected.squeeze(2)[~padding], trials["reward"][~padding])


def test_which_pictures_were_shown_can_be_read_off() -> None:
    task = form("harlow-pixels-direct")
    world = task.start(200, generator())
    for action in random_actions(task, 200, 0):
        world.step(action)
    trials = world.trials()
    pays, other = trials["problem"].squeeze(1) // 12, trials["problem"].squeeze(1) % 12
    assert torch.equal(pays[0], world.pair[0])
    assert torch.equal(other[0], world.pair[1])
    assert (pays != other).all()
    left = torch.where(world.side == 0, pays, other)
    assert torch.equal(trials["stimulus"].squeeze(1), left)
    assert len(pays.unique()) == len(other.unique()) == 12
    assert torch.equal(world.event_steps()[:, 0, 0], torch.arange(6))


def test_direct_choices_pay_by_the_side_that_is_shown() -> None:
    task = form("harlow-pixels-direct")
    world = task.start(300, generator(4))
    pictures = make_pictures(12, 16).float() / 255 - 0.5
    for _ in range(6):
        frames = world.frames()
        pays = pictures[world.pair[0]]
        left = (frames[..., :16] - pays).abs().amax((1, 2, 3)) < 1e-6
        right = (frames[..., -16:] - pays).abs().amax((1, 2, 3)) < 1e-6
        assert (left ^ right).all()
        action = torch.randint(2, (300,))
        assert torch.equal(world.step(action) == 1, torch.where(action == 1, right, left))
    assert world.score() == pytest.approx(0.5, abs=4 * 0.5 / 1500**0.5)


def test_held_out_pictures_are_never_shown_in_training() -> None:
    task = form("harlow-pixels-direct")

    def shown(held_out: bool) -> set[bytes]:
        fields = task.start(300, generator(), held_out=held_out).bank.fields
        return {f.numpy().tobytes() for f in fields[..., :16].contiguous()}

    assert len(shown(False)) == len(shown(True)) == 12
    assert not shown(False) & shown(True)


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for k in range(20):
        rgb = rng.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(rgb).save(tmp_path / f"{k}.png")
    task = form("harlow-pixels", pictures=str(tmp_path))
    world = task.start(5, generator())
    assert float(world.bank.fields[2:].std()) > 0.05
    with pytest.raises(InputError, match="no folder of pictures"):
        form("harlow-pixels", pictures=str(tmp_path / "none")).start(5, generator())


def test_the_first_stage_varies_in_difficulty_and_has_none_before_it() -> None:
    task = form("harlow-pixels", n_trials=40)
    easy = task.easier()
    assert easy is not None
    assert dataclasses.replace(easy, varied=False) == task
    assert [rules.choice_tolerance for rules in easy.rules] == [2, 3, 4]
    assert easy.easier() is None
    assert form("harlow-pixels-direct").easier() is None


@pytest.mark.parametrize("seed", [0, 1])
def test_varied_episodes_go_by_their_own_rules(seed: int) -> None:
    """Each kind makes the trials that a task of its rules alone makes: equal means."""
    task = form("harlow-pixels", n_trials=40, varied="true")
    g = generator(seed)

    def made(one: HarlowPixels) -> torch.Tensor:
        world = one.start(3000, g)
        for _ in range(one.n_steps):
            world.step(torch.randint(3, (3000,), generator=g))
        events = world.event_steps()
        assert (events[:, 1] <= events[:, 2])[events[:, 2] >= 0].all()
        return world.trials()["valid"].sum((0, 1)).double()

    varied = made(task)
    means = []
    for kind, rules in enumerate(task.rules):
        alone = dataclasses.replace(
            task,
            varied=False,
            n_blank=rules.n_blank,
            n_fixation=rules.n_fixation,
            choice_tolerance=rules.choice_tolerance,
        )
        a, b = varied[kind::3], made(alone)
        error = (a.var() / len(a) + b.var() / len(b)) ** 0.5
        assert abs(float(a.mean() - b.mean())) < 4 * float(error)
        means.append(float(b.mean()))
    assert means[0] + 1 < means[1] < means[2] - 1


@pytest.mark.parametrize("name", PIXEL_FORMS)
def test_the_configuration_makes_the_same_task_again(name: str) -> None:
    import json

    task = form(name, balanced="true", reward_wrong="0")
    assert make_task(task.name, **json.loads(task.config)) == task


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"width": 20}, "a screen of 20 x 16 pixels cannot show two pictures of 16"),
        ({"n_steps": 0}, "n_steps is 0, expected a whole number from 1"),
        ({"n_blank": -1}, "n_blank is -1, expected a whole number from 0"),
        ({"n_pictures": 1}, "n_pictures is 1, expected a whole number from 2"),
        ({"choice_tolerance": 5}, "fixating would choose"),
        ({"reward_correct": -1.0}, "expected wrong < correct"),
        ({"gaze": False}, "without gaze a decision is a trial"),
    ],
)
def test_impossible_forms(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HarlowPixels(**parameters)  # type: ignore[arg-type]


def test_trained_agents_choose_what_paid_among_held_out_pictures() -> None:
    """At least .9 from trial 2 on, chance before; a trial that was not reached counts as wrong."""
    agents = load_agents("harlow-pixels")
    cohort = record(agents, n_sessions=300, seed=3, activity=False)
    right = (cohort.correct == 1).groupby("subject").mean("session").isel(trial=slice(6))
    assert len(agents) == 5
    assert int((right.isel(trial=slice(1, 6)).mean("trial") >= 0.9).sum()) >= 4
    assert float(right.isel(trial=0).mean()) == pytest.approx(0.5, abs=4 * 0.5 / 1500**0.5)
    blind = record(untrained(agents, n_agents=2), n_sessions=200, seed=3, activity=False)
    reached = blind.correct.values[blind.valid.values == 1]
    assert float(reached.mean()) == pytest.approx(0.5, abs=4 * 0.5 / len(reached) ** 0.5)
