"""Messages as people write and read them."""

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
    ExternalPart,
    MimiContent,
    MultiPart,
    NestedPart,
    NullPart,
    PartSemantics,
    SinglePart,
    decode,
    encode,
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
