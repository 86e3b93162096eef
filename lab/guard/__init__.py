"""Config files from others are data: what Hydra reads is checked before it acts on any of it.

Hydra composes a config and then, before the application sees it, sets up logging, makes callbacks, a launcher and a
sweeper from the classes that the config names, and sets environment variables. So it is checked in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from lab.guard.composed import check_composed
from lab.guard.files import check_file
from lab.guard.searchpath import check_searchpath

__all__ = ["guarded"]


@contextmanager
def guarded(arguments: Sequence[str]) -> Iterator[None]:
    """Have each file checked before Hydra parses it, and each config as soon as it is composed.

    arguments: the command line, which is the user's own word: what stands there may name folders and modules that a
    file may not. Inside, a config that is refused raises UsageError.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_repository import ConfigRepository
    from hydra._internal.sources_registry import SourcesRegistry
    from hydra.core.plugins import Plugins
    from omegaconf import OmegaConf
    from omegaconf.resolvers import oc

    Plugins.instance()  # loads its modules anew: a class imported before would not be the one in use
    files = SourcesRegistry.instance().resolve("file")
    read, compose, look_up = (
        files.load_config, ConfigLoaderImpl.load_configuration, ConfigRepository.initialize_sources
    )  # fmt: skip

    def read_checked(source: Any, config_path: str) -> Any:
        check_file(source.path, source._normalize_file_name(config_path))
        return read(source, config_path)

    def compose_checked(loader: Any, *given: Any, **options: Any) -> Any:
        config = compose(loader, *given, **options)
        check_composed(config, arguments)
        return config

    def look_up_checked(repository: Any, config_search_path: Any) -> None:
        check_searchpath([element.path for element in config_search_path.get_path()])
        look_up(repository, config_search_path)

    OmegaConf.register_new_resolver("oc.env", _refuse, replace=True)
    try:
        with (
            mock.patch.object(files, "load_config", read_checked),
            mock.patch.object(ConfigLoaderImpl, "load_configuration", compose_checked),
            mock.patch.object(ConfigRepository, "initialize_sources", look_up_checked),
        ):
            yield
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def _refuse(*names: Any) -> str:
    # Refused when it is resolved, and not by its text: a resolver's name may itself be put together.
    raise ValueError(
        f"reads the environment ({', '.join(map(str, names))}), which a record would show; write the value itself"
    )
