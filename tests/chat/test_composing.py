"""Messages as people write and read them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.people import ADA, BO, secret
from whimbrel.chat.composing import (
    CHUNKED_AES_256_GCM,
    FILE_NAME_MAX,
    PLAIN,
    REACTION_MAX,
    TEXT_MAX,
    Act,
    Attachment,
    act_of,
    attachments_of,
    dated,
    delete,
    edit,
    id_of,
    is_emoji,
    react,
    reaction_of,
    room_uri,
    safe_file_name,
    say,
    sender_uri,
    sent_at,
    shows_all,
    takes_back,
    text_of,
)
from whimbrel.chat.content import (
    ContentError,
    Disposition,
    ExtensionValue,
    ExternalPart,
    MimiContent,
    MultiPart,
    NestedPart,
    NullPart,
    Opaque,
    PartSemantics,
    SinglePart,
    decode,
    encode,
)
from whimbrel.chat.extensions import (
    DURATION_MAX,
    SIDE_MAX,
    THUMBHASH_MAX,
    WAVEFORM_MAX,
    Media,
    Mention,
    is_forwarded,
    media_as_json,
    media_extension,
    media_from_json,
    media_of,
    mentions_of,
)
from whimbrel.crypto.files import FILE_MAX

SALT = secret("salt")[:16]
OTHER = secret("another message")


def photo(name: str = "photo.jpg", part: int = 0) -> Attachment:
    return Attachment(
        relay=secret("relay"),
        blob=secret(f"blob {name}"),
        key=secret(f"key {name}"),
        size=123_456,
        hash=secret(f"hash {name}"),
        name=name,
        type="image/jpeg",
        description="On the roof",
        part=part,
    )


def read(content: MimiContent) -> MimiContent:
    return decode(encode(content))


def body(*parts: NestedPart, semantics: PartSemantics = PartSemantics.PROCESS_ALL) -> MimiContent:
    whole = parts[0] if len(parts) == 1 else NestedPart(1, "", MultiPart(semantics, parts))
    return read(MimiContent(SALT, None, b"", None, None, (), whole))


def inline(text: str | bytes, type: str = PLAIN, disposition: int = Disposition.RENDER) -> NestedPart:
    raw = text if isinstance(text, bytes) else text.encode()
    return NestedPart(disposition, "", SinglePart(type, raw))


# ---------------------------------------------------------------------------------------------- round trips


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=300))
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    content = read(say(SALT, text))
    assert (text_of(content), act_of(content), attachments_of(content)) == (text, Act.SAY, ())
    assert shows_all(content)


def test_a_reply_says_to_what() -> None:
    assert read(say(SALT, "yes", in_reply_to=OTHER)).in_reply_to == OTHER


def test_a_file_alone_is_one_part() -> None:
    content = read(say(SALT, "", [photo()]))
    assert isinstance(content.body.part, ExternalPart)
    assert attachments_of(content) == (photo(),)
    assert text_of(content) == ""
    assert shows_all(content)


def test_a_text_with_files_is_one_message() -> None:
    content = read(say(SALT, "look", [photo("a.jpg"), photo("b.jpg")]))
    assert text_of(content) == "look"
    assert attachments_of(content) == (photo("a.jpg", part=2), photo("b.jpg", part=3))


def test_an_edit_a_delete_and_a_reaction_say_what_they_do() -> None:
    changed, gone, liked = (
        read(edit(SALT, OTHER, "better")),
        read(delete(SALT, OTHER)),
        read(react(SALT, OTHER, "❤️")),
    )
    unliked = read(delete(SALT, OTHER, Disposition.REACTION))
    assert (act_of(changed), changed.replaces, text_of(changed)) == (Act.EDIT, OTHER, "better")
    assert (act_of(gone), gone.replaces, text_of(gone)) == (Act.DELETE, OTHER, "")
    assert (act_of(liked), liked.in_reply_to, reaction_of(liked)) == (Act.REACT, OTHER, "❤️")
    assert (act_of(unliked), takes_back(unliked), reaction_of(unliked)) == (Act.REACT, True, "")
    assert not takes_back(liked)


def test_a_message_bears_the_time_that_its_sender_says() -> None:
    assert sent_at(read(dated(say(SALT, "now"), 1_790_000_000_123))) == 1_790_000_000_123
    assert sent_at(read(say(SALT, "now"))) is None


def test_a_message_of_a_hundred_characters_fits_the_smallest_size() -> None:
    # 256 bytes inside MLS: what stands around the content takes 37, its padding at least one.
    assert len(encode(dated(say(SALT, "x" * 100, in_reply_to=OTHER), 1_790_000_000_123))) <= 256 - 38


@pytest.mark.parametrize(
    "text", ["x" * (TEXT_MAX + 1), "é" * (TEXT_MAX // 2 + 1), "\ud800"], ids=["ascii", "accents", "none"]
)
def test_a_text_that_is_too_long_or_none_is_refused(text: str) -> None:
    with pytest.raises(ContentError):
        say(SALT, text)


def test_a_megabyte_of_combining_characters_is_a_text() -> None:
    text = "e" + "\u0301" * ((TEXT_MAX - 1) // 2)
    assert text_of(read(say(SALT, text))) == text


def test_a_message_says_something() -> None:
    with pytest.raises(ContentError, match="nothing"):
        say(SALT, "")
    with pytest.raises(ContentError, match="nothing"):
        react(SALT, OTHER, "")
    with pytest.raises(ContentError):
        react(SALT, OTHER, "x" * (REACTION_MAX + 1))


# ------------------------------------------------------------------------------------------ of other programs


def test_of_alternatives_the_first_that_can_be_read_is_read() -> None:
    fancy = inline("<b>hi</b>", "text/html")
    alternatives = body(
        fancy,
        inline("**hi**", "text/markdown;variant=GFM-MIMI"),
        inline("hi"),
        semantics=PartSemantics.CHOOSE_ONE,
    )
    assert text_of(alternatives) == "**hi**"
    assert not shows_all(alternatives)


def test_texts_that_belong_together_are_read_in_order() -> None:
    assert text_of(body(inline("one"), inline("two"))) == "one\ntwo"


def test_what_is_no_text_is_not_shown_as_one() -> None:
    assert text_of(body(inline("BEGIN:VCARD", "text/vcard"))) == ""
    assert text_of(body(inline("# preview of a link", disposition=Disposition.PREVIEW))) == ""
    assert text_of(body(NestedPart(1, "", NullPart()))) == ""
    assert not shows_all(body(inline("BEGIN:VCARD", "text/vcard")))


def test_a_part_for_a_use_that_is_not_known_is_shown() -> None:
    assert text_of(body(inline("hi", disposition=77))) == "hi"


def test_a_text_that_is_not_utf_8_is_shown_as_well_as_it_can_be() -> None:
    assert text_of(body(inline(b"caf\xe9"))) == "caf\ufffd"


def test_a_reaction_that_is_a_letter_is_none() -> None:
    long = body(inline("x" * (REACTION_MAX + 1), disposition=Disposition.REACTION))
    assert (act_of(long), reaction_of(long)) == (Act.REACT, "")
    picture = body(NestedPart(Disposition.REACTION, "", SinglePart("image/gif", b"GIF")))
    assert reaction_of(picture) == ""


def external(**changes: object) -> MimiContent:
    part = say(SALT, "", [photo()]).body.part
    assert isinstance(part, ExternalPart)
    values = {name: getattr(part, name) for name in ExternalPart.__dataclass_fields__} | changes
    return body(NestedPart(Disposition.ATTACHMENT, "", ExternalPart(**values)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://example.com/x"},
        {"url": "mimi://whimbrel.invalid/b/short/short"},
        {"url": sender_uri(secret("relay")).replace("/u/", "/b/")},
        {"url": f"mimi://whimbrel.invalid/b/{'A' * 52}/{'a' * 52}"},
        {"url": f"mimi://whimbrel.invalid/b/{'a' * 51}b/{'a' * 52}"},
        {"url": f"mimi://whimbrel.invalid/b/{'é' * 52}/{'a' * 52}"},
        {"enc_alg": 1},
        {"enc_alg": 0},
        {"key": b"short"},
        {"hash_alg": 2},
        {"content_hash": b""},
        {"size": FILE_MAX + 1},
        {"size": 2**64 - 1},
    ],
)
def test_a_file_that_this_program_cannot_fetch_is_not_offered(changes: dict[str, object]) -> None:
    content = external(**changes)
    assert attachments_of(content) == ()
    assert not shows_all(content)


def test_our_files_bear_a_number_from_the_private_range() -> None:
    part = say(SALT, "", [photo()]).body.part
    assert isinstance(part, ExternalPart)
    assert part.enc_alg == CHUNKED_AES_256_GCM >= 32768  # RFC 5116, 6


# --------------------------------------------------------------------------------------------------- naming


def test_uris_name_keys_and_nothing_else() -> None:
    assert sender_uri(bytes(32)) == "mimi://whimbrel.invalid/u/" + "a" * 52
    assert room_uri(b"\xff" * 32) == "mimi://whimbrel.invalid/r/" + "7" * 51 + "q"
    with pytest.raises(ContentError):
        sender_uri(b"short")


def test_the_same_words_of_two_people_or_in_two_places_are_two_messages() -> None:
    content = encode(say(SALT, "yes"))
    here, there = secret("here"), secret("there")
    ids = {
        id_of(content, who, where)
        for who in (ADA.account.public, BO.account.public)
        for where in (here, there)
    }
    assert len(ids) == 4


# ----------------------------------------------------------------------------------------------- file names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\a\\b.txt", "b.txt"),
        ("a/", "file"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        (" . ", "file"),
        (".bashrc", "bashrc"),
        ("a\x00b\nc\x1b[31m.txt", "abc[31m.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("CON.txt", "_CON.txt"),
        ("nul", "_nul"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("what?*|<>.txt", "what_____.txt"),
        ("عکس\u200cها.jpg", "عکس\u200cها.jpg"),
        ("e\u0301.txt", "é.txt"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("é" * 300 + ".pdf", "é" * 125 + ".pdf"),
        ("a" * 254 + "." + "b" * 40, "a" * 254),
        ("NUL" + " " * 300 + "=", "_NUL"),
    ],
)
def test_a_file_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe


@given(st.text(max_size=400))
def test_any_name_becomes_one_that_stays_in_its_folder(name: str) -> None:
    safe = safe_file_name(name)
    assert safe
    assert len(safe.encode()) <= FILE_NAME_MAX
    assert not set(safe) & set('/\\<>:"|?*\x00')
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert safe_file_name(safe) == safe


# ------------------------------------------------------------------------------------------------- our own


@pytest.mark.parametrize(
    "emoji",
    [
        "\N{THUMBS UP SIGN}",
        "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}",
        "\N{HEAVY BLACK HEART}\ufe0f",
        "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
        "3\ufe0f\u20e3",
        "#\ufe0f\u20e3",
        "\U0001f1ea\U0001f1fa",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u303d\ufe0f",
        "\u203c\ufe0f",
        "\u2139\ufe0f",
        "\u2194\ufe0f",
        "\U0001fbff",
    ],
)
def test_what_is_an_emoji(emoji: str) -> None:
    assert is_emoji(emoji)
    assert reaction_of(read(react(SALT, OTHER, emoji))) == emoji


def test_all_emoji_that_the_page_offers_are_emoji() -> None:
    data = Path(__file__).parents[2] / "web" / "node_modules" / "emojibase-data" / "en" / "data.json"
    if not data.exists():
        pytest.skip("the page's packages are not installed")
    offered = [
        one["emoji"] for each in json.loads(data.read_text()) for one in (each, *each.get("skins", ()))
    ]
    assert len(offered) > 1800
    assert [emoji for emoji in offered if not is_emoji(emoji) or len(emoji.encode()) > REACTION_MAX] == []


@pytest.mark.parametrize(
    "text", ["", "a", "1", " ", "\ufe0f", "\u200d", "\u20e3a", "\u202e\N{BIRD}", "<3", "\N{BIRD}\n"]
)
def test_what_is_none(text: str) -> None:
    assert not is_emoji(text)


media = st.builds(
    Media,
    st.integers(0, SIDE_MAX),
    st.integers(0, SIDE_MAX),
    st.integers(0, DURATION_MAX),
    st.binary(max_size=WAVEFORM_MAX),
    st.binary(max_size=THUMBHASH_MAX),
    st.booleans(),
)


@given(given=st.dictionaries(st.integers(0, 1024), media, max_size=4))
def test_what_is_known_of_parts_comes_out_as_it_went_in(given: dict[int, Media]) -> None:
    value = media_extension(given)
    known = {index: one for index, one in given.items() if one != Media()}
    assert media_of(with_extension("media", value) if value else say(SALT, "a")) == known


@given(one=media)
def test_what_the_page_is_told_of_a_picture_is_what_it_may_say_of_one(one: Media) -> None:
    told = media_as_json(one)
    if not (one.width and one.height):
        one = replace(one, width=0, height=0)
    assert (media_from_json(told.decode()) if told else Media()) == one


def test_what_does_not_fit_is_left_out_from_the_end() -> None:
    full = Media(1, 2, 3, bytes(WAVEFORM_MAX), bytes(THUMBHASH_MAX), True)
    value = media_extension(dict.fromkeys(range(100), full))
    assert value is not None
    found = media_of(with_extension("media", value))
    assert 30 < len(found) < 100
    assert found == dict.fromkeys(range(len(found)), full)


def with_extension(name: str, value: ExtensionValue) -> MimiContent:
    return read(replace(say(SALT, "Hello @Bo"), extensions=((name, value),)))


@pytest.mark.parametrize(
    "value",
    [
        True,
        b"\xa1\x01\xa1\x01\x05",
        {1: [5]},
        {"a": {1: 5}},
        {1: {1: 1 << 16}},
        {1: {4: bytes(WAVEFORM_MAX + 1)}},
        {1: {5: bytes(THUMBHASH_MAX + 1)}},
        {1: {6: 1}},
        {1: {1: "5"}},
        {-1: {1: 5}},
    ],
)
def test_media_that_do_not_hold_say_nothing(value: Any) -> None:
    content = with_extension(
        "media", value if isinstance(value, bool | bytes) else Opaque(cbor2.dumps(value))
    )
    assert media_of(content) == {}


def test_what_a_later_version_says_of_a_part_is_passed_over() -> None:
    value = {1: {1: 5, 7: "new", "x": [1]}}
    assert media_of(with_extension("media", Opaque(cbor2.dumps(value)))) == {1: Media(5)}


@pytest.mark.parametrize(
    "value",
    [
        [[0, 5]],
        [[0, 5, b"short"]],
        [[5, 0, bytes(32)]],
        [[5, 5, bytes(32)]],
        [[3, 3, bytes(32)], [0, 2, bytes(32)]],
        [[0, 3, bytes(32)], [2, 2, bytes(32)]],
        [[-1, 3, bytes(32)]],
        [[0, 1, bytes(32)]] * 65,
        {0: 1},
        "Bo",
    ],
)
def test_mentions_that_do_not_stand_in_the_text_name_nobody(value: Any) -> None:
    content = with_extension("mentions", value if isinstance(value, str) else Opaque(cbor2.dumps(value)))
    assert mentions_of(content, text_of(content)) == ()


def test_mentions_are_counted_in_code_points() -> None:
    named = (Mention(2, 3, OTHER), Mention(6, 1, SALT * 2))
    content = read(say(SALT, "\U0001f426 @Bo \U0001f426", mentions=named))
    assert mentions_of(content, text_of(content)) == named
    with pytest.raises(ContentError, match="mentions"):
        say(SALT, "@Bo", mentions=[Mention(0, 4, OTHER)])


def test_an_edit_names_the_files_again_with_what_is_known_of_them() -> None:
    known = Media(4, 3, thumbhash=b"t")
    changed = read(edit(SALT, OTHER, "better", attachments=[replace(photo(), media=known)]))
    assert act_of(changed) is Act.EDIT
    assert attachments_of(changed) == (replace(photo(part=2), media=known),)
    assert is_forwarded(read(say(SALT, "a", forwarded=True)))
    assert not is_forwarded(with_extension("forwarded", 1))
