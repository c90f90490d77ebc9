"""The commands that install hftd as a service, and remove it."""

import os
from pathlib import Path
from typing import Annotated

import typer


def install(
    prefix: Annotated[Path | None, typer.Option(metavar="DIR", help="Where hftd goes; default /opt/hftd")] = None,
    user: Annotated[bool, typer.Option("--user", help="As a service of yours alone, without root")] = False,
    packages: Annotated[
        list[str] | None, typer.Option("--with", metavar="PACKAGE", help="Also this, for a model; may be repeated")
    ] = None,
    keys: Annotated[
        str | None, typer.Option(metavar="FILE", help="A broker's keys: a file of NAME=VALUE lines, or - to be asked")
    ] = None,
    exchange: Annotated[bool, typer.Option("--exchange", help="Trade on hftd-exchange.service")] = False,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="Put everything beneath DIR, for an image")] = None,
) -> None:
    """Install hftd as a service, or upgrade it: settings, models, keys and state stay as they are.

    Example: hftd install --user --with scikit-learn
    """
    from hftd.commands.install import install as install_hftd
    from hftd.commands.install import places_of

    places = places_of(prefix, os.environ, for_user=user, root=root)
    print(install_hftd(places, packages or (), keys, exchange=exchange))


def uninstall(
    prefix: Annotated[Path | None, typer.Option(metavar="DIR", help="Where hftd is; default /opt/hftd")] = None,
    user: Annotated[bool, typer.Option("--user", help="The service of yours alone")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Also state, settings, models")] = False,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="What was put beneath DIR")] = None,
) -> None:
    """Stop the service and remove it. State stays, and settings and models that you have changed.

    Example: hftd uninstall --user
    """
    from hftd.commands.install import places_of
    from hftd.commands.install import uninstall as uninstall_hftd

    print(uninstall_hftd(places_of(prefix, os.environ, for_user=user, root=root), purge=purge))
