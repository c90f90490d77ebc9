"""Keys: where they are found, in which order, and that they never show."""

import json
import os
import pickle
import traceback
from pathlib import Path

import msgspec
import pytest

from hftd.broker.credentials import CREDENTIAL_FILES, Keys, Secret, find_keys
from hftd.errors import CredentialsError

ALPACA = {"APCA_API_KEY_ID": "PKALPACA", "APCA_API_SECRET_KEY": "secret-alpaca"}
CPQUANT = {"ALPACA_DATA_PUBLIC_KEY": "PKDATA", "ALPACA_DATA_SECRET_KEY": "secret-data"}


def credentials_folder(tmp_path, *contents):
    for name, content in zip(CREDENTIAL_FILES, contents, strict=False):
        (tmp_path / name).write_text(content)
    return {"CREDENTIALS_DIRECTORY": str(tmp_path)}


def key_file(tmp_path, text, mode=0o600):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_alpacas_names_come_before_cpquants():
    assert find_keys({**CPQUANT, **ALPACA}).key_id == Secret("PKALPACA")
    assert find_keys(CPQUANT).secret.reveal() == "secret-data"


def test_the_environment_comes_before_systemd_and_that_before_a_file(tmp_path):
    folder = credentials_folder(tmp_path, "PKSYSTEMD\n", "secret-systemd\n")
    file = key_file(tmp_path, "APCA_API_KEY_ID=PKFILE\nAPCA_API_SECRET_KEY='secret-file'\n")
    assert find_keys({**ALPACA, **folder}, file).key_id.reveal() == "PKALPACA"
    assert find_keys(folder, file).key_id.reveal() == "PKSYSTEMD"
    assert find_keys({}, file).secret.reveal() == "secret-file"
    assert str(tmp_path) in find_keys(folder).found


def test_a_file_may_have_comments_and_exports(tmp_path):
    text = "# paper account\nexport APCA_API_KEY_ID=PKFILE\nexport APCA_API_SECRET_KEY=a=b\n\n"
    assert find_keys({}, key_file(tmp_path, text)).secret.reveal() == "a=b"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path, mode):
    path = key_file(tmp_path, "APCA_API_KEY_ID=a\nAPCA_API_SECRET_KEY=b\n", mode)
    with pytest.raises(CredentialsError, match=f"mode {mode:04o}.*chmod 600"):
        find_keys({}, path)


@pytest.mark.parametrize(("present", "missing"), [tuple(ALPACA), tuple(reversed(ALPACA))])
def test_half_a_pair_is_an_error_that_names_the_other_half(present, missing):
    with pytest.raises(CredentialsError, match=f"has {present} but not {missing}"):
        find_keys({present: "x"})


def test_half_a_pair_of_credentials_is_an_error(tmp_path):
    with pytest.raises(CredentialsError, match="has alpaca_key_id but not alpaca_secret_key"):
        find_keys(credentials_folder(tmp_path, "PK"))


def test_a_file_without_keys_is_an_error(tmp_path):
    with pytest.raises(CredentialsError, match="has no APCA_API_KEY_ID"):
        find_keys({}, key_file(tmp_path, "hello\n"))


def test_a_credential_that_is_no_text_is_an_error(tmp_path):
    folder = credentials_folder(tmp_path, "PK", "x")
    (tmp_path / CREDENTIAL_FILES[1]).write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsError, match="cannot be read"):
        find_keys(folder)


def test_nothing_found_says_where_it_was_looked_for(tmp_path):
    missing = tmp_path / "none"
    with pytest.raises(CredentialsError) as raised:
        find_keys({}, missing)
    for place in ("APCA_API_KEY_ID", "alpaca_secret_key", "CREDENTIALS_DIRECTORY", str(missing)):
        assert place in str(raised.value)


def test_a_secret_never_shows():
    keys = Keys.of("PKALPACA", "secret-alpaca")
    for text in (repr(keys), str(keys), f"{keys}", f"{keys.secret}", f"{keys.secret:>20}", "%s" % keys.secret):  # noqa: UP031
        assert "secret-alpaca" not in text
        assert "PKALPACA" not in text
    with pytest.raises(TypeError):
        pickle.dumps(keys.secret)
    for encode in (json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            encode(keys.secret)


def test_a_secret_is_not_in_a_traceback():
    keys = Keys.of("PKALPACA", "secret-alpaca")
    try:
        raise RuntimeError(keys)
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret-alpaca" not in text


def test_keys_of_this_process_are_not_taken_by_accident():
    with pytest.raises(CredentialsError):
        find_keys(
            {name: value for name, value in os.environ.items() if not name.startswith(("APCA", "ALPACA", "CRED"))}
        )


def test_the_first_account_of_an_exchange_is_taken_from_its_keys(tmp_path: Path) -> None:
    (tmp_path / "exchange_keys").write_text('{"first": {"key": "PK1", "secret": "s1"}, "other": {"key": "PK2"}}')
    keys = find_keys({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (keys.key_id.reveal(), keys.secret.reveal()) == ("PK1", "s1")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"first": {"key": "PK1"}}'])
def test_keys_of_an_exchange_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "exchange_keys").write_text(text)
    with pytest.raises(CredentialsError, match=r"is not the keys\.json of an exchange"):
        find_keys({"CREDENTIALS_DIRECTORY": str(tmp_path)})
