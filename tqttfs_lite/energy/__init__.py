"""The energy of an inference: the slides' model and those it is audited by, pure functions of counts."""
