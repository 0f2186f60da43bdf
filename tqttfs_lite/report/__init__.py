"""Figures, tables, and the marks of a notebook.  The only room with matplotlib and IPython."""
