"""From a resolved configuration to task, datamodule and trainer, by LightningCLI."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import CheckpointIO

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.recipes.checkpoints import AtomicCheckpointIO
from geofoundry.recipes.progress_bar import quieten_lightning

# Sections that our own recipes act on; LightningCLI knows nothing of them.
OWN_KEYS = ("custom_modules_path", "run", "ckpt_path")


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a verb works with; `config` is the whole configuration with every default filled in."""

    task: LightningModule
    datamodule: LightningDataModule
    trainer: Trainer
    config: dict[str, Any]


def assemble(
    resolved: dict[str, Any], *, seed: int, loggers: Sequence[Logger] = (), callbacks: Sequence[Callback] = ()
) -> Assembly:
    """Build task, datamodule and trainer.

    Our `loggers` and `callbacks` join those of the configuration. A checkpoint callback in the configuration takes
    the place of ours. Without a logger of ours nothing is logged: that is a verb which leaves no trace.

    Raises:
        ConfigError: when a value has a type that a constructor can't take. What a constructor itself raises comes
            through unchanged.
    """
    config = {key: value for key, value in resolved.items() if key not in OWN_KEYS}
    config["seed_everything"] = seed
    config["trainer"] = {"enable_model_summary": False, **(config.get("trainer") or {})}
    quieten_lightning()
    try:
        with warnings.catch_warnings():
            # LightningCLI calls jsonargparse by names that are on their way out; not a matter for our users.
            warnings.filterwarnings("ignore", message=r"(?s).*(JsonargparseDeprecationWarning|was deprecated in v4)")
            cli = _Cli(config, loggers, callbacks)
    except (ArgumentError, ValueError) as error:
        raised_inside = _constructor_error(error)
        if raised_inside is not None:
            raise raised_inside from None
        raise ConfigError(
            Fault(
                what="the configuration can't be turned into objects",
                got=str(error).strip(),
                mend="`geofoundry catalog show NAME` prints what a part takes",
            )
        ) from error
    return Assembly(cli.model, cli.datamodule, cli.trainer, cli.plain_config())


class _Cli(LightningCLI):
    """LightningCLI fed with a checked configuration instead of the command line; it builds and runs nothing."""

    def __init__(self, config: dict[str, Any], loggers: Sequence[Logger], callbacks: Sequence[Callback]) -> None:
        self._loggers = loggers
        self._callbacks = callbacks
        super().__init__(
            args=config,
            run=False,
            save_config_callback=None,
            seed_everything_default=False,
            parser_kwargs={"exit_on_error": False},
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        # The parent warns when sys.argv holds anything; ours holds the verb.
        assert isinstance(args, (dict, Namespace))
        self.config = parser.parse_object(args)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        given = {**self.config_init["trainer"], **kwargs}
        theirs = _as_list(given.get("callbacks"))
        if given.get("enable_progress_bar") is False:
            self._callbacks = [c for c in self._callbacks if not isinstance(c, ProgressBar)]
        user_saves = any(isinstance(callback, Checkpoint) for callback in theirs)
        ours = [c for c in self._callbacks if not (user_saves and isinstance(c, Checkpoint))]
        given["callbacks"] = [*theirs, *ours]
        given["enable_checkpointing"] = any(isinstance(callback, Checkpoint) for callback in given["callbacks"])
        given["logger"] = [*_as_list(given.get("logger")), *self._loggers] if self._loggers else False
        plugins = _as_list(given.get("plugins"))
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            given["plugins"] = [*plugins, AtomicCheckpointIO()]
        return Trainer(**given)

    def plain_config(self) -> dict[str, Any]:
        """Return the parsed configuration as plain data."""
        return yaml.safe_load(self.parser.dump(self.config, format="yaml"))


def _constructor_error(error: BaseException) -> BaseException | None:
    """Return what a constructor raised: jsonargparse wraps it in an error of its own about types."""
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__
    for cause in reversed(chain[1:]):
        frames = traceback.extract_tb(cause.__traceback__)
        if frames and "jsonargparse" not in Path(frames[-1].filename).parts:
            return cause
    return None


def _as_list(value: Any) -> list[Any]:
    """Return a list of what Lightning takes as one, several, none, or a switch."""
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
