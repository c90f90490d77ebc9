"""What the commands do, as plain functions: they return what to print, and `cli` prints it."""
