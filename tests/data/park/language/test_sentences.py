"""The grammars: agreement, word order, alignment, said as golden sentences of given meanings."""

import pytest

from seq2scene.data.park.language.grammar import links, text, words_of
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place

MIKE, JENNY = Mention("hb0", "name"), Mention("hb1", "name")
BOTH = Mention("both", "name")


def plain(*args, **kwargs) -> Message:
    return Message("plain", (Clause(*args, **kwargs),))


def assert_reads(message: Message, english: str, german: str, french: str) -> None:
    assert text(message, "en") == english
    assert text(message, "de") == german
    assert text(message, "fr") == french


def test_articles_and_adjectives_agree_with_the_noun_in_an_object():
    kite = Mention("t_13", "indefinite", colour="green")
    assert_reads(
        plain("hold", MIKE, kite),
        "Mike is holding a green kite.",
        "Mike hält einen grünen Drachen.",
        "Mike tient un cerf-volant vert.",
    )
    boat = Mention("t_3", "indefinite", size="small", colour="white")
    assert_reads(
        plain("hold", JENNY, boat),
        "Jenny is holding a small white boat.",
        "Jenny hält ein kleines weißes Boot.",
        "Jenny tient un petit bateau blanc.",
    )


@pytest.mark.parametrize(
    ("name", "form", "german", "french"),
    [
        ("a_0", "definite", "neben dem braunen Bären", "à côté de l'ours brun"),
        ("a_0", "indefinite", "neben einem braunen Bären", "à côté d'un ours brun"),
        ("p_5", "definite", "neben dem blauen Zelt", "à côté de la tente bleue"),
        ("p_1", "indefinite", "neben einer roten Rutsche", "à côté d'un toboggan rouge"),
        ("t_9", "definite", "neben den roten Luftballons", "à côté des ballons rouges"),
        ("a_4", "definite", "neben der braunen Eule", "à côté du hibou brun"),
    ],
)
def test_a_place_puts_german_into_the_dative_and_contracts_french(name, form, german, french):
    colour = {"a_0": "brown", "p_5": "blue", "p_1": "red", "t_9": "red", "a_4": "brown"}[name]
    message = plain("stand", MIKE, place=Place("next_to", Mention(name, form, colour=colour)))
    assert text(message, "de") == f"Mike steht {german}."
    assert text(message, "fr") == f"Mike se tient {french}."


@pytest.mark.parametrize(
    ("relation", "name", "german", "french"),
    [
        ("in", "p_2", "im Sandkasten", "dans le bac à sable"),
        ("left_of", "p_8", "links vom Baum", "à gauche de l'arbre"),
        ("near", "p_3", "nahe beim Grill", "près du barbecue"),
    ],
)
def test_prepositions_and_articles_melt(relation, name, german, french):
    message = plain("kneel", JENNY, place=Place(relation, Mention(name)))
    assert text(message, "de") == f"Jenny kniet {german}."
    assert text(message, "fr") == f"Jenny est à genoux {french}."


def test_running_to_melts_by_gender():
    assert text(plain("run_to", MIKE, Mention("p_8")), "de") == "Mike rennt zum Baum."
    assert text(plain("run_to", MIKE, Mention("p_1")), "de") == "Mike rennt zur Rutsche."


def test_a_separable_verb_splits_in_a_main_clause_and_joins_at_the_end_of_another():
    wave = Clause("wave", MIKE, Mention("a_0"))
    assert_reads(
        Message("plain", (wave,)),
        "Mike is waving at the bear.",
        "Mike winkt dem Bären zu.",
        "Mike fait signe à l'ours.",
    )
    assert_reads(
        Message("that", (Clause("see", JENNY), wave)),
        "Jenny can see that Mike is waving at the bear.",
        "Jenny sieht, dass Mike dem Bären zuwinkt.",
        "Jenny voit que Mike fait signe à l'ours.",
    )


def test_what_is_said_first_moves_the_german_subject_behind_the_verb():
    clause = Clause("look", JENNY, Mention("s_0"), front="now")
    assert_reads(
        Message("plain", (clause,)),
        "Now Jenny is looking at the helicopter.",
        "Jetzt sieht Jenny den Hubschrauber an.",
        "Maintenant, Jenny regarde l'hélicoptère.",
    )
    assert_reads(
        Message("while_first", (Clause("rain", Mention("it", "pronoun")), Clause("laugh", JENNY))),
        "While it is raining, Jenny is laughing.",
        "Während es regnet, lacht Jenny.",
        "Pendant qu'il pleut, Jenny rit.",
    )


def test_there_is_turns_the_german_clause_round():
    dog = Mention("a_2", "indefinite", size="big")
    message = Message("there", (Clause("sit", dog, place=Place("behind", Mention("p_7"))),))
    assert_reads(
        message,
        "There is a big dog behind the fir tree.",
        "Hinter der Tanne sitzt ein großer Hund.",
        "Il y a un grand chien derrière le sapin.",
    )


