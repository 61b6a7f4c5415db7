"""Variables: ours are replaced by their values, and every other text stays as it is."""

from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain.variables import expanded, named, ours

ENVIRON = {"LEADHAND_A": "1", "LEADHAND_EMPTY": "", "HOME": "/home/ann", "LEADHAND_": "x"}


def test_only_names_that_begin_with_leadhand_are_ours() -> None:
    assert ours("LEADHAND_A")
    assert not any(map(ours, ("HOME", "LEADHAND_", "leadhand_a", "LEADHAND_A:-x", "XLEADHAND_A")))


def test_what_stands_in_braces_is_named_unless_it_is_itself_meant() -> None:
    assert [*named("${A} $${B} ${C:-x} $D ${} ${E")] == ["A", "C:-x", ""]


def test_ours_are_expanded_and_the_rest_is_left() -> None:
    text = "${LEADHAND_A}${LEADHAND_EMPTY} ${HOME} $HOME ${LEADHAND_NONE} ${ LEADHAND_A }"
    assert expanded(text, ENVIRON) == "1 ${HOME} $HOME ${LEADHAND_NONE} ${ LEADHAND_A }"


def test_a_doubled_dollar_before_ours_is_the_text_itself() -> None:
    assert expanded("$${LEADHAND_A} $${HOME}", ENVIRON) == "${LEADHAND_A} $${HOME}"
    assert expanded("$${LEADHAND_A} $${HOME}", ENVIRON, every=True) == "${LEADHAND_A} ${HOME}"


def test_a_value_is_not_expanded_again() -> None:
    assert expanded("${LEADHAND_A}", {"LEADHAND_A": "${LEADHAND_A}$"}) == "${LEADHAND_A}$"


@given(st.text(alphabet="${}LEADHAND_A \n"))
def test_a_text_without_ours_stays_as_it_is(text: str) -> None:
    if not any(map(ours, named(text.replace("$$", "$")))):
        assert expanded(text, ENVIRON) == text
