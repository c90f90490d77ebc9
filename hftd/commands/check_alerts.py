"""`hftd check` on alerts: whether the addresses are understood and, when asked for, whether a test arrives."""

from hftd.commands.check import Found
from hftd.errors import ConfigurationError
from hftd.live.alert_sender import Alert, addresses_of, problem_of, send_to

TEST = Alert("test", "hftd: a test", "This is a test by hftd check --alert. Alerts arrive here.")


def check_alerts(found: Found) -> str:
    assert found.settings is not None
    addresses = addresses_of(found.settings.alerts, found.environment)
    if not addresses:
        if found.send_alert:
            raise ConfigurationError("there is no address to send to: give alerts.urls, as docs/alerts.md says")
        return "none are sent: alerts.urls is empty"
    ask = (lambda address: send_to(address, TEST)) if found.send_alert else problem_of
    problems = [problem for address in addresses if (problem := ask(address))]
    if problems:
        raise ConfigurationError("\n".join(problems))
    names = ", ".join(address.name for address in addresses)
    return f"a test was sent to {names}" if found.send_alert else f"{names}; hftd check --alert sends a test"
