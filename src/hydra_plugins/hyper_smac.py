"""Answers who asks whether SMAC is there: ``from hydra_plugins.hyper_smac import HyperSMACConfig``."""

from hydra_plugins.sharpen_sweeper.registration import configuration_of

__getattr__ = configuration_of("HyperSMAC")
