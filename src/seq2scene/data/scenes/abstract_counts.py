"""Checks by counts that a folder of Abstract Scenes is the published one, for which there is no checksum."""

from seq2scene.data.scenes import abstract_files as raw
from seq2scene.data.scenes.abstract_scenes import AbstractScenes
from seq2scene.errors import UserError


def verify_counts(data: AbstractScenes, scenes: int, usable: int, sentences: int) -> str:
    """Compares the numbers of scenes, of usable scenes (with objects and sentences) and of sentences 0 to 2
    of both groups of annotators with the expected ones; returns them in words.

    data: after ``prepare_data``.

    Raises:
        UserError: a number differs, or a file of the folder is missing or damaged.
    """
    known = raw.read_scenes(data.folder / raw.SCENES, "")
    groups = [raw.read_sentences(data.folder / name, known, "") for name in raw.SENTENCES]
    expected = {"scenes": scenes, "usable scenes": usable, "sentences": sentences}
    found = {
        "scenes": len(known),
        "usable scenes": len({scene for split in data.splits.values() for scene in split.numbers}),
        "sentences": sum(len(texts) for group in groups for texts in group.values()),
    }
    for what, number in expected.items():
        if found[what] != number:
            raise UserError(
                f"{data.folder} holds {found[what]:,} {what}, not {number:,}: its files are not the "
                "published ones; move them away and run this again"
            )
    return (
        f"{scenes:,} scenes, {usable:,} of them with objects and sentences; {sentences:,} sentences 0 to 2 "
        "of both groups"
    )
