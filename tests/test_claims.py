"""claims.json and the referee's table say what the first page's findings say."""

import json
from math import nan

from book import claims
from book.compared import Finding
from tests.test_compared import comparison, finding
from tqttfs_lite.paper import reported


def test_a_claim_is_recorded_with_its_verdict_interval_and_files() -> None:
    judged = finding("+2.5", 2.0, 2.5, 2.4)._replace(files=("runs/a.json", "runs/b.json"))
    (record,) = json.loads(json.dumps([claims.record(judged)]))
    assert (record["paper"], record["seeds"], record["unchanged"]) == (2.5, [3], 0.0)
    assert record["interval_95_percent"] == [*judged.ours.interval]
    assert record["one_more_95_percent"] == [*judged.one_more]
    assert (record["same_direction"], record["same_size"]) == (judged.direction, judged.size)
    assert record["files"] == [*judged.files]


def test_a_difference_has_the_seeds_of_both_sides() -> None:
    judged = Finding("points", "+0.5", comparison((986, 988, 987), (981, 982)).gain, (nan, nan), 2)
    record = claims.record(judged)
    assert record["seeds"] == [3, 2]
    assert "| 3 and 2 |" in claims.table([{**record, "files": [reported.CLAIMS]}])


def test_one_seed_has_no_interval() -> None:
    record = claims.record(finding("+2.5", 2.0))
    assert record["interval_95_percent"] is None
    assert "nan" not in claims.table([{**record, "files": [reported.CLAIMS]}])
