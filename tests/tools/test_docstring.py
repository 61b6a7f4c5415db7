"""Docstring: the first part and the parameters, in the two styles that people write."""

from hypothesis import given
from hypothesis import strategies as st

from leadhand.tools.docstring import Doc, read

GOOGLE = """Look a city up.

    It may take a while:
    the map is large.

    Args:
        city: Its name,
            as people say it.
        days (int, optional): How many; see also: weeks.
        **more: Whatever else.

    Returns:
        text: not a parameter.
"""
REST = """Look a city up.

    :param city: Its name,
        as people say it.
    :param int days: How many.
    :type days: int
    :returns: text
        on two lines.
"""


def test_the_sections_of_google_style_are_read() -> None:
    assert read(GOOGLE) == Doc(
        "Look a city up.\n\nIt may take a while:\nthe map is large.",
        {
            "city": "Its name, as people say it.",
            "days": "How many; see also: weeks.",
            "more": "Whatever else.",
        },
    )


def test_the_fields_of_rest_style_are_read() -> None:
    found = read(REST)
    assert found == Doc(
        "Look a city up.", {"city": "Its name, as people say it.", "days": "How many."}
    )


def test_a_line_that_ends_in_a_colon_is_no_section_unless_it_names_one() -> None:
    text = "Do this:\n\nWith care: always.\n\nArgs:\n    a: One.\n\nOn the left margin again."
    assert read(text) == Doc("Do this:\n\nWith care: always.", {"a": "One."})


def test_a_docstring_without_sections_is_all_text() -> None:
    assert read("Count.") == Doc("Count.", {})
    assert read("") == Doc("", {})


@given(st.text(st.sampled_from("abc: \n\t()*:param Args:")))
def test_any_docstring_is_read(text: str) -> None:
    found = read(text)
    assert all("\n" not in each for each in found.parameters.values())
