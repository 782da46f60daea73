"""Hours at the venue's full load, with faults: ``make soak``, ``make soak-short``."""
