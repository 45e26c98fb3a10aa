import json

import pytest

from sksubsel.cli._architectures import (
    from_line,
    given_architectures,
    read_architectures,
    to_line,
)
from sksubsel.spaces import DARTS, MLP, NASBench101, NASBench201, Transformer

LIST = '{"ops": ["a", "b"], "edges": [[0, 1]], "attributes": [{"a": []}, {}]}'
SPACES = [NASBench101(), NASBench201(), DARTS(), MLP(), Transformer()]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_lines(space):
    for arch in space.sample(5, random_state=0):
        line = to_line(arch)
        found = from_line(line)
        assert "\n" not in line
        assert found == arch
        assert found.space == arch.space
        assert found.hash == arch.hash


def test_files(tmp_path):
    archs = MLP().sample(3, random_state=0)
    lines = tmp_path / "three.jsonl"
    lines.write_text("\n".join(map(to_line, archs)) + "\n\n")
    one = tmp_path / "one.json"
    one.write_text(json.dumps(json.loads(to_line(archs[0])), indent=2))
    several = tmp_path / "several.json"
    several.write_text(f"[{to_line(archs[1])}, {to_line(archs[2])}]")
    assert read_architectures(lines) == archs
    assert given_architectures([str(one), str(several)]) == archs
    cell = NASBench201().sample(1, random_state=0)[0]
    assert given_architectures([NASBench201().to_string(cell)]) == [cell]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "{}", r"a.jsonl:1 must be an architecture: it must be an object"),
        ("a.jsonl", '{"ops": ["a", "b"], "edges": [[0, 1]], "x": 1}',
         r"'attributes', 'space'.* at most; got .*'x'"),
        ("a.jsonl", '\n{"ops": ["a", "b"], "edges": [[0, 5]]}', "a.jsonl:2 must be"),
        ("a.jsonl", '{"ops": 3, "edges": []}', "ops must be a sequence"),
        ("a.jsonl", LIST, "hashable"),
        ("a.jsonl", "{", "it is no JSON"),
        ("a.json", "[[", "it is no JSON"),
        ("a.json", "[[1]]", r"a.json\[0\] must be an architecture"),
        ("a.json", "[]", "at least one architecture"),
    ],
)  # fmt: skip
def test_wrong_files(name, text, message, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_architectures(path)


def test_neither_file_nor_description():
    with pytest.raises(ValueError, match="--architecture must be a file"):
        given_architectures(["resnet"])
