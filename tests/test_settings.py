from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.engine.risk import Limits
from hftd.errors import SettingsError
from hftd.settings import Settings, find_settings_file, load_settings, settings_table

SHIPPED = Path(__file__).parent.parent / "settings.yaml"
LEAST = "symbols: [SPY]\nmodel: quiet\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        file = tmp_path / "settings.yaml"
        file.write_text(text)
        return file

    return write_file


def refusal(file: Path, environment=None, overrides=None) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(file, environment, overrides)
    return str(refused.value).replace(f"{file.parent}/", "").splitlines()


def test_shipped_settings_are_short_commented_and_careful():
    lines = SHIPPED.read_text().splitlines()
    settings = load_settings(SHIPPED)
    assert len(lines) < 25
    assert settings.broker.name == "simulated"
    assert settings.symbols == ("SPY",)
    assert settings.model.name == "volume_17_31"
    assert settings.models_folder == SHIPPED.parent / "models"
    assert settings.risk.flatten_before_close_ns == 300 * 10**9
    assert (settings.exchange.speed, settings.late_after_s) == (1, 10)


def test_shipped_limits_are_the_defaults(write):
    assert load_settings(SHIPPED).risk == load_settings(write(LEAST)).risk


RULES = (
    "max_position_notional",
    "max_gross_exposure",
    "max_net_exposure",
    "max_order_quantity",
    "price_collar_percent",
    "max_daily_loss",
    "max_drawdown",
    "max_consecutive_losses",
    "max_move_percent",
)


@pytest.mark.parametrize("name", RULES)
def test_a_limit_may_be_given_or_be_off(write, name):
    limits = [load_settings(write(f"{LEAST}risk: {{{name}: {value}}}\n")).risk.as_limits() for value in ("7", "off")]
    assert [Limits(**given) for given in limits] == [replace(Limits(**limits[1]), **{name: 7}), Limits(**limits[1])]
    assert getattr(Limits(**limits[1]), name) is None
    rows = {
        row.name: row.value for row in settings_table(load_settings(SHIPPED, {f"HFTD_RISK__{name.upper()}": "off"}))
    }
    assert rows[f"risk.{name}"] == "off"


def test_the_page_on_risk_names_every_limit_with_its_default():
    page = (SHIPPED.parent / "docs" / "risk.md").read_text()
    rows = {row.name.removeprefix("risk."): row.value for row in settings_table(load_settings(SHIPPED))}
    for name in type(load_settings(SHIPPED).risk).model_fields:
        within = f"`{name}` ({rows[name]})" in page  # it stands beside the limit that it belongs to
        assert within or f"| `{name}` | {rows[name]} |" in page, name


def test_durations_become_nanoseconds(write):
    given = "risk: {quiet_after_open: 5m, quiet_before_close: off, max_move_within: 90s}\n"
    limits = load_settings(write(LEAST + given)).risk.as_limits()
    found = [limits[name] for name in ("quiet_after_open_ns", "quiet_before_close_ns", "max_move_within_ns")]
    assert found == [300 * 10**9, None, 90 * 10**9]


def test_a_model_may_have_narrower_limits_of_its_own(write):
    models = "models:\n- {name: a, risk: {max_position: 5, max_orders_per_minute: 2}}\n- name: b\n"
    settings = load_settings(write(f"symbols: [SPY]\n{models}"))
    assert settings.model_limits == {"a": {"max_position": 5, "max_orders_per_minute": 2}}
    (line,) = refusal(write(f"{LEAST.replace('quiet', '{name: quiet, risk: {max_positio: 5}}')}"))
    assert line == "settings.yaml:2: model.risk.max_positio: unknown setting; did you mean max_position?"
    rows = settings_table(load_settings(write(LEAST.replace("quiet", "{name: quiet, risk: {max_position: 5}}"))))
    shown = {row.name: row.value for row in rows}
    assert (shown["model.risk.max_position"], shown["model.risk.max_drawdown"]) == ("5", "as in risk")


def test_environment_stands_over_file_and_command_line_over_both():
    environment = {
        "HFTD_RISK__MAX_POSITION": "250.5",
        "HFTD_SYMBOLS": '["SPY", "QQQ"]',
        "HFTD_RISK__FLATTEN_BEFORE_CLOSE": "off",
        "HFTD_EXCHANGE__CASH": "10000000",
        "HFTD_EXCHANGE__SPEED": "5",
        "HFTD_MODEL__PARAMETERS__BUY_MULTIPLE": "3",
        "HFTD_STATE": "/nowhere",
        "OTHER": "x",
    }
    settings = load_settings(SHIPPED, environment, {"exchange.speed": 60.0, "exchange.tape": None})
    assert settings.risk.max_position == Decimal("250.5")
    assert settings.symbols == ("SPY", "QQQ")
    assert settings.risk.flatten_before_close_ns is None
    assert settings.exchange.cash == Decimal(10_000_000)
    assert settings.exchange.speed == 60
    assert settings.model.parameters == {"quantity": 5, "buy_multiple": 3}


