"""One loop for every family of models: it trains any `Objective` on any `BatchSource`."""

from caloforge.training.batches import NoData, TensorBatches
from caloforge.training.callbacks import Callback, Moment
from caloforge.training.checkpoint import load_weights, resolve, save_weights
from caloforge.training.ema import MovingAverage
from caloforge.training.loop import TrainingResult, train
from caloforge.training.schedule import learning_rate
from caloforge.training.settings import TrainingSettings

__all__ = [
    "Callback",
    "Moment",
    "MovingAverage",
    "NoData",
    "TensorBatches",
    "TrainingResult",
    "TrainingSettings",
    "learning_rate",
    "load_weights",
    "resolve",
    "save_weights",
    "train",
]
