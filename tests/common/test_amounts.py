import pytest
from hypothesis import given
from hypothesis import strategies as st

from sb3_ext.common.amounts import decimal_sign, read_amount, read_amounts


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5000", 5000),
        ("+5", 5),
        ("-3.5", -3.5),
        ("\u22123,5", -3.5),
        ("(500)", -500),
        ("($1,500.00)", -1500),
        ("-$5", -5),
        ("$-5", -5),
        ("$5,000", 5000),
        ("5.000 €", 5000),
        ("EUR 12.000,00", 12000),
        ("€\u00a012\u202f000,50", 12000.5),
        ("1 234,5", 1234.5),
        ("1'234.50", 1234.5),
        ("1\u2019234.500", 1234.5),
        ("1_000", 1000),
        ("2,000,000", 2e6),
        ("1.000.000", 1e6),
        ("12,34,567.5", 1234567.5),
        ("1.234,567", 1234.567),
        ("0.125", 0.125),
        ("1234.567", 1234.567),
        (".5", 0.5),
        ("2M", 2e6),
        ("1.1M", 1.1e6),
        ("2.5k", 2500),
        ("2 Mio. €", 2e6),
        ("US$ 3 bn", 3e9),
        ("5.000,-", 5000),
        ("500.-", 500),
        ("1e6", 1e6),
        ("1.5E+06", 1.5e6),
        ("1,5e6", 1.5e6),
        ("0.000", 0),
    ],
)
def test_numbers_are_read_as_people_type_them(text: str, number: float) -> None:
    assert read_amount(text) == read_amounts([text], ["it"])[0] == number


@pytest.mark.parametrize(
    ("text", "large", "small"),
    [
        ("5.000", "5000", "5.0"),
        ("5,000", "5000", "5.0"),
        ("12.125", "12125", "12.1250"),
        ("-1,234", "-1234", "-1.2340"),
        ("2.500k", "2500000", "2500.0"),
        ("$2.500M", "2500000000", "2500000.0"),
    ],
)
def test_what_can_be_read_in_two_ways_is_asked(text: str, large: str, small: str) -> None:
    with pytest.raises(ValueError) as error:
        read_amount(text, "the budget")
    assert str(error.value) == f"the budget: {text!r} can mean {large} or {small}: write it as one of these"
    # What the message tells to write is not doubtful.
    assert read_amount(large) > read_amount(small) or text.startswith("-")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "-",
            ".",
            ",",
            "nan",
            "inf",
            "0x10",
            "abc",
            "5 apples",
            "--5",
            "(-5)",
            "(5",
            "5)",
            "5²",
            "1.2.3",
            "1 2",
        ),
        *(
            "5.000.00",
            "1.000 000",
            "40%",
            "1e999",
            "1e9999",
            "9" * 400,
            "5 PCT",
            "1;2",
            "½",
            "\u0665",
            "5\n6",
            "\ud800",
        ),
    ],
)
def test_other_texts_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="the spend must be a") as error:
        read_amount(text, "the spend")
    assert "\n" not in str(error.value) and len(str(error.value)) < 160


def test_factors_are_never_in_thousands() -> None:
    assert [read_amount(text, factor=True) for text in ("1.125", "1,125", "40%", "2,000,000")] == [
        1.125,
        1.125,
        0.4,
        2e6,
    ]


@pytest.mark.parametrize(
    ("texts", "likely", "numbers"),
    [
        (["5.000", "1.234,50"], None, [5000, 1234.5]),
        (["5.000", "12.5"], None, [5, 12.5]),
        (["5,000", "1,234.5"], None, [5000, 1234.5]),
        (["5,000", "0,5"], None, [5, 0.5]),
        (["5.000", "20.000 €"], None, [5000, 20000]),
        (["5.000", "1.000.000"], ".", [5000, 1e6]),
        (["5.000", "20.000"], ",", [5000, 20000]),
        (["5,000"], ".", [5000]),
        (["5", "10"], None, [5, 10]),
    ],
)
def test_a_column_settles_its_decimal_sign(texts: list[str], likely: str | None, numbers: list[float]) -> None:
    assert read_amounts(texts, ["here"] * len(texts), likely=likely) == numbers


@pytest.mark.parametrize(
    ("texts", "likely", "reason"),
    [
        (["10", "5.000"], None, "line 2: '5.000' can mean 5000 or 5.0"),
        # A likely sign says nothing against thousands.
        (["10", "5.000"], ".", "line 2: '5.000' can mean 5000 or 5.0"),
        (["10", "5,000"], ",", "line 2: '5,000' can mean 5000 or 5.0"),
        (["1.5", "5,000", "2,5"], None, "line 1: '1.5' has a decimal point, but '2,5' (line 3) a decimal comma"),
        (["1", "x"], None, "line 2 must be a number, got 'x'"),
    ],
)
def test_a_column_that_stays_doubtful_is_asked(texts: list[str], likely: str | None, reason: str) -> None:
    with pytest.raises(ValueError) as error:
        read_amounts(texts, [f"line {number}" for number in range(1, len(texts) + 1)], likely=likely)
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_the_decimal_sign_that_texts_tell() -> None:
    assert decimal_sign(["5.000", "812,5", "x", ""]) == ","
    assert decimal_sign(["5.000", "7"]) is None
    assert decimal_sign(["1.5", "1,5"]) is None


@given(st.floats(-1e15, 1e15))
def test_what_python_writes_is_read_or_asked(number: float) -> None:
    try:
        assert read_amount(repr(number)) == number
    except ValueError as error:
        assert "can mean" in str(error)


@given(
    st.integers(-(10**14), 10**14), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u202f", ",")])
)
def test_cents_with_thousands_apart_are_never_misread(cents: int, signs: tuple[str, str]) -> None:
    apart, decimal = signs
    text = f"{abs(cents) // 100:,}".replace(",", apart) + f"{decimal}{abs(cents) % 100:02d}"
    assert read_amount(f"-{text}" if cents < 0 else text) == cents / 100


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_one_line(text: str) -> None:
    try:
        read_amount(text)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1
