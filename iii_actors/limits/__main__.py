"""Print the table as ``docs/limits.rst`` shows it."""

from iii_actors.limits import as_rst

print(as_rst(), end="")
