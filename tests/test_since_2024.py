"""The chapter on other works shows every row of its tables, and ours from the results."""

from book import since_2024
from tqttfs_lite.experiments import checkpoints
from tqttfs_lite.paper import reported, seed_statistics


def test_every_row_is_on_the_page_and_says_what_was_read_of_the_work() -> None:
    groups = seed_statistics.released()
    table = since_2024.networks_table(groups)
    assert table.count("{cite:t}") == len(reported.since_2024())
    assert {said.theme for said in reported.statements()} == set(since_2024.THEMES)
    shown = sum(since_2024.statements_table(theme).count("{cite:t}") for theme in since_2024.THEMES)
    assert shown == len(reported.statements())
    read = {row.read for row in (*reported.since_2024(), *reported.statements())}
    assert read <= {"slides", "paper", "abstract", "documentation", "second hand"}


def test_ours_stand_with_silence_steps_and_the_weights_of_their_checkpoints() -> None:
    groups = seed_statistics.released()
    table = since_2024.networks_table(groups)
    for group in since_2024.ours(groups):
        stored = group.results[0]
        tensors, _ = checkpoints.read_tensors(stored.checkpoint, stored.checkpoint_sha256)
        weights = sum(tensor.numel() for tensor in tensors.values())
        assert f"| {group.silent.mean:.1f} | {stored.config.time_steps} | {weights:,} |" in table
        assert group.accuracy.text(2) in table
