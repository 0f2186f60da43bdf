"""The method: neurons, codes, networks, inference, losses.  It knows no data set and no folder."""
