"""Small models and generated data, on which a task trains in a fraction of a second."""

from dataclasses import dataclass

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, Dataset

CLASSES = 3
IGNORED = 255


class TinyModel(nn.Module):
    """Encoder, decoder and head of one layer each; gives a plain tensor."""

    def __init__(self, classes=CLASSES):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(CLASSES, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.decoder = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(8, classes, 1)

    def forward(self, x):
        return self.head(self.decoder(self.encoder(x)).relu())


@dataclass
class Output:
    """What a composed model gives."""

    output: torch.Tensor
    auxiliary_heads: dict


class ModelWithHeads(TinyModel):
    """The same with an auxiliary head."""

    def __init__(self):
        super().__init__()
        self.aux_heads = nn.ModuleDict({"side": nn.Conv2d(8, CLASSES, 1)})

    def forward(self, x):
        features = self.encoder(x)
        side = {name: head(features) for name, head in self.aux_heads.items()}
        return Output(self.head(self.decoder(features).relu()), side)


class Chips(Dataset):
    """Images in which the strongest band is the class; some pixels are ignored."""

    def __init__(self, count=8, size=8, seed=0, ignored_share=0.1, **extra):
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(count, CLASSES, size, size, generator=generator)
        self.masks = self.images.argmax(dim=1)
        self.masks[torch.rand(self.masks.shape, generator=generator) < ignored_share] = IGNORED
        self.extra = extra

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index], "mask": self.masks[index], "filename": f"{index}.tif", **self.extra}


class ChipsDataModule(LightningDataModule):
    """Generated chips for every stage; attributes may be set as a datamodule of ours has them."""

    def __init__(self, test_loaders=1, **attributes):
        super().__init__()
        self.train, self.val = Chips(16, seed=1), Chips(6, seed=2)
        self.tests = [Chips(4 + index, seed=3 + index) for index in range(test_loaders)]
        for name, value in attributes.items():
            setattr(self, name, value)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=4)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=4)

    def test_dataloader(self):
        loaders = [DataLoader(test, batch_size=4) for test in self.tests]
        return loaders if len(loaders) > 1 else loaders[0]

    def predict_dataloader(self):
        return DataLoader(self.val, batch_size=4)


@pytest.fixture
def parts():
    """The classes above, as one object: tests are no package to import from."""

    class Parts:
        tiny_model = TinyModel
        model_with_heads = ModelWithHeads
        output = Output
        chips = Chips
        datamodule = ChipsDataModule

    return Parts


@pytest.fixture
def make_trainer(tmp_path):
    def make(**options):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
        quiet |= {"enable_checkpointing": False, "default_root_dir": tmp_path, "max_epochs": 1}
        return Trainer(**{**quiet, **options})

    return make
