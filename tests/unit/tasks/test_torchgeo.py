"""A TorchGeo datamodule with its augmentations drives a task as it is."""

import pytest
import torch
from torchgeo.datamodules import NonGeoDataModule
from torchgeo.datasets import NonGeoDataset

from geofoundry.tasks.segmentation import SemanticSegmentationTask


class Fields(NonGeoDataset):
    """Generated images with what TorchGeo's datasets put beside them."""

    def __init__(self, split="train"):
        self.split = split

    def __len__(self):
        return 6

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 16, 16, generator=generator)
        return {"image": image, "mask": image.argmax(0), "bbox_xyxy": torch.zeros(1, 4), "key": index}


class FieldsDataModule(NonGeoDataModule):
    mean = torch.tensor(0.5)
    std = torch.tensor(0.25)

    def __init__(self):
        super().__init__(Fields, batch_size=2, num_workers=0)

    def setup(self, stage):
        self.train_dataset = Fields("train")
        self.val_dataset = Fields("val")
        self.test_dataset = Fields("test")


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
@pytest.mark.filterwarnings("ignore:.*smaller than the logging interval.*")
def test_it_trains_and_tests(make_trainer):
    task = SemanticSegmentationTask(model=torch.nn.Conv2d(3, 3, 1), class_names=["a", "b", "c"], lr=0.1)
    trainer = make_trainer(max_epochs=5)
    data = FieldsDataModule()
    trainer.fit(task, datamodule=data)
    trainer.test(task, datamodule=data, verbose=False)
    assert trainer.callback_metrics["test/mIoU"] > 0.5
    assert task.confusion["test"].sum() == 6 * 16 * 16
