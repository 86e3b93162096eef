"""The named data sets, one module each; `lab.data.registry` says how to add one."""
