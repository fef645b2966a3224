import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from geofoundry.core.errors import ConfigError, IntegrityError
from geofoundry.models import EncoderDecoderFactory, load_model


def compose(**arguments):
    return EncoderDecoderFactory().build_model("segmentation", num_classes=3, **arguments)


BUILDERS = {
    "convolutional": lambda: compose(backbone="resnet10t", decoder="Unet", decoder_channels=[8, 8, 8, 8, 8]),
    # Windows, relative positions and drop path: buffers that no file holds.
    "swin": lambda: compose(
        backbone="swin_tiny_patch4_window7_224",
        backbone_embed_dim=8,
        backbone_depths=(2, 1, 1, 1),
        backbone_num_heads=(1, 1, 2, 2),
        decoder="UperNetDecoder",
        decoder_channels=8,
    ),
    # Rotary positions: buffers that are computed.
    "rotary": lambda: compose(
        backbone="eva02_tiny_patch14_224",
        backbone_embed_dim=24,
        backbone_depth=2,
        backbone_num_heads=2,
        decoder="FCNDecoder",
        decoder_channels=8,
    ),
}


@pytest.fixture(params=BUILDERS)
def saved(request, tmp_path):
    torch.manual_seed(0)
    model = BUILDERS[request.param]().eval()
    file = tmp_path / "model.safetensors"
    save_file(model.state_dict(), file)
    return BUILDERS[request.param], model, file


def test_loaded_model_is_the_saved_one(saved):
    build, model, file = saved
    torch.manual_seed(1)
    loaded = load_model(build, file)
    assert loaded.training
    for kind in ("named_parameters", "named_buffers"):
        expected, got = dict(getattr(model, kind)()), dict(getattr(loaded, kind)())
        assert list(got) == list(expected)
        for name, tensor in expected.items():
            assert torch.equal(got[name], tensor), name
            assert (got[name].dtype, got[name].requires_grad) == (tensor.dtype, tensor.requires_grad)
    x = torch.randn(1, 3, 56, 84)
    with torch.no_grad():
        expected, got = model(x).output, loaded.eval()(x).output
    # Mapped weights begin at other addresses, for which matrix products round differently.
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_loaded_model_can_be_trained_and_leaves_the_file_alone(tmp_path):
    model = BUILDERS["convolutional"]()
    file = tmp_path / "model.safetensors"
    save_file(model.state_dict(), file)
    before = file.read_bytes()
    loaded = load_model(BUILDERS["convolutional"], file)
    optimizer = torch.optim.SGD(loaded.parameters(), lr=0.1)
    loaded(torch.randn(2, 3, 64, 64)).output.sum().backward()
    optimizer.step()
    assert not torch.equal(loaded.head.head[2].weight, model.head.head[2].weight)
    assert file.read_bytes() == before


def test_building_does_not_initialize(monkeypatch, tmp_path):
    model = BUILDERS["convolutional"]()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    state = torch.get_rng_state()
    load_model(BUILDERS["convolutional"], tmp_path / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), state)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight


@pytest.mark.parametrize("write", [save_model, lambda m, f: torch.save(m.state_dict(), f)])
def test_shared_weights_stay_shared(tmp_path, write):
    model = Tied()
    file = tmp_path / ("w.safetensors" if write is save_model else "w.pt")
    write(model, str(file))
    loaded = load_model(Tied, file)
    assert loaded.second.weight is loaded.first.weight
    assert torch.equal(loaded.first.weight, model.first.weight)


def test_shared_weights_that_differ_in_the_file_are_refused(tmp_path):
    state = {k: v.clone() for k, v in Tied().state_dict().items()}
    state["second.weight"] += 1
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(IntegrityError, match="differ in the file"):
        load_model(Tied, tmp_path / "w.safetensors")


def test_everything_that_does_not_fit_is_told_at_once(tmp_path):
    state = nn.Linear(3, 4).state_dict()
    state = {"weight": torch.zeros(4, 5), "extra": torch.zeros(1)}
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(IntegrityError, match="don't fit the model Linear") as caught:
        load_model(lambda: nn.Linear(3, 4), tmp_path / "w.safetensors")
    assert len(caught.value.faults) == 3


def test_kinds_of_numbers_are_checked_and_precision_is_the_models(tmp_path):
    save_file({"weight": torch.ones(4, 3, dtype=torch.int32), "bias": torch.ones(4)}, tmp_path / "int.safetensors")
    with pytest.raises(IntegrityError, match="another kind of number"):
        load_model(lambda: nn.Linear(3, 4), tmp_path / "int.safetensors")
    half = {"weight": torch.ones(4, 3, dtype=torch.bfloat16), "bias": torch.ones(4, dtype=torch.float16)}
    save_file(half, tmp_path / "half.safetensors")
    loaded = load_model(lambda: nn.Linear(3, 4), tmp_path / "half.safetensors")
    assert loaded.weight.dtype == loaded.bias.dtype == torch.float32


def test_a_prefix_chooses_the_models_part_of_a_checkpoint(tmp_path):
    model = nn.Linear(3, 4)
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": {**state, "criterion.weight": torch.ones(4)}, "epoch": 3}, tmp_path / "last.ckpt")
    loaded = load_model(lambda: nn.Linear(3, 4), tmp_path / "last.ckpt", prefix="model.")
    assert torch.equal(loaded.weight, model.weight)


def test_a_missing_file_is_said_before_anything_is_built(tmp_path):
    def build():
        raise AssertionError("built")

    with pytest.raises(ConfigError, match="no such file"):
        load_model(build, tmp_path / "none.safetensors")
