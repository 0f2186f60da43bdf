"""Strict reading of YAML files that users write, with errors reported in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tqttfs_lite.errors import InputError, shortened, shown


def read(path: str | Path, error: type[InputError] = InputError) -> Any:
    """The content of a file; raises `error` if it is missing or not valid YAML."""
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as reason:
        raise error(f"{path} cannot be read: {reason.strerror}") from None
    except yaml.MarkedYAMLError as reason:
        line = reason.problem_mark.line + 1 if reason.problem_mark else 1
        raise error(f"{path} is not valid YAML: {shortened(str(reason.problem))}, line {line}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as reason:  # e.g. bytes that are not text, or 2024-13-01
        raise error(f"{path} is not valid YAML: {shortened(' '.join(str(reason).split()))}") from None


class _Loader(yaml.SafeLoader):
    """YAML without aliases, a few of which can expand to gigabytes, and without repeated keys, which PyYAML accepts."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)  # includes the keys that `<<` merges
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key.value)} appears twice", key.start_mark
                )
        return super().construct_mapping(node, deep)
