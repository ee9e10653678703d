"""Archives are unpacked whole, once, and nowhere but under the root."""

import logging
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from seq2scene import unpacking
from seq2scene.data.archives import unpack
from seq2scene.errors import UserError

TEXT = "".join(f"{number}\t0\tMike kicks the ball.\n" for number in range(2000))
FILES = {"set/": "", "set/a.txt": TEXT, "set/Pngs/b.png": "\x89PNG", "set/Pngs/c.png": ""}


def zipped(path: Path, files: dict[str, str]) -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name or ZipInfo(""), text)
    return path


def contents(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_the_single_top_folder_is_left_out(tmp_path):
    archive = zipped(tmp_path / "set.zip", FILES)
    assert unpack(archive, tmp_path / "root") == (3, 0)
    assert contents(tmp_path / "root") == {"a.txt": TEXT, "Pngs/b.png": "\x89PNG", "Pngs/c.png": ""}
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["Pngs", "a.txt"]  # no draft


def test_folders_that_do_not_hold_everything_stay(tmp_path):
    archive = zipped(tmp_path / "set.zip", {"one/a": "1", "two/a": "2"})
    unpack(archive, tmp_path / "root")
    assert contents(tmp_path / "root") == {"one/a": "1", "two/a": "2"}
    archive = zipped(tmp_path / "flat.zip", {"set/a": "1", "set": "2"} | {"b": "3"})
    with pytest.raises(UserError, match="cannot unpack"):  # set is a file and a folder
        unpack(archive, tmp_path / "flat")


def test_what_macos_adds_is_no_data(tmp_path):
    archive = zipped(tmp_path / "set.zip", FILES | {"__MACOSX/set/._a.txt": "?", "__MACOSX/._set": "?"})
    assert unpack(archive, tmp_path / "root") == (3, 0)
    assert "a.txt" in contents(tmp_path / "root")


def test_what_is_whole_is_kept_and_what_is_missing_or_changed_is_unpacked_again(tmp_path, caplog):
    archive, root = zipped(tmp_path / "set.zip", FILES), tmp_path / "root"
    unpack(archive, root)
    (root / "mine.txt").write_text("not of the archive")
    before = (root / "a.txt").stat().st_mtime_ns
    assert unpack(archive, root) == (0, 3)
    assert (root / "a.txt").stat().st_mtime_ns == before
    (root / "Pngs/c.png").unlink()
    (root / "a.txt").write_text(TEXT.replace("0\t0\tMike", "0\t0\tJane", 1))  # of the same size
    with caplog.at_level(logging.WARNING):
        assert unpack(archive, root) == (2, 1)
    assert f"{root / 'a.txt'} is not as in set.zip" in caplog.text and "c.png" not in caplog.text
    assert contents(root) == {"a.txt": TEXT, "Pngs/b.png": "\x89PNG", "Pngs/c.png": ""} | {
        "mine.txt": "not of the archive"
    }


@pytest.mark.parametrize("name", ["", ".", "../a", "set/../../a", "/tmp/a", "set\\..\\..\\a", "C:/a"])
def test_an_entry_that_leaves_the_root_is_refused_before_anything_is_written(tmp_path, name: str):
    archive = zipped(tmp_path / "set.zip", FILES | {name: "evil"})
    with pytest.raises(UserError, match=r"would lie outside .*; nothing was unpacked"):
        unpack(archive, tmp_path / "root")
    assert not (tmp_path / "root").exists() and not (tmp_path / "a").exists()


@pytest.mark.parametrize("damage", ["cut", "byte", "page"])
def test_a_damaged_archive_is_refused_and_leaves_nothing(tmp_path, damage: str):
    archive = zipped(tmp_path / "set.zip", FILES)
    whole = archive.read_bytes()
    inside = whole.index(b"a.txt") + 60
    flipped = bytes([whole[inside] ^ 0xFF])
    archive.write_bytes(
        {
            "cut": whole[:-100],
            "byte": whole[:inside] + flipped + whole[inside + 1 :],
            "page": b"<html>Sign in</html>",
        }[damage]
    )
    with pytest.raises(UserError, match=r"set\.zip cannot be unpacked: .*downloads\.json.* run this again"):
        unpack(archive, tmp_path / "root")
    assert not contents(tmp_path / "root")


def test_an_archive_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"set\.zip: there is no such file"):
        unpack(tmp_path / "set.zip", tmp_path / "root")


def test_links_folders_as_files_and_bombs_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "HARMLESS", 10**5)
    link = ZipInfo("set/link")
    link.external_attr = 0o120777 << 16
    bad = {"a link": (link, "/etc/passwd"), "outside": (".", "a"), "more than 100 times": ("a", "0" * 2**20)}
    for said, (entry, content) in bad.items():
        with ZipFile(tmp_path / "set.zip", "w", ZIP_DEFLATED) as archive:
            archive.writestr(entry, content)
        with pytest.raises(UserError, match=f"set.zip: .*{said}.*nothing was unpacked"):
            unpack(tmp_path / "set.zip", tmp_path / "root")
        assert not (tmp_path / "root").exists()