def test_negation_uses_kein_and_pas_de_for_indefinite_objects_and_surrounds_the_french_verb():
    assert_reads(
        plain("wear", JENNY, Mention("c_8", "indefinite"), negated=True),
        "Jenny is not wearing glasses.",
        "Jenny trägt keine Brille.",
        "Jenny ne porte pas de lunettes.",
    )
    assert_reads(
        plain("hold", MIKE, Mention("t_9", "indefinite", colour="red"), negated=True),
        "Mike is not holding red balloons.",
        "Mike hält keine roten Luftballons.",
        "Mike ne tient pas de ballons rouges.",
    )
    assert_reads(
        plain("hold", MIKE, Mention("t_0", colour="red"), negated=True),
        "Mike is not holding the red ball.",
        "Mike hält den roten Ball nicht.",
        "Mike ne tient pas la balle rouge.",
    )
    assert_reads(
        plain("be", JENNY, adjective="happy", negated=True),
        "Jenny is not happy.",
        "Jenny ist nicht froh.",
        "Jenny n'est pas contente.",
    )


def test_pronouns_agree_and_stand_before_the_french_verb():
    lacks = Clause("wear", MIKE, Mention("c_1", "pronoun"), negated=True)
    assert_reads(
        Message("but", (Clause("wear", JENNY, Mention("c_1", "indefinite")), lacks)),
        "Jenny is wearing a crown, but Mike is not wearing it.",
        "Jenny trägt eine Krone, aber Mike trägt sie nicht.",
        "Jenny porte une couronne, mais Mike ne la porte pas.",
    )
    gift = Clause("give", MIKE, Mention("t_10"), Mention("hb1", "pronoun"))
    assert_reads(
        Message("and", (Clause("run", JENNY), gift)),
        "Jenny is running, and Mike is giving the flower to her.",
        "Jenny rennt und Mike gibt ihr die Blume.",
        "Jenny court et Mike lui donne la fleur.",
    )


def test_because_puts_the_german_verb_last_and_elides_in_french():
    reason = Clause("raise", Mention("hb1", "pronoun"), Mention("t_7"))
    assert_reads(
        Message("because", (Clause("be", JENNY, adjective="happy"), reason)),
        "Jenny is happy because she is holding up the frisbee.",
        "Jenny ist froh, weil sie das Frisbee hochhält.",
        "Jenny est contente parce qu'elle tient le frisbee en l'air.",
    )


def test_relative_pronouns_agree_with_the_noun_and_take_the_case_of_the_gap():
    sits = Clause("sit", Mention("a_2", "gap"), place=Place("next_to", Mention("p_8")))
    assert_reads(
        plain("look", JENNY, Mention("a_2", relative=sits)),
        "Jenny is looking at the dog that is sitting next to the tree.",
        "Jenny sieht den Hund an, der neben dem Baum sitzt.",
        "Jenny regarde le chien qui est assis à côté de l'arbre.",
    )
    holds = Clause("hold", MIKE, Mention("t_13", "gap"))
    assert_reads(
        plain("be", Mention("t_13", relative=holds), adjective="green"),
        "The kite that Mike is holding is green.",
        "Der Drachen, den Mike hält, ist grün.",
        "Le cerf-volant que Mike tient est vert.",
    )
    follows = Clause("follow", Mention("a_3"), Mention("hb1", "gap"))
    assert (
        text(plain("laugh", Mention("hb1", relative=follows)), "de")
        == "Das Mädchen, dem die Ente folgt, lacht."
    )


def test_an_article_that_points_to_a_relative_clause_is_not_contracted_in_german():
    stands = Clause("stand", Mention("a_0", "gap"), place=Place("left_of", Mention("p_3")))
    message = plain("run_to", MIKE, Mention("a_0", relative=stands))
    assert text(message, "de") == "Mike rennt zu dem Bären, der links vom Grill steht."
    assert text(message, "fr") == "Mike court vers l'ours qui se tient à gauche du barbecue."


def test_two_children_take_plural_verbs_and_adjectives():
    assert_reads(
        plain("be", BOTH, adjective="sad", front="today"),
        "Today Mike and Jenny are sad.",
        "Heute sind Mike und Jenny traurig.",
        "Aujourd'hui, Mike et Jenny sont tristes.",
    )


def test_english_writes_an_before_a_vowel():
    assert text(plain("look", MIKE, Mention("a_4", "indefinite")), "en") == "Mike is looking at an owl."
    assert (
        text(plain("look", MIKE, Mention("a_4", "indefinite", "big")), "en")
        == "Mike is looking at a big owl."
    )


def test_the_alignment_joins_words_of_the_same_meaning_and_crosses():
    message = plain("wave", MIKE, Mention("a_0"), front="now")
    english = [word.text for word in words_of(message, "en")]
    german = [word.text for word in words_of(message, "de")]
    pairs = {(english[i], german[j]) for i, j in links(message, "en", "de")}
    assert pairs == {
        *{("Now", "Jetzt"), ("Mike", "Mike"), ("the", "dem"), ("bear", "Bären"), (".", ".")},
        *{(one, other) for one in ("is", "waving", "at") for other in ("winkt", "zu")},
    }
