"""Files appear whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from caloforge.errors import CaloforgeError
from caloforge.files import replaced, write_text, write_together


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def interrupted() -> None:
        with replaced(path) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_an_interrupted_folder_leaves_nothing(tmp_path: Path) -> None:
    def written(breaks: bool) -> None:
        with replaced(tmp_path / "out" / "step-1") as beside:
            beside.mkdir()
            write_text(beside / "a.txt", "whole")
            if breaks:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(breaks=True)
    assert list((tmp_path / "out").iterdir()) == []
    written(breaks=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["step-1"]
    with pytest.raises(CaloforgeError, match="step-1 could not be written"):
        written(breaks=False)


def test_a_folder_that_is_a_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "")
    with pytest.raises(CaloforgeError, match="could not be written"):
        write_text(tmp_path / "file" / "a.txt", "")


def test_files_that_belong_together_change_together(tmp_path: Path) -> None:
    def version(text: bytes, breaks: bool) -> Iterator[tuple[str, bytes]]:
        yield "figures/a.pdf", text
        yield "page.html", text
        if breaks:
            raise KeyboardInterrupt
        yield "results.json", text

    def found() -> dict[str, bytes]:
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    write_together(tmp_path, version(b"old", False))
    old = found()
    assert old == dict.fromkeys(("figures/a.pdf", "page.html", "results.json"), b"old")
    with pytest.raises(KeyboardInterrupt):
        write_together(tmp_path, version(b"new", True))
    assert found() == old and len(list(tmp_path.iterdir())) == 3
    write_together(tmp_path, version(b"new", False))
    assert set(found().values()) == {b"new"}


def test_of_files_that_belong_together_the_one_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    with pytest.raises(CaloforgeError, match="b could not be written"):
        write_together(tmp_path, [("a", b"1"), ("b", b"2"), ("d", b"3")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
