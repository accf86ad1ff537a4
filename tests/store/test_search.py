"""Search: what is found, in which order, and that nothing anybody types does harm."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as some

from support.store import GROUP, PAIR, group_chat, message, new_home, pair_chat
from whimbrel.chat.records import AddMessage, PutChat
from whimbrel.store.database import Database
from whimbrel.store.search import LONGEST_WORD, MOST_WORDS, query_of

SAID = {
    1: "The whimbrel flies to Africa",
    2: "Café at nine? Bring the charts",
    3: "Прилетели кулики",
    4: "你好世界，明天见",
    5: "हिन्दी में लिखा",
    6: 'She said "no" AND left (early)',
    7: "see https://example.org/a_b?c=d",
    8: "🎉",
    9: "I am ok",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with new_home(tmp_path_factory.mktemp("search")) as home:
        home.database.commit([PutChat(pair_chat()), PutChat(group_chat())])
        home.database.commit([AddMessage(message(number, text)) for number, text in SAID.items()])
        home.database.commit([AddMessage(message(100 + n, f"gull {n}", chat=GROUP)) for n in range(120)])
        home.database.commit([AddMessage(message(300, '{"whimbrel":1}', event="joined"))])
        yield home.database


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("whimbrel", [1]),
        ("WHIMBREL africa", [1]),
        ("africa the", [1]),
        ("whimbrel cafe", []),
        ("whi", [1]),
        ("wh", []),  # too short to be the beginning of a word
        ("ok", [9]),
        ("cafe", [2]),
        ("CAFÉ", [2]),
        ("cafe\u0301", [2]),
        ("the", [1, 2]),
        ("кули", [3]),
        ("你好", [4]),
        ("हिन्दी", [5]),
        ('"no"', [6]),
        ("(early", [6]),
        ("said AND left", [6]),
        ("AND", [6]),
        ("a_b", [7]),
        ("example.org", [7]),
        ("🎉", []),
        ("", []),
        (" \t\n", []),
        ("!!! ???", []),
        ("whimbrel !!!", [1]),
        ('whimbrel"', [1]),
        ('"whimbrel', [1]),
    ],
)
def test_what_is_found(database: Database, words: str, found: list[int]) -> None:
    assert [row.n for row in database.search(words)] == found


@pytest.mark.parametrize(
    "words",
    [
        'whimbrel" OR "cafe',
        "whimbrel OR cafe",
        "NOT whimbrel",
        "whimbrel NEAR cafe",
        "NEAR(whimbrel cafe, 5)",
        "text:whimbrel NOT",
        "text : cafe",
        "-whimbrel cafe",
        "{text}: whimbrel",
        "whimbrel* ^the + OR",
        "x'00'; DROP TABLE messages",
        "whimbrel\0cafe",
        "\ud800whimbrel cafe",
        "%' --",
        "*",
        "^",
        "()" * 5000,
        "((((((((((((",
        "gannet " * 100_000,
        "whimbrel" * 100_000,
    ],
)
def test_the_language_of_queries_means_nothing_here(database: Database, words: str) -> None:
    """Each is taken as words: nothing said contains all of them, and none is an error."""
    assert database.search(words) == []


@given(some.text(some.characters(exclude_categories=[])))
def test_anything_can_be_searched_for(database: Database, words: str) -> None:
    for row in database.search(words):
        assert row.n in SAID or row.text.startswith("gull")


@given(some.text(alphabet="\"'*^:()-+{} \0aβ你", max_size=40))
def test_signs_of_the_query_language_are_taken_as_text(database: Database, words: str) -> None:
    assert isinstance(database.search(words, PAIR), list)


def test_a_search_has_a_bounded_size() -> None:
    query = query_of("word " * 1000 + "x" * 1000)
    assert query is not None
    assert query.count(" AND ") == MOST_WORDS - 1
    assert query_of("x" * 1000) == f'"{"x" * LONGEST_WORD}"*'


def test_one_chat_is_searched_alone(database: Database) -> None:
    assert [row.chat for row in database.search("gull", PAIR)] == []
    assert {row.chat for row in database.search("gull", GROUP)} == {GROUP}
    assert [row.n for row in database.search("whimbrel", GROUP)] == []


def test_the_newest_come_first_in_pages_and_each_page_is_oldest_first(database: Database) -> None:
    newest = database.search("gull")
    assert [row.text for row in newest] == [f"gull {n}" for n in range(70, 120)]
    before = database.search("gull", before_n=newest[0].n)
    assert [row.text for row in before] == [f"gull {n}" for n in range(20, 70)]
    assert [row.text for row in database.search("gull", GROUP, 5, before[0].n)] == [
        f"gull {n}" for n in range(15, 20)
    ]
    assert database.search("gull", limit=0) == []


def test_what_happened_is_not_searched(database: Database) -> None:
    assert [row.event for row in database.search("whimbrel")] == [None]
