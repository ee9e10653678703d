"""What can be said of a scene: messages drawn at random from the facts that are true of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from seq2scene.data.park.lexicon import DEFINITE, NOUNS, RESIZABLE, SHARED
from seq2scene.data.park.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.world import BEASTS, CHILDREN, EXPRESSIONS, POSES, Placed, Relation, Scene, names_of

SPATIAL = (
    "next_to",
    "left_of",
    "right_of",
    "in_front_of",
    "behind",
    "under",
    "on",
    "in",
    "above",
    "near",
    "far_from",
)
MOODS = {"angry": "angry", "laugh": "happy", "smile": "happy", "sad": "sad", "surprised": "surprised"}
POSTURES = {"kick": "stand", "arms_out": "stand", "arms_up": "stand", "wave": "stand"}
STANCE = {
    **{"a_0": "stand", "a_1": "sit", "a_2": "sit", "a_3": "stand", "a_4": "sit", "a_5": "lie"},
    **{"s_0": "fly", "s_1": "float", "s_2": "float", "s_3": "shine", "s_4": "float", "s_5": "float"},
    **{"s_6": "fly", "s_7": "fly", "t_9": "float", "t_14": "burn", "p_2": "extend"},
    **dict.fromkeys(("t_1", "t_6", "t_8", "t_10", "e_3", "e_4", "e_6"), "rest_up"),
}
RARE = ("follow", "flee", "fear", "under", "in", "on", "read", "eat", "give", "play", "run_to", "wave")
TIMES = ("now", "today", "morning", "moment")
FRONTS = ("now", "today", "now", "today", "morning", "moment", "park", "picture", "outside")
TAKEN = ("hold", "wear", "kick", "eat", "read", "raise", "give")  # what marks the thing as a child's own


class Teller:
    """The facts of one scene, sorted for telling; every method draws one message, or None if nothing fits."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self.scene, self.rng = scene, rng
        self.children = [thing for thing in scene.things if thing.kind == "child"]
        self.facts: dict[str, list[Relation]] = {}
        for relation in scene.relations:
            if self._sayable(relation):
                self.facts.setdefault(relation.kind, []).append(relation)
        raised = {
            relation.object for kind in ("raise", "eat", "read") for relation in self.facts.get(kind, [])
        }
        self.facts["hold"] = [r for r in self.facts.get("hold", []) if r.object not in raised]

    def _sayable(self, fact: Relation) -> bool:
        """Whoever runs to the left of a tree would be understood to run towards its left."""
        return (
            fact.kind in ("next_to", "near", "behind", "in_front_of")
            or fact.kind not in SPATIAL
            or self._stance(fact.subject) != "run"
        )

    # Mentions

    def mention(self, name: str, definite: float = 0.75) -> Mention:
        """A noun phrase for a thing: its size if it looks big or small, its colour if it has one to tell."""
        if name in CHILDREN and self.rng.random() < 0.85:
            return Mention(name, "name")
        noun, thing = NOUNS[name], self.scene[name] if name in self.scene else None
        fixed = name in CHILDREN or name in DEFINITE
        form = "definite" if fixed or self.rng.random() < definite else "indefinite"
        size = None
        if thing and thing.z != 1 and name in RESIZABLE and self.rng.random() < 0.35:
            size = "big" if thing.z == 0 else "small"
        coloured = noun.colour and (name in SHARED or self.rng.random() < 0.3)
        return Mention(name, form, size, noun.colour if coloured else None)

    def _subject(self, name: str) -> Mention:
        return self.mention(name, 0.5 if name[0] == "s" else 0.8)

    def _stance(self, name: str) -> str:
        thing = self.scene[name]
        if thing.kind == "child":
            pose = POSES[thing.pose]
            return POSTURES.get(pose, pose)
        return STANCE.get(name, "tower" if thing.kind == "large" else "rest")

    # Clauses

    def clause(self, relation: Relation, subject: Mention | None = None) -> Clause:
        """The clause that states a relation."""
        subject = subject or self._subject(relation.subject)
        if relation.kind in SPATIAL:
            anchor = self.mention(relation.object, 0.88)
            return Clause(self._stance(relation.subject), subject, place=Place(relation.kind, anchor))
        often = {"wear": 0.15, "hold": 0.6, "raise": 0.6, "eat": 0.4, "read": 0.4}.get(relation.kind, 0.85)
        recipient = self.mention(relation.recipient) if relation.recipient else None
        return Clause(relation.kind, subject, self.mention(relation.object, often), recipient)

    def relation(self, kinds: Sequence[str] | None = None, subject: str | None = None) -> Relation | None:
        """A fact: first its kind, those that scenes seldom have twice as likely, then one of that kind."""
        left = {
            kind: found
            for kind, facts in self.facts.items()
            if (kinds is None or kind in kinds)
            and (found := [fact for fact in facts if subject in (None, fact.subject)])
        }
        if not left:
            return None
        weights = [2 if kind in RARE else 1 for kind in left]
        return self.rng.choice(left[self.rng.choices(list(left), weights)[0]])

    def state(self, child: Placed, subject: Mention | None = None) -> Clause:
        """What can be said of a child alone: mood, face, bearing."""
        subject = subject or self.mention(child.name)
        mood, pose = EXPRESSIONS[child.expression], POSES[child.pose]
        ways = [Clause("be", subject, adjective=MOODS[mood])]
        ways += [Clause(mood, subject)] if mood in ("laugh", "smile") else []
        ways += [Clause(pose, subject)] if pose in ("run", "sit", "kneel") else []
        busy = any(
            r.object for r in self.facts["hold"] + self.facts.get("raise", []) if r.subject == child.name
        )
        ways += [Clause("cheer", subject)] if pose == "arms_up" and not busy else []
        return self.rng.choice(ways)

    def denial(self, child: Placed, subject: Mention | None = None, kind: str | None = None) -> Clause:
        """Something a child does not wear, hold or feel."""
        subject = subject or self.mention(child.name)
        kind = kind or self.rng.choice(("wear", "hold", "be"))
        if kind == "be":
            moods = sorted({*MOODS.values()} - {MOODS[EXPRESSIONS[child.expression]]})
            return Clause("be", subject, adjective=self.rng.choice(moods), negated=True)
        has = {r.object for r in self.scene.relations if r.subject == child.name and r.kind in TAKEN}
        things = names_of("clothing") if kind == "wear" else names_of("toy", "food")
        there = [name for name in things if name in self.scene and name not in has]
        nouns = {NOUNS[name].english for name in has}
        absent = [
            n for n in things if n not in self.scene and n not in DEFINITE and NOUNS[n].english not in nouns
        ]
        pool = there if there and self.rng.random() < 0.5 else absent
        thing = self.mention(self.rng.choice(pool), 1.0 if pool is there else 0.0)
        return Clause(kind, subject, replace(thing, size=None), negated=True)

    def weather(self) -> Clause | None:
        """The rain or the sunshine, if there is a cloud or a sun to bring it."""
        ways = [Clause("rain", Mention("it", "pronoun"))] * ("s_5" in self.scene)
        ways += [Clause("shine", Mention("s_3"))] * ("s_3" in self.scene)
        return self.rng.choice(ways) if ways else None

    # Messages

    def plain(self) -> Message | None:
        fact = self.relation()
        return Message("plain", (self.clause(fact),)) if fact else None

    def alone(self) -> Message | None:
        child = self.rng.choice(self.children)
        clause = self.rng.choice((self.state, self.denial))(child)
        return Message("plain", (clause,))

    def opened(self) -> Message | None:
        """An adverb first: a time, or the depth at which the subject stands."""
        fact = self.relation()
        if fact is None:
            return None
        thing = self.scene[fact.subject]
        if thing.kind == "large":
            return None
        fronts = list(FRONTS)
        if thing.kind != "sky":
            fronts += {0: ["foreground"] * 2, 1: [], 2: ["background"] * 9}[thing.z]
        return Message("plain", (replace(self.clause(fact), front=self.rng.choice(fronts)),))

    def placed(self) -> Message | None:
        """Where somebody is, said first, and what they do there."""
        kinds = ("hold", "wear", "raise", "eat", "read", "look", "wave", "play", "kick", "give")
        fact = self.relation(kinds)
        where = self.relation(SPATIAL, fact.subject) if fact else None
        if where is None or self.scene[where.object].kind != "large" or fact.object == where.object:
            return None
        front = Place(where.kind, self.mention(where.object, 0.88))
        return Message("plain", (replace(self.clause(fact), front=front),))

    def there(self) -> Message | None:
        facts = [
            fact for kind in SPATIAL for fact in self.facts.get(kind, []) if fact.subject not in CHILDREN
        ]
        facts = [fact for fact in facts if fact.subject not in DEFINITE]
        if not facts:
            return None
        kind = self.rng.choice(sorted({fact.kind for fact in facts}))
        fact = self.rng.choice([fact for fact in facts if fact.kind == kind])
        subject = self.mention(fact.subject, 0.0)
        return Message("there", (self.clause(fact, subject),))

    def seen(self) -> Message | None:
        fact = self.relation()
        if fact is None:
            return None
        told = (fact.subject, fact.object, fact.recipient)
        watchers = [
            c for c in self.children if c.name not in told and self._faces(c, self.scene[fact.subject])
        ]
        if watchers and self.rng.random() < 0.6:
            watcher = Clause("see", self.mention(self.rng.choice(watchers).name))
            return Message("that", (watcher, self.clause(fact)))
        return Message("seen", (self.clause(fact),))

    def _faces(self, child: Placed, other: Placed) -> bool:
        return child.facing * (other.x - child.x) > 30

    def because(self) -> Message | None:
        """A mood and what may have brought it about."""
        child = self.rng.choice(self.children)
        mood = Clause("be", Mention(child.name, "name"), adjective=MOODS[EXPRESSIONS[child.expression]])
        reason = self._reason(child, mood.adjective)
        return Message("because", (mood, reason)) if reason else None

    def _reason(self, child: Placed, mood: str) -> Clause | None:
        own, others = Mention(child.name, "pronoun"), [c for c in self.children if c is not child]
        gains = ("hold", "raise", "wear", "eat", "read", "play", "give", "kick")
        if mood in ("sad", "angry"):
            if "s_5" in self.scene and self.rng.random() < 0.5:
                return Clause("rain", Mention("it", "pronoun"))
            lack = self.denial(child, own)
            fact = self.relation(gains, others[0].name) if others else None
            if fact and fact.recipient is None and self.rng.random() < 0.5:
                return self.clause(fact)
            return lack if lack.object else None
        if mood == "surprised":
            fact = self.relation(("next_to", "behind", "in_front_of", "above", "look", "in", "on"))
            kind = self.scene[fact.subject].kind if fact else None
            return self.clause(fact) if kind in ("animal", "sky") and fact.object != child.name else None
        if "s_3" in self.scene and self.rng.random() < 0.5:
            return Clause("shine", Mention("s_3"))
        fact = self.relation(gains, child.name)
        return self.clause(fact, own) if fact else None

    def described(self) -> Message | None:
        """A thing with a relative clause that says which, as the subject or the object of the main clause."""
        fact, which = self.relation(), self.relation()
        if fact is None or which is None or fact == which:
            return None
        if fact.subject == which.subject and fact.object != which.object and fact.subject != "s_3":
            head = replace(self._subject(fact.subject), form="definite")
            if fact.kind == which.kind or {fact.kind, which.kind} <= set(SPATIAL):
                return None
            if {fact.recipient, which.recipient} & {fact.object, which.object}:
                return None
            head = replace(head, relative=self.clause(which, Mention(fact.subject, "gap")))
            return Message("plain", (self.clause(fact, head),))
        if fact.object == which.subject and which.object != fact.subject and fact.object != "s_3":
            clause = self.clause(fact)
            thing = clause.object or clause.place.anchor
            if clause.recipient or which.recipient or thing.form == "name" and thing.name in CHILDREN:
                return None
            thing = replace(thing, form="definite", relative=self.clause(which, Mention(thing.name, "gap")))
            if clause.object:
                return Message("plain", (replace(clause, object=thing),))
            return Message("plain", (replace(clause, place=replace(clause.place, anchor=thing)),))
        return None

    def owned(self) -> Message | None:
        """A thing that a child has, with a relative clause of which it is the object: where it is, or its colour."""
        which = self.relation(("hold", "raise", "wear", "look", "eat", "read", "follow"))
        if which is None or which.object in (*CHILDREN, *DEFINITE):
            return None
        gap = Mention(which.object, "gap")
        inner = replace(self.clause(which), object=gap)
        head = replace(self.mention(which.object, 1.0), relative=inner)
        colour = NOUNS[which.object].colour
        facts = [
            f for f in self.scene.relations if which.object in (f.subject, f.object) and f.kind != which.kind
        ]
        facts = [
            f for f in facts if f.kind in ("look", *SPATIAL) and which.subject not in (f.subject, f.object)
        ]
        if facts and (not colour or self.rng.random() < 0.7):
            return self._with_head(self.rng.choice(facts), head)
        if colour and which.object not in SHARED:
            head = replace(head, colour=None)
            return Message("plain", (Clause("be", head, adjective=colour),))
        return None

    def _with_head(self, fact: Relation, head: Mention) -> Message:
        if fact.subject == head.name:
            return Message("plain", (self.clause(fact, head),))
        clause = self.clause(fact)
        if clause.object:
            return Message("plain", (replace(clause, object=head),))
        return Message("plain", (replace(clause, place=replace(clause.place, anchor=head)),))

    def coloured(self) -> Message | None:
        """The colour of a thing, and then a pronoun for it: who holds it, looks at it, waves at it."""
        fact = self.relation(("hold", "raise", "wear", "look", "wave", "read", "follow"))
        if fact is None or fact.object in CHILDREN or not NOUNS[fact.object].colour or fact.object in SHARED:
            return None
        head = replace(self.mention(fact.object, 1.0), colour=None)
        again = replace(self.clause(fact), object=Mention(fact.object, "pronoun"))
        return Message("and", (Clause("be", head, adjective=NOUNS[fact.object].colour), again))

    def again(self) -> Message | None:
        """Where a thing or child is, and a pronoun for it in what another does."""
        fact = self.relation(("look", "wave", "give"))
        if fact is None:
            return None
        name = fact.recipient or fact.object
        where = self.relation(SPATIAL, name)
        if where is None or where.object == fact.subject:
            return None
        first, second = self.clause(where, self.mention(name, 1.0)), self.clause(fact)
        if name in CHILDREN:
            first = replace(first, subject=Mention(name, "name"))
        slot = "recipient" if fact.recipient else "object"
        return Message("and", (first, replace(second, **{slot: Mention(name, "pronoun")})))

    def twice(self) -> Message | None:
        """Two things one child does, the subject said once."""
        child = self.rng.choice(self.children)
        one, two = self.relation(subject=child.name), self.relation(subject=child.name)
        if one is None or two is None or one.kind == two.kind or two.kind in SPATIAL:
            return None
        if {one.object, one.recipient} & {two.object, two.recipient} - {None}:
            return None
        first = self.clause(one)
        return Message("same", (first, self.clause(two, first.subject)))

    def meanwhile(self) -> Message | None:
        """What the two children do at the same time, or one of them while it rains or the sun shines."""
        one, two = self.rng.sample(self.children, 2) if len(self.children) == 2 else self.children * 2
        weather = self.weather() if self.rng.random() < 0.4 else None
        facts = [self.relation(subject=one.name), self.relation(subject=two.name)]
        if facts[1] is None or (weather is None and (facts[0] is None or one is two)):
            return None
        if weather is None and ({one.name, facts[0].object} & {facts[1].object, facts[1].recipient}):
            return None
        first = weather or self.clause(facts[0])
        return Message(self.rng.choice(("while", "while_first")), (first, self.clause(facts[1])))

    def unlike(self) -> Message | None:
        """What one child holds, wears or feels and the other does not."""
        if len(self.children) < 2:
            return None
        one, two = self.rng.sample(self.children, 2)
        fact = self.relation(("hold", "wear"), one.name)
        if fact is None or self.rng.random() < 0.2:
            mood, other = (MOODS[EXPRESSIONS[child.expression]] for child in (one, two))
            feels, lacks = Clause("be", self.mention(one.name), adjective=mood), self.mention(two.name)
            return (
                None
                if mood == other
                else Message("but", (feels, Clause("be", lacks, None, None, None, mood, True)))
            )
        first, second = self.clause(fact), self.denial(two, kind=fact.kind)
        if self.rng.random() < 0.5 and not self._has_like(two, fact.object):
            second = replace(second, object=Mention(fact.object, "pronoun"))
        return Message("but", (first, second))

    def _has_like(self, child: Placed, name: str) -> bool:
        return any(r.subject == child.name and r.object == name for r in self.scene.relations)

    def together(self) -> Message | None:
        """What holds of both children."""
        if len(self.children) < 2:
            return None
        ways = self._shared_states() + self._shared_facts()
        if not ways:
            return None
        front = self.rng.choice((None, None, None, None, *TIMES))
        return Message("plain", (replace(self.rng.choice(ways), front=front),))

    def _shared_states(self) -> list[Clause]:
        both = Mention("both", "name")
        moods = {MOODS[EXPRESSIONS[child.expression]] for child in self.children}
        poses = {POSES[child.pose] for child in self.children}
        ways = [Clause("be", both, adjective=mood) for mood in moods if len(moods) == 1]
        return ways + [Clause(p, both) for p in poses if len(poses) == 1 and p in ("run", "sit", "kneel")]

    def _shared_facts(self) -> list[Clause]:
        one, two = (
            {(f.kind, f.object): f for f in self._facts_of(c) if not f.recipient} for c in self.children
        )
        alike = len({self._stance(child.name) for child in self.children}) == 1
        both = Mention("both", "name")
        return [
            self.clause(fact, both)
            for key, fact in one.items()
            if key in two and (alike or key[0] not in SPATIAL)
        ]

    def _facts_of(self, child: Placed) -> list[Relation]:
        return [fact for facts in self.facts.values() for fact in facts if fact.subject == child.name]


WAYS: dict[Callable[[Teller], Message | None], int] = {
    Teller.plain: 8,
    Teller.alone: 5,
    Teller.opened: 8,
    Teller.placed: 6,
    Teller.there: 6,
    Teller.seen: 6,
    Teller.because: 6,
    Teller.described: 20,
    Teller.owned: 6,
    Teller.coloured: 3,
    Teller.again: 6,
    Teller.twice: 6,
    Teller.meanwhile: 8,
    Teller.unlike: 4,
    Teller.together: 6,
}


def tell(scene: Scene, rng: Random, count: int) -> list[Message]:
    """``count`` different messages about a scene, all true of it."""
    teller, found = Teller(scene, rng), []
    while len(found) < count:
        way = rng.choices(list(WAYS), list(WAYS.values()))[0]
        message = way(teller)
        if message and message not in found:
            found.append(message)
    return found
