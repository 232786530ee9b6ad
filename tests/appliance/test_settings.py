"""Where the host's settings come from, and which one wins."""

from __future__ import annotations

from pathlib import Path

import pytest

import appliance.settings as module
from appliance.errors import SettingsRefused
from appliance.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings_of_this_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "DEFAULT_FILE", tmp_path / "etc" / "settings.toml")


def written(folder: Path, text: str, name: str = "settings.toml") -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings(None, {}, {}) == Settings()
    assert Settings().host == "127.0.0.1"


def test_an_option_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'state_dir = "/from/file"\nport = 1111\n')
    environment = {"AO_STATE_DIR": "/from/environment"}
    assert load_settings(file, {}, {}).state_dir == Path("/from/file")
    assert load_settings(file, environment, {"state_dir": None}).state_dir == Path("/from/environment")
    found = load_settings(file, environment, {"state_dir": Path("/from/option"), "port": 2222})
    assert (found.state_dir, found.port) == (Path("/from/option"), 2222)


def test_the_folder_of_credentials_obeys_the_same_order(tmp_path: Path) -> None:
    file = written(tmp_path, 'secrets_dir = "/from/file"\n')
    assert load_settings(None, {"CREDENTIALS_DIRECTORY": "/run/c"}, {}).secrets_dir == Path("/run/c")
    assert load_settings(file, {"CREDENTIALS_DIRECTORY": "/run/c"}, {}).secrets_dir == Path("/run/c")


def test_the_file_named_by_an_option_beats_the_one_in_the_environment_and_the_usual_one(tmp_path: Path) -> None:
    written(tmp_path / "etc", "port = 1\n")
    second, third = written(tmp_path, "port = 2\n", "2.toml"), written(tmp_path, "port = 3\n", "3.toml")
    assert load_settings(None, {}, {}).port == 1
    assert load_settings(None, {"AO_SETTINGS": str(second)}, {}).port == 2
    assert load_settings(third, {"AO_SETTINGS": str(second)}, {}).port == 3


def test_the_state_folder_does_not_depend_on_where_a_process_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {"AO_STATE_DIR": "here"}, {}).state_dir == tmp_path / "here"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 8080 8081", "not TOML"),
        ("prot = 8080", "prot"),
        ("port = 0", "port"),
        ("port = 65536", "port"),
        ("port = 'many'", "port"),
        ("workers = 0", "workers"),
        ("[gateway]\nport = 1", "gateway"),
        ("port = 1\nport = 2", "not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_name(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingsRefused, match=said) as refused:
        load_settings(file, {}, {})
    assert refused.value.where == str(file)
    assert refused.value.exit_code == 46


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsRefused, match="not TOML"):
        load_settings(tmp_path / "x.toml", {}, {})


@pytest.mark.parametrize("name", ["missing.toml", "etc-as-a-folder"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "etc-as-a-folder").mkdir()
    with pytest.raises(SettingsRefused, match="cannot be read"):
        load_settings(tmp_path / name, {}, {})


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert load_settings(None, {"AO_STATE_DIR": "", "AO_SETTINGS": ""}, {}).state_dir == Path("/var/lib/ao")


def test_settings_reach_a_worker_as_they_are(tmp_path: Path) -> None:
    settings = load_settings(None, {}, {"state_dir": tmp_path, "secrets_dir": tmp_path / "s", "workers": 3})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
