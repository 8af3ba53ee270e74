"""What is masked, what is not, and that a stream is masked however it is cut."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgproject.utils.secrets import MaskedStream, SecretMask, count_masks

OWN = {"OPENAI_API_KEY": "0wn-value of mine", "database password": 'qu"ote\\d€-word'}
BODY = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"] * 3)
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
SECRETS = {
    "sk-ant-api03-abcdefghijklmnop": "api key",
    "sk-proj-0123456789abcdefXYZ": "api key",
    "AKIAIOSFODNN7EXAMPLE": "aws key",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "github token",
    "github_pat_11ABCDEFG0123456789_abcdefghijklmnop": "github token",
    "xoxb-123456789012-abcdefghijkl": "slack token",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv": "google key",
    JWT: "jwt",
    "0wn-value of mine": "OPENAI_API_KEY",
    'qu"ote\\d€-word': "database password",
}
MASK = SecretMask(OWN)


@pytest.mark.parametrize(("secret", "kind"), SECRETS.items())
@pytest.mark.parametrize("around", ["{}", "key: {}\n", '"{}"', "x={};", "a\n{}\nb"])
def test_a_known_shape_is_masked_wherever_it_stands(secret: str, kind: str, around: str) -> None:
    assert MASK.mask(around.format(secret)) == around.format(f"[masked: {kind}]")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=[masked: password]"),
        ("password=swordfish\n", "password=[masked: password]\n"),
        ("DB_PASSWORD = 'correct-horse'", "DB_PASSWORD = '[masked: password]'"),
        ('{"password": "hunter2", "a": 1}', '{"password": "[masked: password]", "a": 1}'),
        ("postgresql://me:s3cr3t@host/db", "postgresql://me:[masked: password]@host/db"),
        ("Authorization: Bearer a-token-for-tests", "Authorization: Bearer [masked: authorization]"),
        ("-H 'authorization: Basic dXNlcjpwYXNz'", "-H 'authorization: Basic [masked: authorization]'"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/b", "aws_secret_access_key = [masked: secret]"),
    ],
)
def test_a_named_value_is_masked_and_its_name_stays(text: str, masked: str) -> None:
    assert MASK.mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "User(username=username, password=password)",
        "password=get_password(user)",
        "password = request.form['password']",
        "def login(password: str, token: str) -> None:",
        "password=None",
        'type="password" name="password"',
        "task-skeleton-with-a-long-name ask-me-anything-you-want-now",
        "the bearer of bad news; Bearer authentication",
        'headers = {"Authorization": f"Bearer {token}"}',
        "https://localhost:8000/x@y git@github.com:a/b.git",
        "postgresql://USER:PASSWORD@HOST/DATABASE",
        "secret = os.environ['SECRET']",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "[masked: password]",
    ],
)
def test_code_and_prose_stay_as_they_are(text: str) -> None:
    assert MASK.mask(text) == text


def test_a_private_key_is_masked_line_by_line_so_that_the_lines_keep_their_numbers() -> None:
    masked = MASK.mask(f"one\n{KEY}\nlast")
    assert masked == "\n".join(["one", *["[masked: private key]"] * 5, "last"])


def test_a_private_key_without_its_end_is_masked_as_far_as_it_looks_like_one() -> None:
    assert MASK.mask(f"-----BEGIN PRIVATE KEY-----\n{BODY}\nnot a key") == "\n".join(
        [*["[masked: private key]"] * 4, "not a key"]
    )


texts = st.lists(
    st.one_of(
        st.sampled_from(
            [*SECRETS, KEY, "password=hunter2x", "Authorization: Bearer abc1", "x://u:pw1@h", "sk-", "eyJ"]
        ),
        st.sampled_from(
            [" ", "\n", "-", "=", "'", '"', ":", "@", "a", "s", "-----BEGIN ", "PRIVATE KEY-----", "Bearer "]
        ),
        st.text(max_size=8),
    ),
    max_size=8,
).map("".join)


@settings(deadline=None, max_examples=400)
@given(text=texts, cuts=st.lists(st.integers(0, 400), max_size=30))
def test_a_stream_says_the_mask_of_the_whole_however_it_is_cut(text: str, cuts: list[int]) -> None:
    stream = MaskedStream(MASK)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    said = [stream.feed(text[begin:end]) for begin, end in pairwise(places)]
    assert "".join([*said, stream.finish()]) == MASK.mask(text)


@settings(deadline=None, max_examples=200)
@given(text=texts)
def test_letter_by_letter_it_is_the_mask_of_the_whole_too(text: str) -> None:
    stream = MaskedStream(MASK)
    assert "".join([*map(stream.feed, text), stream.finish()]) == MASK.mask(text)


@settings(deadline=None)
@given(text=texts)
def test_a_look_at_the_json_finds_whatever_is_in_its_texts(text: str) -> None:
    if MASK.mask(text) != text:
        assert MASK.may_hold(orjson.dumps({"a": [text]}).decode())


def test_a_plain_word_is_said_at_once() -> None:
    stream = MaskedStream(MASK)
    assert [stream.feed(word) for word in ("I look ", "around", " first. ")] == ["I look ", "around", " first. "]


def test_masks_are_counted() -> None:
    assert count_masks(MASK.mask(f"password=hunter2 {JWT}")) == 2
