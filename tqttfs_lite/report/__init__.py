"""Figures, tables, and the records of notebooks.  The only subpackage that uses matplotlib and IPython."""