def test_table_has_each_setting_once_with_meaning_and_origin():
    settings = load_settings(SHIPPED, {"HFTD_SYMBOLS": "[QQQ]"}, {"exchange.speed": 60.0})
    rows = settings_table(settings)
    origins = {row.name: row.origin for row in rows}
    assert len(origins) == len(rows)
    assert all(row.meaning for row in rows)
    assert origins["symbols"] == "HFTD_SYMBOLS"
    assert origins["exchange.speed"] == "command line"
    assert origins["risk.max_position"] == f"{SHIPPED}:8"
    assert origins["broker.name"] == f"{SHIPPED}:2"
    assert origins["broker.url"] == origins["exchange.cash"] == "default"


def test_every_group_of_settings_is_described():
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("risk:\n  max_positon: 3", "settings.yaml:4: risk.max_positon: unknown setting; did you mean max_position?"),
        ("modell: x", "settings.yaml:3: modell: unknown setting; did you mean model?"),
        (
            "risk: {max_position: many}",
            "settings.yaml:3: risk.max_position: found 'many', expected a number",
        ),
        ("risk: {max_position: true}", "settings.yaml:3: risk.max_position: found True, expected a number"),
        ("risk: {max_position: -1}", "settings.yaml:3: risk.max_position: found -1, expected greater than 0"),
        (
            "risk: {flatten_before_close: 5 minutes}",
            "settings.yaml:3: risk.flatten_before_close: found '5 minutes', "
            "expected a duration like 30s, 5m or 1h, or off",
        ),
        (
            "risk: {max_daily_loss: lots}",
            "settings.yaml:3: risk.max_daily_loss: found 'lots', expected a number",
        ),
        ("risk: {max_drawdown: 0}", "settings.yaml:3: risk.max_drawdown: found 0, expected greater than 0"),
        (
            "risk: {max_move_within: off}",
            "settings.yaml:3: risk.max_move_within: found 'off', expected a duration like 30s, 5m or 1h",
        ),
        ("risk: 5", "settings.yaml:3: risk: found 5, expected a group of NAME: VALUE lines"),
        (
            "broker: simulatd",
            "settings.yaml:3: broker.name: found 'simulatd', expected simulated, alpaca; did you mean simulated?",
        ),
        (
            "broker: {url: 127.0.0.1}",
            "settings.yaml:3: broker.url: found '127.0.0.1', expected an address like http://127.0.0.1:8080",
        ),
        (
            "api_key: abc",
            "settings.yaml:3: api_key: unknown setting; secrets are never settings: "
            "they come from the environment or systemd credentials",
        ),
        ("late_after_s: 5\nlate_after_s: 6", "settings.yaml:4: late_after_s is given twice; keep one"),
        (
            "exchange: {accounts: [a, a]}",
            "settings.yaml:3: exchange.accounts: found ['a', 'a'], expected at least one name, and each once",
        ),
        ("exchange: {accounts: a}", "settings.yaml:3: exchange.accounts: found 'a', expected a list"),
        ("models: [{name: other}]", "settings.yaml:3: found model and models, expected one of them"),
        ("? [a, b]\n: 1", "settings.yaml:3: ?: unknown setting; valid: "),
    ],
)
def test_a_mistake_gets_its_place_and_what_instead(write, lines, sentence):
    (line,) = refusal(write(f"{LEAST}{lines}\n"))
    assert line.startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("symbols: a: b", "settings.yaml:1:11: is not valid YAML: mapping values are not allowed here"),
        ("symbols: [", "settings.yaml:1:11: is not valid YAML"),
        ("symbols: &a [*a]", "settings.yaml: is not valid YAML: found an alias (*name) in line 1"),
        ("\x00", "settings.yaml: is not valid YAML"),
        ("- SPY", "settings.yaml:1: expected lines of NAME: VALUE"),
        ("a: " + "[" * 5000 + "]" * 5000, "settings.yaml: is nested too deeply"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_place(write, text, sentence):
    assert refusal(write(text))[0].startswith(sentence)


def test_bytes_that_are_no_text_and_a_folder_are_refused(tmp_path):
    (tmp_path / "settings.yaml").write_bytes(b"\xff\xfe\xff")
    assert refusal(tmp_path / "settings.yaml") == ["settings.yaml: is not UTF-8 text"]
    assert "cannot be read" in refusal(tmp_path)[0]


def test_an_empty_file_says_what_is_needed(write):
    assert [line.split(";")[0] for line in refusal(write("# nothing\n"))] == [
        "settings.yaml: model: missing",
        "settings.yaml: symbols: missing",
    ]


def test_all_problems_are_told_at_once(write):
    text = "symbols: [spy, 5]\nmodle: x\nlate_after_s: soon\n"
    found = refusal(write(text), {"HFTD_RISC__MAX": "1", "HFTD_RISK__MAX_POSITION": "[", "HFTD_LOG__LEVEL": "loud"})
    assert len(found) == 8
    assert "HFTD_RISC__MAX: risc: unknown setting; did you mean risk?" in found
    assert "HFTD_RISK__MAX_POSITION: is not valid: found '[', expected a value, or JSON" in found
    assert any(line.startswith("HFTD_LOG__LEVEL: log.level: found 'loud', expected debug, info") for line in found)


@pytest.mark.parametrize("symbol", ["ON", "NO", "Y", "TRUE", "BRK.B", "F"])
def test_words_that_old_yaml_takes_for_truth_are_symbols(write, symbol):
    assert load_settings(write(f"symbols: [{symbol}]\nmodel: quiet\n")).symbols == (symbol,)


@pytest.mark.parametrize(
    ("word", "duration_ns"), [("off", None), ("false", None), ("30s", 30 * 10**9), ("1h", 3600 * 10**9)]
)
def test_flatten_before_close_is_a_duration_or_off(write, word, duration_ns):
    settings = load_settings(write(f"{LEAST}risk: {{flatten_before_close: {word}}}\n"))
    assert settings.risk.flatten_before_close_ns == duration_ns


def test_a_bare_word_replaces_a_section_and_a_section_extends_a_bare_word(write):
    file = write(
        "symbols: [SPY]\nbroker: {name: simulated, url: 'http://127.0.0.1:1'}\nmodel: {name: a, parameters: {x: 1}}"
    )
    bare = load_settings(file, {"HFTD_BROKER": "alpaca", "HFTD_MODEL": "other"})
    assert (bare.broker.name, bare.broker.url, bare.model.name, bare.model.parameters) == ("alpaca", None, "other", {})
    grown = load_settings(write(f"{LEAST}broker: alpaca"), {"HFTD_BROKER__FEED": "sip"})
    assert (grown.broker.name, grown.broker.feed) == ("alpaca", "sip")


def test_a_section_with_nothing_but_comments_has_its_defaults(write):
    sections = [name for name, field in Settings.model_fields.items() if isinstance(field.default_factory, type)]
    assert {"risk", "broker", "exchange", "web"} <= set(sections)
    empty = "".join(f"{name}:\n  # something: 1\n" for name in sections)
    least = load_settings(write("symbols: [SPY]\nmodel:\n  name: quiet\n  parameters:\n    # quantity: 1\n  risk:\n"))
    settings = load_settings(write(f"symbols: [SPY]\nmodel: quiet\n{empty}"))
    assert settings.model_dump(exclude={"model"}) == least.model_dump(exclude={"model"})
    assert (least.model.parameters, least.model_limits) == ({}, {"quiet": {}})
    above = load_settings(write(f"{LEAST}risk:\n"), {"HFTD_RISK__MAX_POSITION": "7"})
    assert above.risk.max_position == 7
    below = {"HFTD_RISK": ""}
    assert refusal(write(f"{LEAST}risk: {{max_position: 7}}\n"), below)[0].startswith("HFTD_RISK: risk: found nothing")
    assert refusal(write("symbols: [SPY]\nmodel:\n"))[0].startswith("settings.yaml: model: missing")
    assert refusal(write(f"{LEAST}late_after_s:\n"))[0].startswith("settings.yaml:3: late_after_s: found nothing")


def test_bare_words_in_a_list_of_models_are_their_names(write):
    settings = load_settings(write("symbols: [SPY]\nmodels:\n- one\n- {name: two, shadow: true}\n- three\n"))
    assert [(model.name, model.where.split("/")[-1]) for model in settings.chosen_models] == [
        ("one", "settings.yaml:3"),
        ("two", "settings.yaml:4"),
        ("three", "settings.yaml:5"),
    ]
    assert settings.shadows == {"two"}
    given = load_settings(write("symbols: [SPY]\n"), {"HFTD_MODELS": "[one, two]"})
    assert [(model.name, model.where) for model in given.chosen_models] == [
        ("one", "HFTD_MODELS"),
        ("two", "HFTD_MODELS"),
    ]
    assert refusal(write("symbols: [SPY]\nmodels: [one, 5]\n")) == [
        "settings.yaml:2: models[1]: found 5, expected a group of NAME: VALUE lines"
    ]
    assert refusal(write("symbols: [SPY]\nmodels: one\n")) == [
        "settings.yaml:2: models: found 'one', expected a list, like [volume_17_31, crossing]"
    ]


def test_time_and_prices_of_another_exchange_are_not_ours_to_set():
    assert refusal(SHIPPED, {"HFTD_BROKER": "alpaca"}, {"exchange.speed": 60.0}) == [
        "command line: exchange.speed is for a simulated exchange that hftd starts itself, but the broker is alpaca"
    ]
    environment = {"HFTD_BROKER__URL": "http://127.0.0.1:1", "HFTD_EXCHANGE__TAPE": "a.csv"}
    assert refusal(SHIPPED, environment)[0].endswith("but broker.url names another")


def test_paths_are_relative_to_where_they_are_written(write, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    file = write(f"{LEAST}models_folder: mine\nexchange: {{tape: a.csv}}")
    assert load_settings(file).models_folder == tmp_path / "mine"
    assert load_settings(file).exchange.tape == tmp_path / "a.csv"
    assert load_settings(file, {"HFTD_MODELS_FOLDER": "m"}).models_folder == elsewhere / "m"
    assert load_settings(file, {}, {"exchange.tape": Path("b.csv")}).exchange.tape == elsewhere / "b.csv"


def test_models_are_chosen_with_their_symbols_and_places(write):
    file = write("symbols: [SPY, QQQ]\nmodels:\n  - name: a\n    symbols: [QQQ]\n  - {name: b, parameters: {x: 1}}\n")
    first, second = load_settings(file).chosen_models
    assert (first.name, first.symbols, first.parameters) == ("a", ("QQQ",), {})
    assert (second.name, second.symbols, second.parameters) == ("b", ("SPY", "QQQ"), {"x": 1})
    assert first.where.endswith("settings.yaml:3")
    assert second.locate("x").endswith("settings.yaml:5: parameter x")


def test_settings_are_read_back_from_what_a_journal_keeps(write):
    file = write(
        "symbols: [SPY]\nmodels: [{name: a, risk: {max_position: 5}}]\nrisk: {max_drawdown: off}\n"
        "journal: {keep_sessions: off}\nweb: {port: off}\npromote_after: 30 bars\nexchange: {participation: 0.1}\n"
    )
    settings = load_settings(file)
    assert Settings.model_validate_json(settings.model_dump_json()).model_dump() == settings.model_dump()


def test_a_token_that_is_short_is_told_without_repeating_it(write):
    assert refusal(write("symbols: [SPY]\nmodel: a\nweb: {token: short}\n")) == [
        "settings.yaml:3: web.token: found a secret, expected 16 characters or more"
    ]


def test_several_models_are_shown_by_what_was_given(write):
    settings = load_settings(
        write("symbols: [SPY]\nmodels: [{name: a, risk: {max_position: 5}}, {name: b, shadow: true}]\n")
    )
    [row] = [row for row in settings_table(settings) if row.name == "models"]
    assert row.value == [{"name": "a", "risk": {"max_position": "5"}}, {"name": "b", "shadow": True}]


def test_a_model_runs_once_and_on_symbols_that_are_heard(write):
    file = write("symbols: [SPY]\nmodels:\n  - {name: a, symbols: [QQQ]}\n  - name: a\n")
    assert refusal(file) == [
        "settings.yaml:3: model a: found symbol QQQ, expected some of SPY",
        "settings.yaml:4: model a is named twice; keep one",
    ]


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_settings(SHIPPED).late_after_s = 5


def test_the_file_is_found_in_order(write, tmp_path, monkeypatch):
    file = write(LEAST)
    assert find_settings_file(file, {"HFTD_SETTINGS": "/nowhere"}) == file
    assert find_settings_file(None, {"HFTD_SETTINGS": str(file)}) == file
    monkeypatch.chdir(tmp_path)
    assert find_settings_file(None, {}).absolute() == file
    monkeypatch.chdir("/")
    assert find_settings_file(None, {"CONFIGURATION_DIRECTORY": str(tmp_path)}) == file


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(SettingsError, match="/nowhere: no such settings file"):
        find_settings_file("/nowhere", {})


@given(st.text(max_size=80))
def test_any_text_is_settings_or_gets_a_sentence(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("any") / "settings.yaml"
    file.write_text(text, encoding="utf-8", errors="ignore")
    with pytest.raises(SettingsError, match=r"settings\.yaml"):
        load_settings(file)
