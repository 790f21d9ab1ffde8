"""The automaton of the gaze against a plain simulation, and what a known player makes of it."""

from __future__ import annotations

import pytest
import torch

from neuro_metarl.tasks.gaze import (
    CHOSE_LEFT,
    CHOSE_RIGHT,
    CROSS,
    FIXATED,
    NOTHING,
    OVER,
    PICTURES,
    GazeRules,
)

RULES = [GazeRules(2, 2, 1, 2), GazeRules(1, 1, 1, 4), GazeRules(0, 3, 1, 1), GazeRules(4, 1, 2, 0)]
LEFT, RIGHT, STAY = range(3)


class Plain:
    """The rules once more, told in words rather than in a table."""

    def __init__(self, rules: GazeRules) -> None:
        self.rules, self.gaze, self.moved = rules, 0, 0
        self.blank, self.looked, self.shown = rules.n_blank, 0, False

    def step(self, action: int) -> int:
        want = {LEFT: -1, RIGHT: 1}.get(action)
        if want is None:
            by = {2: 1, -2: -1}.get(self.moved, 0)
        else:
            by = 2 * want if self.moved in (want, 2 * want) else want
        before, self.gaze = self.gaze, min(7, max(-7, self.gaze + by))
        self.moved = self.gaze - before
        if self.blank:
            self.blank -= 1
        elif not self.shown:
            self.looked = self.looked + 1 if abs(self.gaze) <= self.rules.fixation_tolerance else 0
            if self.looked == self.rules.n_fixation:
                self.shown = True
                return FIXATED
        else:
            for side, event in ((-6, CHOSE_LEFT), (6, CHOSE_RIGHT)):
                if abs(self.gaze - side) <= self.rules.choice_tolerance:
                    self.blank, self.looked, self.shown = self.rules.n_blank, 0, False
                    return event
        return NOTHING


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_table_does_what_the_rules_say(rules: GazeRules, seed: int) -> None:
    """Actions come in runs, so that every phase is reached."""
    generator = torch.Generator().manual_seed(seed)
    runs = torch.randint(3, (1000,), generator=generator).repeat_interleave(
        torch.randint(1, 6, (1000,), generator=generator)
    )
    table, state, plain = rules.table(), torch.tensor(rules.first), Plain(rules)
    seen = set()
    for action in runs.tolist():
        packed = table[state, action]
        state = packed // 4
        assert int(packed % 4) == plain.step(action)
        assert int(rules.gaze(state)) == plain.gaze
        assert int(rules.velocity(state)) == plain.moved
        seen.add((int(rules.phase(state)), int(packed % 4)))
    assert {event for _, event in seen} == {NOTHING, FIXATED, CHOSE_LEFT, CHOSE_RIGHT}


def walk(rules: GazeRules, state: int, actions: list[int]) -> tuple[list[int], int]:
    table, gazes, event = rules.table(), [], NOTHING
    for action in actions:
        packed = table[state, action]
        state, event = int(packed // 4), int(packed % 4)
        gazes.append(int(rules.gaze(packed // 4)))
    return gazes, event


def test_three_presses_choose_and_one_or_two_in_the_easy_form() -> None:
    rules = RULES[0]
    middle = rules.number(PICTURES, 0, 0, 0)
    assert walk(rules, middle, [RIGHT] * 2) == ([1, 3], NOTHING)
    assert walk(rules, middle, [RIGHT] * 3) == ([1, 3, 5], CHOSE_RIGHT)
    assert walk(rules, middle, [LEFT] * 3) == ([-1, -3, -5], CHOSE_LEFT)
    easy = RULES[1]
    assert walk(easy, easy.number(PICTURES, 0, 1, 1), [RIGHT])[1] == CHOSE_RIGHT
    assert walk(easy, easy.number(PICTURES, 0, 0, 0), [LEFT] * 2)[1] == CHOSE_LEFT


def test_the_gaze_drifts_on_turns_at_once_and_stops_at_the_ends() -> None:
    rules = RULES[0]
    cross = rules.number(CROSS, 0, 0, 0)
    assert walk(rules, cross, [RIGHT, RIGHT, STAY, STAY])[0] == [1, 3, 4, 4]
    assert walk(rules, cross, [RIGHT, RIGHT, LEFT, LEFT])[0] == [1, 3, 2, 0]
    assert walk(rules, cross, [LEFT] * 5 + [STAY])[0] == [-1, -3, -5, -7, -7, -7]


def test_what_is_over_stays_over() -> None:
    rules = RULES[0]
    table = rules.table()
    assert len(table) == rules.over + 1
    assert table[rules.over].tolist() == [4 * rules.over] * 3
    assert int(rules.phase(torch.tensor(rules.over))) == OVER
    assert rules.phase(table[: rules.over] // 4).max() < OVER
