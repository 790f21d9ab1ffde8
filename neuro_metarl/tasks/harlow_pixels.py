"""Harlow's learning sets on a screen: two pictures, one of them pays, and a gaze that moves.

The screen is a wide *field*, of which the agent sees a window around its gaze. With gaze, a trial
is: a blank field for some decisions; a cross, until it was looked at for some decisions, which
pays a little; two pictures left and right, until one is looked at, which pays or costs. Which
picture pays stays the same for the episode, its side is random on every trial. In the direct
form the gaze rests in the middle, and one decision, left or right, is a trial.

The gaze moves on a lattice (:mod:`neuro_metarl.tasks.gaze`), so that an episode can only show views
of a few fields: blank, cross, and the two pictures either way round. These are the world's
:class:`~neuro_metarl.tasks.base.Bank`, to be encoded once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from neuro_metarl.errors import InputError
from neuro_metarl.tasks.base import Bank
from neuro_metarl.tasks.gaze import (
    CHOSE_LEFT,
    FIXATED,
    N_GAZES,
    OVER,
    PICTURES,
    REACH,
    TARGET,
    GazeRules,
)
from neuro_metarl.tasks.harlow import check_rewards, draw_sides
from neuro_metarl.tasks.pictures import GENERATED, load_pictures
from neuro_metarl.tasks.screen import Screen

__all__ = ["PIXEL_FORMS", "DirectWorld", "GazeWorld", "HarlowPixels"]

EASY_TOLERANCE = 4
PIXEL_FORMS: dict[str, dict[str, int | bool]] = {
    "harlow-pixels": {},
    "harlow-pixels-direct": {"gaze": False, "n_trials": 6, "n_steps": 6},
    "harlow-pixels-paper": {"width": 84, "height": 84, "picture_size": 34, "gaze_unit": 4},
}


@dataclass(frozen=True)
class HarlowPixels:
    """Two pictures on a screen, new ones in every episode; one of them pays.

    Parameters
    ----------
    gaze
        The agent moves its gaze and first fixates a cross. If not, it chooses directly.
    width, height
        What the agent sees, in pixels.
    picture_size
        Side of a picture in pixels.
    gaze_unit
        The smallest displacement of the gaze in pixels. Pictures are centred six units left and
        right of the cross, and the gaze reaches seven.
    n_trials
        Most trials of an episode, which is one problem.
    n_steps
        Decisions of an episode; the direct form needs one a trial.
    n_blank
        Decisions between a choice and the next cross.
    n_fixation
        Decisions that the cross must be looked at, one after the other.
    fixation_tolerance, choice_tolerance
        How far from the cross, and from a picture's centre, still counts as looking at it; units.
    reward_fixation, reward_correct, reward_wrong
        What fixating, the picture that pays, and the other one give.
    balanced
        The better picture stands as often left as right in every episode.
    varied
        Only a third of the episodes are as hard as the parameters say; a third fixate and choose
        as easily as can be, and a third are in between.
    pictures
        ``"generated"``, or a folder of picture files.
    n_pictures
        Pictures to learn from, and as many that are held out; of a folder, the most of each.

    Raises
    ------
    InputError
        An impossible value, or a screen that cannot show both pictures.

    Notes
    -----
    How the gaze moves: :mod:`neuro_metarl.tasks.gaze`. It stays where it is between trials.

    A perfect agent is right on half of the first trials and on all others: +1 and -1 earn it 9 in
    ten trials, and ten fixations 2 more.

    References
    ----------
    Wang et al. 2016, arXiv:1611.05763, experiment 6; Wang et al. 2018,
    doi:10.1038/s41593-018-0147-8, simulation 5.

    Examples
    --------
    >>> task = HarlowPixels(n_pictures=4)
    >>> world = task.start(5, torch.Generator().manual_seed(0))
    >>> world.frames().shape, world.step(torch.full((5,), 2)).tolist()
    (torch.Size([5, 3, 16, 40]), [0.0, 0.0, 0.0, 0.0, 0.0])
    """

    gaze: bool = True
    width: int = 40
    height: int = 16
    picture_size: int = 16
    gaze_unit: int = 2
    n_trials: int = 10
    n_steps: int = 80
    n_blank: int = 2
    n_fixation: int = 2
    fixation_tolerance: int = 1
    choice_tolerance: int = 2
    reward_fixation: float = 0.2
    reward_correct: float = 1.0
    reward_wrong: float = -1.0
    balanced: bool = False
    varied: bool = False
    pictures: str = GENERATED
    n_pictures: int = 1000

    def __post_init__(self) -> None:
        least = {"n_blank": 0, "fixation_tolerance": 0, "choice_tolerance": 0, "n_pictures": 2}
        for name, value in asdict(self).items():
            if type(value) is int and value < least.get(name, 1):
                raise InputError(
                    f"{name} is {value}, expected a whole number from {least.get(name, 1)}"
                )
        check_rewards(self.reward_correct, self.reward_wrong)
        _ = self.screen
        if not self.gaze and self.n_steps != self.n_trials:
            raise InputError(
                f"n_steps is {self.n_steps} and n_trials {self.n_trials}: without gaze a decision "
                "is a trial, expected equal numbers"
            )
        wide, near = self.rules[-1].choice_tolerance, self.fixation_tolerance
        if wide + near >= TARGET:
            raise InputError(
                f"choice_tolerance is {wide} and fixation_tolerance {near}: fixating would choose; "
                f"expected a sum below {TARGET}"
            )

    @property
    def name(self) -> str:
        """Name of the form."""
        if not self.gaze:
            return "harlow-pixels-direct"
        paper = PIXEL_FORMS["harlow-pixels-paper"]
        same = all(getattr(self, key) == value for key, value in paper.items())
        return "harlow-pixels-paper" if same else "harlow-pixels"

    @property
    def events(self) -> tuple[str, ...]:
        """What a trial has: cross and pictures appear, a choice, and its outcome is seen."""
        return ("cross", "pictures", "choice", "outcome") if self.gaze else ("choice",)

    @property
    def actions(self) -> tuple[str, ...]:
        """Left, right and, with gaze, stay."""
        return ("left", "right", "stay")[: self.n_actions]

    @property
    def n_actions(self) -> int:
        """Three with gaze, else two."""
        return 3 if self.gaze else 2

    @property
    def config(self) -> str:
        """The parameters as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def screen(self) -> Screen:
        """What is drawn, and how large."""
        return Screen(self.width, self.height, self.picture_size, self.gaze_unit)

    @property
    def rules(self) -> tuple[GazeRules, ...]:
        """When a trial goes on, and by what: of each kind of episode, the hardest first."""
        mine = self.n_blank, self.n_fixation, self.fixation_tolerance, self.choice_tolerance
        hard = GazeRules(*mine)
        if not self.varied:
            return (hard,)
        middle, easy = (
            GazeRules(min(1, self.n_blank), 1, mine[2], max(mine[3], tolerance), hard.n_counts)
            for tolerance in (EASY_TOLERANCE - 1, EASY_TOLERANCE)
        )
        return hard, middle, easy

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a view."""
        return (3, self.height, self.width)

    def start(
        self, n_episodes: int, generator: torch.Generator, *, held_out: bool = False
    ) -> GazeWorld | DirectWorld:
        """Draw pictures and sides, and begin.

        Parameters
        ----------
        n_episodes
            Episodes.
        generator
            Random numbers; everything is made on its device.
        held_out
            Use the pictures that training never shows.

        Raises
        ------
        InputError
            The folder of pictures cannot be used.
        """
        world = GazeWorld if self.gaze else DirectWorld
        return world(self, n_episodes, generator, held_out)

    def easier(self) -> HarlowPixels | None:
        """Give the first stage of a curriculum, episodes of varied difficulty; direct: None."""
        return replace(self, varied=True) if self.gaze and not self.varied else None


class _World:
    """What both forms share: which pictures, which side, and what came of the choices."""

    def __init__(
        self, task: HarlowPixels, n_episodes: int, generator: torch.Generator, held_out: bool
    ) -> None:
        self.task, self.n_episodes = task, n_episodes
        device = generator.device
        which = task.pictures, task.picture_size, task.n_pictures
        pictures = load_pictures(*which, held_out=held_out, device=device)
        n = len(pictures)
        uniform = torch.rand(2, n_episodes, generator=generator, dtype=torch.float32, device=device)
        pays = (uniform[0] * n).long().clamp(max=n - 1)
        other = (pays + 1 + (uniform[1] * (n - 1)).long().clamp(max=n - 2)) % n
        self.pair = torch.stack([pays, other])
        self.side = draw_sides(task.n_trials, n_episodes, generator, balanced=task.balanced)
        self.episode = torch.arange(n_episodes, device=device)
        self.bank = self._bank(pictures[self.pair])

    def seen(self) -> Tensor:
        """Say which view each episode sees now, int64, dims (episode)."""
        raise NotImplementedError

    def frames(self) -> Tensor:
        """Render what each episode sees now, dims (episode, channel, height, column)."""
        field, view = self.seen() // len(self.bank.offsets), self.seen() % len(self.bank.offsets)
        first = torch.tensor(self.bank.offsets, device=view.device)[view]
        columns = first[:, None] + torch.arange(self.bank.width, device=view.device)
        return self.bank.fields[field[:, None], :, :, columns].permute(0, 2, 3, 1).contiguous()

    def _bank(self, pairs: Tensor) -> Bank:
        raise NotImplementedError

    def _paid(self, right: Tensor) -> Tensor:
        """Give what the choice of either picture pays, float32."""
        return torch.where(right, self.task.reward_correct, self.task.reward_wrong).float()

    def _chosen(self) -> tuple[Tensor, Tensor]:
        """Give the side chosen, -1 for none, and its step, int64, dims (trial, episode)."""
        raise NotImplementedError

    def trials(self) -> dict[str, Tensor]:
        """Give the cohort's trial variables.

        Returns
        -------
        dict
            ``choice`` (0 left, 1 right), ``reward`` (the pictures', not the fixation's), ``valid,
            invalid_reason, forced, correct``, dims (trial, 1, episode); ``stimulus``, the left
            picture's number in its half of the set, and ``problem``, a number for the pair (the
            better picture's times the pictures in the half, plus the other's);
            ``expected_reward``, dims (trial, 1, side, episode).
        """
        choice, _ = self._chosen()
        valid = choice >= 0
        right = choice == self.side
        reward = self._paid(right)
        left = torch.where(self.side == 0, self.pair[0], self.pair[1])
        problem = (self.pair[0] * self.task.n_pictures + self.pair[1]).expand_as(choice)
        sides = torch.arange(2, device=choice.device).view(1, 2, 1)
        expected = self._paid(sides == self.side[:, None])
        variables = {
            "choice": choice,
            "reward": torch.where(valid, reward, 0.0),
            "valid": valid.long(),
            "invalid_reason": (~valid).long(),
            "forced": torch.zeros_like(choice),
            "correct": torch.where(valid, right.long(), -1),
            "stimulus": torch.where(valid, left, -1),
            "problem": torch.where(valid, problem, -1),
            "expected_reward": expected,
        }
        return {name: value.unsqueeze(1) for name, value in variables.items()}

    def score(self) -> float:
        """Share of correct choices so far, from the second trial on; 0 before there are any."""
        choice, _ = self._chosen()
        right = (choice == self.side)[1:].sum()
        return float(right / (choice[1:] >= 0).sum().clamp(min=1))


class GazeWorld(_World):
    """Episodes in which the gaze moves: an automaton for all but the pictures.

    Parameters
    ----------
    task, n_episodes, generator, held_out
        See :meth:`HarlowPixels.start`.

    Examples
    --------
    >>> world = HarlowPixels(n_pictures=4).start(2, torch.Generator().manual_seed(0))
    >>> for _ in range(3):
    ...     _ = world.step(torch.tensor([0, 1]))
    >>> world.gaze.tolist(), world.phase.tolist()
    ([-5, 5], [1, 1])
    """

    def __init__(
        self, task: HarlowPixels, n_episodes: int, generator: torch.Generator, held_out: bool
    ) -> None:
        super().__init__(task, n_episodes, generator, held_out)
        device = self.episode.device
        self.rules = task.rules[0]
        self.kind = self.episode % len(task.rules)
        self.table = _table(task.rules).to(device)
        self.state = torch.full((n_episodes,), self.rules.first, device=device)
        self.trial = torch.zeros_like(self.episode)
        self.happened: list[Tensor] = []
        events = (self.task.reward_fixation, self.task.reward_wrong, self.task.reward_correct)
        self._pay = torch.tensor((0.0, *events), dtype=torch.float32, device=device)

    @property
    def phase(self) -> Tensor:
        """0 blank, 1 cross, 2 pictures, 3 over (the gaze is then lost); dims (episode)."""
        return self.rules.phase(self.state)

    @property
    def gaze(self) -> Tensor:
        """Where the agent looks, in units right of the middle; dims (episode)."""
        return self.rules.gaze(self.state)

    @property
    def velocity(self) -> Tensor:
        """Last displacement of the gaze, in units; dims (episode)."""
        return self.rules.velocity(self.state)

    def seen(self) -> Tensor:
        """Say which view each episode sees now, int64, dims (episode)."""
        phase = self.phase
        pictures = 2 + 2 * self.episode + self._side_now()
        field = torch.where(phase == PICTURES, pictures, phase % OVER)
        return field * N_GAZES + self.gaze + REACH

    def step(self, action: Tensor) -> Tensor:
        """Move the gaze.

        Parameters
        ----------
        action
            int64, dims (episode): 0 left, 1 right, 2 stay.

        Returns
        -------
        torch.Tensor
            Reward, float32, dims (episode).
        """
        packed = self.table[self.kind, self.state, action]
        happened = packed % 4
        chose = happened >= CHOSE_LEFT
        right = happened - CHOSE_LEFT == self._side_now()
        self.trial = self.trial + chose
        last = chose & (self.trial >= self.task.n_trials)
        self.state = torch.where(last, self.rules.over, packed // 4)
        self.happened.append(happened)
        return self._pay[torch.where(chose, 2 + right.long(), happened)]

    def event_steps(self) -> Tensor:
        """Give the step of each event.

        Returns
        -------
        torch.Tensor
            int64, dims (trial, event, episode): the steps at which the cross and the pictures
            are first seen, the choice is made, and its outcome is first an input; -1 where the
            episode ended before.
        """
        _, chosen = self._chosen()
        happened = torch.stack(self.happened)
        pictures = self._steps_of(happened == FIXATED)
        n = len(happened)
        before = torch.cat([torch.full_like(chosen[:1], -1), chosen[:-1]])
        n_blank = torch.tensor([rules.n_blank for rules in self.task.rules])
        cross = before + 1 + n_blank.to(before.device)[self.kind]
        started = (before >= 0) | (torch.arange(len(before), device=before.device)[:, None] == 0)
        cross = torch.where(started & (cross < n), cross, -1)
        after = [torch.where((s >= 0) & (s + 1 < n), s + 1, -1) for s in (pictures, chosen)]
        return torch.stack([cross, after[0], chosen, after[1]], dim=1)

    def _side_now(self) -> Tensor:
        trial = self.trial.clamp(max=self.task.n_trials - 1)
        return self.side.gather(0, trial[None]).squeeze(0)

    def _steps_of(self, happened: Tensor) -> Tensor:
        """Turn what happened, dims (step, episode), into each trial's step, -1 for none."""
        n_trials = self.task.n_trials
        trial = torch.where(happened, happened.cumsum(0) - 1, n_trials).clamp(max=n_trials)
        steps = torch.full((n_trials + 1, happened.shape[1]), -1, device=happened.device)
        step = torch.arange(len(happened), device=happened.device)[:, None].expand_as(trial)
        return steps.scatter_(0, trial, step)[:-1]

    def _chosen(self) -> tuple[Tensor, Tensor]:
        if not self.happened:
            none = torch.full_like(self.side, -1)
            return none, none
        happened = torch.stack(self.happened)
        steps = self._steps_of(happened >= CHOSE_LEFT)
        choice = happened.gather(0, steps.clamp(min=0)) - CHOSE_LEFT
        return torch.where(steps >= 0, choice, -1), steps

    def _bank(self, pairs: Tensor) -> Bank:
        screen = self.task.screen
        blank_and_cross = screen.fields(2, REACH, pairs.device)
        blank_and_cross[1] = screen.cross(REACH, pairs.device)
        fields = torch.cat([blank_and_cross, screen.two_pictures(pairs, REACH)])
        return Bank(fields, screen.width, screen.offsets(REACH))


