"""Build a module without filling its weights, when a file is about to supply them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

# What initializers do to a tensor's values. On a tensor without memory it has no effect, but takes a millisecond.
FILLING = frozenset(
    {"add_", "bernoulli_", "clamp_", "copy_", "div_", "erfinv_", "exponential_", "fill_"}
    | {"mul_", "normal_", "sub_", "uniform_", "zero_"}
)

_weights_follow: ContextVar[bool] = ContextVar("weights_follow", default=False)


@contextmanager
def parameters_on_meta() -> Iterator[None]:
    """Put each parameter on the meta device as soon as a module registers it; buffers are built as ever.

    Initializers then cost nothing, and buffers, persistent or not, hold what a normal build gives them, which a build
    that is altogether on the meta device can't offer. Backbones built inside don't read their own weights.
    """
    handle = register_module_parameter_registration_hook(_move_to_meta)  # pyright: ignore[reportArgumentType]  # may return a parameter
    token = _weights_follow.set(True)
    try:
        with _LeaveUnfilled():
            yield
    finally:
        _weights_follow.reset(token)
        handle.remove()


def weights_follow() -> bool:
    """Whether the module that is being built will get all of its weights from a file."""
    return _weights_follow.get()


def _move_to_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
    # Returning None keeps a parameter as it is: one that is on the meta device already may be shared by two modules.
    if parameter is None or parameter.is_meta:
        return None
    return nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)


class _LeaveUnfilled(TorchFunctionMode):
    """Skip operations that fill tensors on the meta device."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the tensor as it is, or what the operation gives."""
        if args and isinstance(args[0], Tensor) and args[0].is_meta and getattr(func, "__name__", "") in FILLING:
            return args[0]
        return func(*args, **(kwargs or {}))
