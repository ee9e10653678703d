"""What may change when a run is resumed, and what has: nothing that shapes the model, or the meaning of its
words and objects.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from seq2scene.errors import UserError


def words(text: str) -> frozenset[str]:
    """The words of a text, for lists that read as prose."""
    return frozenset(text.split())


# What may change when a run is resumed: these keys and all below them, ...
CHANGE = words(
    "callbacks freeze gallery logger loss monitor name optimizer overwrite paths perceptual published "
    "reports retrieval schedule search seed takes test trainer val_search"
)
# ... for the data what is read and in which order, but not how it is interpreted, ...
DATA = words(
    "batch_by batch_size cache candidates eval_batch_size eval_streams fetch filtered max_length min_area "
    "min_stuff min_thing mix_texts noise overlap park photos pool_batches root seed sources store tests "
    "train transfer val val_images window word_vectors"
)
ANYWHERE = words("dropout implementation output_dropout packing")  # ... and these of a model.
FIXED = {"loss.hard", "schedule.interval", "schedule.mode"}
SHAPING = {"loss", "optimizer", "schedule"}  # their targets must not change either, as they have a state
# Parts whose defaults may have changed since a run began.
DRIFTING = words("loss optimizer schedule search trainer val_search")
SHOWN = 4  # keys listed in a message

ABSENT = "absent"
Differences = dict[str, tuple[Any, Any]]


def find_changes(
    before: Mapping[str, Any], base: Mapping[str, Any], new: Mapping[str, Any], told: Collection[str]
) -> Differences:
    """The values that new overrides change in ``new`` relative to the run's config ``before``.

    base: the config without the new overrides. told: the keys of new overrides, whose changes come first.

    Raises:
        UserError: something that shapes the model has changed, or was not taken from the checkpoint.
    """
    anew = {key: (value_at(before, key, was), now) for key, (was, now) in differences(base, new).items()}
    first = sorted(anew, key=lambda key: not any(f"{key}.".startswith(f"{one}.") for one in told))
    changed = {key: anew[key] for key in first if anew[key][0] != anew[key][1]}
    _refuse_shaping(changed, "cannot change when a run is resumed; leave it out, or train a new model")
    drifted = {
        key: both for key, both in differences(before, base).items() if key not in anew and ABSENT not in both
    }
    _refuse_shaping(drifted, "must be given again")
    return changed


def find_drift(before: Mapping[str, Any], base: Mapping[str, Any]) -> Differences:
    """Training settings in ``before`` that the run's own overrides no longer reproduce, as defaults have
    changed.
    """
    found = differences(before, base)
    return {key: both for key, both in found.items() if key.split(".")[0] in DRIFTING and ABSENT not in both}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Differences:
    """The values in which two configs differ, by dotted key; ABSENT if one lacks the key."""
    ours, theirs = dict(_values(one)), dict(_values(other))
    both = {key: (ours.get(key, ABSENT), theirs.get(key, ABSENT)) for key in {**ours, **theirs}}
    return {key: (was, now) for key, (was, now) in both.items() if was != now}


def _values(config: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested config by their dotted keys."""
    if not isinstance(config, Mapping):
        yield place, config
        return
    for key, value in config.items():
        yield from _values(value, f"{place}.{key}" if place else str(key))


def value_at(config: Any, key: str, otherwise: Any) -> Any:
    """The value at a dotted key."""
    return dict(_values(config)).get(key, otherwise)


def may_change(key: str) -> bool:
    """Whether the value at a dotted key may change when a run is resumed."""
    first, *rest = key.split(".")
    last = rest[-1] if rest else first
    if first in SHAPING and (last == "_target_" or key in FIXED):
        return False
    if first == "data" and rest:
        return (rest[1] if rest[0] == "composites" else rest[0]) in DATA
    return first in CHANGE or last in ANYWHERE


def _refuse_shaping(changed: Differences, why: str) -> None:
    """Raises UserError, ending in ``why``, if anything changed that must not."""
    shaping = {key: both for key, both in changed.items() if not may_change(key)}
    if not shaping:
        return
    shaping = {
        key: both for key, both in shaping.items() if key.removeprefix("data.") not in shaping.keys() - {key}
    }
    told = [f"{key}={now} (the run had {was})" for key, (was, now) in list(shaping.items())[:SHOWN]]
    more = f" and {len(shaping) - SHOWN} more" if len(shaping) > SHOWN else ""
    raise UserError(f"resume: {', '.join(told)}{more}: {why}")


def in_words(changed: Differences) -> list[str]:
    """Changes in words; a new or removed logger, callback or report by name only."""
    told: dict[str, None] = {}
    for key, (was, now) in changed.items():
        parts = key.split(".")
        if parts[0] in ("callbacks", "logger", "reports") and ABSENT in (was, now):
            told[f"{'.'.join(parts[:2])} is {'new' if was == ABSENT else 'gone'}"] = None
        else:
            told[f"{key} {was} -> {now}"] = None
    return list(told)
