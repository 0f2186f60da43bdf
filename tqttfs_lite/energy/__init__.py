"""The energy of an inference: the slides' model and those it is compared with, as pure functions of counts."""