class DirectWorld(_World):
    """Episodes in which one decision is a trial, with the gaze at rest.

    Parameters
    ----------
    task, n_episodes, generator, held_out
        See :meth:`HarlowPixels.start`.

    Examples
    --------
    >>> task = HarlowPixels(gaze=False, n_trials=6, n_steps=6, n_pictures=4)
    >>> world = task.start(2, torch.Generator().manual_seed(0))
    >>> reward = world.step(world.side[0])
    >>> reward.tolist()
    [1.0, 1.0]
    """

    def __init__(
        self, task: HarlowPixels, n_episodes: int, generator: torch.Generator, held_out: bool
    ) -> None:
        super().__init__(task, n_episodes, generator, held_out)
        self.choices: list[Tensor] = []

    def seen(self) -> Tensor:
        """Say which view each episode sees now, int64, dims (episode)."""
        return 2 * self.episode + self.side[min(len(self.choices), self.task.n_trials - 1)]

    def step(self, action: Tensor) -> Tensor:
        """Choose.

        Parameters
        ----------
        action
            int64, dims (episode): 0 left, 1 right.

        Returns
        -------
        torch.Tensor
            Reward, float32, dims (episode).
        """
        right = action == self.side[len(self.choices)]
        self.choices.append(action)
        return self._paid(right)

    def event_steps(self) -> Tensor:
        """Give the step of each event, int64, dims (trial, event, episode)."""
        return self._chosen()[1].unsqueeze(1)

    def _chosen(self) -> tuple[Tensor, Tensor]:
        choice, step = torch.full_like(self.side, -1), torch.full_like(self.side, -1)
        for k, action in enumerate(self.choices):
            choice[k], step[k] = action, k
        return choice, step

    def _bank(self, pairs: Tensor) -> Bank:
        return Bank(self.task.screen.two_pictures(pairs, 0), self.task.width, (0,))


@lru_cache(maxsize=32)
def _table(rules: tuple[GazeRules, ...]) -> Tensor:
    """Stack the automata, dims (kind of episode, state, action)."""
    return torch.stack([one.table() for one in rules])
