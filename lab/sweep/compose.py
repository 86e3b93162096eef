"""A run's checked config from options as the command line has them, for commands that make runs themselves."""

from __future__ import annotations

from collections.abc import Sequence

from lab.config import RunConfig, parse


def composed(overrides: Sequence[str]) -> RunConfig:
    """The config of KEY=VALUE and GROUP=NAME. Raises UsageError as the command line does."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from lab.app import config_folder
    from lab.guard import guarded
    from lab.overrides import explained
    from lab.sweep.hooks import plain

    GlobalHydra.instance().clear()
    folder = config_folder()
    with (
        explained(overrides, folder),
        guarded(overrides),
        initialize_config_dir(str(folder), version_base="1.3"),
    ):
        return parse(plain(compose("config", overrides=list(overrides))))
