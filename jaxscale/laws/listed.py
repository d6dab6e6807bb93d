"""Every law of the catalogue by its name, as type checkers and editors read it.

`CATALOGUE` finds laws by the text of their files, which no checker can. Nothing imports this file.
"""

from __future__ import annotations

from jaxscale.laws.accuracy import (
    DirectAccuracy,
    DirectAccuracyND,
    GoldLikelihood,
    Observational,
    PassAtK,
    RepeatedSampling,
    RetrievalInference,
)
from jaxscale.laws.bounded import BoundedRational, BoundedThreeTerm, Rosenfeld, ShiftedSeparable
from jaxscale.laws.broken import M3, M4, BrokenPower
from jaxscale.laws.chinchilla import Chinchilla, ChinchillaNDC
from jaxscale.laws.composed import Composed
from jaxscale.laws.compression import (
    PostTrainingQuantization,
    Precision,
    QuantizationAware,
    SparsePruned,
)
from jaxscale.laws.distillation import Distillation, ModelMerging
from jaxscale.laws.downstream import AccuracyFromLoss, ErrorFromLoss, LossToLoss, TwoStep
from jaxscale.laws.farseer import Farseer
from jaxscale.laws.finetuning import RectifiedFineTuning, Transfer
from jaxscale.laws.games import BoardGames
from jaxscale.laws.hyperparameters import (
    BatchSize,
    BatchSizeByCompute,
    CriticalBatch,
    LearningRate,
    LearningRateByCompute,
    LearningRateByWidth,
    PowerLines,
    StepsAtBatch,
)
from jaxscale.laws.kaplan import Kaplan, KaplanC, KaplanD, KaplanN, KaplanSteps
from jaxscale.laws.mixture import AdditiveMixture, ImplicitMixture, JointMixture, MixingLaw
from jaxscale.laws.modalities import MixedModal, Multilingual
from jaxscale.laws.moe import EfficiencyLeverage, FineGrainedMoE, JointMoE, Routed, SparseMoE
from jaxscale.laws.nested import Skaling
from jaxscale.laws.overtraining import OverTraining
from jaxscale.laws.parallel import ParScale
from jaxscale.laws.power import Henighan, LogLaw, Piecewise, PowerLaw, PurePowerLaw
from jaxscale.laws.progress import AlgorithmicProgress
from jaxscale.laws.reinforcement import BatchForValues, DataToThreshold, RLCompute, RLPostTraining
from jaxscale.laws.repeated import DataConstrained, QualityDecay, Saturation
from jaxscale.laws.saturating import Hill, ShiftedPower, Sigmoid
from jaxscale.laws.shape import ArchitectureConditional, WidthDepth, WidthDepthSize
from jaxscale.laws.training import Annealing, ForwardMomentum, ThreeTerm
from jaxscale.laws.translog import Translog
from jaxscale.laws.vocabulary import Vocabulary

__all__ = [
    "AccuracyFromLoss",
    "AdditiveMixture",
    "AlgorithmicProgress",
    "Annealing",
    "ArchitectureConditional",
    "BatchForValues",
    "BatchSize",
    "BatchSizeByCompute",
    "BoardGames",
    "BoundedRational",
    "BoundedThreeTerm",
    "BrokenPower",
    "Chinchilla",
    "ChinchillaNDC",
    "Composed",
    "CriticalBatch",
    "DataConstrained",
    "DataToThreshold",
    "DirectAccuracy",
    "DirectAccuracyND",
    "Distillation",
    "EfficiencyLeverage",
    "ErrorFromLoss",
    "Farseer",
    "FineGrainedMoE",
    "ForwardMomentum",
    "GoldLikelihood",
    "Henighan",
    "Hill",
    "ImplicitMixture",
    "JointMixture",
    "JointMoE",
    "Kaplan",
    "KaplanC",
    "KaplanD",
    "KaplanN",
    "KaplanSteps",
    "LearningRate",
    "LearningRateByCompute",
    "LearningRateByWidth",
    "LogLaw",
    "LossToLoss",
    "M3",
    "M4",
    "MixedModal",
    "MixingLaw",
    "ModelMerging",
    "Multilingual",
    "Observational",
    "OverTraining",
    "ParScale",
    "PassAtK",
    "Piecewise",
    "PostTrainingQuantization",
    "PowerLaw",
    "PowerLines",
    "Precision",
    "PurePowerLaw",
    "QualityDecay",
    "QuantizationAware",
    "RLCompute",
    "RLPostTraining",
    "RectifiedFineTuning",
    "RepeatedSampling",
    "RetrievalInference",
    "Rosenfeld",
    "Routed",
    "Saturation",
    "ShiftedPower",
    "ShiftedSeparable",
    "Sigmoid",
    "Skaling",
    "SparseMoE",
    "SparsePruned",
    "StepsAtBatch",
    "ThreeTerm",
    "Transfer",
    "Translog",
    "TwoStep",
    "Vocabulary",
    "WidthDepth",
    "WidthDepthSize",
]
