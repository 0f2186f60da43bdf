"""The method: neurons, coding, networks, inference, losses.  Nothing here depends on a data set or a folder."""
