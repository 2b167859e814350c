"""Answers who asks whether DEHB is there: ``from hydra_plugins.hyper_dehb import HyperDEHBConfig``."""

from hydra_plugins.sharpen_sweeper.registration import configuration_of

__getattr__ = configuration_of("HyperDEHB")
