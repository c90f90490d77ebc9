"""settings.yaml, environment and command line -> one frozen `Settings`.

    settings = load_settings(find_settings_file(None), os.environ, {"exchange.speed": 60})

Three layers, later ones over earlier ones: the file; variables such as HFTD_RISK__MAX_POSITION, nested by two
underscores and read as YAML; what the command line gives. Everything else has a default, and `settings_table` shows
where each value came from. Secrets are never settings. A mistake is a `SettingsError` that lists every problem, one
a line: where, what was found, what was expected, the nearest valid name.
"""

from hftd.settings.load import find_settings_file, load_settings
from hftd.settings.shape import Settings
from hftd.settings.table import SettingRow, settings_table

__all__ = ["SettingRow", "Settings", "find_settings_file", "load_settings", "settings_table"]
