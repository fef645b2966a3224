"""Any model of timm as a backbone: a list of feature maps, any bands, any image size that the model can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
from torch import Tensor, nn

from geofoundry.core.errors import ConfigError, Fault
from geofoundry.nn.backbones.band_adaptation import RGB, BandFill, plan_bands, plan_unnamed_bands, report
from geofoundry.nn.backbones.timm_models import complete_keywords, create_timm_model, grows_with_image
from geofoundry.nn.backbones.timm_sizes import SizeRule, find_size_rule
from geofoundry.nn.backbones.timm_weights import load_timm_weights
from geofoundry.nn.deferred_weights import weights_follow


class TimmBackbone(nn.Module):
    """A timm model that returns feature maps.

    **Shapes:** `(B, C, H, W)` to a list of `(B, out_channels[i], H / reductions[i], W / reductions[i])`; of a plain
    vision transformer, one map per block, all of one size.

    Its parameters are named as in timm, below `model.`.

    Attributes:
        out_channels: Channels of each map.
        reductions: How many times smaller than the image each map is.
        patch_size: Side of the patches of a plain vision transformer, otherwise None.
        size_multiple: Height and width of images must be multiples of this.
        fixed_size: The one (height, width) that the model takes, or None.
        band_report: Where each band's filter of the first layer comes from, as plain data.

    **Source:** huggingface/pytorch-image-models.
    """

    def __init__(
        self,
        model: nn.Module,
        out_indices: Sequence[int],
        infos: Sequence[dict[str, Any]],
        size_rule: SizeRule,
        places: Sequence[int],
        *,
        norm: bool = False,
        band_report: dict[str, Any] | None = None,
    ) -> None:
        """Wrap a model that was cut down to the maps asked for; see `build_timm_backbone`.

        `out_indices` are the maps' places in the model as it is now, `places` those in the whole one.
        """
        super().__init__()
        self.model = model
        self.out_indices = list(out_indices)
        self.norm = norm
        self.out_channels = [
            int(info.get("num_chs_norm", info["num_chs"]) if norm else info["num_chs"]) for info in infos
        ]
        self.reductions = [size_rule.reductions[place] for place in places]
        self.patch_size = size_rule.patch_size
        self.size_multiple = size_rule.multiple
        self.fixed_size = size_rule.fixed
        self.band_report = band_report or {}

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps.

        Raises:
            ConfigError: when the model takes one image size only, and this is another.
        """
        if self.fixed_size is not None and tuple(x.shape[-2:]) != self.fixed_size:
            raise wrong_size(self.fixed_size, (x.shape[-2], x.shape[-1]))
        forward = self.model.forward_intermediates
        return list(forward(x, indices=self.out_indices, norm=self.norm, output_fmt="NCHW", intermediates_only=True))  # pyright: ignore[reportCallIssue]

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory: keep fewer activations and compute them again in the backward pass."""
        self.model.set_grad_checkpointing(enable)  # pyright: ignore[reportCallIssue]


def build_timm_backbone(
    model_name: str,
    *,
    bands: Sequence[str | int] | None = None,
    in_chans: int | None = None,
    pretrained_bands: Sequence[str] | None = None,
    weights: str | None = None,
    pretrained: bool = False,
    out_indices: Sequence[int] | None = None,
    sensor: str | None = None,
    extra_bands: Sequence[str] = (),
    band_fill: BandFill = "mean",
    norm: bool = False,
    **timm_kwargs: Any,
) -> TimmBackbone:
    """Build a backbone from the name of a timm model, with or without a pretrained tag.

    Args:
        model_name: Name as in `timm.list_models()`.
        bands: Names of the input bands in order; the first layer is fitted to them. Numbers do where there are no
            weights.
        in_chans: Number of input bands, when they have no names.
        pretrained_bands: Names of the bands that the weights were trained on, in order; red, green, blue unless given.
        weights: A file with the model's weights, named as timm names them (`.safetensors`, or `.pt` without code).
        pretrained: Fetch timm's own weights, which may need the network.
        out_indices: Which feature maps to return, counted from 0, or from -1 backwards; all of them unless given.
        sensor: The sensor that the names of the bands belong to, where they depend on it.
        extra_bands: Names among `bands` that no sensor has, such as elevation, taken as new bands.
        band_fill: What new bands get: the mean of all pretrained filters, or a mixture by wavelength.
        norm: Apply the model's final norm to every map, which plain vision transformers leave out otherwise.
        **timm_kwargs: Keywords of the timm model.

    Raises:
        ConfigError: when a keyword, a band or an index is wrong; all such faults of the call in one error.
        IntegrityError: when the weights don't fit the model.
    """
    keywords = complete_keywords(model_name, timm_kwargs)
    _refuse_contradictions(bands, in_chans, weights, pretrained)
    known = pretrained_bands or RGB
    if bands is None:
        plan = None if in_chans is None else plan_unnamed_bands(in_chans, known)
    elif weights is None and not pretrained and all(isinstance(band, int) for band in bands):
        plan = plan_unnamed_bands(len(bands), known)  # numbers can't be matched, but there is nothing to match
    else:
        plan = plan_bands(bands, known, sensor=sensor, extra_bands=extra_bands, fill=band_fill)
    count = len(plan.bands) if plan else None
    model = create_timm_model(model_name, in_chans=count, num_classes=0, **keywords)
    infos = _feature_infos(model_name, model)
    indices = _resolve_indices(model_name, out_indices, len(infos))
    _require_norm(model_name, model, norm)
    size_rule = find_size_rule(model, model_name, keywords, bands=count, grows=grows_with_image(keywords))
    kept = model.prune_intermediate_layers(indices, prune_norm=not norm, prune_head=True)
    # A model that was not told the number of bands has that of its own configuration.
    plan = plan or plan_unnamed_bands(model.pretrained_cfg["input_size"][0], known)
    origin, layers = None, ()
    if (weights is not None or pretrained) and not weights_follow():
        origin = str(weights) if weights is not None else f"timm {model_name}"
        layers = load_timm_weights(model, model_name, plan, keywords, weights)
    told = report(plan, origin, layers)
    return TimmBackbone(model, kept, [infos[i] for i in indices], size_rule, indices, norm=norm, band_report=told)


def wrong_size(takes: tuple[int, int], got: tuple[int, int]) -> ConfigError:
    """Return the error for an image that a backbone of one size can't take."""
    return ConfigError(
        Fault(
            what="the backbone takes images of one size only",
            got=f"{got[0]} × {got[1]} pixels",
            expected=f"{takes[0]} × {takes[1]} pixels",
            mend=f"cut images of that size, or build it for yours: backbone_img_size: [{got[0]}, {got[1]}]",
        )
    )


