"""Category search: the same answer however it is made, kept, interrupted or damaged."""

from __future__ import annotations

import json
import multiprocessing

import pytest

from fdsl.errors import DataError
from fdsl.formulas import search


def accepted_by_sum(numbers):
    return numbers % 7 == 3


@pytest.mark.parametrize("cores", [1, 3])
def test_search_does_not_depend_on_workers_or_where_it_stopped(monkeypatch, tmp_path, cores):
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "usable_cores", lambda: cores)
    definition = {"family": "test", "cores": cores}
    monkeypatch.setattr(search, "_found", {})
    assert search.find(definition, accepted_by_sum, 5).tolist() == [3, 10, 17, 24, 31]
    monkeypatch.setattr(search, "_found", {})
    more = search.find(definition, accepted_by_sum, 1000)
    assert more.tolist() == list(range(3, 7000, 7))


def test_a_rule_that_accepts_nothing_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "HOPELESS", 1000)
    with pytest.raises(DataError, match="the rule accepts too few: 0 of 5 categories"):
        search.find({"family": "none"}, lambda numbers: numbers < 0, 5)


def test_an_interrupted_search_keeps_what_it_found(monkeypatch, tmp_path):
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "usable_cores", lambda: 1)

    def interrupted(numbers):
        if numbers[0] >= 1024:
            raise KeyboardInterrupt
        return accepted_by_sum(numbers)

    with pytest.raises(KeyboardInterrupt):
        search.find({"family": "cut"}, interrupted, 1000)
    (file,) = tmp_path.glob("cut-*.json")
    assert json.loads(file.read_text())["tested"] == 1024


def test_a_found_search_is_read_not_repeated(monkeypatch, tmp_path):
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "_found", {})
    search.find({"family": "test"}, accepted_by_sum, 5)
    monkeypatch.setattr(search, "_found", {})

    def never(numbers):
        raise AssertionError("searched again")

    assert len(search.find({"family": "test"}, never, 5)) == 5


@pytest.mark.parametrize("damage", ["", "{", '{"accepted": [1, 2, 3], "tested": 9, "sha256": "no"}', "[]"])
def test_a_damaged_cache_is_found_again(monkeypatch, tmp_path, damage):
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "_found", {})
    search.find({"family": "test"}, accepted_by_sum, 5)
    (file,) = tmp_path.glob("test-*.json")
    file.write_text(damage)
    monkeypatch.setattr(search, "_found", {})
    assert search.find({"family": "test"}, accepted_by_sum, 5).tolist() == [3, 10, 17, 24, 31]
    assert len(json.loads(file.read_text())["accepted"]) >= 5


def _search_in_process(queue, folder):
    import os

    os.environ["FDSL_CACHE"] = folder
    queue.put(search.find({"family": "test"}, accepted_by_sum, 500).tolist())


def test_two_processes_may_search_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_search_in_process, args=(queue, str(tmp_path))) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert found[0] == found[1] == list(range(3, 3500, 7))
    assert len(list(tmp_path.iterdir())) == 1
