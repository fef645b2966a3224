"""`geofoundry fit | validate | test | predict`: the verbs that take a YAML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from geofoundry.core.optional import require

if TYPE_CHECKING:
    from geofoundry.recipes.configuration import Configuration

OVERRIDES = (
    "Anything in the YAML can be overridden by its path, for example `--trainer.max_epochs 3`, "
    "`--model.init_args.lr=1e-3` or, shorter, `--data.batch_size 4`. "
    "`geofoundry catalog show NAME` prints what a part takes."
)
PASS_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}

Config = Annotated[
    list[Path], typer.Option("-c", "--config", help="The YAML; given several times, later ones override earlier ones.")
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--ckpt_path", "--ckpt-path", help="`best`, `last`, a run folder or a .ckpt file.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Put the verbs at the top of the command."""
    for verb, function in (("fit", fit), ("validate", validate), ("test", test), ("predict", predict)):
        app.command(verb, context_settings=PASS_OVERRIDES, epilog=OVERRIDES)(function)


def fit(
    context: typer.Context,
    config: Config,
    ckpt_path: Checkpoint = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but train: check, build, one real step, memory, time.")
    ] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", "--print_config", help="Print the resolved configuration and stop.")
    ] = False,
) -> None:
    """Train a model. Everything that comes of it lies in one run folder, `runs/NAME/ID`.

    `--ckpt_path last` goes on where the latest run of this configuration stopped.
    """
    if print_config:
        _print_config(config, context.args)
        return
    configuration = _read(config, context.args)
    if dry_run:
        from geofoundry.recipes.dry_run import dry_run as run_dry

        typer.echo(run_dry(configuration))
    else:
        from geofoundry.recipes.fit import fit as run_fit

        typer.echo(run_fit(configuration, ckpt_path=ckpt_path).summary())


def validate(context: typer.Context, config: Config, ckpt_path: Checkpoint = None) -> None:
    """Measure a trained model on the validation split."""
    _evaluate("validate", config, context.args, ckpt_path)


def test(context: typer.Context, config: Config, ckpt_path: Checkpoint = None) -> None:
    """Measure a trained model on the test split; figures and the card go into its run folder."""
    _evaluate("test", config, context.args, ckpt_path)


def predict(
    context: typer.Context,
    config: Config,
    ckpt_path: Checkpoint = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "-i", "--images", help="Files or globs to map, in place of those in the YAML.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", "--predict_output_dir", help="Folder of the maps; in the run folder if not given."
        ),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write float32 probabilities, one band per class.")
    ] = False,
) -> None:
    """Write a georeferenced GeoTIFF map of every image."""
    configuration = _read(config, context.args, files=False)
    from geofoundry.recipes.predict import predict as run_predict

    written = run_predict(
        configuration, ckpt_path=ckpt_path, images=images, output_dir=output, probabilities=probabilities
    )
    for path in written:
        typer.echo(f"wrote {path}")


def _read(config: list[Path], overrides: list[str], *, files: bool = True) -> Configuration:
    """Check the configuration, which takes a moment, before torch is imported, which takes seconds."""
    from geofoundry.recipes.configuration import read_configuration

    configuration = read_configuration(config, overrides, files=files)
    require("torch", "train", purpose="training and prediction")
    require("lightning.pytorch", "train", purpose="training and prediction")
    return configuration


def _evaluate(
    stage: Literal["validate", "test"], config: list[Path], overrides: list[str], ckpt_path: str | None
) -> None:
    configuration = _read(config, overrides)
    from geofoundry.recipes.evaluate import evaluate

    evaluation = evaluate(stage, configuration, ckpt_path=ckpt_path)
    width = max((len(name) for name in evaluation.metrics), default=0)
    for name, value in evaluation.metrics.items():
        typer.echo(f"{name:<{width}}  {value:.4f}")
    typer.echo(f"checkpoint {evaluation.checkpoint}\nrun folder {evaluation.run.path}")


def _print_config(config: list[Path], overrides: list[str]) -> None:
    import yaml

    from geofoundry.recipes.configuration import read_configuration

    typer.echo(yaml.safe_dump(read_configuration(config, overrides).resolved, sort_keys=False))