def _refuse_contradictions(
    bands: Sequence[str | int] | None, in_chans: int | None, weights: str | None, pretrained: bool
) -> None:
    faults = []
    if bands is not None and in_chans is not None and in_chans != len(bands):
        faults.append(
            Fault(
                what="the number of bands is given twice, differently",
                where="backbone_in_chans",
                got=f"in_chans={in_chans} and {len(bands)} bands",
                mend="remove backbone_in_chans",
            )
        )
    if weights is not None and pretrained:
        faults.append(
            Fault(
                what="weights come from a file or from timm, not from both",
                where="backbone_weights, backbone_pretrained",
                got=f"weights={weights!r} and pretrained=True",
                mend="remove one of the two",
            )
        )
    if faults:
        raise ConfigError(faults)


def _require_norm(model_name: str, model: nn.Module, norm: bool) -> None:
    if norm and not isinstance(getattr(model, "norm", None), nn.Module):
        raise ConfigError(Fault(f"{model_name} has no final norm", "backbone_norm", mend="remove backbone_norm"))


def _feature_infos(model_name: str, model: nn.Module) -> list[dict[str, Any]]:
    missing = [
        name
        for name in ("feature_info", "forward_intermediates", "prune_intermediate_layers")
        if not hasattr(model, name)
    ]
    if missing:
        raise ConfigError(
            Fault(
                what=f"{model_name} of timm {timm.__version__} can't return feature maps",
                got=f"a model without {', '.join(missing)}",
                mend="install a newer timm, or choose another backbone",
            )
        )
    return [dict(info) for info in model.feature_info]  # pyright: ignore


def _resolve_indices(model_name: str, out_indices: Sequence[int] | None, count: int) -> list[int]:
    if out_indices is None:
        return list(range(count))
    wrong = [index for index in out_indices if not -count <= index < count]
    resolved = [index % count for index in out_indices]
    if wrong or not resolved or resolved != sorted(set(resolved)):
        raise ConfigError(
            Fault(
                what=f"{model_name} can't return these feature maps",
                where="backbone_out_indices",
                got=str(list(out_indices)),
                expected=f"different numbers from 0 to {count - 1}, or from -{count} to -1, in ascending order",
                mend="to reorder or repeat maps, use the neck SelectIndices",
            )
        )
    return resolved
