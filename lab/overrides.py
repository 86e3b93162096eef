"""What Hydra says about a mistyped command line, in one sentence with the valid choices."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.errors import UsageError, extra
from lab.registry import unknown

_KEY = re.compile(r"Could not (?:override|append to config|delete from config)[^']*'([^']+)'")
_PLUGIN = re.compile(r"Unknown plugin class : '([\w.]+)'")
_EXTRA_OF = {  # launchers and sweepers by the package that brings them
    "hydra-joblib-launcher": "cluster", "hydra-submitit-launcher": "cluster", "hydra-ray-launcher": "cluster",
}  # fmt: skip
_UNREADABLE = ("missing EQUAL", "LexerNoViableAlt", "no viable alternative", "mismatched input")
_FOUND = re.compile(r"Could not find '([^']+)'")


@contextmanager
def explained(arguments: Sequence[str], config_folder: Path) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into UsageErrors; with HYDRA_FULL_ERROR=1 set by the user, show it all.

    Hydra prints and ends the program by itself unless that variable is set, so it is, for the length of the `with`.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        if before == "1":
            raise
        raise UsageError(sentence(error, arguments, config_folder)) from error
    except RuntimeError as error:
        if before == "1" or (missing := _PLUGIN.search(str(error))) is None:
            raise
        raise UsageError(missing_plugin(missing[1]) or str(error)) from error
    except ValueError as error:
        if before == "1" or "can be specified" not in str(error):
            raise
        raise UsageError(f"{str(error).replace('specified', 'given')}: look at a config without -m") from error
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


def missing_plugin(target: str) -> str:
    """What to say of a launcher's or sweeper's class whose package is not installed; nothing where it is."""
    module = target.rpartition(".")[0]
    top, _, package = module.partition(".")
    if top != "hydra_plugins":
        return ""
    with suppress(ImportError):
        if importlib.util.find_spec(module) is not None:
            return ""
    name = package.partition(".")[0].replace("_", "-")
    how = extra(_EXTRA_OF[name]) if name in _EXTRA_OF else f"pip install {name}"
    return f"the package {name} is not installed; {how}"


def sentence(error: Exception, arguments: Sequence[str], config_folder: Path) -> str:
    """One sentence for an exception of Hydra's, OmegaConf's or the YAML parser's."""
    text = str(error).strip()
    if getattr(error, "problem_mark", None) is not None:
        return " ".join(text.split())
    options = getattr(error, "options", None)
    if options is not None and (found := _FOUND.search(text)):
        group, _, name = found[1].rpartition("/")
        return unknown(group or "config", name, options)
    first = text.splitlines()[0] if text else type(error).__name__
    if text.startswith("Ambiguous value"):
        argument = first.split("'")[1]
        return f"{argument} lists several values; put -m before it to sweep over them, or write [a,b] for a list"
    if "already at" in text and (key := _KEY.search(text)):
        return f"{key[1]} is there already; write it without the +"
    if "No match in the defaults list" in text and (key := _KEY.search(text)):
        if (config_folder / key[1]).is_dir():
            return f"{key[1]} is no part of the defaults; write +{key[1]}=NAME"
        return _unknown_key(key[1], arguments, config_folder)
    if key := _KEY.search(text):
        return _unknown_key(key[1], arguments, config_folder)
    if any(words in text for words in _UNREADABLE):
        quoted = first.rpartition(": ")[2].removeprefix("Error parsing override ").strip("'")
        wrong = getattr(error, "override", None) or quoted
        return f"cannot read the option {wrong!r}; write KEY=VALUE, and quotes around text with special characters"
    cause = str(error.__cause__).splitlines()[0] if error.__cause__ is not None and str(error.__cause__) else ""
    return "; ".join(part.rstrip(".") for part in (first, cause) if part)


def _unknown_key(key: str, arguments: Sequence[str], config_folder: Path) -> str:
    config = _composed(arguments, config_folder)
    parent, _, last = key.rpartition(".")
    node: Any = config
    for step in parent.split(".") if parent else ():
        node = node.get(step) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        return _unknown_key(parent, arguments, config_folder)
    elsewhere = [f"{group}.{last}" for group, part in config.items() if isinstance(part, dict) and last in part]
    choices = [f"{parent}.{name}" if parent else name for name in node]
    if elsewhere and not parent:
        return f"unknown option {key!r}: did you mean {' or '.join(elsewhere)}? valid: {', '.join(sorted(choices))}"
    return unknown("option", key, choices)


def _composed(arguments: Sequence[str], config_folder: Path) -> dict[str, Any]:
    """The config without the values that were asked for, but with the groups: what could have been overridden."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    groups = [a for a in arguments if re.fullmatch(r"\w+=\w+", a) and (config_folder / a.split("=")[0]).is_dir()]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", overrides=groups))
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}
