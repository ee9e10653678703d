"""The facts of a scene as clauses: what to call a thing; who does, has or lacks what."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from seq2scene.data.park.language.lexicon import DEFINITE, NOUNS, RESIZABLE, SHARED
from seq2scene.data.park.language.meaning import Clause, Mention, Place
from seq2scene.data.park.world import (
    CHILDREN,
    EXPRESSIONS,
    PORTABLE,
    POSES,
    Placed,
    Relation,
    Scene,
    names_of,
)

LEVEL = ("next_to", "near", "behind", "in_front_of")  # relations that a running child can also have
SPATIAL = (*LEVEL, "left_of", "right_of", "under", "on", "in", "above", "far_from")
MOODS = {"angry": "angry", "laugh": "happy", "smile": "happy", "sad": "sad", "surprised": "surprised"}
POSTURES = {"kick": "stand", "arms_out": "stand", "arms_up": "stand", "wave": "stand"}
STANCE = {
    **{"a_0": "stand", "a_1": "sit", "a_2": "sit", "a_3": "stand", "a_4": "sit", "a_5": "lie"},
    **{"s_0": "fly", "s_1": "float", "s_2": "float", "s_3": "shine", "s_4": "float", "s_5": "float"},
    **{"s_6": "fly", "s_7": "fly", "t_9": "float", "t_14": "burn", "p_2": "extend"},
    **dict.fromkeys(("t_1", "t_6", "t_8", "t_10", "e_3", "e_4", "e_6"), "rest_up"),
}
RARE = ("follow", "flee", "fear", "under", "in", "on", "read", "eat", "give", "play", "run_to", "wave")
TAKEN = (
    "hold",
    "wear",
    "kick",
    "eat",
    "read",
    "raise",
    "give",
)  # these mark a thing as a child's own


class Facts:
    """The facts of one scene by kind, and clauses that state them, with wording sampled from ``rng``."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self.scene, self.rng = scene, rng
        self.called: dict[str, str] = {}
        self.children = [thing for thing in scene.things if thing.kind == "child"]
        self.by_kind: dict[str, list[Relation]] = {}
        for relation in scene.relations:
            if self._sayable(relation):
                self.by_kind.setdefault(relation.kind, []).append(relation)
        raised = {fact.object for kind in ("raise", "eat", "read") for fact in self.by_kind.get(kind, [])}
        self.by_kind["hold"] = [r for r in self.by_kind.get("hold", []) if r.object not in raised]

    def _sayable(self, fact: Relation) -> bool:
        """Whether it is unambiguous in words: "runs to the left of a tree" would mean towards its left."""
        return fact.kind in LEVEL or fact.kind not in SPATIAL or self.stance(fact.subject) != "run"

    def begin(self) -> "Facts":
        """Chooses whether the next message calls the children by name or "the boy" and "the girl"."""
        self.called = {name: "name" if self.rng.random() < 0.85 else "definite" for name in CHILDREN}
        return self

    def mention(self, name: str, definite: float = 0.75) -> Mention:
        """A noun phrase for a thing, possibly with its size if it looks big or small, and its colour if it
        has one.
        """
        if name in CHILDREN:
            return Mention(name, self.called[name])
        noun, thing = NOUNS[name], self.scene.get(name)
        form = "definite" if name in DEFINITE or self.rng.random() < definite else "indefinite"
        size = None
        if thing and thing.z != 1 and name in RESIZABLE and self.rng.random() < 0.35:
            size = "big" if thing.z == 0 else "small"
        coloured = noun.colour and (name in SHARED or self.rng.random() < 0.3)
        return Mention(name, form, size, noun.colour if coloured else None)

    def subject_mention(self, name: str) -> Mention:
        """A mention for a subject, rarely indefinite unless it is in the sky."""
        return self.mention(name, 0.5 if name[0] == "s" else 0.8)

    def stance(self, name: str) -> str:
        """The verb that says that a thing is somewhere."""
        thing = self.scene[name]
        if thing.kind == "child":
            pose = POSES[thing.pose]
            return POSTURES.get(pose, pose)
        return STANCE.get(name, "tower" if thing.kind == "large" else "rest")

    def clause(self, relation: Relation, subject: Mention | None = None) -> Clause:
        """The clause that states a relation."""
        subject = subject or self.subject_mention(relation.subject)
        if relation.kind in SPATIAL:
            anchor = self.mention(relation.object, 0.88)
            return Clause(self.stance(relation.subject), subject, place=Place(relation.kind, anchor))
        often = {"wear": 0.15, "hold": 0.6, "raise": 0.6, "eat": 0.4, "read": 0.4}.get(relation.kind, 0.85)
        recipient = self.mention(relation.recipient) if relation.recipient else None
        return Clause(relation.kind, subject, self.mention(relation.object, often), recipient)

    def relation(self, kinds: Sequence[str] | None = None, subject: str | None = None) -> Relation | None:
        """A random fact: first a kind, with rare kinds twice as likely, then one fact of that kind."""
        left = {
            kind: found
            for kind, facts in self.by_kind.items()
            if (kinds is None or kind in kinds)
            and (found := [fact for fact in facts if subject in (None, fact.subject)])
        }
        if not left:
            return None
        weights = [2 if kind in RARE else 1 for kind in left]
        return self.rng.choice(left[self.rng.choices(list(left), weights)[0]])

    def state(self, child: Placed, subject: Mention | None = None) -> Clause:
        """A clause about a child alone: its mood, face or posture."""
        subject = subject or self.mention(child.name)
        mood, pose = EXPRESSIONS[child.expression], POSES[child.pose]
        ways = [Clause("be", subject, adjective=MOODS[mood])]
        ways += [Clause(pose, subject)] if pose in ("run", "sit", "kneel") else []
        return self.rng.choice(ways + self.bearing(child, subject))

    def bearing(self, child: Placed, subject: Mention) -> list[Clause]:
        """Clauses about the face and the arms of a child."""
        mood = EXPRESSIONS[child.expression]
        busy = any(fact.subject == child.name for fact in self.by_kind.get("raise", []))
        found = [Clause(mood, subject)] if mood in ("laugh", "smile") else []
        return found + [Clause("cheer", subject)] * (POSES[child.pose] == "arms_up" and not busy)

    def denial(self, child: Placed, subject: Mention | None = None, kind: str | None = None) -> Clause:
        """A clause about something a child does not wear, hold or feel."""
        subject = subject or self.mention(child.name)
        kind = kind or self.rng.choice(("wear", "hold", "be"))
        if kind == "be":
            moods = sorted({*MOODS.values()} - {MOODS[EXPRESSIONS[child.expression]]})
            return Clause("be", subject, adjective=self.rng.choice(moods), negated=True)
        has = {r.object for r in self.scene.relations if r.subject == child.name and r.kind in TAKEN}
        things = names_of("clothing") if kind == "wear" else PORTABLE
        there = [name for name in things if name in self.scene and name not in has]
        nouns = {NOUNS[name].english for name in has}
        absent = [name for name in things if name not in self.scene and name not in DEFINITE]
        absent = [name for name in absent if NOUNS[name].english not in nouns]
        pool = there if there and self.rng.random() < 0.5 else absent
        thing = self.mention(self.rng.choice(pool), 1.0 if pool is there else 0.0)
        return Clause(kind, subject, replace(thing, size=None), negated=True)

    def weather(self) -> Clause | None:
        """A clause about rain or sunshine, if there is a rain cloud or a sun."""
        ways = [Clause("rain", Mention("it", "pronoun"))] * ("s_5" in self.scene)
        ways += [Clause("shine", Mention("s_3"))] * ("s_3" in self.scene)
        return self.rng.choice(ways) if ways else None
